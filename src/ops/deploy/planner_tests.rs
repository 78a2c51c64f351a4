#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::{Api, Follows, Function, Role, Stage, Table};
use proptest::prelude::*;
use serde_json::json;

use super::super::Action;
use super::super::kinds::alias::{AliasAction, AliasVersion, LiveAlias};
use super::super::kinds::api::{ApiAction, LiveApi};
use super::super::kinds::function::{FunctionAction, LiveFunction};
use super::super::kinds::permission::{PermissionAction, statement_id};
use super::super::kinds::stage::{LiveStage, StageAction};
use super::super::kinds::table::LiveTable;
use super::super::resolve::Resolver;
use super::super::settings::{Found, Settings, Spec};
use super::super::wanted::{CodeId, Place};
use super::*;

fn stage(name: &str, follows: Follows) -> Stage {
    Stage { name: name.into(), alias: name.into(), follows, ..Stage::default() }
}

fn place() -> Place {
    Place { partition: "aws".into(), region: "r".into(), account: "1".into() }
}

/// Two functions with an API each, a table, and the stages `dev` and `prod`.
pub(super) fn blueprint() -> Blueprint {
    let names = ["a", "b"];
    let uri = |name: &str| format!("x/${{function.{name}}}:${{stageVariables.lambdaAlias}}/i");
    Blueprint {
        name: "greet".into(),
        log_retention_days: 7,
        roles: names
            .map(|name| Role { name: format!("{name}-role"), statements: Vec::new() })
            .into(),
        tables: vec![Table {
            name: "visits".into(),
            hash_key: "id".into(),
            hash_key_type: "S".into(),
            ..Table::default()
        }],
        functions: names
            .map(|name| Function {
                name: name.into(),
                role: format!("{name}-role"),
                memory_mb: 128,
                timeout_s: 5,
                description: "d".into(),
                environment: BTreeMap::from([("TABLE".into(), "visits".into())]),
                ..Function::default()
            })
            .into(),
        apis: names
            .map(|name| Api {
                name: name.into(),
                document: json!({
                    "openapi": "3.0.1",
                    "info": { "title": name },
                    "paths": { "/greet/{id}": { "get": {
                        "x-amazon-apigateway-integration": { "type": "aws_proxy", "uri": uri(name) },
                    }}},
                }),
                functions: vec![name.into()],
                ..Api::default()
            })
            .into(),
        stages: vec![stage("dev", Follows::Latest), stage("prod", Follows::Release)],
        ..Blueprint::default()
    }
}

pub(super) fn resolved(blueprint: &Blueprint) -> Wanted {
    let code = CodeId { sha256: STANDARD.encode([1; 32]), architecture: "x86_64" };
    let code = blueprint.functions.iter().map(|f| (f.name.clone(), code.clone())).collect();
    let resolver = Resolver {
        blueprint,
        place: place(),
        role: None,
        parameters: BTreeMap::new(),
        queues: "https://sqs".into(),
    };
    Wanted::new(&resolver, &code).unwrap()
}

fn wanted() -> Wanted {
    resolved(&blueprint())
}

pub(super) fn found<S: Settings>(spec: &Spec<S>) -> Found<S> {
    Found { owner: Owner::Lab, settings: spec.settings.clone(), record: spec.record.clone() }
}

/// What is live when `wanted` is done.
pub(super) fn complete(wanted: &Wanted) -> Live {
    let mut live = Live::default();
    for role in &wanted.roles {
        live.roles.insert(role.name.clone(), found(&role.spec));
    }
    for table in &wanted.tables {
        let present = LiveTable {
            found: found(&table.spec),
            status: "ACTIVE".into(),
            key: table.key.clone(),
            ..LiveTable::default()
        };
        live.tables.insert(table.name.clone(), present);
    }
    for api in &wanted.apis {
        let hash = &api.definition.hash;
        let stages = wanted.stages.iter().map(|stage| {
            let spec = Spec::new(stage::wanted_settings(wanted, &api.name, stage));
            let present = LiveStage { deployment: "d1".into(), found: found(&spec) };
            (stage.name.clone(), present)
        });
        let present = LiveApi {
            id: format!("id-{}", api.name),
            hash: Some(hash.clone()),
            variant: wanted.variant.clone(),
            tagged: true,
            stages: stages.collect(),
            deployments: vec![("d1".into(), hash.clone())],
            drift: Vec::new(),
            edited: Vec::new(),
        };
        live.apis.insert(api.name.clone(), present);
    }
    for group in &wanted.log_groups {
        live.log_groups.insert(group.name.clone(), found(&group.spec));
    }
    for function in &wanted.functions {
        let mut permissions: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for api in &wanted.apis {
            for route in api.routes.iter().filter(|route| route.function == function.name) {
                for stage in &wanted.stages {
                    let parts = [&api.name, &stage.name, &route.method, &route.path];
                    let id = statement_id(parts.map(String::as_str), 2);
                    let source = wanted.place.method(
                        &format!("id-{}", api.name),
                        &stage.name,
                        &route.method,
                        &route.path,
                    );
                    permissions.entry(stage.alias.clone()).or_default().insert(id, source);
                }
            }
        }
        let alias = |version: &str| LiveAlias { version: version.into(), ..LiveAlias::default() };
        let present = LiveFunction {
            found: found(&function.spec),
            newest_version: Some("1".into()),
            aliases: BTreeMap::from([
                ("dev".into(), alias("$LATEST")),
                ("prod".into(), alias("1")),
            ]),
            permissions,
            ..LiveFunction::default()
        };
        live.functions.insert(function.name.clone(), present);
    }
    live
}

/// `verb resource name: reason` of every step.
pub(super) fn lines(plan: &Plan) -> Vec<String> {
    plan.steps
        .iter()
        .map(|s| format!("{:?} {} {}: {}", s.verb, s.resource, s.name, s.reason))
        .collect()
}

fn ordered(plan: &Plan) -> bool {
    plan.steps
        .iter()
        .enumerate()
        .all(|(index, step)| step.after.iter().all(|before| *before < index))
}

#[test]
fn from_nothing_everything_is_created() {
    let plan = plan_deploy(&wanted(), &Live::default()).unwrap();
    assert!(ordered(&plan));
    let count = |resource: &str| plan.steps.iter().filter(|s| s.resource == resource).count();
    assert_eq!(count("role"), 2);
    assert_eq!(count("table"), 1);
    assert_eq!(count("log group"), 2);
    assert_eq!(count("function"), 2);
    assert_eq!(count("alias"), 4);
    assert_eq!(count("deployment"), 2);
    assert_eq!(count("stage"), 4);
    assert_eq!(count("permission"), 4);
    let of = |resource: &str, name: &str| {
        plan.steps.iter().position(|s| s.resource == resource && s.name == name).unwrap()
    };
    let function = &plan.steps[of("function", "a")];
    assert!(function.after.contains(&of("role", "a-role")));
    assert!(function.after.contains(&of("log group", "/aws/lambda/a")));
    assert!(!function.after.contains(&of("role", "b-role")));
    let prod = &plan.steps[of("alias", "a:prod")];
    assert!(prod.reason.contains("publishes version 1"), "{}", prod.reason);
    assert!(prod.after.contains(&of("function", "a")));
    let permission = &plan.steps[of("permission", "a:prod")];
    assert!(permission.after.contains(&of("alias", "a:prod")));
    assert!(permission.after.contains(&of("API", "a")));
}

#[test]
fn from_complete_nothing_is_done() {
    let wanted = wanted();
    let plan = plan_deploy(&wanted, &complete(&wanted)).unwrap();
    assert!(plan.is_empty(), "{:?}", lines(&plan));
}

#[test]
fn new_code_moves_no_prod_alias() {
    let wanted = wanted();
    let mut live = complete(&wanted);
    live.functions.get_mut("a").unwrap().found.settings.code = STANDARD.encode([0xab; 32]);
    let plan = plan_deploy(&wanted, &live).unwrap();
    assert_eq!(
        lines(&plan),
        ["Update function a: drift: code changed (abababab… → 01010101…)".to_owned()]
    );
}

#[test]
fn settings_follow_the_code_and_name_what_changed() {
    let wanted = wanted();
    let mut live = complete(&wanted);
    let function = &mut live.functions.get_mut("b").unwrap().found;
    function.settings.code = STANDARD.encode([2; 32]);
    function.settings.timeout = 10;
    function.settings.memory = 256;
    function.settings.environment.insert("TABLE".into(), "nothing".into());
    function.settings.environment.insert("OLD".into(), "secret".into());
    // The blueprint was as it is live.
    function.record = Spec::new(function.settings.clone()).record;
    let plan = plan_deploy(&wanted, &live).unwrap();
    assert_eq!(plan.steps.len(), 2);
    assert_eq!(plan.steps[1].after, [0]);
    let reason = &plan.steps[1].reason;
    assert_eq!(reason, "memory 256 → 128 MB, timeout 10 → 5 s, environment changed (OLD, TABLE)");
}

#[test]
fn a_failed_function_gets_its_code_again() {
    let wanted = wanted();
    let mut live = complete(&wanted);
    live.functions.get_mut("a").unwrap().failed = true;
    let plan = plan_deploy(&wanted, &live).unwrap();
    assert_eq!(plan.steps.len(), 1);
    assert_eq!(plan.steps[0].action, FunctionAction::Code { name: "a".into(), last: true }.into());
}

#[test]
fn a_missing_prod_alias_takes_the_newest_version() {
    let wanted = wanted();
    let mut live = complete(&wanted);
    let function = live.functions.get_mut("a").unwrap();
    function.aliases.remove("prod");
    function.permissions.remove("prod");
    function.newest_version = Some("3".into());
    let plan = plan_deploy(&wanted, &live).unwrap();
    assert_eq!(
        plan.steps[0].action,
        Action::Alias(AliasAction::Create {
            function: "a".into(),
            alias: "prod".into(),
            to: AliasVersion::Published("3".into()),
        })
    );
    assert_eq!(plan.steps[1].resource, "permission");
    assert_eq!(plan.steps[1].after, [0]);
    assert_eq!(plan.steps.len(), 2);
}

#[test]
fn the_dev_alias_follows_latest_again_and_prod_stays() {
    let wanted = wanted();
    let mut live = complete(&wanted);
    let aliases = &mut live.functions.get_mut("a").unwrap().aliases;
    aliases.get_mut("dev").unwrap().version = "1".into();
    aliases.get_mut("prod").unwrap().version = "7".into();
    let plan = plan_deploy(&wanted, &live).unwrap();
    assert_eq!(
        lines(&plan),
        ["Update alias a:dev: points to 1, its stage follows $LATEST".to_owned()]
    );
}

#[test]
fn a_new_definition_moves_dev_alone() {
    let wanted = wanted();
    let mut live = complete(&wanted);
    let api = live.apis.get_mut("a").unwrap();
    api.hash = Some("old".into());
    api.deployments = vec![("d1".into(), "old".into())];
    let plan = plan_deploy(&wanted, &live).unwrap();
    assert_eq!(
        lines(&plan),
        [
            "Update API a: its definition changed",
            "Create deployment a: no deployment holds this definition",
            "Update stage a/dev: serves another definition",
        ]
    );
    assert_eq!(plan.steps[1].after, [0]);
    assert_eq!(plan.steps[2].after, [1]);
}

#[test]
fn a_deploy_that_was_killed_after_the_import_goes_on() {
    let wanted = wanted();
    let mut live = complete(&wanted);
    let api = live.apis.get_mut("b").unwrap();
    api.tagged = false;
    api.stages.clear();
    api.deployments.clear();
    let plan = plan_deploy(&wanted, &live).unwrap();
    assert_eq!(
        lines(&plan),
        [
            "Update API tag b: the lab's tag is missing",
            "Create deployment b: missing",
            "Create stage b/dev: missing",
            "Create stage b/prod: missing",
        ]
    );
}

#[test]
fn a_deleted_stage_is_made_of_the_held_deployment() {
    let wanted = wanted();
    let mut live = complete(&wanted);
    live.apis.get_mut("a").unwrap().stages.remove("prod");
    let plan = plan_deploy(&wanted, &live).unwrap();
    assert_eq!(lines(&plan), ["Create stage a/prod: missing".to_owned()]);
}

#[test]
fn a_stage_variable_is_put_back() {
    let wanted = wanted();
    let mut live = complete(&wanted);
    let stage = live.apis.get_mut("a").unwrap().stages.get_mut("prod").unwrap();
    stage.found.settings.variables.insert("lambdaAlias".into(), "dev".into());
    let plan = plan_deploy(&wanted, &live).unwrap();
    assert_eq!(
        lines(&plan),
        ["Update stage a/prod: drift: variables lambdaAlias=dev → lambdaAlias=prod".to_owned()]
    );
    let Action::Stage(StageAction::Update { moves, .. }) = &plan.steps[0].action else {
        panic!("{:?}", plan.steps[0])
    };
    assert!(!moves);
}

#[test]
fn permissions_of_an_api_that_is_gone_are_replaced_and_old_ones_revoked() {
    let wanted = wanted();
    let mut live = complete(&wanted);
    live.apis.remove("a");
    let dev = live.functions.get_mut("a").unwrap().permissions.get_mut("dev").unwrap();
    dev.insert("labdeck-old".into(), "arn:old".into());
    let plan = plan_deploy(&wanted, &live).unwrap();
    assert!(ordered(&plan));
    let replaced = plan
        .steps
        .iter()
        .filter(|s| {
            matches!(&s.action, Action::Permission(PermissionAction::Grant { replaces: true, .. }))
        })
        .count();
    assert_eq!(replaced, 2);
    let revoked: Vec<_> = plan
        .steps
        .iter()
        .filter(|s| matches!(s.action, Action::Permission(PermissionAction::Revoke { .. })))
        .collect();
    assert_eq!(revoked.len(), 1);
    assert!(revoked[0].reason.contains("labdeck-old"));
    assert!(!revoked[0].after.is_empty());
}

#[test]
fn what_a_released_stage_may_still_serve_keeps_its_permission() {
    let wanted = wanted();
    let mut live = complete(&wanted);
    for stage in ["dev", "prod"] {
        let source = wanted.place.method("id-a", stage, "GET", "/renamed-since");
        let statements = live.functions.get_mut("a").unwrap().permissions.get_mut(stage).unwrap();
        statements.insert(format!("labdeck-old-{stage}"), source);
    }
    let plan = plan_deploy(&wanted, &live).unwrap();
    let revoked: Vec<&str> = plan.steps.iter().map(|step| step.reason.as_str()).collect();
    assert_eq!(revoked, ["labdeck-old-dev is not needed any more"]);
}

#[test]
fn foreign_resources_are_refused_and_all_named() {
    let wanted = wanted();
    let mut live = complete(&wanted);
    live.tables.get_mut("visits").unwrap().found.owner = Owner::Foreign;
    live.functions.get_mut("b").unwrap().found.owner = Owner::Foreign;
    live.foreign_apis.push("a".into());
    let failure = plan_deploy(&wanted, &live).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused);
    for name in ["table visits", "function b", "API a"] {
        assert!(failure.why.contains(name), "{}", failure.why);
    }
}

#[test]
fn a_foreign_log_group_is_neither_refused_nor_changed() {
    let wanted = wanted();
    let mut live = complete(&wanted);
    let group = live.log_groups.get_mut("/aws/lambda/a").unwrap();
    group.owner = Owner::Foreign;
    group.settings.retention = None;
    assert!(plan_deploy(&wanted, &live).unwrap().is_empty());
    let destroy = plan_destroy(&wanted, &live);
    assert!(!destroy.steps.iter().any(|step| step.name == "/aws/lambda/a"));
}

#[test]
fn a_table_with_another_key_is_replaced_and_that_is_said() {
    let wanted = wanted();
    let mut live = complete(&wanted);
    let table = live.tables.get_mut("visits").unwrap();
    (table.key, table.items) = (vec![("other".into(), "N".into())], 3);
    let plan = plan_deploy(&wanted, &live).unwrap();
    assert_eq!(lines(&plan), ["Replace table visits: key other (N) → id (S)".to_owned()]);
    assert!(plan.warnings().next().unwrap().contains("3 items are lost"));
}

#[test]
fn doubles_and_orphans_of_apis_are_removed() {
    let wanted = wanted();
    let mut live = complete(&wanted);
    live.other_apis = vec![("x1".into(), "a".into()), ("x2".into(), "older".into())];
    let plan = plan_deploy(&wanted, &live).unwrap();
    assert_eq!(
        lines(&plan),
        [
            "Delete API a: a double of the lab's own API",
            "Delete API older: not in lab.toml any more",
        ]
    );
}

#[test]
fn destroy_removes_the_own_in_an_order_that_cannot_conflict() {
    let wanted = wanted();
    let mut live = complete(&wanted);
    live.roles.get_mut("b-role").unwrap().owner = Owner::Foreign;
    let plan = plan_destroy(&wanted, &live);
    assert!(ordered(&plan));
    let kinds: Vec<_> = plan.steps.iter().map(|s| s.resource.as_str()).collect();
    assert_eq!(
        kinds,
        ["API", "API", "function", "function", "table", "role", "log group", "log group"]
    );
    assert_eq!(plan.steps[2].after, [0, 1]);
    assert_eq!(plan.steps[7].after, [0, 1, 2, 3]);
    assert!(plan_destroy(&wanted, &Live::default()).is_empty());
}

/// Takes things out of `live` and changes others, as the bits of `damage` say.
fn damaged(wanted: &Wanted, damage: u32) -> Live {
    let mut live = complete(wanted);
    let bit = |n: u32| damage & (1 << n) != 0;
    for (n, name) in ["a", "b"].into_iter().enumerate() {
        let base = n as u32 * 12;
        let function = live.functions.get_mut(name).unwrap();
        if bit(base) {
            function.found.settings.code = String::new();
        }
        if bit(base + 1) {
            function.found.settings.timeout += 1;
        }
        if bit(base + 2) {
            function.aliases.remove("prod");
        }
        if bit(base + 3) {
            function.aliases.get_mut("dev").unwrap().version = "1".into();
        }
        if bit(base + 4) {
            function.permissions.clear();
        }
        if bit(base + 5) {
            live.functions.remove(name);
        }
        let api = live.apis.get_mut(name).unwrap();
        if bit(base + 6) {
            api.hash = None;
        }
        if bit(base + 7) {
            api.deployments.clear();
        }
        if bit(base + 8) {
            api.stages.remove("dev");
        }
        if bit(base + 9) {
            live.apis.remove(name);
        }
        if bit(base + 10) {
            live.roles.remove(&format!("{name}-role"));
        }
        if bit(base + 11) {
            live.log_groups.remove(&format!("/aws/lambda/{name}"));
        }
    }
    live
}

proptest! {
    /// Whatever is missing or changed: dependencies come first, and what needs a deployment has one
    /// that is held or made before.
    #[test]
    fn plans_are_ordered_and_have_what_they_need(damage in any::<u32>()) {
        let wanted = wanted();
        let live = damaged(&wanted, damage);
        let plan = plan_deploy(&wanted, &live).unwrap();
        prop_assert!(ordered(&plan));
        prop_assert!(ordered(&plan_destroy(&wanted, &live)));
        for step in &plan.steps {
            let Action::Stage(
                StageAction::Create { api, .. } | StageAction::Update { api, moves: true, .. },
            ) = &step.action
            else {
                continue;
            };
            let hash = &wanted.apis.iter().find(|a| a.name == *api).unwrap().definition.hash;
            let held = live
                .apis
                .get(api)
                .is_some_and(|live| live.deployments.iter().any(|(_, of)| of == hash));
            let made = plan.steps.iter().any(|s| s.action == ApiAction::Deploy(api.clone()).into());
            prop_assert!(held || made);
        }
    }
}
