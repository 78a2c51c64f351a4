//! What the gateway refuses and what fails behind it, broken by another tool: the diagnosis finds it in live
//! state, and the command that it names mends it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use aws_sdk_apigateway::types::IntegrationType;
use aws_sdk_lambda::types::Environment;
use serde_json::Value;
use support::Sandbox;
use support::diagnosis::{ask, breaks_and_mends, broken, mend};
use support::foreign::client;
use support::gateway::Operator;

/// Keeps a request of one's own.
fn save(sandbox: &Sandbox, lab: &str, name: &str, more: &[&str]) {
    sandbox.run(&[&["request", lab, name, "--save"][..], more].concat()).success();
}

fn explained(answer: &Value) -> &str {
    answer["diagnosis"]["explanation"].as_str().unwrap_or_else(|| panic!("{answer:#}"))
}

/// A method that answers by itself, in the definition alone.
fn add_method(operator: &Operator, api: &str, part: &str) {
    let id = operator.api(api);
    let (client, runtime) = (&operator.client, &operator.runtime);
    let made = client.create_resource().rest_api_id(&id).parent_id(operator.resource(&id, "/"));
    let made = runtime.block_on(made.path_part(part).send()).unwrap();
    let resource = made.id().unwrap();
    let method = client.put_method().rest_api_id(&id).resource_id(resource).http_method("GET");
    runtime.block_on(method.authorization_type("NONE").send()).unwrap();
    let behind = client.put_integration().rest_api_id(&id).resource_id(resource);
    let behind = behind.http_method("GET").r#type(IntegrationType::Mock);
    let behind = behind.request_templates("application/json", r#"{"statusCode": 200}"#);
    runtime.block_on(behind.send()).unwrap();
    let answer = client.put_method_response().rest_api_id(&id).resource_id(resource);
    runtime.block_on(answer.http_method("GET").status_code("200").send()).unwrap();
    let answer = client.put_integration_response().rest_api_id(&id).resource_id(resource);
    runtime.block_on(answer.http_method("GET").status_code("200").send()).unwrap();
}

#[test]
fn stale_stages_types_of_bodies_and_lost_keys() {
    let sandbox = Sandbox::new();
    sandbox.json(&["deploy", "items"]);
    let operator = Operator::new(&sandbox);
    let key = sandbox.json(&["keys", "items", "show", "LabKey"])["value"].to_string();
    let typed = format!("x-api-key={}", key.trim_matches('"'));
    save(&sandbox, "items", "new", &["GET", "/new"]);
    let plain = ["GET", "/items", "--key", "LabKey", "--header", "content-type=text/plain"];
    save(&sandbox, "items", "plain", &plain);
    save(&sandbox, "items", "typed", &["GET", "/items", "--header", &typed]);
    assert_eq!(ask(&sandbox, &["items", "typed", "--stage", "dev"]).1["status"], 200);

    // In the API's definition, and in no deployment.
    operator.set_integration("ItemsAPI", "/items", "GET", ("/passthroughBehavior", "NEVER"));
    add_method(&operator, "ItemsAPI", "new");
    let stale = ["the lab's files have GET /new", "stage ItemsAPI/dev serves that definition"];
    breaks_and_mends(&sandbox, &["items", "new", "--stage", "dev"], 403, &stale, "redeploy");
    // What came along with it.
    let (_, answer) = ask(&sandbox, &["items", "plain", "--stage", "dev"]);
    assert_eq!(answer["status"], 415, "{answer:#}");
    assert_eq!(broken(&answer), (vec!["the method takes text/plain".into()], String::new()));
    assert!(explained(&answer).contains("it takes application/json"), "{answer:#}");

    // A key without a plan: one made by hand, then the lab's own.
    sandbox.run(&["keys", "items", "create", "Guest"]).success();
    let guest = ["items", "one", "--stage", "dev", "--key", "Guest"];
    let (_, answer) = ask(&sandbox, &guest);
    let found = (vec!["key Guest is in a usage plan".to_owned()], "use_key".to_owned());
    assert_eq!((&answer["status"], broken(&answer)), (&403.into(), found), "{answer:#}");
    assert!(mend(&sandbox, &answer).stdout().contains("200  "));
    let keys = sandbox.json(&["keys", "items"])["keys"].clone();
    let id = |keys: &Value| {
        let all = keys.as_array().unwrap();
        let one = all.iter().find(|one| one["name"] == "LabKey").unwrap();
        one["id"].as_str().unwrap().to_owned()
    };
    let out = operator.client.delete_usage_plan_key().usage_plan_id(operator.plan("LabPlan"));
    operator.runtime.block_on(out.key_id(id(&keys)).send()).unwrap();
    let one = ["items", "one", "--stage", "dev"];
    breaks_and_mends(&sandbox, &one, 403, &["key LabKey is in a usage plan"], "deploy");

    // A key that is gone: whoever names it is told at once, a value that was typed is found out.
    let gone = operator.client.delete_api_key().api_key(id(&keys));
    operator.runtime.block_on(gone.send()).unwrap();
    let said = sandbox.run(&["request", "items", "one", "--stage", "dev"]).exits(1).stderr();
    assert!(said.contains("LabKey") && said.contains("labdeck deploy items"), "{said}");
    let typed = ["items", "typed", "--stage", "dev"];
    let (_, answer) = ask(&sandbox, &typed);
    let lost = vec!["its value is that of a key".to_owned()];
    assert_eq!(
        (&answer["status"], broken(&answer)),
        (&403.into(), (lost.clone(), "deploy".into()))
    );
    mend(&sandbox, &answer);
    let (_, answer) = ask(&sandbox, &typed);
    assert_eq!(broken(&answer), (lost, "use_key".to_owned()), "{answer:#}");
    assert!(mend(&sandbox, &answer).stdout().contains("200  "), "the new key comes first");
    assert_eq!(ask(&sandbox, &one).1["status"], 200);
}

#[test]
fn what_takes_too_long_is_too_large_or_was_released_broken() {
    let sandbox = Sandbox::new();
    sandbox.json(&["deploy", "items-db"]);
    let operator = Operator::new(&sandbox);
    assert_eq!(ask(&sandbox, &["items-db", "save", "--stage", "dev"]).1["status"], 200);
    let read = |stage: &'static str| ["items-db", "read", "--stage", stage];

    // The gateway waits for less than the function takes.
    operator.set_integration("items-db", "/items/{id}", "GET", ("/timeoutInMillis", "250"));
    sandbox.run(&["stages", "items-db", "dev", "redeploy"]).success();
    operator.slow("dynamodb", "GetItem", 700);
    let (_, answer) = ask(&sandbox, &read("dev"));
    operator.go_on();
    let late = vec!["it answered within the integration's timeout of 250 ms".to_owned()];
    assert_eq!((&answer["status"], broken(&answer).0), (&504.into(), late), "{answer:#}");
    assert!(
        explained(&answer).contains("within the integration's timeout of 250 ms"),
        "{answer:#}"
    );
    assert_eq!(broken(&answer).1, "open_logs");

    // The gateway takes the body, and Lambda does not take the event; then more than the gateway takes.
    let id = format!("id={}", "y".repeat(100_000));
    for (name, times, what) in [
        ("large", 66, "the event that it makes has at most 6 MB"),
        ("larger", 106, "the body has at most 10 MB"),
    ] {
        let body = format!(r#"{{"id": "chair", "data": "{}"}}"#, "{{id}}".repeat(times));
        let json = "content-type=application/json";
        let more = ["POST", "/items", "--header", json, "--body", &body];
        save(&sandbox, "items-db", name, &more);
        let (_, answer) = ask(&sandbox, &["items-db", name, "--stage", "dev", "--var", &id]);
        assert_eq!(answer["status"], 413, "{name}");
        assert_eq!(broken(&answer), (vec![what.to_owned()], String::new()));
    }

    // A version that answers what no proxy integration takes is taken back.
    let (lambda, name) = (client(&sandbox), "items-db");
    let now = lambda.get_function_configuration().function_name(name).send();
    let now = operator.runtime.block_on(now).unwrap();
    let mut variables = now.environment().unwrap().variables().unwrap().clone();
    variables.insert("RESPONSE".to_owned(), "bare".to_owned());
    let variables = Environment::builder().set_variables(Some(variables)).build();
    let change = lambda.update_function_configuration().function_name(name);
    operator.runtime.block_on(change.environment(variables).send()).unwrap();
    sandbox.run(&["release", name, "publish"]).success();
    sandbox.run(&["release", name, "promote"]).success();
    breaks_and_mends(&sandbox, &read("prod"), 502, &[], "rollback");
}
