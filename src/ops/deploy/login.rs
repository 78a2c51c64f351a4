//! Credentials that expire in the middle of a plan: the run waits for a new login and goes on.

use std::time::Duration;

use labdeck_aws::{Failure, FailureKind, Renewal, Result, Target};
use tokio_util::sync::CancellationToken;

use super::action::Action;
use super::run::StepRun;
use crate::progress::{Progress, Reporter};

/// How often it is looked whether somebody has logged in.
const LOOK_EVERY: Duration = Duration::from_secs(2);

impl StepRun {
    /// Performs a step; when the credentials expire meanwhile, does it again once there are new ones.
    ///
    /// A call that was refused for its credentials did nothing, and a step can be repeated from any
    /// point.
    pub(super) async fn perform_logged_in(&self, action: &Action) -> Result<()> {
        let say = |text: String| self.waiting(text, None);
        again(self.target(), &self.cancel, say, || self.perform(action)).await
    }
}

/// Reads from AWS; when the credentials have expired, reads again once there are new ones.
pub(super) async fn logged_in<T, Read>(
    target: &Target,
    reporter: &Reporter,
    cancel: &CancellationToken,
    mut read: impl FnMut() -> Read,
) -> Result<T>
where
    Read: Future<Output = Result<T>>,
{
    let say = |text: String| {
        reporter.report(Progress::Phase { name: format!("waiting for {text}") });
    };
    again(target, cancel, say, || Box::pin(read())).await
}

/// Does `work`, and does it again whenever the credentials expired meanwhile and there are new ones.
async fn again<T, Work>(
    target: &Target,
    cancel: &CancellationToken,
    say: impl Fn(String),
    mut work: impl FnMut() -> Work,
) -> Result<T>
where
    Work: Future<Output = Result<T>>,
{
    loop {
        match work().await {
            Err(failure) if failure.wants_login() => {
                Box::pin(new_login(target, cancel, failure, &say)).await?;
            }
            done => return done,
        }
    }
}

/// Waits until there are new credentials of the same account. Where they can't change while this
/// program runs, the failure stays.
async fn new_login(
    target: &Target,
    cancel: &CancellationToken,
    failure: Failure,
    say: impl Fn(String),
) -> Result<()> {
    let Some(hint) = target.login_hint() else {
        return Err(failure.next("export new credentials and run it again: what is done stays"));
    };
    loop {
        say(format!("a new login ({}): {hint}", failure.why));
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = cancel.cancelled() => {
                let why = "stopped on request";
                return Err(Failure::new(FailureKind::Cancelled, "waiting for a new login", why));
            }
        }
        if target.renew().await? == Renewal::Renewed {
            return Ok(());
        }
    }
}
