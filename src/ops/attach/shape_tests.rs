//! What is made of somebody else's APIs and functions, by arithmetic alone.
#![allow(clippy::unwrap_used)]

use aws_sdk_apigateway::types::{
    Integration, IntegrationType, Method, Resource, RestApi, Stage as LiveStage,
};
use aws_sdk_lambda::types::LoggingConfig;

use super::*;

const URI: &str = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/\
    arn:aws:lambda:us-east-1:000000000000:function:";

fn resource(path: &str, verb: &str, function: &str, wants_key: bool) -> Resource {
    let integration = Integration::builder()
        .r#type(IntegrationType::AwsProxy)
        .uri(format!("{URI}{function}/invocations"));
    let method = Method::builder()
        .api_key_required(wants_key)
        .method_integration(integration.build())
        .build();
    Resource::builder().path(path).resource_methods(verb, method).build()
}

fn stage(name: &str, variables: &[(&str, &str)]) -> LiveStage {
    let mut stage = LiveStage::builder().stage_name(name);
    for (name, value) in variables {
        stage = stage.variables(*name, *value);
    }
    stage.build()
}

fn api(id: &str, stages: Vec<LiveStage>, resources: Vec<Resource>) -> ApiFacts {
    ApiFacts {
        name: "orders".into(),
        id: id.into(),
        live: Some(RestApi::builder().id(id).name("orders").build()),
        stages,
        resources,
        keys: vec![("k1".into(), "customer".into())],
    }
}

fn function(name: &str, aliases: &[&str]) -> FunctionFacts {
    FunctionFacts {
        name: name.into(),
        live: Some(FunctionConfiguration::builder().function_name(name).memory_size(256).build()),
        tags: BTreeMap::new(),
        aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
    }
}

fn made(facts: &Facts, alias: Option<&str>) -> Blueprint {
    let attachment = Attachment {
        name: "shop".into(),
        alias: alias.map(str::to_owned),
        ..Attachment::default()
    };
    blueprint(&attachment, facts)
}

fn remarks(blueprint: &Blueprint) -> String {
    blueprint.attached.as_ref().unwrap().remarks.join("\n")
}

#[test]
fn stages_have_the_alias_of_their_variable_or_of_the_uri() {
    let by_variable = "orders:${stageVariables.lambdaAlias}";
    let facts = Facts {
        apis: vec![api(
            "a1",
            vec![
                stage("prod", &[("lambdaAlias", "prod")]),
                stage("dev", &[("lambdaAlias", "dev")]),
            ],
            vec![resource("/orders/{id}", "GET", by_variable, false)],
        )],
        functions: vec![function("orders", &["dev", "prod"]), function("mailer", &[])],
        remarks: Vec::new(),
    };
    let shop = made(&facts, None);
    assert_eq!(shop.released_alias(), Some("prod"));
    let stages: Vec<_> = shop.stages.iter().map(|s| (&*s.name, &*s.alias, s.follows)).collect();
    assert_eq!(stages, [("dev", "dev", Follows::Latest), ("prod", "prod", Follows::Release)]);
    assert_eq!(shop.apis[0].functions, ["orders"]);
    assert!(remarks(&shop).contains("function mailer has no alias prod"), "{}", remarks(&shop));

    let uri = |function| vec![resource("/", "ANY", function, false)];
    let by_uri = Facts {
        apis: vec![api("a1", vec![stage("v1", &[])], uri("orders:live"))],
        functions: vec![function("orders", &["live", "old"])],
        remarks: Vec::new(),
    };
    assert_eq!(made(&by_uri, None).released_alias(), Some("live"));
    assert_eq!(made(&by_uri, Some("old")).released_alias(), Some("old"));
    let latest = Facts { apis: vec![api("a1", vec![stage("v1", &[])], uri("orders"))], ..by_uri };
    let shop = made(&latest, None);
    assert_eq!((shop.released_alias(), &*shop.stages[0].alias), (None, "$LATEST"));
    assert!(remarks(&shop).contains("several aliases, live, old"), "{}", remarks(&shop));
}

#[test]
fn requests_are_for_what_can_be_read_and_have_the_key_of_a_plan() {
    let facts = Facts {
        apis: vec![api(
            "a1",
            vec![stage("prod", &[])],
            vec![
                resource("/orders/{id}/{rest+}", "GET", "orders", true),
                resource("/orders", "POST", "orders", true),
                resource("/", "ANY", "orders", false),
            ],
        )],
        functions: vec![function("orders", &["prod"])],
        remarks: Vec::new(),
    };
    let shop = made(&facts, None);
    let asked: Vec<_> =
        shop.requests.iter().map(|r| (&*r.name, &*r.path, r.key.as_deref())).collect();
    assert_eq!(
        asked,
        [("/", "/", None), ("/orders/{id}/{rest+}", "/orders/{{id}}/{{rest}}", Some("customer")),]
    );
    assert_eq!(
        shop.apis[0].document["paths"]["/orders"]["post"]["security"][0]["api_key"],
        json!([])
    );
    assert!(shop.apis[0].document["paths"]["/"].get(ANY).is_some());
}

#[test]
fn what_is_gone_or_somebody_elses_is_said() {
    let gone = ApiFacts { name: "old".into(), id: "z9".into(), ..ApiFacts::default() };
    let tagged = |tag: &str, value: &str| FunctionFacts {
        tags: BTreeMap::from([(tag.to_owned(), value.to_owned())]),
        ..function("orders", &["prod"])
    };
    let missing = FunctionFacts { name: "mailer".into(), ..FunctionFacts::default() };
    let facts = Facts {
        apis: vec![gone],
        functions: vec![tagged(LAB_TAG, "shoplab"), tagged(STACK_TAG, "shop-stack"), missing],
        remarks: vec!["first".into()],
    };
    let shop = made(&facts, None);
    let said = remarks(&shop);
    for part in [
        "first",
        "API old (z9) is gone",
        "mailer does not exist",
        "lab shoplab",
        "stack shop-stack",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(shop.title, "attached: 1 REST API, 3 functions");
}

#[test]
fn a_log_group_of_its_own_is_known() {
    let group = LoggingConfig::builder().log_group("/shop/all").build();
    let live = FunctionConfiguration::builder().logging_config(group).build();
    let one = FunctionFacts { live: Some(live), ..function("orders", &[]) };
    let facts = Facts { functions: vec![one], ..Facts::default() };
    let groups = made(&facts, None).attached.unwrap().log_groups;
    assert_eq!(groups, BTreeMap::from([("orders".to_owned(), "/shop/all".to_owned())]));
}
