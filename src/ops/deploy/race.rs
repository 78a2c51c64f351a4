//! What somebody else changed while a deploy was under way: nothing of it is overwritten.

use labdeck_aws::{Failure, FailureKind, Result};

use super::plan::{Plan, Step};

/// Steps that a failure names.
const NAMED: usize = 3;

/// Whether `now`, planned under the lease, does nothing that `before` did not: what others did meanwhile
/// may have saved work, but must not be undone by a plan that was made without knowing of it.
///
/// # Errors
/// `Conflict`, naming what somebody else changed.
pub(super) fn agreed(before: &Plan, now: &Plan) -> Result<()> {
    let news: Vec<&Step> = now.steps.iter().filter(|step| is_news(before, step)).collect();
    if news.is_empty() {
        return Ok(());
    }
    let named: Vec<String> = news
        .iter()
        .take(NAMED)
        .map(|step| format!("{} {}: {}", step.resource, step.name, step.reason))
        .collect();
    let more = news.len().saturating_sub(NAMED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    let why = format!(
        "somebody else changed the lab after it was read, which this deploy would take back ({}{rest}); \
         nothing was changed",
        named.join("; ")
    );
    Err(Failure::new(FailureKind::Conflict, format!("deploying {}", now.lab), why)
        .next(format!("look at what is live now with labdeck plan {}, then deploy again", now.lab)))
}

/// Whether a step does what was not planned before. What a resource notes of itself, and repairs of it,
/// take nothing back.
fn is_news(before: &Plan, step: &Step) -> bool {
    use super::plan::Verb::Update;
    let takes_back = step.verb != Update || !step.changes.is_empty();
    let planned = |known: &Step| {
        (known.verb, &known.resource, &known.name) == (step.verb, &step.resource, &step.name)
            && step.changes.iter().all(|change| known.changes.contains(change))
    };
    takes_back && !before.steps.iter().any(planned)
}

/// The failure of a call that would have overwritten what somebody else did after it was planned:
/// `change` says what.
pub(super) fn overtaken(what: impl Into<String>, change: &str) -> Failure {
    let why =
        format!("somebody else changed it after it was planned ({change}); it was not overwritten");
    Failure::new(FailureKind::Conflict, what, why).next("look at what is there now")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::kinds::queue::QueueAction;
    use super::super::plan::{Change, Verb};
    use super::*;

    fn step(verb: Verb, name: &str, changes: &[&str]) -> Step {
        let change = |text: &&str| Change {
            field: "timeout".into(),
            old: None,
            new: None,
            text: (*text).into(),
            drift: false,
            overwrites: String::new(),
        };
        Step {
            verb,
            resource: "queue".into(),
            name: name.into(),
            reason: "missing".into(),
            changes: changes.iter().map(change).collect(),
            drift: false,
            warning: None,
            after: vec![],
            action: QueueAction::Create(name.into()).into(),
        }
    }

    fn plan(steps: Vec<Step>) -> Plan {
        Plan { lab: "shop".into(), steps, notes: vec![] }
    }

    #[test]
    fn a_plan_may_shrink_and_must_not_take_back_what_others_did() {
        use Verb::{Create, Delete, Update};
        let before = plan(vec![step(Create, "a", &[]), step(Update, "b", &["1 → 2 s", "x → y"])]);
        assert!(agreed(&before, &plan(vec![])).is_ok());
        assert!(agreed(&before, &plan(vec![step(Create, "a", &[])])).is_ok());
        assert!(agreed(&before, &plan(vec![step(Update, "b", &["1 → 2 s"])])).is_ok());
        // A repair, or a note of what was applied.
        assert!(agreed(&before, &plan(vec![step(Update, "c", &[])])).is_ok());
        // Somebody else gave a secret another value: what is shown of the change is the same.
        let mut secret = step(Update, "b", &["x → y"]);
        secret.changes[0].overwrites = "other".into();
        for news in [
            secret,
            step(Create, "c", &[]),
            step(Delete, "a", &[]),
            step(Update, "a", &["1 → 2 s"]),
            step(Update, "b", &["3 → 2 s"]),
        ] {
            let failure = agreed(&before, &plan(vec![news])).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Conflict);
            assert!(failure.next.unwrap().contains("labdeck plan shop"));
        }
    }
}
