//! The methods of texts, as `java.lang.String` has them: positions count UTF-16 units.

use std::rc::Rc;

use super::TemplateError;
use super::eval::Interpreter;
use super::heap::{Kind, Value};
use super::java_regex::JavaPattern;
use super::methods::thrown;

impl Interpreter<'_> {
    pub fn text_method(
        &mut self,
        text: &Rc<str>,
        name: &str,
        arguments: &[Value],
    ) -> Result<Value, TemplateError> {
        self.heap.charge(1 + text.len() / 64)?;
        Ok(match (name, arguments) {
            ("length", []) => position(units(text)),
            ("isEmpty", []) => Value::Bool(text.is_empty()),
            ("isBlank", []) => Value::Bool(text.trim().is_empty()),
            ("trim", []) => Value::text(text.trim_matches(|c: char| c <= ' ')),
            ("strip", []) => Value::text(text.trim()),
            ("toLowerCase", []) => Value::text(text.to_lowercase()),
            ("toUpperCase", []) => Value::text(text.to_uppercase()),
            ("intern", []) => Value::Text(Rc::clone(text)),
            ("hashCode", []) => Value::Int(
                text.encode_utf16()
                    .fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into())),
            ),
            ("concat", [Value::Text(other)]) => self.made(format!("{text}{other}"))?,
            ("equalsIgnoreCase", [Value::Text(other)]) => {
                Value::Bool(text.to_lowercase() == other.to_lowercase())
            }
            ("equalsIgnoreCase", [_]) => Value::Bool(false),
            ("contains", [other]) => match self.sequence(other)? {
                Some(other) => Value::Bool(text.contains(&*other)),
                None => Value::Null,
            },
            ("startsWith", [Value::Text(start)]) => Value::Bool(text.starts_with(&**start)),
            ("startsWith", [Value::Text(start), Value::Int(from)]) => {
                Value::Bool(part(text, *from, None).is_some_and(|rest| rest.starts_with(&**start)))
            }
            ("endsWith", [Value::Text(end)]) => Value::Bool(text.ends_with(&**end)),
            ("compareTo", [Value::Text(other)]) => compared(text, other),
            ("compareToIgnoreCase", [Value::Text(other)]) => {
                compared(&text.to_lowercase(), &other.to_lowercase())
            }
            ("charAt", [Value::Int(at)]) => {
                let one = at.checked_add(1).and_then(|end| part(text, *at, Some(end)));
                match one.as_deref().map(str::chars).and_then(|mut chars| chars.next()) {
                    Some(character) => Value::Char(character),
                    None => return Err(outside(name, *at, text)),
                }
            }
            ("substring" | "subSequence", [Value::Int(from), to @ ..]) => {
                let to = match to {
                    [] => None,
                    [Value::Int(to)] => Some(*to),
                    _ => return Ok(Value::Null),
                };
                match part(text, *from, to) {
                    Some(part) => self.made(part)?,
                    None => return Err(outside(name, to.unwrap_or(*from), text)),
                }
            }
            ("indexOf" | "lastIndexOf", [wanted, from @ ..]) => {
                let wanted = match wanted {
                    Value::Text(wanted) => wanted.to_string(),
                    Value::Char(wanted) => wanted.to_string(),
                    Value::Int(code) => match u32::try_from(*code).ok().and_then(char::from_u32) {
                        Some(wanted) => wanted.to_string(),
                        None => return Ok(Value::Int(-1)),
                    },
                    _ => return Ok(Value::Null),
                };
                Self::index(text, name == "lastIndexOf", &wanted, from)
            }
            ("replace", [from, to]) => {
                let (Some(from), Some(to)) = (self.sequence(from)?, self.sequence(to)?) else {
                    return Ok(Value::Null);
                };
                let times =
                    if from.is_empty() { text.len() + 1 } else { text.matches(&*from).count() };
                self.heap.charge_text(text.len() + times.saturating_mul(to.len()))?;
                self.made(text.replace(&*from, &to))?
            }
            ("repeat", [Value::Int(times)]) => {
                let times = usize::try_from(*times)
                    .map_err(|_| thrown(name, "java.lang.IllegalArgumentException"))?;
                self.heap.charge_text(text.len().saturating_mul(times))?;
                self.made(text.repeat(times))?
            }
            ("matches", [Value::Text(pattern)]) => {
                let pattern = self.pattern(name, pattern)?;
                Value::Bool(pattern.matches(text)?)
            }
            ("replaceAll" | "replaceFirst", [Value::Text(pattern), Value::Text(to)]) => {
                let limit = if name == "replaceAll" { usize::MAX } else { 1 };
                let replaced = self.replace(name, text, pattern, to, limit)?;
                self.made(replaced)?
            }
            ("split", [Value::Text(pattern), limit @ ..]) => {
                let limit = match limit {
                    [] => 0,
                    [Value::Int(limit)] => *limit,
                    _ => return Ok(Value::Null),
                };
                let parts = self.split(text, pattern, limit)?;
                self.heap.list(parts, Kind::Array)?
            }
            ("toCharArray", []) => {
                let characters = text.chars().map(Value::Char).collect();
                self.heap.list(characters, Kind::Array)?
            }
            ("valueOf" | "copyValueOf", [value]) => {
                let text = self.heap.to_text(value)?;
                self.made(text)?
            }
            ("join", [Value::Text(between), Value::List(id)]) => {
                let mut joined = String::new();
                for (at, item) in self.heap.lists[*id].items.iter().enumerate() {
                    if at > 0 {
                        joined.push_str(between);
                    }
                    joined.push_str(&self.heap.to_text(item)?);
                    self.heap.charge_text(joined.len())?;
                }
                Value::text(joined)
            }
            _ => Value::Null,
        })
    }

    fn made(&self, text: String) -> Result<Value, TemplateError> {
        self.heap.charge_text(text.len())?;
        Ok(Value::text(text))
    }

    /// The characters of a text or a character.
    fn sequence(&self, value: &Value) -> Result<Option<Rc<str>>, TemplateError> {
        Ok(match value {
            Value::Text(text) => Some(Rc::clone(text)),
            Value::Char(_) => Some(Rc::from(self.heap.to_text(value)?)),
            _ => None,
        })
    }

    fn index(text: &str, last: bool, wanted: &str, from: &[Value]) -> Value {
        let length = i32::try_from(units(text)).unwrap_or(i32::MAX);
        let (from, whole) = match from {
            [] => (if last { length } else { 0 }, true),
            [Value::Int(from)] => ((*from).clamp(0, length), false),
            _ => return Value::Null,
        };
        let found = if last {
            let end = if whole { length } else { from.saturating_add(units(wanted) as i32) };
            part(text, 0, Some(end.min(length)))
                .and_then(|start| start.rfind(wanted).map(|at| units(&start[..at])))
        } else {
            let skipped = usize::try_from(from).unwrap_or(0);
            part(text, from, None)
                .and_then(|rest| rest.find(wanted).map(|at| skipped + units(&rest[..at])))
        };
        found.map_or(Value::Int(-1), position)
    }

    /// The compiled pattern, kept for the rest of the evaluation.
    pub fn pattern(&mut self, method: &str, text: &str) -> Result<Rc<JavaPattern>, TemplateError> {
        if let Some(known) = self.patterns.get(text) {
            self.heap.charge(16)?;
            return Ok(Rc::clone(known));
        }
        self.heap.charge(4096)?;
        let compiled = JavaPattern::new(text).map_err(|error| {
            thrown(method, &format!("java.util.regex.PatternSyntaxException: {error}"))
        })?;
        let compiled = Rc::new(compiled);
        self.patterns.insert(text.to_owned(), Rc::clone(&compiled));
        Ok(compiled)
    }

    fn replace(
        &mut self,
        method: &str,
        text: &str,
        pattern: &str,
        to: &str,
        limit: usize,
    ) -> Result<String, TemplateError> {
        let pattern = self.pattern(method, pattern)?;
        let mut out = String::new();
        let mut from = 0;
        for found in pattern.find_all(text, limit)? {
            out.push_str(&text[from..found.start]);
            let whole = &text[found.start..found.end];
            replacement(method, &mut out, to, whole, &found.groups)?;
            from = found.end;
            self.heap.charge(1)?;
            if out.len() > self.heap.limits.output {
                return Err(TemplateError::Limit("a text's length"));
            }
        }
        out.push_str(&text[from..]);
        Ok(out)
    }

    /// Java's `split`: nothing for an empty match at the start, and no empty parts at the end
    /// unless a negative limit asks for them.
    fn split(
        &mut self,
        text: &str,
        pattern: &str,
        limit: i32,
    ) -> Result<Vec<Value>, TemplateError> {
        let pattern = self.pattern("split", pattern)?;
        let most = usize::try_from(limit).ok().filter(|limit| *limit > 0);
        let mut parts = Vec::new();
        let mut from = 0;
        for found in pattern.find_all(text, usize::MAX)? {
            if most.is_some_and(|most| parts.len() + 1 >= most) {
                break;
            }
            if found.end == 0 || (found.start == found.end && found.start == text.len()) {
                continue;
            }
            parts.push(Value::text(&text[from..found.start]));
            from = found.end;
        }
        parts.push(Value::text(&text[from..]));
        if limit == 0 && parts.len() > 1 {
            let is_empty = |part: &Value| matches!(part, Value::Text(text) if text.is_empty());
            while parts.last().is_some_and(is_empty) {
                parts.pop();
            }
        }
        Ok(parts)
    }
}

/// Writes a replacement with its `$1` and `${name}`-less groups; a backslash takes the next
/// character as it is.
fn replacement(
    method: &str,
    out: &mut String,
    to: &str,
    whole: &str,
    groups: &[Option<String>],
) -> Result<(), TemplateError> {
    let illegal =
        |text: &str| thrown(method, &format!("java.lang.IllegalArgumentException: {text}"));
    let mut rest = to.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\\' => {
                out.push(rest.next().ok_or_else(|| illegal("character to be escaped is missing"))?);
            }
            '$' => {
                let digit = rest.next().and_then(|digit| digit.to_digit(10));
                let mut group = digit.ok_or_else(|| illegal("Illegal group reference"))? as usize;
                if group > groups.len() {
                    let text = format!("java.lang.IndexOutOfBoundsException: No group {group}");
                    return Err(thrown(method, &text));
                }
                // More digits belong to the group as long as there is such a one.
                while let Some(digit) = rest.peek().and_then(|digit| digit.to_digit(10)) {
                    let longer = group * 10 + digit as usize;
                    if longer > groups.len() {
                        break;
                    }
                    group = longer;
                    rest.next();
                }
                match group.checked_sub(1) {
                    None => out.push_str(whole),
                    Some(at) => out.push_str(groups[at].as_deref().unwrap_or_default()),
                }
            }
            other => out.push(other),
        }
    }
    Ok(())
}

/// The number of UTF-16 units.
fn units(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

/// The difference of the first units that differ, or of the lengths.
fn compared(left: &str, right: &str) -> Value {
    let differ = |(a, b): (u16, u16)| (a != b).then(|| i32::from(a) - i32::from(b));
    let unit = left.encode_utf16().zip(right.encode_utf16()).find_map(differ);
    let lengths = || units(left) as i64 - units(right) as i64;
    Value::Int(unit.unwrap_or_else(|| lengths() as i32))
}

fn position(at: usize) -> Value {
    Value::Int(i32::try_from(at).unwrap_or(i32::MAX))
}

/// The units from one position to another; nothing when these are outside.
fn part(text: &str, from: i32, to: Option<i32>) -> Option<String> {
    let from = usize::try_from(from).ok()?;
    let to = to.map(usize::try_from).transpose().ok()?;
    if text.is_ascii() {
        return text.get(from..to.unwrap_or(text.len())).map(str::to_owned);
    }
    let units: Vec<u16> = text.encode_utf16().collect();
    units.get(from..to.unwrap_or(units.len())).map(String::from_utf16_lossy)
}

fn outside(method: &str, at: i32, text: &str) -> TemplateError {
    let length = units(text);
    thrown(
        method,
        &format!("java.lang.StringIndexOutOfBoundsException: index {at}, length {length}"),
    )
}
