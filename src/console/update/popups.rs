//! Popups: opened, typed into, answered.

use labdeck_lab::blueprint::StepAction;
use labdeck_ops::canary::Command;
use labdeck_ops::release;
use labdeck_telemetry::Filter;
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use super::{
    act, asks, attach, audit, canary, chaos, choose, danger, data, gateway, requests, scroll,
    versions, work,
};
use crate::action::{Action, Applies, REGISTRY};
use crate::message::{Effect, JobKind, ReleaseOperation};
use crate::state::form::RequestForm;
use crate::state::job::Report;
use crate::state::note::Tone;
use crate::state::popup::{Asked, Intent, Popup, Prompt};
use crate::state::{Panel, State};

/// Runs an action of a popup.
pub fn run(state: &mut State, action: Action) -> Vec<Effect> {
    match action {
        Action::Close | Action::InputCancel | Action::No => match state.popups.pop() {
            Some(Popup::Prompt(Prompt { asked: Asked::Apply { question }, .. })) => {
                choose::answer(state, question, false)
            }
            _ => Vec::new(),
        },
        Action::Apply => match state.popups.last() {
            Some(Popup::Review { .. }) => apply(state),
            _ => Vec::new(),
        },
        Action::Accept | Action::InputAccept => accept(state),
        Action::Yes => match state.popups.pop() {
            Some(Popup::Confirm { intent, .. }) => confirmed(state, intent),
            Some(Popup::Preview(preview)) => gateway::agreed(state, *preview),
            Some(other) => {
                state.popups.push(other);
                Vec::new()
            }
            None => Vec::new(),
        },
        Action::CopyShown => copy_shown(state),
        Action::EditOutside => match state.popups.last() {
            Some(Popup::Form(form)) => vec![Effect::EditOutside(form.body())],
            _ => Vec::new(),
        },
        Action::NextField => {
            field(state, true);
            Vec::new()
        }
        Action::PreviousField => {
            field(state, false);
            Vec::new()
        }
        _ => Vec::new(),
    }
}

/// Deploys what the plan that is shown says.
fn apply(state: &mut State) -> Vec<Effect> {
    let Some(Report::Planned { plan, how }) = &state.report else { return Vec::new() };
    let of_this_lab = state.current_lab().is_some_and(|lab| lab.name == plan.lab);
    if state.job.is_some() || !of_this_lab {
        return Vec::new();
    }
    let how = how.clone();
    state.popups.pop();
    work::start(state, JobKind::Deploy(how))
}

fn field(state: &mut State, forward: bool) {
    match state.popups.last_mut() {
        Some(Popup::Form(form)) => form.step(forward),
        Some(Popup::Settings(form)) => form.step(forward),
        Some(_) => scroll::run(state, if forward { Action::Down } else { Action::Up }),
        None => {}
    }
}

/// What was typed changed.
pub fn typed(state: &mut State) {
    match state.popups.last() {
        Some(Popup::Palette { input, .. }) => {
            let found = search(state, input.value());
            if let Some(Popup::Palette { matches, selected, .. }) = state.popups.last_mut() {
                *matches = found;
                *selected = 0;
            }
        }
        Some(Popup::Audit(_)) => {
            if let Some(Popup::Audit(list)) = state.popups.last_mut() {
                list.filter();
            }
        }
        Some(Popup::Attach(_)) => {
            if let Some(picker) = attach::picker(state) {
                picker.filter();
            }
        }
        Some(Popup::Settings(_)) => {
            if let Some(Popup::Settings(form)) = state.popups.last_mut() {
                form.grow();
            }
        }
        Some(Popup::Form(_)) => {
            if let Some(Popup::Form(form)) = state.popups.last_mut() {
                form.grow();
            }
        }
        _ => {}
    }
}

/// The palette with every action of the screen.
pub fn palette(state: &State) -> Popup {
    let matches = search(state, "");
    Popup::Palette { input: String::new().into(), selected: 0, matches }
}

/// The actions of the screen whose id or words match what was typed, the best first.
fn search(state: &State, typed: &str) -> Vec<Action> {
    let usable = REGISTRY.iter().filter(|entry| {
        entry.applies.on(state.screen)
            && !matches!(entry.applies, Applies::Lists)
            && entry.action != Action::Palette
    });
    if typed.trim().is_empty() {
        return usable.map(|entry| entry.action).collect();
    }
    let pattern = Pattern::parse(typed, CaseMatching::Ignore, Normalization::Smart);
    let mut fuzzy = Matcher::new(Config::DEFAULT);
    let mut buffer = Vec::new();
    let mut scored: Vec<(u32, Action)> = usable
        .filter_map(|entry| {
            let id = pattern.score(Utf32Str::new(entry.id, &mut buffer), &mut fuzzy);
            let doc = pattern.score(Utf32Str::new(entry.doc, &mut buffer), &mut fuzzy);
            // A hit in the id is worth more than one in the words.
            let score = id.map(|score| score * 2).into_iter().chain(doc).max()?;
            Some((score, entry.action))
        })
        .collect();
    scored.sort_by_key(|(score, action)| (std::cmp::Reverse(*score), *action as usize));
    scored.into_iter().map(|(_, action)| action).collect()
}

fn accept(state: &mut State) -> Vec<Effect> {
    match state.popups.pop() {
        Some(Popup::Palette { selected, matches, .. }) => {
            matches.get(selected).map_or_else(Vec::new, |action| act::run(state, *action))
        }
        Some(Popup::Labs { selected }) => data::select_lab(state, selected),
        Some(Popup::Destinations { all, selected }) => requests::chosen(state, &all, selected),
        Some(Popup::Variants { selected }) => {
            choose::variant(state, selected);
            Vec::new()
        }
        Some(Popup::Chaos { selected }) => {
            let Some(name) = state
                .blueprint()
                .and_then(|blueprint| blueprint.chaos.get(selected))
                .map(|chaos| chaos.name.clone())
            else {
                return Vec::new();
            };
            let on = state
                .status()
                .is_some_and(|status| status.chaos.iter().any(|chaos| chaos.name == name));
            chaos::switch(state, name, !on)
        }
        Some(Popup::Messages { selected }) => {
            let index = state.notes.all.len().checked_sub(selected + 1);
            if let Some(note) = index.and_then(|index| state.notes.all.get(index)) {
                let title = crate::text::date(note.at_ms);
                let text = note.full();
                state.popups.push(Popup::Messages { selected });
                state.popups.push(Popup::Text { title, text, scroll: 0 });
            }
            Vec::new()
        }
        Some(Popup::Answers(list)) => {
            asks::open(state, list);
            Vec::new()
        }
        Some(Popup::Audit(list)) => {
            audit::accept(state, list);
            Vec::new()
        }
        Some(Popup::Attach(picker)) => attach::accept(state, picker),
        Some(Popup::Prompt(prompt)) => answered(state, prompt),
        Some(Popup::Settings(form)) => gateway::accept(state, form),
        Some(Popup::Preview(preview)) if !preview.asks => gateway::agreed(state, *preview),
        Some(Popup::Form(mut form)) => {
            match form.request() {
                Ok(request) => {
                    let name = request.name.clone();
                    if request.own {
                        return asks::keep(state, request);
                    }
                    if request == form.original {
                        state.requests.edits.remove(&name);
                    }
                    state.requests.edits.insert(name, request);
                }
                Err((row, error)) => {
                    form.selected = row;
                    form.error = Some(error);
                    state.popups.push(Popup::Form(form));
                }
            }
            Vec::new()
        }
        // A question wants its own key; the rest is closed.
        Some(confirm @ (Popup::Confirm { .. } | Popup::Preview(_))) => {
            state.popups.push(confirm);
            Vec::new()
        }
        _ => Vec::new(),
    }
}

pub(super) fn confirmed(state: &mut State, intent: Intent) -> Vec<Effect> {
    match intent {
        Intent::Quit => {
            state.quitting = true;
            vec![Effect::Cancel, Effect::Quit]
        }
        Intent::ForgetRequest(name) => asks::forget_now(state, name),
        Intent::ReadOnly => danger::read_only_now(state),
        Intent::Start(kind) => work::start(state, kind),
        Intent::Release(operation) => work::release_now(state, operation),
        Intent::Chaos { name, on } => chaos::switch_now(state, name, on),
        Intent::Guard(start) => canary::guard(state, start),
        Intent::SkipStep => canary::tell(state, Command::Skip),
        Intent::Detach(name) => attach::detach_now(state, name),
    }
}

fn answered(state: &mut State, mut prompt: Prompt) -> Vec<Effect> {
    let text = prompt.input.value().trim().to_owned();
    let result = match prompt.asked {
        Asked::Filter => filter(state, &text),
        Asked::Description => {
            let description = (!text.is_empty()).then_some(text);
            Ok(work::release(state, ReleaseOperation::Publish { description }))
        }
        Asked::Percent => release::share(&text)
            .map(|percent| work::release(state, ReleaseOperation::Shift(percent))),
        Asked::Canary => canary::typed(state, &text),
        Asked::Prune => {
            let name = state.current_lab().map(|lab| lab.name.clone()).unwrap_or_default();
            typed_exactly(&text, &name).map(|()| versions::prune_now(state))
        }
        Asked::Burst => requests::burst(state, &text),
        Asked::Compare => requests::compare(state, &text),
        Asked::Destination => requests::typed(state, &text),
        Asked::RequestName { copies } => asks::named(state, &text, copies),
        Asked::Extend => gateway::extend(state, &text),
        Asked::KeyName => gateway::create(state, &text),
        Asked::AttachName => attach::named(state, &text),
        Asked::LabName => {
            let name = state.current_lab().map(|lab| lab.name.clone()).unwrap_or_default();
            typed_exactly(&text, &name).map(|()| work::start(state, JobKind::Destroy))
        }
        Asked::LabNameForStep { index } => {
            let name = state.current_lab().map(|lab| lab.name.clone()).unwrap_or_default();
            typed_exactly(&text, &name).map(|()| work::start(state, JobKind::Step { index }))
        }
        Asked::FunctionForStep { index } => {
            let name = step_function(state, index).unwrap_or_default();
            typed_exactly(&text, &name).map(|()| work::start(state, JobKind::Step { index }))
        }
        Asked::AllLabs => {
            typed_exactly(&text, "all").map(|()| work::start_all(state, JobKind::DestroyAll))
        }
        Asked::Apply { question } => choose::typed(state, question, &text),
    };
    match result {
        Ok(effects) => effects,
        Err(error) => {
            prompt.error = Some(error);
            state.popups.push(Popup::Prompt(prompt));
            Vec::new()
        }
    }
}

/// The function that a step deletes.
pub(super) fn step_function(state: &State, index: usize) -> Option<String> {
    match &state.blueprint()?.steps.get(index)?.action {
        StepAction::DeleteFunction { function } => Some(function.clone()),
        _ => None,
    }
}

pub(super) fn typed_exactly(text: &str, name: &str) -> Result<(), String> {
    if text == name {
        return Ok(());
    }
    Err(format!("that is not {name:?}; esc leaves everything as it is"))
}

fn filter(state: &mut State, text: &str) -> Result<Vec<Effect>, String> {
    if text.is_empty() {
        state.logs.clear_filter();
        return Ok(Vec::new());
    }
    let filter = Filter::parse(text).map_err(|error| error.to_string())?;
    let (generation, first, events) = state.logs.set_filter(text.to_owned(), filter.clone());
    if events.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![Effect::Filter { generation, first, events, filter }])
}

fn copy_shown(state: &mut State) -> Vec<Effect> {
    let text = match state.popups.last() {
        Some(Popup::Event { lines, .. }) => lines.join("\n"),
        Some(Popup::Text { text, .. }) => text.clone(),
        Some(Popup::Review { .. }) => crate::view::plan::text(state),
        _ => return Vec::new(),
    };
    state.notes.say(state.now_ms, Tone::Info, "copied to the clipboard");
    vec![Effect::Copy(text)]
}

/// What the person's own editor made of the body.
pub fn edited_outside(state: &mut State, result: Result<String, String>) {
    match (state.popups.last_mut(), result) {
        (Some(Popup::Form(form)), Ok(body)) => {
            form.error = None;
            form.set_body(&body);
        }
        (Some(Popup::Form(form)), Err(why)) => form.error = Some(why),
        (_, Err(why)) => state.notes.say(state.now_ms, Tone::Warn, why),
        (_, Ok(_)) => {}
    }
}

/// Opens the form of the selected request.
pub fn edit(state: &mut State) -> Vec<Effect> {
    if let Some(saved) = state.saved_request() {
        let form = RequestForm::new(state.requests.current(saved));
        state.popups.push(Popup::Form(form));
    }
    Vec::new()
}

/// Opens what is selected in the focused panel.
pub fn open(state: &mut State) -> Vec<Effect> {
    match state.panel() {
        Panel::Logs => {
            if let Some(event) = state.logs.selected_event().cloned() {
                state.logs.pause_at_selected();
                let lines = crate::state::requests::pretty(&event.text);
                state.popups.push(Popup::Event { event, lines, scroll: 0 });
            }
            Vec::new()
        }
        Panel::Labs => data::select_lab(state, state.positions.get(Panel::Labs)),
        Panel::Versions => versions::open(state),
        Panel::RequestList => requests::send(state),
        Panel::Request => edit(state),
        Panel::Checks => work::start(state, JobKind::Checks),
        panel @ (Panel::Apis | Panel::Api | Panel::Plans | Panel::Keys | Panel::Deployments) => {
            gateway::open(state, panel)
        }
        Panel::Steps => {
            let index = state.positions.get(Panel::Steps);
            let step = state.blueprint().and_then(|blueprint| blueprint.steps.get(index));
            if let Some(step) = step {
                let title = format!("{}. {}", index + 1, step.title);
                let text = step.lesson.clone();
                state.popups.push(Popup::Text { title, text, scroll: 0 });
            }
            Vec::new()
        }
        Panel::Plan => {
            if state.report.is_some() || state.job.is_some() {
                state.popups.push(Popup::Review { scroll: 0 });
            }
            Vec::new()
        }
        Panel::Response => {
            let name = state.item().map(crate::state::sendable::Item::label);
            let answer = name.as_ref().and_then(|name| state.requests.answers.get(name));
            if let (Some(title), Some(answer)) = (name.clone(), answer) {
                let text = answer.body.join("\n");
                state.popups.push(Popup::Text { title, text, scroll: 0 });
            }
            Vec::new()
        }
        _ => {
            state.zoomed = !state.zoomed;
            Vec::new()
        }
    }
}
