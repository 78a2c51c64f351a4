//! The layer rules of docs/architecture.md: which room may use which, and who may know the terminal.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Every room with the rooms it may use.
const ALLOWED: [(&str, &[&str]); 7] = [
    ("labdeck-aws", &[]),
    ("labdeck-lab", &[]),
    ("labdeck-telemetry", &["labdeck-aws"]),
    ("labdeck-ops", &["labdeck-aws", "labdeck-lab", "labdeck-telemetry"]),
    ("labdeck-cli", &["labdeck-aws", "labdeck-lab", "labdeck-telemetry", "labdeck-ops"]),
    ("labdeck-console", &["labdeck-aws", "labdeck-lab", "labdeck-telemetry", "labdeck-ops"]),
    ("labdeck-cloud", &[]),
];

/// The dependencies of every room, read from its manifest; dev-dependencies are for tests and free.
fn rooms() -> BTreeMap<String, BTreeSet<String>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut rooms = BTreeMap::new();
    for entry in std::fs::read_dir(source).unwrap() {
        let manifest = entry.unwrap().path().join("Cargo.toml");
        let Ok(text) = std::fs::read_to_string(&manifest) else { continue };
        let manifest: toml::Table = text.parse().unwrap();
        let name = manifest["package"]["name"].as_str().unwrap().to_owned();
        let dependencies = manifest["dependencies"].as_table().unwrap().keys().cloned().collect();
        rooms.insert(name, dependencies);
    }
    rooms
}

#[test]
fn a_room_uses_only_the_rooms_below_it() {
    let rooms = rooms();
    let known: BTreeSet<_> = ALLOWED.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(known, rooms.keys().cloned().collect(), "the rooms under src/ and the rules here");
    for (room, allowed) in ALLOWED {
        for dependency in &rooms[room] {
            if dependency.starts_with("labdeck-") {
                assert!(allowed.contains(&dependency.as_str()), "{room} must not use {dependency}");
            }
        }
    }
}

#[test]
fn only_the_console_knows_the_terminal() {
    for (room, dependencies) in rooms() {
        if room == "labdeck-console" {
            continue;
        }
        for name in ["ratatui", "crossterm", "crokey", "tui-input"] {
            assert!(!dependencies.contains(name), "{room} must not use {name}");
        }
    }
}

#[test]
fn only_the_cloud_knows_its_engines_and_it_never_calls_aws() {
    for (room, dependencies) in rooms() {
        let is_cloud = room == "labdeck-cloud";
        for name in ["dynoxide-rs", "rusqlite"] {
            assert!(is_cloud || !dependencies.contains(name), "{room} must not use {name}");
        }
        for name in dependencies.iter().filter(|name| name.starts_with("aws-sdk-")) {
            assert!(!is_cloud, "the local cloud must not use {name}");
        }
    }
}

#[test]
fn nothing_in_src_names_a_lab() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let labs: Vec<String> = std::fs::read_dir(root.join("handlers"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("lab.toml").exists())
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert!(!labs.is_empty());
    let mut files = vec![root.join("src")];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.ends_with("tests") || name == "benches" {
                continue;
            }
            files.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("tests")) {
            // A module of unit tests in a file of its own.
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            // Tests and doc comments may use a lab as their example; code must not.
            let code: String = text
                .split("#[cfg(test)]")
                .next()
                .unwrap()
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .collect::<Vec<_>>()
                .join("\n");
            for lab in &labs {
                assert!(
                    !code.contains(&format!("\"{lab}\"")),
                    "{} names the lab {lab}",
                    path.display()
                );
            }
        }
    }
}
