//! Environments that are started before anybody asks for them: provisioned concurrency.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::pool::{Lease, Pool};
use super::report::{self, Status};
use super::run::error_type;
use super::supervisor::{StartFailure, Started, log_stream, start};
use super::{InitFailure, Initialization, Phase, Spec};

/// The least time that a start ahead may take (Lambda Developer Guide, "Init phase": 130 seconds or
/// the function's time limit, whichever is more).
const INIT_AHEAD_LIMIT: Duration = Duration::from_secs(130);

/// How a start ahead ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ahead {
    /// It is ready.
    Ready,
    /// The function did not start; its log tells why.
    Failed,
    /// There was no room, or the machine had none to give.
    Full,
    /// The cloud is ending, or the version is gone.
    Stopping,
}

/// What is kept ready of one instance.
#[derive(Debug)]
pub struct Keeping {
    /// So many environments.
    pub count: u32,
    /// Told when one of them has ended.
    pub ended: Arc<Notify>,
}

impl Pool {
    /// Sets how many environments of an instance are kept without work, and whom to tell of ends.
    /// Those above end: at once without work, else when they are done.
    pub fn keep(&self, instance: &str, count: u32, ended: Option<Arc<Notify>>) {
        let mut state = self.state();
        match ended {
            Some(ended) if count > 0 => {
                state.kept.insert(instance.to_owned(), Keeping { count, ended });
            }
            _ => {
                state.kept.remove(instance);
            }
        }
        let mut above = state.ahead(instance).saturating_sub(count);
        if let Some(group) = state.groups.get_mut(instance) {
            group.idle.retain(|(environment, _)| {
                let end = above > 0 && environment.spec.initialization.is_ahead();
                if end {
                    above -= 1;
                    environment.kill();
                }
                !end
            });
        }
    }

    /// How many environments of an instance were started ahead and have not ended.
    pub fn started_ahead(&self, instance: &str) -> u32 {
        self.state().ahead(instance)
    }

    /// How many of them have started and can serve, or are serving.
    pub fn ready_ahead(&self, instance: &str) -> u32 {
        let count = self
            .state()
            .all
            .values()
            .filter(|e| e.spec.initialization.is_ahead() && e.spec.instance == instance)
            .filter(|e| !matches!(*e.phase(), Phase::Starting(_) | Phase::Dead))
            .count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// How many of them are working on an invocation.
    pub fn busy_ahead(&self, instance: &str) -> u32 {
        let count = self
            .state()
            .all
            .values()
            .filter(|e| e.spec.initialization.is_ahead() && e.spec.instance == instance)
            .filter(|e| matches!(*e.phase(), Phase::Busy(_)))
            .count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Starts an environment of `spec` that waits for work when this returns.
    pub async fn start_ahead(self: &Arc<Self>, spec: Spec) -> Ahead {
        let spec = Arc::new(spec);
        let Some(reservation) = self.reserve(&spec.instance) else {
            return if self.closed() { Ahead::Stopping } else { Ahead::Full };
        };
        let stream = log_stream(self.services(), &spec);
        let began = Instant::now();
        let limit = INIT_AHEAD_LIMIT.max(spec.timeout);
        let started = match start(self, reservation.id(), &spec, &stream, limit, true).await {
            Ok(Ok(started)) => started,
            Ok(Err(StartFailure { failure, mut output })) => {
                output.platform(line(began, &failure));
                output.flush().await;
                return Ahead::Failed;
            }
            Err(error) => {
                tracing::warn!(error = error.message, "an environment could not be started ahead");
                return Ahead::Full;
            }
        };
        reservation.used();
        let Started { environment, ready } = started;
        let lease = Lease::new(self, environment);
        match ready.await {
            Ok(Ok(())) => {
                lease.environment().output.lock().await.flush().await;
                Ahead::Ready
            }
            Ok(Err(failure)) => {
                let mut output = lease.environment().output.lock().await;
                output.platform(line(began, &failure));
                output.flush().await;
                Ahead::Failed
            }
            Err(_) => Ahead::Stopping,
        }
    }
}

/// The line that tells of a start that failed.
fn line(began: Instant, failure: &InitFailure) -> String {
    let kind = match failure {
        InitFailure::Entrypoint(_) => "Runtime.InvalidEntrypoint".to_owned(),
        InitFailure::Exited(_) => "Runtime.ExitError".to_owned(),
        InitFailure::Reported(payload) => error_type(payload),
        InitFailure::TimedOut => return report::init_report(began.elapsed(), Status::TimedOut),
    };
    report::init_report(began.elapsed(), Status::Failed(&kind))
}

impl Initialization {
    /// Whether it was started before anybody asked for it.
    pub fn is_ahead(self) -> bool {
        self == Self::Provisioned
    }

    /// AWS's word for it, in `AWS_LAMBDA_INITIALIZATION_TYPE`.
    pub fn word(self) -> &'static str {
        match self {
            Self::OnDemand => "on-demand",
            Self::Provisioned => "provisioned-concurrency",
        }
    }
}
