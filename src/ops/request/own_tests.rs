#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use labdeck_lab::blueprint::{Api, Key};
use serde_json::json;

use super::*;

fn lab(prefix: &str) -> Blueprint {
    let api = Api { name: format!("{prefix}petstore"), ..Api::default() };
    let key = Key { name: format!("{prefix}PetKey"), ..Key::default() };
    let theirs = SavedRequest { name: "adopt".into(), api: api.name.clone(), ..pets() };
    Blueprint {
        name: format!("{prefix}shop"),
        apis: vec![api],
        keys: vec![key],
        requests: vec![SavedRequest { own: false, ..theirs }],
        ..Blueprint::default()
    }
}

fn pets() -> SavedRequest {
    SavedRequest {
        name: "mine".into(),
        description: "All of \"them\"".into(),
        api: "petstore".into(),
        method: "POST".into(),
        path: "/pets/{{id}}/{{adopt.pet.id}}".into(),
        headers: BTreeMap::from([("Content-Type".into(), "application/json".into())]),
        query: BTreeMap::from([("a b".into(), "ü & {{id}}".into())]),
        body: Some("{\n  \"x\": \"{{id}}\"\n}".into()),
        variables: BTreeMap::from([("id".into(), "1".into())]),
        key: Some("PetKey".into()),
        before: vec!["adopt".into()],
        capture: BTreeMap::from([("pet".into(), "$.pet.id".into())]),
        expect: Some(Expect {
            status: Some("2xx".parse().unwrap()),
            headers: BTreeMap::from([("x-a".into(), "b".into())]),
            json: BTreeMap::from([
                ("$.a".into(), json!(1)),
                ("$.b".into(), json!(1.5)),
                ("$.c".into(), json!("t")),
                ("$.d".into(), json!(true)),
            ]),
            within_ms: Some(300),
        }),
        own: true,
    }
}

#[test]
fn what_is_saved_is_read_again_with_the_prefix_of_the_target() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("shop.toml");
    assert_eq!(read_file(&file, &lab(""), None).unwrap(), []);
    save_to(&file, &lab(""), None, &pets()).unwrap();
    assert_eq!(read_file(&file, &lab(""), None).unwrap(), [pets()]);
    let prefixed = SavedRequest {
        api: "ada-petstore".into(),
        key: Some("ada-PetKey".into()),
        path: "/".into(),
        ..pets()
    };
    save_to(&file, &lab("ada-"), Some("ada-"), &prefixed).unwrap();
    assert_eq!(read_file(&file, &lab("ada-"), Some("ada-")).unwrap(), [prefixed]);
    assert_eq!(read_file(&file, &lab(""), None).unwrap()[0].path, "/");
}

#[test]
fn comments_stay_and_only_what_differs_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("shop.toml");
    let text = "# my notes\n[requests.one] # first\napi = \"petstore\" # the only one\n\
        method = 'GET'\npath = \"/pets\"   # all\n\n# the other\n[requests.two]\n\
        api = \"petstore\"\nmethod = \"GET\"\npath = \"/\"\n";
    std::fs::write(&file, text).unwrap();
    let mut one = read_file(&file, &lab(""), None).unwrap()[0].clone();
    one.path = "/cats".into();
    save_to(&file, &lab(""), None, &one).unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text.replace("/pets", "/cats"));
    forget_in(&file, &lab(""), None, "two").unwrap();
    let left = std::fs::read_to_string(&file).unwrap();
    assert!(left.starts_with("# my notes\n[requests.one] # first"), "{left}");
    assert!(!left.contains("requests.two"), "{left}");
    let failure = forget_in(&file, &lab(""), None, "two").unwrap_err();
    assert_eq!(failure.kind, FailureKind::NotFound);
    assert!(forget_in(&file, &lab(""), None, "adopt").unwrap_err().why.contains("the lab's own"));
}

#[test]
fn what_is_wrong_is_said_and_a_broken_file_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("shop.toml");
    let refused = |request: SavedRequest| save_to(&file, &lab(""), None, &request).unwrap_err();
    let taken = refused(SavedRequest { name: "adopt".into(), ..pets() });
    assert_eq!(taken.kind, FailureKind::Refused);
    let failure = refused(SavedRequest { path: "pets".into(), method: "get".into(), ..pets() });
    assert!(failure.why.contains("path: a path begins with /"), "{failure:?}");
    assert!(failure.why.contains("method: expected one of GET"), "{failure:?}");
    let failure = refused(SavedRequest { api: "petshop".into(), ..pets() });
    assert!(failure.why.contains("did you mean `petstore`"), "{failure:?}");
    let failure = refused(SavedRequest { path: "/{{nobody.id}}".into(), ..pets() });
    assert!(failure.why.contains("`nobody` is not a saved request"), "{failure:?}");
    assert!(!file.exists());
    let broken = "[requests.one]\napi = \"petstore\"\nmethod = \"GET\"\npaht = \"/\"\n";
    std::fs::write(&file, broken).unwrap();
    for failure in [
        refused(pets()),
        read_file(&file, &lab(""), None).unwrap_err(),
        forget_in(&file, &lab(""), None, "one").unwrap_err(),
    ] {
        assert!(failure.why.contains("shop.toml:4:1: unknown key `paht`"), "{failure:?}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), broken);
    std::fs::write(&file, "[requests.adopt]\napi = \"petstore\"\n").unwrap();
    let failure = read_file(&file, &lab(""), None).unwrap_err();
    assert!(failure.why.contains("the lab has a request `adopt` already"), "{failure:?}");
}
