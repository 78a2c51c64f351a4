//! Keys to effects, messages to state.
#![allow(clippy::unwrap_used)]

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use labdeck_aws::{Failure, FailureKind};
use labdeck_ops::deploy::plan::Summary;
use labdeck_ops::request::Load;
use labdeck_ops::request::destination::{Destination, Sent};
use labdeck_ops::status::ChaosStatus;

use super::{input, message, wake_at};
use crate::action::Screen;
use crate::bench_support::{exchange, full_state, status};
use crate::message::{Effect, JobKind, JobOutcome, Message, ReleaseOperation};
use crate::state::note::Tone;
use crate::state::popup::{Intent, Popup};
use crate::state::{Connection, Fetched, Panel, State};

pub fn state() -> State {
    full_state(100).unwrap()
}

/// Types keys: a character each, `⏎` Enter, `␛` Escape, `⌫` Backspace, `⇥` Tab, `^` before a letter
/// for Ctrl.
pub fn keys(state: &mut State, keys: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    let mut control = false;
    for c in keys.chars() {
        let modifiers = if control { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
        let code = match c {
            '^' if !control => {
                control = true;
                continue;
            }
            '⏎' => KeyCode::Enter,
            '␛' => KeyCode::Esc,
            '⌫' => KeyCode::Backspace,
            '⇥' => KeyCode::Tab,
            c => KeyCode::Char(c),
        };
        control = false;
        effects.extend(input(state, &Event::Key(KeyEvent::new(code, modifiers))));
    }
    effects
}

pub fn remote(state: &mut State) {
    if let Connection::Connected(info) = &mut state.connection {
        info.local = false;
        info.name = "work".to_owned();
    }
}

fn chaos_on(state: &mut State) {
    let mut live = status();
    live.chaos.push(ChaosStatus { name: "deny-table".to_owned(), until_ms: None });
    let at_ms = state.now_ms;
    state.statuses.insert("shop".to_owned(), Fetched { status: live.into(), at_ms });
}

#[test]
fn r_acts_at_once_on_any_target_and_u_takes_it_back() {
    for is_remote in [false, true] {
        let mut state = state();
        if is_remote {
            remote(&mut state);
        }
        let effects = keys(&mut state, "R");
        assert!(matches!(&effects[..], [Effect::Release(_, Some(_), ReleaseOperation::Rollback)]));
        // Once is enough.
        assert!(keys(&mut state, "R").is_empty());
        state.releasing = None;
        let effects = keys(&mut state, "u");
        assert!(matches!(&effects[..], [Effect::Release(_, _, ReleaseOperation::Undo)]));
    }
}

#[test]
fn nothing_to_roll_back_to_is_said() {
    let mut state = state();
    let mut live = status();
    for function in &mut live.functions {
        for alias in &mut function.aliases {
            alias.rollback = None;
        }
    }
    let at_ms = state.now_ms;
    state.statuses.insert("shop".to_owned(), Fetched { status: live.into(), at_ms });
    assert!(keys(&mut state, "R").is_empty());
    assert!(state.notes.current().unwrap().text.contains("no earlier version"));
}

#[test]
fn a_shift_is_asked_for_and_confirmed_where_the_target_is_not_local() {
    let mut state = state();
    let effects = keys(&mut state, "3%20⏎");
    assert!(
        matches!(&effects[..], [Effect::Release(_, _, ReleaseOperation::Shift(p))] if (p - 20.0).abs() < 0.01)
    );
    let mut state = self::state();
    remote(&mut state);
    assert!(keys(&mut state, "3%20⏎").is_empty());
    assert!(matches!(state.popups.last(), Some(Popup::Confirm { intent: Intent::Release(_), .. })));
    assert!(keys(&mut state, "⏎").is_empty(), "Enter is not yes");
    assert_eq!(keys(&mut state, "y").len(), 1);
}

#[test]
fn a_wrong_share_is_said_and_can_be_mended() {
    let mut state = state();
    assert!(keys(&mut state, "3%200⏎").is_empty());
    assert!(matches!(state.popups.last(), Some(Popup::Prompt(prompt)) if prompt.error.is_some()));
    assert_eq!(keys(&mut state, "⌫⏎").len(), 1);
}

#[test]
fn a_nudge_moves_by_five_per_cent() {
    let mut state = state();
    let effects = keys(&mut state, "3+");
    assert!(
        matches!(&effects[..], [Effect::Release(_, _, ReleaseOperation::Shift(p))] if (p - 25.0).abs() < 0.01)
    );
}

#[test]
fn destroy_wants_the_labs_name() {
    let mut state = state();
    assert!(keys(&mut state, "2Dsho⏎").is_empty());
    assert!(state.job.is_none());
    let effects = keys(&mut state, "p⏎");
    assert!(matches!(&effects[..], [Effect::Start { kind: JobKind::Destroy, .. }]));
}

#[test]
fn one_job_at_a_time_and_escape_stops_it() {
    let mut state = state();
    let effects = keys(&mut state, "d");
    assert!(matches!(&effects[..], [Effect::Start { id: 1, kind: JobKind::Deploy(_), .. }]));
    assert_eq!((state.screen, state.panel()), (Screen::Deploy, Panel::Plan));
    assert!(keys(&mut state, "p").is_empty());
    assert!(state.notes.current().unwrap().text.contains("is running"));
    assert!(wake_at(&state).is_some());
    assert!(matches!(&keys(&mut state, "␛")[..], [Effect::Cancel]));
    assert!(keys(&mut state, "␛").is_empty(), "asked once");
    // A rollback goes while a deploy runs.
    assert_eq!(keys(&mut state, "R").len(), 1);
}

#[test]
fn leaving_asks_while_a_deploy_runs() {
    let mut state = state();
    assert!(matches!(&keys(&mut state, "q")[..], [Effect::Quit]));
    let mut state = self::state();
    keys(&mut state, "d");
    assert!(keys(&mut state, "q").is_empty());
    assert!(keys(&mut state, "n").is_empty());
    assert!(state.popups.is_empty());
    keys(&mut state, "q");
    assert!(matches!(&keys(&mut state, "y")[..], [Effect::Cancel, Effect::Quit]));
}

#[test]
fn ctrl_c_stops_the_job_first_and_leaves_then() {
    let mut state = state();
    keys(&mut state, "5b⌫⌫⌫⌫⌫50⏎");
    assert!(matches!(
        state.job.as_ref().unwrap().kind,
        JobKind::Burst { load: Load { count: Some(50), .. }, .. }
    ));
    assert!(matches!(&keys(&mut state, "^c")[..], [Effect::Cancel]));
    assert!(matches!(&keys(&mut state, "^c")[..], [Effect::Quit]));
}

#[test]
fn read_only_refuses_changes_and_allows_looking() {
    let mut state = state();
    if let Connection::Connected(info) = &mut state.connection {
        info.read_only = true;
    }
    for refused in ["R", "u", "d", "3p", "3%", "2D", "x"] {
        state.popups.clear();
        assert!(keys(&mut state, refused).is_empty(), "{refused}");
        assert!(state.popups.is_empty(), "{refused}");
        assert!(state.notes.current().unwrap().text.contains("read-only"), "{refused}");
    }
    assert_eq!(keys(&mut state, "2p").len(), 1);
}

#[test]
fn it_is_chosen_where_to_send() {
    let to = |state: &State| state.destination().unwrap().to_string();
    let mut state = state();
    keys(&mut state, "5T");
    assert!(matches!(state.popups.last(), Some(Popup::Destinations { selected: 0, .. })));
    keys(&mut state, "jj⏎");
    assert_eq!(to(&state), "test:dev");
    // A burst of method tests is refused where it is typed.
    assert!(keys(&mut state, "b⏎").is_empty());
    assert!(matches!(state.popups.last(), Some(Popup::Prompt(one)) if one.error.is_some()));
    keys(&mut state, "␛t");
    assert_eq!(to(&state), "dev");
    keys(&mut state, "TG⏎:4⏎");
    assert_eq!(state.destination(), Some(Destination::Function("4".to_owned())));
    keys(&mut state, "TG⏎nowhere⏎");
    assert!(matches!(state.popups.last(), Some(Popup::Prompt(one)) if one.error.is_some()));
}

#[test]
fn what_is_compared_is_typed() {
    let mut state = state();
    keys(&mut state, "5c⏎");
    let JobKind::Compare { contenders, load } = &state.job.as_ref().unwrap().kind else { panic!() };
    let places: Vec<String> = contenders.iter().map(|one| one.to.to_string()).collect();
    assert_eq!((places, *load), (vec!["dev".to_owned(), "prod".to_owned()], Load::times(200, 8)));
}

#[test]
fn a_request_is_edited_and_sent() {
    let mut state = state();
    keys(&mut state, "5e");
    keys(&mut state, "/7⏎");
    let effects = keys(&mut state, "s");
    let [Effect::Send { what, to, .. }] = &effects[..] else { panic!("{effects:?}") };
    let Sent::Request(request) = &**what else { panic!("{what:?}") };
    assert_eq!((request.path.as_str(), to.to_string().as_str()), ("/orders/7", "dev"));
    assert!(keys(&mut state, "s").is_empty(), "one at a time");
    message(&mut state, Message::Answered { name: "order".to_owned(), result: Ok(exchange()) });
    assert!(state.requests.in_flight.is_none());
    keys(&mut state, "ts");
    assert_eq!(state.stage(), Some("prod"));
    state.requests.in_flight = None;
    keys(&mut state, "r");
    assert!(state.requests.edits.is_empty());
}

#[test]
fn chaos_is_picked_and_ended_with_one_key() {
    let mut state = state();
    let effects = keys(&mut state, "x⏎");
    assert!(matches!(&effects[..], [Effect::Chaos { name, on: true, .. }] if name == "deny-table"));
    let mut state = self::state();
    chaos_on(&mut state);
    let effects = keys(&mut state, "X");
    assert!(matches!(&effects[..], [Effect::Chaos { on: false, .. }]));
}

#[test]
fn sequences_wait_and_a_wrong_end_counts_by_itself() {
    let mut state = state();
    keys(&mut state, "6");
    keys(&mut state, "g");
    assert_eq!(state.pending.len(), 1);
    keys(&mut state, "g");
    assert_eq!(state.logs.selected(), Some(0));
    keys(&mut state, "g3");
    assert_eq!(state.screen, Screen::Release);
    keys(&mut state, "ĸ");
    assert!(state.pending.is_empty());
}

#[test]
fn a_filter_goes_to_a_task_and_new_events_are_matched_as_they_come() {
    let mut state = state();
    let effects = keys(&mut state, "6/order⏎");
    let [Effect::Filter { generation, first, events, filter }] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(events.len(), 100);
    let matches: Vec<u64> = events
        .iter()
        .enumerate()
        .filter(|(_, event)| filter.matches(event))
        .map(|(index, _)| first + index as u64)
        .collect();
    let found = matches.len();
    message(&mut state, Message::Filtered { generation: *generation, matches });
    assert_eq!(state.logs.shown(), found);
    keys(&mut state, "⌫");
    assert_eq!(state.logs.shown(), 100);
}

#[test]
fn the_palette_finds_and_runs() {
    let mut state = state();
    assert!(matches!(
        &keys(&mut state, ":roll⏎")[..],
        [Effect::Release(_, _, ReleaseOperation::Rollback)]
    ));
    assert!(keys(&mut state, ":zzzzqq⏎").is_empty());
    assert!(state.popups.is_empty());
}

#[test]
fn live_state_is_read_again_every_beat_but_never_twice_at_once() {
    let mut state = state();
    let effects = message(&mut state, Message::Tick);
    assert!(matches!(&effects[..], [Effect::ReadStatus { reading: 1, .. }]));
    assert!(message(&mut state, Message::Tick).is_empty());
    let lab = || "shop".to_owned();
    message(&mut state, Message::Status { lab: lab(), reading: 1, result: Ok(status()) });
    assert_eq!(message(&mut state, Message::Tick).len(), 1);
    // A reading from before a release moved is out of date.
    let at_ms = state.fetched().unwrap().at_ms;
    let failure = Failure::new(FailureKind::Service, "moving", "no");
    let operation = ReleaseOperation::Undo;
    message(&mut state, Message::Released { operation, result: Err(failure) });
    state.now_ms += 1;
    message(&mut state, Message::Status { lab: lab(), reading: 2, result: Ok(status()) });
    assert_eq!(state.fetched().unwrap().at_ms, at_ms);
    message(&mut state, Message::Status { lab: lab(), reading: 3, result: Ok(status()) });
    assert_eq!(state.fetched().unwrap().at_ms, at_ms + 1);
}

#[test]
fn a_lost_cloud_is_started_again_and_the_labs_are_read() {
    let mut state = state();
    assert!(matches!(
        &message(&mut state, Message::Lost("killed".to_owned()))[..],
        [Effect::Connect]
    ));
    assert!(matches!(state.connection, Connection::Lost(_)));
    assert!(keys(&mut state, "d").is_empty());
    assert!(message(&mut state, Message::Tick).is_empty());
}

#[test]
fn a_finished_deploy_is_followed_and_read() {
    let mut state = state();
    keys(&mut state, "d");
    let summary = Summary {
        lab: "shop".to_owned(),
        changed: 17,
        calls: 60,
        seconds: 3.2,
        build_seconds: 2.0,
        endpoints: Vec::new(),
        left: Vec::new(),
        notes: Vec::new(),
    };
    let outcome = Ok(JobOutcome::Applied(summary));
    let effects = message(&mut state, Message::Finished { id: 1, outcome });
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Follow(_))));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::ReadStatus { .. })));
    assert!(state.job.is_none());
    assert!(state.notes.current().unwrap().text.contains("17 changed"));
}

#[test]
fn a_failure_says_what_why_and_next_and_can_be_read_again() {
    let mut state = state();
    let failure = Failure::new(FailureKind::Conflict, "moving prod failed", "somebody moved it")
        .next("look and try again");
    message(
        &mut state,
        Message::Released { operation: ReleaseOperation::Rollback, result: Err(failure) },
    );
    assert_eq!(state.notes.current().unwrap().tone, Tone::Warn);
    keys(&mut state, "m⏎");
    let Some(Popup::Text { text, .. }) = state.popups.last() else { panic!() };
    assert!(text.contains("somebody moved it") && text.contains("look and try again"));
}

#[test]
fn garbage_is_ignored() {
    let mut state = state();
    let odd = [KeyCode::F(13), KeyCode::Null, KeyCode::CapsLock, KeyCode::Char('\u{0}')];
    for code in odd {
        assert!(input(&mut state, &Event::Key(KeyEvent::new(code, KeyModifiers::ALT))).is_empty());
    }
    assert!(input(&mut state, &Event::Paste("\u{1b}[31m rm".to_owned())).is_empty());
    assert!(input(&mut state, &Event::FocusLost).is_empty());
    keys(&mut state, "/");
    input(&mut state, &Event::Paste("a\u{1b}\nb".to_owned()));
    let Some(Popup::Prompt(prompt)) = state.popups.last() else { panic!() };
    assert_eq!(prompt.input.value(), "a  b");
}
