//! Reading tables of a TOML file key by key: wrong types, missing keys and unknown keys become
//! problems with their place, and reading goes on.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

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
}

impl<'a> Context<'a> {
    pub(crate) fn new(text: &'a str, damage: Damage, findings: &'a mut Findings) -> Self {
        Self { text, damage, findings: RefCell::new(findings), links: RefCell::new(Vec::new()) }
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

    pub(crate) fn into_links(self) -> Vec<Link> {
        self.links.into_inner()
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
    table: &'c DeTable<'i>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'c, 'a, 'i> Section<'c, 'a, 'i> {
    pub(crate) fn new(
        context: &'c Context<'a>,
        called: impl Into<String>,
        at: usize,
        table: &'c DeTable<'i>,
    ) -> Self {
        Self { context, called: called.into(), at, table, asked: RefCell::new(Vec::new()) }
    }

    /// The value of a key; the key counts as known from now on.
    pub(crate) fn get(&self, key: &'static str) -> Option<&'c Spanned<DeValue<'i>>> {
        self.asked.borrow_mut().push(key);
        self.table.get(key)
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

    fn wrong_type(&self, key: &str, value: &Spanned<DeValue<'i>>, expected: &str) {
        let message = format!("`{key}` in {} is {}", self.called, type_name(value.get_ref()));
        self.context.problem(value.span().start, message, |problem| {
            problem.expected(expected);
        });
    }

    /// A text that may be left out.
    pub(crate) fn optional_text(&self, key: &'static str) -> Option<Text> {
        let value = self.get(key)?;
        if let Some(text) = value.get_ref().as_str() {
            Some(Text { value: text.to_owned(), at: value.span().start })
        } else {
            self.wrong_type(key, value, "text in quotes");
            None
        }
    }

    /// A text that must be there and not be blank; `expected` says what it is.
    pub(crate) fn text(&self, key: &'static str, expected: &str) -> Text {
        let known_problem = self.table.contains_key(key);
        match self.optional_text(key) {
            Some(text) if text.value.trim().is_empty() => {
                let message = format!("`{key}` in {} is empty", self.called);
                self.context.problem(text.at, message, |problem| {
                    problem.expected(expected);
                });
                text
            }
            Some(text) => text,
            None => {
                if !known_problem {
                    self.missing(key, expected);
                }
                Text::default()
            }
        }
    }

    /// A text that must keep a rule.
    pub(crate) fn ruled(&self, key: &'static str, rule: Rule) -> Text {
        let text = self.text(key, rule.says);
        if !text.value.trim().is_empty() {
            self.context.check(rule, &text.value, text.at);
        }
        text
    }

    /// The name of something that must exist in the lab.
    pub(crate) fn link(&self, key: &'static str, kind: Kind) -> String {
        let text = self.text(key, &format!("the name of {}", kind.one()));
        if !text.value.is_empty() {
            self.context.link(kind, &text.value, text.at);
        }
        text.value
    }

    /// One of some words.
    pub(crate) fn choice<T: Clone>(&self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let words = || choices.iter().map(|(word, _)| *word);
        let text = self.text(key, &one_of(words()));
        if text.value.is_empty() {
            return None;
        }
        let found = choices.iter().find(|(word, _)| *word == text.value);
        if found.is_none() {
            let message =
                format!("unknown `{key}` `{}` in {}", shortened(&text.value), self.called);
            self.context.problem(text.at, message, |problem| {
                problem.expected(one_of(words())).nearest(&text.value, words());
            });
        }
        found.map(|(_, value)| value.clone())
    }

    fn number_in(
        &self,
        key: &'static str,
        value: &Spanned<DeValue<'i>>,
        range: &RangeInclusive<i64>,
        unit: &str,
    ) -> Option<i64> {
        let expected = format!(
            "a whole number from {} to {}{}{unit}",
            range.start(),
            range.end(),
            if unit.is_empty() { "" } else { " " },
        );
        let Some(integer) = value.get_ref().as_integer() else {
            self.wrong_type(key, value, &expected);
            return None;
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let message = format!("`{key}` in {} is out of range: {integer}", self.called);
            self.context.problem(value.span().start, message, |problem| {
                problem.expected(expected);
            });
        }
        number
    }

    /// A whole number in a range; left out, it is `default`.
    pub(crate) fn number(
        &self,
        key: &'static str,
        range: &RangeInclusive<i64>,
        unit: &str,
        default: i64,
    ) -> i64 {
        self.get(key).and_then(|value| self.number_in(key, value, range, unit)).unwrap_or(default)
    }

    /// A whole number in a range that must be there.
    pub(crate) fn required_number(
        &self,
        key: &'static str,
        range: &RangeInclusive<i64>,
        unit: &str,
    ) -> i64 {
        if let Some(value) = self.get(key) {
            self.number_in(key, value, range, unit).unwrap_or_default()
        } else {
            let expected =
                format!("a whole number from {} to {} {unit}", range.start(), range.end());
            self.missing(key, expected.trim_end());
            0
        }
    }

    /// A number greater than nothing that may have a fraction; left out, it is `default`.
    pub(crate) fn positive(&self, key: &'static str, default: f64) -> f64 {
        let Some(value) = self.get(key) else {
            return default;
        };
        let text = match value.get_ref() {
            DeValue::Integer(number) => Some(number.to_string()),
            DeValue::Float(number) => Some(number.as_str().to_owned()),
            _ => None,
        };
        let number = text
            .and_then(|text| text.parse::<f64>().ok())
            .filter(|number| number.is_finite() && *number > 0.0);
        number.unwrap_or_else(|| {
            self.wrong_type(key, value, "a number greater than 0");
            default
        })
    }

    /// True or false, which must be there.
    pub(crate) fn flag(&self, key: &'static str) -> bool {
        let Some(value) = self.get(key) else {
            self.missing(key, "`true` or `false`");
            return false;
        };
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.wrong_type(key, value, "`true` or `false`");
            false
        })
    }

    /// A list of texts.
    pub(crate) fn texts(&self, key: &'static str, expected: &str) -> Vec<Text> {
        let Some(value) = self.get(key) else {
            self.missing(key, expected);
            return Vec::new();
        };
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_type(key, value, expected);
            return Vec::new();
        };
        if items.is_empty() {
            let message = format!("`{key}` in {} is empty", self.called);
            self.context.problem(value.span().start, message, |problem| {
                problem.expected(expected);
            });
        }
        let texts = items.iter().filter_map(|item| {
            if let Some(text) = item.get_ref().as_str() {
                Some(Text { value: text.to_owned(), at: item.span().start })
            } else {
                self.wrong_type(key, item, expected);
                None
            }
        });
        texts.collect()
    }

    /// A table of texts, which may be left out.
    pub(crate) fn text_map(&self, key: &'static str, rule: Option<Rule>) -> BTreeMap<String, Text> {
        let Some(section) = self.section(key) else {
            return BTreeMap::new();
        };
        let entries = section.table.iter().filter_map(|(name, value)| {
            if let Some(rule) = rule {
                self.context.check(rule, name.get_ref(), name.span().start);
            }
            if let Some(text) = value.get_ref().as_str() {
                let text = Text { value: text.to_owned(), at: value.span().start };
                Some((name.get_ref().to_string(), text))
            } else {
                section.wrong_type(name.get_ref(), value, "text in quotes");
                None
            }
        });
        entries.collect()
    }

    /// A table of JSON values, which may be left out.
    pub(crate) fn value_map(&self, key: &'static str) -> BTreeMap<String, (Value, usize)> {
        let Some(section) = self.section(key) else {
            return BTreeMap::new();
        };
        let entries = section.table.iter().filter_map(|(name, value)| {
            let json = scalar(value.get_ref());
            if json.is_none() {
                section.wrong_type(name.get_ref(), value, "text, a number, or `true` or `false`");
            }
            Some((name.get_ref().to_string(), (json?, name.span().start)))
        });
        entries.collect()
    }

    /// A table that may be left out.
    pub(crate) fn section(&self, key: &'static str) -> Option<Section<'c, 'a, 'i>> {
        let value = self.get(key)?;
        let Some(table) = value.get_ref().as_table() else {
            self.wrong_type(key, value, "a table");
            return None;
        };
        Some(Section::new(self.context, self.inner_name(key), value.span().start, table))
    }

    /// A table that must be there; `expected` says what it is.
    pub(crate) fn required_section(
        &self,
        key: &'static str,
        expected: &str,
    ) -> Option<Section<'c, 'a, 'i>> {
        if !self.table.contains_key(key) {
            self.missing(key, expected);
        }
        self.section(key)
    }

    /// The tables in a list of tables.
    pub(crate) fn list(&self, key: &'static str, expected: &str) -> Vec<Section<'c, 'a, 'i>> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_type(key, value, expected);
            return Vec::new();
        };
        let sections = items.iter().filter_map(|item| {
            let at = item.span().start;
            if let Some(table) = item.get_ref().as_table() {
                Some(Section::new(self.context, self.inner_name(key), at, table))
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
        let mut named: Vec<_> = section
            .table
            .iter()
            .filter_map(|(name, value)| {
                let at = name.span().start;
                self.context.check(rule, name.get_ref(), at);
                let Some(table) = value.get_ref().as_table() else {
                    section.wrong_type(name.get_ref(), value, &format!("a table `[{key}.NAME]`"));
                    return None;
                };
                let called = format!("[{key}.{}]", name.get_ref());
                let inner = Section::new(self.context, called, at, table);
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

    /// Reports the keys that nobody asked for.
    pub(crate) fn finish(&self) {
        let asked = self.asked.borrow();
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if asked.contains(&name) {
                continue;
            }
            let message = format!("unknown key `{}` in {}", shortened(name), self.called);
            self.context.problem(key.span().start, message, |problem| {
                problem
                    .expected(one_of(asked.iter().copied()))
                    .nearest(name, asked.iter().copied());
            });
        }
    }
}

fn scalar(value: &DeValue<'_>) -> Option<Value> {
    match value {
        DeValue::String(text) => Some(Value::from(text.as_ref())),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(Value::from)
        }
        DeValue::Float(number) => number
            .as_str()
            .parse::<f64>()
            .ok()
            .and_then(serde_json::Number::from_f64)
            .map(Value::Number),
        DeValue::Boolean(flag) => Some(Value::Bool(*flag)),
        _ => None,
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
