//! Terminal events: keys through the keymap, text into inputs, resizes.

use crossterm::event::{Event, KeyEvent, KeyEventKind};
use ratatui_textarea::TextArea;
use tui_input::backend::crossterm::EventHandler;
use tui_input::{Input, InputRequest};

use super::{act, popups};
use crate::keymap::{Key, Lookup, Mode};
use crate::message::Effect;
use crate::state::State;
use crate::state::form::Text;
use crate::state::popup::Popup;

/// Longest text a single input takes, in bytes; a paste beyond it is cut.
const INPUT_BYTES: usize = 64 * 1024;

/// Longest text that is pasted into a body, in characters: API Gateway takes 10 MB.
const BODY_CHARACTERS: usize = 10 * 1024 * 1024;

/// Takes in a terminal event.
pub fn input(state: &mut State, event: &Event) -> Vec<Effect> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => key_pressed(state, key),
        Event::Paste(text) => {
            paste(state, text);
            Vec::new()
        }
        Event::Resize(columns, rows) => {
            state.size = (*columns, *rows);
            Vec::new()
        }
        _ => Vec::new(),
    }
}

fn key_pressed(state: &mut State, event: &KeyEvent) -> Vec<Effect> {
    let key = Key::from_event(event);
    let mode = state.mode();
    let facts = state.facts();
    state.notes.shown = false;
    if mode == Mode::Input {
        state.pending.clear();
        if in_text(state, event) {
            return Vec::new();
        }
        if let Lookup::Run(action) = state.keymap.lookup(mode, facts, &[key]) {
            return act::run(state, action);
        }
        typed(state, event);
        return Vec::new();
    }
    state.pending.push(key);
    loop {
        match state.keymap.lookup(mode, facts, &state.pending) {
            Lookup::Run(action) => {
                state.pending.clear();
                return act::run(state, action);
            }
            Lookup::Pending => return Vec::new(),
            Lookup::Nothing if state.pending.len() > 1 => {
                // The sequence came to nothing; its last key may mean something by itself.
                state.pending = vec![key];
            }
            Lookup::Nothing => {
                state.pending.clear();
                return Vec::new();
            }
        }
    }
}

/// Whether a text of several lines has the focus and the key is its own: those that move in it, and enter.
fn in_text(state: &mut State, event: &KeyEvent) -> bool {
    use crossterm::event::KeyCode::{Down, End, Enter, Home, PageDown, PageUp, Up};
    let own = matches!(event.code, Enter | Up | Down | PageUp | PageDown | Home | End)
        && event.modifiers.is_empty();
    let Some(area) = text_area(state).filter(|_| own) else { return false };
    area.input(*event);
    true
}

/// The text of several lines that has the focus.
fn text_area(state: &mut State) -> Option<&mut TextArea<'static>> {
    match state.popups.last_mut()? {
        Popup::Form(form) => {
            form.error = None;
            form.area()
        }
        _ => None,
    }
}

/// The input that has the focus.
fn focused_input(state: &mut State) -> Option<&mut Input> {
    match state.popups.last_mut()? {
        Popup::Palette { input, .. } => Some(input),
        Popup::Audit(list) => Some(&mut list.input),
        Popup::Attach(picker) => Some(&mut picker.input),
        Popup::Prompt(prompt) => {
            prompt.error = None;
            Some(&mut prompt.input)
        }
        Popup::Settings(form) => {
            form.error = None;
            form.rows.get_mut(form.selected).map(|row| &mut row.input)
        }
        Popup::Form(form) => {
            form.error = None;
            match &mut form.rows.get_mut(form.selected)?.text {
                Text::Line(input) => Some(input),
                Text::Lines(_) => None,
            }
        }
        _ => None,
    }
}

fn typed(state: &mut State, event: &KeyEvent) {
    if let Some(area) = text_area(state) {
        area.input(*event);
        return;
    }
    if let Some(input) = focused_input(state) {
        if input.value().len() < INPUT_BYTES
            || !matches!(event.code, crossterm::event::KeyCode::Char(_))
        {
            input.handle_event(&Event::Key(*event));
        }
        popups::typed(state);
    }
}

fn paste(state: &mut State, text: &str) {
    if let Some(area) = text_area(state) {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let kept = |c: char| if c.is_control() && !matches!(c, '\n' | '\t') { ' ' } else { c };
        area.insert_str(text.chars().take(BODY_CHARACTERS).map(kept).collect::<String>());
        return;
    }
    if let Some(input) = focused_input(state) {
        for c in text.chars() {
            if input.value().len() >= INPUT_BYTES {
                break;
            }
            let c = if c.is_control() { ' ' } else { c };
            input.handle(InputRequest::InsertChar(c));
        }
        popups::typed(state);
    }
}
