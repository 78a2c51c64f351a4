//! What is refused in read-only mode, and what is asked before it is done. `labdeck_ops::danger` decides.

use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::StepAction;
use labdeck_ops::danger::{self, Act, Danger, Wanted};
use labdeck_ops::request::destination::{self, Destination, Sent};

use super::{attach, choose, popups, work};
use crate::action::Action;
use crate::message::{Effect, JobKind};
use crate::state::note::Tone;
use crate::state::popup::{Asked, Intent, Popup, Prompt};
use crate::state::{Connection, Panel, State};

/// Whether the target is, or is going to be, read-only.
pub fn read_only(state: &State) -> bool {
    state.read_only || state.target().is_some_and(|target| target.read_only)
}

/// Whether something so dangerous may be done at all; says so where it may not.
pub fn allowed(state: &mut State, what: &str, danger: Danger) -> bool {
    if !danger.changes() || !read_only(state) {
        return true;
    }
    let said = format!("{what} refused: the target is read-only");
    state.notes.say(state.now_ms, Tone::Warn, said);
    false
}

/// Whether a request with this method may be sent; says so where it may not.
pub fn may_send(state: &mut State, what: &Sent, to: &Destination) -> bool {
    if !read_only(state) || !destination::may_change(what, to) {
        return true;
    }
    let what = match (what, to) {
        (Sent::Request(request), Destination::Stage(_) | Destination::Url(_)) => {
            request.method.clone()
        }
        (_, Destination::MethodTest(_)) => "a method test".to_owned(),
        _ => "invoking a function".to_owned(),
    };
    let said = format!(
        "{what} refused: it may change something, and the target is read-only; GET, HEAD and \
         OPTIONS are sent to stages"
    );
    state.notes.say(state.now_ms, Tone::Warn, said);
    false
}

/// Whether a job may be started; says so where it may not.
pub fn may_start(state: &mut State, kind: &JobKind) -> bool {
    match kind {
        JobKind::Plan(_) | JobKind::Checks => true,
        JobKind::SendAll { stage } => {
            let to = Destination::Stage(stage.clone());
            let Some(blueprint) = state.blueprint().cloned() else { return true };
            blueprint.requests.iter().all(|saved| {
                let request = state.requests.current(saved).clone();
                may_send(state, &Sent::Request(Box::new(request)), &to)
            })
        }
        JobKind::Burst { what, to, .. } => may_send(state, what, to),
        JobKind::Compare { contenders, .. } => {
            contenders.iter().all(|one| may_send(state, &one.what, &one.to))
        }
        JobKind::Step { index } => {
            let of = |lab: &Blueprint| Some(danger::of_step(lab, &lab.steps.get(*index)?.action));
            let danger = state.blueprint().and_then(|lab| of(lab)).unwrap_or(Danger::Safe);
            allowed(state, "the step", danger)
        }
        JobKind::Deploy(_) | JobKind::DeployAll => {
            allowed(state, kind.name(), Act::Deploy.danger())
        }
        JobKind::Destroy | JobKind::DestroyAll => {
            allowed(state, kind.name(), Act::Destroy.danger())
        }
    }
}

/// Does what `intent` says, at once or after a yes, as dangerous as it is. `question` says what it is,
/// `more` what else one must know.
pub fn guarded(
    state: &mut State,
    danger: Danger,
    question: &str,
    more: Vec<String>,
    intent: Intent,
) -> Vec<Effect> {
    let local = state.target().is_none_or(|target| target.local);
    let mut lines = vec![format!("{question}?")];
    match danger.wants(local) {
        Wanted::Nothing => return popups::confirmed(state, intent),
        Wanted::Meant => {}
        Wanted::Yes | Wanted::Typed => lines.push(format!("On {}.", place(state))),
    }
    lines.extend(more);
    state.popups.push(Popup::Confirm { lines, intent });
    Vec::new()
}

/// Where something would be done: target, account, region, alias.
pub fn place(state: &State) -> String {
    let Some(target) = state.target() else { return state.target_name.clone() };
    let alias = state.release_alias();
    danger::place(&target.name, target.account.as_deref(), &target.region, Some(alias))
}

/// Does the selected step, after what the action that it stands for wants.
pub fn step(state: &mut State) -> Vec<Effect> {
    let index = state.positions.get(Panel::Steps);
    let step = state.blueprint().and_then(|blueprint| blueprint.steps.get(index)).cloned();
    let Some(step) = step else { return work::start(state, JobKind::Step { index }) };
    let kind = JobKind::Step { index };
    match step.action {
        StepAction::Destroy => typed(state, Asked::LabNameForStep { index }),
        StepAction::DeleteFunction { .. } => typed(state, Asked::FunctionForStep { index }),
        ref action => {
            let danger = state
                .blueprint()
                .map_or(Act::of_step(action).danger(), |lab| danger::of_step(lab, action));
            if !work::ready(state) || !work::free(state) || !may_start(state, &kind) {
                return Vec::new();
            }
            let question = format!("Do the step “{}”", step.title);
            guarded(state, danger, &question, Vec::new(), Intent::Start(kind))
        }
    }
}

/// Asks for the name of what goes for good.
pub fn typed(state: &mut State, asked: Asked) -> Vec<Effect> {
    let what = if matches!(asked, Asked::FunctionForStep { .. }) { "deleting" } else { "destroy" };
    if !work::free(state) || !work::ready(state) || !allowed(state, what, Danger::Deletes) {
        return Vec::new();
    }
    let about = choose::about(state, asked);
    let input = String::new().into();
    state.popups.push(Popup::Prompt(Prompt { asked, about, input, error: None }));
    Vec::new()
}

/// Enters read-only mode; asks first while a job runs that would be stopped by it.
pub fn enter_read_only(state: &mut State) -> Vec<Effect> {
    if read_only(state) {
        let said = "read-only already; leaving it takes a restart";
        state.notes.say(state.now_ms, Tone::Info, said);
        return Vec::new();
    }
    if let Some(job) = state.job.as_ref().filter(|job| job.kind.changes()) {
        let lines = vec![
            format!("{} of {} is running.", job.kind.name(), job.lab),
            "Read-only mode refuses its next change, and stays until a restart. Enter it?"
                .to_owned(),
        ];
        state.popups.push(Popup::Confirm { lines, intent: Intent::ReadOnly });
        return Vec::new();
    }
    if let Some(view) = &state.canary.guarded {
        let lines = vec![
            format!("A canary of {} is guarded here, at {}%.", view.lab, view.percent()),
            "Read-only mode refuses to take it back when it is worse, and stays until a restart. \
             Enter it?"
                .to_owned(),
        ];
        state.popups.push(Popup::Confirm { lines, intent: Intent::ReadOnly });
        return Vec::new();
    }
    read_only_now(state)
}

/// Enters read-only mode without asking.
pub fn read_only_now(state: &mut State) -> Vec<Effect> {
    state.read_only = true;
    if let Connection::Connected(info) = &mut state.connection {
        info.read_only = true;
    }
    let said = "read-only from now on: every change is refused until a restart";
    state.notes.say(state.now_ms, Tone::Warn, said);
    vec![Effect::EnterReadOnly]
}

/// Whether an action may be done now, as far as the action alone says; says so where it may not.
pub fn may_run(state: &mut State, action: Action) -> bool {
    let entry = action.entry();
    allowed(state, entry.hint, entry.danger) && attach::allowed(state, action)
}
