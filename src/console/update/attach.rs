//! Attaching and detaching: the picker, the name, what came of it; and what is off for what is attached.

use labdeck_aws::FailureKind;
use labdeck_ops::attach::check_name;
use labdeck_ops::whose;

use super::{cut, danger, data};
use crate::action::{Act, Action};
use crate::attach::{Told, Work};
use crate::message::{Effect, NamedLab};
use crate::state::attach::{Picker, is_off};
use crate::state::note::Tone;
use crate::state::popup::{Asked, Intent, Popup, Prompt};
use crate::state::{Lab, State};

/// Whether an action may be done to the current lab; says why where it may not.
pub fn allowed(state: &mut State, action: Action) -> bool {
    if !is_off(state, action) {
        return true;
    }
    let name = state.current_lab().map(|lab| lab.name.clone()).unwrap_or_default();
    let said = format!("{} is off: {}", action.entry().hint, whose::off(&name));
    state.notes.say(state.now_ms, Tone::Warn, said);
    false
}

/// Opens the picker, and asks for what it lists.
pub fn open(state: &mut State) -> Vec<Effect> {
    if state.target().is_none() {
        state.notes.say(state.now_ms, Tone::Warn, "there is no connection; try again in a moment");
        return Vec::new();
    }
    if busy(state) {
        return Vec::new();
    }
    state.popups.push(Popup::Attach(Box::default()));
    vec![Effect::Attach(Work::Offer)]
}

fn busy(state: &mut State) -> bool {
    let Some(busy) = &state.attach.busy else { return false };
    let said = format!("still {busy}");
    state.notes.say(state.now_ms, Tone::Warn, said);
    true
}

/// The picker, where it is open.
pub fn picker(state: &mut State) -> Option<&mut Picker> {
    state.popups.iter_mut().find_map(|popup| match popup {
        Popup::Attach(picker) => Some(&mut **picker),
        _ => None,
    })
}

/// Marks the selected choice.
pub fn mark(state: &mut State) {
    if let Some(picker) = picker(state) {
        picker.mark();
    }
}

/// Takes what was picked, and asks for its name.
pub fn accept(state: &mut State, picker: Box<Picker>) -> Vec<Effect> {
    let Some((selection, name)) = picker.picked() else {
        state.popups.push(Popup::Attach(picker));
        return Vec::new();
    };
    state.attach.picked = selection;
    let picked = &state.attach.picked;
    let count = picked.apis.len() + picked.functions.len();
    let about = vec![format!(
        "{count} picked; the functions behind an API come along. The name is a lab's in every \
             command. Nothing in the account is changed."
    )];
    let asked = Asked::AttachName;
    state.popups.push(Popup::Prompt(Prompt { asked, about, input: name.into(), error: None }));
    Vec::new()
}

/// The name was typed.
pub fn named(state: &mut State, name: &str) -> Result<Vec<Effect>, String> {
    check_name(name)?;
    if state.labs.iter().any(|lab| lab.name == name && !lab.attached) {
        return Err(format!("there is a lab {name}; give another name"));
    }
    let selection = std::mem::take(&mut state.attach.picked);
    state.attach.busy = Some(format!("attaching {name}"));
    Ok(vec![Effect::Attach(Work::Attach(name.to_owned(), selection))])
}

/// Asks whether what is attached is to be forgotten.
pub fn detach(state: &mut State) -> Vec<Effect> {
    let Some(lab) = state.current_lab().filter(|lab| lab.attached) else {
        let said = "this is no attachment; a lab is torn down with destroy";
        state.notes.say(state.now_ms, Tone::Info, said);
        return Vec::new();
    };
    let name = lab.name.clone();
    if busy(state) {
        return Vec::new();
    }
    if state.guarded().is_some() {
        let said = "a canary of it is guarded here; end or leave it first";
        state.notes.say(state.now_ms, Tone::Warn, said);
        return Vec::new();
    }
    let question = format!("Detach {name}");
    let more = vec![
        format!("On {}.", danger::place(state)),
        "labdeck forgets what was picked; nothing in the account is changed.".to_owned(),
    ];
    danger::guarded(state, Act::Forget.danger(), &question, more, Intent::Detach(name))
}

/// Forgets what is attached.
pub fn detach_now(state: &mut State, name: String) -> Vec<Effect> {
    state.attach.busy = Some(format!("detaching {name}"));
    vec![Effect::Attach(Work::Detach(name))]
}

/// Reads again what is attached where nobody answered.
pub fn again(state: &mut State) -> Vec<Effect> {
    let unread = |lab: &Lab| {
        let failed = lab.blueprint.as_ref().err();
        lab.attached && failed.is_some_and(|failure| failure.kind == FailureKind::Network)
    };
    if state.target().is_none() || state.attach.again || !state.labs.iter().any(unread) {
        return Vec::new();
    }
    state.attach.again = true;
    vec![Effect::Attach(Work::Load)]
}

/// Takes in what came of it.
pub fn told(state: &mut State, told: Told) -> Vec<Effect> {
    match told {
        Told::Offer(result) => {
            if let Some(picker) = picker(state) {
                picker.read(result);
            }
            Vec::new()
        }
        Told::All(Ok(labs)) => {
            state.attach.again = false;
            replaced(state, labs, None)
        }
        Told::All(Err(failure)) => {
            state.attach.again = false;
            state.attach.read = true;
            nowhere(state);
            state.notes.fail(state.now_ms, &failure);
            Vec::new()
        }
        Told::Attached { name, result } => {
            state.attach.busy = None;
            match result {
                Ok(labs) => {
                    let effects = replaced(state, labs, Some(&name));
                    let said = said(state, &name);
                    state.notes.say(state.now_ms, said.0, said.1);
                    effects
                }
                Err(failure) => {
                    cut::cannot(state, &format!("attach {name}"), &failure);
                    Vec::new()
                }
            }
        }
        Told::Detached { name, result } => {
            state.attach.busy = None;
            match result {
                Ok(labs) => {
                    let said = format!("{name} is detached; nothing in the account was changed");
                    state.statuses.remove(&name);
                    let effects = replaced(state, labs, None);
                    state.notes.say(state.now_ms, Tone::Good, said);
                    effects
                }
                Err(failure) => {
                    state.notes.fail(state.now_ms, &failure);
                    Vec::new()
                }
            }
        }
    }
}

/// What is said of something that was attached.
fn said(state: &State, name: &str) -> (Tone, String) {
    let lab = state.labs.iter().find(|lab| lab.name == name);
    let blueprint = lab.and_then(|lab| lab.blueprint.as_ref().ok());
    let attached = blueprint.and_then(|blueprint| blueprint.attached.as_ref());
    match attached.map(|attached| attached.remarks.as_slice()) {
        Some([first, ..]) => (Tone::Warn, format!("{name} is attached; {first}")),
        _ => (Tone::Good, format!("{name} is attached")),
    }
}

/// Lists what is attached after the labs; works on `wanted`, else on what was worked on before.
fn replaced(state: &mut State, labs: Vec<NamedLab>, wanted: Option<&str>) -> Vec<Effect> {
    let before = state.current_lab().map(|lab| lab.name.clone());
    let attached: Vec<Lab> =
        labs.into_iter().map(|(name, blueprint)| Lab { name, blueprint, attached: true }).collect();
    state.labs.retain(|lab| !lab.attached);
    state.labs.extend(attached);
    state.attach.read = true;
    let at = |state: &State, name: &str| state.labs.iter().position(|lab| lab.name == name);
    let first = state.wanted_lab.as_deref().and_then(|name| at(state, name));
    if first.is_some() {
        state.wanted_lab = None;
    }
    nowhere(state);
    state.lab = before.as_deref().and_then(|name| at(state, name));
    let chosen = wanted.and_then(|name| at(state, name)).or(first).or(state.lab);
    let mut effects = match chosen {
        Some(index) if state.lab != Some(index) => data::select_lab(state, index),
        Some(_) => data::follow(state),
        // The folder's labs come first, once they are read.
        None if !state.labs_read => Vec::new(),
        None => data::select_lab(state, 0),
    };
    let attached: Vec<_> = (state.labs.iter().filter(|lab| lab.attached))
        .filter_map(|lab| lab.blueprint.as_ref().ok().cloned())
        .collect();
    for blueprint in attached {
        effects.extend(data::read(state, blueprint));
    }
    effects
}

/// Says that the lab to begin with is none, once the folder and what is attached were read.
pub fn nowhere(state: &mut State) {
    if !state.labs_read || !state.attach.read {
        return;
    }
    if let Some(name) = state.wanted_lab.take() {
        let said = format!(
            "there is no lab {name:?} in {}, and nothing is attached by this name",
            state.labs_dir.display()
        );
        state.notes.say(state.now_ms, Tone::Warn, said);
    }
}
