//! Execution roles with one inline policy, whose statements follow from what the blueprint sets up.

use aws_sdk_iam::types::Tag;
use labdeck_aws::{Failure, FailureKind, Result, Target};
use labdeck_lab::blueprint::{Destination, Function, Role, Source};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::log_group::function_log_group;
use crate::deploy::graph::Planner;
use crate::deploy::observe::Owner;
use crate::deploy::plan::Verb;
use crate::deploy::resolve::Resolver;
use crate::deploy::run::{StepRun, missing};
use crate::deploy::settings::{APPLIED_TAG, Found, Settings, Shown, Spec};
use crate::deploy::wanted::Wanted;
use crate::live::{LAB_TAG, existing};

/// Name of the inline policy that labdeck keeps on a lab's roles.
pub const POLICY_NAME: &str = "labdeck";
/// What the plan calls it.
pub const RESOURCE: &str = "role";

/// What a role is set to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RoleSettings {
    /// Who may assume it.
    pub trust: Value,
    /// Its inline policy; null where it is not there.
    pub policy: Value,
}

impl Settings for RoleSettings {
    const LATE: &'static [&'static str] = &["policy"];

    fn shown(_field: &str) -> Shown {
        Shown::Hidden
    }
}

/// A role that is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedRole {
    /// Name.
    pub name: String,
    /// Settings.
    pub spec: Spec<RoleSettings>,
}

/// A role that is live.
pub type LiveRole = Found<RoleSettings>;

/// What is done to a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleAction {
    /// Make it and give it its policy.
    Create(String),
    /// Say again who may assume it and what it may do.
    Update(String),
    /// Remove it with its policies.
    Delete(String),
}

/// The roles of a blueprint; none when an existing role is used.
pub fn wanted(resolver: &Resolver<'_>) -> Result<Vec<WantedRole>> {
    if resolver.role.is_some() {
        return Ok(Vec::new());
    }
    resolver.blueprint.roles.iter().map(|role| wanted_role(resolver, role)).collect()
}

fn wanted_role(resolver: &Resolver<'_>, role: &Role) -> Result<WantedRole> {
    let mut statements = generated(resolver, role);
    for statement in &role.statements {
        let resources = statement
            .resources
            .iter()
            .map(|text| resolver.text(&role.name, text))
            .collect::<Result<Vec<_>>>()?;
        statements.push(json!({
            "Effect": "Allow",
            "Action": statement.actions,
            "Resource": resources,
        }));
    }
    let settings = RoleSettings {
        trust: trust("lambda.amazonaws.com"),
        policy: json!({ "Version": "2012-10-17", "Statement": statements }),
    };
    Ok(WantedRole { name: role.name.clone(), spec: Spec::new(settings) })
}

/// The policy that lets a service of AWS assume a role.
pub fn trust(service: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": service },
            "Action": "sts:AssumeRole",
        }],
    })
}

/// The statements for what the role's functions are set up with.
fn generated(resolver: &Resolver<'_>, role: &Role) -> Vec<Value> {
    let (blueprint, place) = (resolver.blueprint, &resolver.place);
    let functions: Vec<&Function> =
        blueprint.functions.iter().filter(|function| function.role == role.name).collect();
    let is_own = |name: &str| functions.iter().any(|function| function.name == name);
    let mut statements = Statements::default();
    // The groups are made beforehand: the right to make them is not needed.
    for function in &functions {
        let group = place.log_group(&function_log_group(&function.name));
        statements.allow(
            "Logs",
            &["logs:CreateLogStream", "logs:PutLogEvents"],
            format!("{group}:*"),
        );
    }
    for mapping in blueprint.mappings.iter().filter(|mapping| is_own(&mapping.function)) {
        match &mapping.source {
            Source::Queue { queue, .. } => statements.allow(
                "ReadQueues",
                &["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
                place.queue(queue),
            ),
            Source::Stream { table, on_failure, .. } => {
                statements.allow(
                    "ReadStreams",
                    &[
                        "dynamodb:DescribeStream",
                        "dynamodb:GetRecords",
                        "dynamodb:GetShardIterator",
                    ],
                    format!("{}/stream/*", place.table(table)),
                );
                // Lambda asks for it without naming a table.
                statements.allow("ListStreams", &["dynamodb:ListStreams"], "*".to_owned());
                statements.send(resolver, on_failure.as_ref());
            }
        }
    }
    for function in &functions {
        statements.send(resolver, function.dead_letter.as_ref());
        if let Some(asynchronous) = &function.asynchronous {
            statements.send(resolver, asynchronous.on_success.as_ref());
            statements.send(resolver, asynchronous.on_failure.as_ref());
        }
        if function.tracing {
            // X-Ray has no resources to name.
            let actions = &["xray:PutTraceSegments", "xray:PutTelemetryRecords"];
            statements.allow("Traces", actions, "*".to_owned());
        }
    }
    statements.into_json()
}

/// Allow statements by their id; resources of the same actions are gathered.
#[derive(Default)]
struct Statements(Vec<(&'static str, Vec<&'static str>, Vec<String>)>);

impl Statements {
    fn allow(&mut self, id: &'static str, actions: &[&'static str], resource: String) {
        match self.0.iter_mut().find(|(known, ..)| *known == id) {
            Some((.., resources)) if resources.contains(&resource) => {}
            Some((.., resources)) => resources.push(resource),
            None => self.0.push((id, actions.to_vec(), vec![resource])),
        }
    }

    fn send(&mut self, resolver: &Resolver<'_>, destination: Option<&Destination>) {
        let Some(destination) = destination else { return };
        let arn = resolver.destination(destination);
        match destination {
            Destination::Queue(_) => self.allow("SendMessages", &["sqs:SendMessage"], arn),
            Destination::Topic(_) => self.allow("Publish", &["sns:Publish"], arn),
            Destination::Function(_) => self.allow("Invoke", &["lambda:InvokeFunction"], arn),
        }
    }

    fn into_json(self) -> Vec<Value> {
        let json = |(id, actions, resources): (&str, Vec<&str>, Vec<String>)| json!({ "Sid": id, "Effect": "Allow", "Action": actions, "Resource": resources });
        self.0.into_iter().map(json).collect()
    }
}

/// Reads a role.
pub async fn observe(target: &Target, name: &str, lab: &str) -> Result<Option<(String, LiveRole)>> {
    let iam = target.iam();
    let role = iam.get_role().role_name(name).send();
    let policy = iam.get_role_policy().role_name(name).policy_name(POLICY_NAME).send();
    let (role, policy) = tokio::join!(role, policy);
    let what = format!("reading role {name}");
    let Some(role) = existing(role.map_err(|e| Failure::from_sdk(&what, &e)))? else {
        return Ok(None);
    };
    let policy = existing(policy.map_err(|e| Failure::from_sdk(&what, &e)))?;
    let role = role.role;
    let settings = RoleSettings {
        trust: role
            .as_ref()
            .and_then(|role| policy_document(role.assume_role_policy_document()?))
            .unwrap_or_default(),
        policy: policy.and_then(|p| policy_document(&p.policy_document)).unwrap_or_default(),
    };
    let found = Found::new(lab, settings, |key| {
        let tags = role.as_ref().map(aws_sdk_iam::types::Role::tags).unwrap_or_default();
        tags.iter().find(|tag| tag.key() == key).map(|tag| tag.value().to_owned())
    });
    Ok(Some((name.to_owned(), found)))
}

/// IAM answers policy documents percent-encoded.
fn policy_document(text: &str) -> Option<Value> {
    if let Ok(value) = serde_json::from_str(text) {
        return Some(value);
    }
    let plain = percent_encoding::percent_decode_str(text).decode_utf8().ok()?;
    serde_json::from_str(&plain).ok()
}

/// Plans the roles.
pub fn plan(planner: &mut Planner<'_>) {
    for role in &planner.wanted.roles {
        let name = &role.name;
        let Some(live) = planner.live.roles.get(name) else {
            planner.create(RESOURCE, name, &[], RoleAction::Create(name.clone()));
            continue;
        };
        planner.update(RESOURCE, name, (&role.spec, live), &[], RoleAction::Update(name.clone()));
    }
}

/// Plans to remove the roles that the blueprint names no more.
pub fn plan_removed(planner: &mut Planner<'_>, after: &[usize]) {
    for (name, live) in &planner.live.roles {
        let named = planner.wanted.roles.iter().any(|one| one.name == *name);
        if live.owner == Owner::Lab && !named {
            planner.removed(RESOURCE, name, after, RoleAction::Delete(name.clone()));
        }
    }
}

/// Plans to remove the roles.
pub fn plan_destroy(planner: &mut Planner<'_>, after: &[usize]) {
    for (name, live) in &planner.live.roles {
        if live.owner == Owner::Lab {
            let action = RoleAction::Delete(name.clone());
            planner.step(Verb::Delete, RESOURCE, name, "with its policies", after, action);
        }
    }
}

fn tag(key: &str, value: &str) -> Result<Tag> {
    Tag::builder()
        .key(key)
        .value(value)
        .build()
        .map_err(|e| Failure::new(FailureKind::Internal, "tagging a role", e.to_string()))
}

impl Wanted {
    fn role(&self, name: &str) -> Result<&WantedRole> {
        self.roles.iter().find(|role| role.name == name).ok_or_else(|| missing(RESOURCE, name))
    }
}

impl StepRun {
    pub(crate) async fn on_role(&self, action: &RoleAction) -> Result<()> {
        match action {
            RoleAction::Create(name) => self.create_role(name).await,
            RoleAction::Update(name) => self.update_role(name).await,
            RoleAction::Delete(name) => self.delete_role(name).await,
        }
    }

    async fn create_role(&self, name: &str) -> Result<()> {
        let what = format!("creating role {name}");
        let role = self.context.wanted.role(name)?;
        let lab = &self.context.wanted.lab;
        let tags = vec![tag(LAB_TAG, lab)?, tag(APPLIED_TAG, &role.spec.record.text())?];
        let trust = role.spec.settings.trust.to_string();
        let made = self
            .patiently(|| async {
                self.target()
                    .iam()
                    .create_role()
                    .role_name(name)
                    .assume_role_policy_document(&trust)
                    .description(format!("Execution role of the lab {lab}"))
                    .set_tags(Some(tags.clone()))
                    .send()
                    .await
                    .map_err(|e| Failure::from_sdk(&what, &e))
            })
            .await;
        match made {
            Ok(_) => self.put_role_policy(name).await,
            // Made by the attempt before, whose answer was lost: the plan had seen that it is not
            // there, and the lease keeps other deploys of this lab away.
            Err(failure) if failure.kind == FailureKind::Conflict => {
                self.put_role_policy(name).await
            }
            Err(failure) if failure.kind == FailureKind::Denied => Err(failure
                .next("use a role that exists already: --role NAME (learner accounts: LabRole)")),
            Err(failure) => Err(failure),
        }
    }

    async fn update_role(&self, name: &str) -> Result<()> {
        let role = self.context.wanted.role(name)?;
        let live = self.context.live.roles.get(name).map(|live| &live.settings);
        if live.is_none_or(|live| live.trust != role.spec.settings.trust) {
            let trust = role.spec.settings.trust.to_string();
            self.patiently(|| async {
                let call = self.target().iam().update_assume_role_policy().role_name(name);
                let done = call.policy_document(&trust).send().await;
                let what = format!("changing who may assume role {name}");
                done.map_err(|e| Failure::from_sdk(what, &e))
            })
            .await?;
        }
        if live.is_none_or(|live| live.policy != role.spec.settings.policy) {
            self.put_role_policy(name).await?;
        }
        let applied = tag(APPLIED_TAG, &role.spec.record.text())?;
        self.patiently(|| async {
            let call = self.target().iam().tag_role().role_name(name).tags(applied.clone());
            let done = call.send().await;
            done.map_err(|e| Failure::from_sdk(format!("tagging role {name}"), &e))
        })
        .await
        .map(|_| ())
    }

    async fn put_role_policy(&self, name: &str) -> Result<()> {
        let policy = self.context.wanted.role(name)?.spec.settings.policy.to_string();
        self.patiently(|| async {
            self.target()
                .iam()
                .put_role_policy()
                .role_name(name)
                .policy_name(POLICY_NAME)
                .policy_document(&policy)
                .send()
                .await
                .map_err(|e| Failure::from_sdk(format!("giving role {name} its policy"), &e))
        })
        .await
        .map(|_| ())
    }

    /// Policies keep a role from being deleted: they go first, also those that others added.
    async fn delete_role(&self, name: &str) -> Result<()> {
        let what = format!("deleting role {name}");
        self.patiently(|| async {
            let iam = self.target().iam();
            let inline = iam.list_role_policies().role_name(name).send().await;
            let Some(inline) = existing(inline.map_err(|e| Failure::from_sdk(&what, &e)))? else {
                return Ok(());
            };
            let attached = iam.list_attached_role_policies().role_name(name).send().await;
            let attached = existing(attached.map_err(|e| Failure::from_sdk(&what, &e)))?;
            let attached = attached.and_then(|answer| answer.attached_policies);
            for policy in attached.unwrap_or_default() {
                let call = iam.detach_role_policy().role_name(name);
                let arn = policy.policy_arn().unwrap_or_default();
                let done = call.policy_arn(arn).send().await;
                existing(done.map_err(|e| Failure::from_sdk(&what, &e)))?;
            }
            for policy in inline.policy_names() {
                let done =
                    iam.delete_role_policy().role_name(name).policy_name(policy).send().await;
                existing(done.map_err(|e| Failure::from_sdk(&what, &e)))?;
            }
            let done = iam.delete_role().role_name(name).send().await;
            existing(done.map_err(|e| Failure::from_sdk(&what, &e))).map(|_| ())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iams_documents_are_decoded() {
        assert_eq!(policy_document("%7B%22a%22%3A1%7D"), Some(json!({"a":1})));
        assert_eq!(policy_document("{\"a\":\"%20\"}"), Some(json!({"a":"%20"})));
        assert_eq!(policy_document("%%"), None);
    }
}
