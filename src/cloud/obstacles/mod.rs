//! What stands between a call and its service: the distance to it, faults set on purpose, and the
//! rates that AWS grants an account.
//!
//! All of it is off unless asked for, lives in memory only, and is told in the status.

mod faults;
mod limits;
mod operation;

use std::time::{Duration, Instant};

pub use faults::{Fault, FaultError, Faults};
pub use operation::name as operation_name;

use crate::protocol::{set_header, text_answer};
use crate::services::Service;
use crate::wire::{Answer, ApiRequest, Caller};
use faults::Met;
use limits::{Limits, Throttled};

/// The service name by which faults reach requests to deployed APIs; their operation is the method.
pub const EXECUTE_API: &str = "execute-api";

/// How long what AWS does in the background takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long a new role can't be assumed by services.
    pub role_propagation: Duration,
    /// How long a new function stays `Pending`.
    pub function_creation: Duration,
    /// How long an update of a function stays `InProgress`.
    pub function_update: Duration,
    /// How long an event source mapping is `Creating`, `Updating` and so on.
    pub mapping_change: Duration,
    /// How long it takes until the first environment that is kept ready is started.
    pub provisioning: Duration,
    /// How many live tail sessions may run at once.
    pub live_tail_sessions: usize,
}

impl Timing {
    /// As quick as the machine is; clients must wait as they must on AWS, but not for long.
    pub const LOCAL: Self = Self {
        role_propagation: Duration::ZERO,
        function_creation: Duration::from_millis(5),
        function_update: Duration::from_millis(5),
        mapping_change: Duration::from_millis(5),
        provisioning: Duration::from_millis(5),
        live_tail_sessions: usize::MAX,
    };
    /// About as long as on AWS, which promises no times: these are ordinary ones for a function from a
    /// zip file outside a VPC.
    ///
    /// Changes of IAM, roles among them, were measured to take three to four seconds
    /// (<https://ferkakta.dev/iam-eventual-consistency-is-four-seconds>); an update of a function about
    /// one (<https://github.com/aws/aws-cdk/pull/18536>). A new function is ready "after a few seconds"
    /// (<https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html>).
    pub const AWS: Self = Self {
        role_propagation: Duration::from_secs(4),
        function_creation: Duration::from_secs(3),
        function_update: Duration::from_secs(1),
        mapping_change: Duration::from_secs(10),
        provisioning: Duration::from_secs(30),
        // CloudWatch Logs quotas, "Live Tail concurrent sessions".
        live_tail_sessions: 15,
    };
}

/// What a call meets before it reaches its service.
#[derive(Debug)]
pub enum Passage {
    /// Nothing: it is done and answered.
    Free,
    /// It is done, and its answer lost.
    LoseAnswer,
    /// It is done, and its answer held until the client gives up.
    HoldAnswer,
    /// It is not done; this is the answer.
    Refused(Answer),
}

/// How late a timer of tokio may wake: its clock ticks in milliseconds, and rounds up.
const COARSE: Duration = Duration::from_millis(2);

/// Marks an answer that must not be sent: the connection is closed instead.
#[derive(Debug, Clone, Copy)]
pub struct Lost;

/// Everything that stands between calls and their services.
#[derive(Debug)]
pub struct Obstacles {
    /// The round trip that is added to calls from outside.
    pub rtt: Duration,
    /// Faults set over the admin API.
    pub faults: Faults,
    limits: Option<Limits>,
}

impl Obstacles {
    /// The obstacles of a cloud with this round trip, with AWS's rates or without.
    pub fn new(rtt: Duration, aws_limits: bool) -> Self {
        Self { rtt, faults: Faults::default(), limits: aws_limits.then(Limits::default) }
    }

    /// Whether AWS's rates hold.
    pub fn has_limits(&self) -> bool {
        self.limits.is_some()
    }

    /// Waits for one way between a client and the cloud. What functions call is near them.
    pub async fn travel(&self, caller: &Caller) {
        if self.rtt.is_zero() || *caller != Caller::Operator {
            return;
        }
        let there = Instant::now() + self.rtt / 2;
        if let Some(early) = (self.rtt / 2).checked_sub(COARSE) {
            tokio::time::sleep(early).await;
        }
        // A thread's sleep is exact to a tenth of a millisecond.
        let rest = move || std::thread::sleep(there.saturating_duration_since(Instant::now()));
        let _ = tokio::task::spawn_blocking(rest).await;
    }

    /// Waits as long as an answer is held.
    pub async fn hold(&self) {
        self.faults.hold().await;
    }

    /// Lets a client wait until it has given up, and then loses the answer.
    async fn never_done(&self) -> Passage {
        self.hold().await;
        let mut answer = text_answer(503, "The call was held and never done.");
        answer.extensions_mut().insert(Lost);
        Passage::Refused(answer)
    }

    /// What the faults do to a call, once it may go on.
    async fn met(&self, service: &str, operation: &str, by_operator: bool) -> Met {
        // From before it is struck on: whoever sees it struck may change the faults at once.
        let changed = self.faults.changes();
        let met = self.faults.meet(service, operation, by_operator);
        if met.pause {
            changed.await;
        }
        met
    }

    /// What a call of a service's API meets.
    pub async fn meet(&self, service: &Service, request: &ApiRequest) -> Passage {
        if self.limits.is_none() && self.faults.is_empty() {
            return Passage::Free;
        }
        let signing_name = service.signing_name();
        let operation = operation::name(signing_name, request).unwrap_or_default();
        let by_operator = request.caller == Caller::Operator;
        let met = self.met(signing_name, &operation, by_operator).await;
        if !met.delay.is_zero() {
            tokio::time::sleep(met.delay).await;
        }
        let passage = match met {
            Met { error: Some(error), .. } => {
                Passage::Refused(service.protocol().error(&error, &request.request_id))
            }
            Met { lose_answer: true, .. } => Passage::LoseAnswer,
            Met { hold: true, .. } => self.never_done().await,
            Met { hold_answer: true, .. } => Passage::HoldAnswer,
            Met { .. } => Passage::Free,
        };
        if matches!(passage, Passage::Refused(_)) {
            return passage;
        }
        let Some(limits) = &self.limits else { return passage };
        match limits.spend(signing_name, &operation, request) {
            Ok(()) => passage,
            Err(throttled) => {
                let mut answer =
                    service.protocol().error(&Throttled::error(signing_name), &request.request_id);
                if let Some(seconds) = throttled.retry_after(signing_name) {
                    set_header(&mut answer, "retry-after", &seconds.to_string());
                }
                tracing::info!(service = signing_name, operation, "throttled");
                Passage::Refused(answer)
            }
        }
    }

    /// What a request to a deployed API meets.
    pub async fn meet_execute(&self, method: &http::Method, request_id: &str) -> Passage {
        if self.faults.is_empty() {
            return Passage::Free;
        }
        let met = self.faults.meet(EXECUTE_API, method.as_str(), true);
        if !met.delay.is_zero() {
            tokio::time::sleep(met.delay).await;
        }
        match met {
            Met { error: Some(error), .. } => {
                Passage::Refused(crate::protocol::Protocol::ApiGateway.error(&error, request_id))
            }
            Met { lose_answer: true, .. } => Passage::LoseAnswer,
            Met { hold: true, .. } => self.never_done().await,
            Met { hold_answer: true, .. } => Passage::HoldAnswer,
            Met { .. } => Passage::Free,
        }
    }
}
