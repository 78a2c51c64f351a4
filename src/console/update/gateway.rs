//! The gateway screen: its actions, its form, what its tasks tell.

use std::sync::Arc;

use labdeck_aws::{Failure, FailureKind};
use labdeck_ops::danger::Wanted;
use labdeck_ops::gateway::stage::StageModel;
use labdeck_ops::gateway::usage::Left;
use labdeck_ops::gateway::{Done, Gateway, Preview, patch, plan, rules, stage};
use labdeck_ops::request::exchange::KeyValue;

use super::{cut, danger, data, fix, work};
use crate::action::{Action, Screen};
use crate::gateway::{Change, Told};
use crate::message::Effect;
use crate::state::gateway::{PlanRow, PreviewBox, SHOWN_MS, SettingsForm, ShownKey, Subject};
use crate::state::note::Tone;
use crate::state::popup::{Asked, Popup, Prompt};
use crate::state::{Panel, State};

/// Reads what the screen shows, where it is shown and is not being read.
pub fn refresh(state: &mut State) -> Vec<Effect> {
    if state.screen == Screen::Gateway { read(state) } else { Vec::new() }
}

fn read(state: &mut State) -> Vec<Effect> {
    let deployed = state.status().is_some_and(|status| status.deployed);
    if state.target().is_none() || state.gateway.reading || !deployed {
        return Vec::new();
    }
    let Some(blueprint) = state.blueprint().cloned() else { return Vec::new() };
    state.gateway.reading = true;
    state.gateway.asked_ms.get_or_insert(state.now_ms);
    vec![Effect::ReadGateway(blueprint)]
}

/// Runs an action of the screen.
pub fn run(state: &mut State, action: Action) -> Vec<Effect> {
    if !work::ready(state) {
        return Vec::new();
    }
    if state.gateway().is_none() {
        let deployed = state.status().is_some_and(|status| status.deployed);
        let said = if deployed { "the gateway is still being read" } else { "nothing is deployed" };
        state.notes.say(state.now_ms, Tone::Info, said);
        return Vec::new();
    }
    match action {
        Action::EditGateway => edit(state),
        Action::Redeploy => redeploy(state),
        Action::SwitchDeployment => switch(state),
        Action::FlushCache => flush(state),
        Action::Difference => difference(state),
        Action::ResetQuota => left(state, true),
        Action::ExtendQuota => left(state, false),
        Action::CreateKey => ask(state, Asked::KeyName),
        Action::ToggleKey => toggle(state),
        Action::RotateKey => rotate(state),
        Action::ShowKey => key(state, false),
        Action::CopyKey => key(state, true),
        _ => Vec::new(),
    }
}

/// Opens what is selected in a panel of the screen.
pub fn open(state: &mut State, panel: Panel) -> Vec<Effect> {
    let action = match panel {
        Panel::Deployments => Action::SwitchDeployment,
        Panel::Keys => Action::ShowKey,
        _ => Action::EditGateway,
    };
    if !danger::may_run(state, action) {
        return Vec::new();
    }
    run(state, action)
}

fn nothing(state: &mut State, what: &str) -> Vec<Effect> {
    state.notes.say(state.now_ms, Tone::Info, what);
    Vec::new()
}

fn edit(state: &mut State) -> Vec<Effect> {
    let subject = match state.panel() {
        Panel::Plans => state.selected_plan_row().map(|row| match row {
            PlanRow::Plan(plan, _) | PlanRow::Key(plan, ..) => Subject::Plan(plan.clone()),
        }),
        _ => state.selected_stage().cloned().map(Subject::Stage),
    };
    let Some(subject) = subject else { return nothing(state, "there is nothing to edit") };
    state.popups.push(Popup::Settings(SettingsForm::new(subject, &[])));
    Vec::new()
}

fn redeploy(state: &mut State) -> Vec<Effect> {
    let Some(stage) = state.selected_stage().cloned() else { return nothing(state, "no stage") };
    redeploy_stage(state, &stage)
}

/// Shows what deploying the current definition to a stage changes.
pub(super) fn redeploy_stage(state: &mut State, stage: &StageModel) -> Vec<Effect> {
    let (label, seen) = (stage.label(), stage.deployment().to_owned());
    let patch = patch::Patch::replace("/deploymentId", "a new deployment", Some(&seen));
    let preview = Preview {
        subject: stage.subject(),
        patches: vec![patch],
        warnings: vec!["the stage answers by the API's current definition at once".to_owned()],
    };
    show(state, preview, Change::Redeploy { stage: label, seen })
}

fn switch(state: &mut State) -> Vec<Effect> {
    let stage = state.selected_stage().cloned();
    let chosen = state.selected_deployment().map(|chosen| chosen.id.clone());
    let (Some(stage), Some(chosen)) = (stage, chosen) else {
        return nothing(state, "no deployment");
    };
    switch_stage(state, &stage, &chosen)
}

/// Shows what another deployment changes.
pub(super) fn switch_stage(state: &mut State, stage: &StageModel, chosen: &str) -> Vec<Effect> {
    let (label, seen) = (stage.label(), stage.deployment().to_owned());
    if chosen == seen {
        let said = format!("{label} serves {seen} already; choose another deployment");
        return nothing(state, &said);
    }
    let patch = patch::Patch::replace("/deploymentId", chosen, Some(&seen));
    let preview = Preview {
        subject: stage.subject(),
        patches: vec![patch],
        warnings: vec!["what the stage answers changes at once".to_owned()],
    };
    let deployment = chosen.to_owned();
    show(state, preview, Change::Switch { stage: label, deployment, seen })
}

fn flush(state: &mut State) -> Vec<Effect> {
    let Some(stage) = state.selected_stage() else { return nothing(state, "no stage") };
    if !stage.has_cache() {
        let said = format!("{} has no cache", stage.label());
        return nothing(state, &said);
    }
    let change = Change::Flush(stage.label());
    do_now(state, change, "what its cache holds is thrown away")
}

fn difference(state: &mut State) -> Vec<Effect> {
    let (Some(stage), Some(blueprint)) = (state.selected_stage(), state.blueprint().cloned())
    else {
        return nothing(state, "no stage");
    };
    let label = stage.label();
    let chosen = state.selected_deployment().filter(|_| state.panel() == Panel::Deployments);
    let deployment = chosen.map(|chosen| chosen.id.clone());
    vec![Effect::Compare { blueprint, stage: label, deployment }]
}

fn left(state: &mut State, full: bool) -> Vec<Effect> {
    let Some(PlanRow::Key(plan, usage, key)) = state.selected_plan_row() else {
        return nothing(state, "select a key of a usage plan first");
    };
    if usage.quota.is_none() {
        return nothing(state, "the plan has no quota: its keys are not limited");
    }
    let (plan, key) = (plan.name.clone(), key.key.clone());
    if full {
        let change = Change::Left { plan, key, left: Left::Full };
        return do_now(state, change, "the key has its whole quota again");
    }
    state.gateway.asked = Some((plan, key));
    ask(state, Asked::Extend)
}

fn ask(state: &mut State, asked: Asked) -> Vec<Effect> {
    let prompt = Prompt { asked, about: Vec::new(), input: String::new().into(), error: None };
    state.popups.push(Popup::Prompt(prompt));
    Vec::new()
}

/// A line was typed: how many more requests.
///
/// # Errors
/// What is wrong with it.
pub fn extend(state: &mut State, text: &str) -> Result<Vec<Effect>, String> {
    let more = text.parse::<u32>().ok().filter(|more| (1..=i32::MAX as u32).contains(more));
    let more = more.ok_or("how many more requests is a whole number from 1 on")?;
    let Some((plan, key)) = state.gateway.asked.clone() else { return Ok(Vec::new()) };
    let change = Change::Left { plan, key, left: Left::More(more) };
    Ok(do_now(state, change, "the key has more requests in this period"))
}

/// A line was typed: the name of a new key.
///
/// # Errors
/// What is wrong with it.
pub fn create(state: &mut State, name: &str) -> Result<Vec<Effect>, String> {
    rules::key_name(name)?;
    let known = state.gateway().is_some_and(|all| all.keys.iter().any(|key| key.name == name));
    if known {
        return Err(format!("there is a key {name:?} already"));
    }
    let plans = state.gateway().map(|all| all.plans.as_slice()).unwrap_or_default();
    // With one plan it is plain which is meant.
    let plans = match plans {
        [(plan, _)] => vec![plan.name.clone()],
        _ => Vec::new(),
    };
    let change = Change::CreateKey { name: name.to_owned(), plans };
    Ok(do_now(state, change, "a key is made by hand"))
}

fn toggle(state: &mut State) -> Vec<Effect> {
    let Some(key) = state.selected_key() else { return nothing(state, "no key") };
    let (name, seen, on) = (key.name.clone(), key.id.clone(), !key.enabled);
    let change = Change::EnableKey { name: name.clone(), seen, on };
    if on {
        return do_now(state, change, "requests with the key are answered again");
    }
    let warnings = vec![format!("requests with the key {name} get 403 Forbidden")];
    let patch = patch::Patch::replace("/enabled", "false", Some("true"));
    let preview = Preview { subject: format!("API key {name}"), patches: vec![patch], warnings };
    show(state, preview, change)
}

fn rotate(state: &mut State) -> Vec<Effect> {
    let Some(key) = state.selected_key() else { return nothing(state, "no key") };
    let (name, seen) = (key.name.clone(), key.id.clone());
    let warnings = vec![
        format!(
            "a new key {name} is put into every plan of the old one; requests with it are sent until \
             the gateway accepts it"
        ),
        "the old one is removed for good 5 s after that: clients must have the new value by then"
            .to_owned(),
    ];
    let preview = Preview { subject: format!("API key {name}"), patches: Vec::new(), warnings };
    show(state, preview, Change::RotateKey { name, seen })
}

fn key(state: &mut State, copied: bool) -> Vec<Effect> {
    let (Some(key), Some(blueprint)) = (state.selected_key(), state.blueprint().cloned()) else {
        return nothing(state, "no key");
    };
    vec![Effect::LookUpKey { blueprint, name: key.name.clone(), copied }]
}

/// What must be said before a change that wants a yes; empty where it wants none.
fn about(state: &State, change: &Change) -> Vec<String> {
    let local = state.target().is_none_or(|target| target.local);
    let danger = state.blueprint().map_or(change.act().danger(), |lab| change.danger(lab));
    match danger.wants(local) {
        Wanted::Nothing => Vec::new(),
        _ => vec![format!("{} on {}", change.subject(), danger::place(state))],
    }
}

/// Shows what a change will do, and waits until it is agreed to: with a key of its own where the change
/// wants a yes.
pub(super) fn show(state: &mut State, preview: Preview, change: Change) -> Vec<Effect> {
    let about = about(state, &change);
    let asks = !about.is_empty();
    state.popups.push(Popup::Preview(Box::new(PreviewBox { preview, about, change, asks })));
    Vec::new()
}

/// Does at once what needs no preview, unless it wants a yes. `warning` says what it comes to.
pub(super) fn do_now(state: &mut State, change: Change, warning: &str) -> Vec<Effect> {
    if about(state, &change).is_empty() {
        return start(state, change);
    }
    let warnings = vec![warning.to_owned()];
    show(state, Preview { subject: change.subject(), patches: Vec::new(), warnings }, change)
}

/// The form was accepted: its preview, or what is wrong.
pub fn accept(state: &mut State, mut form: SettingsForm) -> Vec<Effect> {
    let edits = match form.edits() {
        Ok(edits) if edits.is_empty() => {
            let said = format!("{}: nothing was changed", form.subject.name());
            state.notes.say(state.now_ms, Tone::Info, said);
            return Vec::new();
        }
        Ok(edits) => edits,
        Err((row, error)) => {
            form.selected = row;
            form.error = Some(error);
            state.popups.push(Popup::Settings(form));
            return Vec::new();
        }
    };
    let Some(blueprint) = state.blueprint().cloned() else { return Vec::new() };
    let previewed = match form.subject.clone() {
        Subject::Stage(before) => stage::preview(&blueprint, before, &edits)
            .map(|edit| (edit.preview.clone(), Change::Stage(Box::new(edit)))),
        Subject::Plan(before) => plan::preview(&blueprint, before, &edits)
            .map(|edit| (edit.preview.clone(), Change::Plan(Box::new(edit)))),
    };
    match previewed {
        Ok((preview, change)) => {
            // Whoever says no is back in the form.
            state.popups.push(Popup::Settings(form));
            show(state, preview, change)
        }
        Err(failure) => {
            form.error = Some(failure.why);
            state.popups.push(Popup::Settings(form));
            Vec::new()
        }
    }
}

/// The preview was agreed to.
pub fn agreed(state: &mut State, preview: PreviewBox) -> Vec<Effect> {
    state.popups.retain(|popup| !matches!(popup, Popup::Settings(_)));
    start(state, preview.change)
}

fn start(state: &mut State, change: Change) -> Vec<Effect> {
    // The mode may have been entered while it was asked.
    if !danger::allowed(state, &change.name(), change.act().danger()) {
        return Vec::new();
    }
    if let Some(busy) = &state.gateway.busy {
        let said = format!("{busy} is on its way");
        state.notes.say(state.now_ms, Tone::Warn, said);
        return Vec::new();
    }
    let Some(blueprint) = state.blueprint().cloned() else { return Vec::new() };
    state.gateway.busy = Some(change.name());
    vec![Effect::ChangeGateway(blueprint, Box::new(change))]
}

/// Takes in what a task tells.
pub fn told(state: &mut State, told: Told) -> Vec<Effect> {
    match told {
        Told::Read { lab, result } => was_read(state, lab, result),
        Told::Phase(phase) => {
            if state.gateway.busy.is_some() {
                state.gateway.busy = Some(phase);
            }
            Vec::new()
        }
        Told::Done { change, result } => done(state, *change, result),
        Told::Key { name, copied, result } => looked_up(state, name, copied, result),
        Told::Compared(result) => {
            match result {
                Ok(found) => {
                    let title = format!("{} · deployment {}", found.api, found.deployment);
                    let text = crate::view::difference::text(&found);
                    state.popups.push(Popup::Text { title, text, scroll: 0 });
                }
                Err(failure) => cut::cannot(state, "compare deployments", &failure),
            }
            Vec::new()
        }
    }
}

fn was_read(state: &mut State, lab: String, result: Result<Box<Gateway>, Failure>) -> Vec<Effect> {
    state.gateway.reading = false;
    let read = match result {
        Ok(read) => read,
        Err(failure) => {
            // What waited for it was not begun; it must not begin by itself much later.
            match state.gateway.fixing.take() {
                Some(fix) => cut::cannot(state, &fix.does(), &failure),
                None => cut::failed(state, &failure),
            }
            return Vec::new();
        }
    };
    let mut effects = cut::reached(state);
    let read = Arc::new(*read);
    if state.current_lab().is_none_or(|current| current.name != lab) {
        return effects;
    }
    state.gateway.read = Some((lab, Arc::clone(&read)));
    state.gateway.read_ms = state.now_ms;
    state.gateway.asked_ms = None;
    let Some((change, why)) = state.gateway.again.take() else {
        effects.extend(fix::go_on(state));
        return effects;
    };
    // Somebody else was quicker: what was typed stands over what is there now.
    let (subject, edits) = match change {
        Change::Stage(edit) => {
            let now = read.stages.iter().find(|stage| stage.label() == edit.before.label());
            (now.cloned().map(Subject::Stage), changed(&edit.before.settings, &edit.after))
        }
        Change::Plan(edit) => {
            let now = read.plans.iter().find(|(plan, _)| plan.name == edit.before.name);
            let now = now.map(|(plan, _)| Subject::Plan(plan.clone()));
            (now, changed(&edit.before.settings, &edit.after))
        }
        _ => return effects,
    };
    if let Some(subject) = subject {
        let mut form = SettingsForm::new(subject, &edits);
        form.error = Some(why);
        state.popups.push(Popup::Settings(form));
    }
    effects
}

fn changed(
    before: &labdeck_ops::gateway::Settings,
    after: &labdeck_ops::gateway::Settings,
) -> Vec<(String, String)> {
    let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.retain(|key| before.get(*key) != after.get(*key));
    let value = |key: &String| after.get(key).cloned().unwrap_or_default();
    keys.into_iter().map(|key| (key.clone(), value(key))).collect()
}

fn done(state: &mut State, change: Change, result: Result<Done, Failure>) -> Vec<Effect> {
    state.gateway.busy = None;
    match result {
        Ok(done) => {
            let why = (!done.notes.is_empty()).then(|| done.notes.join("\n"));
            state.notes.tell(state.now_ms, Tone::Good, done.said, why);
        }
        Err(failure) => {
            cut::cannot(state, &change.name(), &failure);
            let edits = matches!(change, Change::Stage(_) | Change::Plan(_));
            if failure.kind == FailureKind::Conflict && edits {
                state.gateway.again = Some((change, failure.why));
            }
        }
    }
    // What is being read may be from before.
    state.gateway.reading = false;
    let mut effects = read(state);
    if let Some(name) = state.current_lab().map(|lab| lab.name.clone()) {
        state.reading.remove(&name);
    }
    effects.extend(data::read_current(state));
    effects
}

fn looked_up(
    state: &mut State,
    name: String,
    copied: bool,
    result: Result<KeyValue, Failure>,
) -> Vec<Effect> {
    match result {
        Ok(value) if copied => {
            let said = format!("the value of {name} is on the clipboard");
            state.notes.say(state.now_ms, Tone::Info, said);
            vec![Effect::CopySecret(value)]
        }
        Ok(value) => {
            let until_ms = state.now_ms + SHOWN_MS;
            state.gateway.shown = Some(ShownKey { name, value, until_ms });
            Vec::new()
        }
        Err(failure) => {
            let action = if copied { "copy key" } else { "show key" };
            cut::cannot(state, &format!("{action} {name}"), &failure);
            Vec::new()
        }
    }
}

/// Takes a value off the screen whose time is over.
pub fn hide(state: &mut State) {
    let over = |shown: &mut ShownKey| state.now_ms >= shown.until_ms;
    if state.gateway.shown.take_if(over).is_some() {
        state.still = false;
    }
}
