//! What carries the lab's tag though the blueprint does not name it: taken out of `lab.toml` since it was
//! deployed, or left by a run that was killed.
//!
//! APIs, keys, usage plans and event source mappings come with their tags in lists, and are found where
//! they are read. Everything else is listed by its service without tags, which are asked for one by one:
//! of what the blueprint names, and of what labdeck can't have made, they are not. Whoever may not list a
//! kind or read its tags, or has too many of a kind, is told that it was not looked for.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_lambda::types::{FunctionConfiguration, Runtime};
use futures_util::stream::{StreamExt, TryStreamExt, iter};
use labdeck_aws::{Failure, FailureKind, Result, Target};

use super::kinds::function::LiveFunction;
use super::kinds::log_group::{ACCESS, FUNCTIONS, function_log_group};
use super::kinds::{alarm, log_group, mapping, queue, role, table, topic};
use super::observe::{Live, Owner};
use super::settings::Found;
use super::wanted::Wanted;
use crate::live::{self, LAB_TAG, existing};
use crate::right_size::copy_of;

/// Tags that are asked for at once.
const SIDE_BY_SIDE: usize = 16;
/// The most resources of a kind that are asked for their tags: more would hold up every plan for longer
/// than what may be found is worth.
const MOST_ASKED: usize = 100;

/// Finds what is left of the lab beside what it names.
pub(super) async fn find(target: &Target, wanted: &Wanted) -> Result<Live> {
    let access = format!("{ACCESS}{}/", wanted.lab);
    let (functions, tables, queues, topics, roles, alarms, access) = tokio::try_join!(
        seen(wanted, "functions", functions(target, wanted)),
        seen(wanted, "tables", tables(target, wanted)),
        seen(wanted, "queues", queues(target, wanted)),
        seen(wanted, "topics", topics(target, wanted)),
        seen(wanted, "roles", roles(target, wanted)),
        seen(wanted, "alarms", alarms(target, wanted)),
        seen(wanted, "log groups", log_groups(target, wanted, &access)),
    )?;
    let mut live = Live::default();
    let mut note = |unseen: Option<String>| live.unseen.extend(unseen);
    let functions = split(functions, &mut note);
    live.tables = split(tables, &mut note);
    live.queues = split(queues, &mut note);
    live.topics = split(topics, &mut note);
    live.roles = split(roles, &mut note);
    live.alarms = split(alarms, &mut note);
    live.log_groups = split(access, &mut note);
    live.functions = functions;
    of_functions(target, wanted, &mut live).await?;
    Ok(live)
}

/// Log groups of the lab's functions that are gone by now, in an account that may have many groups.
pub(super) async fn orphaned_log_groups(target: &Target, wanted: &Wanted) -> Result<Live> {
    let looking = log_groups(target, wanted, FUNCTIONS);
    let (log_groups, unseen) = seen(wanted, "log groups", looking).await?;
    Ok(Live { log_groups, unseen: unseen.into_iter().collect(), ..Live::default() })
}

/// Adds to what was read of what the lab names.
pub(super) fn add(live: &mut Live, left: Live) {
    live.functions.extend(left.functions);
    live.mappings.extend(left.mappings);
    live.tables.extend(left.tables);
    live.queues.extend(left.queues);
    live.topics.extend(left.topics);
    live.roles.extend(left.roles);
    live.alarms.extend(left.alarms);
    for (name, group) in left.log_groups {
        live.log_groups.entry(name).or_insert(group);
    }
    live.unseen.extend(left.unseen);
}

type Named<T> = BTreeMap<String, T>;

/// What was found of a kind, or what is said where it may not be listed or is too much to look through.
async fn seen<T>(
    wanted: &Wanted,
    kind: &str,
    looking: impl Future<Output = Result<Named<T>>>,
) -> Result<(Named<T>, Option<String>)> {
    match Box::pin(looking).await {
        Ok(found) => Ok((found, None)),
        Err(failure) if failure.kind == FailureKind::Denied => {
            let note = format!(
                "{kind} of this lab that lab.toml does not name any more were not looked for: {}; \
                 docs/aws-permissions.md says what to allow",
                failure.why
            );
            Ok((BTreeMap::new(), Some(note)))
        }
        Err(failure) if failure.kind == FailureKind::Refused => {
            let note = format!(
                "{kind} of this lab that lab.toml does not name any more were not looked for: {}; \
                 the Tag Editor of the AWS console finds them by the tag {LAB_TAG}={}",
                failure.why, wanted.lab
            );
            Ok((BTreeMap::new(), Some(note)))
        }
        Err(failure) => Err(failure),
    }
}

fn split<T>(
    (found, unseen): (Named<T>, Option<String>),
    note: &mut impl FnMut(Option<String>),
) -> Named<T> {
    note(unseen);
    found
}

/// Asks `look` for each of the names that the lab does not have, several at a time.
///
/// # Errors
/// Refused when there are too many to ask.
async fn each<T, Look>(
    names: impl IntoIterator<Item = String>,
    known: &BTreeSet<&str>,
    look: impl Fn(String) -> Look,
) -> Result<Named<T>>
where
    Look: Future<Output = Result<Option<(String, T)>>>,
{
    let others: Vec<_> = names.into_iter().filter(|name| !known.contains(name.as_str())).collect();
    if others.len() > MOST_ASKED {
        let why = format!("each of {} others would be asked for its tags", others.len());
        return Err(Failure::new(FailureKind::Refused, "looking for what is left", why));
    }
    let looking =
        iter(others.into_iter().map(look).collect::<Vec<_>>()).buffer_unordered(SIDE_BY_SIDE);
    let found: Vec<Option<(String, T)>> = looking.try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// Whether an answer with tags tells of the lab's own. What is gone by now is nobody's.
fn is_own<A>(
    lab: &str,
    answer: Result<A>,
    has: impl Fn(&A, &dyn Fn(&str, &str) -> bool) -> bool,
) -> Result<bool> {
    let answer = existing(answer)?;
    Ok(answer.is_some_and(|answer| has(&answer, &|key, value| key == LAB_TAG && value == lab)))
}

async fn functions(target: &Target, wanted: &Wanted) -> Result<Named<LiveFunction>> {
    let list = target.lambda().list_functions().into_paginator().items().send();
    let all: std::result::Result<Vec<FunctionConfiguration>, _> = list.collect().await;
    let all = all.map_err(|e| Failure::from_sdk("listing functions", &e))?;
    // What labdeck makes looks so, and what is made of most other languages does not.
    let names = all.into_iter().filter(|function| {
        function.runtime().map(Runtime::as_str) == Some("provided.al2023")
            && function.handler() == Some("bootstrap")
    });
    let names = names.filter_map(|function| function.function_name);
    // A copy that is measured is told by the function's own tag.
    let copies: Vec<String> =
        wanted.functions.iter().map(|function| copy_of(&function.name)).collect();
    let known = wanted.functions.iter().map(|function| function.name.as_str());
    let known = known.chain(copies.iter().map(String::as_str)).collect();
    each(names, &known, async |name: String| {
        let Some(found) = live::function(target, &name).await? else { return Ok(None) };
        let tags = live::function_tags(&found);
        let own = tags.get(LAB_TAG) == Some(&wanted.lab);
        Ok(own.then(|| (name, LiveFunction::default())))
    })
    .await
}

async fn tables(target: &Target, wanted: &Wanted) -> Result<Named<table::LiveTable>> {
    let list = target.dynamodb().list_tables().into_paginator().items().send();
    let names: std::result::Result<Vec<String>, _> = list.collect().await;
    let names = names.map_err(|e| Failure::from_sdk("listing tables", &e))?;
    let known = wanted.tables.iter().map(|table| table.name.as_str()).collect();
    each(names, &known, async |name: String| {
        let call = target.dynamodb().list_tags_of_resource();
        let tags = call.resource_arn(wanted.place.table(&name)).send().await;
        let tags = tags.map_err(|e| Failure::from_sdk(format!("reading table {name}"), &e));
        let own = is_own(&wanted.lab, tags, |answer, is| {
            answer.tags().iter().any(|tag| is(tag.key(), tag.value()))
        })?;
        if own { table::observe(target, &wanted.place, &name, &wanted.lab).await } else { Ok(None) }
    })
    .await
}

async fn queues(target: &Target, wanted: &Wanted) -> Result<Named<queue::LiveQueue>> {
    let list = target.sqs().list_queues().max_results(1000).into_paginator().items().send();
    let urls: std::result::Result<Vec<String>, _> = list.collect().await;
    let urls = urls.map_err(|e| Failure::from_sdk("listing queues", &e))?;
    let urls: HashMap<String, String> =
        urls.into_iter().filter_map(|url| Some((last(&url, '/')?, url))).collect();
    let known = wanted.queues.iter().map(|queue| queue.name.as_str()).collect();
    each(urls.keys().cloned(), &known, async |name: String| {
        let url = urls.get(&name).map(String::as_str).unwrap_or_default();
        let tags = target.sqs().list_queue_tags().queue_url(url).send().await;
        let tags = tags.map_err(|e| Failure::from_sdk(format!("reading queue {name}"), &e));
        let own = is_own(&wanted.lab, tags, |answer, is| {
            answer.tags().is_some_and(|tags| tags.iter().any(|(key, value)| is(key, value)))
        })?;
        if own { queue::observe(target, &name, &wanted.lab).await } else { Ok(None) }
    })
    .await
}

async fn topics(target: &Target, wanted: &Wanted) -> Result<Named<topic::LiveTopic>> {
    let list = target.sns().list_topics().into_paginator().items().send();
    let all: std::result::Result<Vec<_>, _> = list.collect().await;
    let all = all.map_err(|e| Failure::from_sdk("listing topics", &e))?;
    let names = all.iter().filter_map(|topic| last(topic.topic_arn()?, ':'));
    let known = wanted.topics.iter().map(|topic| topic.name.as_str()).collect();
    each(names, &known, async |name: String| {
        let call = target.sns().list_tags_for_resource();
        let tags = call.resource_arn(wanted.place.topic(&name)).send().await;
        let tags = tags.map_err(|e| Failure::from_sdk(format!("reading topic {name}"), &e));
        let own = is_own(&wanted.lab, tags, |answer, is| {
            answer.tags().iter().any(|tag| is(tag.key(), tag.value()))
        })?;
        if own { topic::observe(target, &wanted.place, &name, &wanted.lab).await } else { Ok(None) }
    })
    .await
}

/// Roles that functions may assume. Where an existing role is used, none is the lab's.
async fn roles(target: &Target, wanted: &Wanted) -> Result<Named<role::LiveRole>> {
    if target.role().is_some() {
        return Ok(BTreeMap::new());
    }
    let list = target.iam().list_roles().max_items(1000).into_paginator().items().send();
    let all: std::result::Result<Vec<_>, _> = list.collect().await;
    let all = all.map_err(|e| Failure::from_sdk("listing roles", &e))?;
    let names = all.into_iter().filter(|role| {
        let trust = role.assume_role_policy_document().unwrap_or_default();
        role.path() == "/" && trust.contains("lambda.amazonaws.com")
    });
    let names = names.map(|role| role.role_name);
    let known = wanted.roles.iter().map(|role| role.name.as_str()).collect();
    each(names, &known, async |name: String| {
        let tags = target.iam().list_role_tags().role_name(&name).send().await;
        let tags = tags.map_err(|e| Failure::from_sdk(format!("reading role {name}"), &e));
        let own = is_own(&wanted.lab, tags, |answer, is| {
            answer.tags().iter().any(|tag| is(tag.key(), tag.value()))
        })?;
        if own { role::observe(target, &name, &wanted.lab).await } else { Ok(None) }
    })
    .await
}

async fn alarms(target: &Target, wanted: &Wanted) -> Result<Named<alarm::LiveAlarm>> {
    let mut pages = target.cloudwatch().describe_alarms().into_paginator().send();
    let mut names = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| Failure::from_sdk("listing alarms", &e))?;
        let alarms = page.metric_alarms.unwrap_or_default();
        names.extend(alarms.into_iter().filter_map(|alarm| alarm.alarm_name));
    }
    let known = wanted.alarms.iter().map(|alarm| alarm.name.as_str()).collect();
    each(names, &known, async |name: String| {
        let found = alarm::observe(target, &wanted.place, vec![name], &wanted.lab).await?;
        let found = found.into_iter().next();
        Ok(found.filter(|(_, alarm)| alarm.owner == Owner::Lab))
    })
    .await
}

/// Log groups whose names begin so.
async fn log_groups(
    target: &Target,
    wanted: &Wanted,
    prefix: &str,
) -> Result<Named<log_group::LiveLogGroup>> {
    let list = target.logs().describe_log_groups().log_group_name_prefix(prefix);
    let list = list.into_paginator().items().send();
    let all: std::result::Result<Vec<_>, _> = list.collect().await;
    let all = all.map_err(|e| Failure::from_sdk("listing log groups", &e))?;
    let retention: HashMap<String, Option<i32>> = all
        .into_iter()
        .filter_map(|group| Some((group.log_group_name?, group.retention_in_days)))
        .collect();
    let known = wanted.log_groups.iter().map(|group| group.name.as_str()).collect();
    each(retention.keys().cloned(), &known, async |name: String| {
        let call = target.logs().list_tags_for_resource();
        let tags = call.resource_arn(wanted.place.log_group(&name)).send().await;
        let tags = tags.map_err(|e| Failure::from_sdk(format!("reading log group {name}"), &e));
        let tags = existing(tags)?.and_then(|answer| answer.tags).unwrap_or_default();
        let settings =
            log_group::LogGroupSettings { retention: retention.get(&name).copied().flatten() };
        let found = Found::new(&wanted.lab, settings, |key| tags.get(key).cloned());
        Ok((found.owner == Owner::Lab).then_some((name, found)))
    })
    .await
}

/// Event source mappings and log groups of functions that are left.
async fn of_functions(target: &Target, wanted: &Wanted, live: &mut Live) -> Result<()> {
    let names: Vec<&str> = live.functions.keys().map(String::as_str).collect();
    live.mappings = mapping::observe(target, wanted, &names).await?;
    for function in live.functions.keys() {
        let name = function_log_group(function);
        let found = log_group::observe(target, &wanted.place, &name, &wanted.lab).await?;
        if let Some((name, found)) = found.filter(|(_, group)| group.owner == Owner::Lab) {
            live.log_groups.insert(name, found);
        }
    }
    Ok(())
}

fn last(text: &str, separator: char) -> Option<String> {
    text.rsplit(separator).next().filter(|name| !name.is_empty()).map(str::to_owned)
}
