//! How values are written: as Java's `toString` does, and as JSON.

use std::fmt::Write as _;

use super::TemplateError;
use super::heap::{Heap, Key, Kind, Value};
use super::number::double_text;

/// How deep lists and maps may be nested when they are written or compared.
pub(super) const DEEPEST: usize = 130;

impl Heap {
    /// The value as Java writes it; nothing is `null`.
    pub fn to_text(&self, value: &Value) -> Result<String, TemplateError> {
        let mut out = String::new();
        self.write(&mut out, value, 0)?;
        Ok(out)
    }

    fn write(&self, out: &mut String, value: &Value, depth: usize) -> Result<(), TemplateError> {
        self.begin(out, depth)?;
        match value {
            Value::List(id) => {
                let list = &self.lists[*id];
                if list.kind == Kind::Json {
                    return self.write_json(out, value, depth);
                }
                if list.kind == Kind::Array {
                    out.push_str("[Ljava.lang.String;@0");
                    return Ok(());
                }
                out.push('[');
                for (at, item) in list.items.iter().enumerate() {
                    if at > 0 {
                        out.push_str(", ");
                    }
                    match item {
                        Value::List(item) if item == id => out.push_str("(this Collection)"),
                        item => self.write(out, item, depth + 1)?,
                    }
                }
                out.push(']');
            }
            Value::Map(id) => {
                out.push('{');
                for (at, (key, item)) in self.maps[*id].items.iter().enumerate() {
                    if at > 0 {
                        out.push_str(", ");
                    }
                    self.write(out, &key.value(), depth + 1)?;
                    out.push('=');
                    match item {
                        Value::Map(item) if item == id => out.push_str("(this Map)"),
                        item => self.write(out, item, depth + 1)?,
                    }
                }
                out.push('}');
            }
            Value::Entry(entry) => {
                self.write(out, &entry.0.value(), depth + 1)?;
                out.push('=');
                self.write(out, &entry.1, depth + 1)?;
            }
            other => simple(out, other),
        }
        Ok(())
    }

    /// The value as compact JSON.
    pub fn to_json(&self, value: &Value) -> Result<String, TemplateError> {
        let mut out = String::new();
        self.write_json(&mut out, value, 0)?;
        Ok(out)
    }

    fn write_json(
        &self,
        out: &mut String,
        value: &Value,
        depth: usize,
    ) -> Result<(), TemplateError> {
        self.begin(out, depth)?;
        match value {
            Value::List(id) => {
                out.push('[');
                for (at, item) in self.lists[*id].items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    self.write_json(out, item, depth + 1)?;
                }
                out.push(']');
            }
            Value::Map(id) => {
                out.push('{');
                for (at, (key, item)) in self.maps[*id].items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    match key {
                        Key::Text(name) => quoted(out, name),
                        other => quoted(out, &self.to_text(&other.value())?),
                    }
                    out.push(':');
                    self.write_json(out, item, depth + 1)?;
                }
                out.push('}');
            }
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Long(_)
            | Value::Big(_)
            | Value::Double(_) => simple(out, value),
            Value::Text(text) => quoted(out, text),
            other => quoted(out, &self.to_text(other)?),
        }
        Ok(())
    }

    fn begin(&self, out: &str, depth: usize) -> Result<(), TemplateError> {
        if depth > DEEPEST {
            return Err(TemplateError::Limit("a value's nesting"));
        }
        if out.len() > self.limits.output {
            return Err(TemplateError::Limit("a text's length"));
        }
        self.charge(1)
    }
}

/// Writes what has no parts.
fn simple(out: &mut String, value: &Value) {
    // Writing to a text cannot fail.
    let _ = match value {
        Value::Bool(value) => write!(out, "{value}"),
        Value::Int(value) => write!(out, "{value}"),
        Value::Long(value) => write!(out, "{value}"),
        Value::Big(value) => write!(out, "{value}"),
        Value::Double(value) => write!(out, "{}", double_text(*value)),
        Value::Char(value) => write!(out, "{value}"),
        Value::Text(value) => write!(out, "{value}"),
        Value::Input => write!(out, "$input"),
        Value::Util => write!(out, "$util"),
        Value::Loop(_) => write!(out, "org.apache.velocity.runtime.directive.ForeachScope"),
        _ => write!(out, "null"),
    };
}

/// Writes a JSON string as json-smart does: control characters and the typographic ones between
/// U+2000 and U+20FF are escaped.
pub(super) fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2000}'..='\u{20ff}' => {
                let _ = write!(out, "\\u{:04X}", u32::from(character));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}
