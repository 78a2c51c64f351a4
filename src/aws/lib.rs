//! The one way to the cloud: targets, credentials, clients, the interceptor, budgets, explanations.

mod audit;
mod budget;
mod calls;
mod endpoint;
mod explain;
pub mod failure;
mod intercept;
mod local;
mod operations;
mod renew;
mod target;
mod throttles;
mod transport;

pub use calls::{counted, same_count};
pub use failure::{Failure, FailureKind, Result};
pub use local::{Attachment, CloudStatus, LocalAdmin, LocalCloud, default_state_dir};
pub use operations::is_mutating;
pub use renew::Renewal;
pub use target::{ANSWER_TIMEOUT, Target, TargetChoice, TargetOptions};
