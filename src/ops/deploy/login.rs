//! Credentials that expire in the middle of a plan: the run waits for a new login and goes on.

use std::time::Duration;

use labdeck_aws::{Failure, Renewal, Result};

use super::action::Action;
use super::run::StepRun;

/// How often it is looked whether somebody has logged in.
const LOOK_EVERY: Duration = Duration::from_secs(2);

impl StepRun {
    /// Performs a step; when the credentials expire meanwhile, does it again once there are new ones.
    ///
    /// A call that was refused for its credentials did nothing, and a step can be repeated from any
    /// point.
    pub(super) async fn perform_logged_in(&self, action: &Action) -> Result<()> {
        loop {
            match self.perform(action).await {
                Err(failure) if failure.wants_login() => self.new_login(failure).await?,
                done => return done,
            }
        }
    }

    /// Waits until there are new credentials of the same account. Where they can't change while this
    /// program runs, the failure stays.
    async fn new_login(&self, failure: Failure) -> Result<()> {
        let Some(hint) = self.target().login_hint() else {
            return Err(failure.next("export new credentials and run it again: what is done stays"));
        };
        loop {
            self.waiting(format!("a new login ({}): {hint}", failure.why), None);
            self.pause(LOOK_EVERY).await?;
            if self.target().renew().await? == Renewal::Renewed {
                return Ok(());
            }
        }
    }
}
