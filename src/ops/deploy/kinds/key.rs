//! API keys. Their values are made by AWS, and are never read here.

use aws_sdk_apigateway::types::{ApiKey, Op, PatchOperation};
use labdeck_aws::{Failure, Result, Target};
use serde::{Deserialize, Serialize};

use super::api::once;
use crate::deploy::graph::Planner;
use crate::deploy::plan::Verb;
use crate::deploy::resolve::Resolver;
use crate::deploy::run::{StepRun, missing};
use crate::deploy::settings::{APPLIED_TAG, Found, Settings, Shown, Spec};
use crate::deploy::wanted::Wanted;
use crate::live::{self, BY_HAND_TAG, LAB_TAG, ROTATES_TAG, existing};

/// What the plan calls it.
pub const RESOURCE: &str = "API key";

/// What a key is set to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct KeySettings {
    /// One line.
    pub description: String,
    /// Whether it is accepted.
    pub enabled: bool,
}

impl Settings for KeySettings {
    fn shown(field: &str) -> Shown {
        if field == "description" { Shown::Hidden } else { Shown::Value("") }
    }
}

/// A key that is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedKey {
    /// Name.
    pub name: String,
    /// Settings.
    pub spec: Spec<KeySettings>,
}

/// A key of the lab's own that is live.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveKey {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// When it was made, in seconds since the epoch.
    pub created: i64,
    /// Whether a person made it, or it takes another's place at this moment: it is left alone.
    pub kept: Option<&'static str>,
    /// Its settings.
    pub found: Found<KeySettings>,
}

/// What is done to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyAction {
    /// Make it.
    Create(String),
    /// Change its settings.
    Update(String),
    /// Remove it, by id.
    Delete(String),
}

/// The keys of a blueprint.
pub fn wanted(resolver: &Resolver<'_>) -> Vec<WantedKey> {
    let keys = resolver.blueprint.keys.iter();
    keys.map(|key| WantedKey {
        name: key.name.clone(),
        spec: Spec::new(KeySettings { description: key.description.clone(), enabled: key.enabled }),
    })
    .collect()
}

/// Reads the lab's own keys, oldest first, those that are left alone last.
pub async fn observe(target: &Target, lab: &str) -> Result<Vec<LiveKey>> {
    let all = live::api_keys(target).await?;
    let mut own: Vec<LiveKey> =
        all.into_iter().filter(|key| is_own(key, lab)).map(|key| live_key(key, lab)).collect();
    // What takes another's place comes after it, also when both were made in one second.
    own.sort_by_key(|key| (key.kept.is_some(), key.created, key.id.clone()));
    Ok(own)
}

fn is_own(key: &ApiKey, lab: &str) -> bool {
    key.tags().and_then(|tags| tags.get(LAB_TAG)).is_some_and(|owner| owner == lab)
}

fn live_key(key: ApiKey, lab: &str) -> LiveKey {
    let settings =
        KeySettings { description: key.description.unwrap_or_default(), enabled: key.enabled };
    let tags = key.tags.unwrap_or_default();
    LiveKey {
        id: key.id.unwrap_or_default(),
        name: key.name.unwrap_or_default(),
        created: key.created_date.map(|at| at.secs()).unwrap_or_default(),
        kept: if tags.contains_key(ROTATES_TAG) {
            Some("its rotation was cut off")
        } else {
            tags.contains_key(BY_HAND_TAG).then_some("it was made by hand")
        },
        found: Found::new(lab, settings, |name| tags.get(name).cloned()),
    }
}

/// Plans the keys. Of several of one name the oldest is used: clients have its value.
pub fn plan(planner: &mut Planner<'_>) {
    for key in &planner.wanted.keys {
        let name = &key.name;
        match planner.live.keys.iter().find(|live| live.name == *name) {
            None => {
                planner.create(RESOURCE, name, &[], KeyAction::Create(name.clone()));
            }
            Some(live) => {
                let both = (&key.spec, &live.found);
                planner.update(RESOURCE, name, both, &[], KeyAction::Update(name.clone()));
            }
        }
    }
    for (index, live) in planner.live.keys.iter().enumerate() {
        let wanted = planner.wanted.keys.iter().any(|key| key.name == live.name);
        let double = planner.live.keys[..index].iter().any(|other| other.name == live.name);
        if wanted && !double {
            continue;
        }
        if let Some(why) = live.kept {
            planner.note(format!("API key {} ({}) stays: {why}", live.name, live.id));
            continue;
        }
        let reason =
            if double { "a double of the lab's own key" } else { "not in lab.toml any more" };
        let action = KeyAction::Delete(live.id.clone());
        planner.step(Verb::Delete, RESOURCE, &live.name, reason, &[], action);
    }
}

/// Plans to remove the keys.
pub fn plan_destroy(planner: &mut Planner<'_>, after: &[usize]) {
    for live in &planner.live.keys {
        let action = KeyAction::Delete(live.id.clone());
        planner.step(Verb::Delete, RESOURCE, &live.name, "the lab is destroyed", after, action);
    }
}

impl Wanted {
    fn key(&self, name: &str) -> Result<&WantedKey> {
        self.keys.iter().find(|key| key.name == name).ok_or_else(|| missing(RESOURCE, name))
    }
}

impl StepRun {
    pub(crate) async fn on_key(&self, action: &KeyAction) -> Result<()> {
        match action {
            KeyAction::Create(name) => self.create_key(name).await,
            KeyAction::Update(name) => self.update_key(name).await,
            KeyAction::Delete(id) => self.delete_key(id).await,
        }
    }

    /// A key's name is not unique: a lost one is found again by its tag, which comes with it.
    async fn create_key(&self, name: &str) -> Result<()> {
        let what = format!("creating API key {name}");
        let wanted = &self.context.wanted;
        let key = wanted.key(name)?;
        let made = || async {
            let own = observe(self.target(), &wanted.lab).await?;
            Ok(own.into_iter().find(|key| key.name == name).map(|key| key.id))
        };
        let id = self
            .create_once(&what, made, || async {
                self.announce_budget("CreateApiKey");
                let call = self
                    .target()
                    .apigateway()
                    .create_api_key()
                    .name(name)
                    .description(&key.spec.settings.description)
                    .enabled(key.spec.settings.enabled)
                    .tags(LAB_TAG, &wanted.lab)
                    .tags(APPLIED_TAG, key.spec.record.text());
                let made = call.customize().config_override(once()).send().await;
                made.map(|made| made.id).map_err(|e| Failure::from_sdk(&what, &e))
            })
            .await?;
        self.context.set_id(RESOURCE, name, id);
        Ok(())
    }

    async fn update_key(&self, name: &str) -> Result<()> {
        let id = self.context.id(RESOURCE, name)?;
        let key = self.context.wanted.key(name)?;
        let settings = &key.spec.settings;
        let replace = |path: &str, value: String| {
            PatchOperation::builder().op(Op::Replace).path(path).value(value).build()
        };
        let patch = vec![
            replace("/description", settings.description.clone()),
            replace("/enabled", settings.enabled.to_string()),
        ];
        self.patiently(|| async {
            let call = self.target().apigateway().update_api_key().api_key(&id);
            let done = call.set_patch_operations(Some(patch.clone())).send().await;
            done.map_err(|e| Failure::from_sdk(format!("changing API key {name}"), &e))
        })
        .await?;
        self.tag_gateway(&format!("/apikeys/{id}"), APPLIED_TAG, &key.spec.record.text()).await
    }

    async fn delete_key(&self, id: &str) -> Result<()> {
        self.patiently(|| async {
            self.announce_budget("DeleteApiKey");
            let done = self.target().apigateway().delete_api_key().api_key(id).send().await;
            existing(done.map_err(|e| Failure::from_sdk(format!("deleting API key {id}"), &e)))
        })
        .await
        .map(|_| ())
    }
}
