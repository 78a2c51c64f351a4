//! Values and where their parts are.
//!
//! Lists and maps are shared and changed in place, as Java's are, and may contain themselves. They
//! live in one heap that goes as a whole: nothing is dropped recursively.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Instant;

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::number::Number;
use super::{Limits, TemplateError};

/// A value of a template.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i32),
    Long(i64),
    Big(i128),
    Double(f64),
    Char(char),
    Text(Rc<str>),
    List(usize),
    Map(usize),
    /// One entry of a map: key and value when it was taken.
    Entry(Rc<(Key, Value)>),
    /// `$foreach` of the loop at this depth.
    Loop(usize),
    /// What `#define` made: its number.
    Block(usize),
    Input,
    Util,
}

impl Value {
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::Text(Rc::from(text.as_ref()))
    }
}

/// A key of a map.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Null,
    Bool(bool),
    Int(i32),
    Long(i64),
    /// A double by its bits.
    Double(u64),
    Char(char),
    Text(Rc<str>),
}

impl Key {
    /// The key that a value is; lists and maps cannot be one here.
    pub fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => Self::Int(*value),
            Value::Long(value) => Self::Long(*value),
            Value::Double(value) => Self::Double(value.to_bits()),
            Value::Char(value) => Self::Char(*value),
            Value::Text(value) => Self::Text(Rc::clone(value)),
            _ => return None,
        })
    }

    pub fn text(text: &str) -> Self {
        Self::Text(Rc::from(text))
    }

    /// The key as a value.
    pub fn value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::Long(value) => Value::Long(*value),
            Self::Double(bits) => Value::Double(f64::from_bits(*bits)),
            Self::Char(value) => Value::Char(*value),
            Self::Text(value) => Value::Text(Rc::clone(value)),
        }
    }
}

/// Which of Java's collections a list is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    List,
    /// A list that came from JSON: it is written as JSON.
    Json,
    Array,
    Set,
    Collection,
}

#[derive(Debug)]
pub(super) struct List {
    pub items: Vec<Value>,
    pub kind: Kind,
}

#[derive(Debug, Default)]
pub(super) struct Map {
    pub items: IndexMap<Key, Value>,
    /// Names are found whatever their case, as those of headers.
    pub folds: bool,
    /// Each key can be set once: the overrides of requests and responses. The keys set.
    pub once: Option<HashSet<Key>>,
}

impl Map {
    /// The value at a key.
    pub fn get(&self, key: &Key) -> Option<&Value> {
        if let Some(found) = self.items.get(key) {
            return Some(found);
        }
        let Key::Text(name) = key else { return None };
        if !self.folds {
            return None;
        }
        let same =
            |known: &Key| matches!(known, Key::Text(known) if known.eq_ignore_ascii_case(name));
        self.items.iter().find(|(known, _)| same(known)).map(|(_, value)| value)
    }
}

/// Lists, maps, and what may still be done.
#[derive(Debug)]
pub(super) struct Heap {
    pub lists: Vec<List>,
    pub maps: Vec<Map>,
    pub limits: Limits,
    work: RefCell<usize>,
    end: Instant,
}

impl Heap {
    pub fn new(limits: &Limits) -> Self {
        Self {
            lists: Vec::new(),
            maps: Vec::new(),
            limits: *limits,
            work: RefCell::new(0),
            end: Instant::now() + limits.time,
        }
    }

    /// Counts `amount` of work.
    pub fn charge(&self, amount: usize) -> Result<(), TemplateError> {
        let mut work = self.work.borrow_mut();
        let before = *work;
        *work = before.saturating_add(amount);
        if *work > self.limits.work {
            return Err(TemplateError::Limit("an evaluation's work"));
        }
        if before / 256 != *work / 256 && Instant::now() > self.end {
            return Err(TemplateError::Limit("an evaluation's time"));
        }
        Ok(())
    }

    /// Counts a text, and refuses one that is too long.
    pub fn charge_text(&self, length: usize) -> Result<(), TemplateError> {
        if length > self.limits.output {
            return Err(TemplateError::Limit("a text's length"));
        }
        self.charge(1 + length / 32)
    }

    pub fn list(&mut self, items: Vec<Value>, kind: Kind) -> Result<Value, TemplateError> {
        self.charge(1 + items.len())?;
        self.lists.push(List { items, kind });
        Ok(Value::List(self.lists.len() - 1))
    }

    pub fn map(&mut self, items: IndexMap<Key, Value>) -> Result<Value, TemplateError> {
        self.charge(1 + items.len())?;
        self.maps.push(Map { items, ..Map::default() });
        Ok(Value::Map(self.maps.len() - 1))
    }

    /// A map of texts.
    pub fn texts<'t>(
        &mut self,
        items: impl IntoIterator<Item = (&'t str, &'t str)>,
    ) -> Result<Value, TemplateError> {
        let items = items.into_iter().map(|(name, value)| (Key::text(name), Value::text(value)));
        self.map(items.collect())
    }

    /// Sets an entry of a map; answers what was there.
    pub fn put(&mut self, map: usize, key: Key, value: Value) -> Result<Value, TemplateError> {
        self.charge(1)?;
        let map = &mut self.maps[map];
        if let Some(set) = &mut map.once
            && !set.insert(key.clone())
        {
            return Err(TemplateError::Failed("an override may only be applied once".to_owned()));
        }
        Ok(map.items.insert(key, value).unwrap_or(Value::Null))
    }

    /// A JSON document as values. `serde_json` bounds its depth.
    pub fn import(&mut self, json: &Json) -> Result<Value, TemplateError> {
        self.charge(1)?;
        Ok(match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(whole), _) => Number::integer(whole.into()),
                (None, Some(whole)) => Number::integer(whole.into()),
                _ => Value::Double(number.as_f64().unwrap_or_default()),
            },
            Json::String(text) => Value::text(text),
            Json::Array(items) => {
                let items = items.iter().map(|item| self.import(item));
                let items = items.collect::<Result<_, _>>()?;
                self.list(items, Kind::Json)?
            }
            Json::Object(members) => {
                let mut items = IndexMap::with_capacity(members.len());
                for (name, member) in members {
                    items.insert(Key::text(name), self.import(member)?);
                }
                self.map(items)?
            }
        })
    }
}
