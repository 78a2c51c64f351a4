//! Reading tables of a TOML file key by key: wrong types, missing keys and unknown keys become
//! problems with their place, and reading goes on.

use std::cell::RefCell;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

mod values;

use crate::links::{Kind, Link};
use crate::names::Rule;
use crate::problem::{Findings, Position, Problem, one_of};
use crate::syntax::Damage;

/// What is being read: the text, the problems and the names that must exist.
pub(crate) struct Context<'a> {
    text: &'a str,
    damage: Damage,
    findings: RefCell<&'a mut Findings>,
    links: RefCell<Vec<Link>>,
    later: RefCell<Vec<Later>>,
    /// Every key that the tables of the file can have, for the comparison with the schema.
    #[cfg(test)]
    pub(crate) seen: RefCell<Vec<Seen>>,
}

/// A condition that can be judged only when everything is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Later {
    pub(crate) condition: Need,
    /// Byte offset of what states it.
    pub(crate) at: usize,
}

/// What must hold between parts of a lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Need {
    /// One of the APIs has the method, in a variant.
    Method { apis: Vec<String>, path: String, method: String },
    /// The method's integration has the cache key, in a variant.
    CacheKey { api: String, path: String, method: String, parameter: String },
    /// These are the key attributes of the table.
    KeyOf { table: String, attributes: Vec<String> },
    /// A message stays hidden as long as the function may take.
    Visibility { queue: String, function: String },
}

/// A table of the file, and what it can hold.
#[cfg(test)]
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// `functions.*.asynchronous`, with `<kind>` behind a table that has one.
    pub(crate) place: String,
    pub(crate) keys: Vec<Asked>,
}

/// A key that a table can have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    pub(crate) key: &'static str,
    pub(crate) required: bool,
    pub(crate) shape: Shape,
}

/// What the value of a key is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    Text,
    Choice(Vec<String>),
    Whole(i64, i64),
    Number,
    Flag,
    List,
    Table,
    /// Something else, or several of these.
    Any,
}

impl<'a> Context<'a> {
    pub(crate) fn new(text: &'a str, damage: Damage, findings: &'a mut Findings) -> Self {
        Self {
            text,
            damage,
            findings: RefCell::new(findings),
            links: RefCell::new(Vec::new()),
            later: RefCell::new(Vec::new()),
            #[cfg(test)]
            seen: RefCell::new(Vec::new()),
        }
    }

    /// Whether the text has syntax errors, so that something may be missing which it means to hold.
    pub(crate) fn damaged(&self) -> bool {
        self.damage.any()
    }

    pub(crate) fn position(&self, offset: usize) -> Position {
        Position::of(self.text, offset)
    }

    /// Adds a problem at a byte offset; `more` says what was expected.
    pub(crate) fn problem(
        &self,
        offset: usize,
        message: impl Into<String>,
        more: impl FnOnce(&mut Problem),
    ) {
        // Counting lines takes time, which a file full of problems must not multiply.
        if self.findings.borrow().is_full() {
            return;
        }
        let at = self.position(offset);
        if self.damage.hides(offset, at) {
            return;
        }
        more(self.findings.borrow_mut().add(at, message));
    }

    /// Checks a name or value against a rule.
    pub(crate) fn check(&self, rule: Rule, text: &str, offset: usize) {
        if !(rule.keeps)(text) {
            self.problem(
                offset,
                format!("{} `{}` is not allowed", rule.of, shortened(text)),
                |problem| {
                    problem.expected(rule.says);
                },
            );
        }
    }

    /// Notes that something of this name must exist in the lab.
    pub(crate) fn link(&self, kind: Kind, name: &str, offset: usize) {
        // What it names may be there, in a line that can't be read.
        if self.damaged() {
            return;
        }
        let name = name.to_owned();
        self.links.borrow_mut().push(Link { kind, name, at: offset });
    }

    /// Notes that something must hold once everything is read.
    pub(crate) fn need(&self, condition: Need, offset: usize) {
        if !self.damaged() {
            self.later.borrow_mut().push(Later { condition, at: offset });
        }
    }

    pub(crate) fn into_links(self) -> (Vec<Link>, Vec<Later>) {
        (self.links.into_inner(), self.later.into_inner())
    }
}

/// Long values are cut in messages.
fn shortened(text: &str) -> String {
    const MOST: usize = 80;
    if text.chars().count() <= MOST {
        return text.escape_debug().to_string();
    }
    let head: String = text.chars().take(MOST).collect();
    format!("{}…", head.escape_debug())
}

/// A text with its place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Text {
    pub(crate) value: String,
    pub(crate) at: usize,
}

/// One table of the file and the keys asked for so far.
pub(crate) struct Section<'c, 'a, 'i> {
    pub(crate) context: &'c Context<'a>,
    /// How messages call it: `[functions.greet]`.
    pub(crate) called: String,
    pub(crate) at: usize,
    /// Where it stands, with `*` for names.
    place: String,
    table: &'c DeTable<'i>,
    asked: RefCell<Vec<Asked>>,
    /// The value of its `kind`.
    kind: RefCell<Option<String>>,
}

impl<'c, 'a, 'i> Section<'c, 'a, 'i> {
    /// The whole file; `called` is what messages call it.
    pub(crate) fn root(context: &'c Context<'a>, called: &str, table: &'c DeTable<'i>) -> Self {
        Self::new(context, format!("`{called}`"), String::new(), 0, table)
    }

    fn new(
        context: &'c Context<'a>,
        called: String,
        place: String,
        at: usize,
        table: &'c DeTable<'i>,
    ) -> Self {
        let asked = RefCell::new(Vec::new());
        Self { context, called, at, place, table, asked, kind: RefCell::new(None) }
    }

    /// The value of a key; the key counts as known from now on.
    pub(crate) fn get(
        &self,
        key: &'static str,
        required: bool,
        shape: Shape,
    ) -> Option<&'c Spanned<DeValue<'i>>> {
        let mut asked = self.asked.borrow_mut();
        if !asked.iter().any(|known| known.key == key) {
            asked.push(Asked { key, required, shape });
        }
        self.table.get(key)
    }

    /// Whether the table has the key.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Where the value of a key stands; where the table stands, when it has no such key.
    pub(crate) fn at_of(&self, key: &str) -> usize {
        self.table.get(key).map_or(self.at, |value| value.span().start)
    }

    fn missing(&self, key: &str, expected: &str) {
        // It may be there, in a line that can't be read.
        if self.context.damaged() {
            return;
        }
        let message = format!("{} has no `{key}`", self.called);
        self.context.problem(self.at, message, |problem| {
            problem.expected(format!("`{key}`: {expected}"));
        });
    }

    /// Reports that the value of a key is of another type.
    pub(crate) fn wrong_type(&self, key: &str, value: &Spanned<DeValue<'i>>, expected: &str) {
        let message = format!("`{key}` in {} is {}", self.called, type_name(value.get_ref()));
        self.context.problem(value.span().start, message, |problem| {
            problem.expected(expected);
        });
    }

    /// A table that may be left out.
    pub(crate) fn section(&self, key: &'static str) -> Option<Section<'c, 'a, 'i>> {
        let value = self.get(key, false, Shape::Table)?;
        let Some(table) = value.get_ref().as_table() else {
            self.wrong_type(key, value, "a table");
            return None;
        };
        Some(Section::new(
            self.context,
            self.inner_name(key),
            self.inner_place(key),
            value.span().start,
            table,
        ))
    }

    /// A table that must be there; `expected` says what it is.
    pub(crate) fn required_section(
        &self,
        key: &'static str,
        expected: &str,
    ) -> Option<Section<'c, 'a, 'i>> {
        if self.get(key, true, Shape::Table).is_none() {
            self.missing(key, expected);
        }
        self.section(key)
    }

    /// The tables in a list of tables.
    pub(crate) fn list(&self, key: &'static str, expected: &str) -> Vec<Section<'c, 'a, 'i>> {
        let Some(value) = self.get(key, false, Shape::List) else {
            return Vec::new();
        };
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_type(key, value, expected);
            return Vec::new();
        };
        let sections = items.iter().filter_map(|item| {
            let at = item.span().start;
            if let Some(table) = item.get_ref().as_table() {
                let place = format!("{}.*", self.inner_place(key));
                Some(Section::new(self.context, self.inner_name(key), place, at, table))
            } else {
                self.wrong_type(key, item, expected);
                None
            }
        });
        sections.collect()
    }

    /// The named tables below a key, such as `[functions.NAME]`, in the order of the file.
    pub(crate) fn named(
        &self,
        key: &'static str,
        rule: Rule,
    ) -> Vec<(String, Section<'c, 'a, 'i>)> {
        let Some(section) = self.section(key) else {
            return Vec::new();
        };
        let inner_name = section.called.trim_end_matches(']');
        let mut named: Vec<_> = section
            .table
            .iter()
            .filter_map(|(name, value)| {
                let at = name.span().start;
                self.context.check(rule, name.get_ref(), at);
                let Some(table) = value.get_ref().as_table() else {
                    let expected = format!("a table `{inner_name}.NAME]`");
                    section.wrong_type(name.get_ref(), value, &expected);
                    return None;
                };
                let called = format!("{inner_name}.{}]", name.get_ref());
                let place = format!("{}.*", self.inner_place(key));
                let inner = Section::new(self.context, called, place, at, table);
                Some((name.get_ref().to_string(), inner))
            })
            .collect();
        named.sort_by_key(|(_, section)| section.at);
        named
    }

    fn inner_name(&self, key: &str) -> String {
        match self.called.strip_suffix(']') {
            Some(outer) => format!("{outer}.{key}]"),
            None => format!("[{key}]"),
        }
    }

    fn inner_place(&self, key: &str) -> String {
        let place = self.place_of_kind();
        if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") }
    }

    fn place_of_kind(&self) -> String {
        match self.kind.borrow().as_deref() {
            Some(kind) => format!("{}<{kind}>", self.place),
            None => self.place.clone(),
        }
    }

    /// Reports the keys that nobody asked for.
    pub(crate) fn finish(&self) {
        let asked = self.asked.borrow();
        #[cfg(test)]
        {
            let seen = Seen { place: self.place_of_kind(), keys: asked.clone() };
            self.context.seen.borrow_mut().push(seen);
        }
        let known = || asked.iter().map(|asked| asked.key);
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if known().any(|key| key == name) {
                continue;
            }
            let message = format!("unknown key `{}` in {}", shortened(name), self.called);
            self.context.problem(key.span().start, message, |problem| {
                problem.expected(one_of(known())).nearest(name, known());
            });
        }
    }
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "`true` or `false`",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
