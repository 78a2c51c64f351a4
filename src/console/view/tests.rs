//! Every screen at 80×24 and 200×60 with representative state: what a person must be able to read.
#![allow(clippy::unwrap_used)]

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::action::{Action, Screen};
use crate::bench_support::{NOW_MS, event, full_state};
use crate::message::Message;
use crate::state::popup::Popup;
use crate::state::{Connection, Panel, State};
use crate::update;

pub fn screen_of(state: &mut State, size: (u16, u16)) -> String {
    state.size = size;
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    terminal.draw(|frame| super::draw(frame, state)).unwrap();
    let buffer = terminal.backend().buffer();
    let mut text = String::new();
    for y in 0..size.1 {
        for x in 0..size.0 {
            text.push_str(buffer[(x, y)].symbol());
        }
        text.push('\n');
    }
    text
}

#[track_caller]
pub fn shows(state: &mut State, size: (u16, u16), parts: &[&str]) {
    let text = screen_of(state, size);
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing at {size:?}:\n{text}");
    }
}

pub const SMALL: (u16, u16) = (80, 24);
pub const LARGE: (u16, u16) = (200, 60);

#[track_caller]
fn screen_shows(screen: Screen, parts: &[&str]) {
    let mut state = full_state(500).unwrap();
    state.screen = screen;
    for size in [SMALL, LARGE] {
        shows(&mut state, size, parts);
    }
}

#[test]
fn overview() {
    screen_shows(
        Screen::Overview,
        &[
            "labdeck",
            "local ▸ shop ▸ dev",
            "● tail live",
            "1 Overview",
            "7 Metrics",
            "aliases",
            "prod",
            "v3",
            "█",
            "80%",
            "v4",
            "░",
            "20%",
            "R roll back to v3 · u undo",
            "resources",
            "requests/s",
            "41/s",
            "logs · follow · 2 sources",
            "order",
            "EMF",
            "R roll back",
            "q quit",
        ],
    );
}

#[test]
fn deploy() {
    screen_shows(
        Screen::Deploy,
        &[
            "labs",
            "shop",
            "deployed",
            "steps",
            "1. Deploy it",
            "r deploys the lab",
            "checks",
            "1 of 2 hold",
            "✗ prod points to a version",
            "p shows what a deploy would do",
        ],
    );
}

#[test]
fn release() {
    screen_shows(
        Screen::Release,
        &[
            "versions",
            "$LATEST",
            "prod 80%",
            "prod 20%",
            "change 4",
            "shift 20%",
            "v3 → v3 80% · v4 20%",
            "P promote",
        ],
    );
}

#[test]
fn gateway() {
    screen_shows(
        Screen::Gateway,
        &[
            "APIs",
            "shop-front",
            "a1b2c3d4e5",
            "dpl4x9",
            "lambdaAlias = dev",
            "GET /orders",
            "POST /orders",
            "usage plans",
            "deployments",
            "e edit",
        ],
    );
}

#[test]
fn requests() {
    screen_shows(
        Screen::Requests,
        &[
            "requests",
            "order",
            "GET /orders",
            "x-user-id: {{user}}",
            "response 200",
            "2.1 ms",
            "first byte 1.9 ms",
            "\"count\": 3",
            "e edit",
            "b burst",
        ],
    );
    let mut state = full_state(0).unwrap();
    state.screen = Screen::Requests;
    state.requests.shown = crate::state::requests::Shown::Bursts;
    shows(&mut state, SMALL, &["side by side", "answered", "p99", "503", "198"]);
}

#[test]
fn logs() {
    screen_shows(
        Screen::Logs,
        &[
            "logs · follow",
            "0 dropped",
            "EMF Latency=3.2ms Errors=1",
            "REPORT 3.4 ms billed 4",
            "INFO  order",
            "v4",
        ],
    );
    let mut state = full_state(500).unwrap();
    state.screen = Screen::Logs;
    update::message(&mut state, Message::Events(vec![event(NOW_MS, "shop-front", "3", "last")]));
    shows(&mut state, SMALL, &["last"]);
    state.logs.scroll(-200, 18);
    let text = screen_of(&mut state, SMALL);
    assert!(!text.contains(" last") && text.contains("paused"), "{text}");
}

#[test]
fn metrics() {
    screen_shows(
        Screen::Metrics,
        &[
            "functions",
            "last 5 min",
            "front",
            "v4",
            "41/s",
            "p95",
            "14/128",
            "StorageErrors",
            "last minute",
            "requests/s",
            "p95 ms",
        ],
    );
}

#[test]
fn before_anything_is_known_the_frame_is_there() {
    let full = full_state(0).unwrap();
    let mut state = State::new(full.keymap, full.theme, "handlers".into(), "local".into(), None);
    for screen in Screen::ALL {
        state.screen = screen;
        shows(&mut state, SMALL, &["labdeck  local", "● connecting", "q quit"]);
    }
}

#[test]
fn chaos_is_visible_everywhere_with_the_key_that_ends_it() {
    let mut state = full_state(10).unwrap();
    let mut status = (*state.statuses["shop"].status).clone();
    status
        .chaos
        .push(labdeck_ops::status::ChaosStatus { name: "deny-table".into(), until_ms: None });
    state.statuses.get_mut("shop").unwrap().status = status.into();
    for screen in Screen::ALL {
        state.screen = screen;
        shows(&mut state, SMALL, &["CHAOS deny-table X ends it", "X end chaos"]);
    }
}

#[test]
fn a_panel_can_have_the_whole_screen() {
    let mut state = full_state(100).unwrap();
    for screen in Screen::ALL {
        state.screen = screen;
        for panel in screen.panels() {
            state.zoomed = true;
            state.focus.insert(screen, *panel);
            shows(&mut state, SMALL, &["esc unzoom", "? help", "q quit"]);
        }
    }
}

#[test]
fn a_job_tells_its_clock_and_its_steps() {
    let mut state = full_state(0).unwrap();
    let effects = update::input(&mut state, &key('d'));
    assert_eq!(effects.len(), 1);
    state.now_ms += 2_500;
    update::message(
        &mut state,
        Message::Progress {
            id: 1,
            events: vec![(
                0,
                labdeck_ops::progress::Progress::Building {
                    done: 12,
                    total: 40,
                    unit: "serde".into(),
                },
            )],
        },
    );
    shows(&mut state, SMALL, &["deploy shop · 2.5 s", "12/40 serde", "esc stop"]);
}

#[test]
fn hostile_names_are_drawn_harmless() {
    let mut state = full_state(0).unwrap();
    let mut status = (*state.statuses["shop"].status).clone();
    status.functions[0].versions[3].description = "\u{1b}]0;x\u{7}\u{202e}evil".into();
    state.statuses.get_mut("shop").unwrap().status = status.into();
    state.screen = Screen::Release;
    let text = screen_of(&mut state, LARGE);
    assert!(text.contains("evil") && !text.contains(['\u{1b}', '\u{202e}', '\u{7}']));
}

#[test]
fn every_popup_fits_the_smallest_screen() {
    let mut state = full_state(100).unwrap();
    let cases: [(Action, &[&str]); 9] = [
        (Action::Help, &["keys on Overview", "Take prod back"]),
        (Action::Palette, &["palette", "rollback", "enter"]),
        (Action::Labs, &["A shop with a front", "empty"]),
        (Action::Chaos, &["real failures", "deny-table", "off"]),
        (Action::Shift, &["share of prod", "0 to 100"]),
        (Action::Destroy, &["destroy shop", "Type the lab's"]),
        (Action::Filter, &["level:error"]),
        (Action::Edit, &["edit order", "x-user-id: {{user}}", "name=value"]),
        (Action::Messages, &["messages"]),
    ];
    for (action, parts) in cases {
        state.popups.clear();
        run(&mut state, action);
        shows(&mut state, SMALL, parts);
        shows(&mut state, LARGE, parts);
    }
    state.popups.clear();
    state.focus.insert(Screen::Overview, Panel::Logs);
    run(&mut state, Action::Open);
    assert!(matches!(state.popups.last(), Some(Popup::Event { .. })));
    shows(&mut state, SMALL, &["\"message\": \"order 99\"", "/aws/lambda/shop-store"]);
}

#[test]
fn any_size_is_drawn() {
    let mut state = full_state(200).unwrap();
    state.logs.wrap = true;
    let sizes = [(1, 1), (2, 40), (79, 24), (80, 23), (30, 8), (80, 24), (133, 41), (400, 100)];
    for size in sizes {
        for screen in Screen::ALL {
            state.screen = screen;
            screen_of(&mut state, size);
        }
    }
    shows(&mut state, (60, 12), &["too small, 80x24 needed", "R roll back", "q quit"]);
}

#[test]
fn a_failed_connection_says_why_and_what_to_press() {
    let mut state = full_state(0).unwrap();
    state.statuses.clear();
    let failure = labdeck_aws::Failure::new(
        labdeck_aws::FailureKind::Network,
        "starting the local cloud",
        "the port is taken",
    );
    update::message(&mut state, Message::ConnectFailed(failure));
    assert!(matches!(state.connection, Connection::Failed(_)));
    shows(&mut state, SMALL, &["● not connected", "the port is taken", "g c"]);
    assert!(state.job.is_none());
}

#[test]
fn a_network_that_is_gone_is_told_on_every_screen_also_where_names_are_long() {
    let mut state = full_state(0).unwrap();
    state.cut_ms = Some(NOW_MS - 12_000);
    let read = state.statuses.get_mut("shop").unwrap();
    read.at_ms = state.now_ms - 12_000;
    for screen in Screen::ALL {
        state.screen = screen;
        shows(&mut state, SMALL, &["● no connection  state 12 s old"]);
    }
    if let Connection::Connected(info) = &mut state.connection {
        info.name = "http://127.0.0.1:45991 of somebody".to_owned();
    }
    state.labs[0].name = "a-lab-with-a-name-that-is-long".to_owned();
    shows(&mut state, SMALL, &["● no connection"]);
    shows(&mut state, LARGE, &["● no connection"]);
}

fn key(c: char) -> crossterm::event::Event {
    use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
    Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE))
}

/// Runs an action by way of the palette, on a screen where it applies.
fn run(state: &mut State, action: Action) {
    if let crate::action::Applies::On(screens) = action.entry().applies {
        state.screen = screens[0];
    } else {
        state.screen = Screen::Overview;
    }
    state.popups.push(Popup::Palette {
        input: String::new().into(),
        selected: 0,
        matches: vec![action],
    });
    let enter = crossterm::event::KeyEvent::new(
        crossterm::event::KeyCode::Enter,
        crossterm::event::KeyModifiers::NONE,
    );
    update::input(state, &crossterm::event::Event::Key(enter));
}
