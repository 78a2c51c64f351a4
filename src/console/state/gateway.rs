//! The gateway screen: what was read, what is on its way, and the form of settings.

use std::sync::Arc;

use labdeck_ops::gateway::deployments::{ApiDeployments, DeploymentInfo};
use labdeck_ops::gateway::keys::KeyInfo;
use labdeck_ops::gateway::plan::{self, PlanModel};
use labdeck_ops::gateway::stage::{self, StageModel};
use labdeck_ops::gateway::usage::{KeyUsage, PlanUsage};
use labdeck_ops::gateway::{Gateway, Preview, Settings};
use labdeck_ops::request::exchange::KeyValue;
use labdeck_ops::request::explain::Fix;
use tui_input::Input;

use super::{Panel, State};
use crate::gateway::Change;

/// How long a key's value is shown, in ms.
pub const SHOWN_MS: i64 = 5_000;

/// A key whose value is shown.
#[derive(Debug)]
pub struct ShownKey {
    /// Its name.
    pub name: String,
    /// The value; whatever prints it masks it.
    pub value: KeyValue,
    /// Until when, in ms since the epoch.
    pub until_ms: i64,
}

/// The gateway screen's own state.
#[derive(Debug, Default)]
pub struct GatewayPane {
    /// What was read last, and of which lab.
    pub read: Option<(String, Arc<Gateway>)>,
    /// When it was read, in ms since the epoch.
    pub read_ms: i64,
    /// Since when a newer reading is waited for, in ms since the epoch: one that fails is followed by
    /// another.
    pub asked_ms: Option<i64>,
    /// Whether it is being read.
    pub reading: bool,
    /// The change that is on its way, and what it is at.
    pub busy: Option<String>,
    /// The key whose value is shown.
    pub shown: Option<ShownKey>,
    /// What a line that is asked for is about: the plan and the key.
    pub asked: Option<(String, String)>,
    /// An edit that met somebody else's: it is offered again on what is there now.
    pub again: Option<(Change, String)>,
    /// What mends an answer and waits until the gateway was read.
    pub fixing: Option<Fix>,
}

/// A row of the panel of usage plans.
#[derive(Debug, Clone, Copy)]
pub enum PlanRow<'a> {
    /// A plan.
    Plan(&'a PlanModel, &'a PlanUsage),
    /// A key of the plan.
    Key(&'a PlanModel, &'a PlanUsage, &'a KeyUsage),
}

impl State {
    /// The gateway of the current lab, where it was read.
    pub fn gateway(&self) -> Option<&Gateway> {
        let (lab, gateway) = self.gateway.read.as_ref()?;
        (*lab == self.current_lab()?.name).then_some(&**gateway)
    }

    /// The selected stage, where it was read.
    pub fn selected_stage(&self) -> Option<&StageModel> {
        let selected = self.positions.get(Panel::Apis);
        let apis = &self.status()?.apis;
        let (api, stage) = apis
            .iter()
            .flat_map(|api| api.stages.iter().map(move |stage| (&api.name, &stage.name)))
            .nth(selected)?;
        self.gateway()?.stages.iter().find(|known| known.api == *api && known.stage == *stage)
    }

    /// The deployments of the selected stage's API.
    pub fn deployments(&self) -> Option<&ApiDeployments> {
        let api = &self.selected_stage()?.api;
        self.gateway()?.deployments.iter().find(|known| known.api == *api)
    }

    /// The selected deployment.
    pub fn selected_deployment(&self) -> Option<&DeploymentInfo> {
        let all = &self.deployments()?.deployments;
        all.get(self.positions.get(Panel::Deployments).min(all.len().checked_sub(1)?))
    }

    /// The rows of the panel of usage plans.
    pub fn plan_rows(&self) -> Vec<PlanRow<'_>> {
        let plans = self.gateway().map(|gateway| gateway.plans.as_slice()).unwrap_or_default();
        let rows = plans.iter().flat_map(|(plan, usage)| {
            let keys = usage.keys.iter().map(move |key| PlanRow::Key(plan, usage, key));
            std::iter::once(PlanRow::Plan(plan, usage)).chain(keys)
        });
        rows.collect()
    }

    /// The selected row of that panel.
    pub fn selected_plan_row(&self) -> Option<PlanRow<'_>> {
        let rows = self.plan_rows();
        rows.get(self.positions.get(Panel::Plans).min(rows.len().checked_sub(1)?)).copied()
    }

    /// The selected key.
    pub fn selected_key(&self) -> Option<&KeyInfo> {
        let keys = &self.gateway()?.keys;
        keys.get(self.positions.get(Panel::Keys).min(keys.len().checked_sub(1)?))
    }
}

/// What the form edits.
#[derive(Debug, Clone)]
pub enum Subject {
    /// A stage.
    Stage(StageModel),
    /// A usage plan.
    Plan(PlanModel),
}

impl Subject {
    /// What people call it.
    pub fn name(&self) -> String {
        match self {
            Self::Stage(model) => model.subject(),
            Self::Plan(model) => model.subject(),
        }
    }

    fn settings(&self) -> &Settings {
        match self {
            Self::Stage(model) => &model.settings,
            Self::Plan(model) => &model.settings,
        }
    }

    fn check(&self, key: &str, value: &str) -> Result<(String, String), String> {
        match self {
            Self::Stage(_) => stage::check(key, value),
            Self::Plan(_) => plan::check(key, value),
        }
    }

    fn takes(&self, key: &str) -> &'static str {
        match self {
            Self::Stage(_) => stage::takes(key),
            Self::Plan(_) => plan::takes(key),
        }
    }

    /// Settings that are offered though they are not set.
    fn offered(&self) -> &'static [&'static str] {
        match self {
            Self::Stage(_) => &[
                "throttle.rate",
                "throttle.burst",
                "cache.cluster",
                "cache.size_gb",
                "cache.enabled",
                "cache.ttl_s",
                "log_level",
                "data_trace",
                "detailed_metrics",
                "tracing",
                "description",
                "canary.percent",
            ],
            Self::Plan(_) => &[
                "quota.limit",
                "quota.period",
                "quota.offset",
                "throttle.rate",
                "throttle.burst",
                "description",
            ],
        }
    }
}

/// A row of the form.
#[derive(Debug, Clone)]
pub struct SettingRow {
    /// The setting; `None` for the row in which another is typed as `KEY=VALUE`.
    pub key: Option<String>,
    /// What it was.
    pub original: String,
    /// What was typed.
    pub input: Input,
}

/// The form in which settings are edited.
#[derive(Debug)]
pub struct SettingsForm {
    /// What is edited, as it was read.
    pub subject: Subject,
    /// The rows.
    pub rows: Vec<SettingRow>,
    /// The selected row.
    pub selected: usize,
    /// What is wrong with what was typed, or what somebody else did.
    pub error: Option<String>,
}

impl SettingsForm {
    /// A form with what was read, and with `edits` typed over it.
    pub fn new(subject: Subject, edits: &[(String, String)]) -> Self {
        let settings = subject.settings();
        let mut keys: Vec<String> = subject
            .offered()
            .iter()
            .map(|key| (*key).to_owned())
            .filter(|key| !settings.contains_key(key))
            .collect();
        let mut set: Vec<String> =
            settings.keys().filter(|key| *key != "deployment").cloned().collect();
        set.append(&mut keys);
        let mut rows: Vec<SettingRow> = set
            .into_iter()
            .map(|key| {
                let original = settings.get(&key).cloned().unwrap_or_default();
                let typed = edits.iter().find(|(edited, _)| *edited == key);
                let text = typed.map_or_else(|| original.clone(), |(_, value)| value.clone());
                SettingRow { key: Some(key), original, input: Input::new(text) }
            })
            .collect();
        let known = |key: &str| rows.iter().any(|row| row.key.as_deref() == Some(key));
        let others: Vec<String> = edits
            .iter()
            .filter(|(key, _)| !known(key))
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        for text in others.into_iter().chain([String::new()]) {
            rows.push(SettingRow { key: None, original: String::new(), input: Input::new(text) });
        }
        let edited = edits.first().and_then(|(key, _)| {
            rows.iter().position(|row| row.key.as_deref() == Some(key.as_str()))
        });
        Self { subject, rows, selected: edited.unwrap_or(0), error: None }
    }

    /// To the row after, or before.
    pub fn step(&mut self, forward: bool) {
        let count = self.rows.len();
        self.selected = (self.selected + if forward { 1 } else { count - 1 }) % count;
    }

    /// Keeps an empty row after the last that another setting is typed in.
    pub fn grow(&mut self) {
        if self.rows.last().is_some_and(|row| !row.input.value().is_empty()) {
            let (key, original, input) = (None, String::new(), Input::default());
            self.rows.push(SettingRow { key, original, input });
        }
    }

    /// What the selected row takes, in a few words.
    pub fn takes(&self) -> &'static str {
        match self.rows.get(self.selected).map(|row| &row.key) {
            Some(Some(key)) => self.subject.takes(key),
            _ => "another setting: variables.NAME=VALUE, /path/METHOD:throttle.rate=5 …",
        }
    }

    /// What was changed.
    ///
    /// # Errors
    /// What is wrong, and the row it is in.
    pub fn edits(&self) -> Result<Vec<(String, String)>, (usize, String)> {
        let mut edits = Vec::new();
        for (index, row) in self.rows.iter().enumerate() {
            let text = row.input.value();
            let checked = match &row.key {
                _ if text.trim() == row.original => continue,
                Some(key) => self.subject.check(key, text),
                None => match text.split_once('=') {
                    Some((key, value)) => self.subject.check(key, value),
                    None => Err("write KEY=VALUE; empty the row to leave it out".to_owned()),
                },
            };
            edits.push(checked.map_err(|why| (index, why))?);
        }
        Ok(edits)
    }
}

/// What is going to be done, shown before it is.
#[derive(Debug)]
pub struct PreviewBox {
    /// The operations, and what one should know before.
    pub preview: Preview,
    /// Where it is done, and what it changes, where that must be said: prod, not local.
    pub about: Vec<String>,
    /// What yes does.
    pub change: Change,
    /// Whether it wants its own key: enter is not enough.
    pub asks: bool,
}
