//! Where everything is: rows of the screen, panels of each screen, sizes of popups.

use ratatui::layout::{Constraint, Layout, Rect};

use crate::action::Screen;
use crate::state::{Panel, State};

/// Columns below which only the small screen is drawn.
pub const MIN_COLUMNS: u16 = 80;
/// Rows below which only the small screen is drawn.
pub const MIN_ROWS: u16 = 24;

/// The rows of the screen.
pub struct Rows {
    /// Program, target, lab, stage, health.
    pub header: Rect,
    /// The screens.
    pub tabs: Rect,
    /// The panels.
    pub body: Rect,
    /// The newest note, or the running job.
    pub status: Rect,
    /// Keys of the context.
    pub hints: Rect,
}

/// The rows of a screen.
pub fn rows(area: Rect) -> Rows {
    let [header, tabs, body, status, hints] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(3),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(area);
    Rows { header, tabs, body, status, hints }
}

/// The visible panels with their places.
pub fn panels(state: &State, body: Rect) -> Vec<(Panel, Rect)> {
    if state.zoomed {
        return vec![(state.panel(), body)];
    }
    match state.screen {
        Screen::Overview => overview(state, body),
        Screen::Deploy => {
            let [left, right] = columns(body, 38, 64);
            let labs = (state.labs.len() as u16 + 2).clamp(3, 8);
            let [top_left, bottom_left] =
                Layout::vertical([Constraint::Length(labs), Constraint::Min(4)]).areas(left);
            let checks = state.blueprint().map_or(0, |lab| lab.checks.len()) as u16 + 2;
            let checks = checks.clamp(4, (right.height * 2 / 5).max(4));
            let [top_right, bottom_right] =
                Layout::vertical([Constraint::Min(6), Constraint::Length(checks)]).areas(right);
            vec![
                (Panel::Labs, top_left),
                (Panel::Steps, bottom_left),
                (Panel::Plan, top_right),
                (Panel::Checks, bottom_right),
            ]
        }
        Screen::Release => {
            let [left, right] = columns(body, 36, 72);
            // Side by side only while there is something to compare.
            let compared = super::comparison::rows(state, right.width.saturating_sub(2)) + 2;
            let [top, middle, bottom] = Layout::vertical([
                Constraint::Min(6),
                Constraint::Length(compared.clamp(4, right.height / 2)),
                Constraint::Percentage(25),
            ])
            .areas(right);
            vec![
                (Panel::Aliases, left),
                (Panel::Versions, top),
                (Panel::Comparison, middle),
                (Panel::Outcome, bottom),
            ]
        }
        Screen::Gateway => {
            let [left, right] = columns(body, 34, 72);
            let stages = state
                .status()
                .map_or(0, |status| status.apis.iter().map(|api| api.stages.len()).sum::<usize>());
            let stages = (stages as u16 + 2).clamp(4, (left.height / 2).max(4));
            let keys = state.gateway().map_or(1, |gateway| gateway.keys.len());
            let keys = (keys as u16 + 2).clamp(3, (left.height / 4).max(3));
            let [top, middle, bottom] = Layout::vertical([
                Constraint::Length(stages),
                Constraint::Min(4),
                Constraint::Length(keys),
            ])
            .areas(left);
            let count = state.deployments().map_or(1, |all| all.deployments.len());
            let count = (count as u16 + 2).clamp(3, (right.height / 3).max(3));
            let [stage, deployments] =
                Layout::vertical([Constraint::Min(6), Constraint::Length(count)]).areas(right);
            vec![
                (Panel::Apis, top),
                (Panel::Plans, middle),
                (Panel::Keys, bottom),
                (Panel::Api, stage),
                (Panel::Deployments, deployments),
            ]
        }
        Screen::Requests => {
            let [left, right] = columns(body, 32, 48);
            let [top, bottom] =
                Layout::vertical([Constraint::Length(request_rows(state)), Constraint::Min(6)])
                    .areas(right);
            vec![(Panel::RequestList, left), (Panel::Request, top), (Panel::Response, bottom)]
        }
        Screen::Logs => vec![(Panel::Logs, body)],
        Screen::Metrics => {
            let rows = (state.meter.traffic().rows.len() as u16 + 3).clamp(5, body.height / 2);
            let [top, bottom] =
                Layout::vertical([Constraint::Length(rows), Constraint::Min(5)]).areas(body);
            let [charts, others] =
                Layout::horizontal([Constraint::Percentage(64), Constraint::Min(28)]).areas(bottom);
            vec![(Panel::Functions, top), (Panel::Charts, charts), (Panel::Others, others)]
        }
    }
}

/// Lines that the selected request needs, border included.
fn request_rows(state: &State) -> u16 {
    let lines = state.saved_request().map_or(3, |saved| {
        let request = state.requests.current(saved);
        let one_each = usize::from(request.body.is_some()) + usize::from(request.key.is_some());
        2 + request.headers.len() + request.variables.len() + one_each
    });
    (lines as u16 + 2).clamp(4, 9)
}

fn columns(body: Rect, least: u16, most: u16) -> [Rect; 2] {
    let left = (body.width * 2 / 5).clamp(least, most);
    Layout::horizontal([Constraint::Length(left), Constraint::Min(20)]).areas(body)
}

fn overview(state: &State, body: Rect) -> Vec<(Panel, Rect)> {
    let [left, right] = columns(body, 36, 64);
    let stages = super::stages::height(state) + 2;
    let stages = stages.clamp(4, (left.height / 2).saturating_sub(1).max(4));
    let [aliases, stages] =
        Layout::vertical([Constraint::Min(6), Constraint::Length(stages)]).areas(left);
    let traffic = (state.meter.traffic().rows.len() as u16 + 3).clamp(5, (right.height / 3).max(5));
    let [traffic, logs] =
        Layout::vertical([Constraint::Length(traffic), Constraint::Min(5)]).areas(right);
    vec![
        (Panel::Aliases, aliases),
        (Panel::Stages, stages),
        (Panel::Traffic, traffic),
        (Panel::Logs, logs),
    ]
}

/// Lines inside `panel` on the present screen.
pub fn inner_height(state: &State, panel: Panel) -> usize {
    let area = Rect::new(0, 0, state.size.0.max(1), state.size.1.max(1));
    if area.width < MIN_COLUMNS || area.height < MIN_ROWS {
        return usize::from(area.height.saturating_sub(6)).max(1);
    }
    let body = rows(area).body;
    panels(state, body)
        .into_iter()
        .find(|(other, _)| *other == panel)
        .map_or(1, |(_, rect)| usize::from(rect.height.saturating_sub(2)).max(1))
}

/// Columns inside `panel` on the present screen.
pub fn inner_width(state: &State, panel: Panel) -> usize {
    let area = Rect::new(0, 0, state.size.0.max(1), state.size.1.max(1));
    let found = panels(state, rows(area).body).into_iter().find(|(other, _)| *other == panel);
    let width = found.map_or(area.width, |(_, rect)| rect.width);
    usize::from(width.saturating_sub(2)).max(1)
}

/// Columns of text inside a wide popup.
pub fn popup_columns(size: (u16, u16)) -> usize {
    usize::from(size.0.saturating_sub(12).clamp(20, 116))
}

/// A popup of at most `columns` × `rows`, border included, in the middle.
pub fn middle(area: Rect, columns: u16, rows: u16) -> Rect {
    let width = columns.min(area.width);
    let height = rows.min(area.height);
    Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    }
}
