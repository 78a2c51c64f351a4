//! Aliases of functions: what the stages call.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_lambda::types::{AliasConfiguration, AliasRoutingConfiguration};
use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::blueprint::{Follows, Stage};

use super::function::{self, WantedFunction};
use super::{asynchronous, provisioned};
use crate::deploy::graph::Planner;
use crate::deploy::plan::Verb;
use crate::deploy::race::overtaken;
use crate::deploy::run::StepRun;

/// What the plan calls it.
pub const RESOURCE: &str = "alias";

/// An alias that is live.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveAlias {
    /// The version that it points to.
    pub version: String,
    /// Shares of further versions.
    pub weights: BTreeMap<String, f64>,
}

impl LiveAlias {
    /// Whether it points to `$LATEST` and nowhere else.
    fn is_latest(&self) -> bool {
        self.version == "$LATEST" && self.weights.is_empty()
    }

    /// Where it points, for people.
    fn shown(&self) -> String {
        let weights = self.weights.iter();
        let weights = weights.map(|(version, share)| format!(", {}% {version}", share * 100.0));
        format!("{}{}", self.version, weights.collect::<String>())
    }
}

/// What is done to an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AliasAction {
    /// Make it.
    Create {
        /// Function.
        function: String,
        /// Alias.
        alias: String,
        /// What it points to.
        to: AliasVersion,
    },
    /// Point it to `$LATEST` again.
    FollowLatest {
        /// Function.
        function: String,
        /// Alias.
        alias: String,
    },
}

/// What a new alias points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AliasVersion {
    /// `$LATEST`.
    Latest,
    /// A version that is published already.
    Published(String),
    /// The version that is published of the current code.
    Publish,
}

/// The name of an alias in a plan.
pub fn label(function: &str, alias: &str) -> String {
    if alias.is_empty() { function.to_owned() } else { format!("{function}:{alias}") }
}

/// An alias as it was read.
pub fn live_alias(alias: AliasConfiguration) -> (String, LiveAlias) {
    let weights = alias.routing_config.and_then(|routing| routing.additional_version_weights);
    let live = LiveAlias {
        version: alias.function_version.unwrap_or_default(),
        weights: weights.unwrap_or_default().into_iter().collect(),
    };
    (alias.name.unwrap_or_default(), live)
}

/// The steps that an alias waits for, and that whoever calls it waits for.
pub fn ready(planner: &Planner<'_>, function: &str, alias: &str) -> Vec<usize> {
    let mut steps = planner.of(function::RESOURCE, function);
    if !alias.is_empty() {
        steps.extend(planner.of(RESOURCE, &label(function, alias)));
    }
    steps
}

/// Plans the aliases of a function, and what is set on them.
pub fn plan(planner: &mut Planner<'_>, function: &WantedFunction) {
    for stage in planner.wanted.aliases() {
        plan_alias(planner, function, stage);
    }
    asynchronous::plan(planner, function);
    provisioned::plan(planner, function);
}

fn plan_alias(planner: &mut Planner<'_>, function: &WantedFunction, stage: &Stage) {
    let label = label(&function.name, &stage.alias);
    let after = planner.of(function::RESOURCE, &function.name);
    let live = planner.live.functions.get(&function.name);
    let present = live.and_then(|live| live.aliases.get(&stage.alias));
    let (function, alias) = (function.name.clone(), stage.alias.clone());
    match (present, stage.follows) {
        (None, Follows::Latest) => {
            let action = AliasAction::Create { function, alias, to: AliasVersion::Latest };
            let reason = "missing; follows $LATEST";
            planner.step(Verb::Create, RESOURCE, label, reason, &after, action);
        }
        (None, Follows::Release) => {
            let newest = live.and_then(|live| live.newest_version.clone());
            let (reason, to) = match newest {
                Some(v) => {
                    (format!("missing; version {v} is the newest"), AliasVersion::Published(v))
                }
                None => ("missing; publishes version 1".to_owned(), AliasVersion::Publish),
            };
            let action = AliasAction::Create { function, alias, to };
            planner.step(Verb::Create, RESOURCE, label, reason, &after, action);
        }
        (Some(present), Follows::Latest)
            if present.version != "$LATEST" || !present.weights.is_empty() =>
        {
            let reason = format!("points to {}, its stage follows $LATEST", present.version);
            let action = AliasAction::FollowLatest { function, alias };
            planner.step(Verb::Update, RESOURCE, label, reason, &after, action);
        }
        // Where a released alias points, and how it splits its traffic, is a release's business.
        (Some(_), _) => {}
    }
}

impl StepRun {
    pub(crate) async fn on_alias(&self, action: &AliasAction) -> Result<()> {
        match action {
            AliasAction::Create { function, alias, to } => {
                self.create_alias(function, alias, to).await
            }
            AliasAction::FollowLatest { function, alias } => {
                self.follow_latest(function, alias).await
            }
        }
    }

    async fn create_alias(&self, function: &str, alias: &str, to: &AliasVersion) -> Result<()> {
        let version = match to {
            AliasVersion::Latest => "$LATEST".to_owned(),
            AliasVersion::Published(version) => version.clone(),
            AliasVersion::Publish => self.publish(function).await?,
        };
        let made = self
            .patiently(|| async {
                self.target()
                    .lambda()
                    .create_alias()
                    .function_name(function)
                    .name(alias)
                    .function_version(&version)
                    .send()
                    .await
                    .map_err(|e| {
                        Failure::from_sdk(format!("creating alias {function}:{alias}"), &e)
                    })
            })
            .await;
        match made {
            Ok(_) => Ok(()),
            Err(failure) if failure.kind == FailureKind::Conflict => {
                let (_, now) = live_alias(self.read_alias(function, alias).await?);
                // Made by the attempt before, whose answer was lost.
                if now == (LiveAlias { version: version.clone(), ..LiveAlias::default() }) {
                    return Ok(());
                }
                let what = format!("creating alias {function}:{alias}");
                Err(overtaken(what, &format!("none → {}", now.shown())))
            }
            Err(failure) => Err(failure),
        }
    }

    async fn read_alias(&self, function: &str, alias: &str) -> Result<AliasConfiguration> {
        let call = self.target().lambda().get_alias().function_name(function).name(alias);
        let what = format!("reading alias {function}:{alias}");
        let read = call.send().await.map_err(|e| Failure::from_sdk(what, &e))?;
        Ok(AliasConfiguration::builder()
            .set_name(read.name)
            .set_function_version(read.function_version)
            .set_routing_config(read.routing_config)
            .set_revision_id(read.revision_id)
            .build())
    }

    /// Publishes the code of this plan, and no other: the hash guards it. When it is published
    /// already, Lambda answers that version.
    async fn publish(&self, function: &str) -> Result<String> {
        let sha256 = self.context.wanted.function(function)?.spec.settings.code.clone();
        let what = format!("publishing a version of {function}");
        let version = self
            .patiently(|| async {
                self.target()
                    .lambda()
                    .publish_version()
                    .function_name(function)
                    .code_sha256(&sha256)
                    .description("first deploy")
                    .send()
                    .await
                    .map_err(|e| Failure::from_sdk(&what, &e))
            })
            .await?;
        version
            .version
            .ok_or_else(|| Failure::new(FailureKind::Service, what, "the answer names no version"))
    }

    async fn follow_latest(&self, function: &str, alias: &str) -> Result<()> {
        let what = format!("pointing alias {function}:{alias} to $LATEST");
        let lambda = self.target().lambda();
        let present = self.read_alias(function, alias).await?;
        let (_, now) = live_alias(present.clone());
        if now.is_latest() {
            return Ok(());
        }
        let planned = self.context.live.functions.get(function);
        let planned = planned.and_then(|live| live.aliases.get(alias));
        if let Some(planned) = planned.filter(|planned| **planned != now) {
            return Err(overtaken(what, &format!("{} → {}", planned.shown(), now.shown())));
        }
        let done = self
            .patiently(|| async {
                lambda
                    .update_alias()
                    .function_name(function)
                    .name(alias)
                    .function_version("$LATEST")
                    .routing_config(
                        AliasRoutingConfiguration::builder()
                            .set_additional_version_weights(Some(HashMap::new()))
                            .build(),
                    )
                    .set_revision_id(present.revision_id.clone())
                    .send()
                    .await
                    .map_err(|e| Failure::from_sdk(&what, &e))
            })
            .await;
        match done {
            Ok(_) => Ok(()),
            // Refused, perhaps, its own repetition, when the first answer was lost.
            Err(failure) if failure.has_code(&["PreconditionFailedException"]) => {
                let (_, there) = live_alias(self.read_alias(function, alias).await?);
                if there.is_latest() {
                    return Ok(());
                }
                Err(overtaken(what, &format!("{} → {}", now.shown(), there.shown())))
            }
            Err(failure) => Err(failure),
        }
    }
}
