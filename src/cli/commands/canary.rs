//! `release LAB canary`: a guarded canary, from its begin or where it was left, until it is over.

use std::sync::Mutex;

use labdeck_aws::Result;
use labdeck_lab::Blueprint;
use labdeck_ops::Engine;
use labdeck_ops::canary::{self, CanaryView, End, Phase, Start};
use labdeck_telemetry::clean;
use labdeck_telemetry::compare::{Assessment, SideView};
use tokio::sync::mpsc;

use crate::args::CanaryArgs;
use crate::context::Context;
use crate::output::{columns, exit};

/// Guards it. Exit status 0 when it was promoted, 1 when it was taken back or left, 3 when somebody
/// else moved the alias.
pub async fn run(
    context: &Context<'_>,
    engine: &Engine,
    blueprint: &Blueprint,
    args: CanaryArgs,
) -> Result<u8> {
    let start = if args.resume {
        Start::Resume(args.own_traffic())
    } else {
        Start::New(args.plan(&blueprint.canary))
    };
    // Ctrl-C is all that this face can say.
    let (_commands, heard) = mpsc::channel(1);
    let told = Mutex::new(String::new());
    let tell = |view: &CanaryView| {
        if context.output.json {
            context.output.value(view);
            return;
        }
        let line = headline(view);
        // What changes with every second is worth a line only every ten.
        let steady = line.split(" · held ").next().unwrap_or_default().to_owned();
        let mut told = told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let every_ten = view.held_s.rem_euclid(10.0) < 1.0;
        if *told != steady || every_ten {
            context.output.remark(&line);
            *told = steady;
        }
    };
    let cancel = context.cancel.clone();
    let view = canary::run(engine, blueprint, start, heard, &tell, cancel).await?;
    if !context.output.json {
        for line in summary(&view) {
            context.output.line(line);
        }
    }
    Ok(match &view.phase {
        Phase::Ended(End::Promoted) => exit::DONE,
        Phase::Ended(End::TakenOver { .. }) => exit::REFUSED,
        _ => exit::FAILED,
    })
}

/// One line of what it does now.
pub fn headline(view: &CanaryView) -> String {
    let step = format!("{}: step {} of {}", view.lab, view.step + 1, view.steps.len());
    let doing = match &view.phase {
        Phase::Holding => {
            let verdict = view.verdict.words();
            format!("{verdict} · held {:.0} of {} s", view.held_s, view.hold_s)
        }
        Phase::Paused { reason, .. } => format!("waits: {}", clean(reason)),
        Phase::Moving { what } => format!("moves {}", clean(what)),
        Phase::Ended(end) => ended(end, &view.lab),
    };
    format!("{step}, {}% · {doing}", view.percent())
}

fn ended(end: &End, lab: &str) -> String {
    match end {
        End::Promoted => "promoted".to_owned(),
        End::RolledBack { reason } => format!("rolled back: {}", clean(reason)),
        End::Aborted => "taken back on request".to_owned(),
        End::TakenOver { reason } => format!("taken over: {}", clean(reason)),
        End::Left => format!(
            "guarded no longer; the split stays. Go on: labdeck release {lab} canary --resume"
        ),
    }
}

/// How it ended, and the two versions side by side.
fn summary(view: &CanaryView) -> Vec<String> {
    let mut text = vec![headline(view)];
    text.extend(table(&view.functions));
    text
}

/// Stable and canary of each function, a row each.
pub fn table(functions: &[Assessment]) -> Vec<String> {
    if functions.is_empty() {
        return Vec::new();
    }
    let head =
        ["function", "", "version", "requests", "errors", "p50", "p95", "p99 ms", "cold", "MB"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let row = |function: &str, word: &str, side: &SideView| {
        let ms = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}"));
        vec![
            function.to_owned(),
            word.to_owned(),
            format!("v{}", side.version),
            side.requests.to_string(),
            format!("{} ({:.1}%)", side.errors, side.error_rate * 100.0),
            ms(side.p50_ms),
            ms(side.p95_ms),
            ms(side.p99_ms),
            side.cold_starts.to_string(),
            side.max_memory_mb.to_string(),
        ]
    };
    for one in functions {
        rows.push(row(&one.function, "stable", &one.stable));
        rows.push(row(&one.function, "canary", &one.canary));
    }
    let mut text = columns(&rows);
    text.extend(
        functions.iter().map(|one| {
            format!("{}: {}: {}", one.function, one.verdict.words(), clean(&one.reason))
        }),
    );
    text
}
