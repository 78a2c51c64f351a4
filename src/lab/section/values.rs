//! The values of a table's keys: texts, words, numbers, lists, names of other things.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde_json::Value;
use serde_json_path::JsonPath;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Section, Shape, Text, shortened};
use crate::blueprint::Count;
use crate::links::Kind;
use crate::names::Rule;
use crate::problem::one_of;

impl<'i> Section<'_, '_, 'i> {
    /// A text that may be left out.
    pub(crate) fn optional_text(&self, key: &'static str) -> Option<Text> {
        let value = self.get(key, false, Shape::Text)?;
        self.as_text(key, value)
    }

    fn as_text(&self, key: &str, value: &Spanned<DeValue<'i>>) -> Option<Text> {
        if let Some(text) = value.get_ref().as_str() {
            Some(Text { value: text.to_owned(), at: value.span().start })
        } else {
            self.wrong_type(key, value, "text in quotes");
            None
        }
    }

    /// A text that must be there and not be blank; `expected` says what it is.
    pub(crate) fn text(&self, key: &'static str, expected: &str) -> Text {
        self.text_of(key, expected, Shape::Text)
    }

    fn text_of(&self, key: &'static str, expected: &str, shape: Shape) -> Text {
        let Some(value) = self.get(key, true, shape) else {
            self.missing(key, expected);
            return Text::default();
        };
        let Some(text) = self.as_text(key, value) else {
            return Text::default();
        };
        if text.value.trim().is_empty() {
            let message = format!("`{key}` in {} is empty", self.called);
            self.context.problem(text.at, message, |problem| {
                problem.expected(expected);
            });
        }
        text
    }

    /// A text that must keep a rule.
    pub(crate) fn ruled(&self, key: &'static str, rule: Rule) -> Text {
        let text = self.text(key, rule.says);
        if !text.value.trim().is_empty() {
            self.context.check(rule, &text.value, text.at);
        }
        text
    }

    /// A text that must keep a rule and may be left out.
    pub(crate) fn optional_ruled(&self, key: &'static str, rule: Rule) -> Option<Text> {
        let text = self.optional_text(key)?;
        self.context.check(rule, &text.value, text.at);
        Some(text)
    }

    /// The name of something that must exist in the lab.
    pub(crate) fn link(&self, key: &'static str, kind: Kind) -> String {
        let text = self.text(key, &format!("the name of {}", kind.one()));
        if !text.value.is_empty() {
            self.context.link(kind, &text.value, text.at);
        }
        text.value
    }

    /// The name of something that must exist in the lab, which may be left out.
    pub(crate) fn optional_link(&self, key: &'static str, kind: Kind) -> Option<String> {
        let text = self.optional_text(key)?;
        self.context.link(kind, &text.value, text.at);
        Some(text.value)
    }

    /// Names of things that must exist in the lab.
    pub(crate) fn links(&self, key: &'static str, kind: &Kind) -> Vec<String> {
        let texts = self.texts(key, &format!("a list of names, each {}", kind.one()));
        self.linked(kind, texts)
    }

    /// Names of things that must exist in the lab, which may be left out.
    pub(crate) fn optional_links(&self, key: &'static str, kind: &Kind) -> Vec<String> {
        let texts = self.optional_texts(key, &format!("a list of names, each {}", kind.one()));
        self.linked(kind, texts)
    }

    fn linked(&self, kind: &Kind, texts: Vec<Text>) -> Vec<String> {
        let mut names = Vec::new();
        for text in texts {
            if names.contains(&text.value) {
                let message = format!("`{}` is named twice", shortened(&text.value));
                self.context.problem(text.at, message, |problem| {
                    problem.expected("each name once");
                });
            } else {
                self.context.link(kind.clone(), &text.value, text.at);
                names.push(text.value);
            }
        }
        names
    }

    /// One of some words.
    pub(crate) fn choice<T: Clone>(&self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let words = || choices.iter().map(|(word, _)| *word);
        let text = self.text_of(key, &one_of(words()), shape_of(choices));
        if text.value.is_empty() {
            return None;
        }
        let found = self.chosen(key, &text, choices);
        if key == "kind" && found.is_some() {
            *self.kind.borrow_mut() = Some(text.value);
        }
        found
    }

    /// One of some words, which may be left out.
    pub(crate) fn optional_choice<T: Clone>(
        &self,
        key: &'static str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let value = self.get(key, false, shape_of(choices))?;
        let text = self.as_text(key, value)?;
        self.chosen(key, &text, choices)
    }

    /// The value of a word.
    pub(crate) fn chosen<T: Clone>(
        &self,
        key: &str,
        text: &Text,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let words = || choices.iter().map(|(word, _)| *word);
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
        self.optional_number(key, range, unit).unwrap_or(default)
    }

    /// A whole number in a range, which may be left out.
    pub(crate) fn optional_number(
        &self,
        key: &'static str,
        range: &RangeInclusive<i64>,
        unit: &str,
    ) -> Option<i64> {
        let shape = Shape::Whole(*range.start(), *range.end());
        self.get(key, false, shape).and_then(|value| self.number_in(key, value, range, unit))
    }

    /// A whole number in a range, or the parameter that gives it; may be left out.
    pub(crate) fn optional_count(
        &self,
        key: &'static str,
        range: &RangeInclusive<i64>,
        unit: &str,
    ) -> Option<Count> {
        let value = self.get(key, false, Shape::Any)?;
        let Some(text) = value.get_ref().as_str() else {
            let number = self.number_in(key, value, range, unit)?;
            return i32::try_from(number).ok().map(Count::Number);
        };
        let at = value.span().start;
        let whole = text.strip_prefix("${parameter.").and_then(|rest| rest.strip_suffix('}'));
        let Some(name) = whole.filter(|name| !name.contains('}')) else {
            let expected = format!(
                "a whole number from {} to {} {unit}, or `${{parameter.NAME}}`",
                range.start(),
                range.end(),
            );
            let message = format!("`{key}` in {} is `{}`", self.called, shortened(text));
            self.context.problem(at, message, |problem| {
                problem.expected(expected);
            });
            return None;
        };
        self.context.link(Kind::Parameter, name, at);
        Some(Count::Parameter(name.to_owned()))
    }

    /// A whole number in a range that must be there.
    pub(crate) fn required_number(
        &self,
        key: &'static str,
        range: &RangeInclusive<i64>,
        unit: &str,
    ) -> i64 {
        let shape = Shape::Whole(*range.start(), *range.end());
        if let Some(value) = self.get(key, true, shape) {
            self.number_in(key, value, range, unit).unwrap_or_default()
        } else {
            let expected =
                format!("a whole number from {} to {} {unit}", range.start(), range.end());
            self.missing(key, expected.trim_end());
            0
        }
    }

    fn real_in(&self, key: &str, value: &Spanned<DeValue<'i>>, above: Option<f64>) -> Option<f64> {
        let number = real(value.get_ref())
            .filter(|number| number.is_finite() && above.is_none_or(|above| *number > above));
        if number.is_none() {
            let expected = match above {
                Some(above) => format!("a number greater than {above}"),
                None => "a number".to_owned(),
            };
            self.wrong_type(key, value, &expected);
        }
        number
    }

    /// A number greater than nothing that may have a fraction; left out, it is `default`.
    pub(crate) fn positive(&self, key: &'static str, default: f64) -> f64 {
        let value = self.get(key, false, Shape::Number);
        value.and_then(|value| self.real_in(key, value, Some(0.0))).unwrap_or(default)
    }

    /// A number that may have a fraction; left out, it is `default`.
    pub(crate) fn real(&self, key: &'static str, default: f64) -> f64 {
        let value = self.get(key, false, Shape::Number);
        value.and_then(|value| self.real_in(key, value, None)).unwrap_or(default)
    }

    /// A list of numbers, which may be left out.
    pub(crate) fn optional_numbers(&self, key: &'static str, expected: &str) -> Option<Vec<f64>> {
        let value = self.get(key, false, Shape::List)?;
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_type(key, value, expected);
            return None;
        };
        let numbers = items.iter().map(|item| {
            let number = real(item.get_ref());
            if number.is_none() {
                self.wrong_type(key, item, expected);
            }
            number
        });
        numbers.collect()
    }

    /// A number that may have a fraction and must be there, greater than `above` where that is given.
    pub(crate) fn required_real(&self, key: &'static str, above: Option<f64>) -> f64 {
        let Some(value) = self.get(key, true, Shape::Number) else {
            self.missing(key, "a number");
            return 0.0;
        };
        self.real_in(key, value, above).unwrap_or_default()
    }

    /// True or false, which must be there.
    pub(crate) fn flag(&self, key: &'static str) -> bool {
        let Some(value) = self.get(key, true, Shape::Flag) else {
            self.missing(key, "`true` or `false`");
            return false;
        };
        self.as_flag(key, value).unwrap_or_default()
    }

    /// True or false; left out, it is `default`.
    pub(crate) fn optional_flag(&self, key: &'static str, default: bool) -> bool {
        let value = self.get(key, false, Shape::Flag);
        value.and_then(|value| self.as_flag(key, value)).unwrap_or(default)
    }

    fn as_flag(&self, key: &str, value: &Spanned<DeValue<'i>>) -> Option<bool> {
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong_type(key, value, "`true` or `false`");
        }
        flag
    }

    /// A list of texts.
    pub(crate) fn texts(&self, key: &'static str, expected: &str) -> Vec<Text> {
        if self.get(key, true, Shape::List).is_none() {
            self.missing(key, expected);
        }
        self.optional_texts(key, expected)
    }

    /// A list of texts, which may be left out but not be empty.
    pub(crate) fn optional_texts(&self, key: &'static str, expected: &str) -> Vec<Text> {
        let Some(value) = self.get(key, false, Shape::List) else {
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
            let text = section.as_text(name.get_ref(), value)?;
            Some((name.get_ref().to_string(), text))
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

    /// Values by JSON path, which may be left out.
    pub(crate) fn json_map(&self, key: &'static str) -> BTreeMap<String, Value> {
        let values = self.value_map(key);
        for (path, (_, at)) in &values {
            self.check_path(path, *at);
        }
        values.into_iter().map(|(path, (value, _))| (path, value)).collect()
    }

    /// Checks that a text is a JSON path.
    pub(crate) fn check_path(&self, path: &str, at: usize) {
        if let Err(error) = JsonPath::parse(path) {
            let message = format!("`{}` is not a JSON path", shortened(path));
            let why = if path.starts_with('$') {
                format!("; at character {}: {}", error.position() + 1, error.message())
            } else {
                String::new()
            };
            self.context.problem(at, format!("{message}{why}"), |problem| {
                problem.expected("a path in quotes that begins with `$`, such as `\"$.count\"`");
            });
        }
    }

    /// Any value as JSON; text stands for the JSON that is written in it.
    pub(crate) fn json(&self, key: &'static str, required: bool) -> Option<(Value, usize)> {
        let expected = "a table, or JSON in quotes such as `'{\"ID\": 1}'`";
        let Some(value) = self.get(key, required, Shape::Any) else {
            if required {
                self.missing(key, expected);
            }
            return None;
        };
        let at = value.span().start;
        if let Some(text) = value.get_ref().as_str() {
            match serde_json::from_str(text) {
                Ok(json) => return Some((json, at)),
                Err(error) => {
                    let message = format!("`{key}` in {} is not JSON: {error}", self.called);
                    self.context.problem(at, message, |problem| {
                        problem.expected(expected);
                    });
                }
            }
            return None;
        }
        let json = plain_json(value.get_ref());
        if json.is_none() {
            self.wrong_type(key, value, &format!("{expected}; JSON has no dates"));
        }
        Some((json?, at))
    }
}

fn shape_of<T>(choices: &[(&str, T)]) -> Shape {
    Shape::Choice(choices.iter().map(|(word, _)| (*word).to_owned()).collect())
}

fn real(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number as f64)
        }
        DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
        _ => None,
    }
}

fn scalar(value: &DeValue<'_>) -> Option<Value> {
    match value {
        DeValue::String(text) => Some(Value::from(text.as_ref())),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok().map(Value::from)
        }
        DeValue::Float(_) => real(value).and_then(serde_json::Number::from_f64).map(Value::Number),
        DeValue::Boolean(flag) => Some(Value::Bool(*flag)),
        _ => None,
    }
}

/// A value as JSON; `None` where it holds what JSON does not have.
fn plain_json(value: &DeValue<'_>) -> Option<Value> {
    fn table(table: &DeTable<'_>) -> Option<Value> {
        let members = table
            .iter()
            .map(|(key, value)| Some((key.get_ref().to_string(), plain_json(value.get_ref())?)));
        members.collect::<Option<serde_json::Map<_, _>>>().map(Value::Object)
    }
    match value {
        DeValue::Array(items) => items
            .iter()
            .map(|item| plain_json(item.get_ref()))
            .collect::<Option<Vec<_>>>()
            .map(Value::Array),
        DeValue::Table(members) => table(members),
        other => scalar(other),
    }
}
