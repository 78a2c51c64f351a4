//! The gateway, edited live: stages, deployments, usage plans, what keys have used, keys.
//!
//! Every edit goes the same way: read, preview (pure: the patch operations with old and new values),
//! apply. Applying takes the lab's lease and reads again: what somebody else changed since is not
//! overwritten, and both sides are in the failure. What is changed here is a hand edit: the plan shows it
//! as drift, and [`edit::Done`] says which line of lab.toml keeps it.

pub mod deployments;
pub mod difference;
pub mod edit;
mod estimate;
mod found;
pub mod keys;
pub mod overview;
pub mod patch;
pub mod plan;
mod plan_key;
mod rotate;
pub mod rules;
pub(crate) mod sent;
pub mod stage;
mod stage_key;
pub mod usage;

pub(crate) use deployments::flush_cache;
pub use edit::{Done, Preview, Settings};
pub use estimate::Forecast;
pub use found::split_stage;
pub use overview::{Gateway, read};
pub use rotate::{USUAL_GRACE, rotate};
pub(crate) use rules::meant;
