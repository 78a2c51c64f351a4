//! The plan's arithmetic: what is wanted, minus what is live, gives steps. Pure.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::blueprint::{Follows, Stage};

use super::action::{Action, AliasVersion};
use super::observe::{Live, LiveApi, LiveFunction, LiveRole, Owner};
use super::plan::{Plan, Step, Verb};
use super::wanted::{Wanted, WantedApi, WantedFunction, WantedRole};

/// Collects steps; an index is handed out for each.
#[derive(Debug, Default)]
pub(super) struct Steps(Vec<Step>);

impl Steps {
    pub(super) fn push(
        &mut self,
        verb: Verb,
        resource: &str,
        name: impl Into<String>,
        reason: impl Into<String>,
        after: &[usize],
        action: Action,
    ) -> usize {
        let mut after = after.to_vec();
        after.sort_unstable();
        after.dedup();
        self.0.push(Step {
            verb,
            resource: resource.to_owned(),
            name: name.into(),
            reason: reason.into(),
            after,
            action,
        });
        self.0.len() - 1
    }

    pub(super) fn into_plan(self, lab: &str) -> Plan {
        Plan { lab: lab.to_owned(), steps: self.0 }
    }
}

/// The steps that make `live` what is `wanted`; refuses when something of the same name is foreign
/// or cannot become what is wanted.
pub fn plan_deploy(wanted: &Wanted, live: &Live) -> Result<Plan> {
    refuse_foreign(wanted, live)?;
    refuse_other_keys(wanted, live)?;
    let mut steps = Steps::default();
    let roles: BTreeMap<&str, Vec<usize>> = wanted
        .roles
        .iter()
        .map(|r| (r.name.as_str(), role(&mut steps, r, live.roles.get(&r.name))))
        .collect();
    for table in &wanted.tables {
        if !live.tables.contains_key(&table.name) {
            let action = Action::CreateTable(table.name.clone());
            steps.push(Verb::Create, "table", &table.name, "missing", &[], action);
        }
    }
    let mut aliases: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for function in &wanted.functions {
        let mut after = log_group(&mut steps, wanted, function, live);
        if let Some(role) = &function.own_role {
            after.extend(roles.get(role.as_str()).into_iter().flatten());
        }
        let present = live.functions.get(&function.name);
        let ready = function_steps(&mut steps, function, present, &after);
        for stage in distinct_aliases(&wanted.stages) {
            let done = alias(&mut steps, function, stage, present, &ready);
            aliases.insert((&function.name, &stage.alias), done);
        }
    }
    let mut imported: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for wanted_api in &wanted.apis {
        let done = api(&mut steps, wanted, wanted_api, live.apis.get(&wanted_api.name));
        imported.insert(&wanted_api.name, done);
    }
    grants::grants(&mut steps, wanted, live, &aliases, &imported);
    for (id, name) in &live.other_apis {
        let known = wanted.apis.iter().any(|api| api.name == *name);
        let reason =
            if known { "a double of the lab's own API" } else { "not in lab.toml any more" };
        steps.push(Verb::Delete, "API", name, reason, &[], Action::DeleteApi(id.clone()));
    }
    Ok(steps.into_plan(&wanted.lab))
}

/// The steps that remove everything of the lab's own. What is foreign stays.
pub fn plan_destroy(wanted: &Wanted, live: &Live) -> Plan {
    let mut steps = Steps::default();
    let mut apis = Vec::new();
    let own = live.apis.iter().map(|(name, api)| (&api.id, name));
    for (id, name) in own.chain(live.other_apis.iter().map(|(id, name)| (id, name))) {
        let action = Action::DeleteApi(id.clone());
        apis.push(steps.push(Verb::Delete, "API", name, "the lab is destroyed", &[], action));
    }
    let mut functions = Vec::new();
    for function in &wanted.functions {
        let is_own = |f: &LiveFunction| f.owner == Owner::Lab;
        if live.functions.get(&function.name).is_some_and(is_own) {
            let reason = "with its versions, aliases and permissions";
            let action = Action::DeleteFunction(function.name.clone());
            functions.push(steps.push(
                Verb::Delete,
                "function",
                &function.name,
                reason,
                &apis,
                action,
            ));
        }
    }
    let mut delete = |resource: &str, name: &str, reason: &str, action: Action| {
        steps.push(Verb::Delete, resource, name, reason, &functions, action);
    };
    for function in &wanted.functions {
        let group = &function.log_group;
        if live.log_groups.get(group).is_some_and(|g| g.owner == Owner::Lab) {
            delete("log group", group, "with its events", Action::DeleteLogGroup(group.clone()));
        }
    }
    for table in &wanted.tables {
        if live.tables.get(&table.name).is_some_and(|t| t.owner == Owner::Lab) {
            delete("table", &table.name, "with its items", Action::DeleteTable(table.name.clone()));
        }
    }
    for role in &wanted.roles {
        if live.roles.get(&role.name).is_some_and(|r| r.owner == Owner::Lab) {
            let action = Action::DeleteRole(role.name.clone());
            delete("role", &role.name, "with its policies", action);
        }
    }
    steps.into_plan(&wanted.lab)
}

fn refuse_foreign(wanted: &Wanted, live: &Live) -> Result<()> {
    let mut foreign = Vec::new();
    let mut see = |kind: &str, name: &str, owner: Option<Owner>| {
        if owner == Some(Owner::Foreign) {
            foreign.push(format!("{kind} {name}"));
        }
    };
    for role in &wanted.roles {
        see("role", &role.name, live.roles.get(&role.name).map(|r| r.owner));
    }
    for table in &wanted.tables {
        see("table", &table.name, live.tables.get(&table.name).map(|t| t.owner));
    }
    for function in &wanted.functions {
        see("function", &function.name, live.functions.get(&function.name).map(|f| f.owner));
    }
    for name in &live.foreign_apis {
        see("API", name, Some(Owner::Foreign));
    }
    if foreign.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        FailureKind::Refused,
        format!("planning the deploy of {}", wanted.lab),
        format!(
            "there is already {}, without the tag labdeck:lab={}",
            foreign.join(", "),
            wanted.lab
        ),
    )
    .next("rename it in lab.toml, use another account or region, or remove the other one"))
}

fn refuse_other_keys(wanted: &Wanted, live: &Live) -> Result<()> {
    for table in &wanted.tables {
        let Some(present) = live.tables.get(&table.name) else { continue };
        let key = (table.hash_key.clone(), table.hash_key_type.clone());
        if present.hash_key != key {
            return Err(Failure::new(
                FailureKind::Refused,
                format!("planning the deploy of {}", wanted.lab),
                format!(
                    "table {} has the key {} ({}) and should have {} ({}): a table's key can't change",
                    table.name, present.hash_key.0, present.hash_key.1, key.0, key.1
                ),
            )
            .next(format!("destroy the lab first (`labdeck destroy {}`), with its items", wanted.lab)));
        }
    }
    Ok(())
}

fn role(steps: &mut Steps, wanted: &WantedRole, live: Option<&LiveRole>) -> Vec<usize> {
    let name = &wanted.name;
    let Some(live) = live else {
        let action = Action::CreateRole(name.clone());
        return vec![steps.push(Verb::Create, "role", name, "missing", &[], action)];
    };
    let mut done = Vec::new();
    if live.trust.as_ref() != Some(&wanted.trust) {
        let action = Action::UpdateTrust(name.clone());
        done.push(steps.push(Verb::Update, "role", name, "who may assume it changed", &[], action));
    }
    if live.policy.as_ref() != Some(&wanted.policy) {
        let reason =
            if live.policy.is_some() { "its policy changed" } else { "its policy is missing" };
        let action = Action::PutRolePolicy(name.clone());
        done.push(steps.push(Verb::Update, "role", name, reason, &[], action));
    }
    done
}

/// A log group that is not the lab's own holds somebody else's events: it is used as it is.
fn log_group(
    steps: &mut Steps,
    wanted: &Wanted,
    function: &WantedFunction,
    live: &Live,
) -> Vec<usize> {
    let name = &function.log_group;
    match live.log_groups.get(name) {
        None => {
            let action = Action::CreateLogGroup(name.clone());
            vec![steps.push(Verb::Create, "log group", name, "missing", &[], action)]
        }
        Some(group) if group.owner == Owner::Lab && group.retention != Some(wanted.retention) => {
            let before = group.retention.map_or("for ever".to_owned(), |days| format!("{days}"));
            let reason = format!("retention {before} → {} days", wanted.retention);
            let action = Action::SetRetention(name.clone());
            vec![steps.push(Verb::Update, "log group", name, reason, &[], action)]
        }
        Some(_) => Vec::new(),
    }
}

/// The steps of a function itself; answers the last of them, which its aliases wait for.
fn function_steps(
    steps: &mut Steps,
    wanted: &WantedFunction,
    live: Option<&LiveFunction>,
    after: &[usize],
) -> Vec<usize> {
    let name = &wanted.name;
    let Some(live) = live else {
        let action = Action::CreateFunction(name.clone());
        return vec![steps.push(Verb::Create, "function", name, "missing", after, action)];
    };
    let mut done = after.to_vec();
    if let Some(reason) = code_reason(wanted, live) {
        let action = Action::UpdateCode(name.clone());
        done = vec![steps.push(Verb::Update, "function", name, reason, &done, action)];
    }
    let changes = configuration_changes(wanted, live);
    if !changes.is_empty() {
        let action = Action::UpdateConfiguration(name.clone());
        // Lambda takes one update of a function at a time: the settings follow the code.
        done = vec![steps.push(Verb::Update, "function", name, changes.join(", "), &done, action)];
    }
    done
}

fn code_reason(wanted: &WantedFunction, live: &LiveFunction) -> Option<String> {
    if live.architecture != wanted.architecture && !live.architecture.is_empty() {
        return Some(format!("processor {} → {}", live.architecture, wanted.architecture));
    }
    if live.sha256 != wanted.sha256 {
        return Some(format!("code changed ({} → {})", short(&live.sha256), short(&wanted.sha256)));
    }
    live.failed.then(|| "its last update failed".to_owned())
}

/// The first digits of a code hash, for people.
fn short(sha256: &str) -> String {
    let digits = STANDARD.decode(sha256).map(hex::encode).unwrap_or_default();
    format!("{}…", digits.get(..8).unwrap_or_default())
}

fn configuration_changes(wanted: &WantedFunction, live: &LiveFunction) -> Vec<String> {
    let mut changes = Vec::new();
    if live.memory_mb != wanted.memory_mb {
        changes.push(format!("memory {} → {} MB", live.memory_mb, wanted.memory_mb));
    }
    if live.timeout_s != wanted.timeout_s {
        changes.push(format!("timeout {} → {} s", live.timeout_s, wanted.timeout_s));
    }
    if live.role_arn != wanted.role_arn {
        let name = |arn: &str| arn.rsplit('/').next().unwrap_or(arn).to_owned();
        changes.push(format!("role {} → {}", name(&live.role_arn), name(&wanted.role_arn)));
    }
    if live.description != wanted.description {
        changes.push("description changed".to_owned());
    }
    // Values may be secrets: only names are shown.
    let mut names: Vec<&str> =
        live.environment.keys().chain(wanted.environment.keys()).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| live.environment.get(*name) != wanted.environment.get(*name));
    if !names.is_empty() {
        changes.push(format!("environment changed ({})", names.join(", ")));
    }
    changes
}

/// Stages whose aliases differ: an alias that several stages use is made once.
fn distinct_aliases(stages: &[Stage]) -> Vec<&Stage> {
    let mut distinct: Vec<&Stage> = Vec::new();
    for stage in stages {
        if !distinct.iter().any(|known| known.alias == stage.alias) {
            distinct.push(stage);
        }
    }
    distinct
}

fn alias(
    steps: &mut Steps,
    function: &WantedFunction,
    stage: &Stage,
    live: Option<&LiveFunction>,
    after: &[usize],
) -> Vec<usize> {
    let label = format!("{}:{}", function.name, stage.alias);
    let present = live.and_then(|live| live.aliases.get(&stage.alias));
    let (function, alias) = (function.name.clone(), stage.alias.clone());
    match (present, stage.follows) {
        (None, Follows::Latest) => {
            let to = AliasVersion::Latest;
            let action = Action::CreateAlias { function, alias, to };
            vec![steps.push(
                Verb::Create,
                "alias",
                label,
                "missing; follows $LATEST",
                after,
                action,
            )]
        }
        (None, Follows::Release) => {
            let newest = live.and_then(|live| live.newest_version.clone());
            let (reason, to) = match newest {
                Some(v) => {
                    (format!("missing; version {v} is the newest"), AliasVersion::Published(v))
                }
                None => ("missing; publishes version 1".to_owned(), AliasVersion::Publish),
            };
            let action = Action::CreateAlias { function, alias, to };
            vec![steps.push(Verb::Create, "alias", label, reason, after, action)]
        }
        (Some(version), Follows::Latest) if version != "$LATEST" => {
            let reason = format!("points to {version}, its stage follows $LATEST");
            let action = Action::FollowLatest { function, alias };
            vec![steps.push(Verb::Update, "alias", label, reason, after, action)]
        }
        (Some(_), _) => Vec::new(),
    }
}

/// The steps of an API. They follow each other: API Gateway refuses changes of one API side by side.
/// Answers what a permission must wait for: that the API has an id.
fn api(steps: &mut Steps, wanted: &Wanted, api: &WantedApi, live: Option<&LiveApi>) -> Vec<usize> {
    let name = &api.name;
    let hash = &api.definition.hash;
    let mut last: Vec<usize> = Vec::new();
    let mut exists = Vec::new();
    let mut put = false;
    match live {
        None => {
            let action = Action::ImportApi(name.clone());
            last = vec![steps.push(Verb::Create, "API", name, "missing", &[], action)];
            exists.clone_from(&last);
        }
        Some(live) if live.hash.as_ref() != Some(hash) => {
            put = true;
            let action = Action::PutApi(name.clone());
            last =
                vec![steps.push(Verb::Update, "API", name, "its definition changed", &[], action)];
        }
        Some(_) => {}
    }
    if !live.is_some_and(|live| live.tagged) {
        let action = Action::TagApi(name.clone());
        // An import can't carry tags, so even a new API gets its tag by a call of its own; until then
        // the mark in its description says whose it is.
        let (verb, reason) = match live {
            None => (Verb::Create, "missing"),
            Some(_) => (Verb::Update, "the lab's tag is missing"),
        };
        last = vec![steps.push(verb, "API tag", name, reason, &last, action)];
    }
    // A snapshot that was taken of this definition serves it again, unless the API changed since.
    let held = live
        .filter(|_| !put)
        .and_then(|live| live.deployments.iter().find(|(_, of)| of == hash))
        .map(|(id, _)| id.clone());
    let changes: Vec<StageChange<'_>> =
        wanted.stages.iter().filter_map(|stage| stage_change(stage, live, hash)).collect();
    let needed = changes.iter().any(|change| change.create || change.moves);
    if needed && held.is_none() {
        let reason = match live {
            Some(live) if !live.deployments.is_empty() => "no deployment holds this definition",
            _ => "missing",
        };
        let action = Action::CreateDeployment(name.clone());
        last = vec![steps.push(Verb::Create, "deployment", name, reason, &last, action)];
    }
    for change in changes {
        let label = format!("{name}/{}", change.stage.name);
        let (api, stage) = (name.clone(), change.stage.name.clone());
        let (verb, action) = if change.create {
            (Verb::Create, Action::CreateStage { api, stage })
        } else {
            (Verb::Update, Action::UpdateStage { api, stage, moves: change.moves })
        };
        last = vec![steps.push(verb, "stage", label, change.reason, &last, action)];
    }
    exists
}

struct StageChange<'a> {
    stage: &'a Stage,
    create: bool,
    moves: bool,
    reason: String,
}

/// What has to be done to a stage so that it exists, has its variables and, when it follows the
/// newest code, serves the definition with this hash. A stage that follows releases is moved by
/// releases alone.
fn stage_change<'a>(
    stage: &'a Stage,
    live: Option<&LiveApi>,
    hash: &str,
) -> Option<StageChange<'a>> {
    let present = live.and_then(|api| api.stages.get(&stage.name).map(|s| (api, s)));
    let Some((api, present)) = present else {
        return Some(StageChange { stage, create: true, moves: false, reason: "missing".into() });
    };
    let serves = api.deployments.iter().find(|(id, _)| *id == present.deployment).map(|(_, of)| of);
    let moves = stage.follows == Follows::Latest && serves.map(String::as_str) != Some(hash);
    let mut reasons = Vec::new();
    if moves {
        reasons.push("serves another definition".to_owned());
    }
    for (name, value) in stage_variables(stage) {
        let before = present.variables.get(&name);
        if before != Some(&value) {
            let before = before.map_or("nothing", String::as_str);
            reasons.push(format!("variable {name} {before} → {value}"));
        }
    }
    (!reasons.is_empty()).then(|| StageChange {
        stage,
        create: false,
        moves,
        reason: reasons.join(", "),
    })
}

/// The variables of a stage: its own, and the alias that it serves.
pub(super) fn stage_variables(stage: &Stage) -> BTreeMap<String, String> {
    let mut variables = stage.variables.clone();
    variables.insert("lambdaAlias".to_owned(), stage.alias.clone());
    variables
}

#[path = "grants.rs"]
mod grants;

#[cfg(test)]
#[path = "planner_tests.rs"]
mod tests;
