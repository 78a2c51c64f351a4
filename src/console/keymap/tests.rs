//! The keymap as a whole: the embedded file, overriding, and what mistakes say.
#![allow(clippy::unwrap_used)]

use super::*;

fn key(name: &str) -> Key {
    Key::parse(name).unwrap()
}

fn mistakes(text: &str) -> String {
    Keymap::build(Some(("my.toml", text))).unwrap_err().to_string()
}

const LOGS: Mode = Mode::Screen(Screen::Logs);

#[test]
fn every_action_has_a_key_or_is_in_the_palette() {
    let keymap = Keymap::build(None).unwrap();
    for entry in crate::action::REGISTRY {
        let bound = keymap.bindings.iter().any(|binding| binding.action == Some(entry.action));
        let in_palette = entry.applies.on(Screen::Overview);
        assert!(bound || in_palette, "{} can't be reached", entry.id);
    }
}

#[test]
fn sequences_and_layers() {
    let keymap = Keymap::build(None).unwrap();
    let facts = Facts::default();
    assert_eq!(keymap.lookup(LOGS, facts, &[key("g")]), Lookup::Pending);
    assert_eq!(keymap.lookup(LOGS, facts, &[key("g"), key("g")]), Lookup::Run(Action::Top));
    assert_eq!(keymap.lookup(LOGS, facts, &[key("g"), key("x")]), Lookup::Nothing);
    assert_eq!(keymap.lookup(Mode::Popup, facts, &[key("R")]), Lookup::Nothing);
    assert_eq!(keymap.lookup(Mode::Input, facts, &[key("ctrl-c")]), Lookup::Run(Action::Interrupt));
    let deploy = Mode::Screen(Screen::Deploy);
    assert_eq!(keymap.lookup(deploy, facts, &[key("P")]), Lookup::Nothing);
}

#[test]
fn the_persons_file_overrides_adds_and_unbinds() {
    let text = r#"
[global]
bind = [
  { on = "q", run = "help" },
  { on = "f9", run = "quit", desc = "go home" },
  { on = "R", run = "none" },
]
"#;
    let keymap = Keymap::build(Some(("my.toml", text))).unwrap();
    let facts = Facts::default();
    assert_eq!(keymap.lookup(LOGS, facts, &[key("q")]), Lookup::Run(Action::Help));
    assert_eq!(keymap.lookup(LOGS, facts, &[key("f9")]), Lookup::Run(Action::Quit));
    assert_eq!(keymap.lookup(LOGS, facts, &[key("R")]), Lookup::Nothing);
    assert_eq!(keymap.keys_for(LOGS, facts, Action::Quit).as_deref(), Some("f9"));
}

#[test]
fn an_unknown_action_is_named_with_its_line_and_the_nearest() {
    let text = "[global]\nbind = [\n  { on = \"q\", run = \"rolback\" },\n]\n";
    let said = mistakes(text);
    assert!(said.contains("my.toml:3: unknown action \"rolback\""), "{said}");
    assert!(said.contains("did you mean \"rollback\"?"), "{said}");
}

#[test]
fn a_duplicate_key_names_both_lines() {
    let text = "[logs]\nbind = [\n  { on = \"f5\", run = \"wrap\" },\n\n  { on = \"F5\", run = \"pause\" },\n]\n";
    let said = mistakes(text);
    assert!(said.contains("my.toml:5:"), "{said}");
    assert!(said.contains("\"wrap\" on line 3 and to \"pause\" on line 5"), "{said}");
}

#[test]
fn every_problem_is_listed_with_its_line() {
    let text = r#"[glob]
bind = []
[global]
bind = [
  { on = "pgdown", run = "help" },
  { on = "f3", run = "yes" },
  { on = "f4", run = "help", wen = "chaos" },
  { on = "f6", run = "help", when = "kaos" },
  { run = "help" },
]
[input]
bind = [{ on = "x", run = "input-cancel" }]
"#;
    let said = mistakes(text);
    for part in [
        "my.toml:1: unknown layer [glob]",
        "did you mean \"global\"?",
        "my.toml:5: unknown key \"pgdown\"",
        "did you mean \"pagedown\"?",
        "my.toml:6: \"yes\" does nothing in [global]",
        "it belongs in [popup]",
        "my.toml:7: unknown member \"wen\"",
        "did you mean \"when\"?",
        "my.toml:8: unknown word \"kaos\"",
        "my.toml:9: a binding needs its keys",
        "my.toml:12: \"x\" is needed for typing",
    ] {
        assert!(said.contains(part), "{part} is missing in:\n{said}");
    }
}

#[test]
fn bad_toml_names_its_line() {
    let said = mistakes("[global]\nbind = [\n  { on = \"q\" run = \"quit\" },\n]\n");
    assert!(said.contains("my.toml:3: not valid TOML"), "{said}");
}

#[test]
fn a_key_that_begins_a_sequence_is_refused() {
    let said = mistakes("[global]\nbind = [{ on = \"g\", run = \"help\" }]\n");
    assert!(said.contains("my.toml:2: \"g\" is the beginning of \"g g\""), "{said}");
    assert!(said.contains("run = \"none\""), "{said}");
    let freed = "[global]\nbind = [{ on = \"g\", run = \"help\" }, { on = [\"g\", \"g\"], run = \"none\" }, { on = [\"g\", \"c\"], run = \"none\" }]\n";
    assert!(Keymap::build(Some(("my.toml", freed))).is_ok());
}

#[test]
fn the_documentation_lists_every_action_and_condition() {
    let page = include_str!("../../../docs/keymap.md");
    for entry in crate::action::REGISTRY {
        assert!(page.contains(&format!("| `{}` |", entry.id)), "{} is missing", entry.id);
        assert!(page.contains(entry.doc), "{} is told differently", entry.id);
    }
    for (word, _) in condition::WORDS {
        assert!(page.contains(&format!("`{word}`")), "{word} is missing");
    }
}
