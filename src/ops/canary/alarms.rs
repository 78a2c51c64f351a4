//! The alarms that a canary must not set off.

use std::collections::BTreeMap;

use labdeck_aws::{Failure, FailureKind, Result, Target};

/// The states (`OK`, `ALARM`, `INSUFFICIENT_DATA`) of these alarms by name; one that does not exist is
/// left out.
pub(super) async fn states(target: &Target, names: &[String]) -> Result<BTreeMap<String, String>> {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let call = target.cloudwatch().describe_alarms().set_alarm_names(Some(names.to_vec()));
    let answer = call.send().await.map_err(|error| {
        Failure::from_sdk(format!("reading the alarms {}", names.join(", ")), &error)
    })?;
    let state = |alarm: &aws_sdk_cloudwatch::types::MetricAlarm| {
        let state = alarm.state_value()?.as_str().to_owned();
        Some((alarm.alarm_name()?.to_owned(), state))
    };
    Ok(answer.metric_alarms().iter().filter_map(state).collect())
}

/// Refuses to begin while an alarm is on or missing: it could not tell anything of the canary.
pub(super) fn refuse_unfit(
    lab: &str,
    names: &[String],
    states: &BTreeMap<String, String>,
) -> Result<()> {
    let unfit = |why: String| {
        let what = format!("beginning a canary of lab {lab}");
        Failure::new(FailureKind::Refused, what, why)
    };
    for name in names {
        match states.get(name).map(String::as_str) {
            None => {
                return Err(unfit(format!("its alarm {name} does not exist"))
                    .next(format!("deploy the lab: labdeck deploy {lab}")));
            }
            Some("ALARM") => {
                return Err(unfit(format!("its alarm {name} is on already"))
                    .next("wait until it is off, or begin without it: --alarm none"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}
