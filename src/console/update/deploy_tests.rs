//! What is chosen, asked and told around a deploy.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use labdeck_aws::{Failure, FailureKind};
use labdeck_lab::blueprint::{StepAction, Variant};
use labdeck_ops::deploy::plan::{Plan, Summary, Verb};
use labdeck_ops::progress::Progress;

use super::message;
use super::tests::{keys, state};
use crate::bench_support::plan;
use crate::message::{Effect, How, JobKind, JobOutcome, Message, Question};
use crate::state::State;
use crate::state::job::Report;
use crate::state::popup::{Asked, Popup, Prompt};

/// The lab with two variants.
fn with_variants() -> State {
    let mut state = state();
    let mut blueprint = (**state.blueprint().unwrap()).clone();
    blueprint.variants = ["mock", "full"]
        .map(|name| Variant { name: name.to_owned(), ..Variant::default() })
        .to_vec();
    state.labs[0].blueprint = Ok(Arc::new(blueprint));
    state
}

fn asked(state: &State) -> Option<Asked> {
    match state.popups.last() {
        Some(Popup::Prompt(Prompt { asked, .. })) => Some(*asked),
        _ => None,
    }
}

fn how(effects: &[Effect]) -> How {
    match effects {
        [Effect::Start { kind: JobKind::Deploy(how) | JobKind::Plan(how), .. }] => how.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_variant_is_chosen_for_the_next_plan_and_deploy() {
    let mut state = with_variants();
    keys(&mut state, "2vj⏎");
    let chosen = how(&keys(&mut state, "p"));
    assert_eq!(chosen.variant.as_deref(), Some("mock"));
    let outcome = Ok(JobOutcome::Plan(plan()));
    message(&mut state, Message::Finished { id: 1, outcome });
    assert!(matches!(&state.report, Some(Report::Planned { how, .. }) if *how == chosen));

    // What was planned is what the review deploys.
    keys(&mut state, "⏎");
    assert!(matches!(state.popups.last(), Some(Popup::Review { .. })));
    assert_eq!(how(&keys(&mut state, "d")), chosen);
    assert!(state.popups.is_empty());
    let summary = Summary {
        lab: "shop".to_owned(),
        changed: 3,
        calls: 9,
        seconds: 1.0,
        build_seconds: 0.0,
        endpoints: Vec::new(),
        left: Vec::new(),
        notes: Vec::new(),
    };
    message(&mut state, Message::Finished { id: 2, outcome: Ok(JobOutcome::Applied(summary)) });
    assert_eq!(state.how().variant, None, "what is live is followed");
}

#[test]
fn a_lab_without_variants_says_so() {
    let mut state = state();
    keys(&mut state, "2v");
    assert!(state.popups.is_empty());
    assert!(state.notes.current().unwrap().text.contains("no variants"));
}

#[test]
fn a_choice_makes_the_plan_that_is_shown_out_of_date() {
    let mut state = with_variants();
    state.report = Some(Report::Planned { plan: plan(), how: How::default() });
    keys(&mut state, "2K");
    assert!(state.report.is_none());
    assert!(state.notes.current().unwrap().text.contains("p plans anew"));
    assert!(how(&keys(&mut state, "d")).keep_drift);
}

/// A deploy runs and asks.
fn asking(state: &mut State, number: u64) {
    message(state, Message::Asked(Question { number, plan: billed() }));
}

/// A plan that loses nothing, with a warning.
fn billed() -> Plan {
    let mut plan = plan();
    plan.steps.retain(|step| step.verb != Verb::Replace);
    plan
}

#[test]
fn a_plan_with_warnings_is_carried_out_only_after_a_typed_yes() {
    for (typed, expected) in [
        ("y⏎", Some(true)),
        ("⏎", Some(false)),
        ("n⏎", Some(false)),
        ("␛", Some(false)),
        ("ok⏎", None),
    ] {
        let mut state = state();
        keys(&mut state, "d");
        asking(&mut state, 7);
        let Some(Popup::Prompt(prompt)) = state.popups.last() else { panic!() };
        assert!(prompt.about[0].contains("billed by the hour"), "{:?}", prompt.about);
        let effects = keys(&mut state, typed);
        if let Some(expected) = expected {
            let [Effect::Answer { question: 7, yes }] = &effects[..] else {
                panic!("{typed}: {effects:?}")
            };
            assert_eq!(*yes, expected, "{typed}");
            assert!(state.popups.is_empty() && state.questions.is_empty(), "{typed}");
        } else {
            assert!(effects.is_empty(), "{typed}");
            assert!(asked(&state).is_some(), "{typed}");
        }
    }
}

#[test]
fn a_plan_that_loses_data_wants_the_labs_name_typed() {
    for (typed, expected) in [
        ("shop⏎", Some(true)),
        ("⏎", Some(false)),
        ("n⏎", Some(false)),
        ("␛", Some(false)),
        ("y⏎", None),
        ("shop-front⏎", None),
    ] {
        let mut state = state();
        keys(&mut state, "d");
        message(&mut state, Message::Asked(Question { number: 7, plan: plan() }));
        let Some(Popup::Prompt(prompt)) = state.popups.last() else { panic!() };
        assert!(prompt.about[0].starts_with("! table orders"), "{:?}", prompt.about);
        assert!(prompt.about.iter().any(|line| line.contains("Type shop")), "{:?}", prompt.about);
        let answered = match &keys(&mut state, typed)[..] {
            [Effect::Answer { question: 7, yes }] => Some(*yes),
            _ => None,
        };
        assert_eq!(answered, expected, "{typed}");
        assert_eq!(asked(&state).is_some(), expected.is_none(), "{typed}");
    }
}

#[test]
fn a_question_waits_until_nothing_else_is_typed() {
    let mut state = state();
    keys(&mut state, "d1/");
    asking(&mut state, 1);
    asking(&mut state, 2);
    assert_eq!(asked(&state), Some(Asked::Filter));
    assert!(keys(&mut state, "y␛").is_empty(), "what is typed elsewhere is no answer");
    assert_eq!(asked(&state), Some(Asked::Apply { question: 1 }));
    assert!(matches!(&keys(&mut state, "y⏎")[..], [Effect::Answer { question: 1, yes: true }]));
    assert_eq!(asked(&state), Some(Asked::Apply { question: 2 }));
    // The end of the job is the end of its questions.
    let failure = Failure::new(FailureKind::Cancelled, "deploying shop", "stopped");
    message(&mut state, Message::Finished { id: 1, outcome: Err(failure) });
    assert!(state.popups.is_empty() && state.questions.is_empty());
}

#[test]
fn every_lab_is_deployed_with_two_keys_and_destroyed_with_a_typed_word() {
    let mut state = state();
    let effects = keys(&mut state, "2ad");
    let [Effect::StartAll { id: 1, labs, kind: JobKind::DeployAll }] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(labs.len(), 2);
    let events =
        vec![(1, Progress::Planned { plan: plan() }), (1, Progress::StepStarted { index: 0 })];
    message(&mut state, Message::Progress { id: 1, events });
    let job = state.job.as_ref().unwrap();
    assert!(job.parts[0].course.plan.is_none() && job.parts[1].course.plan.is_some());
    assert_eq!(job.done(), (0, 3));
    let failure = || Failure::new(FailureKind::Build, "building shop", "it does not compile");
    let outcome = Ok(JobOutcome::All(vec![Err(failure()), Err(failure())]));
    let effects = message(&mut state, Message::Finished { id: 1, outcome });
    let read = |effect: &&Effect| matches!(effect, Effect::ReadStatus { .. });
    assert_eq!(effects.iter().filter(read).count(), 2, "every lab is read again");
    assert!(
        matches!(&state.report, Some(Report::All { destroyed: false, parts }) if parts.len() == 2)
    );

    assert!(keys(&mut state, "aDshop⏎").is_empty(), "a lab's name is not enough");
    let effects = keys(&mut state, "⌫⌫⌫⌫all⏎");
    assert!(matches!(&effects[..], [Effect::StartAll { kind: JobKind::DestroyAll, .. }]));
}

#[test]
fn broken_files_keep_every_lab_from_being_deployed_and_none_from_being_destroyed() {
    let mut state = state();
    let broken = Failure::new(FailureKind::Invalid, "reading the lab", "line 3: unknown key");
    state.labs[1].blueprint = Err(broken);
    assert!(keys(&mut state, "2ad").is_empty());
    assert!(state.notes.current().unwrap().why.as_ref().unwrap().contains("line 3"));
    let effects = keys(&mut state, "aDall⏎");
    assert!(matches!(&effects[..], [Effect::StartAll { labs, .. }] if labs.len() == 1));
}

#[test]
fn a_step_that_destroys_wants_the_labs_name() {
    let mut state = state();
    let mut blueprint = (**state.blueprint().unwrap()).clone();
    blueprint.steps[1].action = StepAction::Destroy;
    state.labs[0].blueprint = Ok(Arc::new(blueprint));
    keys(&mut state, "2⇥⇥j");
    assert!(keys(&mut state, "rsho⏎").is_empty());
    let effects = keys(&mut state, "p⏎");
    assert!(matches!(&effects[..], [Effect::Start { kind: JobKind::Step { index: 1 }, .. }]));
}

#[test]
fn the_selection_goes_on_with_a_step_that_is_done() {
    use crate::state::Panel;
    let mut state = state();
    keys(&mut state, "2r");
    let check = |holds: bool| labdeck_ops::checks::CheckResult {
        name: "deployed".to_owned(),
        title: "everything is there".to_owned(),
        holds,
        reason: String::new(),
    };
    let done = |holds: bool| {
        Ok(JobOutcome::Step { did: Vec::new(), bursts: Vec::new(), check: check(holds) })
    };
    message(&mut state, Message::Finished { id: 1, outcome: done(false) });
    assert_eq!(state.positions.get(Panel::Steps), 0);
    keys(&mut state, "r");
    message(&mut state, Message::Finished { id: 2, outcome: done(true) });
    assert_eq!(state.positions.get(Panel::Steps), 1);
}
