//! `audit`: what changed something, when, by whom, from what to what, with what result.

use std::time::Duration;

use labdeck_aws::{AuditEntry, Damaged, Result};
use labdeck_ops::audit::{self, Found, Query, Trail};
use labdeck_telemetry::clean;
use serde_json::json;

use crate::args::AuditArgs;
use crate::context::Context;
use crate::output::exit;

/// How often a growing file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Prints the entries, the newest last; with `--follow` until Ctrl-C or until nobody reads any more.
pub async fn run(context: &Context<'_>, args: &AuditArgs) -> Result<u8> {
    let query = Query {
        lab: args.lab.as_deref().map(|lab| context.full_name(lab)),
        since: None,
        operation: args.operation.clone(),
        failed: args.failed,
    };
    let query = match args.since {
        Some(age) => query.within(age),
        None => query,
    };
    let mut trail = Trail::open(query)?;
    if !args.follow {
        let path = trail.path().display().to_string();
        let found = trail.all()?;
        if found.entries.is_empty() && found.damaged.is_empty() {
            context.output.remark(format!("nothing of that is in {path}"));
        }
        print(context, &found);
        return Ok(exit::DONE);
    }
    let mut reader_gone = std::pin::pin!(super::logs::reader_gone());
    loop {
        print(context, &trail.more()?);
        if context.output.closed() {
            return Ok(exit::DONE);
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = context.cancel.cancelled() => return Ok(exit::DONE),
            () = &mut reader_gone => return Ok(exit::DONE),
        }
    }
}

fn print(context: &Context<'_>, found: &Found) {
    let output = context.output;
    for entry in &found.entries {
        if output.json {
            output.value(entry);
        } else {
            output.line(text(entry));
        }
    }
    for damaged in &found.damaged {
        tell(context, damaged);
    }
}

/// A damaged line: on stderr, as JSON where JSON is asked for.
fn tell(context: &Context<'_>, damaged: &Damaged) {
    let said = format!("skipped a damaged line: {damaged}");
    if context.output.json {
        context.output.notice(&json!({ "notice": said }));
    } else {
        context.output.remark(clean(&said));
    }
}

/// An entry as one line.
pub fn text(entry: &AuditEntry) -> String {
    let time = audit::at(entry).and_then(|at| {
        at.format(time::macros::format_description!(
            "[year]-[month]-[day] [hour]:[minute]:[second]Z"
        ))
        .ok()
    });
    let place = [entry.target.as_str(), &entry.account, &entry.region];
    let place: Vec<&str> = place.into_iter().filter(|part| !part.is_empty()).collect();
    let change = audit::change(entry);
    let parts = [
        time.unwrap_or_else(|| entry.time.clone()),
        if entry.lab.is_empty() { "-".to_owned() } else { entry.lab.clone() },
        audit::short_name(&entry.who).to_owned(),
        place.join(" "),
        format!("{} {}", entry.service, entry.operation),
        audit::short_resource(&entry.resource).to_owned(),
        change,
        entry.result.clone(),
        format!("{} ms", entry.millis),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    clean(&parts.join("  ")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_one_harmless_line() {
        let entry = AuditEntry {
            time: "2026-11-20T10:00:00.123Z".to_owned(),
            who: "arn:aws:iam::111122223333:user/ada".to_owned(),
            account: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
            target: "school".to_owned(),
            lab: "shop".to_owned(),
            service: "Lambda".to_owned(),
            operation: "UpdateAlias".to_owned(),
            resource: "/2015-03-31/functions/items/aliases/prod".to_owned(),
            from: "v1".to_owned(),
            to: "v2\u{1b}[31m".to_owned(),
            result: "ok".to_owned(),
            millis: 12,
        };
        assert_eq!(
            text(&entry),
            "2026-11-20 10:00:00Z  shop  ada  school 111122223333 eu-west-1  Lambda UpdateAlias  \
             functions/items/aliases/prod  v1 → v2  ok  12 ms"
        );
    }
}
