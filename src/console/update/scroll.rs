//! Movement: one line, one page, first, last; in panels and popups.

use crate::action::{Action, REGISTRY};
use crate::state::popup::Popup;
use crate::state::requests::Shown;
use crate::state::{Panel, State};
use crate::view::layout;

/// Runs a movement.
pub fn run(state: &mut State, action: Action) {
    if state.popups.is_empty() {
        panel(state, action);
    } else {
        popup(state, action);
    }
}

/// A position after a movement over `count` lines with `page` of them visible.
fn moved(position: usize, action: Action, count: usize, page: usize) -> usize {
    let last = count.saturating_sub(1);
    match action {
        Action::Up => position.saturating_sub(1),
        Action::Down => (position + 1).min(last),
        Action::PageUp => position.saturating_sub(page.max(1)),
        Action::PageDown => (position + page.max(1)).min(last),
        Action::Top => 0,
        Action::Bottom => last,
        _ => position,
    }
    .min(last)
}

fn panel(state: &mut State, action: Action) {
    let panel = state.panel();
    let page = layout::inner_height(state, panel);
    match panel {
        Panel::Logs => logs(state, action, page),
        Panel::RequestList => {
            let count = position_limit(state, panel);
            state.requests.selected = moved(state.requests.selected, action, count, page);
            state.requests.shown = Shown::Answer;
            state.requests.scroll = 0;
        }
        Panel::Response => {
            let count = position_limit(state, panel);
            let count = count.saturating_sub(page.saturating_sub(1)).max(1);
            state.requests.scroll = moved(state.requests.scroll, action, count, page);
        }
        Panel::Plan | Panel::Outcome | Panel::Others | Panel::Stages | Panel::Api => {
            let count = position_limit(state, panel);
            let count = count.saturating_sub(page.saturating_sub(1)).max(1);
            let position = moved(state.positions.get(panel), action, count, page);
            state.positions.set(panel, position);
        }
        _ => {
            let count = position_limit(state, panel);
            let position = moved(state.positions.get(panel), action, count, page);
            state.positions.set(panel, position);
        }
    }
}

fn logs(state: &mut State, action: Action, page: usize) {
    let page_by = page.saturating_sub(1).max(1) as isize;
    let by = match action {
        Action::Up => -1,
        Action::Down => 1,
        Action::PageUp => -page_by,
        Action::PageDown => page_by,
        Action::Top => isize::MIN / 2,
        _ => {
            state.logs.follow();
            return;
        }
    };
    state.logs.scroll(by, page);
}

/// Lines there are to move over in `panel`.
pub fn position_limit(state: &State, panel: Panel) -> usize {
    let blueprint = state.blueprint();
    let status = state.status();
    match panel {
        Panel::Labs => state.labs.len(),
        Panel::Steps => blueprint.map_or(0, |blueprint| blueprint.steps.len()),
        Panel::Checks => blueprint.map_or(0, |blueprint| blueprint.checks.len()),
        Panel::RequestList => state.items().count(),
        Panel::Apis => {
            status.map_or(0, |status| status.apis.iter().map(|api| api.stages.len()).sum())
        }
        Panel::Versions => status.map_or(0, |status| {
            status.functions.iter().map(|function| function.versions.len() + 2).sum()
        }),
        Panel::Functions | Panel::Charts => state.meter.traffic().rows.len(),
        Panel::Others => state.meter.traffic().others.len(),
        Panel::Aliases => status.map_or(0, |status| status.functions.len()),
        Panel::Plan => crate::view::plan::line_count(state),
        Panel::Outcome => state
            .outcome
            .as_ref()
            .map_or(0, |(outcome, _)| outcome.moves.len() * 6 + outcome.deployments.len() + 3),
        Panel::Response => crate::view::response::line_count(state),
        Panel::Comparison => crate::view::comparison_rows(state),
        Panel::Stages => crate::view::stages::line_count(state),
        Panel::Api => crate::view::api::line_count(state),
        Panel::Deployments => state.deployments().map_or(0, |all| all.deployments.len()),
        Panel::Plans => state.plan_rows().len(),
        Panel::Keys => state.gateway().map_or(0, |gateway| gateway.keys.len()),
        Panel::Logs | Panel::Traffic | Panel::Request => 0,
    }
}

fn popup(state: &mut State, action: Action) {
    let page = usize::from(state.size.1).saturating_sub(8).max(1);
    let labs = state.labs.len();
    let switches = state.blueprint().map_or(0, |blueprint| blueprint.chaos.len());
    let notes = state.notes.all.len();
    let columns = layout::popup_columns(state.size);
    let variants = state.blueprint().map_or(0, |blueprint| blueprint.variants.len() + 1);
    let review = match state.popups.last() {
        Some(Popup::Review { .. }) => crate::view::plan::review_count(state, columns),
        _ => 0,
    };
    match state.popups.last_mut() {
        Some(Popup::Help { scroll }) => {
            *scroll = moved(*scroll, action, REGISTRY.len() + 20, page);
        }
        Some(Popup::Labs { selected }) => *selected = moved(*selected, action, labs, page),
        Some(Popup::Answers(list)) => {
            list.selected = moved(list.selected, action, list.past.len(), page);
        }
        Some(Popup::Compared { compared, scroll }) => {
            let count = crate::view::compared_lines(compared);
            *scroll = moved(*scroll, action, count.saturating_sub(page / 2), page);
        }
        Some(Popup::Destinations { all, selected }) => {
            *selected = moved(*selected, action, all.len() + 1, page);
        }
        Some(Popup::Chaos { selected }) => *selected = moved(*selected, action, switches, page),
        Some(Popup::Messages { selected }) => *selected = moved(*selected, action, notes, page),
        Some(Popup::Palette { selected, matches, .. }) => {
            *selected = moved(*selected, action, matches.len(), page);
        }
        Some(Popup::Audit(list)) => {
            list.selected = moved(list.selected, action, list.count(), page.saturating_sub(1));
        }
        Some(Popup::Attach(picker)) => {
            let page = page.saturating_sub(1);
            picker.selected = moved(picker.selected, action, picker.count(), page);
        }
        Some(Popup::Variants { selected }) => *selected = moved(*selected, action, variants, page),
        Some(Popup::Review { scroll }) => {
            *scroll = moved(*scroll, action, review.saturating_sub(page.saturating_sub(2)), page);
        }
        Some(Popup::Event { lines, scroll, .. }) => {
            let count: usize =
                lines.iter().map(|line| crate::text::wrap(line, columns).len()).sum();
            *scroll = moved(*scroll, action, count.saturating_sub(page / 2), page);
        }
        Some(Popup::Text { text, scroll, .. }) => {
            let count = crate::text::wrap(text, columns).len();
            *scroll = moved(*scroll, action, count.saturating_sub(page / 2), page);
        }
        Some(Popup::Settings(form)) => match action {
            Action::Up => form.step(false),
            Action::Down => form.step(true),
            _ => {}
        },
        Some(Popup::Form(form)) => match action {
            Action::Up => form.step(false),
            Action::Down => form.step(true),
            _ => {}
        },
        Some(Popup::Confirm { .. } | Popup::Prompt(_) | Popup::Preview(_)) | None => {}
    }
}
