//! The methods of lists, maps, numbers and truth values, as Java's collections have them.
//!
//! A method that there is not, or not for arguments of these types, has no value; one that fails in
//! Java fails the template.

use std::rc::Rc;

use super::TemplateError;
use super::eval::Interpreter;
use super::heap::{Key, Kind, Value};
use super::number::Number;

/// What a failing method throws.
pub(super) fn thrown(method: &str, exception: &str) -> TemplateError {
    TemplateError::Failed(format!("Invocation of method '{method}' threw exception {exception}"))
}

impl Interpreter<'_> {
    /// `target.name(arguments)`.
    pub fn call(
        &mut self,
        target: &Value,
        name: &str,
        arguments: &[Value],
    ) -> Result<Value, TemplateError> {
        self.heap.charge(1)?;
        match (name, arguments) {
            ("toString", []) => {
                if let Value::Block(block) = target {
                    return self.block_text(*block);
                }
                let text = self.heap.to_text(target)?;
                self.heap.charge_text(text.len())?;
                return Ok(Value::text(text));
            }
            ("equals", [other]) => return Ok(Value::Bool(self.equals(target, other, 0)?)),
            _ => {}
        }
        match target {
            Value::List(id) => self.list_method(*id, name, arguments),
            Value::Map(id) => self.map_method(*id, name, arguments),
            Value::Text(text) => self.text_method(&Rc::clone(text), name, arguments),
            Value::Input => self.input_method(name, arguments),
            Value::Util => self.util_method(name, arguments),
            Value::Entry(entry) => Ok(match (name, arguments) {
                ("getKey", []) => entry.0.value(),
                ("getValue", []) => entry.1.clone(),
                _ => Value::Null,
            }),
            Value::Loop(depth) => Ok(match (name, arguments) {
                ("hasNext", []) => self.round(*depth, "hasNext"),
                ("isFirst", []) => self.round(*depth, "first"),
                ("isLast", []) => self.round(*depth, "last"),
                ("getIndex", []) => self.round(*depth, "index"),
                ("getCount", []) => self.round(*depth, "count"),
                ("getParent", []) => self.round(*depth, "parent"),
                _ => Value::Null,
            }),
            Value::Bool(value) => Ok(match (name, arguments) {
                ("booleanValue", []) => Value::Bool(*value),
                ("compareTo", [Value::Bool(other)]) => order(value.cmp(other)),
                ("parseBoolean", [Value::Text(text)]) => {
                    Value::Bool(text.eq_ignore_ascii_case("true"))
                }
                _ => Value::Null,
            }),
            Value::Char(value) => Ok(match (name, arguments) {
                ("charValue", []) => Value::Char(*value),
                ("compareTo", [Value::Char(other)]) => order(value.cmp(other)),
                _ => Value::Null,
            }),
            other => match Number::of(other) {
                Some(number) => self.number_method(number, name, arguments),
                None => Ok(Value::Null),
            },
        }
    }

    fn list_method(
        &mut self,
        id: usize,
        name: &str,
        arguments: &[Value],
    ) -> Result<Value, TemplateError> {
        let kind = self.heap.lists[id].kind;
        let size = self.heap.lists[id].items.len();
        self.heap.charge(match name {
            "size" | "isEmpty" | "get" | "set" => 1,
            _ => 1 + size / 8,
        })?;
        let indexed = matches!(kind, Kind::List | Kind::Json | Kind::Array);
        let at = |index: i32, end: usize| {
            usize::try_from(index).ok().filter(|at| *at < end).ok_or_else(|| {
                let text = format!(
                    "java.lang.IndexOutOfBoundsException: Index {index} out of bounds for length \
                     {size}"
                );
                thrown(name, &text)
            })
        };
        let number = |value: usize| Value::Int(i32::try_from(value).unwrap_or(i32::MAX));
        Ok(match (name, arguments) {
            ("size", []) => number(size),
            ("isEmpty", []) => Value::Bool(size == 0),
            ("get", [Value::Int(index)]) if indexed => {
                let at = at(*index, size)?;
                self.heap.lists[id].items[at].clone()
            }
            ("set", [Value::Int(index), value]) if indexed => {
                let at = at(*index, size)?;
                std::mem::replace(&mut self.heap.lists[id].items[at], value.clone())
            }
            ("contains", [value]) => Value::Bool(self.find(id, value)?.is_some()),
            ("indexOf", [value]) if indexed => self.find(id, value)?.map_or(Value::Int(-1), number),
            ("containsAll", [Value::List(others)]) => {
                let others = self.heap.lists[*others].items.clone();
                for other in &others {
                    if self.find(id, other)?.is_none() {
                        return Ok(Value::Bool(false));
                    }
                }
                Value::Bool(true)
            }
            ("iterator" | "listIterator" | "toArray", []) => Value::List(id),
            _ if kind == Kind::Array => Value::Null,
            ("add", [value]) if kind != Kind::Collection => {
                self.heap.charge(1)?;
                self.heap.lists[id].items.push(value.clone());
                Value::Bool(true)
            }
            ("add", [Value::Int(index), value]) if indexed => {
                let at = at(*index, size + 1)?;
                self.heap.lists[id].items.insert(at, value.clone());
                // A method without a result has none here either.
                Value::Null
            }
            ("addAll", [Value::List(others)]) => {
                let others = self.heap.lists[*others].items.clone();
                self.heap.charge(others.len())?;
                let changed = !others.is_empty();
                self.heap.lists[id].items.extend(others);
                Value::Bool(changed)
            }
            ("remove", [Value::Int(index)]) if indexed => {
                let at = at(*index, size)?;
                self.heap.lists[id].items.remove(at)
            }
            ("remove", [value]) => {
                let found = self.find(id, value)?;
                if let Some(at) = found {
                    self.heap.lists[id].items.remove(at);
                }
                Value::Bool(found.is_some())
            }
            ("removeAll" | "retainAll", [Value::List(others)]) => {
                let mut kept = Vec::new();
                for item in self.heap.lists[id].items.clone() {
                    if self.find(*others, &item)?.is_some() == (name == "retainAll") {
                        kept.push(item);
                    }
                }
                let changed = kept.len() != size;
                self.heap.lists[id].items = kept;
                Value::Bool(changed)
            }
            ("subList", [Value::Int(from), Value::Int(to)]) if indexed => {
                let (from, to) = (at(*from, size + 1)?, at(*to, size + 1)?);
                let part = self.heap.lists[id].items.get(from..to).map(<[Value]>::to_vec);
                let part =
                    part.ok_or_else(|| thrown(name, "java.lang.IllegalArgumentException"))?;
                self.heap.list(part, kind)?
            }
            ("clear", []) => {
                self.heap.lists[id].items.clear();
                Value::Null
            }
            _ => Value::Null,
        })
    }

    fn find(&self, list: usize, value: &Value) -> Result<Option<usize>, TemplateError> {
        for (at, item) in self.heap.lists[list].items.iter().enumerate() {
            if self.equals(item, value, 0)? {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    fn map_method(
        &mut self,
        id: usize,
        name: &str,
        arguments: &[Value],
    ) -> Result<Value, TemplateError> {
        let map = &self.heap.maps[id];
        let size = map.items.len();
        Ok(match (name, arguments) {
            ("size", []) => Value::Int(i32::try_from(size).unwrap_or(i32::MAX)),
            ("isEmpty", []) => Value::Bool(size == 0),
            ("get", [key]) => {
                Key::of(key).and_then(|key| map.get(&key).cloned()).unwrap_or(Value::Null)
            }
            ("getOrDefault", [key, default]) => {
                let found = Key::of(key).and_then(|key| map.get(&key).cloned());
                found.unwrap_or_else(|| default.clone())
            }
            ("containsKey", [key]) => {
                Value::Bool(Key::of(key).is_some_and(|key| map.get(&key).is_some()))
            }
            ("containsValue", [value]) => {
                for item in map.items.values() {
                    if self.equals(item, value, 0)? {
                        return Ok(Value::Bool(true));
                    }
                }
                Value::Bool(false)
            }
            ("put", [key, value]) => {
                let key = self.key(key)?;
                self.heap.put(id, key, value.clone())?
            }
            ("putIfAbsent", [key, value]) => {
                let key = self.key(key)?;
                match self.heap.maps[id].get(&key).cloned() {
                    Some(Value::Null) | None => {
                        self.heap.put(id, key, value.clone())?;
                        Value::Null
                    }
                    Some(found) => found,
                }
            }
            ("putAll", [Value::Map(others)]) => {
                let others = self.heap.maps[*others].items.clone();
                for (key, value) in others {
                    self.heap.put(id, key, value)?;
                }
                Value::Null
            }
            ("remove", [key]) => {
                self.heap.charge(1 + size / 8)?;
                let map = &mut self.heap.maps[id];
                Key::of(key).and_then(|key| map.items.shift_remove(&key)).unwrap_or(Value::Null)
            }
            ("clear", []) => {
                self.heap.maps[id].items.clear();
                Value::Null
            }
            ("keySet", []) => {
                let keys = map.items.keys().map(Key::value).collect();
                self.heap.list(keys, Kind::Set)?
            }
            ("values", []) => {
                let values = map.items.values().cloned().collect();
                self.heap.list(values, Kind::Collection)?
            }
            ("entrySet", []) => {
                let entry = |(key, value): (&Key, &Value)| {
                    Value::Entry(Rc::new((key.clone(), value.clone())))
                };
                let entries = map.items.iter().map(entry).collect();
                self.heap.list(entries, Kind::Set)?
            }
            _ => Value::Null,
        })
    }

    /// A value as a map's key; lists and maps are their text.
    fn key(&self, value: &Value) -> Result<Key, TemplateError> {
        match Key::of(value) {
            Some(key) => Ok(key),
            None => Ok(Key::text(&self.heap.to_text(value)?)),
        }
    }

    fn number_method(
        &self,
        number: Number,
        name: &str,
        arguments: &[Value],
    ) -> Result<Value, TemplateError> {
        let format = |text: &str| {
            let text = format!("java.lang.NumberFormatException: For input string: \"{text}\"");
            thrown(name, &text)
        };
        Ok(match (name, arguments) {
            ("intValue" | "hashCode", []) => Value::Int(number.as_int()),
            ("longValue", []) => Value::Long(number.as_long()),
            ("doubleValue" | "floatValue", []) => Value::Double(number.as_double()),
            ("shortValue", []) => Value::Int((number.as_long() as i16).into()),
            ("byteValue", []) => Value::Int((number.as_long() as i8).into()),
            ("compareTo", [other]) => match (number, other) {
                (Number::Int(a), Value::Int(b)) => order(a.cmp(b)),
                (Number::Long(a), Value::Long(b)) => order(a.cmp(b)),
                (Number::Double(a), Value::Double(b)) => order(a.total_cmp(b)),
                _ => Value::Null,
            },
            ("parseInt" | "valueOf", [Value::Text(text)]) if matches!(number, Number::Int(_)) => {
                Value::Int(java_integer(text, 10).and_then(fits).ok_or_else(|| format(text))?)
            }
            ("parseInt", [Value::Text(text), Value::Int(radix @ 2..=36)])
                if matches!(number, Number::Int(_)) =>
            {
                let radix = radix.unsigned_abs();
                Value::Int(java_integer(text, radix).and_then(fits).ok_or_else(|| format(text))?)
            }
            ("parseLong" | "valueOf", [Value::Text(text)]) if matches!(number, Number::Long(_)) => {
                let read = java_integer(text, 10).and_then(|value| i64::try_from(value).ok());
                Value::Long(read.ok_or_else(|| format(text))?)
            }
            ("parseDouble" | "valueOf", [Value::Text(text)])
                if matches!(number, Number::Double(_)) =>
            {
                let plain = text.trim().trim_end_matches(['d', 'D', 'f', 'F']);
                let digits = plain.bytes().any(|byte| byte.is_ascii_digit());
                let read = plain.parse().ok().filter(|_| digits);
                Value::Double(read.ok_or_else(|| format(text))?)
            }
            ("toString", [value]) => Number::of(value)
                .map_or(Ok(Value::Null), |_| self.heap.to_text(value).map(Value::text))?,
            ("toHexString", [Value::Int(value)]) => Value::text(format!("{value:x}")),
            ("toBinaryString", [Value::Int(value)]) => Value::text(format!("{value:b}")),
            ("toOctalString", [Value::Int(value)]) => Value::text(format!("{value:o}")),
            ("max", [Value::Int(a), Value::Int(b)]) => Value::Int(*a.max(b)),
            ("min", [Value::Int(a), Value::Int(b)]) => Value::Int(*a.min(b)),
            ("sum", [Value::Int(a), Value::Int(b)]) => Value::Int(a.wrapping_add(*b)),
            ("isNaN", []) => Value::Bool(number.as_double().is_nan()),
            ("isInfinite", []) => Value::Bool(number.as_double().is_infinite()),
            _ => Value::Null,
        })
    }
}

fn fits(value: i128) -> Option<i32> {
    i32::try_from(value).ok()
}

/// An integer as `Integer.parseInt` reads it: a sign and digits, nothing else.
fn java_integer(text: &str, radix: u32) -> Option<i128> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    i128::from_str_radix(text, radix).ok()
}

/// An order as Java's `compareTo` says it.
pub(super) fn order(order: std::cmp::Ordering) -> Value {
    Value::Int(order as i32)
}
