//! What is left of a lab after a destroy, and why.

use super::kinds::{
    alarm, api, function, key, log_group, mapping, queue, role, table, topic, usage_plan,
};
use super::observe::{Live, Owner};
use super::plan::Left;

/// Everything in `live`: what is the lab's own should be gone, what is foreign was left alone.
pub(super) fn left(live: &Live) -> Vec<Left> {
    let mut all = Vec::new();
    let mut add = |resource: &str, name: &str, owner: Owner| {
        let reason = match owner {
            Owner::Lab => "it carries the lab's tag and is still there",
            Owner::Foreign => "it has the name but not the lab's tag: it was left alone",
        };
        all.push(Left {
            resource: resource.to_owned(),
            name: name.to_owned(),
            reason: reason.to_owned(),
        });
    };
    live.plans.iter().for_each(|plan| add(usage_plan::RESOURCE, &plan.name, Owner::Lab));
    live.keys.iter().for_each(|key| add(key::RESOURCE, &key.name, Owner::Lab));
    live.apis.keys().for_each(|name| add(api::RESOURCE, name, Owner::Lab));
    live.other_apis.iter().for_each(|(_, name)| add(api::RESOURCE, name, Owner::Lab));
    live.foreign_apis.iter().for_each(|name| add(api::RESOURCE, name, Owner::Foreign));
    for one in &live.mappings {
        let name = format!("{} of {}", one.source, one.function);
        add(mapping::RESOURCE, &name, one.found.owner);
    }
    live.functions.iter().for_each(|(name, f)| add(function::RESOURCE, name, f.found.owner));
    live.alarms.iter().for_each(|(name, a)| add(alarm::RESOURCE, name, a.owner));
    live.topics.iter().for_each(|(name, t)| add(topic::RESOURCE, name, t.found.owner));
    live.queues.iter().for_each(|(name, q)| add(queue::RESOURCE, name, q.found.owner));
    live.tables.iter().for_each(|(name, t)| add(table::RESOURCE, name, t.found.owner));
    live.log_groups.iter().for_each(|(name, g)| add(log_group::RESOURCE, name, g.owner));
    live.roles.iter().for_each(|(name, r)| add(role::RESOURCE, name, r.owner));
    all
}
