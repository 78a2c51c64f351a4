//! Faults set on purpose: the n-th call of an operation fails, takes long, or loses its answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::limits::Throttled;
use crate::error::AwsError;

/// Faults that may be set at once.
const MOST: usize = 100;
/// Longest delay, in milliseconds.
const LONGEST_DELAY_MS: u64 = 60_000;
/// How long a call or its answer is held at most.
const LONGEST_HOLD: Duration = Duration::from_mins(10);
/// Longest name, code or message, in bytes.
const LONGEST_TEXT: usize = 1000;
/// Names of struck calls that are kept of a fault.
const MOST_STRUCK: usize = 100;

/// A fault as it is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Signing name of the service, such as `lambda` or `monitoring`; `execute-api` for requests to
    /// deployed APIs; `*` for whatever the operator calls but these.
    pub service: String,
    /// The operation by AWS's name, or `*` for all; for `execute-api` the HTTP method.
    pub operation: String,
    /// Which call it strikes, counted from 1 since it was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
    /// Strikes each n-th call; 1 strikes all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// What happens.
    pub action: Action,
}

/// What a fault does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// The call is not done; this error is its answer, in the service's own form.
    Error {
        /// HTTP status, 400 to 599.
        status: u16,
        /// AWS's error code.
        code: String,
        /// The message.
        message: String,
    },
    /// The call is not done; it is throttled in the service's own words.
    Throttle,
    /// The call is done, then its connection is closed without an answer.
    LoseAnswer,
    /// The call is done this many milliseconds later.
    DelayMs(u64),
    /// The call is never done, and not answered for ten minutes.
    Hold,
    /// The call is done, and its answer not sent until its client gives up.
    HoldAnswer,
    /// The call waits until the faults are set anew or taken away, and is done then.
    Pause,
}

/// A fault that can't be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// The list is not what is taken; says where and why.
    #[error("the faults can't be read: {0}")]
    Unreadable(String),
    /// There are too many.
    #[error("at most {MOST} faults can be set, not {0}")]
    TooMany(usize),
    /// One of them makes no sense.
    #[error("fault {number}: {reason}")]
    Wrong {
        /// Its place in the list, from 1.
        number: usize,
        /// What is wrong.
        reason: &'static str,
    },
}

#[derive(Debug)]
struct Set {
    fault: Fault,
    matched: u64,
    fired: u64,
    struck: Vec<String>,
}

/// What the faults do to one call.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Met {
    pub error: Option<AwsError>,
    pub lose_answer: bool,
    pub hold: bool,
    pub hold_answer: bool,
    pub pause: bool,
    pub delay: Duration,
}

/// The faults that are set, with how often they matched and struck.
#[derive(Debug, Default)]
pub struct Faults {
    set: Mutex<Vec<Set>>,
    held: AtomicU64,
    changed: Notify,
}

impl Faults {
    /// Sets the faults of a JSON list in place of those before; counting starts anew.
    pub fn replace(&self, body: &[u8]) -> Result<(), FaultError> {
        let faults: Vec<Fault> = serde_json::from_slice(body)
            .map_err(|error| FaultError::Unreadable(error.to_string()))?;
        if faults.len() > MOST {
            return Err(FaultError::TooMany(faults.len()));
        }
        for (index, fault) in faults.iter().enumerate() {
            fault.check().map_err(|reason| FaultError::Wrong { number: index + 1, reason })?;
        }
        *self.lock() = faults
            .into_iter()
            .map(|fault| Set { fault, matched: 0, fired: 0, struck: Vec::new() })
            .collect();
        self.held.store(0, Ordering::Relaxed);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Takes all faults away.
    pub fn clear(&self) {
        self.lock().clear();
        self.changed.notify_waiters();
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// `{"faults": […], "held": N}`: each as it was set, with `matched`, `fired` and the first calls
    /// `struck`; and how many answers are held since the faults were set.
    pub fn told(&self) -> Value {
        let list: Vec<Value> = self
            .lock()
            .iter()
            .map(|set| {
                let mut told = json!(set.fault);
                told["matched"] = set.matched.into();
                told["fired"] = set.fired.into();
                told["struck"] = json!(set.struck);
                told
            })
            .collect();
        json!({ "faults": list, "held": self.held.load(Ordering::Relaxed) })
    }

    /// Counts a call and says what strikes it. Delays add up; of errors, lost and held answers the
    /// first counts. `by_operator` is false for the calls of functions.
    pub(super) fn meet(&self, service: &str, operation: &str, by_operator: bool) -> Met {
        let mut met = Met::default();
        for set in self.lock().iter_mut() {
            let fault = &set.fault;
            let named = fault.operation == "*" || fault.operation == operation;
            let any = fault.service == "*" && by_operator && service != super::EXECUTE_API;
            if !(any || fault.service == service) || !named {
                continue;
            }
            set.matched += 1;
            if !fault.strikes(set.matched) {
                continue;
            }
            set.fired += 1;
            if set.struck.len() < MOST_STRUCK {
                set.struck.push(format!("{service} {operation}"));
            }
            let decided = met.error.is_some() || met.lose_answer || met.hold || met.hold_answer;
            match &fault.action {
                Action::DelayMs(ms) => met.delay += Duration::from_millis(*ms),
                Action::Hold if !decided => met.hold = true,
                Action::HoldAnswer if !decided => met.hold_answer = true,
                Action::Pause => met.pause = true,
                Action::Error { status, code, message } if !decided => {
                    met.error = Some(AwsError::new(*status, code.as_str(), message.as_str()));
                }
                Action::Throttle if !decided => met.error = Some(Throttled::error(service)),
                Action::LoseAnswer if !decided => met.lose_answer = true,
                Action::Error { .. }
                | Action::Throttle
                | Action::LoseAnswer
                | Action::Hold
                | Action::HoldAnswer => {}
            }
        }
        met
    }

    /// The next change of the faults. It is noticed from here on, whenever it is waited for.
    pub(super) fn changes(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Holds a call or an answer until its client has long given up.
    pub(super) async fn hold(&self) {
        self.held.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(LONGEST_HOLD).await;
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Set>> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fault {
    fn strikes(&self, call: u64) -> bool {
        match (self.nth, self.every) {
            (Some(nth), _) => call == nth,
            (None, Some(every)) => every > 0 && call.is_multiple_of(every),
            (None, None) => false,
        }
    }

    fn check(&self) -> Result<(), &'static str> {
        let text = |text: &str| !text.is_empty() && text.len() <= LONGEST_TEXT;
        match (self.nth, self.every) {
            (Some(0), None) | (None, Some(0)) => return Err("calls are counted from 1"),
            (Some(_), None) | (None, Some(_)) => {}
            _ => return Err("give either nth or every"),
        }
        if !text(&self.service) || !text(&self.operation) {
            return Err("service and operation must be names");
        }
        match &self.action {
            Action::Error { status, code, message } => {
                // The code may become a header.
                let plain = code.bytes().all(|byte| byte.is_ascii_graphic());
                if !(400..600).contains(status) {
                    return Err("the status of an error is 400 to 599");
                }
                if !plain || !text(code) || message.len() > LONGEST_TEXT {
                    return Err("code must be a word, and neither code nor message long");
                }
            }
            Action::DelayMs(ms) if *ms > LONGEST_DELAY_MS => {
                return Err("a delay is at most 60000 ms");
            }
            Action::DelayMs(_)
            | Action::Throttle
            | Action::LoseAnswer
            | Action::Hold
            | Action::HoldAnswer
            | Action::Pause => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn faults_strike_the_calls_they_name() {
        let faults = Faults::default();
        faults
            .replace(
                br#"[{"service":"lambda","operation":"CreateFunction","nth":2,
                      "action":{"error":{"status":500,"code":"ServiceException","message":"x"}}},
                     {"service":"lambda","operation":"*","every":2,"action":{"delay_ms":7}},
                     {"service":"iam","operation":"GetRole","every":1,"action":"lose_answer"}]"#,
            )
            .unwrap();
        assert_eq!(faults.meet("lambda", "CreateFunction", true), Met::default());
        let second = faults.meet("lambda", "CreateFunction", true);
        assert_eq!(second.error.unwrap().code, "ServiceException");
        assert_eq!(second.delay, Duration::from_millis(7));
        assert_eq!(faults.meet("lambda", "CreateFunction", true), Met::default());
        assert!(faults.meet("iam", "GetRole", false).lose_answer);
        assert_eq!(faults.meet("sts", "GetRole", true), Met::default());
        let told = faults.told();
        assert_eq!(told["faults"][0]["matched"], 3);
        assert_eq!(told["faults"][0]["fired"], 1);
        assert_eq!(told["faults"][2]["action"], "lose_answer");
        faults.clear();
        assert!(faults.is_empty());
    }

    #[test]
    fn a_star_means_what_the_operator_calls() {
        let faults = Faults::default();
        let set = br#"[{"service":"*","operation":"*","nth":2,"action":"hold_answer"}]"#;
        faults.replace(set).unwrap();
        assert_eq!(faults.meet("execute-api", "GET", true), Met::default());
        assert_eq!(faults.meet("dynamodb", "PutItem", false), Met::default());
        assert_eq!(faults.meet("iam", "GetRole", true), Met::default());
        assert!(faults.meet("sts", "GetCallerIdentity", true).hold_answer);
        assert_eq!(faults.told()["faults"][0]["struck"][0], "sts GetCallerIdentity");
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_place() {
        let faults = Faults::default();
        let refused = |text: &str| faults.replace(text.as_bytes()).unwrap_err().to_string();
        assert!(refused("{").starts_with("the faults can't be read"));
        let of = |rest: &str| refused(&format!(r#"[{{"service":"s","operation":"o",{rest}}}]"#));
        assert_eq!(of(r#""action":"lose_answer""#), "fault 1: give either nth or every");
        assert_eq!(of(r#""nth":0,"action":"lose_answer""#), "fault 1: calls are counted from 1");
        assert!(of(r#""nth":1,"action":"explode""#).contains("explode"));
        assert!(of(r#""nth":1,"action":{"delay_ms":60001}"#).contains("60000"));
        assert!(faults.is_empty(), "nothing of a wrong list is set");
    }
}
