//! Operating what labdeck did not deploy: picked by name, id or tag, headless and in the console, and
//! never made or removed.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use support::Sandbox;
use support::console::{Console, shows_line};
use support::foreign::{ALIAS, API, FUNCTION, Foreign, STAGE, TEXT};

/// The sandboxes deploy from the same folder, so they build one after the other.
static BUILDING: Mutex<()> = Mutex::new(());

fn account() -> (Sandbox, Foreign) {
    let sandbox = Sandbox::new();
    let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let foreign = Foreign::new(&sandbox);
    (sandbox, foreign)
}

fn attach(sandbox: &Sandbox) -> Value {
    sandbox.json(&["attach", "shop", "--api", API])
}

/// The version that answers a request.
fn answered(sandbox: &Sandbox, request: &str, more: &[&str]) -> String {
    let exchange = sandbox.json(&[&["request", "shop", request], more].concat());
    assert_eq!(exchange["status"], 200, "{exchange}");
    let body: Value = serde_json::from_str(exchange["body"].as_str().unwrap()).unwrap();
    body["version"].as_str().unwrap().to_owned()
}

fn names(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect()
}

#[test]
fn what_somebody_else_deployed_is_released_and_taken_back() {
    let (sandbox, foreign) = account();
    let shop = attach(&sandbox);
    assert_eq!(names(&shop["functions"]), [FUNCTION], "{shop}");
    assert_eq!(shop["apis"][API], foreign.api_id.as_str());
    assert_eq!(
        (shop["stages"][0]["stage"].as_str(), shop["alias"].as_str()),
        (Some(STAGE), Some(ALIAS))
    );
    let remarks = names(&shop["remarks"]).join("\n");
    for part in
        ["MOCK", "https://example.com/", "function theirs is left out", "account 111122223333"]
    {
        assert!(remarks.contains(part), "{part}: {remarks}");
    }

    let labs = sandbox.json(&["labs"]);
    let line = labs["labs"].as_array().unwrap().iter().find(|lab| lab["lab"] == "shop").unwrap();
    assert_eq!((&line["attached"], &line["deployed"]), (&Value::Bool(true), &Value::Bool(true)));
    assert!(line["endpoints"][0]["url"].as_str().unwrap().contains(&foreign.api_id), "{line}");

    assert_eq!(answered(&sandbox, "/orders", &[]), "1");
    assert_eq!(answered(&sandbox, "/orders/{id}", &["--var", "id=7"]), "1");
    assert_eq!(answered(&sandbox, "/guarded", &[]), "1");
    let said = sandbox.run(&["request", "shop", "/orders/{id}"]).exits(1).stderr();
    assert!(said.contains("--var id="), "{said}");

    // A canary, everything, and back; the owner's own words stay in the alias.
    sandbox.run(&["release", "shop", "shift", "25"]).success();
    let (version, weights, text) = foreign.alias();
    assert_eq!((version.as_str(), weights.get("2").copied()), ("1", Some(0.25)));
    assert!(text.starts_with(TEXT), "{text}");
    sandbox.run(&["release", "shop", "promote"]).success();
    assert_eq!(answered(&sandbox, "/orders", &[]), "2");
    sandbox.run(&["rollback", "shop"]).success();
    assert_eq!(answered(&sandbox, "/orders", &[]), "1");
    let (version, weights, text) = foreign.alias();
    assert!(version == "1" && weights.is_empty() && text.starts_with(TEXT), "{version} {text}");
    sandbox.run(&["release", "shop", "undo"]).success();
    assert_eq!(foreign.alias().0, "2");
    let published = sandbox.json(&["release", "shop", "publish"]);
    assert_eq!(published["moves"][0]["changed"], false, "{published}");

    // Its log and its numbers.
    support::eventually("the log shows its requests", || {
        let logs = sandbox.run(&["logs", "shop"]).success().stdout();
        (logs.contains("REPORT") && logs.contains(FUNCTION)).then_some(())
    });
    let metrics = sandbox.json(&["metrics", "shop"]);
    assert!(metrics.to_string().contains(FUNCTION), "{metrics}");
}

#[test]
fn its_gateway_is_edited_and_nothing_is_made_or_removed() {
    let (sandbox, foreign) = account();
    attach(&sandbox);
    let set = ["stages", "shop", STAGE, "set", "variables.colour=blue"];
    let done = sandbox.json(&set);
    assert_eq!(foreign.variable("colour").as_deref(), Some("blue"));
    assert!(!done.to_string().contains("lab.toml"), "{done}");
    sandbox.run(&["plans", "shop", "partners", "set", "quota.limit=5"]).success();
    assert_eq!(foreign.quota(), 5);
    let keys = sandbox.json(&["keys", "shop"]);
    assert_eq!(keys["keys"][0]["name"], "partner", "{keys}");
    assert_eq!(names(&keys["keys"][0]["plans"]), ["partners"]);

    let before = foreign.inventory();
    for refused in [
        &["deploy", "shop"][..],
        &["destroy", "shop", "--yes"],
        &["plan", "shop"],
        &["walk", "shop"],
        &["check", "shop"],
        &["chaos", "shop", "on", "anything"],
        &["right-size", "shop", FUNCTION],
        &["release", "shop", "prune", "--yes"],
    ] {
        let said = sandbox.run(refused).exits(3).stderr();
        assert!(
            said.contains("shop is attached, labdeck did not deploy it"),
            "{refused:?}: {said}"
        );
    }
    assert_eq!(foreign.inventory(), before);

    // What a lab does to its own leaves it alone, too.
    sandbox.run(&["destroy", "greet", "--yes"]).success();
    assert_eq!(foreign.inventory(), before);
    let forgotten = sandbox.json(&["detach", "shop"]);
    assert_eq!(forgotten["detached"]["name"], "shop");
    assert!(!sandbox.json(&["labs"]).to_string().contains("\"shop\""));
    let said = sandbox.run(&["rollback", "shop"]).exits(1).stderr();
    assert!(said.contains("no such lab"), "{said}");
    assert_eq!(foreign.inventory(), before);
}

#[test]
fn what_is_picked_must_be_there_and_be_one() {
    let (sandbox, foreign) = account();
    let refused = |args: &[&str], code: i32, parts: &[&str]| {
        let said = sandbox.run(args).exits(code).stderr();
        assert!(parts.iter().all(|part| said.contains(part)), "{args:?}: {said}");
    };
    refused(&["attach", "shop", "--api", "order"], 1, &["no REST API", "did you mean \"orders\"?"]);
    refused(&["attach", "shop", "--function", "orders-got"], 1, &["no function", "\"orders-get\""]);
    refused(&["attach", "shop", "--tag", "team=none"], 1, &["nothing in the account carries"]);
    refused(&["attach", "shop", "--tag", "team"], 1, &["KEY=VALUE"]);
    refused(&["attach", "a b", "--api", API], 1, &["letters, digits"]);
    refused(&["attach", "shop"], 1, &["nothing is picked"]);
    refused(&["attach", "greet", "--api", API], 3, &["there is a lab of this name"]);
    refused(
        &["attach", "shop", "--api", API, "--alias", "lives"],
        1,
        &["no function has the alias lives", "did you mean \"live\"?"],
    );
    refused(&["detach", "shop"], 1, &["nothing is attached"]);
    assert!(!sandbox.path().join("config/labdeck/attached.toml").exists());

    // Two of the same name are told apart by their ids, and operated side by side.
    let second = foreign.api(API);
    refused(&["attach", "shop", "--api", API], 1, &["2 REST APIs", &second, "--api"]);
    let both = sandbox.json(&["attach", "shop", "--api", &foreign.api_id, &second]);
    assert_eq!(both["apis"][format!("{API}@{second}")], second.as_str(), "{both}");
    assert!(names(&both["remarks"]).join(" ").contains("has no stage"), "{both}");

    // By tag: the API, and the function that is behind it and carries the tag as well.
    let tagged = sandbox.json(&["attach", "team", "--tag", "team=shop"]);
    assert_eq!(tagged["apis"].as_object().unwrap().len(), 1, "{tagged}");
    assert_eq!(names(&tagged["functions"]), [FUNCTION]);

    // What a lab deployed may be attached, and says so.
    let labs = sandbox.json(&["attach", "greeting", "--api", "greet-stateless"]);
    assert_eq!(names(&labs["labs"]), ["greet"]);
    assert!(names(&labs["remarks"]).join(" ").contains("lab greet of labdeck deployed"), "{labs}");

    let listed = sandbox.json(&["attach"]);
    let attached: Vec<&str> = listed["attached"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["name"].as_str().unwrap())
        .collect();
    assert_eq!(attached, ["greeting", "shop", "team"]);
    let functions = listed["account"]["functions"].as_array().unwrap();
    let mine = functions.iter().find(|one| one["name"] == FUNCTION).unwrap();
    assert_eq!(mine["tags"]["team"], "shop", "{listed}");

    // Another target has its own.
    let other = sandbox.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let mut command = sandbox.command(&["attach", "--json"]);
    let arguments: Vec<String> =
        vec!["attach".into(), "--json".into(), "--state-dir".into(), other.display().to_string()];
    command = {
        let mut fresh = std::process::Command::new(command.get_program());
        fresh.args(arguments).current_dir(support::repository()).envs(sandbox.environment());
        fresh
    };
    let elsewhere: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    assert_eq!(elsewhere["attached"].as_array().unwrap().len(), 0, "{elsewhere}");
    let stop = ["cloud", "stop", "--state-dir"];
    let mut end = std::process::Command::new(support::binary());
    end.args(stop).arg(&other).envs(sandbox.environment()).output().unwrap();
}

#[test]
fn a_file_of_attachments_that_is_broken_is_never_written_over() {
    let (sandbox, _foreign) = account();
    attach(&sandbox);
    let file = sandbox.path().join("config/labdeck/attached.toml");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    for broken in ["version = 1\n[[attached]\n", "version = 2\n", "version = 1\nother = 1\n"] {
        std::fs::write(&file, broken).unwrap();
        for args in
            [&["attach", "two", "--api", API][..], &["detach", "shop"], &["attach"], &["labs"]]
        {
            let said = sandbox.run(args).exits(1).stderr();
            assert!(
                said.contains("attached.toml") && said.contains("nothing was written"),
                "{said}"
            );
        }
        let doctor = sandbox.run(&["doctor"]).exits(1).stdout();
        assert!(doctor.contains("FAIL  attached") && doctor.contains("attached.toml"), "{doctor}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), broken);
    }
    std::fs::remove_file(&file).unwrap();
    sandbox.run(&["attach", "two", "--api", API]).success();
}

#[test]
fn the_doctor_says_what_is_attached_and_gone() {
    let (sandbox, foreign) = account();
    assert!(!sandbox.run(&["doctor"]).stdout().contains("attached"));
    attach(&sandbox);
    sandbox.json(&["attach", "mail", "--function", FUNCTION]);
    let doctor = |seen: &str| {
        let said = sandbox.run(&["doctor"]).stdout();
        let line = said.lines().find(|line| line.contains("attached"));
        let line = line.unwrap_or_else(|| panic!("{said}"));
        assert!(line.contains(seen), "{line}");
    };
    doctor("mail, shop");
    let file = sandbox.path().join("config/labdeck/attached.toml");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    doctor("can be read by others (644)");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let operator = &foreign.operator;
    let call = operator.client.delete_rest_api().rest_api_id(&foreign.api_id);
    operator.runtime.block_on(call.send()).unwrap();
    doctor(&format!("shop names what is not there: API {API} ({})", foreign.api_id));
    sandbox.json(&["detach", "shop"]);
    doctor("ok  attached");
}

#[test]
fn the_console_picks_one_and_takes_it_back() {
    let (sandbox, foreign) = account();
    foreign.point("2");
    let mut console = Console::open(&sandbox, 130, 40, &[]);
    console.shows("● tail");
    console.keys("I").shows("attach: REST APIs and functions");
    shows_line(&mut console, &["API", API, &foreign.api_id, "team=shop"]);
    shows_line(&mut console, &["function", FUNCTION, "team=shop"]);
    console.keys("api orders").shows("1 shown, 0 marked");
    console.keys("\t").shows("1 shown, 1 marked").keys("\r");
    console.shows("┌ attach").shows("› orders").keys("\x7f").shows("› order").keys("\r");
    console.shows("order is attached").shows("order (attached)");

    // Its alias, its stage, and what is off.
    shows_line(&mut console, &[ALIAS, "v2"]);
    shows_line(&mut console, &["R roll back to v1"]);
    console.keys("d").shows("deploy is off: order is attached, labdeck did not deploy it");
    console.keys("2").shows("never makes or removes").shows("function theirs is left out");
    console.keys("1").keys("R");
    shows_line(&mut console, &["rollback:", FUNCTION, "v2 → v1"]);
    assert_eq!(foreign.alias().0, "1");

    // A request, and the line that it logs.
    console.keys("5").shows("/orders/{id}").keys("jj").shows("┌ /orders ").keys("s");
    shows_line(&mut console, &["/orders: 200 in"]);

    // It is in the list of labs, and goes from it.
    console.keys("l").shows("I attaches more");
    shows_line(&mut console, &["order", "attached: 1 REST API, 1 function", "live"]);
    console.keys("\x1b").shows_no("I attaches more");
    console.keys("\x1b[3~").shows("Detach order?").keys("y");
    console.shows("order is detached").shows_no("(attached)");
    console.keys("q");
    console.ends();
    assert!(!sandbox.json(&["labs"]).to_string().contains("\"order\""));
    assert_eq!(foreign.alias().0, "1");
}
