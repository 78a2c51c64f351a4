//! The screen as a pure function of the state: header, tabs, panels, status line, hints, popups.

mod access;
mod aliases;
mod answers;
pub mod api;
mod apis;
mod attach;
mod audit;
mod burst;
mod canary;
mod chaos;
mod charts;
mod checks;
mod comparison;
mod deployments;
pub mod difference;
mod events;
mod functions;
mod gateway_form;
mod header;
mod hints;
mod keys;
mod labs;
pub mod layout;
mod logline;
mod logs;
mod others;
mod outcome;
mod paint;
pub mod plan;
mod plan_all;
mod plan_steps;
mod plans;
mod popups;
mod request;
mod request_form;
mod request_list;
pub mod response;
mod small;
pub mod stages;
mod steps;
mod traffic;
mod versions;

use ratatui::Frame;
use ratatui::layout::Rect;

use crate::state::{Panel, State};
use paint::Pen;

pub use answers::line_count as compared_lines;
pub use paint::version;

/// Lines of the comparison of stable and canary, as it is drawn now.
pub fn comparison_rows(state: &State) -> usize {
    let columns = layout::inner_width(state, Panel::Comparison);
    usize::from(comparison::rows(state, u16::try_from(columns).unwrap_or(u16::MAX)))
}

/// Draws the whole screen.
pub fn draw(frame: &mut Frame, state: &State) {
    let area = frame.area();
    let pen = Pen::new(state);
    if area.width < layout::MIN_COLUMNS || area.height < layout::MIN_ROWS {
        small::draw(frame.buffer_mut(), area, &pen);
        return;
    }
    let rows = layout::rows(area);
    header::draw(frame.buffer_mut(), rows.header, &pen);
    header::tabs(frame.buffer_mut(), rows.tabs, &pen);
    for (panel, rect) in layout::panels(state, rows.body) {
        draw_panel(frame, panel, rect, &pen);
    }
    hints::status(frame.buffer_mut(), rows.status, &pen);
    hints::draw(frame.buffer_mut(), rows.hints, &pen);
    let count = state.popups.len();
    for (index, popup) in state.popups.iter().enumerate() {
        if let Some(cursor) = popups::draw(frame.buffer_mut(), area, popup, &pen)
            && index + 1 == count
        {
            frame.set_cursor_position(cursor);
        }
    }
}

fn draw_panel(frame: &mut Frame, panel: Panel, area: Rect, pen: &Pen) {
    let buffer = frame.buffer_mut();
    match panel {
        Panel::Aliases => aliases::draw(buffer, area, pen),
        Panel::Stages => stages::draw(buffer, area, pen),
        Panel::Traffic => traffic::draw(buffer, area, pen),
        Panel::Logs => logs::draw(buffer, area, pen),
        Panel::Labs => labs::draw(buffer, area, pen),
        Panel::Plan => plan::draw(buffer, area, pen),
        Panel::Steps => steps::draw(buffer, area, pen),
        Panel::Checks => checks::draw(buffer, area, pen),
        Panel::Versions => versions::draw(buffer, area, pen),
        Panel::Comparison => comparison::draw(buffer, area, pen),
        Panel::Outcome => outcome::draw(buffer, area, pen),
        Panel::Apis => apis::draw(buffer, area, pen),
        Panel::Api => api::draw(buffer, area, pen),
        Panel::Deployments => deployments::draw(buffer, area, pen),
        Panel::Plans => plans::draw(buffer, area, pen),
        Panel::Keys => keys::draw(buffer, area, pen),
        Panel::RequestList => request_list::draw(buffer, area, pen),
        Panel::Request => request::draw(buffer, area, pen),
        Panel::Response => response::draw(buffer, area, pen),
        Panel::Functions => functions::draw(buffer, area, pen),
        Panel::Charts => charts::draw(buffer, area, pen),
        Panel::Others => others::draw(buffer, area, pen),
    }
}

#[cfg(test)]
mod deploy_tests;
#[cfg(test)]
mod gateway_tests;
#[cfg(test)]
mod tests;
