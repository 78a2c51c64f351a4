//! The plan's arithmetic: what is wanted, minus what is live, gives steps. Pure.

use labdeck_aws::{Failure, FailureKind, Result};

use super::graph::Planner;
use super::kinds::{
    account, alarm, api, concurrency, function, key, log_group, mapping, permission, queue, role,
    stage, subscription, table, topic, usage_plan,
};
use super::observe::{Live, Owner};
use super::plan::Plan;
use super::wanted::Wanted;

/// The steps that make `live` what is `wanted`; refuses when something of the same name is foreign
/// or cannot become what is wanted.
pub fn plan_deploy(wanted: &Wanted, live: &Live) -> Result<Plan> {
    refuse_foreign(wanted, live)?;
    concurrency::check(wanted, live)?;
    let mut planner = Planner::new(wanted, live);
    // What others wait for comes first.
    role::plan(&mut planner);
    table::plan(&mut planner);
    queue::plan(&mut planner);
    topic::plan(&mut planner);
    log_group::plan(&mut planner);
    function::plan(&mut planner);
    mapping::plan(&mut planner);
    account::plan(&mut planner);
    api::plan(&mut planner);
    permission::plan(&mut planner);
    subscription::plan(&mut planner);
    key::plan(&mut planner);
    usage_plan::plan(&mut planner);
    alarm::plan(&mut planner);
    plan_removed(&mut planner);
    Ok(planner.into_plan())
}

/// What the blueprint names no more goes last, when nothing that is wanted needs it any more.
fn plan_removed(planner: &mut Planner<'_>) {
    let before = planner.all();
    alarm::plan_removed(planner, &before);
    topic::plan_removed(planner, &before);
    function::plan_removed(planner, &before);
    let mut functions = before;
    functions.extend(planner.of_kind(function::RESOURCE));
    queue::plan_removed(planner, &functions);
    table::plan_removed(planner, &functions);
    role::plan_removed(planner, &functions);
    log_group::plan_removed(planner, &functions);
    for note in &planner.live.unseen {
        planner.note(note.clone());
    }
}

/// The steps that remove everything of the lab's own, in an order that cannot conflict. What is
/// foreign stays.
pub fn plan_destroy(wanted: &Wanted, live: &Live) -> Plan {
    let mut planner = Planner::new(wanted, live);
    let plans = usage_plan::plan_destroy(&mut planner);
    key::plan_destroy(&mut planner, &plans);
    stage::plan_destroy(&mut planner, &plans);
    api::plan_destroy(&mut planner, &plans);
    // A topic that is gone calls no function.
    topic::plan_destroy(&mut planner, &[]);
    mapping::plan_destroy(&mut planner, &[]);
    let mut callers = planner.of_kind(api::RESOURCE);
    callers.extend(planner.of_kind(mapping::RESOURCE));
    callers.extend(planner.of_kind(topic::RESOURCE));
    function::plan_destroy(&mut planner, &callers);
    alarm::plan_destroy(&mut planner, &[]);
    let mut functions = planner.of_kind(function::RESOURCE);
    functions.extend(&callers);
    queue::plan_destroy(&mut planner, &functions);
    table::plan_destroy(&mut planner, &functions);
    role::plan_destroy(&mut planner, &functions);
    log_group::plan_destroy(&mut planner, &functions);
    account::plan_destroy(&mut planner);
    for note in &planner.live.unseen {
        planner.note(note.clone());
    }
    planner.into_plan()
}

/// Takes over into `wanted` what somebody else changed, so that a deploy keeps it.
pub fn keep_drift(wanted: &mut Wanted, live: &Live) {
    for one in &mut wanted.roles {
        if let Some(live) = live.roles.get(&one.name) {
            one.spec.keep_drift(live);
        }
    }
    for one in &mut wanted.tables {
        if let Some(live) = live.tables.get(&one.name) {
            one.spec.keep_drift(&live.found);
        }
    }
    for one in &mut wanted.log_groups {
        if let Some(live) = live.log_groups.get(&one.name) {
            one.spec.keep_drift(live);
        }
    }
    for one in &mut wanted.alarms {
        if let Some(live) = live.alarms.get(&one.name) {
            one.spec.keep_drift(live);
        }
    }
    for one in &mut wanted.queues {
        if let Some(live) = live.queues.get(&one.name) {
            one.spec.keep_drift(&live.found);
        }
    }
    for one in &mut wanted.topics {
        if let Some(live) = live.topics.get(&one.name) {
            one.spec.keep_drift(&live.found);
        }
    }
    for one in &mut wanted.functions {
        let Some(live) = live.functions.get(&one.name) else { continue };
        one.spec.keep_drift(&live.found);
        if let (Some(spec), Some(live)) = (&mut one.asynchronous, live.asynchronous.values().next())
        {
            spec.keep_drift(live);
        }
    }
    for one in &mut wanted.keys {
        if let Some(live) = live.keys.iter().find(|live| live.name == one.name) {
            one.spec.keep_drift(&live.found);
        }
    }
    for one in &mut wanted.plans {
        if let Some(live) = live.plans.iter().find(|live| live.name == one.name) {
            one.spec.keep_drift(&live.found);
        }
    }
    wanted.keep_mappings(live);
    wanted.keep_stages(&live.apis);
    wanted.keeps_drift = true;
}

fn refuse_foreign(wanted: &Wanted, live: &Live) -> Result<()> {
    let mut foreign = Vec::new();
    let mut see = |kind: &str, name: &str, owner: Option<Owner>| {
        if owner == Some(Owner::Foreign) {
            foreign.push(format!("{kind} {name}"));
        }
    };
    for one in &wanted.roles {
        see(role::RESOURCE, &one.name, live.roles.get(&one.name).map(|r| r.owner));
    }
    for one in &wanted.tables {
        see(table::RESOURCE, &one.name, live.tables.get(&one.name).map(|t| t.found.owner));
    }
    for one in &wanted.queues {
        see(queue::RESOURCE, &one.name, live.queues.get(&one.name).map(|q| q.found.owner));
    }
    for one in &wanted.topics {
        see(topic::RESOURCE, &one.name, live.topics.get(&one.name).map(|t| t.found.owner));
    }
    for one in &wanted.functions {
        see(function::RESOURCE, &one.name, live.functions.get(&one.name).map(|f| f.found.owner));
    }
    for one in &wanted.alarms {
        see(alarm::RESOURCE, &one.name, live.alarms.get(&one.name).map(|a| a.owner));
    }
    for name in &live.foreign_apis {
        see(api::RESOURCE, name, Some(Owner::Foreign));
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

#[cfg(test)]
#[path = "planner_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "planner_kinds_tests.rs"]
mod kinds_tests;
