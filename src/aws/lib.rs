//! The one way to the cloud: targets, credentials, clients, the interceptor, budgets, explanations.

mod audit;
mod budget;
mod calls;
mod endpoint;
mod explain;
pub mod failure;
mod intercept;
mod local;
mod note;
mod operations;
mod reading;
mod record;
mod renew;
mod target;
mod throttles;
mod transport;

pub use audit::{AuditReader, Damaged, Entry as AuditEntry, Line as AuditLine, audit_path};
pub use calls::{counted, same_count};
pub use failure::{Failure, FailureKind, Result};
pub use local::{Attachment, CloudStatus, LocalAdmin, LocalCloud, SlowTable, default_state_dir};
pub use note::{changing, for_lab};
pub use operations::{is_mutating, reading_operations};
pub use record::Recorded;
pub use renew::Renewal;
pub use target::{ANSWER_TIMEOUT, Target, TargetChoice, TargetOptions};
