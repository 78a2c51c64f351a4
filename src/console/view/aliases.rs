//! The aliases panel: every function with its aliases, splits, and where rollback goes.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint::{self, Pen, bar, version};
use crate::action::{Action, Screen};
use crate::state::Panel;
use crate::text;
use crate::theme::Meaning;

/// Draws the panel.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let state = pen.state;
    let inner = pen.panel_with(buffer, area, Panel::Aliases, title(pen));
    let Some(status) = state.status() else {
        paint::empty(buffer, inner, pen, &unknown(pen));
        return;
    };
    if !status.deployed {
        let keys = state.keys(Action::Deploy);
        let what = format!("{} is not deployed; {keys} deploys it", status.lab);
        paint::empty(buffer, inner, pen, &what);
        return;
    }
    let columns = usize::from(inner.width);
    let mut lines: Vec<Line> = Vec::new();
    let mut rollback = super::canary::lines(pen, columns);
    rollback.extend(last_move_lines(pen, columns));
    rollback.extend(rollback_line(pen, columns));
    // The rollback line is always visible: `R` acts on what it says.
    let room = usize::from(inner.height).saturating_sub(rollback.len());
    for (index, function) in status.functions.iter().enumerate() {
        if index >= state.positions.get(Panel::Aliases) {
            lines.extend(function_lines(pen, function, columns));
        }
    }
    lines.truncate(room);
    let spare = room - lines.len();
    if spare > 0 && !rollback.is_empty() {
        lines.push(Line::default());
    }
    lines.extend(rollback);
    paint::lines(buffer, inner, lines);
}

fn title(pen: &Pen) -> Line<'static> {
    let mut spans = vec![pen.span("aliases", Meaning::Title)];
    if let Some(operation) = &pen.state.releasing {
        spans.push(pen.span(format!(" · {} …", operation.name()), Meaning::Warn));
    } else if let Some(age) = pen.state.stale_ms() {
        spans.push(pen.span(format!(" · {} old", text::span(age)), Meaning::Warn));
    }
    Line::from(spans)
}

/// Why there is no live state.
pub fn unknown(pen: &Pen) -> String {
    use crate::state::Connection;
    let state = pen.state;
    match &state.connection {
        Connection::Connecting => "connecting".to_owned(),
        Connection::Lost(_) => "the cloud is being started again".to_owned(),
        Connection::Failed(failure) => {
            let keys = state.keys(Action::Reconnect);
            format!("{failure}; {keys} tries again")
        }
        Connection::Connected(_) => match state.current_lab() {
            None if state.labs_read => format!("no labs in {}", state.labs_dir.display()),
            None => "reading the labs".to_owned(),
            Some(lab) => match &lab.blueprint {
                Ok(_) if state.cut_ms.is_some() => {
                    format!(
                        "no connection to {}; it is tried again by itself",
                        state.target_label()
                    )
                }
                Ok(_) => "reading live state".to_owned(),
                Err(failure) => failure.to_string(),
            },
        },
    }
}

fn function_lines(
    pen: &Pen,
    function: &labdeck_ops::status::FunctionStatus,
    columns: usize,
) -> Vec<Line<'static>> {
    let mut head = vec![pen.span(text::fit(&function.name, columns), Meaning::Name)];
    if !function.exists {
        head.push(pen.span("  missing", Meaning::Danger));
    } else if function.state != "Active" {
        head.push(pen.span(format!("  {}", function.state), Meaning::Warn));
    }
    let mut lines = vec![Line::from(head)];
    let bar_columns = columns.saturating_sub(2 + 8 + 8 + 6).min(40);
    for alias in &function.aliases {
        let name = pen.span(format!("  {} ", text::pad(&alias.name, 7)), Meaning::Strong);
        let stable = text::pad(&version(&alias.version), 8);
        let Some((canary, share)) = &alias.canary else {
            let mut spans = vec![name, pen.span(stable, Meaning::Stable)];
            if alias.name == pen.state.release_alias() {
                spans.push(pen.span(bar(1.0, bar_columns, '█'), Meaning::Stable));
                spans.push(pen.span(text::right("100%", 6), Meaning::Stable));
            }
            lines.push(Line::from(spans));
            continue;
        };
        lines.push(Line::from(vec![
            name,
            pen.span(stable, Meaning::Stable),
            pen.span(bar(1.0 - share, bar_columns, '█'), Meaning::Stable),
            pen.span(text::right(&text::percent(1.0 - share), 6), Meaning::Stable),
        ]));
        lines.push(Line::from(vec![
            Span::raw(" ".repeat(10)),
            pen.span(text::pad(&version(canary), 8), Meaning::Canary),
            pen.span(bar(*share, bar_columns, '░'), Meaning::Canary),
            pen.span(text::right(&text::percent(*share), 6), Meaning::Canary),
        ]));
    }
    lines
}

/// The last move of the lab as a whole, and what it did not reach.
fn last_move_lines(pen: &Pen, columns: usize) -> Vec<Line<'static>> {
    let state = pen.state;
    let Some(last) = state.status().and_then(|status| status.last_move.as_ref()) else {
        return Vec::new();
    };
    let at = i64::try_from(last.at_ms).unwrap_or(i64::MAX);
    let ago = text::span((state.now_ms - at).max(0));
    let by = if last.by.is_empty() { String::new() } else { format!(" by {}", last.by) };
    let words = format!("{} {ago} ago{by}", last.operation);
    let room = columns.saturating_sub(2);
    if state.apart().is_none() {
        if state.screen != Screen::Release {
            return Vec::new();
        }
        let words = format!("together since {words}");
        return vec![pen.line(format!("  {}", text::fit(&words, room)), Meaning::Muted)];
    }
    let words = format!("not all followed {words}");
    let mut lines = vec![pen.line(format!("  {}", text::fit(&words, room)), Meaning::Danger)];
    if state.screen != Screen::Release {
        // There is more about it, and what brings it together.
        let mut more = vec![Span::raw("    ")];
        more.extend(pen.hint(&state.keys(Action::ReleaseScreen), "shows which"));
        lines.push(Line::from(more));
        return lines;
    }
    let functions = last.left.iter().map(|left| {
        let name = super::logline::short_name(pen, &left.function);
        format!("{name} serves {}, not {}", left.serves, left.goes)
    });
    let stages = last.stages.iter().map(|left| {
        format!("{} {} serves {}, not {}", left.api, left.stage, left.serves, left.goes)
    });
    lines.extend(functions.chain(stages).map(|words| {
        let words = text::fit(&words, room.saturating_sub(2)).into_owned();
        pen.line(format!("    {words}"), Meaning::Warn)
    }));
    let mut keys = vec![Span::raw("    ")];
    keys.extend(pen.hint(&state.keys(Action::Complete), "brings them after it"));
    lines.push(Line::from(keys));
    lines
}

/// Where `R` goes, and whether `u` takes something back.
fn rollback_line(pen: &Pen, columns: usize) -> Vec<Line<'static>> {
    let state = pen.state;
    let mut targets: Vec<(String, String)> = Vec::new();
    let mut guess = false;
    for (function, alias) in state.release_aliases() {
        if let Some(rollback) = &alias.rollback {
            guess |= rollback.guess;
            targets.push((function.name.clone(), version(&rollback.version)));
        }
    }
    let undo = state.release_aliases().any(|(_, alias)| alias.can_undo);
    let mut lines = Vec::new();
    if !targets.is_empty() {
        let same = targets.iter().all(|(_, to)| *to == targets[0].1);
        let to = if same {
            targets[0].1.clone()
        } else {
            let parts: Vec<String> = targets
                .iter()
                .map(|(name, to)| format!("{} {to}", super::logline::short_name(pen, name)))
                .collect();
            parts.join(", ")
        };
        let keys = state.keys(Action::Rollback);
        let mut words = format!(" roll back to {to}");
        if guess {
            words.push_str(" (a guess: the pointer is gone)");
        }
        let words = text::fit(&words, columns.saturating_sub(4 + text::width(&keys))).into_owned();
        let mut spans =
            vec![Span::raw("  "), pen.span(keys, Meaning::Danger), pen.span(words, Meaning::Text)];
        if undo {
            spans.push(pen.span(" · ", Meaning::Muted));
            spans.extend(pen.hint(&state.keys(Action::Undo), "undo"));
        }
        lines.push(Line::from(spans));
    } else if undo {
        let mut spans = vec![Span::raw("  ")];
        spans.extend(pen.hint(&state.keys(Action::Undo), "undo the last move"));
        lines.push(Line::from(spans));
    }
    lines
}
