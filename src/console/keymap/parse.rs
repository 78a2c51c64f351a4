//! Reads one `keymap.toml` into bindings; every mistake with its line.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use toml_edit::{Document, Item, TableLike, Value};

use super::{Binding, Condition, Key, KeymapError, Layer, Problem};
use crate::action::{Action, Applies, REGISTRY};
use labdeck_lab::nearest;

/// The bindings of a file.
///
/// # Errors
/// Every problem of the file.
pub fn parse(file: &str, text: &str) -> Result<Vec<Binding>, KeymapError> {
    let mut reader = Reader { file: file.into(), text, problems: Vec::new(), bindings: Vec::new() };
    match Document::parse(text) {
        Ok(document) => reader.layers(document.as_table()),
        Err(error) => {
            let message = error.message().lines().collect::<Vec<_>>().join(" ");
            reader.problem(error.span(), format!("not valid TOML: {message}"), None);
        }
    }
    reader.duplicates();
    if reader.problems.is_empty() {
        Ok(reader.bindings)
    } else {
        reader.problems.sort_by_key(|problem| problem.line);
        Err(KeymapError::new(reader.problems))
    }
}

/// The members of a binding.
const MEMBERS: [&str; 4] = ["on", "run", "when", "desc"];

/// Where something is in the file, in bytes.
type Span = Option<Range<usize>>;

struct Reader<'a> {
    file: Arc<str>,
    text: &'a str,
    problems: Vec<Problem>,
    bindings: Vec<Binding>,
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "spans are made for the one place that reads them"
)]
impl Reader<'_> {
    fn line(&self, span: Option<&Range<usize>>) -> Option<usize> {
        let start = span?.start.min(self.text.len());
        Some(self.text.get(..start).unwrap_or_default().matches('\n').count() + 1)
    }

    fn problem(&mut self, span: Span, what: String, hint: Option<String>) {
        let line = self.line(span.as_ref());
        self.problems.push(Problem { file: self.file.clone(), line, what, hint });
    }

    fn layers(&mut self, root: &toml_edit::Table) {
        for (name, item) in root {
            let span = root.key(name).and_then(toml_edit::Key::span).or_else(|| item.span());
            let Some((_, layer)) = Layer::ALL.iter().find(|(known, _)| *known == name) else {
                let names = Layer::ALL.map(|(known, _)| known);
                self.problem(
                    span,
                    format!("unknown layer [{name}]; known are {}", names.join(", ")),
                    did_you_mean(nearest(name, names.iter().copied())),
                );
                continue;
            };
            let Some(table) = item.as_table_like() else {
                self.problem(span, format!("{name:?} must be a table: [{name}]"), None);
                continue;
            };
            self.layer(*layer, table);
        }
    }

    fn layer(&mut self, layer: Layer, table: &dyn TableLike) {
        for (name, item) in table.iter() {
            if name != "bind" {
                let span = table.key(name).and_then(toml_edit::Key::span).or_else(|| item.span());
                self.problem(
                    span,
                    format!("unknown member {name:?} of [{}]", layer.name()),
                    Some("a layer has one member: bind = [ … ]".to_owned()),
                );
                continue;
            }
            match item {
                Item::Value(Value::Array(array)) => {
                    for value in array {
                        match value.as_inline_table() {
                            Some(table) => self.bind(layer, table, value.span()),
                            None => self.not_a_binding(value.span()),
                        }
                    }
                }
                Item::ArrayOfTables(tables) => {
                    for table in tables {
                        self.bind(layer, table, table.span());
                    }
                }
                other => self.not_a_binding(other.span()),
            }
        }
    }

    fn not_a_binding(&mut self, span: Span) {
        let hint = "write { on = \"q\", run = \"quit\" }".to_owned();
        self.problem(span, "not a binding".to_owned(), Some(hint));
    }

    fn bind(&mut self, layer: Layer, table: &dyn TableLike, span: Span) {
        let before = self.problems.len();
        for (name, item) in table.iter() {
            if !MEMBERS.contains(&name) {
                let at = table.key(name).and_then(toml_edit::Key::span).or_else(|| item.span());
                self.problem(
                    at.or_else(|| span.clone()),
                    format!("unknown member {name:?} of a binding"),
                    did_you_mean(nearest(name, MEMBERS)),
                );
            }
        }
        let keys = self.keys(layer, table.get("on"), span.clone());
        let action = self.action(layer, table.get("run"), span.clone());
        let when = match self.text_of(table.get("when"), "when") {
            None => Condition::Always,
            Some((text, at)) => Condition::parse(&text).unwrap_or_else(|(what, nearest)| {
                self.problem(at, what, did_you_mean(nearest.as_deref()));
                Condition::Always
            }),
        };
        let desc = self.text_of(table.get("desc"), "desc").map(|(text, _)| text);
        let line = self.line(span.as_ref()).unwrap_or(1);
        if self.problems.len() == before
            && let (Some(keys), Some(action)) = (keys, action)
        {
            let file = self.file.clone();
            self.bindings.push(Binding { layer, keys, action, when, desc, file, line });
        }
    }

    fn text_of(&mut self, item: Option<&Item>, member: &str) -> Option<(String, Span)> {
        let item = item?;
        if let Some(text) = item.as_str() {
            return Some((text.to_owned(), item.span()));
        }
        self.problem(item.span(), format!("{member:?} must be a string"), None);
        None
    }

    fn keys(&mut self, layer: Layer, item: Option<&Item>, span: Span) -> Option<Vec<Key>> {
        let names: Vec<(String, Span)> = match item {
            None => Vec::new(),
            Some(Item::Value(Value::Array(array))) => array
                .iter()
                .map(|value| (value.as_str().unwrap_or("").to_owned(), value.span()))
                .collect(),
            Some(item) => self.text_of(Some(item), "on").into_iter().collect(),
        };
        if names.is_empty() || names.len() > 4 {
            let hint = "on = \"q\" for one key, on = [\"g\", \"g\"] for a sequence of up to four";
            self.problem(span, "a binding needs its keys".to_owned(), Some(hint.to_owned()));
            return None;
        }
        let mut keys = Vec::new();
        for (name, at) in names {
            match Key::parse(&name) {
                Ok(key) => {
                    if layer == Layer::Input && types_text(&name) {
                        self.problem(
                            at.or_else(|| span.clone()),
                            format!("{name:?} is needed for typing in [input]"),
                            Some(format!("take ctrl-{name} or alt-{name}")),
                        );
                    }
                    keys.push(key);
                }
                Err(suggestion) => self.problem(
                    at.or_else(|| span.clone()),
                    format!("unknown key {name:?}"),
                    did_you_mean(suggestion.as_deref()),
                ),
            }
        }
        Some(keys)
    }

    /// `Some(None)` is `none`: a default key is taken away.
    #[allow(clippy::option_option)]
    fn action(&mut self, layer: Layer, item: Option<&Item>, span: Span) -> Option<Option<Action>> {
        let Some(item) = item else {
            let hint = "run = \"quit\"".to_owned();
            self.problem(span, "a binding needs what it runs".to_owned(), Some(hint));
            return None;
        };
        let (id, at) = self.text_of(Some(item), "run")?;
        let at = at.or(span);
        if id == "none" {
            return Some(None);
        }
        let Some(action) = Action::from_id(&id) else {
            let ids: Vec<&str> = REGISTRY.iter().map(|entry| entry.id).collect();
            self.problem(
                at,
                format!("unknown action {id:?}"),
                did_you_mean(nearest(&id, ids.iter().copied())),
            );
            return None;
        };
        if !fits(action, layer) {
            self.problem(
                at,
                format!("{id:?} does nothing in [{}]", layer.name()),
                Some(format!("it belongs in {}", homes(action))),
            );
        }
        Some(Some(action))
    }

    /// The same keys twice in one layer under the same condition: both lines are named.
    fn duplicates(&mut self) {
        let mut problems = Vec::new();
        let mut seen: HashMap<(Layer, &[Key]), Vec<&Binding>> = HashMap::new();
        for binding in &self.bindings {
            let others = seen.entry((binding.layer, &binding.keys)).or_default();
            if let Some(first) = others.iter().find(|other| other.when == binding.when) {
                problems.push(Problem {
                    file: self.file.clone(),
                    line: Some(binding.line),
                    what: format!(
                        "{:?} is bound twice in [{}]: to {:?} on line {} and to {:?} on line {}",
                        binding.label(),
                        binding.layer.name(),
                        first.action.map_or("none", Action::id),
                        first.line,
                        binding.action.map_or("none", Action::id),
                        binding.line
                    ),
                    hint: Some("remove one, or give them different `when` conditions".to_owned()),
                });
            }
            others.push(binding);
        }
        self.problems.extend(problems);
    }
}

fn did_you_mean(suggestion: Option<&str>) -> Option<String> {
    suggestion.map(|word| format!("did you mean {word:?}?"))
}

/// Whether the key writes a character when text is typed.
fn types_text(name: &str) -> bool {
    name.chars().count() == 1 || matches!(name, "space" | "minus" | "hyphen")
}

/// Whether `action` may be bound in `layer`.
fn fits(action: Action, layer: Layer) -> bool {
    let applies = action.entry().applies;
    match layer {
        Layer::Always => applies == Applies::Always,
        Layer::Global => !matches!(applies, Applies::Popup | Applies::Input),
        Layer::Screen(screen) => applies.on(screen),
        Layer::Popup => matches!(applies, Applies::Popup | Applies::Lists | Applies::Always),
        Layer::Input => matches!(applies, Applies::Input | Applies::Lists | Applies::Always),
    }
}

/// The layers in which `action` may be bound, for people.
fn homes(action: Action) -> String {
    let names: Vec<String> = Layer::ALL
        .iter()
        .filter(|(_, layer)| fits(action, *layer))
        .map(|(name, _)| format!("[{name}]"))
        .collect();
    names.join(", ")
}
