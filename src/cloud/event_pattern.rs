//! Event patterns: which events a filter lets through. Used by event source mappings and, for
//! message attributes, by the filter policies of topics.
//!
//! Source: Amazon `EventBridge` User Guide, "Comparison operators for use in event patterns"; SNS Developer
//! Guide, "Subscription filter policies".

use serde_json::{Map, Value};

use crate::iam::wildcard;

/// The most matchers and keys of a pattern together.
const PARTS_LIMIT: usize = 500;
/// How deep a pattern may be.
const DEPTH_LIMIT: usize = 20;

/// A pattern that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    fields: Fields,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Fields {
    all: Vec<(String, Node)>,
    /// `$or`: at least one of them.
    any: Vec<Fields>,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Object(Fields),
    Leaf(Vec<Matcher>),
}

#[derive(Debug, Clone, PartialEq)]
enum Matcher {
    Exactly(Value),
    Prefix(String),
    Suffix(String),
    IgnoreCase(String),
    Wildcard(String),
    Numeric(Vec<(Comparison, f64)>),
    Exists(bool),
    AnythingBut(Vec<Matcher>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Pattern {
    /// Reads a pattern, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        match serde_json::from_str(text) {
            Ok(Value::Object(members)) => {
                let fields = read_fields(&members, 0, &mut PARTS_LIMIT.clone())?;
                Ok(Self { fields })
            }
            Ok(_) => Err("it is not a JSON object".to_owned()),
            Err(error) => Err(format!("it is not JSON: {error}")),
        }
    }

    /// Whether an event fits.
    pub fn matches(&self, event: &Value) -> bool {
        self.fields.match_value(event)
    }

    /// Whether the pattern looks into `member` as into an object.
    pub fn looks_into(&self, member: &str) -> bool {
        self.fields.looks_into(member)
    }
}

fn read_fields(
    members: &Map<String, Value>,
    depth: usize,
    left: &mut usize,
) -> Result<Fields, String> {
    if depth > DEPTH_LIMIT {
        return Err("it is too deep".to_owned());
    }
    let mut fields = Fields::default();
    for (name, value) in members {
        *left = left.checked_sub(1).ok_or("it has too many parts")?;
        match value {
            Value::Array(choices) if name == "$or" => {
                if choices.len() < 2 {
                    return Err("$or needs at least two choices".to_owned());
                }
                for choice in choices {
                    let choice = choice.as_object().ok_or("a choice of $or is no object")?;
                    fields.any.push(read_fields(choice, depth + 1, left)?);
                }
            }
            Value::Object(members) => {
                let inner = read_fields(members, depth + 1, left)?;
                fields.all.push((name.clone(), Node::Object(inner)));
            }
            Value::Array(list) if !list.is_empty() => {
                let matchers = list.iter().map(|value| {
                    *left = left.checked_sub(1).ok_or("it has too many parts")?;
                    read_matcher(value)
                });
                let matchers = matchers.collect::<Result<Vec<_>, _>>()?;
                fields.all.push((name.clone(), Node::Leaf(matchers)));
            }
            _ => return Err(format!("\"{name}\" must be an object or a list that is not empty")),
        }
    }
    if fields.all.is_empty() && fields.any.is_empty() {
        return Err("empty objects are not allowed".to_owned());
    }
    Ok(fields)
}

fn read_matcher(value: &Value) -> Result<Matcher, String> {
    let Value::Object(members) = value else {
        return match value {
            Value::Array(_) => Err("a list in a list is not allowed".to_owned()),
            scalar => Ok(Matcher::Exactly(scalar.clone())),
        };
    };
    let mut members = members.iter();
    let (Some((name, value)), None) = (members.next(), members.next()) else {
        return Err("a matcher has exactly one member".to_owned());
    };
    let text = || {
        value.as_str().map(str::to_owned).ok_or_else(|| format!("the value of {name} is no text"))
    };
    match name.as_str() {
        "prefix" => text().map(Matcher::Prefix),
        "suffix" => text().map(Matcher::Suffix),
        "equals-ignore-case" => text().map(Matcher::IgnoreCase),
        "wildcard" => {
            let pattern = text()?;
            if pattern.contains(['?', '\\']) || pattern.contains("**") {
                return Err("this wildcard is not supported".to_owned());
            }
            Ok(Matcher::Wildcard(pattern))
        }
        "exists" => {
            let exists = value.as_bool().ok_or("the value of exists is neither true nor false")?;
            Ok(Matcher::Exists(exists))
        }
        "numeric" => numeric(value).map(Matcher::Numeric),
        "anything-but" => match value {
            Value::Array(list) if !list.is_empty() => {
                let inner = list.iter().map(read_matcher).collect::<Result<Vec<_>, _>>()?;
                Ok(Matcher::AnythingBut(inner))
            }
            Value::Array(_) => Err("the list of anything-but is empty".to_owned()),
            one => Ok(Matcher::AnythingBut(vec![read_matcher(one)?])),
        },
        other => Err(format!("the matcher {other} is not supported")),
    }
}

fn numeric(value: &Value) -> Result<Vec<(Comparison, f64)>, String> {
    let wrong = || "the value of numeric is no list of comparisons".to_owned();
    let list = value.as_array().filter(|list| matches!(list.len(), 2 | 4)).ok_or_else(wrong)?;
    list.chunks(2)
        .map(|pair| {
            let comparison = match pair[0].as_str() {
                Some("=") => Comparison::Equal,
                Some("<") => Comparison::Less,
                Some("<=") => Comparison::LessOrEqual,
                Some(">") => Comparison::Greater,
                Some(">=") => Comparison::GreaterOrEqual,
                _ => return Err(wrong()),
            };
            Ok((comparison, pair[1].as_f64().ok_or_else(wrong)?))
        })
        .collect()
}

impl Fields {
    fn match_value(&self, value: &Value) -> bool {
        let all = self.all.iter().all(|(name, node)| match node {
            Node::Object(fields) => match value.get(name) {
                Some(inner @ Value::Object(_)) => fields.match_value(inner),
                Some(Value::Array(list)) => list.iter().any(|inner| fields.match_value(inner)),
                _ => fields.match_value(&Value::Null),
            },
            Node::Leaf(matchers) => {
                let found = value.get(name);
                matchers.iter().any(|matcher| matcher.matches(found))
            }
        });
        all && (self.any.is_empty() || self.any.iter().any(|fields| fields.match_value(value)))
    }

    fn looks_into(&self, member: &str) -> bool {
        self.all.iter().any(|(name, node)| name == member && matches!(node, Node::Object(_)))
            || self.any.iter().any(|fields| fields.looks_into(member))
    }
}

impl Matcher {
    fn matches(&self, found: Option<&Value>) -> bool {
        if let Self::Exists(wanted) = self {
            // Only leaves exist.
            return *wanted == found.is_some_and(|value| !value.is_object());
        }
        match found {
            None | Some(Value::Object(_)) => false,
            Some(Value::Array(list)) => list.iter().any(|value| self.matches_one(value)),
            Some(value) => self.matches_one(value),
        }
    }

    fn matches_one(&self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Self::Exactly(Value::Number(wanted)) => {
                value.as_f64().is_some_and(|number| Some(number) == wanted.as_f64())
            }
            Self::Exactly(wanted) => wanted == value,
            Self::Prefix(prefix) => text.is_some_and(|text| text.starts_with(prefix)),
            Self::Suffix(suffix) => text.is_some_and(|text| text.ends_with(suffix)),
            Self::IgnoreCase(wanted) => {
                text.is_some_and(|text| text.to_lowercase() == wanted.to_lowercase())
            }
            Self::Wildcard(pattern) => text.is_some_and(|text| wildcard::matches(pattern, text)),
            Self::Numeric(comparisons) => value.as_f64().is_some_and(|number| {
                comparisons.iter().all(|(comparison, bound)| comparison.holds(number, *bound))
            }),
            Self::AnythingBut(inner) => !inner.iter().any(|matcher| matcher.matches_one(value)),
            Self::Exists(_) => false,
        }
    }
}

impl Comparison {
    #[allow(clippy::float_cmp)]
    fn holds(self, number: f64, bound: f64) -> bool {
        match self {
            Self::Equal => number == bound,
            Self::Less => number < bound,
            Self::LessOrEqual => number <= bound,
            Self::Greater => number > bound,
            Self::GreaterOrEqual => number >= bound,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn fits(pattern: &Value, event: &Value) -> bool {
        Pattern::parse(&pattern.to_string()).unwrap().matches(event)
    }

    #[test]
    fn every_matcher() {
        let event = json!({"kind": "Cat", "price": 9.5, "tags": ["a", "b"], "of": {"zoo": true}});
        for (pattern, expected) in [
            (json!({"kind": ["Dog", "Cat"]}), true),
            (json!({"kind": ["cat"]}), false),
            (json!({"kind": [{"equals-ignore-case": "cat"}]}), true),
            (json!({"kind": [{"prefix": "C"}], "of": {"zoo": [true]}}), true),
            (json!({"kind": [{"suffix": "x"}]}), false),
            (json!({"kind": [{"wildcard": "C*t"}]}), true),
            (json!({"kind": [{"anything-but": ["Cat", "Dog"]}]}), false),
            (json!({"kind": [{"anything-but": {"prefix": "D"}}]}), true),
            (json!({"price": [{"numeric": [">", 0, "<=", 9.5]}]}), true),
            (json!({"price": [{"numeric": ["<", 9.5]}]}), false),
            (json!({"tags": ["b"]}), true),
            (json!({"age": [{"exists": false}]}), true),
            (json!({"kind": [{"exists": false}]}), false),
            (json!({"of": {"park": [{"exists": false}]}}), true),
            (json!({"none": {"x": ["y"]}}), false),
            (json!({"$or": [{"kind": ["Dog"]}, {"price": [9.5]}]}), true),
        ] {
            assert_eq!(fits(&pattern, &event), expected, "{pattern}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"a": "b"}"#,
            r#"{"a": []}"#,
            r#"{"a": [{"near": 1}]}"#,
            r#"{"a": [{"prefix": 1}]}"#,
            r#"{"a": [[1]]}"#,
            r#"{"a": {}}"#,
            r#"{"a": [{"numeric": [">"]}]}"#,
        ] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
        assert!(Pattern::parse(&"{\"a\":".repeat(100)).is_err());
    }
}
