//! The local cloud as its users see it: found, started, administered.

mod admin;
mod cloud;
mod start;

pub use admin::{Attachment, CloudStatus, LocalAdmin, SlowTable};
pub use cloud::LocalCloud;
pub use start::default_state_dir;
