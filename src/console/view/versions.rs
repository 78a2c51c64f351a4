//! The published versions of every function, the newest first, and which alias serves which.

use labdeck_ops::status::FunctionStatus;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::paint::{self, Pen};
use crate::action::Action;
use crate::state::Panel;
use crate::text;
use crate::theme::Meaning;

/// Draws the panel.
pub fn draw(buffer: &mut Buffer, area: Rect, pen: &Pen) {
    let state = pen.state;
    let inner = pen.panel(buffer, area, Panel::Versions, "versions");
    let Some(status) = state.status() else {
        paint::empty(buffer, inner, pen, &super::aliases::unknown(pen));
        return;
    };
    if !status.deployed {
        paint::empty(buffer, inner, pen, "nothing is deployed");
        return;
    }
    let columns = usize::from(inner.width);
    let mut lines = Vec::new();
    for function in &status.functions {
        lines.push(Line::from(vec![
            pen.span(&function.name, Meaning::Name),
            pen.span(
                format!("  {} MB · {} s", function.memory_mb, function.timeout_s),
                Meaning::Muted,
            ),
        ]));
        lines.push(row(pen, function, "$LATEST", &function.code_sha256, None, columns));
        for version in function.versions.iter().rev() {
            lines.push(row(
                pen,
                function,
                &version.version,
                &version.code_sha256,
                Some(version),
                columns,
            ));
        }
        if function.versions.is_empty() {
            let words = format!("  none yet; {} publishes one", state.keys(Action::Publish));
            lines.push(pen.line(words, Meaning::Muted));
        }
    }
    let mark = pen.style(Meaning::Selected);
    paint::list(buffer, inner, &lines, state.positions.get(Panel::Versions), mark);
}

fn row(
    pen: &Pen,
    function: &FunctionStatus,
    version: &str,
    code: &str,
    published: Option<&labdeck_ops::status::VersionStatus>,
    columns: usize,
) -> Line<'static> {
    let side = Pen::side(pen.state.side(&function.name, version));
    let mut served: Vec<String> = Vec::new();
    for alias in &function.aliases {
        match &alias.canary {
            Some((canary, share)) if canary == version => {
                served.push(format!("{} {}", alias.name, text::percent(*share)));
            }
            Some((_, share)) if alias.version == version => {
                served.push(format!("{} {}", alias.name, text::percent(1.0 - share)));
            }
            None if alias.version == version => served.push(alias.name.clone()),
            _ => {}
        }
    }
    let hash: String = code.chars().take(8).collect();
    let mut spans = vec![
        Span::raw("  "),
        pen.span(text::pad(&paint::version(version), 8), side),
        pen.span(text::pad(&served.join(", "), 9), side),
        Span::raw(" "),
    ];
    if columns > 50 {
        spans.push(pen.span(format!("{hash} "), Meaning::Muted));
    }
    if let Some(version) = published {
        // `2026-11-20T12:03:43.120+0000`: month to minute.
        let when: String = version.published.chars().skip(5).take(11).collect();
        spans.push(pen.span(format!("{} ", when.replace('T', " ")), Meaning::Muted));
        if columns > 60 {
            let size = u64::try_from(version.code_size).unwrap_or(0);
            spans.push(pen.span(text::right(&text::bytes(size), 9), Meaning::Muted));
            spans.push(Span::raw(" "));
        }
    }
    if let Some(version) = published {
        let used: usize = spans.iter().map(Span::width).sum();
        let room = columns.saturating_sub(used + 1);
        spans.push(pen.span(text::fit(&words(version), room), Meaning::Text));
    }
    Line::from(spans)
}

/// What a person wrote about a version, else what it has otherwise than the one before.
fn words(version: &labdeck_ops::status::VersionStatus) -> String {
    if version.description.is_empty() {
        version.differs.join(", ")
    } else {
        version.description.clone()
    }
}
