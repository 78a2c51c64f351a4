//! `release LAB history` and `release LAB prune`.

use labdeck_aws::Result;
use labdeck_lab::Blueprint;
use labdeck_ops::Engine;
use labdeck_ops::release::history::{self, Happening};
use labdeck_ops::release::pointer::version_name;
use labdeck_ops::release::versions::{self, Pruned};
use labdeck_telemetry::clean;
use time::OffsetDateTime;

use crate::context::Context;
use crate::output::{columns, exit, status_of};

/// What happened to the release, the oldest first.
pub async fn run(context: &Context<'_>, engine: &Engine, blueprint: &Blueprint) -> Result<u8> {
    let all = history::history(engine, blueprint).await?;
    context.output.result(&all, || {
        if all.is_empty() {
            return vec![format!("nothing is known of releases of {}", blueprint.name)];
        }
        columns(&all.iter().map(row).collect::<Vec<_>>())
    });
    Ok(exit::DONE)
}

fn row(one: &Happening) -> Vec<String> {
    vec![
        when(one.at_ms),
        one.function.clone(),
        one.what.clone(),
        one.who.as_deref().map_or_else(String::new, |who| format!("by {}", clean(who))),
        clean(&one.note).to_string(),
    ]
}

fn when(ms: i64) -> String {
    let Ok(at) = OffsetDateTime::from_unix_timestamp(ms / 1000) else { return String::new() };
    let (date, time) = (at.date(), at.time());
    format!("{date} {:02}:{:02}:{:02}", time.hour(), time.minute(), time.second())
}

/// Deletes the versions that nothing points to, once that is confirmed.
pub async fn prune(
    context: &Context<'_>,
    engine: &Engine,
    blueprint: &Blueprint,
    keep: usize,
    dry_run: bool,
) -> Result<u8> {
    let pruned = versions::prune(engine, blueprint, keep, dry_run).await?;
    context.output.result(&pruned, || text(&pruned));
    Ok(pruned.failed.first().map_or(exit::DONE, |(_, failure)| status_of(failure)))
}

fn text(pruned: &Pruned) -> Vec<String> {
    let word = if pruned.dry_run { "would be deleted" } else { "deleted" };
    let mut text: Vec<String> = pruned
        .deleted
        .iter()
        .map(|one| format!("{} {}  {word}", one.function, version_name(&one.version)))
        .collect();
    text.extend(pruned.failed.iter().map(|(one, failure)| {
        format!("{} {}  stays: {failure}", one.function, version_name(&one.version))
    }));
    if text.is_empty() {
        text.push(format!("{} has no version that nothing points to", pruned.lab));
    }
    text
}
