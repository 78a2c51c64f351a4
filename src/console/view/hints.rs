//! The two lowest lines: the newest note or the running job, and the keys of the context.

use labdeck_ops::gateway::stage::StageModel;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint::{Pen, bar};
use crate::action::{Action, Applies, Danger, Screen};
use crate::keymap::{Facts, Layer, label};
use crate::state::attach::is_off;
use crate::state::job::{Job, Report};
use crate::state::note::Tone;
use crate::state::popup::Popup;
use crate::state::{Panel, State};
use crate::text;
use crate::theme::Meaning;

/// The meaning of a note's tone.
pub fn tone(tone: Tone) -> Meaning {
    match tone {
        Tone::Info => Meaning::Text,
        Tone::Good => Meaning::Ok,
        Tone::Warn => Meaning::Warn,
        Tone::Bad => Meaning::Danger,
    }
}

/// Draws the newest note, or the running job, or the keys typed so far.
pub fn status(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let state = pen.state;
    let line = if !state.pending.is_empty() {
        Line::from(vec![
            pen.span(format!(" {} ", label(&state.pending)), Meaning::Key),
            pen.span(following(state), Meaning::Muted),
        ])
    } else if let Some(note) = state.notes.current() {
        let mut spans = vec![Span::raw(" "), pen.span(&note.text, tone(note.tone))];
        if let Some(why) = &note.why {
            spans.push(pen.span(format!(": {}", why.replace('\n', " ")), Meaning::Text));
        }
        if note.why.is_some() {
            let room = usize::from(area.width).saturating_sub(14);
            let line = Line::from(spans);
            let cut: String = line.spans.iter().map(|span| span.content.as_ref()).collect();
            let cut = text::fit(&cut, room).into_owned();
            let more = format!("  {} more", state.keys(Action::Messages));
            Line::from(vec![pen.span(cut, tone(note.tone)), pen.span(more, Meaning::Muted)])
        } else {
            Line::from(spans)
        }
    } else if let Some(job) = &state.job {
        Line::from(job_line(pen, job))
    } else if let Some(busy) = &state.attach.busy {
        pen.line(format!(" {busy} …"), Meaning::Muted)
    } else if let Some(busy) = state.awaits() {
        let mut spans = vec![pen.span(format!(" {busy} …  "), Meaning::Muted)];
        spans.extend(pen.hint(&state.keys(Action::Back), "waits no longer"));
        Line::from(spans)
    } else {
        return;
    };
    buffer.set_line(area.x, area.y, &line, area.width);
}

/// One line about a running job.
pub fn job_line(pen: &Pen, job: &Job) -> Vec<Span<'static>> {
    let seconds = (pen.state.now_ms - job.started_ms).max(0) as f64 / 1000.0;
    let mut spans = vec![
        pen.span(format!(" {} {} ", job.kind.name(), job.lab), Meaning::Strong),
        pen.span(format!("{seconds:.1} s "), Meaning::Muted),
    ];
    let course = &job.course;
    let (done, total) = job.done();
    let progress = if let Some(burst) = &course.burst {
        Some((burst.share, super::burst::done(burst)))
    } else if total > 0 {
        Some((done as f64 / total as f64, format!("{done}/{total} steps")))
    } else {
        job.building().map(|(done, total, unit)| {
            (*done as f64 / (*total).max(1) as f64, format!("{done}/{total} crates · {unit}"))
        })
    };
    match progress {
        Some((share, words)) => {
            spans.push(pen.span(bar(share, 20, '█'), Meaning::Stable));
            spans.push(pen.span(format!(" {words}"), Meaning::Text));
        }
        None => spans.push(pen.span(&course.phase, Meaning::Text)),
    }
    if job.cancelling {
        spans.push(pen.span("  stopping", Meaning::Warn));
    }
    spans
}

/// What may follow the keys typed so far.
fn following(state: &State) -> String {
    let found = state.keymap.active(state.mode(), state.facts());
    let next: Vec<String> = found
        .iter()
        .filter(|binding| {
            binding.keys.len() > state.pending.len() && binding.keys.starts_with(&state.pending)
        })
        .filter_map(|binding| {
            let rest = label(&binding.keys[state.pending.len()..]);
            Some(format!("{rest} {}", binding.action?.entry().hint))
        })
        .collect();
    next.join(" · ")
}

/// Whether the plan that is shown corrects what somebody else changed.
fn drifts(state: &State) -> bool {
    matches!(&state.report, Some(Report::Planned { plan, .. }) if plan.drifted() > 0)
}

/// Whether an action is worth a hint now.
fn useful(state: &State, action: Action) -> bool {
    let facts = state.facts();
    let has = |fact: Facts| facts.with(fact, true) == facts;
    match action {
        Action::Rollback => has(Facts::ROLLBACK),
        Action::Undo => has(Facts::UNDO),
        Action::EndChaos => has(Facts::CHAOS),
        Action::Variant => state.blueprint().is_some_and(|lab| !lab.variants.is_empty()),
        Action::KeepDrift => state.how().keep_drift || drifts(state),
        Action::DeployAll | Action::DestroyAll => state.labs.len() > 1,
        Action::ClearFilter => has(Facts::FILTERED),
        Action::Complete => state.apart().is_some(),
        Action::Promote
        | Action::NudgeUp
        | Action::NudgeDown
        | Action::NudgeUpOne
        | Action::NudgeDownOne
        | Action::NudgeUpTen
        | Action::NudgeDownTen => has(Facts::CANARY),
        Action::CanaryPause | Action::CanarySkip | Action::CanaryAbort => has(Facts::GUARDED),
        Action::Canary => {
            state.canary.guarded.is_none()
                && (state.screen != Screen::Overview || has(Facts::CANARY))
        }
        Action::Reset => state
            .saved_request()
            .is_some_and(|saved| state.requests.edits.contains_key(&saved.name)),
        Action::Back => has(Facts::ZOOMED) || has(Facts::JOB) || state.awaits().is_some(),
        Action::Filter | Action::Pause | Action::Wrap => state.panel() == Panel::Logs,
        Action::SwitchDeployment => state.panel() == Panel::Deployments,
        Action::Redeploy | Action::Difference => {
            matches!(state.panel(), Panel::Apis | Panel::Api | Panel::Deployments)
        }
        Action::FlushCache => {
            let cached = state.selected_stage().is_some_and(StageModel::has_cache);
            cached && matches!(state.panel(), Panel::Apis | Panel::Api)
        }
        Action::EditGateway => state.panel() != Panel::Keys,
        Action::ResetQuota | Action::ExtendQuota => state.panel() == Panel::Plans,
        Action::CreateKey
        | Action::ToggleKey
        | Action::RotateKey
        | Action::ShowKey
        | Action::CopyKey => state.panel() == Panel::Keys,
        Action::Detach => state.current_lab().is_some_and(|lab| lab.attached),
        Action::Fix => state.item().is_some_and(|item| {
            let answer = state.requests.answers.get(&item.label());
            answer.and_then(|answer| answer.diagnosis.as_ref()).is_some_and(|one| one.fix.is_some())
        }),
        Action::ForgetRequest => state.saved_request().is_some_and(|saved| saved.own),
        Action::SaveRequest | Action::CopyCurl => state.saved_request().is_some(),
        Action::Trace => match state.screen {
            Screen::Requests => {
                let answers = &state.requests.answers;
                state.item().is_some_and(|item| answers.contains_key(&item.label()))
            }
            _ => state.panel() == Panel::Logs,
        },
        Action::Send | Action::SendTo => state.item().is_some(),
        Action::Copy => matches!(
            state.panel(),
            Panel::Logs | Panel::Apis | Panel::Api | Panel::Response | Panel::RequestList
        ),
        Action::Open => !matches!(state.panel(), Panel::Aliases | Panel::Stages | Panel::Traffic),
        Action::Interrupt
        | Action::Suspend
        | Action::Redraw
        | Action::Reconnect
        | Action::PreviousPanel
        | Action::Refresh => false,
        _ => action.screen().is_none() && action.entry().applies != Applies::Lists,
    }
}

/// Actions of a popup that are worth a hint.
fn popup_actions(popup: &Popup) -> &'static [Action] {
    match popup {
        Popup::Help { .. } => &[Action::Down, Action::PageDown, Action::Close],
        Popup::Attach(_) => {
            &[Action::NextField, Action::Mark, Action::InputAccept, Action::InputCancel]
        }
        Popup::Form(_) => {
            &[Action::NextField, Action::EditOutside, Action::InputAccept, Action::InputCancel]
        }
        Popup::Palette { .. } | Popup::Settings(_) | Popup::Audit(_) => {
            &[Action::NextField, Action::InputAccept, Action::InputCancel]
        }
        Popup::Labs { .. }
        | Popup::Destinations { .. }
        | Popup::Variants { .. }
        | Popup::Messages { .. } => &[Action::Down, Action::Accept, Action::Close],
        Popup::Chaos { .. } => {
            &[Action::Down, Action::Accept, Action::Longer, Action::Shorter, Action::Close]
        }
        Popup::Confirm { .. } | Popup::Preview(_) => &[Action::Yes, Action::No],
        Popup::Prompt(_) => &[Action::InputAccept, Action::InputCancel],
        Popup::Answers(_) => {
            &[Action::Down, Action::Accept, Action::MarkAnswer, Action::DiffAnswers, Action::Close]
        }
        Popup::Compared { .. } => &[Action::Down, Action::Close],
        Popup::Review { .. } => {
            &[Action::Down, Action::PageDown, Action::Apply, Action::CopyShown, Action::Close]
        }
        Popup::Event { .. } | Popup::Text { .. } => {
            &[Action::Down, Action::CopyShown, Action::Close]
        }
    }
}

/// Actions of every screen that are hinted at before the others.
const OFTEN: [Action; 7] = [
    Action::Deploy,
    Action::Send,
    Action::Chaos,
    Action::Filter,
    Action::Pause,
    Action::Zoom,
    Action::Open,
];

/// The actions worth a hint now, with their keys, the most important first.
pub fn hints(state: &State) -> Vec<(String, Action)> {
    let mode = state.mode();
    let facts = state.facts();
    let keys = |action| state.keymap.keys_for(mode, facts, action).map(|keys| (keys, action));
    if let Some(popup) = state.popups.last() {
        let applies = matches!(state.report, Some(Report::Planned { .. })) && state.job.is_none();
        let actions = popup_actions(popup).iter();
        let actions = actions.filter(|action| **action != Action::Apply || applies);
        return actions.filter_map(|action| keys(*action)).collect();
    }
    let mut order: Vec<Action> = Vec::new();
    if state.job.is_some() || state.zoomed || state.awaits().is_some() {
        order.push(Action::Back);
    }
    order.push(Action::EndChaos);
    if state.screen == Screen::Release {
        order.push(Action::Complete);
    }
    order.push(Action::Rollback);
    order.push(Action::Undo);
    let active = state.keymap.active(mode, facts);
    // The screen's own keys before those of every screen; those in the registry's order.
    order.extend(
        active
            .iter()
            .filter(|binding| binding.layer == Layer::Screen(state.screen))
            .filter_map(|binding| binding.action),
    );
    let mut rest: Vec<Action> = active.iter().filter_map(|binding| binding.action).collect();
    rest.sort_by_key(|action| (!OFTEN.contains(action), *action as usize));
    order.extend(rest);
    let mut seen = std::collections::HashSet::new();
    order
        .into_iter()
        .filter(|action| seen.insert(*action) && useful(state, *action))
        .filter_map(keys)
        .collect()
}

/// Draws the keys of the context.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let mut x = area.x + 1;
    // Help and leaving are always said, at the right end.
    let mut all = hints(pen.state);
    let mut end = Vec::new();
    for (action, what) in [(Action::Help, "help  "), (Action::Quit, "quit ")] {
        if let Some(at) = all.iter().position(|(_, other)| *other == action) {
            end.extend(pen.hint(&all.remove(at).0, what));
        }
    }
    let end = Line::from(end);
    let limit = area.right() - end.width() as u16;
    for (keys, action) in all {
        let entry = action.entry();
        let off = is_off(pen.state, action);
        let meaning = match entry.danger {
            _ if off => Meaning::Muted,
            Danger::TakesBack | Danger::Prod | Danger::Deletes => Meaning::Danger,
            Danger::Safe | Danger::Forgets | Danger::Sends | Danger::Changes => Meaning::Key,
        };
        let what = hint_words(pen.state, action, entry.hint);
        let off = if off { " off" } else { "" };
        let line = Line::from(vec![
            pen.span(&keys, meaning),
            pen.span(format!(" {what}{off}"), Meaning::Muted),
        ]);
        let width = line.width() as u16;
        if x + width + 1 > limit {
            break;
        }
        buffer.set_line(x, area.y, &line, width);
        x += width + 3;
    }
    buffer.set_line(limit, area.y, &end, end.width() as u16);
}

/// The hint of an action, in the words of the moment where it has some.
fn hint_words<'h>(state: &State, action: Action, hint: &'h str) -> &'h str {
    match action {
        Action::Back if state.zoomed => "unzoom",
        Action::Back => "stop",
        Action::Pause if !state.logs.follows() => "follow",
        _ => hint,
    }
}
