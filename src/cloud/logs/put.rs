//! `PutLogEvents`: its limits, what it rejects, and the write.

// Members of requests and answers are named as on the wire.
#![allow(clippy::struct_field_names)]

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Logs;
use super::desk::{EVENT_OVERHEAD, expiry};
use super::error::{constraint, invalid, store_failed};
use super::names::{group_name, stream_name};
use crate::error::AwsError;
use crate::wire::Caller;

/// Events in one call.
const MOST_EVENTS: usize = 10_000;
/// Bytes in one call: messages plus 26 for each event.
const MOST_BYTES: i64 = 1_048_576;
/// Time from the first to the last event of one call, in ms.
const LONGEST_SPAN: i64 = 24 * 3_600_000;
/// How far ahead an event may be, in ms.
const TOO_NEW: i64 = 2 * 3_600_000;
/// How old an event may be, in ms.
const TOO_OLD: i64 = 14 * 24 * 3_600_000;

/// Sequence tokens mean nothing since 2023, but are still answered.
pub const SEQUENCE_TOKEN: &str = "49640000000000000000000000000000000000000000000000000002";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PutLogEvents {
    log_group_name: Option<String>,
    log_stream_name: Option<String>,
    log_events: Option<Vec<InputLogEvent>>,
}

#[derive(Deserialize)]
struct InputLogEvent {
    timestamp: Option<i64>,
    message: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PutDone {
    next_sequence_token: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected_log_events_info: Option<Rejected>,
}

/// Which events were left out.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rejected {
    /// First event that is too far in the future.
    #[serde(skip_serializing_if = "Option::is_none")]
    too_new_log_event_start_index: Option<usize>,
    /// First event that is not too old.
    #[serde(skip_serializing_if = "Option::is_none")]
    too_old_log_event_end_index: Option<usize>,
    /// First event that is not expired by the group's retention.
    #[serde(skip_serializing_if = "Option::is_none")]
    expired_log_event_end_index: Option<usize>,
}

impl Logs {
    pub(super) async fn put_log_events(
        &self,
        caller: &Caller,
        request: PutLogEvents,
        bytes: usize,
    ) -> Result<PutDone, AwsError> {
        let group = group_name(request.log_group_name.as_deref(), "logGroupName")?.to_owned();
        let stream = stream_name(request.log_stream_name.as_deref(), "logStreamName")?.to_owned();
        self.allow_stream(caller, "PutLogEvents", &group, &stream)?;
        let events = check(request.log_events.unwrap_or_default())?;
        self.writer
            .change(bytes, move |desk| {
                let group = desk.group(&group)?;
                let row = desk.stream(&group, &stream)?;
                let (events, rejected) = reject(events, desk.now(), group.retention);
                let stream: Arc<str> = stream.into();
                desk.insert(&group, row, &stream, events).map_err(|e| store_failed(&e))?;
                Ok(PutDone {
                    next_sequence_token: SEQUENCE_TOKEN,
                    rejected_log_events_info: rejected,
                })
            })
            .await
    }
}

/// Checks what makes AWS refuse the whole call.
fn check(events: Vec<InputLogEvent>) -> Result<Vec<(i64, String)>, AwsError> {
    if events.is_empty() || events.len() > MOST_EVENTS {
        return Err(constraint(
            &format!("{} events", events.len()),
            "logEvents",
            &format!("Member must have length from 1 to {MOST_EVENTS}"),
        ));
    }
    let mut checked: Vec<(i64, String)> = Vec::with_capacity(events.len());
    let mut bytes = 0;
    for (index, event) in events.into_iter().enumerate() {
        let member = |name: &str| format!("logEvents.{}.member.{name}", index + 1);
        let Some(timestamp) = event.timestamp else {
            return Err(constraint("null", &member("timestamp"), "Member must not be null"));
        };
        if timestamp < 0 {
            return Err(constraint(
                &timestamp.to_string(),
                &member("timestamp"),
                "Member must have value greater than or equal to 0",
            ));
        }
        let message = event.message.unwrap_or_default();
        if message.is_empty() {
            return Err(constraint(
                "",
                &member("message"),
                "Member must have length greater than or equal to 1",
            ));
        }
        if checked.last().is_some_and(|(last, _)| *last > timestamp) {
            return Err(invalid(
                "Log events in a single PutLogEvents request must be in chronological order.",
            ));
        }
        bytes += message.len() as i64 + EVENT_OVERHEAD;
        checked.push((timestamp, message));
    }
    if bytes > MOST_BYTES {
        return Err(invalid(format!(
            "Upload too large: {bytes} bytes exceeds limit of {MOST_BYTES}"
        )));
    }
    if let (Some((first, _)), Some((last, _))) = (checked.first(), checked.last())
        && last.saturating_sub(*first) > LONGEST_SPAN
    {
        return Err(invalid(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        ));
    }
    Ok(checked)
}

/// Takes out the events that are too old, expired or too new; they are in order of time.
fn reject(
    mut events: Vec<(i64, String)>,
    now: i64,
    retention: Option<i64>,
) -> (Vec<(i64, String)>, Option<Rejected>) {
    let old = events.partition_point(|(time, _)| *time < now - TOO_OLD);
    let expired =
        retention.map_or(0, |days| events.partition_point(|(time, _)| *time < expiry(now, days)));
    let new = events.partition_point(|(time, _)| *time <= now + TOO_NEW);
    let rejected = Rejected {
        too_new_log_event_start_index: (new < events.len()).then_some(new),
        too_old_log_event_end_index: (old > 0).then_some(old),
        expired_log_event_end_index: (expired > old).then_some(expired),
    };
    events.truncate(new);
    events.drain(..old.max(expired).min(new));
    let rejected = (rejected != Rejected::default()).then_some(rejected);
    (events, rejected)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn events(times: &[i64]) -> Vec<InputLogEvent> {
        times
            .iter()
            .map(|time| InputLogEvent { timestamp: Some(*time), message: Some("m".to_owned()) })
            .collect()
    }

    #[test]
    fn a_batch_is_chronological_short_and_small() {
        assert!(check(events(&[1, 1, 2])).is_ok());
        assert!(check(events(&[2, 1])).unwrap_err().message.contains("chronological"));
        assert!(check(events(&[0, LONGEST_SPAN + 1])).unwrap_err().message.contains("24 hours"));
        assert!(check(Vec::new()).is_err());
        let mut large = events(&[1]);
        large[0].message = Some("x".repeat(1_048_551));
        assert!(check(large).unwrap_err().message.starts_with("Upload too large: 1048577"));
    }

    #[test]
    fn events_out_of_time_are_rejected_by_index() {
        let now = 100 * 86_400_000;
        let day = 86_400_000;
        let batch = vec![
            (now - 15 * day, "old".to_owned()),
            (now - 2 * day, "expired".to_owned()),
            (now, "good".to_owned()),
            (now + TOO_NEW + 1, "new".to_owned()),
        ];
        let (kept, rejected) = reject(batch, now, Some(1));
        assert_eq!(kept, [(now, "good".to_owned())]);
        assert_eq!(
            rejected.unwrap(),
            Rejected {
                too_new_log_event_start_index: Some(3),
                too_old_log_event_end_index: Some(1),
                expired_log_event_end_index: Some(2),
            }
        );
        assert_eq!(reject(vec![(now, "good".to_owned())], now, None).1, None);
    }
}
