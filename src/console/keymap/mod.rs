//! The keymap: which keys run which action, by layer and condition; built from `keymap.toml`.

pub mod condition;
mod error;
pub mod key;
mod parse;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use condition::{Condition, Facts};
pub use error::{KeymapError, Problem};
pub use key::Key;

use crate::action::{Action, Screen};

/// The keymap embedded in the binary.
pub const DEFAULT: &str = include_str!("../../../keymap.toml");

/// A layer of the keymap; a key is looked up in the layers that are active, the nearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layer {
    /// Active everywhere.
    Always,
    /// Active on every screen.
    Global,
    /// Active on one screen, before `Global`.
    Screen(Screen),
    /// Active while a popup without text input is open.
    Popup,
    /// Active while text is typed.
    Input,
}

impl Layer {
    /// Every layer with its table's name in `keymap.toml`.
    pub const ALL: [(&'static str, Self); 11] = [
        ("always", Self::Always),
        ("global", Self::Global),
        ("overview", Self::Screen(Screen::Overview)),
        ("deploy", Self::Screen(Screen::Deploy)),
        ("release", Self::Screen(Screen::Release)),
        ("gateway", Self::Screen(Screen::Gateway)),
        ("requests", Self::Screen(Screen::Requests)),
        ("logs", Self::Screen(Screen::Logs)),
        ("metrics", Self::Screen(Screen::Metrics)),
        ("popup", Self::Popup),
        ("input", Self::Input),
    ];

    /// Its table's name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, layer)| *layer == self).map_or("", |(name, _)| name)
    }
}

/// Where keys go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// To a screen.
    Screen(Screen),
    /// To a popup without text input.
    Popup,
    /// To a text input.
    Input,
}

impl Mode {
    /// The active layers, the nearest first.
    pub fn layers(self) -> [Option<Layer>; 3] {
        match self {
            Self::Screen(screen) => {
                [Some(Layer::Screen(screen)), Some(Layer::Global), Some(Layer::Always)]
            }
            Self::Popup => [Some(Layer::Popup), Some(Layer::Always), None],
            Self::Input => [Some(Layer::Input), Some(Layer::Always), None],
        }
    }
}

/// One binding.
#[derive(Debug, Clone)]
pub struct Binding {
    /// Its layer.
    pub layer: Layer,
    /// One key, or a sequence.
    pub keys: Vec<Key>,
    /// What it runs; `None` takes a default binding away.
    pub action: Option<Action>,
    /// When it is active.
    pub when: Condition,
    /// The file's own words for help, instead of the registry's.
    pub desc: Option<String>,
    /// File it is from.
    pub file: Arc<str>,
    /// Line in the file, from 1.
    pub line: usize,
}

impl Binding {
    /// Its keys as text: `g g`, `ctrl-c`.
    pub fn label(&self) -> String {
        label(&self.keys)
    }
}

/// A sequence of keys as text.
pub fn label(keys: &[Key]) -> String {
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// What a sequence of keys means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// It runs this.
    Run(Action),
    /// It may become something with more keys.
    Pending,
    /// Nothing.
    Nothing,
}

/// The keymap in force.
#[derive(Debug, Clone)]
pub struct Keymap {
    bindings: Vec<Binding>,
}

impl Keymap {
    /// The embedded keymap with the person's own file over it: `explicit`, or
    /// `$XDG_CONFIG_HOME/labdeck/keymap.toml` where it exists.
    ///
    /// # Errors
    /// Every problem of the files, with file, line and suggestion.
    pub fn load(explicit: Option<&Path>) -> Result<Self, KeymapError> {
        let path = match explicit {
            Some(path) => Some(path.to_path_buf()),
            None => user_file().filter(|path| path.exists()),
        };
        let Some(path) = path else { return Self::build(None) };
        let name = path.display().to_string();
        let text = std::fs::read_to_string(&path).map_err(|error| {
            KeymapError::new(vec![Problem {
                file: name.clone().into(),
                line: None,
                what: format!("the keymap cannot be read: {error}"),
                hint: None,
            }])
        })?;
        Self::build(Some((&name, &text)))
    }

    /// The embedded keymap with `user`'s (file name, text) over it.
    ///
    /// # Errors
    /// Every problem, with file, line and suggestion.
    pub fn build(user: Option<(&str, &str)>) -> Result<Self, KeymapError> {
        let mut bindings = parse::parse("keymap.toml (built in)", DEFAULT)?;
        let mut problems = Vec::new();
        if let Some((file, text)) = user {
            let own = parse::parse(file, text)?;
            for binding in &own {
                let before = bindings.len();
                bindings.retain(|old| {
                    old.file == binding.file
                        || old.layer != binding.layer
                        || old.keys != binding.keys
                });
                if binding.action.is_some() {
                    bindings.push(binding.clone());
                } else if bindings.len() == before {
                    problems.push(Problem {
                        file: binding.file.clone(),
                        line: Some(binding.line),
                        what: format!(
                            "\"none\" takes a default key away, but [{}] has none on {:?}",
                            binding.layer.name(),
                            binding.label()
                        ),
                        hint: Some("remove the line".to_owned()),
                    });
                }
            }
        }
        problems.extend(prefixes(&bindings));
        if problems.is_empty() { Ok(Self { bindings }) } else { Err(KeymapError::new(problems)) }
    }

    /// What `keys` mean in `mode` while `facts` hold.
    pub fn lookup(&self, mode: Mode, facts: Facts, keys: &[Key]) -> Lookup {
        let mut pending = false;
        for layer in mode.layers().into_iter().flatten() {
            let mut fallback = None;
            for binding in self.bindings.iter().filter(|binding| binding.layer == layer) {
                if !binding.keys.starts_with(keys) || !binding.when.holds(facts) {
                    continue;
                }
                let Some(action) = binding.action.filter(|action| applies(*action, mode)) else {
                    continue;
                };
                if binding.keys.len() > keys.len() {
                    pending = true;
                } else if binding.when == Condition::Always {
                    fallback = Some(action);
                } else {
                    return Lookup::Run(action);
                }
            }
            if let Some(action) = fallback {
                return Lookup::Run(action);
            }
        }
        if pending { Lookup::Pending } else { Lookup::Nothing }
    }

    /// The bindings that are active in `mode` while `facts` hold, the nearest layer first, without
    /// those that a nearer layer hides.
    pub fn active(&self, mode: Mode, facts: Facts) -> Vec<&Binding> {
        let mut found: Vec<&Binding> = Vec::new();
        for layer in mode.layers().into_iter().flatten() {
            for binding in self.bindings.iter().filter(|binding| binding.layer == layer) {
                if let Some(action) = binding.action
                    && self.lookup(mode, facts, &binding.keys) == Lookup::Run(action)
                    && binding.when.holds(facts)
                    && !found.iter().any(|other| other.keys == binding.keys)
                {
                    found.push(binding);
                }
            }
        }
        found
    }

    /// The shortest keys that run `action` in `mode` while `facts` hold.
    pub fn keys_for(&self, mode: Mode, facts: Facts, action: Action) -> Option<String> {
        self.bindings
            .iter()
            .filter(|binding| binding.action == Some(action) && binding.when.holds(facts))
            .filter(|binding| self.lookup(mode, facts, &binding.keys) == Lookup::Run(action))
            .min_by_key(|binding| binding.keys.len())
            .map(Binding::label)
    }
}

/// Whether `action` does something in `mode`.
fn applies(action: Action, mode: Mode) -> bool {
    use crate::action::Applies;
    let applies = action.entry().applies;
    match mode {
        Mode::Screen(screen) => applies.on(screen),
        Mode::Popup => matches!(applies, Applies::Popup | Applies::Lists | Applies::Always),
        Mode::Input => matches!(applies, Applies::Input | Applies::Lists | Applies::Always),
    }
}

/// The person's own keymap, in the platform's configuration directory.
fn user_file() -> Option<PathBuf> {
    use etcetera::BaseStrategy;
    let base = etcetera::choose_base_strategy().ok()?;
    Some(base.config_dir().join("labdeck").join("keymap.toml"))
}

/// Sequences that can never be finished, since a shorter one in an active layer runs first.
fn prefixes(bindings: &[Binding]) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    let modes = Screen::ALL.map(Mode::Screen).into_iter().chain([Mode::Popup, Mode::Input]);
    for mode in modes {
        let layers = mode.layers();
        let active: Vec<&Binding> =
            bindings.iter().filter(|binding| layers.contains(&Some(binding.layer))).collect();
        for short in &active {
            for long in &active {
                if short.keys.len() >= long.keys.len() || !long.keys.starts_with(&short.keys) {
                    continue;
                }
                // The person's own line is the one to change.
                let (at, other) =
                    if short.file.contains("(built in)") { (long, short) } else { (short, long) };
                let problem = Problem {
                    file: at.file.clone(),
                    line: Some(at.line),
                    what: format!(
                        "{:?} is the beginning of {:?} ({}:{}), which could never be typed",
                        short.label(),
                        long.label(),
                        other.file,
                        other.line
                    ),
                    hint: Some(format!(
                        "take another key, or free the other: [{}] bind = [{{ on = {}, run = \"none\" }}]",
                        other.layer.name(),
                        written(&other.keys)
                    )),
                };
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
        }
    }
    problems
}

/// Keys as they are written in the file.
fn written(keys: &[Key]) -> String {
    let quoted: Vec<String> = keys.iter().map(|key| format!("\"{key}\"")).collect();
    if let [one] = quoted.as_slice() { one.clone() } else { format!("[{}]", quoted.join(", ")) }
}

#[cfg(test)]
mod tests;
