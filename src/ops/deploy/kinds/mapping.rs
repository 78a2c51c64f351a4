//! Event source mappings: a queue or a stream calls a function.

use std::time::Duration;

use aws_sdk_lambda::types::{
    DestinationConfig, EventSourceMappingConfiguration, EventSourcePosition, FunctionResponseType,
    OnFailure, ScalingConfig,
};
use futures_util::future::try_join_all;
use labdeck_aws::{Failure, FailureKind, Result, Target};
use labdeck_lab::blueprint::{Destination, Mapping, Source};
use serde::{Deserialize, Serialize};

use super::{alias, asynchronous, queue, role, table};
use crate::deploy::graph::Planner;
use crate::deploy::observe::{Live, Owner};
use crate::deploy::plan::Verb;
use crate::deploy::resolve::Resolver;
use crate::deploy::run::{StepRun, missing};
use crate::deploy::settings::{APPLIED_TAG, Found, Settings, Shown, Spec};
use crate::deploy::wanted::{Place, Wanted};
use crate::live::{self, LAB_TAG, existing};

/// What the plan calls it.
pub const RESOURCE: &str = "event source mapping";
/// How long a mapping may take to change (AWS says up to a minute).
const SETTLE: Duration = Duration::from_mins(5);

/// What a mapping is set to and can be changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MappingSettings {
    /// ARN of the function or alias.
    pub function: String,
    /// Whether it works.
    pub enabled: bool,
    /// Most records of one invocation.
    pub batch: Option<i32>,
    /// Seconds.
    pub window: Option<i32>,
    /// Whether the function answers which records failed.
    pub partial: bool,
    /// Most invocations at once, of a queue.
    pub concurrency: Option<i32>,
    /// Tries after the first; -1 without end.
    pub retries: Option<i32>,
    /// Seconds; -1 as long as the stream keeps them.
    pub max_age: Option<i32>,
    /// Whether a failed batch is halved.
    pub bisect: Option<bool>,
    /// Batches of one shard at once.
    pub parallel: Option<i32>,
    /// ARN of who is told of what failed for good.
    pub on_failure: Option<String>,
}

impl Settings for MappingSettings {
    fn shown(field: &str) -> Shown {
        Shown::Value(if matches!(field, "window" | "max_age") { "s" } else { "" })
    }
}

/// Where the events of a wanted mapping come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WantedSource {
    /// A queue, by name.
    Queue(String),
    /// The stream of a table, by the table's name.
    Stream(String),
}

/// A mapping that is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedMapping {
    /// Name in the blueprint.
    pub name: String,
    /// Function.
    pub function: String,
    /// Where its events come from.
    pub source: WantedSource,
    /// Whether a new mapping of a stream begins with the oldest record.
    pub from_oldest: bool,
    /// Who is told of what failed for good.
    pub on_failure: Option<Destination>,
    /// Settings.
    pub spec: Spec<MappingSettings>,
}

/// A mapping that is live.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveMapping {
    /// UUID.
    pub uuid: String,
    /// Function, without its alias.
    pub function: String,
    /// ARN of its source.
    pub source: String,
    /// `Enabled`, `Creating` …
    pub state: String,
    /// What became of the last batch.
    pub last_result: String,
    /// Whose it is, and its settings.
    pub found: Found<MappingSettings>,
}

/// What is done to a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MappingAction {
    /// Make it and wait until it works.
    Create(String),
    /// Change its settings.
    Update {
        /// Name in the blueprint.
        name: String,
        /// UUID.
        uuid: String,
        /// Whether only what it remembers changes.
        remember: bool,
    },
    /// Remove one and make it of another source.
    Replace {
        /// Name in the blueprint.
        name: String,
        /// UUID of the old one.
        uuid: String,
    },
    /// Remove it and wait until it is gone, by UUID.
    Delete(String),
}

/// The mappings of a blueprint.
pub fn wanted(resolver: &Resolver<'_>) -> Vec<WantedMapping> {
    resolver.blueprint.mappings.iter().map(|mapping| wanted_mapping(resolver, mapping)).collect()
}

fn wanted_mapping(resolver: &Resolver<'_>, mapping: &Mapping) -> WantedMapping {
    let mut settings = MappingSettings {
        function: resolver.released_function(&mapping.function),
        enabled: true,
        batch: Some(mapping.batch_size),
        window: Some(mapping.window_s),
        partial: mapping.partial,
        ..MappingSettings::default()
    };
    let mut from_oldest = false;
    let mut told = None;
    let source = match &mapping.source {
        Source::Queue { queue, most_at_once } => {
            settings.concurrency = *most_at_once;
            WantedSource::Queue(queue.clone())
        }
        Source::Stream {
            table,
            from_oldest: oldest,
            retries,
            max_age_s,
            bisect,
            parallel,
            on_failure,
        } => {
            from_oldest = *oldest;
            settings.retries = Some(retries.unwrap_or(-1));
            settings.max_age = Some(max_age_s.unwrap_or(-1));
            settings.bisect = Some(*bisect);
            settings.parallel = Some(*parallel);
            settings.on_failure = on_failure.as_ref().map(|to| resolver.destination(to));
            told.clone_from(on_failure);
            WantedSource::Stream(table.clone())
        }
    };
    WantedMapping {
        name: mapping.name.clone(),
        function: mapping.function.clone(),
        source,
        from_oldest,
        on_failure: told,
        spec: Spec::new(settings),
    }
}

/// Reads the mappings of the lab's functions, whoever made them.
pub async fn observe(
    target: &Target,
    wanted: &Wanted,
    functions: &[&str],
) -> Result<Vec<LiveMapping>> {
    if functions.is_empty() {
        return Ok(Vec::new());
    }
    let place = &wanted.place;
    let all = live::mappings(target).await?;
    let own = all.into_iter().filter_map(|mapping| {
        let arn = mapping.function_arn()?.to_owned();
        let function = functions.iter().find(|function| {
            let own = place.function(function);
            arn == own || arn.strip_prefix(&own).is_some_and(|rest| rest.starts_with(':'))
        })?;
        Some(((*function).to_owned(), mapping))
    });
    try_join_all(own.map(|(function, mapping)| one(target, wanted, function, mapping))).await
}

async fn one(
    target: &Target,
    wanted: &Wanted,
    function: String,
    mapping: EventSourceMappingConfiguration,
) -> Result<LiveMapping> {
    let uuid = mapping.uuid().unwrap_or_default().to_owned();
    let arn = wanted.place.mapping(&uuid);
    let tags = target.lambda().list_tags().resource(arn).send().await;
    let what = format!("reading the tags of event source mapping {uuid}");
    let tags = existing(tags.map_err(|e| Failure::from_sdk(what, &e)))?;
    let tags = tags.and_then(|answer| answer.tags).unwrap_or_default();
    let settings = live_settings(&mapping);
    Ok(LiveMapping {
        found: Found::new(&wanted.lab, settings, |key| tags.get(key).cloned()),
        source: mapping.event_source_arn.unwrap_or_default(),
        state: mapping.state.unwrap_or_default(),
        last_result: mapping.last_processing_result.unwrap_or_default(),
        uuid,
        function,
    })
}

fn live_settings(mapping: &EventSourceMappingConfiguration) -> MappingSettings {
    let queue = mapping.event_source_arn().is_some_and(|arn| arn.contains(":sqs:"));
    let state = mapping.state().unwrap_or_default();
    let of_stream = |value: Option<i32>| if queue { None } else { value };
    MappingSettings {
        function: mapping.function_arn().unwrap_or_default().to_owned(),
        enabled: !matches!(state, "Disabled" | "Disabling"),
        batch: mapping.batch_size(),
        window: Some(mapping.maximum_batching_window_in_seconds().unwrap_or(0)),
        partial: mapping
            .function_response_types()
            .contains(&FunctionResponseType::ReportBatchItemFailures),
        concurrency: mapping.scaling_config().and_then(ScalingConfig::maximum_concurrency),
        retries: of_stream(Some(mapping.maximum_retry_attempts().unwrap_or(-1))),
        max_age: of_stream(Some(mapping.maximum_record_age_in_seconds().unwrap_or(-1))),
        bisect: if queue {
            None
        } else {
            Some(mapping.bisect_batch_on_function_error().unwrap_or(false))
        },
        parallel: of_stream(Some(mapping.parallelization_factor().unwrap_or(1))),
        on_failure: mapping
            .destination_config()
            .and_then(|to| to.on_failure()?.destination())
            .filter(|arn| !arn.is_empty())
            .map(str::to_owned),
    }
}

impl WantedMapping {
    /// Whether a live mapping is this one: of the same function and source. A table that was made
    /// anew has another stream.
    fn is(&self, live: &LiveMapping, place: &Place) -> bool {
        live.function == self.function
            && match &self.source {
                WantedSource::Queue(name) => live.source == place.queue(name),
                WantedSource::Stream(table) => {
                    live.source.starts_with(&format!("{}/stream/", place.table(table)))
                }
            }
    }

    /// ARN of its source; `None` while the table has no stream.
    fn source_arn(&self, place: &Place, live: &Live) -> Option<String> {
        match &self.source {
            WantedSource::Queue(name) => Some(place.queue(name)),
            WantedSource::Stream(table) => live.tables.get(table)?.stream_arn.clone(),
        }
    }

    fn waits_for(&self, planner: &Planner<'_>) -> Vec<usize> {
        let alias = planner.wanted.released().unwrap_or_default();
        let mut after = alias::ready(planner, &self.function, alias);
        let function = planner.wanted.functions.iter().find(|f| f.name == self.function);
        if let Some(role) = function.and_then(|function| function.own_role.as_ref()) {
            after.extend(planner.of(role::RESOURCE, role));
        }
        after.extend(match &self.source {
            WantedSource::Queue(name) => planner.of(queue::RESOURCE, name),
            WantedSource::Stream(table) => planner.of(table::RESOURCE, table),
        });
        if let Some((kind, name)) = self.on_failure.as_ref().map(asynchronous::needs) {
            after.extend(planner.of(kind, &name));
        }
        after
    }
}

/// Plans the mappings.
pub fn plan(planner: &mut Planner<'_>) {
    let (wanted, live) = (planner.wanted, planner.live);
    for mapping in &wanted.mappings {
        let name = mapping.name.clone();
        let after = mapping.waits_for(planner);
        let mut present = live.mappings.iter().filter(|m| mapping.is(m, &wanted.place));
        let Some(present) = present.next() else {
            planner.create(RESOURCE, &name, &after, MappingAction::Create(name.clone()));
            continue;
        };
        let uuid = present.uuid.clone();
        let replaced = wanted.tables.iter().any(|table| {
            mapping.source == WantedSource::Stream(table.name.clone())
                && table.stream_begins_anew(live)
        });
        let source = mapping.source_arn(&wanted.place, live);
        if replaced || source.is_some_and(|source| source != present.source) {
            let reason = "the table has another stream";
            let action = MappingAction::Replace { name: name.clone(), uuid };
            planner.step(Verb::Replace, RESOURCE, &name, reason, &after, action);
            continue;
        }
        let both = (&mapping.spec, &present.found);
        let remember = mapping.spec.settings == present.found.settings;
        let action = MappingAction::Update { name: name.clone(), uuid, remember };
        planner.update(RESOURCE, &name, both, &after, action);
    }
    for present in &live.mappings {
        let known = wanted.mappings.iter().any(|m| m.is(present, &wanted.place));
        if known || present.found.owner != Owner::Lab {
            continue;
        }
        let reason = "not in lab.toml any more";
        let name = format!("{} of {}", present.source, present.function);
        let action = MappingAction::Delete(present.uuid.clone());
        planner.step(Verb::Delete, RESOURCE, name, reason, &[], action);
    }
}

/// Plans to remove the mappings of the lab's own functions, also those that others made: without the
/// function they can't work.
pub fn plan_destroy(planner: &mut Planner<'_>, after: &[usize]) {
    for present in &planner.live.mappings {
        let function = planner.live.functions.get(&present.function);
        let own = present.found.owner == Owner::Lab
            || function.is_some_and(|function| function.found.owner == Owner::Lab);
        if own {
            let of = present.source.rsplit(':').next().unwrap_or_default();
            let name = format!("{of} of {}", present.function);
            let action = MappingAction::Delete(present.uuid.clone());
            planner.step(Verb::Delete, RESOURCE, name, "its function is deleted", after, action);
        }
    }
}

impl Wanted {
    /// Takes over what somebody else changed on the mappings.
    pub fn keep_mappings(&mut self, live: &Live) {
        let place = self.place.clone();
        for mapping in &mut self.mappings {
            if let Some(live) = live.mappings.iter().find(|live| mapping.is(live, &place)) {
                mapping.spec.keep_drift(&live.found);
            }
        }
    }

    fn mapping(&self, name: &str) -> Result<&WantedMapping> {
        let found = self.mappings.iter().find(|mapping| mapping.name == name);
        found.ok_or_else(|| missing(RESOURCE, name))
    }
}

fn responses(settings: &MappingSettings) -> Vec<FunctionResponseType> {
    if settings.partial { vec![FunctionResponseType::ReportBatchItemFailures] } else { Vec::new() }
}

fn scaling(settings: &MappingSettings) -> Option<ScalingConfig> {
    let concurrency = settings.concurrency?;
    Some(ScalingConfig::builder().maximum_concurrency(concurrency).build())
}

fn on_failure(arn: Option<&str>) -> DestinationConfig {
    let to = OnFailure::builder().set_destination(arn.map(str::to_owned)).build();
    DestinationConfig::builder().on_failure(to).build()
}

impl StepRun {
    pub(crate) async fn on_mapping(&self, action: &MappingAction) -> Result<()> {
        match action {
            MappingAction::Create(name) => self.create_mapping(name).await,
            MappingAction::Update { name, uuid, remember } => {
                if !remember {
                    self.update_mapping(name, uuid).await?;
                }
                self.remember_mapping(name, uuid).await
            }
            MappingAction::Replace { name, uuid } => {
                self.delete_mapping(uuid).await?;
                self.create_mapping(name).await
            }
            MappingAction::Delete(uuid) => self.delete_mapping(uuid).await,
        }
    }

    /// ARN of a mapping's source, which exists by now.
    async fn mapping_source(&self, mapping: &WantedMapping) -> Result<String> {
        match &mapping.source {
            WantedSource::Queue(name) => Ok(self.context.wanted.place.queue(name)),
            WantedSource::Stream(name) => {
                let found = live::table(self.target(), name).await?;
                found.and_then(|table| table.latest_stream_arn).ok_or_else(|| {
                    let what = format!("creating event source mapping {}", mapping.name);
                    Failure::new(FailureKind::NotFound, what, format!("table {name} has no stream"))
                        .next("give the table a stream in lab.toml")
                })
            }
        }
    }

    /// Lambda refuses a second mapping of the same function and source: one whose answer was lost is
    /// found again by these.
    async fn create_mapping(&self, name: &str) -> Result<()> {
        let mapping = self.context.wanted.mapping(name)?;
        let settings = &mapping.spec.settings;
        let source = self.mapping_source(mapping).await?;
        let what = format!("creating event source mapping {name}");
        let position = matches!(mapping.source, WantedSource::Stream(_)).then(|| {
            if mapping.from_oldest {
                EventSourcePosition::TrimHorizon
            } else {
                EventSourcePosition::Latest
            }
        });
        let made = self
            .patiently(|| async {
                self.target()
                    .lambda()
                    .create_event_source_mapping()
                    .event_source_arn(&source)
                    .function_name(&settings.function)
                    .set_starting_position(position.clone())
                    .set_batch_size(settings.batch)
                    .set_maximum_batching_window_in_seconds(settings.window)
                    .set_function_response_types(Some(responses(settings)))
                    .set_scaling_config(scaling(settings))
                    .set_maximum_retry_attempts(settings.retries)
                    .set_maximum_record_age_in_seconds(settings.max_age)
                    .set_bisect_batch_on_function_error(settings.bisect)
                    .set_parallelization_factor(settings.parallel)
                    .set_destination_config(
                        settings.on_failure.as_deref().map(|arn| on_failure(Some(arn))),
                    )
                    .tags(LAB_TAG, &self.context.wanted.lab)
                    .tags(APPLIED_TAG, mapping.spec.record.text())
                    .send()
                    .await
                    .map_err(|e| Failure::from_sdk(&what, &e))
            })
            .await;
        let uuid = match made {
            Ok(made) => made.uuid.unwrap_or_default(),
            Err(failure) if failure.has_code(&["ResourceConflictException"]) => {
                let all = live::mappings(self.target()).await?;
                let same = all.into_iter().find(|m| {
                    m.event_source_arn() == Some(&source)
                        && m.function_arn() == Some(&settings.function)
                });
                match same.and_then(|mapping| mapping.uuid) {
                    Some(uuid) => uuid,
                    None => return Err(failure),
                }
            }
            Err(failure) => return Err(failure),
        };
        self.mapping_settled(name, &uuid, "Enabled").await
    }

    async fn mapping_settled(&self, name: &str, uuid: &str, state: &str) -> Result<()> {
        let waits_for = format!("event source mapping {name} to be {state}");
        self.until(&waits_for, SETTLE, || async {
            let call = self.target().lambda().get_event_source_mapping().uuid(uuid);
            let what = format!("reading event source mapping {name}");
            let found = call.send().await.map_err(|e| Failure::from_sdk(what, &e))?;
            Ok((found.state() == Some(state)).then_some(()))
        })
        .await
    }

    async fn update_mapping(&self, name: &str, uuid: &str) -> Result<()> {
        let mapping = self.context.wanted.mapping(name)?;
        let settings = &mapping.spec.settings;
        let live = self.context.live.mappings.iter().find(|live| live.uuid == uuid);
        let live = live.map(|live| &live.found.settings);
        let told =
            live.is_some_and(|live| live.on_failure.is_some()) || settings.on_failure.is_some();
        let scaled = live.is_some_and(|live| live.concurrency.is_some());
        self.patiently(|| async {
            self.target()
                .lambda()
                .update_event_source_mapping()
                .uuid(uuid)
                .function_name(&settings.function)
                .enabled(settings.enabled)
                .set_batch_size(settings.batch)
                .set_maximum_batching_window_in_seconds(settings.window)
                .set_function_response_types(Some(responses(settings)))
                .set_scaling_config(
                    scaling(settings).or_else(|| scaled.then(|| ScalingConfig::builder().build())),
                )
                .set_maximum_retry_attempts(settings.retries)
                .set_maximum_record_age_in_seconds(settings.max_age)
                .set_bisect_batch_on_function_error(settings.bisect)
                .set_parallelization_factor(settings.parallel)
                .set_destination_config(
                    told.then(|| {
                        on_failure(Some(settings.on_failure.as_deref().unwrap_or_default()))
                    }),
                )
                .send()
                .await
                .map_err(|e| Failure::from_sdk(format!("changing event source mapping {name}"), &e))
        })
        .await?;
        let state = if settings.enabled { "Enabled" } else { "Disabled" };
        self.mapping_settled(name, uuid, state).await
    }

    async fn remember_mapping(&self, name: &str, uuid: &str) -> Result<()> {
        let record = self.context.wanted.mapping(name)?.spec.record.text();
        let arn = self.context.wanted.place.mapping(uuid);
        self.patiently(|| async {
            let call = self.target().lambda().tag_resource().resource(&arn);
            let call = call.tags(LAB_TAG, &self.context.wanted.lab).tags(APPLIED_TAG, &record);
            let done = call.send().await;
            done.map_err(|e| Failure::from_sdk(format!("tagging event source mapping {name}"), &e))
        })
        .await
        .map(|_| ())
    }

    async fn delete_mapping(&self, uuid: &str) -> Result<()> {
        self.patiently(|| async {
            let done = self.target().lambda().delete_event_source_mapping().uuid(uuid).send().await;
            let what = format!("deleting event source mapping {uuid}");
            existing(done.map_err(|e| Failure::from_sdk(what, &e)))
        })
        .await?;
        let waits_for = format!("event source mapping {uuid} to be gone");
        self.until(&waits_for, SETTLE, || async {
            let call = self.target().lambda().get_event_source_mapping().uuid(uuid);
            let what = format!("reading event source mapping {uuid}");
            let found = existing(call.send().await.map_err(|e| Failure::from_sdk(what, &e)))?;
            Ok(found.is_none().then_some(()))
        })
        .await
    }
}
