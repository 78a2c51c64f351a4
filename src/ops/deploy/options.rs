//! What a person chooses for one deploy.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::plan::Plan;

/// Asks a person whether a plan with warnings is to be carried out.
pub type Confirm = Arc<dyn Fn(Plan) -> BoxFuture<'static, bool> + Send + Sync>;

/// What a person chooses for one deploy. The default asks nothing and keeps nothing.
#[derive(Clone, Default)]
pub struct Options {
    /// Values of the lab's parameters; an empty one takes a value away. A parameter that is not
    /// given keeps what is live.
    pub set: BTreeMap<String, String>,
    /// Keep what somebody else changed since the last deploy, instead of correcting it.
    pub keep_drift: bool,
    /// Asked before a plan that has warnings is carried out; without it such a plan is carried out.
    pub confirm: Option<Confirm>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("set", &self.set.keys())
            .field("keep_drift", &self.keep_drift)
            .field("confirm", &self.confirm.is_some())
            .finish()
    }
}
