//! A person's own requests: one file for each lab below the configuration directory, of the same form as
//! `[requests.NAME]` of `lab.toml`.

use std::path::{Path, PathBuf};

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::{Expect, ExpectedStatus, SavedRequest};
use serde_json::Value as Json;
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value};

use super::check;
use crate::private;

/// Where the requests of a lab are: `labdeck/requests/LAB.toml` in the configuration directory, where LAB
/// is the name of the lab's folder. `None` when the home directory is not known.
pub fn path(blueprint: &Blueprint) -> Option<PathBuf> {
    let lab = blueprint.dir.file_name().map(|name| name.to_string_lossy().into_owned());
    let lab = lab.unwrap_or_else(|| blueprint.name.clone());
    Some(private::config_dir()?.join("requests").join(format!("{lab}.toml")))
}

/// A person's own requests for a lab, in the order of the file; none when there is no file. `prefix` is
/// the one in front of the blueprint's names, which the file does not have.
///
/// # Errors
/// Invalid with every problem of the file and its line.
pub fn read(blueprint: &Blueprint, prefix: Option<&str>) -> Result<Vec<SavedRequest>> {
    path(blueprint).map_or_else(|| Ok(Vec::new()), |file| read_file(&file, blueprint, prefix))
}

/// The lab with a person's own requests behind its own, so that every operation finds both.
///
/// # Errors
/// As [`read`].
pub fn with_own(blueprint: &Blueprint, prefix: Option<&str>) -> Result<Blueprint> {
    let mut both = blueprint.clone();
    both.requests.retain(|request| !request.own);
    both.requests.extend(read(blueprint, prefix)?);
    Ok(both)
}

/// Keeps a request as a person's own; one of the same name is replaced. Comments of the file stay.
///
/// # Errors
/// Refused for the name of a request of the lab; Invalid when something is wrong with it, or with the
/// file, which then stays as it is.
pub fn save(
    blueprint: &Blueprint,
    prefix: Option<&str>,
    request: &SavedRequest,
) -> Result<PathBuf> {
    let file = file_of(blueprint, &format!("saving request {}", request.name))?;
    save_to(&file, blueprint, prefix, request)?;
    Ok(file)
}

/// Forgets a request of a person's own.
///
/// # Errors
/// `NotFound` when there is none of this name; Invalid when something is wrong with the file, which then
/// stays as it is.
pub fn forget(blueprint: &Blueprint, prefix: Option<&str>, name: &str) -> Result<()> {
    let file = file_of(blueprint, &format!("forgetting request {name}"))?;
    forget_in(&file, blueprint, prefix, name)
}

fn file_of(blueprint: &Blueprint, what: &str) -> Result<PathBuf> {
    path(blueprint).ok_or_else(|| {
        let why = "the home directory is not known, and with it no place for the file";
        Failure::new(FailureKind::Invalid, what, why).next("set HOME or XDG_CONFIG_HOME")
    })
}

fn read_file(
    file: &Path,
    blueprint: &Blueprint,
    prefix: Option<&str>,
) -> Result<Vec<SavedRequest>> {
    let plain = without_prefix(blueprint, prefix);
    let mut own = labdeck_lab::read_requests(file, &plain).map_err(|problems| {
        let what = format!("reading your own requests of lab {}", plain.name);
        Failure::new(FailureKind::Invalid, what, problems.to_string())
            .next("mend the lines named above; the file was left as it is")
    })?;
    if let Some(prefix) = prefix {
        for request in &mut own {
            request.api.insert_str(0, prefix);
            request.key.iter_mut().for_each(|key| key.insert_str(0, prefix));
        }
    }
    Ok(own)
}

/// The blueprint with its APIs and keys as the files name them.
fn without_prefix(blueprint: &Blueprint, prefix: Option<&str>) -> Blueprint {
    let mut plain = blueprint.clone();
    plain.requests.retain(|request| !request.own);
    let Some(prefix) = prefix else { return plain };
    let cut = |name: &mut String| {
        if let Some(rest) = name.strip_prefix(prefix) {
            *name = rest.to_owned();
        }
    };
    cut(&mut plain.name);
    plain.apis.iter_mut().for_each(|api| cut(&mut api.name));
    plain.keys.iter_mut().for_each(|key| cut(&mut key.name));
    for request in &mut plain.requests {
        cut(&mut request.api);
        request.key.iter_mut().for_each(cut);
    }
    plain
}

fn save_to(
    file: &Path,
    blueprint: &Blueprint,
    prefix: Option<&str>,
    request: &SavedRequest,
) -> Result<()> {
    let what = format!("saving request {}", request.name);
    let bad = |why: String| Failure::new(FailureKind::Invalid, &what, why);
    let lab = |known: &&SavedRequest| !known.own && known.name == request.name;
    if blueprint.requests.iter().any(|known| lab(&known)) {
        let why = "the lab has a request of this name";
        return Err(Failure::new(FailureKind::Refused, &what, why).next("give it another name"));
    }
    let problems = check::problems(request);
    if !problems.is_empty() {
        let said: Vec<String> =
            problems.iter().map(|problem| format!("{}: {}", problem.field, problem.why)).collect();
        return Err(bad(said.join("\n")));
    }
    let plain = without_prefix(blueprint, prefix);
    let mut request = request.clone();
    if let Some(prefix) = prefix {
        for name in std::iter::once(&mut request.api).chain(request.key.as_mut()) {
            if let Some(rest) = name.strip_prefix(prefix) {
                *name = rest.to_owned();
            }
        }
    }
    change(file, blueprint, prefix, &what, |document| {
        let all = document.entry("requests").or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        });
        let Some(all) = all.as_table_like_mut() else {
            return Err(bad("`requests` in the file is no table".to_owned()));
        };
        match all.get_mut(&request.name).and_then(Item::as_table_like_mut) {
            Some(known) => update(known, &request),
            None => {
                all.insert(&request.name, Item::Table(table(&request)));
            }
        }
        labdeck_lab::check_requests(file, &document.to_string(), &plain)
            .map_err(|problems| bad(problems.to_string()))
    })
}

fn forget_in(file: &Path, blueprint: &Blueprint, prefix: Option<&str>, name: &str) -> Result<()> {
    let what = format!("forgetting request {name}");
    change(file, blueprint, prefix, &what, |document| {
        let all = document.get_mut("requests").and_then(Item::as_table_like_mut);
        if all.and_then(|all| all.remove(name)).is_some() {
            return Ok(());
        }
        let why = if blueprint.requests.iter().any(|known| !known.own && known.name == name) {
            match blueprint.attached {
                None => "it is the lab's own, and stands in its lab.toml",
                Some(_) => "it comes from the API's definition, and is none of your own",
            }
        } else {
            "you have no request of this name"
        };
        Err(Failure::new(FailureKind::NotFound, &what, why))
    })
}

/// Changes the file while no other process does; a broken one stays as it is.
fn change(
    file: &Path,
    blueprint: &Blueprint,
    prefix: Option<&str>,
    what: &str,
    work: impl FnOnce(&mut DocumentMut) -> Result<()>,
) -> Result<()> {
    let bad = |why: String| Failure::new(FailureKind::Invalid, what, why);
    let failed = |error: std::io::Error| bad(format!("{}: {error}", file.display()));
    let _held = private::locked(file).map_err(failed)?;
    read_file(file, blueprint, prefix)?;
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(error)),
    };
    let mut document: DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| bad(format!("{}: {error}", file.display())))?;
    work(&mut document)?;
    private::replace(file, document.to_string().as_bytes()).map_err(failed)
}

/// Gives a table what differs; what is the same keeps its line and its comments.
fn update(known: &mut dyn toml_edit::TableLike, request: &SavedRequest) {
    let new = table(request);
    let gone: Vec<String> =
        known.iter().map(|(key, _)| key.to_owned()).filter(|key| !new.contains_key(key)).collect();
    for key in gone {
        known.remove(&key);
    }
    for (key, item) in &new {
        let Some(value) = item.as_value() else { continue };
        match known.get_mut(key).and_then(Item::as_value_mut) {
            Some(old) if plain(old) == plain(value) => {}
            Some(old) => {
                let decor = old.decor().clone();
                *old = value.clone();
                *old.decor_mut() = decor;
            }
            None => {
                known.insert(key, Item::Value(value.clone()));
            }
        }
    }
}

/// A value without how it is written.
fn plain(value: &Value) -> Json {
    match value {
        Value::String(text) => Json::from(text.value().as_str()),
        Value::Integer(number) => Json::from(*number.value()),
        Value::Float(number) => Json::from(*number.value()),
        Value::Boolean(flag) => Json::from(*flag.value()),
        Value::Datetime(date) => Json::from(date.value().to_string()),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::InlineTable(table) => {
            Json::Object(table.iter().map(|(key, value)| (key.to_owned(), plain(value))).collect())
        }
    }
}

fn table(request: &SavedRequest) -> Table {
    let mut table = Table::new();
    let mut set = |key: &str, value: Value| {
        table.insert(key, Item::Value(value));
    };
    if !request.description.is_empty() {
        set("description", request.description.as_str().into());
    }
    set("api", request.api.as_str().into());
    set("method", request.method.as_str().into());
    set("path", request.path.as_str().into());
    for (key, texts) in [("headers", &request.headers), ("query", &request.query)] {
        if !texts.is_empty() {
            set(key, texts_of(texts));
        }
    }
    if let Some(body) = &request.body {
        set("body", body.as_str().into());
    }
    if !request.variables.is_empty() {
        set("variables", texts_of(&request.variables));
    }
    if let Some(key) = &request.key {
        set("key", key.as_str().into());
    }
    if !request.before.is_empty() {
        set("before", Value::Array(request.before.iter().map(String::as_str).collect::<Array>()));
    }
    if !request.capture.is_empty() {
        set("capture", texts_of(&request.capture));
    }
    if let Some(expect) = &request.expect {
        set("expect", expected(expect));
    }
    table
}

fn texts_of(texts: &std::collections::BTreeMap<String, String>) -> Value {
    let members = texts.iter().map(|(name, text)| (name.as_str(), Value::from(text.as_str())));
    Value::InlineTable(members.collect::<InlineTable>())
}

fn expected(expect: &Expect) -> Value {
    let mut table = InlineTable::new();
    match expect.status {
        Some(ExpectedStatus::Code(code)) => {
            table.insert("status", i64::from(code).into());
        }
        Some(class) => {
            table.insert("status", class.to_string().into());
        }
        None => {}
    }
    if !expect.headers.is_empty() {
        table.insert("headers", texts_of(&expect.headers));
    }
    let values: InlineTable = expect
        .json
        .iter()
        .filter_map(|(path, value)| Some((path.as_str(), scalar(value)?)))
        .collect();
    if !values.is_empty() {
        table.insert("json", Value::InlineTable(values));
    }
    if let Some(within) = expect.within_ms {
        table.insert("within_ms", i64::from(within).into());
    }
    Value::InlineTable(table)
}

/// A JSON scalar; what TOML has not is left out, and no parser of requests reads it.
fn scalar(value: &Json) -> Option<Value> {
    match value {
        Json::String(text) => Some(text.as_str().into()),
        Json::Bool(flag) => Some((*flag).into()),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Some(number.into()),
            None => number.as_f64().map(Value::from),
        },
        _ => None,
    }
}

#[cfg(test)]
#[path = "own_tests.rs"]
mod tests;
