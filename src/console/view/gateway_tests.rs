//! The gateway screen as a person reads it: settings, deployments, bars, masked keys, form and preview.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use crossterm::event::KeyCode;
use labdeck_ops::danger::{Act, Danger};
use labdeck_ops::gateway::deployments::{ApiDeployments, DeploymentInfo, Origin};
use labdeck_ops::gateway::keys::KeyInfo;
use labdeck_ops::gateway::plan::PlanModel;
use labdeck_ops::gateway::stage::StageModel;
use labdeck_ops::gateway::usage::{KeyUsage, PlanUsage};
use labdeck_ops::gateway::{Forecast, Gateway, Settings};
use labdeck_ops::request::exchange::KeyValue;

use super::tests::{LARGE, SMALL, screen_of, shows};
use crate::action::{Action, REGISTRY, Screen};
use crate::bench_support::full_state;
use crate::state::gateway::{SHOWN_MS, ShownKey};
use crate::state::popup::Popup;
use crate::state::{Panel, State};
use crate::update;

fn settings(pairs: &[(&str, &str)]) -> Settings {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn stage(api: &str, name: &str) -> StageModel {
    StageModel {
        api: api.to_owned(),
        api_id: "a1b2c3d4e5".to_owned(),
        stage: name.to_owned(),
        settings: settings(&[
            ("deployment", "new123"),
            ("throttle.rate", "5"),
            ("variables.lambdaAlias", name),
            ("/orders/GET:cache.ttl_s", "60"),
        ]),
        cache_status: None,
        updated_ms: 0,
    }
}

fn used(key: &str, used: i64, left: i64) -> KeyUsage {
    KeyUsage {
        key: key.to_owned(),
        key_id: format!("{key}-id"),
        used,
        remaining: Some(left),
        estimated_used: None,
        estimated_remaining: None,
        forecast: None,
    }
}

fn key(name: &str, enabled: bool, by_hand: bool) -> KeyInfo {
    KeyInfo {
        name: name.to_owned(),
        id: format!("{name}-id"),
        enabled,
        description: String::new(),
        created_ms: 0,
        plans: vec!["ShopPlan".to_owned()],
        by_hand,
        rotates: None,
    }
}

fn with_gateway() -> State {
    let mut state = full_state(0).unwrap();
    state.screen = Screen::Gateway;
    let deployment = |id: &str, current: bool, stages: &[&str]| DeploymentInfo {
        id: id.to_owned(),
        created_ms: state.now_ms - 60_000,
        description: String::new(),
        origin: if current { Origin::Deploy } else { Origin::Hand },
        definition: None,
        current,
        stages: stages.iter().map(|stage| (*stage).to_owned()).collect(),
        canaries: Vec::new(),
    };
    let plan = PlanModel {
        name: "ShopPlan".to_owned(),
        id: "p1".to_owned(),
        settings: settings(&[("quota.limit", "1000"), ("throttle.rate", "5")]),
        api_ids: BTreeMap::new(),
    };
    let at = state.now_ms + 30 * 60_000;
    let usage = PlanUsage {
        plan: "ShopPlan".to_owned(),
        quota: Some(1000),
        period: Some("DAY".to_owned()),
        since: "2026-11-20".to_owned(),
        resets_ms: state.now_ms + 12 * 3_600_000,
        keys: vec![
            KeyUsage {
                estimated_used: Some(800),
                estimated_remaining: Some(200),
                forecast: Some(Forecast { per_hour: 400.0, recent: true, empty_ms: Some(at) }),
                ..used("ShopKey", 700, 300)
            },
            used("Guest", 1000, 0),
        ],
    };
    let gateway = Gateway {
        stages: vec![stage("shop-front", "dev"), stage("shop-front", "prod")],
        deployments: vec![ApiDeployments {
            api: "shop-front".to_owned(),
            api_id: "a1b2c3d4e5".to_owned(),
            deployments: vec![
                deployment("new123", true, &["dev", "prod"]),
                deployment("old456", false, &[]),
            ],
        }],
        plans: vec![(plan, usage)],
        keys: vec![key("Guest", false, true), key("ShopKey", true, false)],
        read_ms: state.now_ms,
    };
    state.gateway.read = Some(("shop".to_owned(), Arc::new(gateway)));
    state
}

#[test]
fn the_screen_has_settings_deployments_bars_and_masked_keys() {
    let mut state = with_gateway();
    let everywhere = [
        "ShopPlan 1000/day · 5/s",
        "~800/1000 until ~",
        "1000/1000 used up",
        "Guest",
        "▸ new123  current",
        "old456  by hand",
    ];
    for size in [SMALL, LARGE] {
        shows(&mut state, size, &everywhere);
    }
    let large = [
        "throttle.rate            5",
        "/orders/GET:cache.ttl_s  60",
        "••••••••",
        "disabled",
        "anew in 12 h",
        "█",
    ];
    shows(&mut state, LARGE, &large);
}

#[test]
fn a_value_is_shown_until_its_time_is_over() {
    let mut state = with_gateway();
    let value = KeyValue::new("a-value-that-is-secret");
    let until_ms = state.now_ms + SHOWN_MS;
    state.gateway.shown = Some(ShownKey { name: "ShopKey".to_owned(), value, until_ms });
    assert!(!format!("{state:?}").contains("a-value"), "the state never prints it");
    assert!(screen_of(&mut state, LARGE).contains("a-value-that-is-secret"));
    assert_eq!(update::wake_at(&state), Some(until_ms));
    state.now_ms = until_ms;
    update::message(&mut state, crate::message::Message::Beat);
    assert!(!screen_of(&mut state, LARGE).contains("a-value"));
}

#[test]
fn form_and_preview_fit_the_smallest_screen() {
    let mut state = with_gateway();
    let run = |state: &mut State, text: &str| {
        for c in text.chars() {
            let code = match c {
                '\r' => KeyCode::Enter,
                '\t' => KeyCode::Tab,
                c => KeyCode::Char(c),
            };
            let key = crossterm::event::KeyEvent::from(code);
            update::input(state, &crossterm::event::Event::Key(key));
        }
    };
    run(&mut state, "e");
    for size in [SMALL, LARGE] {
        shows(&mut state, size, &["edit stage shop-front/dev", "throttle.rate", "tab next"]);
    }
    // The first row is the throttle of one method's cache; a value that AWS refuses stays in the form.
    run(&mut state, "0000\r");
    shows(&mut state, SMALL, &["0 to 3600 seconds", "*/orders/GET:cache.ttl_s"]);
    for _ in 0..4 {
        let key = crossterm::event::KeyEvent::from(KeyCode::Backspace);
        update::input(&mut state, &crossterm::event::Event::Key(key));
    }
    run(&mut state, "0\r");
    let parts = ["change stage shop-front/dev?", "/~1orders/GET/caching/ttlInSeconds", "60 → 600"];
    for size in [SMALL, LARGE] {
        shows(&mut state, size, &parts);
    }
    assert!(matches!(state.popups.last(), Some(Popup::Preview(_))));
}

#[test]
fn what_changes_prod_elsewhere_says_where_and_wants_its_own_key_and_the_rest_does_not() {
    let mut state = with_gateway();
    if let crate::state::Connection::Connected(target) = &mut state.connection {
        target.local = false;
        target.name = "school".to_owned();
        target.account = Some("111122223333".to_owned());
    }
    state.positions.set(Panel::Apis, 1);
    state.positions.set(Panel::Deployments, 1);
    state.positions.set(Panel::Keys, 1);
    let press = |state: &mut State, code| {
        let key = crossterm::event::KeyEvent::from(code);
        update::input(state, &crossterm::event::Event::Key(key))
    };
    let key_of = |state: &State, action| {
        KeyCode::Char(state.keys(action).chars().next().unwrap_or_default())
    };
    let (_, read) = state.gateway.read.as_mut().unwrap();
    for stage in &mut Arc::make_mut(read).stages {
        stage.settings.insert("cache.cluster".to_owned(), "true".to_owned());
    }
    let of_gateway = REGISTRY.iter().filter(|entry| {
        let alone = entry.applies.on(Screen::Gateway) && !entry.applies.on(Screen::Overview);
        alone && entry.danger.changes()
    });
    let (mut asked, mut done) = (0, 0);
    for entry in of_gateway {
        let key = key_of(&state, entry.action);
        state.positions.set(Panel::Plans, 1);
        let effects = press(&mut state, key);
        // Settings are edited, a number or a name is typed.
        let typed = match entry.act {
            Act::EditStage => "1\r",
            Act::Quota if effects.is_empty() => "1\r",
            Act::CreateKey => "Another\r",
            _ => "",
        };
        let effects = typed.chars().fold(effects, |_, c| match c {
            '\r' => press(&mut state, KeyCode::Enter),
            c => press(&mut state, KeyCode::Char(c)),
        });
        if entry.danger == Danger::Prod {
            assert!(effects.is_empty(), "{}: {effects:?}", entry.id);
            shows(&mut state, SMALL, &["change ", "account 111122223333"]);
            let enter = press(&mut state, KeyCode::Enter);
            assert!(enter.is_empty(), "{}: enter is not enough", entry.id);
            asked += 1;
        } else {
            let started = matches!(effects[..], [crate::message::Effect::ChangeGateway(..)]);
            assert!(started, "{}: {effects:?} {:?}", entry.id, state.notes.current());
            done += 1;
        }
        state.popups.clear();
        state.gateway.busy = None;
    }
    assert_eq!((asked, done), (6, 3));
    // The same of a stage that does not follow releases asks nothing of its own.
    state.positions.set(Panel::Apis, 0);
    let flush = key_of(&state, Action::FlushCache);
    press(&mut state, flush);
    assert!(state.gateway.busy.take().is_some_and(|busy| busy.contains("dev")));
    let redeploy = key_of(&state, Action::Redeploy);
    press(&mut state, redeploy);
    let effects = press(&mut state, KeyCode::Enter);
    assert!(matches!(effects[..], [crate::message::Effect::ChangeGateway(..)]), "{effects:?}");
    state.gateway.busy = None;
    state.positions.set(Panel::Apis, 1);
    state.focus.insert(Screen::Gateway, Panel::Deployments);
    press(&mut state, KeyCode::Enter);
    shows(&mut state, SMALL, &["change stage shop-front/prod?", "new123 → old456"]);
    let effects = press(&mut state, KeyCode::Char('y'));
    assert!(matches!(effects[..], [crate::message::Effect::ChangeGateway(..)]), "{effects:?}");
}
