//! What is live of everything that a lab names, whoever made it. Nothing here changes anything.

use std::collections::BTreeMap;

use aws_sdk_apigateway::types::RestApi;
use futures_util::future::{try_join, try_join_all};
use labdeck_aws::{Result, Target};

use super::kinds::account::LiveAccount;
use super::kinds::alarm::LiveAlarm;
use super::kinds::api::LiveApi;
use super::kinds::concurrency::AccountConcurrency;
use super::kinds::function::LiveFunction;
use super::kinds::key::LiveKey;
use super::kinds::log_group::LiveLogGroup;
use super::kinds::mapping::LiveMapping;
use super::kinds::queue::LiveQueue;
use super::kinds::role::LiveRole;
use super::kinds::table::LiveTable;
use super::kinds::topic::LiveTopic;
use super::kinds::usage_plan::LivePlan;
use super::kinds::{
    account, alarm, api, concurrency, definition, function, key, log_group, mapping, queue, role,
    table, topic, usage_plan,
};
use super::leftover;
use super::wanted::Wanted;
use crate::live;

/// Whose a resource is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Owner {
    /// It carries the lab's tag or mark.
    #[default]
    Lab,
    /// It does not: it is left alone.
    Foreign,
}

impl Owner {
    pub(super) fn of(tag: Option<&str>, lab: &str) -> Self {
        if tag == Some(lab) { Self::Lab } else { Self::Foreign }
    }
}

/// Live state, by name. What does not exist has no entry.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Live {
    /// Roles.
    pub roles: BTreeMap<String, LiveRole>,
    /// Tables.
    pub tables: BTreeMap<String, LiveTable>,
    /// Queues.
    pub queues: BTreeMap<String, LiveQueue>,
    /// Topics with their subscriptions.
    pub topics: BTreeMap<String, LiveTopic>,
    /// Log groups.
    pub log_groups: BTreeMap<String, LiveLogGroup>,
    /// Functions with their aliases, permissions and what goes with these.
    pub functions: BTreeMap<String, LiveFunction>,
    /// Event source mappings of the lab's functions, whoever made them.
    pub mappings: Vec<LiveMapping>,
    /// The lab's own APIs that the blueprint names.
    pub apis: BTreeMap<String, LiveApi>,
    /// Names of foreign APIs that are called like the lab's.
    pub foreign_apis: Vec<String>,
    /// Further APIs of the lab: doubles, and those that the blueprint names no more, as `(id, name)`.
    pub other_apis: Vec<(String, String)>,
    /// The lab's own API keys, oldest first.
    pub keys: Vec<LiveKey>,
    /// The lab's own usage plans.
    pub plans: Vec<LivePlan>,
    /// Alarms.
    pub alarms: BTreeMap<String, LiveAlarm>,
    /// The account's settings, where a stage of the lab writes logs.
    pub account: Option<LiveAccount>,
    /// What the account may run at once, where the lab reserves some of it.
    pub concurrency: Option<AccountConcurrency>,
    /// What was not looked for, and why.
    pub unseen: Vec<String>,
}

/// Reads everything that the lab names, and what is left of it beside that, all side by side.
pub async fn observe(target: &Target, wanted: &Wanted) -> Result<Live> {
    let (place, lab) = (&wanted.place, wanted.lab.as_str());
    let roles = try_join_all(wanted.roles.iter().map(|r| role::observe(target, &r.name, lab)));
    let tables =
        try_join_all(wanted.tables.iter().map(|t| table::observe(target, place, &t.name, lab)));
    let queues = try_join_all(wanted.queues.iter().map(|q| queue::observe(target, &q.name, lab)));
    let topics =
        try_join_all(wanted.topics.iter().map(|t| topic::observe(target, place, &t.name, lab)));
    let groups = wanted.log_groups.iter();
    let groups = try_join_all(groups.map(|g| log_group::observe(target, place, &g.name, lab)));
    let functions =
        try_join_all(wanted.functions.iter().map(|f| function::observe(target, wanted, f)));
    let names: Vec<&str> = wanted.functions.iter().map(|f| f.name.as_str()).collect();
    let mappings = mapping::observe(target, wanted, &names);
    let alarms = wanted.alarms.iter().map(|alarm| alarm.name.clone()).collect();
    let alarms = alarm::observe(target, place, alarms, lab);
    let account = try_join(account::observe(target, wanted), concurrency::observe(target, wanted));
    let (
        ((roles, tables), (queues, topics)),
        ((groups, functions), (mappings, alarms)),
        ((gateway, (account, concurrency)), left),
    ) = tokio::try_join!(
        try_join(try_join(roles, tables), try_join(queues, topics)),
        try_join(try_join(groups, functions), try_join(mappings, alarms)),
        try_join(try_join(gateway(target, wanted), account), leftover::find(target, wanted)),
    )?;
    let mut live = Live {
        roles: roles.into_iter().flatten().collect(),
        tables: tables.into_iter().flatten().collect(),
        queues: queues.into_iter().flatten().collect(),
        topics: topics.into_iter().flatten().collect(),
        functions: functions.into_iter().flatten().collect(),
        mappings,
        alarms,
        account,
        concurrency,
        ..gateway
    };
    live.log_groups.extend(groups.into_iter().flatten());
    leftover::add(&mut live, left);
    Ok(live)
}

/// What API Gateway has of the lab, and its execution logs.
async fn gateway(target: &Target, wanted: &Wanted) -> Result<Live> {
    let apis = async {
        let all = live::rest_apis(target).await?;
        apis(target, wanted, &all).await
    };
    let (mut live, keys, mut plans) = tokio::try_join!(
        apis,
        key::observe(target, &wanted.lab),
        usage_plan::observe(target, &wanted.lab),
    )?;
    let names: BTreeMap<String, String> =
        live.apis.iter().map(|(name, api)| (api.id.clone(), name.clone())).collect();
    for plan in &mut plans {
        usage_plan::named(plan, &names);
    }
    (live.keys, live.plans) = (keys, plans);
    Ok(live)
}

async fn apis(target: &Target, wanted: &Wanted, all: &[RestApi]) -> Result<Live> {
    let mut live = Live::default();
    let mut own = Vec::new();
    for api in &wanted.apis {
        if let Some(found) = crate::status::own_api(all, &api.name, &wanted.lab) {
            own.push(found);
        } else if all.iter().any(|other| other.name() == Some(&api.name)) {
            live.foreign_apis.push(api.name.clone());
        }
    }
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    live.other_apis = all
        .iter()
        .filter(|api| definition::is_own(api, &wanted.lab))
        .filter(|api| !own.iter().any(|used| used.id() == api.id()))
        .map(|api| (text(api.id()), text(api.name())))
        .collect();
    let executions = own.iter().map(|api| text(api.id())).collect::<Vec<_>>();
    let executions =
        try_join_all(executions.iter().map(|id| log_group::observe_executions(target, id)));
    let apis = try_join_all(own.into_iter().map(|found| api::observe(target, wanted, found)));
    let (apis, executions) = try_join(apis, executions).await?;
    live.apis = apis.into_iter().collect();
    live.log_groups = executions.into_iter().flatten().collect();
    Ok(live)
}
