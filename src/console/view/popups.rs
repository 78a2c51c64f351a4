//! What lies over a screen.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear, Widget};
use tui_input::Input;

use super::paint::{self, Pen};
use super::{
    answers, attach, audit, chaos, gateway_form, hints, labs, layout, plan, request_form, response,
};
use labdeck_ops::request::destination::Destination;

use crate::action::{Action, Danger, REGISTRY};
use crate::keymap::Mode;
use crate::state::popup::{Asked, Popup, Prompt};
use crate::text;
use crate::theme::Meaning;

/// Draws a popup; gives the place of the text cursor where it has one.
pub fn draw(buffer: &mut Buffer, area: Rect, popup: &Popup, pen: &Pen) -> Option<Position> {
    match popup {
        Popup::Help { scroll } => help(buffer, area, pen, *scroll),
        Popup::Palette { input, selected, matches } => {
            return Some(palette(buffer, area, pen, (input, *selected, matches)));
        }
        Popup::Labs { selected } => {
            let rows = labs::rows(pen, 66);
            let height = rows.len() as u16 + 2;
            let title = format!("labs · {} attaches more", pen.state.keys(Action::Attach));
            let inner = open(buffer, layout::middle(area, 70, height.clamp(3, 20)), pen, &title);
            paint::list(buffer, inner, &rows, *selected, pen.style(Meaning::Selected));
        }
        Popup::Destinations { all, selected } => {
            let rows = destinations(pen, all);
            let height = rows.len() as u16 + 2;
            let inner = open(buffer, layout::middle(area, 60, height.clamp(3, 20)), pen, "send to");
            paint::list(buffer, inner, &rows, *selected, pen.style(Meaning::Selected));
        }
        Popup::Variants { selected } => variants(buffer, area, pen, *selected),
        Popup::Review { scroll } => {
            let words: String = plan::title(pen).spans.iter().map(|s| s.content.as_ref()).collect();
            let inner = wide(buffer, area, pen, &words);
            let rows = plan::review(pen, usize::from(inner.width));
            if rows.is_empty() {
                paint::empty(buffer, inner, pen, "nothing was planned or done");
            }
            paint::scrolled(buffer, inner, rows, *scroll);
        }
        Popup::Chaos { selected } => chaos::draw(buffer, area, pen, *selected),
        Popup::Confirm { lines, .. } => {
            let wrapped: Vec<String> =
                lines.iter().flat_map(|line| text::wrap_words(line, 60)).collect();
            let height = wrapped.len() as u16 + 4;
            let inner = open(buffer, layout::middle(area, 66, height), pen, "sure?");
            let mut rows: Vec<Line> =
                wrapped.into_iter().map(|line| pen.line(line, Meaning::Text)).collect();
            rows.push(Line::default());
            rows.push(keys_line(pen));
            paint::lines(buffer, inner, rows);
        }
        Popup::Answers(list) => answers::draw(buffer, area, pen, list),
        Popup::Compared { compared, scroll } => {
            answers::compared(buffer, area, pen, compared, *scroll);
        }
        Popup::Audit(list) => return Some(audit::draw(buffer, area, pen, list)),
        Popup::Attach(picker) => return Some(attach::draw(buffer, area, pen, picker)),
        Popup::Prompt(one) => return Some(prompt(buffer, area, pen, one)),
        Popup::Form(one) => return Some(request_form::draw(buffer, area, pen, one)),
        Popup::Settings(one) => return Some(gateway_form::settings(buffer, area, pen, one)),
        Popup::Preview(one) => gateway_form::preview(buffer, area, pen, one),
        Popup::Event { event, lines, scroll } => {
            let title = format!(
                "{} · {} · {}",
                text::clock(event.timestamp_ms),
                event.function,
                paint::version(&event.version)
            );
            let inner = wide(buffer, area, pen, &title);
            let columns = usize::from(inner.width);
            let mut rows = vec![
                pen.line(format!("{}  {}", event.group, event.stream), Meaning::Muted),
                Line::default(),
            ];
            for line in lines {
                let pieces = text::wrap(line, columns);
                if let [one] = pieces.as_slice() {
                    rows.push(response::json_line(pen, one, columns));
                } else {
                    rows.extend(pieces.iter().map(|piece| pen.line(piece, Meaning::JsonText)));
                }
            }
            paint::scrolled(buffer, inner, rows, *scroll);
        }
        Popup::Messages { selected } => messages(buffer, area, pen, *selected),
        Popup::Text { title, text, scroll } => {
            let inner = wide(buffer, area, pen, title);
            let columns = usize::from(inner.width);
            let prose = !text.contains("\n ");
            let rows: Vec<Line> = if prose {
                text::wrap_words(text, columns).iter().map(|l| pen.line(l, Meaning::Text)).collect()
            } else {
                text::wrap(text, columns).into_iter().map(|l| pen.line(l, Meaning::Text)).collect()
            };
            paint::scrolled(buffer, inner, rows, *scroll);
        }
    }
    None
}

/// Clears a place and frames it; gives what is inside.
pub(super) fn open(buffer: &mut Buffer, area: Rect, pen: &Pen, title: &str) -> Rect {
    Clear.render(area, buffer);
    let block = Block::new()
        .borders(Borders::ALL)
        .border_style(pen.style(Meaning::Focus))
        .title(Line::from(vec![Span::raw(" "), pen.span(title, Meaning::Title), Span::raw(" ")]));
    let inner = block.inner(area);
    block.render(area, buffer);
    Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner }
}

pub(super) fn wide(buffer: &mut Buffer, area: Rect, pen: &Pen, title: &str) -> Rect {
    let columns = layout::popup_columns((area.width, area.height)) as u16 + 4;
    open(buffer, layout::middle(area, columns, area.height.saturating_sub(4)), pen, title)
}

/// The keys of the topmost popup.
pub(super) fn keys_line(pen: &Pen) -> Line<'static> {
    let mut spans = Vec::new();
    for (keys, action) in hints::hints(pen.state) {
        spans.extend(pen.hint(&keys, action.entry().hint));
        spans.push(Span::raw("   "));
    }
    Line::from(spans)
}

fn help(buffer: &mut Buffer, area: Rect, pen: &Pen, scroll: usize) {
    let state = pen.state;
    let title = format!("keys on {}", state.screen.title());
    let inner = wide(buffer, area, pen, &title);
    let columns = usize::from(inner.width);
    let mode = Mode::Screen(state.screen);
    let facts = state.facts();
    let active = state.keymap.active(mode, facts);
    let mut rows = Vec::new();
    let mut layer = None;
    for entry in REGISTRY {
        let bindings: Vec<_> =
            active.iter().filter(|binding| binding.action == Some(entry.action)).collect();
        let Some(first) = bindings.first() else { continue };
        let is_screen = matches!(first.layer, crate::keymap::Layer::Screen(_));
        if layer.is_some() && layer != Some(is_screen) && entry.action.screen().is_some() {
            rows.push(Line::default());
        }
        layer = Some(is_screen);
        let keys: Vec<String> = bindings.iter().map(|binding| binding.label()).collect();
        let doc = first.desc.as_deref().unwrap_or(entry.doc);
        let meaning = match entry.danger {
            Danger::TakesBack | Danger::Prod | Danger::Deletes => Meaning::Danger,
            Danger::Safe | Danger::Forgets | Danger::Sends | Danger::Changes => Meaning::Key,
        };
        rows.push(Line::from(vec![
            pen.span(text::pad(&keys.join("  "), 18), meaning),
            pen.span(text::fit(doc, columns.saturating_sub(19)), Meaning::Text),
        ]));
    }
    paint::scrolled(buffer, inner, rows, scroll);
}

fn palette(
    buffer: &mut Buffer,
    area: Rect,
    pen: &Pen,
    (input, selected, matches): (&Input, usize, &[crate::action::Action]),
) -> Position {
    let inner = open(buffer, layout::middle(area, 76, 18), pen, "palette");
    let cursor = input_line(buffer, Rect { height: 1, ..inner }, pen, "", (input, ""));
    let columns = usize::from(inner.width);
    let rows: Vec<Line> = matches
        .iter()
        .map(|action| {
            let entry = action.entry();
            let keys = pen
                .state
                .keymap
                .keys_for(Mode::Screen(pen.state.screen), pen.state.facts(), *action)
                .unwrap_or_default();
            let doc = text::pad(entry.doc, columns.saturating_sub(17 + 10));
            Line::from(vec![
                pen.span(text::pad(entry.id, 16), Meaning::Name),
                Span::raw(" "),
                pen.span(doc, Meaning::Muted),
                pen.span(text::right(&keys, 10), Meaning::Key),
            ])
        })
        .collect();
    let list = Rect { y: inner.y + 2, height: inner.height.saturating_sub(2), ..inner };
    if rows.is_empty() {
        paint::empty(buffer, list, pen, "no action matches");
    } else {
        paint::list(buffer, list, &rows, selected, pen.style(Meaning::Selected));
    }
    cursor
}

/// Draws an input with its label; gives the place of its cursor.
pub(super) fn input_line(
    buffer: &mut Buffer,
    area: Rect,
    pen: &Pen,
    label: &str,
    (input, placeholder): (&Input, &str),
) -> Position {
    let label_line = pen.line(label, Meaning::Muted);
    let used = label_line.width() as u16;
    buffer.set_line(area.x, area.y, &label_line, area.width);
    let room = usize::from(area.width.saturating_sub(used + 1));
    let scroll = input.visual_scroll(room);
    let (shown, meaning) = if input.value().is_empty() {
        (placeholder.to_owned(), Meaning::Muted)
    } else {
        let mut skipped = 0;
        let value = input.value().replace('\n', "↵");
        let rest: String = value
            .chars()
            .skip_while(|c| {
                let skip = skipped < scroll;
                skipped += unicode_width::UnicodeWidthChar::width(*c).unwrap_or(0);
                skip
            })
            .collect();
        (rest, Meaning::Strong)
    };
    let width = area.width.saturating_sub(used);
    buffer.set_span(area.x + used, area.y, &pen.span(shown, meaning), width);
    let column = input.visual_cursor().saturating_sub(scroll) as u16;
    Position::new(area.x + used + column.min(width.saturating_sub(1)), area.y)
}

/// Where something can be sent, each in words.
fn destinations(pen: &Pen, all: &[Destination]) -> Vec<Line<'static>> {
    let row = |to: String, words: &str| {
        Line::from(vec![
            pen.span(text::pad(&to, 18), Meaning::Name),
            pen.span(words, Meaning::Muted),
        ])
    };
    let words = |to: &Destination| match to {
        Destination::Stage(_) => "the stage",
        Destination::MethodTest(_) => "the gateway's method test, with its log",
        Destination::Function(_) => "straight to the function",
        Destination::Url(_) => "another URL",
    };
    let rows = all.iter().map(|to| row(to.to_string(), words(to)));
    rows.chain([row("…".to_owned(), "type another, or a URL")]).collect()
}

fn variants(buffer: &mut Buffer, area: Rect, pen: &Pen, selected: usize) {
    let state = pen.state;
    let Some(blueprint) = state.blueprint() else { return };
    let height = blueprint.variants.len() as u16 + 3;
    let title = format!("variant of {} for the next plan and deploy", blueprint.name);
    let inner = open(buffer, layout::middle(area, 76, height), pen, &title);
    let columns = usize::from(inner.width);
    let chosen = state.how().variant;
    let live = state.status().and_then(|status| status.variant.clone());
    let row = |name: &str, is_chosen: bool, is_live: bool, description: &str| {
        let here = if is_chosen { "▸ " } else { "  " };
        let live = if is_live { "live" } else { "" };
        Line::from(vec![
            pen.span(here, Meaning::Key),
            pen.span(text::pad(name, 12), Meaning::Name),
            pen.span(text::pad(live, 5), Meaning::Ok),
            pen.span(text::fit(description, columns.saturating_sub(19)), Meaning::Muted),
        ])
    };
    let last = blueprint.variants.last().map_or("", |variant| variant.name.as_str());
    let follow = format!("what is live, else {last}");
    let mut rows = vec![row("follow", chosen.is_none(), false, &follow)];
    rows.extend(blueprint.variants.iter().map(|variant| {
        let name = Some(&variant.name);
        row(&variant.name, chosen.as_ref() == name, live.as_ref() == name, &variant.description)
    }));
    paint::list(buffer, inner, &rows, selected, pen.style(Meaning::Selected));
}

fn prompt(buffer: &mut Buffer, area: Rect, pen: &Pen, prompt: &Prompt) -> Position {
    let state = pen.state;
    let lab = state.current_lab().map_or("", |lab| lab.name.as_str());
    let (title, help, placeholder) = match prompt.asked {
        Asked::Filter => (
            "filter".to_owned(),
            "words · \"a phrase\" · -not · level:error · version:3 · function:name · /regex/"
                .to_owned(),
            "empty shows everything",
        ),
        Asked::Percent => (
            format!("share of {} for the newest version", state.release_alias()),
            "0 to 100; the rest stays with the stable version".to_owned(),
            "20",
        ),
        Asked::Canary => (
            format!("guarded canary of {}", state.release_alias()),
            "steps in percent, how long each holds, request@rate for traffic of its own; limit=5 \
             confidence=99 tolerance=5 slowdown=1.25 alarm=NAME go over the lab's. It goes back by \
             itself when the new version is worse."
                .to_owned(),
            "5,25,50 30s hello@10",
        ),
        Asked::Description => (
            "publish a version of every function".to_owned(),
            "a description for people, may be empty".to_owned(),
            "what is new",
        ),
        Asked::Burst => (
            "burst".to_owned(),
            "how many x how many at once; also 30s, 50/s: 200x8 · 30s x8 · 1m 50/s x16".to_owned(),
            "200x8",
        ),
        Asked::RequestName { copies } => (
            if copies { "keep it under a name of its own" } else { "a new request" }.to_owned(),
            "its name; it is kept for you alone, in your configuration".to_owned(),
            "my-request",
        ),
        Asked::Destination => (
            "send to".to_owned(),
            "STAGE · test:STAGE · :VERSION · :ALIAS · https://… (without the lab's key)".to_owned(),
            ":3",
        ),
        Asked::Compare => (
            "compare".to_owned(),
            "where, and how many of each x how many at once: dev prod 200x8 · :3 :4 30s x8 · without \
             places the requests that the lab compares"
                .to_owned(),
            "dev prod 200x8",
        ),
        Asked::Extend => (
            match &state.gateway.asked {
                Some((plan, key)) => format!("more requests for {key} in {plan}"),
                None => "more requests".to_owned(),
            },
            "how many, for the present period of the quota only".to_owned(),
            "100",
        ),
        Asked::KeyName => (
            "a new key, made by hand".to_owned(),
            "its name; deploys leave it, a destroy removes it".to_owned(),
            "Guest",
        ),
        Asked::AttachName => ("attach".to_owned(), "its name".to_owned(), "shop"),
        Asked::LabName | Asked::LabNameForStep { .. } => {
            (format!("destroy {lab}"), String::new(), "")
        }
        Asked::FunctionForStep { .. } => ("delete a function".to_owned(), String::new(), ""),
        Asked::AllLabs => ("destroy every lab".to_owned(), String::new(), ""),
        Asked::Prune => (format!("delete old versions of {lab}"), String::new(), ""),
        Asked::Apply { question } => {
            let asked = state.questions.iter().find(|one| one.number == question);
            let title = asked.map_or_else(String::new, |one| one.plan.question());
            let typed = asked.is_some_and(|one| one.typed().is_some());
            (title, String::new(), if typed { "" } else { "y or n" })
        }
    };
    let columns = area.width.saturating_sub(4).min(76);
    let room = usize::from(columns.saturating_sub(8));
    let mut about: Vec<Line> = text::wrap_words(&help, room)
        .into_iter()
        .filter(|line| !line.is_empty())
        .map(|line| pen.line(line, Meaning::Muted))
        .collect();
    for paragraph in &prompt.about {
        let meaning = if paragraph.starts_with('!') { Meaning::Danger } else { Meaning::Warn };
        about.extend(text::wrap_words(paragraph, room).iter().map(|line| pen.line(line, meaning)));
    }
    // The line that is typed in stays on the screen.
    about.truncate(usize::from(area.height.saturating_sub(5)));
    let height = about.len() as u16 + 5;
    let inner = open(buffer, layout::middle(area, columns, height), pen, &title);
    let row = Rect { y: inner.y + about.len() as u16, height: 1, ..inner };
    paint::lines(buffer, inner, about);
    let cursor = input_line(buffer, row, pen, "› ", (&prompt.input, placeholder));
    let below = Rect { y: row.y + 1, height: 2, ..inner };
    let mut rows = Vec::new();
    if let Some(error) = &prompt.error {
        rows.push(pen.line(error, Meaning::Danger));
    } else {
        rows.push(Line::default());
    }
    rows.push(keys_line(pen));
    paint::lines(buffer, below, rows);
    cursor
}

fn messages(buffer: &mut Buffer, area: Rect, pen: &Pen, selected: usize) {
    let inner = wide(buffer, area, pen, "messages");
    let columns = usize::from(inner.width);
    let rows: Vec<Line> = pen
        .state
        .notes
        .all
        .iter()
        .rev()
        .map(|note| {
            let mut words = note.text.clone();
            if let Some(why) = &note.why {
                words.push_str(": ");
                words.push_str(&why.replace('\n', " "));
            }
            Line::from(vec![
                pen.span(format!("{} ", &text::clock(note.at_ms)[..8]), Meaning::Muted),
                pen.span(text::fit(&words, columns.saturating_sub(9)), hints::tone(note.tone)),
            ])
        })
        .collect();
    if rows.is_empty() {
        paint::empty(buffer, inner, pen, "nothing happened yet");
    } else {
        paint::list(buffer, inner, &rows, selected, pen.style(Meaning::Selected));
    }
}
