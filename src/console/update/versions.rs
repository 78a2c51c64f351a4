//! Versions looked at, their history, and old ones deleted.

use labdeck_aws::Failure;
use labdeck_ops::release::history::Happening;
use labdeck_ops::release::pointer::version_name;
use labdeck_ops::release::versions::{self, Pruned};

use super::{cut, danger, data, work};
use crate::message::Effect;
use crate::state::note::Tone;
use crate::state::popup::{Asked, Popup};
use crate::state::{Panel, State};
use crate::text;

/// Reads the history of the release.
pub fn history(state: &mut State) -> Vec<Effect> {
    if !work::ready(state) {
        return Vec::new();
    }
    state.blueprint().cloned().map(Effect::ReadHistory).into_iter().collect()
}

/// Shows it, the newest first.
pub fn told(state: &mut State, result: Result<Vec<Happening>, Failure>) -> Vec<Effect> {
    match result {
        Ok(all) => {
            let lines: Vec<String> = all.iter().rev().map(line).collect();
            let lab = state.current_lab().map_or("", |lab| lab.name.as_str());
            let title = format!("history of {lab} · UTC");
            let text = if lines.is_empty() {
                "nothing is known of its releases".to_owned()
            } else {
                lines.join("\n")
            };
            state.popups.push(Popup::Text { title, text, scroll: 0 });
        }
        Err(failure) => cut::cannot(state, "history", &failure),
    }
    Vec::new()
}

fn line(one: &Happening) -> String {
    let who = one.who.as_deref().map_or_else(String::new, |who| format!("  by {who}"));
    let note = if one.note.is_empty() { String::new() } else { format!("  {}", one.note) };
    format!("{}  {}  {}{who}{note}", text::date(one.at_ms), one.function, one.what)
}

/// Asks before old versions are deleted.
pub fn prune(state: &mut State) -> Vec<Effect> {
    let none = state.status().is_some_and(|status| versions::unneeded(status, 0).is_empty());
    if none {
        let said = "there is no version that nothing points to";
        state.notes.say(state.now_ms, Tone::Info, said);
        return Vec::new();
    }
    danger::typed(state, Asked::Prune)
}

/// What one must know before the lab's name is typed.
pub fn about(state: &State) -> Vec<String> {
    let Some(status) = state.status() else { return Vec::new() };
    let all: Vec<String> = versions::unneeded(status, 0)
        .iter()
        .map(|one| format!("{} {}", one.function, version_name(&one.version)))
        .collect();
    vec![
        format!("Nothing points to {}.", all.join(", ")),
        "They go for good; what rollback and undo may need stays. Type the lab's name.".to_owned(),
    ]
}

/// Deletes them.
pub fn prune_now(state: &mut State) -> Vec<Effect> {
    let Some(blueprint) = state.blueprint().cloned().filter(|_| !state.pruning) else {
        return Vec::new();
    };
    state.pruning = true;
    vec![Effect::Prune(blueprint)]
}

/// They were deleted.
pub fn pruned(state: &mut State, result: Result<Pruned, Failure>) -> Vec<Effect> {
    state.pruning = false;
    match result {
        Ok(pruned) => {
            let (tone, said) = match pruned.failed.first() {
                None => (Tone::Good, format!("{} old versions deleted", pruned.deleted.len())),
                Some((one, failure)) => (
                    Tone::Warn,
                    format!(
                        "{} deleted; {} of {} stays: {failure}",
                        pruned.deleted.len(),
                        version_name(&one.version),
                        one.function
                    ),
                ),
            };
            state.notes.say(state.now_ms, tone, said);
        }
        Err(failure) => cut::cannot(state, "delete old versions", &failure),
    }
    data::reread(state)
}

/// Shows the selected version whole.
pub fn open(state: &mut State) -> Vec<Effect> {
    let Some(status) = state.status() else { return Vec::new() };
    let selected = state.positions.get(Panel::Versions);
    // As the panel lists them: a line for the function, one for $LATEST, then the newest first.
    let mut at = 0;
    let mut found = None;
    for function in &status.functions {
        let first = at + 2;
        at = first + function.versions.len().max(1);
        if (first..at).contains(&selected) {
            let index = function.versions.len().checked_sub(selected - first + 1);
            found = index.and_then(|index| function.versions.get(index)).map(|v| (function, v));
            break;
        }
    }
    let Some((function, version)) = found else { return Vec::new() };
    let before =
        if version.differs.is_empty() { "-".to_owned() } else { version.differs.join(", ") };
    let dead_letter = if version.dead_letter.is_empty() { "-" } else { &version.dead_letter };
    let size = text::bytes(u64::try_from(version.code_size).unwrap_or(0));
    let text = format!(
        "published    {}\ndescription  {}\ncode         {size}, SHA-256 {}\ndiffers      {before}\n\
         role         {}\ndead letters {dead_letter}",
        version.published, version.description, version.code_sha256, version.role
    );
    let title = format!("{} of {}", version_name(&version.version), function.name);
    state.popups.push(Popup::Text { title, text, scroll: 0 });
    Vec::new()
}
