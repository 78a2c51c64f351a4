//! Changes of the gateway: what the state asks for, what tasks tell of them, and the calls.

use std::sync::Arc;

use labdeck_aws::{Failure, Result};
use labdeck_lab::Blueprint;
use labdeck_ops::Engine;
use labdeck_ops::danger::{Act, Danger};
use labdeck_ops::gateway::difference::{self, Comparison};
use labdeck_ops::gateway::plan::{self, PlanEdit};
use labdeck_ops::gateway::stage::{self, StageEdit};
use labdeck_ops::gateway::usage::{self, Left};
use labdeck_ops::gateway::{self, Done, Gateway, USUAL_GRACE, deployments, keys};
use labdeck_ops::progress::{Progress, Reporter};
use labdeck_ops::request::exchange::KeyValue;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::message::Message;

/// A change of the gateway.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Settings of a stage.
    Stage(Box<StageEdit>),
    /// Settings of a usage plan.
    Plan(Box<PlanEdit>),
    /// Another deployment for a stage (`API/STAGE`).
    Switch {
        /// The stage.
        stage: String,
        /// The deployment.
        deployment: String,
        /// The one that it was seen to serve.
        seen: String,
    },
    /// The current definition for a stage.
    Redeploy {
        /// The stage.
        stage: String,
        /// The deployment that it was seen to serve.
        seen: String,
    },
    /// Nothing in a stage's cache.
    Flush(String),
    /// What is left of a key's quota.
    Left {
        /// The plan.
        plan: String,
        /// The key.
        key: String,
        /// How much.
        left: Left,
    },
    /// A new key.
    CreateKey {
        /// Its name.
        name: String,
        /// The plans that it is put into.
        plans: Vec<String>,
    },
    /// Whether a key is accepted.
    EnableKey {
        /// The key.
        name: String,
        /// The id that it was seen to have.
        seen: String,
        /// Accepted or not.
        on: bool,
    },
    /// A new value for a key.
    RotateKey {
        /// The key.
        name: String,
        /// The id that it was seen to have.
        seen: String,
    },
}

impl Change {
    /// What people call it.
    pub fn name(&self) -> String {
        match self {
            Self::Stage(edit) => format!("edit {}", edit.preview.subject),
            Self::Plan(edit) => format!("edit {}", edit.preview.subject),
            Self::Switch { stage, deployment, .. } => format!("switch {stage} to {deployment}"),
            Self::Redeploy { stage, .. } => format!("redeploy {stage}"),
            Self::Flush(stage) => format!("flush {stage}"),
            Self::Left { plan, key, left: Left::Full } => format!("reset {key} in {plan}"),
            Self::Left { plan, key, .. } => format!("extend {key} in {plan}"),
            Self::CreateKey { name, .. } => format!("create key {name}"),
            Self::EnableKey { name, on: true, .. } => format!("enable key {name}"),
            Self::EnableKey { name, on: false, .. } => format!("disable key {name}"),
            Self::RotateKey { name, .. } => format!("rotate key {name}"),
        }
    }

    /// Whether it ends at a safe point of its own when it is waited for no longer.
    pub const fn stops_itself(&self) -> bool {
        matches!(self, Self::RotateKey { .. })
    }

    /// What it does, to say how much it can hurt.
    pub fn act(&self) -> Act {
        match self {
            Self::Stage(_) => Act::EditStage,
            Self::Plan(_) => Act::EditPlan,
            Self::Switch { .. } => Act::SwitchDeployment,
            Self::Redeploy { .. } => Act::Redeploy,
            Self::Flush(_) => Act::FlushCache,
            Self::Left { .. } => Act::Quota,
            Self::CreateKey { .. } => Act::CreateKey,
            Self::EnableKey { on: true, .. } => Act::EnableKey,
            Self::EnableKey { on: false, .. } => Act::DisableKey,
            Self::RotateKey { .. } => Act::RotateKey,
        }
    }

    /// How much it can hurt in this lab.
    pub fn danger(&self, blueprint: &Blueprint) -> Danger {
        match self.stage() {
            Some(stage) => self.act().on_stage(blueprint, &stage),
            None => self.act().danger(),
        }
    }

    /// What it is about, in AWS's words.
    pub fn subject(&self) -> String {
        match self {
            Self::Stage(edit) => edit.preview.subject.clone(),
            Self::Plan(edit) => edit.preview.subject.clone(),
            Self::Switch { stage, .. } | Self::Redeploy { stage, .. } | Self::Flush(stage) => {
                format!("stage {stage}")
            }
            Self::Left { plan, key, .. } => format!("API key {key} in usage plan {plan}"),
            Self::CreateKey { name, .. }
            | Self::EnableKey { name, .. }
            | Self::RotateKey { name, .. } => {
                format!("API key {name}")
            }
        }
    }

    /// The stage whose answers it changes, as `API/STAGE`.
    pub fn stage(&self) -> Option<String> {
        match self {
            Self::Stage(edit) => Some(edit.before.label()),
            Self::Switch { stage, .. } | Self::Redeploy { stage, .. } | Self::Flush(stage) => {
                Some(stage.clone())
            }
            _ => None,
        }
    }
}

/// What tasks tell of the gateway.
#[derive(Debug)]
pub enum Told {
    /// Everything was read.
    Read {
        /// The lab.
        lab: String,
        /// What is live.
        result: Result<Box<Gateway>>,
    },
    /// A change says what it is at.
    Phase(String),
    /// A change came to its end.
    Done {
        /// The change.
        change: Box<Change>,
        /// What it came to.
        result: Result<Done>,
    },
    /// A key's value was looked up.
    Key {
        /// The key.
        name: String,
        /// Whether it goes to the clipboard; else it is shown.
        copied: bool,
        /// The value.
        result: Result<KeyValue>,
    },
    /// A deployment was compared with the current definition.
    Compared(Result<Comparison>),
}

/// Reads everything of a lab's gateway.
pub async fn read(engine: &Engine, blueprint: &Blueprint) -> Message {
    let result = gateway::read(engine, blueprint).await.map(Box::new);
    Message::Gateway(Told::Read { lab: blueprint.name.clone(), result })
}

/// Compares what a stage serves, or a deployment that none serves, with the current definition.
pub async fn compare(
    engine: &Engine,
    blueprint: &Blueprint,
    stage: &str,
    deployment: Option<&str>,
) -> Message {
    let found = match deployment {
        None => difference::of_stage(engine, blueprint, stage).await,
        Some(id) => {
            let api = stage.rsplit_once('/').map_or(stage, |(api, _)| api);
            difference::of_deployment(engine, blueprint, api, id).await
        }
    };
    Message::Gateway(Told::Compared(found))
}

/// Looks the value of a key up, to show or to copy it.
pub async fn key(engine: &Engine, blueprint: &Blueprint, name: String, copied: bool) -> Message {
    let result = keys::show(engine, blueprint, &name).await;
    Message::Gateway(Told::Key { name, copied, result })
}

/// Carries a change out.
pub async fn carry_out(
    engine: &Engine,
    blueprint: &Arc<Blueprint>,
    change: Change,
    sender: &mpsc::Sender<Message>,
    cancel: &CancellationToken,
) -> Message {
    let result = done(engine, blueprint, &change, sender, cancel).await;
    Message::Gateway(Told::Done { change: Box::new(change), result })
}

/// What is told of a change that is waited for no longer.
pub fn stopped(change: Box<Change>, failure: Failure) -> Message {
    Message::Gateway(Told::Done { change, result: Err(failure) })
}

async fn done(
    engine: &Engine,
    blueprint: &Blueprint,
    change: &Change,
    sender: &mpsc::Sender<Message>,
    cancel: &CancellationToken,
) -> Result<Done, Failure> {
    match change {
        Change::Stage(edit) => stage::apply(engine, blueprint, edit).await,
        Change::Plan(edit) => plan::apply(engine, blueprint, edit).await,
        Change::Switch { stage, deployment, seen } => {
            deployments::switch(engine, blueprint, stage, deployment, Some(seen)).await
        }
        Change::Redeploy { stage, seen } => {
            deployments::redeploy(engine, blueprint, stage, Some(seen)).await
        }
        Change::Flush(stage) => deployments::flush(engine, blueprint, stage).await,
        Change::Left { plan, key, left } => {
            usage::set_left(engine, blueprint, plan, key, *left).await
        }
        Change::CreateKey { name, plans } => keys::create(engine, blueprint, name, plans).await,
        Change::EnableKey { name, seen, on } => {
            keys::set_enabled(engine, blueprint, name, *on, Some(seen)).await
        }
        Change::RotateKey { name, seen } => {
            let sender = sender.clone();
            let reporter = Reporter::new(move |event| {
                if let Progress::Phase { name } = event {
                    // A phase that finds no room is not worth waiting for.
                    let _ = sender.try_send(Message::Gateway(Told::Phase(name)));
                }
            });
            let key = (name.as_str(), Some(seen.as_str()));
            gateway::rotate(engine, blueprint, key, USUAL_GRACE, &reporter, cancel).await
        }
    }
}
