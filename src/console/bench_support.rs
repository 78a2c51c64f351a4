//! A representative full state and single events, for benches and tests of drawing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::{
    Api, Chaos, ChaosKind, Check, Condition, Follows, Function, LabStep, SavedRequest, Stage,
    StepAction, Table,
};
use labdeck_ops::checks::CheckResult;
use labdeck_ops::deploy::kinds::table::TableAction;
use labdeck_ops::deploy::plan::{Change, Endpoint, Plan, Step, Verb, reason};
use labdeck_ops::release::outcome::{Move, ReleaseOutcome};
use labdeck_ops::request::exchange::{BurstSummary, Exchange, OutgoingRequest, Timings};
use labdeck_ops::status::{
    AliasStatus, ApiStatus, FunctionStatus, LabStatus, RollbackTarget, StageStatus, TableStatus,
    VersionStatus,
};
use labdeck_telemetry::{Emf, EmfMetric, LogEvent, LogKind, Report};

use crate::keymap::{Keymap, KeymapError};
use crate::message::TargetInfo;
use crate::meter::Meter;
use crate::state::logs::TailHealth;
use crate::state::requests::Answer;
use crate::state::traffic::{OtherMetric, Traffic, TrafficRow};
use crate::state::{Connection, Fetched, Lab, State};
use crate::theme::Theme;

/// The moment of the state, in ms since the epoch.
pub const NOW_MS: i64 = 1_795_176_223_120;

/// Draws the whole screen of `state` into a frame, as the console does.
pub fn draw(frame: &mut ratatui::Frame, state: &State) {
    crate::view::draw(frame, state);
}

/// Runs the console with a task that panics once the first frame is drawn.
///
/// # Errors
/// As [`crate::run`]; it never ends well.
///
/// # Panics
/// In a task beside the console, on purpose.
pub fn run_with_a_panic(options: crate::Options) -> color_eyre::Result<()> {
    crate::start(options, || {
        tokio::spawn(async { panic!("a task broke") });
    })
}

/// A plain log event.
pub fn event(timestamp_ms: i64, function: &str, version: &str, text: &str) -> LogEvent {
    LogEvent {
        timestamp_ms,
        ingestion_ms: timestamp_ms,
        group: format!("/aws/lambda/{function}").into(),
        stream: format!("2026/11/20/[{version}]53c5d0f0").into(),
        function: function.into(),
        version: version.into(),
        text: text.into(),
        kind: LogKind::Plain,
    }
}

/// Any of the kinds of events that a function's log holds, by `index`.
pub fn mixed_event(index: usize) -> LogEvent {
    let function = ["shop-front", "shop-store"][index % 2];
    let version = ["3", "4"][index / 2 % 2];
    let at = NOW_MS - 60_000 + index as i64;
    let mut event = event(at, function, version, &format!("{{\"message\":\"order {index}\"}}"));
    event.kind = match index % 5 {
        0 => LogKind::Json {
            level: Some(["INFO", "ERROR"][usize::from(index.is_multiple_of(50))].into()),
            message: Some(format!("order {index} stored").into()),
            request_id: None,
        },
        1 => LogKind::Emf(Arc::new(Emf {
            namespace: "Labdeck".to_owned(),
            metrics: vec![
                EmfMetric {
                    name: "Latency".to_owned(),
                    unit: "Milliseconds".to_owned(),
                    values: vec![3.2],
                },
                EmfMetric {
                    name: "Errors".to_owned(),
                    unit: "Count".to_owned(),
                    values: vec![1.0],
                },
            ],
            dimensions: Vec::new(),
            properties: Vec::new(),
        })),
        2 => LogKind::Report(Arc::new(Report {
            duration_ms: 3.4,
            billed_ms: 4.0,
            memory_mb: 128,
            max_memory_mb: 14,
            init_ms: (index % 20 == 2).then_some(21.5),
            ..Report::default()
        })),
        3 => LogKind::Start { request_id: "6b1c7d6e-0f0c-4a59-8f58-0d2f3f5a9a51".into() },
        _ => LogKind::Plain,
    };
    event
}

/// A connected, deployed lab with a canary, requests, measurements and `events` log events.
///
/// # Errors
/// When the embedded keymap is wrong.
pub fn full_state(events: usize) -> Result<State, KeymapError> {
    let keymap = Arc::new(Keymap::build(None)?);
    let mut state =
        State::new(keymap, Theme::Dark, PathBuf::from("handlers"), "local".to_owned(), None);
    state.now_ms = NOW_MS;
    state.size = (200, 60);
    state.connection = Connection::Connected(TargetInfo {
        name: "local".to_owned(),
        region: "us-east-1".to_owned(),
        account: Some("000000000000".to_owned()),
        role: None,
        read_only: false,
        local: true,
    });
    let blueprint = Arc::new(blueprint());
    state.labs = vec![
        Lab { name: "shop".to_owned(), blueprint: Ok(blueprint.clone()), attached: false },
        Lab {
            name: "empty".to_owned(),
            blueprint: Ok(Arc::new(empty_blueprint())),
            attached: false,
        },
    ];
    state.labs_read = true;
    state.lab = Some(0);
    let status = Arc::new(status());
    state.statuses.insert("shop".to_owned(), Fetched { status, at_ms: NOW_MS - 2_000 });
    state.checks = Some((checks(), NOW_MS - 30_000));
    state.outcome = Some((outcome(), NOW_MS - 90_000));
    state.requests.answers.insert("order".to_owned(), Answer::new(exchange()));
    state.requests.bursts = vec![burst("order", 3.1), burst("browse", 0.4)];
    state.logs.tail = TailHealth { live: true, sources: 2, ..TailHealth::default() };
    state.logs.extend((0..events).map(mixed_event).collect());
    state.meter = Meter::showing(traffic());
    Ok(state)
}

fn empty_blueprint() -> Blueprint {
    Blueprint {
        name: "empty".to_owned(),
        title: "Nothing yet".to_owned(),
        dir: PathBuf::from("/labs/empty"),
        log_retention_days: 7,
        ..Blueprint::default()
    }
}

/// A lab with two functions, two APIs, a table, requests, chaos, checks and steps.
pub fn blueprint() -> Blueprint {
    let function = |name: &str| Function {
        name: name.to_owned(),
        package: "shop".to_owned(),
        bin: name.to_owned(),
        role: "shop-role".to_owned(),
        memory_mb: 128,
        timeout_s: 5,
        ..Function::default()
    };
    let api = |name: &str| Api {
        name: name.to_owned(),
        file: PathBuf::from("/labs/shop/openapi.yaml"),
        document: serde_json::json!({"paths": {"/orders": {"get": {}, "post": {}}}}),
        functions: vec![name.to_owned()],
    };
    let stage = |name: &str, follows: Follows| Stage {
        name: name.to_owned(),
        alias: name.to_owned(),
        follows,
        ..Stage::default()
    };
    let request = |name: &str, api: &str| SavedRequest {
        name: name.to_owned(),
        description: "One order of one person".to_owned(),
        api: api.to_owned(),
        method: "GET".to_owned(),
        path: "/orders".to_owned(),
        headers: BTreeMap::from([("x-user-id".to_owned(), "{{user}}".to_owned())]),
        variables: BTreeMap::from([("user".to_owned(), "ada".to_owned())]),
        ..SavedRequest::default()
    };
    let check = |name: &str, title: &str| Check {
        name: name.to_owned(),
        title: title.to_owned(),
        condition: Condition::Deployed,
    };
    let step = |name: &str, title: &str, action: StepAction, check: &str| LabStep {
        name: name.to_owned(),
        title: title.to_owned(),
        lesson: "A version is a copy of the code that never changes. An alias is a name that \
                 points to one, or splits its traffic over two."
            .to_owned(),
        action,
        check: check.to_owned(),
        shows: None,
    };
    Blueprint {
        name: "shop".to_owned(),
        title: "A shop with a front and a store".to_owned(),
        tables: vec![Table {
            name: "orders".to_owned(),
            hash_key: "id".to_owned(),
            hash_key_type: "S".to_owned(),
            ..Table::default()
        }],
        functions: vec![function("shop-front"), function("shop-store")],
        apis: vec![api("shop-front"), api("shop-store")],
        stages: vec![stage("dev", Follows::Latest), stage("prod", Follows::Release)],
        requests: vec![request("order", "shop-store"), request("browse", "shop-front")],
        chaos: vec![Chaos {
            name: "deny-table".to_owned(),
            description: "The role may not use the table".to_owned(),
            kind: ChaosKind::SlowTable { table: "orders".to_owned(), delay_ms: 200 },
        }],
        checks: vec![
            check("deployed", "everything is there"),
            check("published", "prod points to a version"),
        ],
        steps: vec![
            step("deploy", "Deploy it", StepAction::Deploy { variant: None }, "deployed"),
            step("publish", "Publish a version", StepAction::Publish, "published"),
        ],
        ..empty_blueprint()
    }
}

/// Live state of that lab: `prod` of both functions is split 80 to 20.
pub fn status() -> LabStatus {
    let alias = |name: &str, version: &str, canary: Option<(String, f64)>| AliasStatus {
        name: name.to_owned(),
        version: version.to_owned(),
        rollback: canary.as_ref().map(|_| RollbackTarget {
            version: version.to_owned(),
            guess: false,
            deployments: Vec::new(),
        }),
        can_undo: canary.is_some(),
        canary,
        description: String::new(),
        revision_id: "r".to_owned(),
        pointer: None,
    };
    let function = |name: &str| FunctionStatus {
        name: name.to_owned(),
        exists: true,
        state: "Active".to_owned(),
        code_sha256: "q3oVbNFF0dDS1OAkaUoNyzbOFXrfFgmXDc36xdBvdmU=".to_owned(),
        last_modified: "2026-11-20T12:00:00.000+0000".to_owned(),
        memory_mb: 128,
        timeout_s: 5,
        versions: ["1", "2", "3", "4"]
            .map(|version| VersionStatus {
                role: String::new(),
                dead_letter: String::new(),
                differs: Vec::new(),
                version: version.to_owned(),
                code_sha256: format!("{version}oVbNFF0dDS1OAkaUoNyzbOFXrfFgmXDc36xdBvdmU="),
                published: "2026-11-20T11:50:00.000+0000".to_owned(),
                description: format!("change {version}"),
                code_size: 2_800_000,
            })
            .to_vec(),
        aliases: vec![
            alias("dev", "$LATEST", None),
            alias("prod", "3", Some(("4".to_owned(), 0.2))),
        ],
    };
    let url = |api: &str, stage: &str| {
        format!("http://127.0.0.1:4566/restapis/{api}/{stage}/_user_request_")
    };
    let api = |name: &str, id: &str| ApiStatus {
        name: name.to_owned(),
        id: id.to_owned(),
        stages: ["dev", "prod"]
            .map(|stage| StageStatus {
                cache: None,
                throttle: None,
                name: stage.to_owned(),
                deployment_id: "dpl4x9".to_owned(),
                variables: vec![("lambdaAlias".to_owned(), stage.to_owned())],
                updated_ms: NOW_MS - 600_000,
                url: url(id, stage),
            })
            .to_vec(),
    };
    let apis = vec![api("shop-front", "a1b2c3d4e5"), api("shop-store", "f6g7h8i9j0")];
    let endpoints = apis
        .iter()
        .flat_map(|api| {
            api.stages.iter().map(|stage| Endpoint {
                api: api.name.clone(),
                stage: stage.name.clone(),
                url: stage.url.clone(),
            })
        })
        .collect();
    LabStatus {
        last_move: None,
        events: labdeck_ops::status::Events::default(),
        access: labdeck_ops::status::Access::default(),
        lab: "shop".to_owned(),
        title: "A shop with a front and a store".to_owned(),
        deployed: true,
        variant: None,
        functions: vec![function("shop-front"), function("shop-store")],
        apis,
        tables: vec![TableStatus {
            name: "orders".to_owned(),
            status: "ACTIVE".to_owned(),
            items: 12,
        }],
        endpoints,
        chaos: Vec::new(),
    }
}

/// A plan with a step of every kind: made, changed (by the lab, and by somebody else), made anew.
pub fn plan() -> Plan {
    let change = |field: &str, old: &str, new: &str, drift: bool| Change {
        field: field.to_owned(),
        old: Some(old.to_owned()),
        new: Some(new.to_owned()),
        text: format!("{field} {old} → {new}"),
        drift,
        overwrites: String::new(),
    };
    let step = |verb: Verb, resource: &str, name: &str, changes: Vec<Change>| Step {
        verb,
        resource: resource.to_owned(),
        name: name.to_owned(),
        reason: if changes.is_empty() { "missing".to_owned() } else { reason(&changes) },
        drift: !changes.is_empty() && changes.iter().all(|change| change.drift),
        changes,
        warning: None,
        after: Vec::new(),
        action: TableAction::Update(name.to_owned()).into(),
    };
    let lost = "table orders is deleted and made anew: its 3 items are lost";
    let hourly = "the cache of stage shop-front/prod (0.5 GB) is billed by the hour";
    Plan {
        lab: "shop".to_owned(),
        steps: vec![
            Step {
                warning: Some(lost.to_owned()),
                ..step(Verb::Replace, "table", "orders", vec![change("key", "order", "id", false)])
            },
            Step {
                after: vec![0],
                ..step(
                    Verb::Update,
                    "function",
                    "shop-front",
                    vec![
                        change("memory", "128 MB", "256 MB", false),
                        change("timeout", "9 s", "5 s", true),
                    ],
                )
            },
            Step {
                warning: Some(hourly.to_owned()),
                ..step(Verb::Create, "stage", "shop-front/prod", Vec::new())
            },
        ],
        notes: Vec::new(),
    }
}

fn checks() -> Vec<CheckResult> {
    vec![
        CheckResult {
            name: "deployed".to_owned(),
            title: "everything is there".to_owned(),
            holds: true,
            reason: String::new(),
        },
        CheckResult {
            name: "published".to_owned(),
            title: "prod points to a version".to_owned(),
            holds: false,
            reason: "prod points to $LATEST".to_owned(),
        },
    ]
}

fn outcome() -> ReleaseOutcome {
    let one = |function: &str| Move {
        function: function.to_owned(),
        from: "v3".to_owned(),
        to: "v3 80% · v4 20%".to_owned(),
        changed: true,
        note: None,
        failure: None,
    };
    ReleaseOutcome {
        lab: "shop".to_owned(),
        operation: "shift 20%".to_owned(),
        moves: vec![one("shop-front"), one("shop-store")],
        deployments: Vec::new(),
        problems: Vec::new(),
        millis: 8.4,
    }
}

/// An answered request with a JSON body.
pub fn exchange() -> Exchange {
    Exchange {
        request: OutgoingRequest {
            method: "GET".to_owned(),
            url: "http://127.0.0.1:4566/restapis/f6g7h8i9j0/dev/_user_request_/orders".to_owned(),
            ..OutgoingRequest::default()
        },
        sent_ms: NOW_MS - 5_000,
        status: 200,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: r#"{"message":"Hello again, ada!","count":3,"returning":true}"#.to_owned(),
        body_bytes: 59,
        timings: Timings { connect_ms: 0.1, first_byte_ms: 1.9, total_ms: 2.1 },
        request_id: Some("6b1c7d6e".to_owned()),
        to: "dev".to_owned(),
        ..Exchange::default()
    }
}

fn burst(name: &str, p50_ms: f64) -> BurstSummary {
    BurstSummary {
        request: name.to_owned(),
        answered: 200,
        seconds: 0.6,
        per_second: 333.0,
        statuses: BTreeMap::from([(200, 198), (503, 2)]),
        p50_ms,
        p90_ms: p50_ms * 1.4,
        p95_ms: p50_ms * 2.0,
        p99_ms: p50_ms * 3.0,
        max_ms: p50_ms * 4.0,
        ..BurstSummary::default()
    }
}

/// Both functions, stable and canary.
pub fn traffic() -> Traffic {
    let row = |function: &str, version: &str, rate: u64, errors: u64| TrafficRow {
        function: function.to_owned(),
        version: version.to_owned(),
        requests: rate * 60,
        errors,
        rate: rate as f64,
        p50_ms: 3.1,
        p95_ms: 6.0,
        p99_ms: 9.2,
        cold_starts: 2,
        max_memory_mb: 14,
        memory_mb: 128,
        chart: (0..60).map(|second| rate + second % 7).collect(),
        error_chart: (0..60).map(|second| u64::from(second % 20 == 0 && errors > 0)).collect(),
        latency_chart: (0..60).map(|second| 5.0 + f64::from(second % 5)).collect(),
    };
    Traffic {
        at_ms: NOW_MS,
        window_s: 300,
        rows: vec![
            row("shop-front", "3", 41, 0),
            row("shop-front", "4", 9, 24),
            row("shop-store", "3", 40, 0),
            row("shop-store", "4", 10, 0),
        ],
        others: vec![OtherMetric {
            function: "shop-store".to_owned(),
            version: "4".to_owned(),
            name: "StorageErrors".to_owned(),
            unit: "Count".to_owned(),
            count: 2,
            sum: 2.0,
            max: 1.0,
        }],
    }
}
