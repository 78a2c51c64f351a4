//! Terminal events: keys through the keymap, text into inputs, resizes.

use crossterm::event::{Event, KeyEvent, KeyEventKind};
use tui_input::backend::crossterm::EventHandler;
use tui_input::{Input, InputRequest};

use super::{act, popups};
use crate::keymap::{Key, Lookup, Mode};
use crate::message::Effect;
use crate::state::State;
use crate::state::popup::Popup;

/// Longest text a single input takes, in bytes; a paste beyond it is cut.
const INPUT_BYTES: usize = 64 * 1024;

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
            form.rows.get_mut(form.selected).map(|row| &mut row.input)
        }
        _ => None,
    }
}

fn typed(state: &mut State, event: &KeyEvent) {
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
    let lines = matches!(state.popups.last(), Some(Popup::Form(_)));
    if let Some(input) = focused_input(state) {
        for c in text.chars() {
            if input.value().len() >= INPUT_BYTES {
                break;
            }
            let c = match c {
                '\r' | '\n' if lines => '\n',
                c if c.is_control() => ' ',
                c => c,
            };
            input.handle(InputRequest::InsertChar(c));
        }
        popups::typed(state);
    }
}
