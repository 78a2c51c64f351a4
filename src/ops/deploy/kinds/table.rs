//! Tables with their billing, stream and expiry.

use std::time::Duration;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::list_tags_of_resource::ListTagsOfResourceOutput;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ProvisionedThroughput,
    ScalarAttributeType, StreamSpecification, StreamViewType, TableDescription, TableStatus, Tag,
    TimeToLiveSpecification, TimeToLiveStatus,
};
use labdeck_aws::{Failure, FailureKind, Result, Target};
use labdeck_lab::blueprint::{Billing, Table};
use serde::{Deserialize, Serialize};

use crate::deploy::graph::Planner;
use crate::deploy::observe::{Live, Owner};
use crate::deploy::plan::Verb;
use crate::deploy::resolve::Resolver;
use crate::deploy::run::{StepRun, missing};
use crate::deploy::settings::{APPLIED_TAG, Found, Settings, Spec};
use crate::deploy::wanted::{Place, Wanted};
use crate::live::{self, LAB_TAG, existing};

/// What the plan calls it.
pub const RESOURCE: &str = "table";
/// How long a table may take to change.
const SETTLE: Duration = Duration::from_mins(5);

/// What a table is set to and can be changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TableSettings {
    /// `on demand`, or `provisioned READ/WRITE`.
    pub billing: String,
    /// What its stream holds.
    pub stream: Option<String>,
    /// The attribute that expires an item.
    pub expiry: Option<String>,
}

impl Settings for TableSettings {
    const LATE: &'static [&'static str] = &["expiry"];
}

/// A key's attributes and types: the partition key, then the sort key where there is one.
pub type TableKey = Vec<(String, String)>;

/// A table that is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedTable {
    /// Name.
    pub name: String,
    /// Its key, which can't change.
    pub key: TableKey,
    /// Capacity, where it is provisioned.
    pub capacity: Option<(i64, i64)>,
    /// Settings.
    pub spec: Spec<TableSettings>,
}

/// A table that is live.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveTable {
    /// Whose it is, and its settings.
    pub found: Found<TableSettings>,
    /// `ACTIVE` …
    pub status: String,
    /// Its key.
    pub key: TableKey,
    /// Items, as the service counts them.
    pub items: i64,
    /// ARN of its stream, where it is on.
    pub stream_arn: Option<String>,
}

/// What is done to a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableAction {
    /// Make it and wait until it can be used.
    Create(String),
    /// Change its settings.
    Update(String),
    /// Remove it with its items and make it with another key.
    Replace(String),
    /// Remove it and wait until it is gone.
    Delete(String),
}

/// The tables of a blueprint.
pub fn wanted(resolver: &Resolver<'_>) -> Vec<WantedTable> {
    resolver.blueprint.tables.iter().map(wanted_table).collect()
}

fn wanted_table(table: &Table) -> WantedTable {
    let mut key = vec![(table.hash_key.clone(), table.hash_key_type.clone())];
    key.extend(table.range_key.clone());
    let capacity = match table.billing {
        Billing::OnDemand => None,
        Billing::Provisioned { read, write } => Some((read, write)),
    };
    let settings = TableSettings {
        billing: billing(capacity),
        stream: table.stream.map(|view| view.as_str().to_owned()),
        expiry: table.ttl_attribute.clone(),
    };
    WantedTable { name: table.name.clone(), key, capacity, spec: Spec::new(settings) }
}

fn billing(capacity: Option<(i64, i64)>) -> String {
    match capacity {
        None => "on demand".to_owned(),
        Some((read, write)) => format!("provisioned {read}/{write}"),
    }
}

/// Reads a table.
pub async fn observe(
    target: &Target,
    place: &Place,
    name: &str,
    lab: &str,
) -> Result<Option<(String, LiveTable)>> {
    let dynamodb = target.dynamodb();
    let tags = dynamodb.list_tags_of_resource().resource_arn(place.table(name)).send();
    let expiry = dynamodb.describe_time_to_live().table_name(name).send();
    let (table, tags, expiry) = tokio::join!(live::table(target, name), tags, expiry);
    let Some(table) = table? else { return Ok(None) };
    let what = format!("reading table {name}");
    let tags = existing(tags.map_err(|e| Failure::from_sdk(&what, &e)))?;
    let expiry = existing(expiry.map_err(|e| Failure::from_sdk(&what, &e)))?;
    let expiry = expiry.and_then(|answer| answer.time_to_live_description).filter(|expiry| {
        let on = [TimeToLiveStatus::Enabled, TimeToLiveStatus::Enabling];
        expiry.time_to_live_status().is_some_and(|status| on.contains(status))
    });
    let stream = table.stream_specification().filter(|stream| stream.stream_enabled());
    let settings = TableSettings {
        billing: billing(live_capacity(&table)),
        stream: stream.and_then(|stream| Some(stream.stream_view_type()?.to_string())),
        expiry: expiry.and_then(|expiry| expiry.attribute_name),
    };
    let found = Found::new(lab, settings, |key| {
        let tags = tags.as_ref().map(ListTagsOfResourceOutput::tags).unwrap_or_default();
        tags.iter().find(|tag| tag.key() == key).map(|tag| tag.value().to_owned())
    });
    let live = LiveTable {
        found,
        status: table.table_status().map(ToString::to_string).unwrap_or_default(),
        key: live_key(&table),
        items: table.item_count().unwrap_or_default(),
        stream_arn: stream.and_then(|_| table.latest_stream_arn().map(str::to_owned)),
    };
    Ok(Some((name.to_owned(), live)))
}

fn live_capacity(table: &TableDescription) -> Option<(i64, i64)> {
    let mode = table.billing_mode_summary().and_then(|summary| summary.billing_mode());
    if mode == Some(&BillingMode::PayPerRequest) {
        return None;
    }
    let capacity = table.provisioned_throughput()?;
    Some((
        capacity.read_capacity_units().unwrap_or_default(),
        capacity.write_capacity_units().unwrap_or_default(),
    ))
}

fn live_key(table: &TableDescription) -> TableKey {
    let of = |kind: KeyType| {
        let schema = table.key_schema().iter().find(|key| *key.key_type() == kind)?;
        let name = schema.attribute_name();
        let attribute =
            table.attribute_definitions().iter().find(|a| a.attribute_name() == name)?;
        Some((name.to_owned(), attribute.attribute_type().to_string()))
    };
    of(KeyType::Hash).into_iter().chain(of(KeyType::Range)).collect()
}

/// Plans the tables.
pub fn plan(planner: &mut Planner<'_>) {
    for table in &planner.wanted.tables {
        let name = &table.name;
        let Some(live) = planner.live.tables.get(name) else {
            planner.create(RESOURCE, name, &[], TableAction::Create(name.clone()));
            continue;
        };
        if live.key != table.key {
            let key = |key: &TableKey| {
                let parts: Vec<_> = key.iter().map(|(n, t)| format!("{n} ({t})")).collect();
                parts.join(", ")
            };
            let reason = format!("key {} → {}", key(&live.key), key(&table.key));
            let action = TableAction::Replace(name.clone());
            let index = planner.step(Verb::Replace, RESOURCE, name, reason, &[], action);
            planner.warn(
                index,
                format!("table {name} is deleted and made anew: its {} items are lost", live.items),
            );
            continue;
        }
        let action = TableAction::Update(name.clone());
        let step = planner.update(RESOURCE, name, (&table.spec, &live.found), &[], action);
        let before = &live.found.settings.stream;
        if let Some(index) =
            step.filter(|_| before.is_some() && *before != table.spec.settings.stream)
        {
            let warning =
                format!("the stream of table {name} ends: what was not read of it yet is lost");
            planner.warn(index, warning);
        }
    }
}

/// Plans to remove the tables that the blueprint names no more.
pub fn plan_removed(planner: &mut Planner<'_>, after: &[usize]) {
    for (name, live) in &planner.live.tables {
        let named = planner.wanted.tables.iter().any(|one| one.name == *name);
        if live.found.owner == Owner::Lab && !named {
            let index = planner.removed(RESOURCE, name, after, TableAction::Delete(name.clone()));
            let items = live.items;
            planner
                .warn(index, format!("table {name} is deleted: its data is lost ({items} items)"));
        }
    }
}

/// Plans to remove the tables.
pub fn plan_destroy(planner: &mut Planner<'_>, after: &[usize]) {
    for (name, live) in &planner.live.tables {
        if live.found.owner == Owner::Lab {
            let action = TableAction::Delete(name.clone());
            planner.step(Verb::Delete, RESOURCE, name, "with its items", after, action);
        }
    }
}

impl WantedTable {
    /// Whether this plan ends the table's stream and begins another.
    pub fn stream_begins_anew(&self, live: &Live) -> bool {
        live.tables.get(&self.name).is_some_and(|live| {
            let before = &live.found.settings.stream;
            before.is_some() && (live.key != self.key || *before != self.spec.settings.stream)
        })
    }
}

impl Wanted {
    fn table(&self, name: &str) -> Result<&WantedTable> {
        self.tables.iter().find(|table| table.name == name).ok_or_else(|| missing(RESOURCE, name))
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn broken(e: BuildError) -> Failure {
    Failure::new(FailureKind::Internal, "describing a table", e.to_string())
}

fn tag(key: &str, value: &str) -> Result<Tag> {
    Tag::builder().key(key).value(value).build().map_err(broken)
}

fn throughput((read, write): (i64, i64)) -> Result<ProvisionedThroughput> {
    ProvisionedThroughput::builder()
        .read_capacity_units(read)
        .write_capacity_units(write)
        .build()
        .map_err(broken)
}

fn stream_of(view: Option<&str>) -> Result<StreamSpecification> {
    StreamSpecification::builder()
        .stream_enabled(view.is_some())
        .set_stream_view_type(view.map(StreamViewType::from))
        .build()
        .map_err(broken)
}

impl StepRun {
    pub(crate) async fn on_table(&self, action: &TableAction) -> Result<()> {
        match action {
            TableAction::Create(name) => self.create_table(name).await,
            TableAction::Update(name) => self.update_table(name).await,
            TableAction::Replace(name) => {
                self.delete_table(name).await?;
                self.create_table(name).await
            }
            TableAction::Delete(name) => self.delete_table(name).await,
        }
    }

    async fn create_table(&self, name: &str) -> Result<()> {
        let what = format!("creating table {name}");
        let wanted = &self.context.wanted;
        let table = wanted.table(name)?;
        let mut attributes = Vec::new();
        let mut schema = Vec::new();
        for ((attribute, kind), role) in table.key.iter().zip([KeyType::Hash, KeyType::Range]) {
            let definition = AttributeDefinition::builder()
                .attribute_name(attribute)
                .attribute_type(ScalarAttributeType::from(kind.as_str()));
            attributes.push(definition.build().map_err(broken)?);
            let element = KeySchemaElement::builder().attribute_name(attribute).key_type(role);
            schema.push(element.build().map_err(broken)?);
        }
        let mode = match table.capacity {
            None => BillingMode::PayPerRequest,
            Some(_) => BillingMode::Provisioned,
        };
        let settings = &table.spec.settings;
        let stream = settings.stream.as_deref();
        let call = self
            .target()
            .dynamodb()
            .create_table()
            .table_name(name)
            .billing_mode(mode)
            .set_provisioned_throughput(table.capacity.map(throughput).transpose()?)
            .set_attribute_definitions(Some(attributes))
            .set_key_schema(Some(schema))
            .set_stream_specification(stream.map(|view| stream_of(Some(view))).transpose()?)
            .tags(tag(LAB_TAG, &wanted.lab)?)
            .tags(tag(APPLIED_TAG, &table.spec.record.text())?);
        let made = self
            .patiently(|| async {
                let made = call.clone().send().await.map_err(|e| Failure::from_sdk(&what, &e));
                match made {
                    // In use: made by the attempt before, whose answer was lost.
                    Err(failure) if failure.has_code(&["ResourceInUseException"]) => Ok(()),
                    other => other.map(|_| ()),
                }
            })
            .await;
        made?;
        self.table_active(name).await?;
        match &settings.expiry {
            Some(attribute) => self.set_expiry(name, attribute, true).await,
            None => Ok(()),
        }
    }

    async fn table_active(&self, name: &str) -> Result<()> {
        let waits_for = format!("table {name} to become active");
        self.until(&waits_for, SETTLE, || async {
            let table = live::table(self.target(), name).await?;
            Ok(table.filter(|t| t.table_status == Some(TableStatus::Active)).map(|_| ()))
        })
        .await
    }

    async fn set_expiry(&self, name: &str, attribute: &str, on: bool) -> Result<()> {
        let wanted = TimeToLiveSpecification::builder().enabled(on).attribute_name(attribute);
        let wanted = wanted.build().map_err(broken)?;
        self.patiently(|| async {
            let call = self.target().dynamodb().update_time_to_live().table_name(name);
            let done = call.time_to_live_specification(wanted.clone()).send().await;
            let done =
                done.map_err(|e| Failure::from_sdk(format!("setting the expiry of {name}"), &e));
            match done {
                // Set by the attempt before, whose answer was lost.
                Err(failure) if failure.why.contains("is already") => Ok(()),
                other => other.map(|_| ()),
            }
        })
        .await
    }

    /// `DynamoDB` takes one kind of change at a time.
    async fn update_table(&self, name: &str) -> Result<()> {
        let table = self.context.wanted.table(name)?;
        let wanted = &table.spec.settings;
        let live = self.context.live.tables.get(name).ok_or_else(|| missing(RESOURCE, name))?;
        let before = &live.found.settings;
        let update = || self.target().dynamodb().update_table().table_name(name);
        if before.billing != wanted.billing {
            let call = match table.capacity {
                None => update().billing_mode(BillingMode::PayPerRequest),
                Some(capacity) => update()
                    .billing_mode(BillingMode::Provisioned)
                    .provisioned_throughput(throughput(capacity)?),
            };
            self.send_table_update(name, call).await?;
        }
        if before.stream != wanted.stream {
            if before.stream.is_some() {
                let call = update().stream_specification(stream_of(None)?);
                self.send_table_update(name, call).await?;
            }
            if wanted.stream.is_some() {
                let call = update().stream_specification(stream_of(wanted.stream.as_deref())?);
                self.send_table_update(name, call).await?;
            }
        }
        if before.expiry != wanted.expiry {
            if let Some(old) = &before.expiry {
                self.set_expiry(name, old, false).await?;
            }
            if let Some(new) = &wanted.expiry {
                self.set_expiry(name, new, true).await?;
            }
        }
        let arn = self.context.wanted.place.table(name);
        let applied = tag(APPLIED_TAG, &table.spec.record.text())?;
        self.patiently(|| async {
            let call = self.target().dynamodb().tag_resource().resource_arn(&arn);
            let done = call.tags(applied.clone()).send().await;
            done.map_err(|e| Failure::from_sdk(format!("tagging table {name}"), &e))
        })
        .await
        .map(|_| ())
    }

    async fn send_table_update(
        &self,
        name: &str,
        call: aws_sdk_dynamodb::operation::update_table::builders::UpdateTableFluentBuilder,
    ) -> Result<()> {
        self.patiently(|| async {
            let done = call.clone().send().await;
            let done = done.map_err(|e| Failure::from_sdk(format!("changing table {name}"), &e));
            match done {
                // Changed by the attempt before, whose answer was lost.
                Err(failure)
                    if failure.why.contains("already") || failure.why.contains("not change") =>
                {
                    Ok(())
                }
                other => other.map(|_| ()),
            }
        })
        .await?;
        self.table_active(name).await
    }

    async fn delete_table(&self, name: &str) -> Result<()> {
        let what = format!("deleting table {name}");
        if let Some(admin) = self.target().admin() {
            // A slow table of this name must not be slow again when it is made anew.
            admin.set_table_latency(name, None).await?;
        }
        self.patiently(|| async {
            let done = self.target().dynamodb().delete_table().table_name(name).send().await;
            existing(done.map_err(|e| Failure::from_sdk(&what, &e)))
        })
        .await?;
        let waits_for = format!("table {name} to be gone");
        self.until(&waits_for, Duration::from_mins(3), || async {
            Ok(live::table(self.target(), name).await?.is_none().then_some(()))
        })
        .await
    }
}
