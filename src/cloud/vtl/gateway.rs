//! What API Gateway gives its templates: `$input`, `$util`, `$context`, `$stageVariables`
//! ("Variables for data transformations" in the developer guide).

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

use base64::Engine as _;
use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use super::eval::Interpreter;
use super::heap::{Heap, Key, Value};
use super::jsonpath;
use super::methods::thrown;
use super::syntax::Node;
use super::{Limits, TemplateError};

/// Values by name, in order.
pub type Pairs = Vec<(String, String)>;

/// What a template is evaluated on.
#[derive(Debug, Default)]
pub struct Scope<'a> {
    /// The payload before the transformation; empty when there is none.
    pub body: &'a str,
    /// Path parameters.
    pub path: Pairs,
    /// Query parameters, the last value of each.
    pub querystring: Pairs,
    /// Headers, the last value of each.
    pub header: Pairs,
    /// `$context`: an object. Its `requestOverride` and `responseOverride` may hold what an earlier
    /// template set.
    pub context: Json,
    /// `$stageVariables`.
    pub stage_variables: BTreeMap<String, String>,
}

/// What a template made.
#[derive(Debug)]
pub struct Rendered {
    /// The payload after the transformation.
    pub text: String,
    /// `requestOverride` and `responseOverride` as the template left them.
    pub overrides: Json,
}

/// The payload of a template.
pub(super) struct Payload<'t> {
    body: &'t str,
    /// The payload as values, once it was asked for.
    document: Option<Value>,
    /// `$input.params()`.
    params: Value,
    groups: [Value; 3],
}

impl Payload<'_> {
    /// The payload as text: an empty one is written as an empty object, as recorded.
    pub fn body_text(&self) -> &str {
        if self.body.is_empty() { "{}" } else { self.body }
    }
}

/// Evaluates the statements of a template.
pub(super) fn render(
    nodes: &[Node],
    scope: &Scope<'_>,
    limits: &Limits,
) -> Result<Rendered, TemplateError> {
    let mut heap = Heap::new(limits);
    let groups = [&scope.path, &scope.querystring, &scope.header];
    let mut maps = Vec::with_capacity(groups.len());
    for group in groups {
        maps.push(heap.texts(group.iter().map(|(name, value)| (name.as_str(), value.as_str())))?);
    }
    let groups: [Value; 3] = maps.try_into().unwrap_or([const { Value::Null }; 3]);
    if let Value::Map(headers) = &groups[2] {
        heap.maps[*headers].folds = true;
    }
    let names = ["path", "querystring", "header"].into_iter().map(Key::text);
    let params = heap.map(names.zip(groups.iter().cloned()).collect())?;
    let context = context(&mut heap, &scope.context)?;
    let variables = scope.stage_variables.iter();
    let stage_variables =
        heap.texts(variables.map(|(name, value)| (name.as_str(), value.as_str())))?;
    let payload = Payload { body: scope.body, document: None, params, groups };
    let mut interpreter = Interpreter::new(heap, payload);
    for (name, value) in [
        ("input", Value::Input),
        ("util", Value::Util),
        ("context", context.clone()),
        ("stageVariables", stage_variables),
    ] {
        interpreter.variables.insert(name.to_owned(), value);
    }
    let text = interpreter.template(nodes)?;
    let overrides = overrides(&interpreter.heap, &context)?;
    Ok(Rendered { text, overrides })
}

/// `$context` with the maps of overrides, where each key can be set once: a second time is an error
/// ("Override your API's request and response parameters and status codes").
fn context(heap: &mut Heap, json: &Json) -> Result<Value, TemplateError> {
    let context = heap.import(json)?;
    let context = match context {
        Value::Map(id) => id,
        _ => match heap.map(IndexMap::new())? {
            Value::Map(id) => id,
            other => return Ok(other),
        },
    };
    for (name, parts) in [
        ("requestOverride", &["header", "path", "querystring"][..]),
        ("responseOverride", &["header"][..]),
    ] {
        let own = child(heap, context, name)?;
        for part in parts {
            let part = child(heap, own, part)?;
            heap.maps[part].once = Some(HashSet::new());
            heap.maps[part].folds = *name == *"responseOverride";
        }
        heap.maps[own].once = Some(HashSet::new());
    }
    Ok(Value::Map(context))
}

/// The map at `name`, made where there is none.
fn child(heap: &mut Heap, of: usize, name: &str) -> Result<usize, TemplateError> {
    if let Some(Value::Map(id)) = heap.maps[of].get(&Key::text(name)) {
        return Ok(*id);
    }
    let made = heap.map(IndexMap::new())?;
    heap.maps[of].items.insert(Key::text(name), made.clone());
    match made {
        Value::Map(id) => Ok(id),
        _ => Ok(of),
    }
}

fn overrides(heap: &Heap, context: &Value) -> Result<Json, TemplateError> {
    let mut result = json!({});
    let Value::Map(context) = context else { return Ok(result) };
    for name in ["requestOverride", "responseOverride"] {
        if let Some(value) = heap.maps[*context].get(&Key::text(name)) {
            result[name] = serde_json::from_str(&heap.to_json(value)?).unwrap_or_default();
        }
    }
    Ok(result)
}

/// The value at a path of a document.
pub(super) fn select_json(document: &Json, path: &str) -> Result<Option<Json>, TemplateError> {
    let mut heap = Heap::new(&Limits::default());
    let root = heap.import(document)?;
    let Some(value) = jsonpath::select(&mut heap, &root, path)? else { return Ok(None) };
    Ok(serde_json::from_str(&heap.to_json(&value)?).ok())
}

impl Interpreter<'_> {
    fn document(&mut self) -> Result<Value, TemplateError> {
        if let Some(document) = &self.payload.document {
            return Ok(document.clone());
        }
        let body = self.payload.body;
        self.heap.charge(body.len() / 64)?;
        let document =
            if body.trim().is_empty() { Value::Null } else { parse(&mut self.heap, body)? };
        self.payload.document = Some(document.clone());
        Ok(document)
    }

    pub fn input_method(
        &mut self,
        name: &str,
        arguments: &[Value],
    ) -> Result<Value, TemplateError> {
        Ok(match (name, arguments) {
            ("params", []) => self.payload.params.clone(),
            ("params", [Value::Text(name)]) => {
                let key = Key::Text(name.clone());
                let found = self.payload.groups.iter().find_map(|group| match group {
                    Value::Map(id) => self.heap.maps[*id].get(&key).cloned(),
                    _ => None,
                });
                found.unwrap_or_else(|| Value::text(""))
            }
            ("path", [Value::Text(path)]) => {
                let document = self.document()?;
                jsonpath::select(&mut self.heap, &document, path)?.unwrap_or(Value::Null)
            }
            ("json", [Value::Text(path)]) => {
                let document = self.document()?;
                if matches!(document, Value::Null)
                    && path.trim() == "$"
                    && self.payload.body.trim().is_empty()
                {
                    return Ok(Value::text("{}"));
                }
                match jsonpath::select(&mut self.heap, &document, path)? {
                    // What is not there is an empty text.
                    None => Value::text("\"\""),
                    Some(value) => {
                        let text = self.heap.to_json(&value)?;
                        self.heap.charge_text(text.len())?;
                        Value::text(text)
                    }
                }
            }
            ("getBody", []) => Value::text(self.payload.body_text()),
            _ => Value::Null,
        })
    }

    pub fn util_method(&mut self, name: &str, arguments: &[Value]) -> Result<Value, TemplateError> {
        let [argument] = arguments else { return Ok(Value::Null) };
        let text = self.heap.to_text(argument)?;
        self.heap.charge_text(text.len())?;
        let made = match name {
            "escapeJavaScript" => escape_java_script(&text),
            "parseJson" => {
                let read = parse(&mut self.heap, &text);
                return read.map_err(|error| thrown(name, &error.to_string()));
            }
            "urlEncode" => form_urlencoded::byte_serialize(text.as_bytes()).collect(),
            "urlDecode" => url_decode(&text).ok_or_else(|| {
                thrown(
                    name,
                    "java.lang.IllegalArgumentException: URLDecoder: illegal hex characters",
                )
            })?,
            "base64Encode" => base64::engine::general_purpose::STANDARD.encode(&text),
            "base64Decode" => {
                let text = text.trim();
                let read = base64::engine::general_purpose::STANDARD.decode(text);
                let read = read.map_err(|error| {
                    thrown(name, &format!("java.lang.IllegalArgumentException: {error}"))
                })?;
                String::from_utf8_lossy(&read).into_owned()
            }
            _ => return Ok(Value::Null),
        };
        self.heap.charge_text(made.len())?;
        Ok(Value::text(made))
    }
}

fn parse(heap: &mut Heap, text: &str) -> Result<Value, TemplateError> {
    let json: Json =
        serde_json::from_str(text).map_err(|error| TemplateError::NotJson(error.to_string()))?;
    heap.import(&json)
}

/// Apache Commons' `escapeEcmaScript`: quotes, slashes and backslashes get a backslash, control
/// characters and what is beyond ASCII become `\uXXXX`.
fn escape_java_script(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\'' | '"' | '\\' | '/' => {
                out.push('\\');
                out.push(character);
            }
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='\u{7f}' => out.push(character),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04X}");
                }
            }
        }
    }
    out
}

/// Java's `URLDecoder`: nothing for a percent sign without two digits.
fn url_decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digits = text.get(at + 1..at + 3)?;
                out.push(u8::from_str_radix(digits, 16).ok()?);
                at += 2;
            }
            other => out.push(*other),
        }
        at += 1;
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}
