//! The header line (where am I, on what, how is it) and the line of screens.

use labdeck_ops::status::ChaosStatus;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint::Pen;
use crate::action::{Action, Screen};
use crate::state::{Connection, State};
use crate::text;
use crate::theme::Meaning;

/// Draws the header line.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let state = pen.state;
    buffer.set_style(area, pen.style(Meaning::Header));
    let left = Line::from(left(pen));
    let used = left.width() as u16;
    buffer.set_line(area.x, area.y, &left, area.width);
    // The least important part goes first when there is no room.
    let mut parts = right(pen);
    parts.sort_by_key(|(order, _, _)| *order);
    loop {
        let width: usize = parts.iter().map(|(_, _, span)| span.width() + 2).sum();
        // That there is no connection stays in any case, over the end of the left side.
        let kept = usize::from(state.cut_ms.is_some());
        if width <= usize::from(area.width.saturating_sub(used + 1)) || parts.len() <= kept {
            break;
        }
        let least = parts.iter().map(|(_, weight, _)| *weight).min();
        parts.retain(|(_, weight, _)| Some(*weight) != least);
    }
    let mut spans = Vec::new();
    for (_, _, span) in parts {
        spans.push(span);
        spans.push(Span::raw("  "));
    }
    let line = Line::from(spans);
    let x = area.right().saturating_sub(line.width() as u16);
    buffer.set_line(x, area.y, &line, area.right() - x);
}

fn left(pen: &Pen) -> Vec<Span<'static>> {
    let state = pen.state;
    let target = state.target_label();
    let mut spans = vec![
        pen.span(" labdeck", Meaning::Strong),
        Span::raw("  "),
        pen.span(text::fit(target, 24), Meaning::Name),
    ];
    if let Some(lab) = state.current_lab() {
        spans.push(pen.span(" ▸ ", Meaning::Muted));
        spans.push(pen.span(text::fit(&lab.name, 24), Meaning::Strong));
        if lab.attached {
            spans.push(pen.span(" (attached)", Meaning::Muted));
        }
    }
    if let Some(stage) = state.stage() {
        spans.push(pen.span(" ▸ ", Meaning::Muted));
        let meaning = if stage == state.release_alias() { Meaning::Warn } else { Meaning::Text };
        spans.push(pen.span(stage, meaning));
    }
    if let Some(view) = &state.canary.guarded {
        spans.push(Span::raw("  "));
        spans.push(super::canary::mark(pen, view));
    }
    let chaos: Vec<String> = state
        .status()
        .map(|status| status.chaos.iter().map(|chaos| chaos_words(state, chaos)).collect())
        .unwrap_or_default();
    if !chaos.is_empty() {
        let names = chaos.join(" ");
        spans.push(Span::raw("  "));
        spans.push(pen.span(format!("CHAOS {}", text::fit(&names, 30)), Meaning::Danger));
        spans.push(pen.span(format!(" {} ends it", state.keys(Action::EndChaos)), Meaning::Muted));
    }
    spans
}

/// A switch that is on, with the time that is left: `deny-table 12 min`.
fn chaos_words(state: &State, chaos: &ChaosStatus) -> String {
    match chaos.until_ms.map(|until| until - state.now_ms) {
        None => chaos.name.clone(),
        Some(left) if left <= 0 => format!("{} over", chaos.name),
        Some(left) => format!("{} {}", chaos.name, text::span(left)),
    }
}

/// Parts of the right side: place, weight, span.
fn right(pen: &Pen) -> Vec<(u8, u8, Span<'static>)> {
    let state = pen.state;
    let mut parts = Vec::new();
    if let Some(target) = state.target() {
        if let Some(account) = &target.account {
            parts.push((0, 1, pen.span(account, Meaning::Muted)));
        }
        parts.push((1, 2, pen.span(&target.region, Meaning::Muted)));
        if let Some(role) = &target.role {
            parts.push((2, 3, pen.span(format!("role {}", text::fit(role, 20)), Meaning::Muted)));
        }
        if target.read_only {
            parts.push((3, 9, pen.span("read-only", Meaning::Warn)));
        } else {
            parts.push((3, 4, pen.span("rw", Meaning::Muted)));
        }
    }
    let (words, meaning) = health(state);
    parts.push((4, 10, pen.span(words, meaning)));
    if let Some(age) = state.stale_ms().filter(|_| state.cut_ms.is_some()) {
        parts.push((5, 8, pen.span(format!("state {} old", text::span(age)), meaning)));
    }
    let clock = text::clock(state.now_ms);
    parts.push((6, 0, pen.span(format!("{} UTC", &clock[..5]), Meaning::Muted)));
    parts
}

fn health(state: &State) -> (String, Meaning) {
    match &state.connection {
        Connection::Connecting => ("● connecting".to_owned(), Meaning::Warn),
        Connection::Lost(_) => ("● restarting the cloud".to_owned(), Meaning::Warn),
        Connection::Failed(_) => ("● not connected".to_owned(), Meaning::Danger),
        Connection::Connected(_) => {
            let tail = &state.logs.tail;
            if state.cut_ms.is_some() {
                ("● no connection".to_owned(), Meaning::Danger)
            } else if let Some(age) = state.stale_ms() {
                (format!("● state {} old", text::span(age)), Meaning::Warn)
            } else if tail.live {
                ("● tail live".to_owned(), Meaning::Ok)
            } else if tail.note.is_some() {
                (format!("● tail {}", tail.word), Meaning::Warn)
            } else if tail.word.is_empty() {
                ("● connected".to_owned(), Meaning::Ok)
            } else {
                (format!("● tail {}", tail.word), Meaning::Muted)
            }
        }
    }
}

/// Draws the line of screens.
pub fn tabs(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let mut spans = vec![Span::raw(" ")];
    for screen in Screen::ALL {
        let here = screen == pen.state.screen;
        let (number, title) =
            if here { (Meaning::Key, Meaning::Strong) } else { (Meaning::Key, Meaning::Muted) };
        let mut name = pen.span(screen.title(), title);
        if here {
            name.style = name.style.add_modifier(ratatui::style::Modifier::UNDERLINED);
        }
        spans.push(pen.span(screen.number().to_string(), number));
        spans.push(Span::raw(" "));
        spans.push(name);
        spans.push(Span::raw("  "));
    }
    let tabs = Line::from(spans);
    let used = tabs.width() as u16;
    buffer.set_line(area.x, area.y, &tabs, area.width);
    let mut spans = pen.hint(&pen.state.keys(Action::Help), "help  ");
    spans.extend(pen.hint(&pen.state.keys(Action::Palette), "palette "));
    let more = Line::from(spans);
    let width = more.width() as u16;
    if used + width <= area.width {
        buffer.set_line(area.right() - width, area.y, &more, width);
    }
}
