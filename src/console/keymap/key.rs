//! Keys: names as people write them, events as terminals send them, both in one normal form.

use crokey::{KeyCombination, OneToThree};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use labdeck_lab::nearest;

/// One key with its modifiers, in normal form: a symbol carries no Shift, an upper-case letter does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(KeyCombination);

/// Key names that `keymap.toml` knows beside single characters, for suggestions.
pub const NAMES: &[&str] = &[
    "esc",
    "enter",
    "left",
    "right",
    "up",
    "down",
    "home",
    "end",
    "pageup",
    "pagedown",
    "backtab",
    "backspace",
    "delete",
    "insert",
    "space",
    "tab",
    "minus",
    "f1",
    "f2",
    "f3",
    "f4",
    "f5",
    "f6",
    "f7",
    "f8",
    "f9",
    "f10",
    "f11",
    "f12",
];

const MODIFIERS: [&str; 4] = ["ctrl", "alt", "shift", "cmd"];

impl Key {
    /// The key with this name: `q`, `R`, `?`, `ctrl-c`, `pageup`.
    ///
    /// # Errors
    /// The nearest known name, where there is one, when the name is unknown.
    pub fn parse(name: &str) -> Result<Self, Option<String>> {
        let mut characters = name.chars();
        if let (Some(only), None) = (characters.next(), characters.next()) {
            if only.is_control() || only.is_whitespace() {
                return Err(Some("space".to_owned()));
            }
            return Ok(Self::normal(KeyCode::Char(only), KeyModifiers::NONE));
        }
        let lower = name.to_ascii_lowercase();
        if let Ok(KeyCombination { codes: OneToThree::One(code), modifiers }) =
            crokey::parse(&lower)
        {
            return Ok(Self::normal(code, modifiers));
        }
        Err(suggest(&lower))
    }

    /// The key of a terminal event.
    pub fn from_event(event: &KeyEvent) -> Self {
        Self::normal(event.code, event.modifiers)
    }

    fn normal(code: KeyCode, modifiers: KeyModifiers) -> Self {
        let kept =
            KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT | KeyModifiers::SUPER;
        let mut modifiers = modifiers & kept;
        let code = match code {
            KeyCode::Char('\r' | '\n') => KeyCode::Enter,
            KeyCode::Char(' ') => KeyCode::Char(' '),
            KeyCode::Char(c) if c.is_alphabetic() => {
                if modifiers.contains(KeyModifiers::CONTROL) {
                    // Terminals send Ctrl with a letter without its case.
                    KeyCode::Char(c.to_ascii_lowercase())
                } else if c.is_uppercase() || modifiers.contains(KeyModifiers::SHIFT) {
                    modifiers |= KeyModifiers::SHIFT;
                    KeyCode::Char(c.to_ascii_uppercase())
                } else {
                    KeyCode::Char(c)
                }
            }
            KeyCode::Char(c) => {
                modifiers -= KeyModifiers::SHIFT;
                KeyCode::Char(c)
            }
            KeyCode::BackTab => {
                modifiers |= KeyModifiers::SHIFT;
                KeyCode::BackTab
            }
            other => other,
        };
        Self(KeyCombination::one_key(code, modifiers))
    }
}

/// The nearest known key name, with the modifiers that were right kept.
fn suggest(name: &str) -> Option<String> {
    let (prefix, last) = name.rsplit_once('-').map_or(("", name), |(p, l)| (p, l));
    let modifiers: Vec<&str> = prefix
        .split('-')
        .filter(|part| !part.is_empty())
        .map(|part| nearest(part, MODIFIERS).unwrap_or("ctrl"))
        .collect();
    let key =
        if last.chars().count() == 1 { Some(last) } else { nearest(last, NAMES.iter().copied()) }?;
    let mut parts = modifiers;
    parts.push(key);
    Some(parts.join("-"))
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let OneToThree::One(code) = self.0.codes else { return write!(f, "{}", self.0) };
        let modifiers = self.0.modifiers;
        if modifiers.contains(KeyModifiers::CONTROL) {
            f.write_str("ctrl-")?;
        }
        if modifiers.contains(KeyModifiers::ALT) {
            f.write_str("alt-")?;
        }
        match code {
            KeyCode::Char(' ') => f.write_str("space"),
            KeyCode::Char(c) => write!(f, "{c}"),
            KeyCode::BackTab => f.write_str("backtab"),
            KeyCode::PageUp => f.write_str("pageup"),
            KeyCode::PageDown => f.write_str("pagedown"),
            KeyCode::Up => f.write_str("↑"),
            KeyCode::Down => f.write_str("↓"),
            KeyCode::Left => f.write_str("←"),
            KeyCode::Right => f.write_str("→"),
            _ => {
                let text = self.0.to_string().to_lowercase();
                let text = text.trim_start_matches("ctrl-").trim_start_matches("alt-");
                f.write_str(text)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn event(code: KeyCode, modifiers: KeyModifiers) -> Key {
        Key::from_event(&KeyEvent::new(code, modifiers))
    }

    #[test]
    fn names_and_events_meet() {
        let none = KeyModifiers::NONE;
        let shift = KeyModifiers::SHIFT;
        assert_eq!(Key::parse("R").unwrap(), event(KeyCode::Char('R'), shift));
        assert_eq!(Key::parse("R").unwrap(), event(KeyCode::Char('R'), none));
        assert_eq!(Key::parse("shift-r").unwrap(), Key::parse("R").unwrap());
        assert_ne!(Key::parse("r").unwrap(), Key::parse("R").unwrap());
        assert_eq!(Key::parse("?").unwrap(), event(KeyCode::Char('?'), shift));
        assert_eq!(Key::parse("-").unwrap(), event(KeyCode::Char('-'), none));
        assert_eq!(Key::parse("ctrl-C").unwrap(), event(KeyCode::Char('c'), KeyModifiers::CONTROL));
        assert_eq!(Key::parse("backtab").unwrap(), event(KeyCode::BackTab, shift));
        assert_eq!(Key::parse("é").unwrap(), event(KeyCode::Char('é'), none));
        assert_eq!(Key::parse("space").unwrap().to_string(), "space");
        assert_eq!(Key::parse("ctrl-pagedown").unwrap().to_string(), "ctrl-pagedown");
        assert_eq!(Key::parse("esc").unwrap().to_string(), "esc");
    }

    #[test]
    fn an_unknown_name_suggests_the_nearest() {
        assert_eq!(Key::parse("pgdown"), Err(Some("pagedown".to_owned())));
        assert_eq!(Key::parse("ctl-entr"), Err(Some("ctrl-enter".to_owned())));
        assert_eq!(Key::parse("escape").unwrap_err().as_deref(), Some("esc"));
    }
}
