//! Plans, their progress and what is deployed beside functions and APIs, as a person reads them.
#![allow(clippy::unwrap_used)]

use labdeck_aws::{Failure, FailureKind};
use labdeck_ops::deploy::plan::Verb;
use labdeck_ops::progress::Progress;
use labdeck_ops::status::{
    AlarmStatus, CacheStatus, KeyStatus, LabStatus, MappingStatus, PlanStatus, QueueStatus,
    SubscriptionStatus, TopicStatus,
};

use super::tests::{LARGE, SMALL, screen_of, shows};
use crate::action::Screen;
use crate::bench_support::{full_state, plan};
use crate::message::{How, JobKind, Message, Question};
use crate::state::job::{Course, Job, Part, Report};
use crate::state::popup::Popup;
use crate::state::{Panel, State};
use crate::update;

fn planned(how: How) -> State {
    let mut state = full_state(0).unwrap();
    state.screen = Screen::Deploy;
    state.report = Some(Report::Planned { plan: plan(), how });
    state
}

#[test]
fn a_plan_says_what_is_lost_what_drifted_and_what_costs() {
    let how = How { variant: Some("mock".to_owned()), keep_drift: false };
    let mut state = planned(how);
    let parts = [
        "plan of shop · variant mock",
        "1 to create · 1 to update · 1 to REPLACE",
        "! table orders is deleted",
        "billed by the hour",
        "drift: somebody else changed 1 of these",
    ];
    shows(&mut state, LARGE, &parts);
    state.popups.push(Popup::Review { scroll: 0 });
    for size in [SMALL, LARGE] {
        shows(&mut state, size, &parts);
    }
    state.popups.pop();
    state.popups.push(Popup::Review { scroll: 7 });
    let differences = [
        "REPLACE table orders",
        "key: order → id",
        "memory: 128 MB → 256 MB",
        "timeout: 9 s → 5 s (somebody else's)",
        "after table orders",
        "d deploy it",
    ];
    shows(&mut state, LARGE, &differences);
}

#[test]
fn a_small_screen_shows_the_whole_review_page_by_page() {
    let mut state = planned(How::default());
    if let Some(Report::Planned { plan, .. }) = &mut state.report {
        for number in 0..8 {
            let mut more = plan.steps[1].clone();
            more.name = format!("shop-{number}");
            plan.steps.insert(1, more);
        }
    }
    state.popups.push(Popup::Review { scroll: 0 });
    let first = screen_of(&mut state, SMALL);
    assert!(!first.contains("+ stage shop-front/prod"), "{first}");
    for _ in 0..8 {
        let key = crossterm::event::KeyCode::PageDown;
        let key = crossterm::event::KeyEvent::new(key, crossterm::event::KeyModifiers::NONE);
        update::input(&mut state, &crossterm::event::Event::Key(key));
    }
    shows(&mut state, SMALL, &["+ stage shop-front/prod", "missing"]);
}

fn job(state: &mut State, kind: JobKind, parts: Vec<Part>) {
    state.screen = Screen::Deploy;
    state.job = Some(Job {
        id: 1,
        lab: if parts.is_empty() { "shop".to_owned() } else { "all labs".to_owned() },
        kind,
        started_ms: state.now_ms,
        course: Course::default(),
        parts,
        cancelling: false,
    });
}

#[test]
fn steps_tell_how_long_they_run_wait_and_took() {
    let mut state = full_state(0).unwrap();
    job(&mut state, JobKind::Deploy(How::default()), Vec::new());
    let waiting = Progress::StepWaiting {
        index: 1,
        reason: "the role to be assumable".to_owned(),
        seconds: Some(30.0),
    };
    let events = [
        Progress::Planned { plan: plan() },
        Progress::StepStarted { index: 0 },
        Progress::StepDone { index: 0, seconds: 1.2, failure: None },
        Progress::StepStarted { index: 1 },
        waiting,
        Progress::StepStarted { index: 2 },
    ];
    let events = events.into_iter().map(|event| (0, event)).collect();
    update::message(&mut state, Message::Progress { id: 1, events });
    state.now_ms += 3_000;
    shows(
        &mut state,
        LARGE,
        &[
            "deploy shop · 3.0 s",
            "✓ REPLACE table orders  1.2 s",
            "◦ ~ function shop-front  3.0 s  waits for the role to be assumable, at most 27 s",
            "▸ + stage shop-front/prod  3.0 s",
        ],
    );
}

#[test]
fn every_lab_has_its_line_and_its_running_steps() {
    let mut state = full_state(0).unwrap();
    let part = |lab: &str| Part { lab: lab.to_owned(), course: Course::default(), result: None };
    job(&mut state, JobKind::DeployAll, vec![part("shop"), part("empty")]);
    let failed = Failure::new(FailureKind::Denied, "making the stage", "AccessDenied");
    let events = [
        Progress::Planned { plan: plan() },
        Progress::StepDone { index: 0, seconds: 1.2, failure: None },
        Progress::StepStarted { index: 1 },
        Progress::StepDone { index: 2, seconds: 0.2, failure: Some(failed) },
    ];
    let events = events.into_iter().map(|event| (0, event)).collect();
    update::message(&mut state, Message::Progress { id: 1, events });
    for size in [SMALL, LARGE] {
        let parts = [
            "deploy all labs",
            "▸ shop",
            "1/3",
            "▸ ~ function shop-front",
            "✗ + stage shop-front",
            "empty        waits for the build",
        ];
        shows(&mut state, size, &parts);
    }
}

#[test]
fn a_question_says_the_price_and_how_to_answer() {
    let mut state = full_state(0).unwrap();
    job(&mut state, JobKind::Deploy(How::default()), Vec::new());
    update::message(&mut state, Message::Asked(Question { number: 1, plan: plan() }));
    let question = ["deploy shop all the same?", "! the cache of stage", "billed by the hour"];
    for size in [SMALL, LARGE] {
        shows(&mut state, size, &question);
        shows(&mut state, size, &["its 3 items are lost", "Type shop to go on"]);
    }
    // Where nothing is lost, a yes is enough.
    let mut plan = plan();
    plan.steps.retain(|step| step.verb != Verb::Replace);
    state.questions.clear();
    state.popups.clear();
    update::message(&mut state, Message::Asked(Question { number: 2, plan }));
    for size in [SMALL, LARGE] {
        shows(&mut state, size, &question);
        shows(&mut state, size, &["› y or n"]);
    }
}

#[test]
fn the_end_of_a_build_is_the_compiler_s_own_words() {
    let mut state = full_state(0).unwrap();
    state.screen = Screen::Deploy;
    let why = "error[E0425]: cannot find value `grreting`\n  --> src/main.rs:12:9\n   |\n12 |     grreting";
    let failure = Failure::new(FailureKind::Build, "building shop", why).next("mend the code");
    let course = Box::new(Course::default());
    state.report = Some(Report::Failed { name: "deploy", failure, course });
    shows(&mut state, SMALL, &["deploy failed", "building shop", "cannot find value"]);
    let parts = ["deploy failed", "building shop", "12 |     grreting", "→ mend the code"];
    shows(&mut state, LARGE, &parts);
    state.popups.push(Popup::Review { scroll: 0 });
    shows(&mut state, SMALL, &parts);
}

/// The lab with everything that can be beside functions and APIs.
fn with_everything() -> State {
    let mut state = full_state(0).unwrap();
    let mut status: LabStatus = (*state.statuses["shop"].status).clone();
    let queue = |name: &str, waiting: i64, dead_letters: bool| QueueStatus {
        name: name.to_owned(),
        url: "http://127.0.0.1/q".to_owned(),
        waiting,
        in_flight: 0,
        dead_letters,
    };
    status.events.queues = vec![queue("parcels", 4, false), queue("failures", 2, true)];
    let mail = SubscriptionStatus {
        protocol: "email".to_owned(),
        endpoint: "shop@mailbox.local".to_owned(),
        confirmed: false,
    };
    status.events.topics =
        vec![TopicStatus { name: "sold".to_owned(), exists: true, subscriptions: vec![mail] }];
    status.events.mappings = vec![MappingStatus {
        name: "stats".to_owned(),
        function: "shop-store".to_owned(),
        source: "orders".to_owned(),
        state: "Enabled".to_owned(),
        last_result: "OK".to_owned(),
    }];
    status.events.alarms = vec![AlarmStatus {
        name: "shop-errors".to_owned(),
        state: "ALARM".to_owned(),
        reason: "Threshold Crossed: 1 datapoint".to_owned(),
    }];
    status.access.keys =
        vec![KeyStatus { name: "ShopKey".to_owned(), id: "k1".to_owned(), enabled: true }];
    status.access.plans = vec![PlanStatus {
        name: "ShopPlan".to_owned(),
        id: "p1".to_owned(),
        stages: vec!["shop-front/dev".to_owned()],
        keys: vec!["ShopKey".to_owned()],
        quota: Some((1000, "DAY".to_owned())),
        throttle: Some((5.0, 10)),
    }];
    status.apis[0].stages[1].cache = Some(CacheStatus {
        size_gb: "0.5".to_owned(),
        status: "AVAILABLE".to_owned(),
        ttl_s: 3600,
    });
    state.statuses.get_mut("shop").unwrap().status = status.into();
    state
}

#[test]
fn resources_that_need_a_look_come_first() {
    let mut state = with_everything();
    let first = [
        "· 3 need a look",
        "failures 2 dead letters",
        "sold 1 of 1 unconfirmed",
        "shop-errors ALARM",
    ];
    for size in [SMALL, LARGE] {
        shows(&mut state, size, &first);
    }
    let all = [
        "parcels 4 waiting",
        "shop-store ← orders enabled",
        "cache 0.5GB",
        "ShopKey ••••••••",
        "ShopPlan 1000/day · 5.0/s, 10 at once",
    ];
    shows(&mut state, LARGE, &all);
    // On a small screen the rest is below, or on the whole screen.
    assert!(screen_of(&mut state, SMALL).contains("resources 1–"));
    state.focus.insert(Screen::Overview, Panel::Stages);
    let end = crossterm::event::KeyEvent::from(crossterm::event::KeyCode::End);
    update::input(&mut state, &crossterm::event::Event::Key(end));
    shows(&mut state, SMALL, &["ShopKey ••••••••"]);
    state.zoomed = true;
    let details = ["email shop@mailbox.local waits for", "Threshold Crossed", "keys: ShopKey"];
    shows(&mut state, LARGE, &details);
}
