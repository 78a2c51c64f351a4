//! What changes something without an AWS client: refused in read-only mode and written down all the same.

use std::sync::atomic::Ordering;

use crate::audit::Entry;
use crate::failure::{Failure, FailureKind, Result};
use crate::intercept::Begun;
use crate::target::Target;

/// How to leave read-only mode, for those whom it refused something.
pub(crate) const LEAVING: &str =
    "start labdeck again without --read-only, and without read_only in its configuration";

/// A change on its way that is written to the audit when it has ended, or is given up.
#[derive(Debug)]
pub struct Recorded(Begun);

impl Recorded {
    /// Writes it down with what it came to: `ok`, or the code or kind of the failure.
    pub fn ended<T>(self, result: &Result<T>) {
        self.0.ended(match result {
            Ok(_) => Entry::ok(),
            Err(failure) => failure.code.clone().unwrap_or_else(|| format!("{:?}", failure.kind)),
        });
    }

    /// Writes it down as one that did not do what it was asked, with why in a word or two.
    pub fn failed(self, why: &str) {
        self.0.ended(why);
    }
}

impl Target {
    /// Whether calls that may change something are refused.
    pub fn read_only(&self) -> bool {
        self.read_only.load(Ordering::SeqCst)
    }

    /// From now on every call that may change something is refused. There is no way back: whoever wants
    /// to change something starts anew.
    pub fn enter_read_only(&self) {
        self.read_only.store(true, Ordering::SeqCst);
    }

    /// Refuses `what` in read-only mode; `counts` says why it counts as changing, where that needs a word.
    ///
    /// # Errors
    /// Refused, in read-only mode.
    pub fn may_change(&self, what: impl Into<String>, counts: Option<&str>) -> Result<()> {
        if !self.read_only() {
            return Ok(());
        }
        let why = match counts {
            Some(counts) => format!("{counts}, and the target is read-only"),
            None => "the target is read-only".to_owned(),
        };
        Err(Failure::new(FailureKind::Refused, what, why).next(LEAVING))
    }

    /// Begins to write down a change that no AWS client makes: a request to a deployed API, what only
    /// the local cloud can do. The lab and the change are those of the running task, as of AWS's calls.
    pub fn record(&self, service: &str, operation: &str, resource: &str) -> Recorded {
        Recorded(self.scribe.begin(service, operation, resource.to_owned()))
    }
}
