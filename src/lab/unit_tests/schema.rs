//! The published schema says what the reader reads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::{DOCUMENT, MANIFEST, full};
use crate::problem::Findings;
use crate::section::{Asked, Shape};
use crate::{SCHEMA, discover, manifest};

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

fn as_json(text: &str) -> Value {
    let table: toml::Table = text.parse().unwrap();
    serde_json::to_value(table).unwrap()
}

/// What is wrong with a text by the schema.
fn errors(text: &str) -> Vec<String> {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    validator.iter_errors(&as_json(text)).map(|error| error.to_string()).collect()
}

/// Every table that a file can have: where it stands, and its schema.
fn tables(place: &str, schema: &Value, found: &mut BTreeMap<String, Value>) {
    for branch in schema["oneOf"].as_array().into_iter().flatten() {
        let kind = branch["properties"]["kind"]["const"].as_str();
        let place = kind.map_or_else(|| place.to_owned(), |kind| format!("{place}<{kind}>"));
        tables(&place, branch, found);
    }
    if let Some(properties) = schema["properties"].as_object() {
        assert_eq!(schema["additionalProperties"], Value::Bool(false), "{place}");
        found.insert(place.to_owned(), schema.clone());
        for (key, member) in properties {
            let dot = if place.is_empty() { "" } else { "." };
            tables(&format!("{place}{dot}{key}"), member, found);
        }
    } else if schema["additionalProperties"].is_object() {
        tables(&format!("{place}.*"), &schema["additionalProperties"], found);
    } else if schema["items"].is_object() {
        tables(&format!("{place}.*"), &schema["items"], found);
    }
}

/// The tables as the reader reads them.
fn read_tables() -> BTreeMap<String, BTreeMap<&'static str, Asked>> {
    let mut findings = Findings::new(Path::new("lab.toml"));
    let manifest = manifest::read(&full::folder(), &full::text(), &mut findings);
    let mut read: BTreeMap<String, BTreeMap<&'static str, Asked>> = BTreeMap::new();
    for seen in manifest.seen {
        let first = !read.contains_key(&seen.place);
        let known = read.entry(seen.place).or_default();
        for asked in known.values_mut() {
            asked.required &= seen.keys.iter().any(|other| other.key == asked.key);
        }
        for asked in seen.keys {
            let required = asked.required && (first || known.contains_key(asked.key));
            known.entry(asked.key).or_insert(Asked { required, ..asked });
        }
    }
    read
}

/// What a key's schema says of its values, in the reader's words.
fn fits(shape: &Shape, schema: &Value) -> bool {
    let kind = schema["type"].as_str();
    match shape {
        Shape::Text => kind == Some("string"),
        Shape::Choice(words) => {
            let listed: Vec<&str> =
                schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            schema["const"].is_string() || listed == *words
        }
        Shape::Whole(low, high) => {
            let listed = schema["enum"].as_array().is_some_and(|listed| {
                listed
                    .iter()
                    .filter_map(Value::as_i64)
                    .all(|number| (*low..=*high).contains(&number))
            });
            let range = (schema["minimum"].as_i64(), schema["maximum"].as_i64());
            kind == Some("integer") && (listed || range == (Some(*low), Some(*high)))
        }
        Shape::Number => kind == Some("number"),
        Shape::Flag => kind == Some("boolean"),
        Shape::List => kind == Some("array"),
        Shape::Table => kind == Some("object"),
        Shape::Any => true,
    }
}

#[test]
fn the_schema_has_the_keys_that_the_reader_reads() {
    let mut in_schema = BTreeMap::new();
    tables("", &schema(), &mut in_schema);
    let read = read_tables();
    let places = |places: Vec<&String>| places.into_iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(places(read.keys().collect()), places(in_schema.keys().collect()));
    for (place, keys) in &read {
        let schema = &in_schema[place];
        let properties = schema["properties"].as_object().unwrap();
        let listed: BTreeSet<&str> = properties.keys().map(String::as_str).collect();
        assert_eq!(listed, keys.keys().copied().collect(), "{place}");
        let required: BTreeSet<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let needed: BTreeSet<&str> =
            keys.values().filter(|asked| asked.required).map(|asked| asked.key).collect();
        assert_eq!(required, needed, "{place}");
        for (key, asked) in keys {
            assert!(fits(&asked.shape, &properties[*key]), "{place}.{key}: {:?}", asked.shape);
            assert!(properties[*key]["description"].is_string(), "{place}.{key}");
        }
    }
}

#[test]
fn every_lab_is_valid_by_the_schema() {
    assert!(DOCUMENT.starts_with("openapi"));
    assert_eq!(errors(MANIFEST), Vec::<String>::new());
    assert_eq!(errors(&full::text()), Vec::<String>::new());
    let labs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../handlers");
    for lab in discover(&labs).unwrap() {
        let text = std::fs::read_to_string(lab.join("lab.toml")).unwrap();
        assert_eq!(errors(&text), Vec::<String>::new(), "{}", lab.display());
    }
}

#[test]
fn what_the_reader_refuses_the_schema_refuses() {
    for (from, to) in [
        ("title = \"Full\"\n", ""),
        ("memory_mb = 512", "memry_mb = 512"),
        ("memory_mb = 512", "memory_mb = 64"),
        ("memory_mb = 512", "memory_mb = \"512\""),
        ("size_gb = 0.5", "size_gb = 0.6"),
        ("\"on-demand\"", "\"on demand\""),
        ("endpoint = { queue = \"work\" }", "endpoint = {}"),
        ("kind = \"chaos-off\"", "kind = \"chaos-of\""),
        ("kind = \"chaos-off\"", "kind = \"chaos-off\", chaos = \"deny\""),
        ("[functions.worker]", "[functions.\"wor ker\"]"),
        ("rate = 5.5", "rate = 0"),
    ] {
        let text = full::text();
        assert!(text.contains(from), "{from}");
        assert!(!errors(&text.replacen(from, to, 1)).is_empty(), "{to}");
    }
}

#[test]
fn the_guide_names_every_key_and_kind() {
    let guide = include_str!("../../../docs/lab-format.md");
    let mut missing = Vec::new();
    for (place, keys) in read_tables() {
        let kind = place.split_once('<').map(|(_, rest)| rest.trim_end_matches('>'));
        let words = keys.keys().copied().chain(kind);
        missing.extend(
            words
                .filter(|word| {
                    let heading = guide.contains(&format!("### `[{word}.NAME]`"));
                    let written =
                        [format!("`{word}`"), format!("{{ {word} = "), format!(", {word} = ")];
                    !heading && !written.iter().any(|written| guide.contains(written))
                })
                .map(|word| format!("{place}: {word}")),
        );
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
