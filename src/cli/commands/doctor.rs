//! `doctor`: whether this machine and this target have what labdeck needs, and what to do where
//! they don't.

mod attached;

use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::{Duration, SystemTime};

use labdeck_aws::{LocalCloud, Result, Target};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::Count;
use labdeck_ops::deploy::kinds::concurrency::account;
use labdeck_ops::{Engine, probe};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tokio::process::Command;

use super::cloud::bytes;
use crate::context::{Context, state_dir};
use crate::output::{columns, exit};

/// How far a clock may be off before AWS refuses signatures is 5 minutes; a warning comes earlier.
const SKEW_WARN: i64 = 60;
const SKEW_FAIL: i64 = 300;
/// How long one look may take.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warn,
    Fail,
}

#[derive(Debug, Serialize)]
struct Look {
    name: &'static str,
    state: State,
    seen: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

fn ok(name: &'static str, seen: impl Into<String>) -> Look {
    Look { name, state: State::Ok, seen: seen.into(), next: None }
}

fn warn(name: &'static str, seen: impl Into<String>, next: impl Into<String>) -> Look {
    Look { name, state: State::Warn, seen: seen.into(), next: Some(next.into()) }
}

fn fail(name: &'static str, seen: impl Into<String>, next: impl Into<String>) -> Look {
    Look { name, state: State::Fail, seen: seen.into(), next: Some(next.into()) }
}

/// Looks at everything; exit status 1 when something fails.
pub async fn run(context: &Context<'_>) -> Result<u8> {
    let dir = state_dir(&context.global)?;
    let (cargo, cc) = tokio::join!(cargo(), cc());
    let mut looks = vec![cargo, cc, labs(context), terminal(), writable(&dir)];
    match context.engine().await {
        Ok(engine) => {
            looks.extend(target(&engine, &dir).await);
            looks.extend(concurrency(context, &engine).await);
            looks.extend(attached::look(&engine).await);
        }
        Err(failure) => looks.push(fail(
            "target",
            failure.to_string(),
            failure.next.unwrap_or_else(|| "see what is said above".to_owned()),
        )),
    }
    let failed = looks.iter().any(|look| look.state == State::Fail);
    context.output.result(&serde_json::json!({ "ok": !failed, "looks": looks }), || text(&looks));
    Ok(if failed { exit::FAILED } else { exit::DONE })
}

fn text(looks: &[Look]) -> Vec<String> {
    let row = |look: &Look| {
        let state = match look.state {
            State::Ok => "ok",
            State::Warn => "warn",
            State::Fail => "FAIL",
        };
        let next = look.next.as_ref().map(|next| format!(": {next}")).unwrap_or_default();
        vec![state.to_owned(), look.name.to_owned(), format!("{}{next}", look.seen)]
    };
    columns(&looks.iter().map(row).collect::<Vec<_>>())
}

/// The first line that a program prints; `None` when it can't be run.
async fn first_line(program: &str, argument: &str) -> Option<String> {
    let run = Command::new(program).arg(argument).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, run).await.ok()?.ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then(|| text.lines().next().unwrap_or_default().to_owned())
}

async fn cargo() -> Look {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    match first_line(&program, "--version").await {
        Some(version) => ok("cargo", version),
        None => fail(
            "cargo",
            "it can't be run; handlers can't be built",
            "install a Rust toolchain: https://rustup.rs",
        ),
    }
}

async fn cc() -> Look {
    let program = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    match first_line(&program, "--version").await {
        Some(version) => ok("C compiler", version),
        None => fail(
            "C compiler",
            format!("{program} can't be run; some dependencies are written in C"),
            "install one, for example: apt-get install build-essential",
        ),
    }
}

fn labs(context: &Context<'_>) -> Look {
    let folder = context.global.labs.display().to_string();
    match context.lab_names() {
        Err(failure) => fail("labs", failure.why, failure.next.unwrap_or_default()),
        Ok(names) if names.is_empty() => {
            warn("labs", format!("there are none in {folder}"), "give their folder with --labs")
        }
        Ok(names) => {
            let broken: Vec<&str> = names
                .iter()
                .filter(|name| context.blueprint(name).is_err())
                .map(String::as_str)
                .collect();
            if broken.is_empty() {
                return ok("labs", format!("{} in {folder}", names.join(", ")));
            }
            let seen = format!("{} can't be read", broken.join(", "));
            fail("labs", seen, "see what is wrong with: labdeck labs")
        }
    }
}

fn terminal() -> Look {
    if !io::stdout().is_terminal() {
        return ok("terminal", "none here; headless commands need none");
    }
    let term = std::env::var("TERM").unwrap_or_default();
    if term.is_empty() || term == "dumb" {
        let seen = format!("TERM is {term:?}");
        return warn("terminal", seen, "the console needs one that can move the cursor");
    }
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty())
        .unwrap_or_default();
    let lower = locale.to_lowercase();
    if !lower.contains("utf-8") && !lower.contains("utf8") {
        let seen = format!("{term}, and the locale {locale:?} is not UTF-8");
        return warn("terminal", seen, "set LANG, for example: export LANG=C.UTF-8");
    }
    let colours = colours(&term);
    let size = terminal_size::terminal_size().map(|(width, height)| (width.0, height.0));
    match size {
        Some((columns, rows)) if columns < 80 || rows < 24 => {
            let seen = format!("{columns}×{rows}, {term}, {colours}");
            warn("terminal", seen, "the console shows everything from 80×24 up")
        }
        Some((columns, rows)) => {
            ok("terminal", format!("{columns}×{rows}, {term}, {colours}, UTF-8"))
        }
        None => ok("terminal", format!("{term}, {colours}, UTF-8")),
    }
}

fn colours(term: &str) -> &'static str {
    let set = |name: &str| std::env::var(name).is_ok_and(|value| !value.is_empty());
    if set("NO_COLOR") {
        "no colours (NO_COLOR)"
    } else if std::env::var("COLORTERM").is_ok_and(|v| v == "truecolor" || v == "24bit") {
        "true colour"
    } else if term.contains("256color") {
        "256 colours"
    } else {
        "16 colours"
    }
}

fn writable(dir: &Path) -> Look {
    let next = "make it writable for yourself, or give another with --state-dir";
    if let Err(error) = std::fs::create_dir_all(dir) {
        return fail("state directory", format!("{}: {error}", dir.display()), next);
    }
    let probe = dir.join(format!(".doctor-{}", std::process::id()));
    let written = std::fs::write(&probe, b"labdeck").and_then(|()| std::fs::remove_file(&probe));
    match written {
        Ok(()) => ok("state directory", dir.display().to_string()),
        Err(error) => fail("state directory", format!("{}: {error}", dir.display()), next),
    }
}

/// What is to see of the target: who we are, its clock, its room.
async fn target(engine: &Engine, dir: &Path) -> Vec<Look> {
    let target = &engine.target;
    let mut looks = vec![credentials(target).await, clock(target).await];
    if target.is_local() {
        looks.push(room(dir).await);
        return looks;
    }
    looks.push(builds());
    looks.extend(services(target).await);
    looks
}

/// Whether the account may run what the labs reserve.
async fn concurrency(context: &Context<'_>, engine: &Engine) -> Option<Look> {
    let names = context.lab_names().unwrap_or_default();
    let labs: Vec<Blueprint> =
        names.iter().filter_map(|name| context.blueprint(name).ok()).collect();
    if labs.iter().all(|lab| reserved(lab) == 0) {
        return None;
    }
    let account = match account(&engine.target).await {
        Ok(Some(account)) => account,
        Ok(None) => return None,
        Err(failure) => {
            let next = failure.next.unwrap_or_else(|| "see docs/aws-permissions.md".to_owned());
            return Some(fail("concurrency", failure.why, next));
        }
    };
    let seen = format!(
        "the account may run {} executions at once; {} can still be reserved",
        account.limit,
        account.free()
    );
    let too_much: Vec<&Blueprint> = labs
        .iter()
        .filter(|lab| reserved(lab) > i64::from(account.limit - account.least()))
        .collect();
    if too_much.is_empty() {
        return Some(ok("concurrency", seen));
    }
    let who: Vec<String> =
        too_much.iter().map(|lab| format!("{} reserves {}", lab.name, reserved(lab))).collect();
    let without: Vec<String> = too_much
        .iter()
        .map(|lab| {
            let set: Vec<String> =
                counted_parameters(lab).map(|name| format!(" --set {name}=")).collect();
            format!("labdeck deploy {}{}", lab.name, set.concat())
        })
        .collect();
    let next = format!(
        "deploy without ({}), or ask AWS for more (Service Quotas, AWS Lambda, Concurrent executions)",
        without.join("; ")
    );
    Some(warn("concurrency", format!("{seen}; {}", who.join(", ")), next))
}

/// Executions that a lab takes out of the account's, with the defaults of its parameters.
fn reserved(lab: &Blueprint) -> i64 {
    let value = |count: &Option<Count>| match count {
        None => None,
        Some(Count::Number(number)) => Some(i64::from(*number)),
        Some(Count::Parameter(name)) => {
            let parameter = lab.parameters.iter().find(|parameter| parameter.name == *name)?;
            parameter.default.as_deref()?.parse().ok()
        }
    };
    let functions = lab.functions.iter();
    functions
        .filter_map(|f| value(&f.reserved_concurrency).or(value(&f.provisioned_concurrency)))
        .sum()
}

/// The parameters that give numbers of executions and have a default.
fn counted_parameters(lab: &Blueprint) -> impl Iterator<Item = &str> {
    let defaulted =
        |name: &&str| lab.parameters.iter().any(|p| p.name == **name && p.default.is_some());
    let counts = lab
        .functions
        .iter()
        .flat_map(|f| [&f.reserved_concurrency, &f.provisioned_concurrency])
        .flatten();
    counts.filter_map(Count::parameter).filter(defaulted)
}

/// What handlers can be built for.
fn builds() -> Look {
    match labdeck_ops::deploy::builds() {
        (own, Some(tool)) => ok("builds", format!("{}; others with {tool}", processor(own))),
        (own, None) => warn(
            "builds",
            format!("{}, and nothing for other processors or older C libraries", processor(own)),
            labdeck_ops::deploy::HOW_TO_CROSS,
        ),
    }
}

fn processor(own: Option<&'static str>) -> String {
    own.map_or_else(
        || "this machine's own programs don't run on Lambda".to_owned(),
        |own| format!("{own} with cargo alone"),
    )
}

/// Whether each service answers to these credentials.
async fn services(target: &Target) -> Vec<Look> {
    let look = |probe: probe::Probe| match (&probe.failure, target.role()) {
        (None, _) => ok(probe.service, "it answers"),
        (Some(_), Some(role)) if probe.denies_roles() => {
            ok(probe.service, format!("roles can't be read; functions use {role}"))
        }
        (Some(failure), None) if probe.denies_roles() => fail(
            probe.service,
            failure.why.clone(),
            "where roles can't be made, give an existing one with --role",
        ),
        (Some(failure), _) => fail(
            probe.service,
            failure.why.clone(),
            failure.next.clone().unwrap_or_else(|| "see docs/aws-permissions.md".to_owned()),
        ),
    };
    probe::services(target).await.into_iter().map(look).collect()
}

async fn credentials(target: &Target) -> Look {
    match (target.account().await, target.caller_arn().await) {
        (Ok(account), Ok(arn)) => ok(
            "credentials",
            format!("{} in {}: account {account}, {arn}", target.name(), target.region()),
        ),
        (Err(failure), _) | (_, Err(failure)) => fail(
            "credentials",
            failure.why,
            failure.next.unwrap_or_else(|| "check --profile and --region".to_owned()),
        ),
    }
}

/// Compares this clock with the endpoint's `Date`: signatures are refused when they differ.
async fn clock(target: &Target) -> Look {
    let url = target
        .endpoint()
        .unwrap_or_else(|| format!("https://sts.{}.amazonaws.com", target.region()));
    let dated = labdeck_ops::request::date_of(&url).await;
    let Some(theirs) = dated.as_deref().and_then(|date| OffsetDateTime::parse(date, &Rfc2822).ok())
    else {
        return warn("clock", format!("{url} does not tell its time"), "compare it by hand");
    };
    let ours = OffsetDateTime::from(SystemTime::now());
    let skew = (ours - theirs).whole_seconds();
    let next = "set this machine's clock, for example with NTP";
    match skew.abs() {
        0..SKEW_WARN => ok("clock", format!("within {} s of {url}", skew.abs().max(1))),
        SKEW_WARN..SKEW_FAIL => warn("clock", format!("{skew} s off {url}"), next),
        _ => fail("clock", format!("{skew} s off {url}: signatures are refused"), next),
    }
}

/// How much of its room the local cloud uses.
async fn room(dir: &Path) -> Look {
    let Ok(Some(cloud)) = LocalCloud::find(dir).await else {
        return warn("disk", "the local cloud does not run any more", "see cloud.log");
    };
    let (used, cap) = (cloud.status.state_bytes, cloud.status.state_cap_bytes);
    let seen = format!("{} of {} used", bytes(used), bytes(cap));
    if cap > 0 && used > cap / 10 * 9 {
        return warn("disk", seen, "old logs go first; destroy labs that are not needed");
    }
    ok("disk", seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_says_what_to_do_next() {
        let lines = text(&[ok("cargo", "1.95"), fail("disk", "full", "make room")]);
        assert_eq!(lines, ["ok    cargo  1.95", "FAIL  disk   full: make room"]);
    }

    #[test]
    fn a_date_header_is_read() {
        let date = OffsetDateTime::parse("Fri, 20 Nov 2026 10:00:00 GMT", &Rfc2822);
        assert!(date.is_ok_and(|date| date.unix_timestamp() == 1_795_168_800));
    }
}
