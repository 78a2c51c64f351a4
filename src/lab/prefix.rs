//! A name prefix in front of everything that a lab makes, so that several people can share an account.

use serde_json::Value;

use crate::blueprint::{
    Api, Blueprint, ChaosKind, Condition, Destination, Endpoint, Function, Source, StepAction,
    UsagePlan,
};
use crate::names::{self, Rule};
use crate::references::{Reference, find};

/// Most characters of a prefix: what AWS's shortest names, of 64 characters, leave room for.
const MOST: usize = 20;

/// Why a prefix can't be put in front of a lab's names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// The prefix itself.
    #[error(
        "the prefix `{0}` is not allowed; expected 1 to {MOST} lower-case letters, digits and \
         hyphens, beginning with a letter"
    )]
    Prefix(String),
    /// Names that AWS would refuse with it, each with what it is of and what is allowed.
    #[error("with the prefix `{prefix}`, {}", too_long.join("; "))]
    Names {
        /// The prefix.
        prefix: String,
        /// What is said of each name.
        too_long: Vec<String>,
    },
}

/// Checks that a text can be a prefix.
pub fn check_prefix(prefix: &str) -> Result<(), PrefixError> {
    let kept = (1..=MOST).contains(&prefix.len())
        && prefix.starts_with(|c: char| c.is_ascii_lowercase())
        && prefix.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if kept { Ok(()) } else { Err(PrefixError::Prefix(prefix.to_owned())) }
}

impl Blueprint {
    /// The lab with `prefix` in front of the name of everything that it makes: the lab itself,
    /// functions (and with them their log groups), roles, tables, queues, topics, APIs, keys, plans and
    /// alarms, and in every reference to one of them. What has a name in the lab alone keeps it:
    /// stages, mappings, subscriptions, variants, requests, events, chaos switches, checks, steps.
    ///
    /// # Errors
    /// When the prefix is none, or a name becomes longer than AWS allows.
    pub fn prefixed(&self, prefix: &str) -> Result<Self, PrefixError> {
        check_prefix(prefix)?;
        let mut lab = self.clone();
        Renamer { prefix }.lab(&mut lab);
        let too_long = too_long(&lab);
        if too_long.is_empty() {
            Ok(lab)
        } else {
            Err(PrefixError::Names { prefix: prefix.to_owned(), too_long })
        }
    }
}

/// What is said of the names that AWS would refuse.
fn too_long(lab: &Blueprint) -> Vec<String> {
    let mut said = Vec::new();
    let mut check = |rule: Rule, name: &str| {
        if !(rule.keeps)(name) {
            said.push(format!("{} `{name}` is too long; expected {}", rule.of, rule.says));
        }
    };
    check(names::LAB, &lab.name);
    lab.functions.iter().for_each(|function| check(names::FUNCTION, &function.name));
    lab.roles.iter().for_each(|role| check(names::ROLE, &role.name));
    lab.tables.iter().for_each(|table| check(names::TABLE, &table.name));
    lab.queues.iter().for_each(|queue| check(names::QUEUE, &queue.name));
    lab.topics.iter().for_each(|topic| check(names::TOPIC, &topic.name));
    lab.apis.iter().for_each(|api| check(names::API, &api.name));
    lab.keys.iter().for_each(|key| check(names::KEY, &key.name));
    lab.plans_of_all_variants().for_each(|plan| check(names::KEY, &plan.name));
    lab.alarms.iter().for_each(|alarm| check(names::ALARM, &alarm.name));
    said.dedup();
    said
}

struct Renamer<'p> {
    prefix: &'p str,
}

impl Renamer<'_> {
    fn name(&self, name: &mut String) {
        name.insert_str(0, self.prefix);
    }

    fn names<'n>(&self, names: impl IntoIterator<Item = &'n mut String>) {
        names.into_iter().for_each(|name| self.name(name));
    }

    /// Renames what the references of a text name.
    fn text(&self, text: &mut String) {
        let mut renamed = String::with_capacity(text.len());
        let mut copied = 0;
        for found in find(text) {
            let Some(Reference::Resource { name, .. }) = Reference::parse(found.body) else {
                continue;
            };
            // The kind comes first, then the name: `function.NAME…`.
            let Some(head) = found.body.find('.').filter(|_| !name.is_empty()) else { continue };
            let name_at = found.start + "${".len() + head + 1;
            renamed.push_str(&text[copied..name_at]);
            renamed.push_str(self.prefix);
            copied = name_at;
        }
        if copied > 0 {
            renamed.push_str(&text[copied..]);
            *text = renamed;
        }
    }

    fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(members) => {
                members.iter_mut().for_each(|(_, member)| self.value(member));
            }
            _ => {}
        }
    }

    fn lab(&self, lab: &mut Blueprint) {
        self.name(&mut lab.name);
        for role in &mut lab.roles {
            self.name(&mut role.name);
            let resources = role.statements.iter_mut().flat_map(|s| &mut s.resources);
            resources.for_each(|resource| self.text(resource));
        }
        self.names(lab.tables.iter_mut().map(|table| &mut table.name));
        for queue in &mut lab.queues {
            self.name(&mut queue.name);
            self.names(queue.dead_letter.iter_mut().map(|(queue, _)| queue));
        }
        self.names(lab.topics.iter_mut().map(|topic| &mut topic.name));
        for subscription in &mut lab.subscriptions {
            self.name(&mut subscription.topic);
            match &mut subscription.endpoint {
                Endpoint::Queue { queue: name } | Endpoint::Function { function: name } => {
                    self.name(name);
                }
                Endpoint::Webhook { .. } | Endpoint::Email { .. } => {}
            }
        }
        lab.functions.iter_mut().for_each(|function| self.function(function));
        for mapping in &mut lab.mappings {
            self.name(&mut mapping.function);
            match &mut mapping.source {
                Source::Queue { queue, .. } => self.name(queue),
                Source::Stream { table, on_failure, .. } => {
                    self.name(table);
                    if let Some(to) = on_failure {
                        self.destination(to);
                    }
                }
            }
        }
        for alarm in &mut lab.alarms {
            self.name(&mut alarm.name);
            alarm.dimensions.values_mut().for_each(|value| self.text(value));
            self.names(&mut alarm.topics);
        }
        self.names(&mut lab.canary.alarms);
        self.names(lab.keys.iter_mut().map(|key| &mut key.name));
        lab.apis.iter_mut().for_each(|api| self.api(api));
        lab.plans.iter_mut().for_each(|plan| self.plan(plan));
        for variant in &mut lab.variants {
            variant.apis.iter_mut().for_each(|api| self.api(api));
            variant.plans.iter_mut().for_each(|plan| self.plan(plan));
        }
        self.course(lab);
    }

    fn destination(&self, destination: &mut Destination) {
        let (Destination::Queue(name) | Destination::Topic(name) | Destination::Function(name)) =
            destination;
        self.name(name);
    }

    fn function(&self, function: &mut Function) {
        self.name(&mut function.name);
        self.name(&mut function.role);
        function.environment.values_mut().for_each(|value| self.text(value));
        if let Some(to) = &mut function.dead_letter {
            self.destination(to);
        }
        if let Some(asynchronous) = &mut function.asynchronous {
            if let Some(to) = &mut asynchronous.on_success {
                self.destination(to);
            }
            if let Some(to) = &mut asynchronous.on_failure {
                self.destination(to);
            }
        }
    }

    fn api(&self, api: &mut Api) {
        self.name(&mut api.name);
        self.names(&mut api.functions);
        self.value(&mut api.document);
        if let Some(title) = api.document.pointer_mut("/info/title") {
            *title = Value::String(api.name.clone());
        }
    }

    fn plan(&self, plan: &mut UsagePlan) {
        self.name(&mut plan.name);
        self.names(&mut plan.apis);
        self.names(&mut plan.keys);
    }

    fn course(&self, lab: &mut Blueprint) {
        for request in &mut lab.requests {
            self.name(&mut request.api);
            self.names(&mut request.key);
        }
        self.names(lab.events.iter_mut().map(|event| &mut event.function));
        for chaos in &mut lab.chaos {
            match &mut chaos.kind {
                ChaosKind::DenyTable { role, table, .. } => self.names([role, table]),
                ChaosKind::MissingTable { function, .. } | ChaosKind::Variable { function, .. } => {
                    self.name(function);
                }
                ChaosKind::DropCacheKey { api, .. } => self.name(api),
                ChaosKind::SlowTable { table, .. } => self.name(table),
            }
        }
        lab.checks.iter_mut().for_each(|check| self.condition(&mut check.condition));
        for step in &mut lab.steps {
            match &mut step.action {
                StepAction::DeleteFunction { function } => self.name(function),
                StepAction::Redrive { queue } => self.name(queue),
                StepAction::Deploy { .. }
                | StepAction::Define { .. }
                | StepAction::TestMethod { .. }
                | StepAction::Event { .. }
                | StepAction::FlushCache { .. }
                | StepAction::Request { .. }
                | StepAction::Compare { .. }
                | StepAction::Publish
                | StepAction::Shift { .. }
                | StepAction::Promote
                | StepAction::Rollback
                | StepAction::Undo
                | StepAction::Chaos { .. }
                | StepAction::Destroy => {}
            }
        }
    }

    fn condition(&self, condition: &mut Condition) {
        match condition {
            Condition::AliasPublished { function, .. }
            | Condition::AliasBehind { function, .. }
            | Condition::AliasSplit { function, .. }
            | Condition::AliasRolledBack { function, .. }
            | Condition::FunctionMissing { function }
            | Condition::Log { function, .. }
            | Condition::Metric { function, .. } => self.name(function),
            Condition::StageStale { api, .. } => self.name(api),
            Condition::PlanBound { plan } => self.name(plan),
            Condition::Item { table, .. } => self.name(table),
            Condition::QueueDepth { queue, .. } | Condition::QueueEmpty { queue } => {
                self.name(queue);
            }
            Condition::AlarmState { alarm, .. } => self.name(alarm),
            Condition::Deployed
            | Condition::Absent
            | Condition::Request { .. }
            | Condition::Distinct { .. }
            | Condition::Event { .. }
            | Condition::Variant { .. }
            | Condition::MappingEnabled { .. }
            | Condition::ChaosOn { .. }
            | Condition::ChaosOff => {}
        }
    }
}
