//! What each action does.

use labdeck_ops::canary::Command;

use super::{
    asks, attach, audit, canary, chaos, choose, danger, fix, gateway, popups, requests, scroll,
    versions, work,
};
use crate::action::{Action, Screen};
use crate::attach::Work;
use crate::message::{Effect, JobKind, ReleaseOperation};
use crate::state::note::Tone;
use crate::state::popup::{Asked, Intent, Popup, Prompt};
use crate::state::requests::Shown;
use crate::state::{Connection, Panel, State};

/// Runs an action.
pub fn run(state: &mut State, action: Action) -> Vec<Effect> {
    if let Some(screen) = action.screen() {
        state.screen = screen;
        state.zoomed = false;
        return gateway::refresh(state);
    }
    if !danger::may_run(state, action) {
        return Vec::new();
    }
    match action {
        Action::Quit => quit(state),
        Action::Interrupt => {
            if work::cancel(state) {
                vec![Effect::Cancel]
            } else {
                quit(state)
            }
        }
        Action::Suspend => vec![Effect::Suspend],
        Action::Redraw => vec![Effect::Redraw],
        Action::Back => back(state),
        Action::Rollback => work::release(state, ReleaseOperation::Rollback),
        Action::Undo => work::release(state, ReleaseOperation::Undo),
        Action::Publish => ask(state, Asked::Description, String::new()),
        Action::Shift => ask(state, Asked::Percent, String::new()),
        Action::NudgeUp => work::nudge(state, 5.0),
        Action::NudgeDown => work::nudge(state, -5.0),
        Action::NudgeUpOne => work::nudge(state, 1.0),
        Action::NudgeDownOne => work::nudge(state, -1.0),
        Action::NudgeUpTen => work::nudge(state, 10.0),
        Action::NudgeDownTen => work::nudge(state, -10.0),
        Action::Promote => work::release(state, ReleaseOperation::Promote),
        Action::Complete => work::release(state, ReleaseOperation::Complete),
        Action::History => versions::history(state),
        Action::Prune => versions::prune(state),
        Action::Canary => canary::begin(state),
        Action::CanaryPause => canary::pause(state),
        Action::CanarySkip => canary::skip(state),
        Action::CanaryAbort => canary::tell(state, Command::Abort),
        Action::Deploy => work::start(state, JobKind::Deploy(state.how())),
        Action::Plan => work::start(state, JobKind::Plan(state.how())),
        Action::Variant => choose::variants(state),
        Action::KeepDrift => choose::keep_drift(state),
        Action::DeployAll => work::start_all(state, JobKind::DeployAll),
        Action::DestroyAll => danger::typed(state, Asked::AllLabs),
        Action::Check => work::start(state, JobKind::Checks),
        Action::Destroy => danger::typed(state, Asked::LabName),
        Action::RunStep => danger::step(state),
        Action::EditGateway
        | Action::SwitchDeployment
        | Action::Redeploy
        | Action::Difference
        | Action::FlushCache
        | Action::ResetQuota
        | Action::ExtendQuota
        | Action::CreateKey
        | Action::ToggleKey
        | Action::RotateKey
        | Action::ShowKey
        | Action::CopyKey => gateway::run(state, action),
        Action::Chaos => chaos_picker(state),
        Action::EndChaos => chaos::end_all(state),
        Action::Longer | Action::Shorter => {
            chaos::choose_time(state, action == Action::Longer);
            Vec::new()
        }
        Action::Fix => fix::run(state),
        Action::NewRequest
        | Action::SaveRequest
        | Action::ForgetRequest
        | Action::AnswerHistory
        | Action::CopyCurl
        | Action::Trace
        | Action::MarkAnswer
        | Action::DiffAnswers => asks::run(state, action),
        Action::Send
        | Action::SendAll
        | Action::SendTo
        | Action::NextStage
        | Action::Reset
        | Action::Burst
        | Action::Compare => requests::run(state, action),
        Action::Edit => popups::edit(state),
        Action::Filter => {
            let text = state.logs.filter.as_ref().map(|filter| filter.text.clone());
            ask(state, Asked::Filter, text.unwrap_or_default())
        }
        Action::ClearFilter => {
            state.logs.clear_filter();
            Vec::new()
        }
        Action::Pause => {
            if state.logs.follows() {
                state.logs.pause();
            } else {
                state.logs.follow();
            }
            Vec::new()
        }
        Action::Wrap => {
            state.logs.wrap = !state.logs.wrap;
            Vec::new()
        }
        Action::Window => {
            state.meter.next_window(state.now_ms);
            Vec::new()
        }
        Action::Copy => copy(state),
        Action::Open => popups::open(state),
        Action::NextPanel => focus(state, true),
        Action::PreviousPanel => focus(state, false),
        Action::Zoom => {
            state.zoomed = !state.zoomed;
            Vec::new()
        }
        Action::Labs => {
            let selected = state.lab.unwrap_or(0);
            state.popups.push(Popup::Labs { selected });
            Vec::new()
        }
        Action::Attach => attach::open(state),
        Action::Detach => attach::detach(state),
        Action::Mark => {
            attach::mark(state);
            Vec::new()
        }
        Action::Messages => {
            state.popups.push(Popup::Messages { selected: 0 });
            Vec::new()
        }
        Action::Audit => audit::open(state),
        Action::ReadOnly => danger::enter_read_only(state),
        Action::Help => {
            state.popups.push(Popup::Help { scroll: 0 });
            Vec::new()
        }
        Action::Palette => {
            state.popups.push(popups::palette(state));
            Vec::new()
        }
        Action::Refresh => refresh(state),
        Action::Reconnect => {
            state.connection = Connection::Connecting;
            vec![Effect::Connect]
        }
        Action::Up
        | Action::Down
        | Action::PageUp
        | Action::PageDown
        | Action::Top
        | Action::Bottom => {
            scroll::run(state, action);
            Vec::new()
        }
        Action::Close
        | Action::Accept
        | Action::Yes
        | Action::No
        | Action::Apply
        | Action::CopyShown
        | Action::InputAccept
        | Action::InputCancel
        | Action::EditOutside
        | Action::NextField
        | Action::PreviousField => popups::run(state, action),
        Action::Overview
        | Action::DeployScreen
        | Action::ReleaseScreen
        | Action::GatewayScreen
        | Action::RequestsScreen
        | Action::LogsScreen
        | Action::MetricsScreen => Vec::new(),
    }
}

/// Leaves; asks first while something would stay half done.
fn quit(state: &mut State) -> Vec<Effect> {
    if let Some(job) = state.job.as_ref().filter(|job| job.kind.changes()) {
        let lines = vec![
            format!("{} of {} is running.", job.kind.name(), job.lab),
            "Leaving stops it at its next safe point.".to_owned(),
            "Running it again later finishes the rest. Leave?".to_owned(),
        ];
        if !state.popups.iter().any(|popup| matches!(popup, Popup::Confirm { .. })) {
            state.popups.push(Popup::Confirm { lines, intent: Intent::Quit });
        }
        return Vec::new();
    }
    if let Some(view) = &state.canary.guarded {
        let lines = vec![
            format!("A canary of {} is guarded here, at {}%.", view.lab, view.percent()),
            "Leaving keeps the split as it is, and nobody watches it.".to_owned(),
            "The next console, here or elsewhere, can go on with it. Leave?".to_owned(),
        ];
        if !state.popups.iter().any(|popup| matches!(popup, Popup::Confirm { .. })) {
            state.popups.push(Popup::Confirm { lines, intent: Intent::Quit });
        }
        return Vec::new();
    }
    state.quitting = true;
    vec![Effect::Quit]
}

fn back(state: &mut State) -> Vec<Effect> {
    if state.zoomed {
        state.zoomed = false;
    } else if work::cancel(state) {
        return vec![Effect::Cancel];
    } else if state.awaits().is_some() {
        return vec![Effect::StopWaiting];
    }
    Vec::new()
}

/// Opens a line that is asked for, where it makes sense now.
pub(super) fn ask(state: &mut State, asked: Asked, text: String) -> Vec<Effect> {
    let needs_lab = asked != Asked::Filter;
    if needs_lab && !work::ready(state) {
        return Vec::new();
    }
    let about = choose::about(state, asked);
    state.popups.push(Popup::Prompt(Prompt { asked, about, input: text.into(), error: None }));
    Vec::new()
}

fn chaos_picker(state: &mut State) -> Vec<Effect> {
    match state.blueprint().map(|blueprint| blueprint.chaos.is_empty()) {
        None => {
            work::ready(state);
        }
        Some(true) => {
            state.notes.say(state.now_ms, Tone::Info, "this lab has no chaos switches");
        }
        Some(false) => state.popups.push(Popup::Chaos { selected: 0 }),
    }
    Vec::new()
}

fn focus(state: &mut State, forward: bool) -> Vec<Effect> {
    let panels = state.screen.panels();
    let current = state.panel();
    let at = panels.iter().position(|panel| *panel == current).unwrap_or(0);
    let step = if forward { 1 } else { panels.len() - 1 };
    state.focus.insert(state.screen, panels[(at + step) % panels.len()]);
    Vec::new()
}

fn refresh(state: &mut State) -> Vec<Effect> {
    if state.target().is_none() {
        state.connection = Connection::Connecting;
        return vec![Effect::Connect];
    }
    vec![Effect::LoadLabs, Effect::Attach(Work::Load)]
}

/// What `copy` copies on this screen.
fn copyable(state: &State) -> Option<String> {
    match state.panel() {
        Panel::Logs => state.logs.selected_event().map(|event| event.text.to_string()),
        Panel::Apis | Panel::Api => {
            let stages = state.status()?.apis.iter().flat_map(|api| &api.stages);
            stages.map(|stage| stage.url.clone()).nth(state.positions.get(Panel::Apis))
        }
        Panel::Response if state.requests.shown == Shown::Answer => {
            let name = state.item()?.label();
            Some(state.requests.answers.get(&name)?.exchange.body.clone())
        }
        Panel::RequestList | Panel::Request => {
            let saved = state.saved_request()?;
            let request = state.requests.current(saved);
            let stage = state.stage()?;
            let endpoints = &state.status()?.endpoints;
            let endpoint =
                endpoints.iter().find(|found| found.api == request.api && found.stage == stage)?;
            Some(format!("{}{}", endpoint.url, request.path))
        }
        _ => None,
    }
}

fn copy(state: &mut State) -> Vec<Effect> {
    if state.panel() == Panel::Keys {
        return gateway::run(state, Action::CopyKey);
    }
    if let Some(text) = copyable(state) {
        let size = text.len() as u64;
        let said = format!("copied {} to the clipboard", crate::text::bytes(size));
        state.notes.say(state.now_ms, Tone::Info, said);
        vec![Effect::Copy(text)]
    } else {
        state.notes.say(state.now_ms, Tone::Info, "there is nothing to copy in this panel");
        Vec::new()
    }
}

/// Goes to a screen and a panel of it.
pub fn show(state: &mut State, screen: Screen, panel: Panel) {
    state.screen = screen;
    state.zoomed = false;
    state.focus.insert(screen, panel);
}
