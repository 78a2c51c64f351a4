//! Faults set on purpose: the n-th call of an operation fails, takes long, or loses its answer.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::AwsError;

/// Faults that may be set at once.
const MOST: usize = 100;
/// Longest delay, in milliseconds.
const LONGEST_DELAY_MS: u64 = 60_000;
/// Longest name, code or message, in bytes.
const LONGEST_TEXT: usize = 1000;

/// A fault as it is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Signing name of the service, such as `lambda` or `monitoring`; `execute-api` for requests to
    /// deployed APIs.
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
    /// The call is done, then its connection is closed without an answer.
    LoseAnswer,
    /// The call is done this many milliseconds later.
    DelayMs(u64),
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
}

/// What the faults do to one call.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Met {
    pub error: Option<AwsError>,
    pub lose_answer: bool,
    pub delay: Duration,
}

/// The faults that are set, with how often they matched and struck.
#[derive(Debug, Default)]
pub struct Faults {
    set: Mutex<Vec<Set>>,
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
        *self.lock() =
            faults.into_iter().map(|fault| Set { fault, matched: 0, fired: 0 }).collect();
        Ok(())
    }

    /// Takes all faults away.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// `{"faults": […]}`: each as it was set, with `matched` and `fired`.
    pub fn told(&self) -> Value {
        let list: Vec<Value> = self
            .lock()
            .iter()
            .map(|set| {
                let mut told = json!(set.fault);
                told["matched"] = set.matched.into();
                told["fired"] = set.fired.into();
                told
            })
            .collect();
        json!({ "faults": list })
    }

    /// Counts a call and says what strikes it. Delays add up; of errors and lost answers the first
    /// counts.
    pub(super) fn meet(&self, service: &str, operation: &str) -> Met {
        let mut met = Met::default();
        for set in self.lock().iter_mut() {
            let fault = &set.fault;
            let named = fault.operation == "*" || fault.operation == operation;
            if fault.service != service || !named {
                continue;
            }
            set.matched += 1;
            if !fault.strikes(set.matched) {
                continue;
            }
            set.fired += 1;
            let decided = met.error.is_some() || met.lose_answer;
            match &fault.action {
                Action::DelayMs(ms) => met.delay += Duration::from_millis(*ms),
                Action::Error { status, code, message } if !decided => {
                    met.error = Some(AwsError::new(*status, code.as_str(), message.as_str()));
                }
                Action::LoseAnswer if !decided => met.lose_answer = true,
                Action::Error { .. } | Action::LoseAnswer => {}
            }
        }
        met
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
            Action::DelayMs(_) | Action::LoseAnswer => {}
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
        assert_eq!(faults.meet("lambda", "CreateFunction"), Met::default());
        let second = faults.meet("lambda", "CreateFunction");
        assert_eq!(second.error.unwrap().code, "ServiceException");
        assert_eq!(second.delay, Duration::from_millis(7));
        assert_eq!(faults.meet("lambda", "CreateFunction"), Met::default());
        assert!(faults.meet("iam", "GetRole").lose_answer);
        assert_eq!(faults.meet("sts", "GetRole"), Met::default());
        let told = faults.told();
        assert_eq!(told["faults"][0]["matched"], 3);
        assert_eq!(told["faults"][0]["fired"], 1);
        assert_eq!(told["faults"][2]["action"], "lose_answer");
        faults.clear();
        assert!(faults.is_empty());
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
