//! Log groups: of functions, of access logs, of execution logs.

use labdeck_aws::{Failure, FailureKind, Result, Target};
use serde::{Deserialize, Serialize};

use crate::deploy::graph::Planner;
use crate::deploy::observe::Owner;
use crate::deploy::plan::Verb;
use crate::deploy::resolve::Resolver;
use crate::deploy::run::{StepRun, missing};
use crate::deploy::settings::{APPLIED_TAG, Found, Record, Settings, Shown, Spec};
use crate::deploy::wanted::{Place, Wanted};
use crate::live::{LAB_TAG, existing};

/// What the plan calls it.
pub const RESOURCE: &str = "log group";
/// Begins the names of execution logs.
const EXECUTION: &str = "API-Gateway-Execution-Logs_";
/// Begins the names of functions' log groups.
pub const FUNCTIONS: &str = "/aws/lambda/";
/// Begins the names of access logs; the lab follows.
pub const ACCESS: &str = "/labdeck/access/";

/// What a log group is set to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LogGroupSettings {
    /// Days; `None` keeps for ever.
    pub retention: Option<i32>,
}

impl Settings for LogGroupSettings {
    const LATE: &'static [&'static str] = &["retention"];

    fn shown(_field: &str) -> Shown {
        Shown::Value("days")
    }
}

/// A log group that is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedLogGroup {
    /// Name.
    pub name: String,
    /// Settings.
    pub spec: Spec<LogGroupSettings>,
}

/// A log group that is live.
pub type LiveLogGroup = Found<LogGroupSettings>;

/// What is done to a log group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogGroupAction {
    /// Make it and say how long it keeps.
    Create(String),
    /// Say how long it keeps.
    Update(String),
    /// Remove it.
    Delete(String),
}

/// Log group of a function.
pub fn function_log_group(function: &str) -> String {
    format!("{FUNCTIONS}{function}")
}

/// Log group of a stage's access log.
pub fn access_log_group(lab: &str, api: &str, stage: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-/.#".contains(c);
    let api: String = api.chars().map(|c| if allowed(c) { c } else { '-' }).collect();
    format!("{ACCESS}{lab}/{api}/{stage}")
}

/// Log group of a stage's execution log; API Gateway's own name for it.
pub fn execution_log_group(api_id: &str, stage: &str) -> String {
    format!("{EXECUTION}{api_id}/{stage}")
}

/// The settings of every log group of a lab.
pub fn spec_of(days: i32) -> Spec<LogGroupSettings> {
    Spec::new(LogGroupSettings { retention: Some(days) })
}

/// The log groups of a blueprint.
pub fn wanted(resolver: &Resolver<'_>) -> Vec<WantedLogGroup> {
    let blueprint = resolver.blueprint;
    let functions = blueprint.functions.iter().map(|f| function_log_group(&f.name));
    let access = blueprint.apis.iter().flat_map(|api| {
        let stages = blueprint.stages.iter().filter(|stage| stage.access_log);
        stages.map(|stage| access_log_group(&blueprint.name, &api.name, &stage.name))
    });
    let spec = spec_of(blueprint.log_retention_days);
    let named = |name| WantedLogGroup { name, spec: spec.clone() };
    functions.chain(access).map(named).collect()
}

/// Reads the execution logs of an API of the lab's own.
pub async fn observe_executions(
    target: &Target,
    api_id: &str,
) -> Result<Vec<(String, LiveLogGroup)>> {
    let prefix = execution_log_group(api_id, "");
    let what = format!("reading the execution logs of API {api_id}");
    let found = target.logs().describe_log_groups().log_group_name_prefix(&prefix).send().await;
    let found = found.map_err(|e| Failure::from_sdk(&what, &e))?;
    let live = |group: &aws_sdk_cloudwatchlogs::types::LogGroup| {
        let settings = LogGroupSettings { retention: group.retention_in_days() };
        // The API is the lab's own, and so is what API Gateway logs for it.
        let found = Found { owner: Owner::Lab, settings, record: Record::default() };
        (group.log_group_name().unwrap_or_default().to_owned(), found)
    };
    Ok(found.log_groups().iter().map(live).collect())
}

/// Reads a log group.
pub async fn observe(
    target: &Target,
    place: &Place,
    name: &str,
    lab: &str,
) -> Result<Option<(String, LiveLogGroup)>> {
    let what = format!("reading log group {name}");
    let found = target.logs().describe_log_groups().log_group_name_prefix(name).send();
    let tags = target.logs().list_tags_for_resource().resource_arn(place.log_group(name)).send();
    let (found, tags) = tokio::join!(found, tags);
    let found = found.map_err(|e| Failure::from_sdk(&what, &e))?;
    // Groups come sorted by name, so that the one with the prefix as its name is the first.
    let group = found.log_groups().iter().find(|group| group.log_group_name() == Some(name));
    let Some(group) = group else { return Ok(None) };
    let Some(tags) = existing(tags.map_err(|e| Failure::from_sdk(&what, &e)))? else {
        return Ok(None);
    };
    let settings = LogGroupSettings { retention: group.retention_in_days() };
    let found = Found::new(lab, settings, |key| tags.tags()?.get(key).cloned());
    Ok(Some((name.to_owned(), found)))
}

/// Plans the log groups. One that is not the lab's own holds somebody else's events: it is used as
/// it is.
pub fn plan(planner: &mut Planner<'_>) {
    for group in &planner.wanted.log_groups {
        let name = &group.name;
        match planner.live.log_groups.get(name) {
            None => {
                planner.create(RESOURCE, name, &[], LogGroupAction::Create(name.clone()));
            }
            Some(live) if live.owner == Owner::Lab => {
                let action = LogGroupAction::Update(name.clone());
                planner.update(RESOURCE, name, (&group.spec, live), &[], action);
            }
            Some(_) => {}
        }
    }
    let wanted = Some(planner.wanted.log_retention_days);
    for (name, live) in &planner.live.log_groups {
        let before = live.settings.retention;
        if name.starts_with(EXECUTION) && before != wanted {
            let days = |days: Option<i32>| days.map_or("for ever".to_owned(), |n| n.to_string());
            let reason = format!("retention {} → {} days", days(before), days(wanted));
            let action = LogGroupAction::Update(name.clone());
            planner.step(Verb::Update, RESOURCE, name, reason, &[], action);
        }
    }
}

/// Plans to remove the log groups of functions and access logs that the blueprint has no more.
pub fn plan_removed(planner: &mut Planner<'_>, after: &[usize]) {
    let wanted = &planner.wanted.log_groups;
    for (name, live) in &planner.live.log_groups {
        let named = name.starts_with(EXECUTION) || wanted.iter().any(|group| group.name == *name);
        if live.owner == Owner::Lab && !named {
            let index =
                planner.removed(RESOURCE, name, after, LogGroupAction::Delete(name.clone()));
            planner.warn(index, format!("log group {name} is deleted with its events"));
        }
    }
}

/// Plans to remove the log groups.
pub fn plan_destroy(planner: &mut Planner<'_>, after: &[usize]) {
    for (name, group) in &planner.live.log_groups {
        if group.owner == Owner::Lab {
            let action = LogGroupAction::Delete(name.clone());
            planner.step(Verb::Delete, RESOURCE, name, "with its events", after, action);
        }
    }
}

impl Wanted {
    fn log_group(&self, name: &str) -> Result<&WantedLogGroup> {
        let group = self.log_groups.iter().find(|group| group.name == name);
        group.ok_or_else(|| missing(RESOURCE, name))
    }
}

impl StepRun {
    pub(crate) async fn on_log_group(&self, action: &LogGroupAction) -> Result<()> {
        match action {
            LogGroupAction::Create(name) => {
                let spec = &self.context.wanted.log_group(name)?.spec;
                self.create_log_group(name, spec).await
            }
            LogGroupAction::Update(name) if name.starts_with(EXECUTION) => {
                self.set_retention(name, &spec_of(self.context.wanted.log_retention_days)).await
            }
            LogGroupAction::Update(name) => {
                let spec = &self.context.wanted.log_group(name)?.spec;
                self.set_retention(name, spec).await?;
                self.remember_log_group(name, spec).await
            }
            LogGroupAction::Delete(name) => self.delete_log_group(name).await,
        }
    }

    pub(crate) async fn create_log_group(
        &self,
        name: &str,
        spec: &Spec<LogGroupSettings>,
    ) -> Result<()> {
        let made = self
            .patiently(|| async {
                self.target()
                    .logs()
                    .create_log_group()
                    .log_group_name(name)
                    .tags(LAB_TAG, &self.context.wanted.lab)
                    .tags(APPLIED_TAG, spec.record.text())
                    .send()
                    .await
                    .map_err(|e| Failure::from_sdk(format!("creating log group {name}"), &e))
            })
            .await;
        match made {
            Ok(_) => self.set_retention(name, spec).await,
            Err(failure) if failure.kind == FailureKind::Conflict => {
                self.set_retention(name, spec).await
            }
            Err(failure) => Err(failure),
        }
    }

    async fn set_retention(&self, name: &str, spec: &Spec<LogGroupSettings>) -> Result<()> {
        self.patiently(|| async {
            self.target()
                .logs()
                .put_retention_policy()
                .log_group_name(name)
                .set_retention_in_days(spec.settings.retention)
                .send()
                .await
                .map_err(|e| Failure::from_sdk(format!("setting how long {name} keeps"), &e))
        })
        .await
        .map(|_| ())
    }

    async fn remember_log_group(&self, name: &str, spec: &Spec<LogGroupSettings>) -> Result<()> {
        let arn = self.context.wanted.place.log_group(name);
        self.patiently(|| async {
            let call = self.target().logs().tag_resource().resource_arn(&arn);
            let done = call.tags(APPLIED_TAG, spec.record.text()).send().await;
            done.map_err(|e| Failure::from_sdk(format!("tagging log group {name}"), &e))
        })
        .await
        .map(|_| ())
    }

    async fn delete_log_group(&self, name: &str) -> Result<()> {
        self.patiently(|| async {
            let done = self.target().logs().delete_log_group().log_group_name(name).send().await;
            let what = format!("deleting log group {name}");
            existing(done.map_err(|e| Failure::from_sdk(what, &e)))
        })
        .await
        .map(|_| ())
    }
}
