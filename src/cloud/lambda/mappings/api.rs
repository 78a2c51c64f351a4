//! `Create`-, `Get`-, `List`-, `Update`- and `DeleteEventSourceMapping`.

use std::sync::Arc;

use serde_json::json;

use crate::error::AwsError;
use crate::iam::Requester;
use crate::lambda::destinations::{Moment, role_caller};
use crate::lambda::errors::{conflict, invalid_parameter, missing, not_found};
use crate::lambda::input::{body, max_items, page};
use crate::lambda::model::Configuration;
use crate::lambda::names::{FunctionName, Wording};
use crate::lambda::tags::check_tags;
use crate::lambda::{Lambda, Neighbours};
use crate::protocol::json_answer;
use crate::wire::{Answer, ApiRequest};

use super::input::{MappingInput, Source};
use super::model::{Mapping, Pending, StreamSettings, arn};

/// The most mappings. AWS has no such limit.
const LIMIT: usize = 1000;

impl Lambda {
    pub(in crate::lambda) async fn create_mapping(
        self: &Arc<Self>,
        request: &ApiRequest,
    ) -> Result<Answer, AwsError> {
        let input: MappingInput = body(request)?;
        let name = input.function_name.as_deref().ok_or_else(|| missing("functionName"))?;
        let name = FunctionName::parse(name, None, Wording::Control)?;
        self.authorize(request, "CreateEventSourceMapping", &name.qualified_arn())?;
        input.check()?;
        let source_arn = input
            .event_source_arn
            .clone()
            .ok_or_else(|| invalid_parameter("Unrecognized event source."))?;
        let source = Source::of_arn(&source_arn)?;
        let stream = match source {
            Source::Sqs => None,
            Source::DynamoDb => Some(StreamSettings {
                starting_position: input.starting_position(&source_arn)?,
                bisect: false,
                retries: None,
                longest_age_seconds: None,
                parallelization: 1,
                on_failure: None,
            }),
        };
        let tags = input.tags.clone().unwrap_or_default();
        check_tags(&tags)?;
        let mut mapping = Mapping {
            uuid: uuid::Uuid::new_v4().to_string(),
            function: name.name.clone(),
            qualifier: name.qualifier.clone(),
            batch_size: if source == Source::Sqs { 10 } else { 100 },
            source_arn,
            enabled: true,
            pending: Some(Pending::Creating),
            window_seconds: 0,
            reports_failures: false,
            filters: Vec::new(),
            maximum_concurrency: None,
            stream,
            tags,
            modified_ms: self.core.now_millis(),
        };
        input.apply(&mut mapping)?;
        self.check_mapping(&mapping, source).await?;
        let _writing = self.mappings.writing.lock().await;
        self.refuse_second(&mapping, source)?;
        if self.mappings.all().len() >= LIMIT {
            return Err(invalid_parameter(format!(
                "The local cloud keeps at most {LIMIT} event source mappings."
            )));
        }
        if mapping.stream.is_some() {
            let position = self.first_position(&mapping).await?;
            self.mappings.set_checkpoint(&mapping.uuid, &position).await?;
        }
        self.mappings.write(&mapping.uuid, Some(mapping.clone())).await?;
        self.settle_mapping(&mapping.uuid);
        Ok(json_answer(202, &mapping.show(None)))
    }

    /// Whether function, source and destination are there and the role may use them.
    async fn check_mapping(&self, mapping: &Mapping, source: Source) -> Result<(), AwsError> {
        let no_function = || invalid_parameter("Function does not exist");
        let function = self.registry.find(&mapping.function).ok_or_else(no_function)?;
        let c = function.resolve(mapping.qualifier.as_deref()).ok_or_else(no_function)?;
        let neighbours = self.neighbours()?;
        match source {
            Source::Sqs => check_queue(neighbours, mapping, c)?,
            Source::DynamoDb => self.check_stream(mapping, c).await?,
        }
        let target = mapping.stream.as_ref().and_then(|stream| stream.on_failure.as_deref());
        if let Some(target) = target {
            self.check_destination(target, &c.role, &mapping.function, Moment::Mapping)
                .map_err(|refusal| refusal.into_error(None, Some(target)))?;
        }
        Ok(())
    }

    fn refuse_second(&self, mapping: &Mapping, source: Source) -> Result<(), AwsError> {
        let same = |other: &Arc<Mapping>| {
            other.source_arn == mapping.source_arn
                && other.function == mapping.function
                && other.qualifier == mapping.qualifier
                && other.pending != Some(Pending::Deleting)
        };
        let Some(other) = self.mappings.all().into_iter().find(same) else { return Ok(()) };
        Err(conflict(format!(
            "An event source mapping with {} arn (\" {} \") and function (\" {} \") already \
             exists. Please update or delete the existing mapping with UUID {}",
            source.name(),
            mapping.source_arn,
            mapping.function,
            other.uuid
        )))
    }

    pub(in crate::lambda) fn get_mapping(
        &self,
        request: &ApiRequest,
        uuid: &str,
    ) -> Result<Answer, AwsError> {
        self.authorize(request, "GetEventSourceMapping", &arn(uuid))?;
        let mapping = self.mappings.find(uuid).ok_or_else(no_mapping)?;
        Ok(json_answer(200, &mapping.show(self.mappings.result(uuid))))
    }

    pub(in crate::lambda) fn list_mappings(
        &self,
        request: &ApiRequest,
    ) -> Result<Answer, AwsError> {
        self.authorize(request, "ListEventSourceMappings", "*")?;
        let function = request
            .query_value("FunctionName")
            .map(|name| FunctionName::parse(&name, None, Wording::Control))
            .transpose()?;
        let source = request.query_value("EventSourceArn");
        let items = self
            .mappings
            .all()
            .into_iter()
            .filter(|m| source.as_ref().is_none_or(|source| *source == m.source_arn))
            .filter(|m| {
                function.as_ref().is_none_or(|f| {
                    f.name == m.function && (f.qualifier.is_none() || f.qualifier == m.qualifier)
                })
            })
            .map(|m| (m.uuid.clone(), m.show(self.mappings.result(&m.uuid))))
            .collect();
        let marker = request.query_value("Marker");
        let (shown, next) = page(items, marker.as_deref(), max_items(request)?);
        let mut answer = json!({ "EventSourceMappings": shown });
        if let Some(next) = next {
            answer["NextMarker"] = next.into();
        }
        Ok(json_answer(200, &answer))
    }

    pub(in crate::lambda) async fn update_mapping(
        self: &Arc<Self>,
        request: &ApiRequest,
        uuid: &str,
    ) -> Result<Answer, AwsError> {
        self.authorize(request, "UpdateEventSourceMapping", &arn(uuid))?;
        let input: MappingInput = body(request)?;
        let _writing = self.mappings.writing.lock().await;
        let before = self.mappings.find(uuid).ok_or_else(no_mapping)?;
        input.check()?;
        if before.pending.is_some() {
            return Err(in_use(&before));
        }
        let mut mapping = Mapping::clone(&before);
        if let Some(name) = input.function_name.as_deref() {
            let name = FunctionName::parse(name, None, Wording::Control)?;
            mapping.function = name.name;
            mapping.qualifier = name.qualifier;
        }
        input.apply(&mut mapping)?;
        self.check_mapping(&mapping, Source::of_arn(&mapping.source_arn)?).await?;
        mapping.pending = Some(match (before.enabled, mapping.enabled) {
            (false, true) => Pending::Enabling,
            (true, false) => Pending::Disabling,
            _ => Pending::Updating,
        });
        mapping.modified_ms = self.core.now_millis();
        self.mappings.write(uuid, Some(mapping.clone())).await?;
        self.settle_mapping(uuid);
        Ok(json_answer(202, &mapping.show(self.mappings.result(uuid))))
    }

    pub(in crate::lambda) async fn delete_mapping(
        self: &Arc<Self>,
        request: &ApiRequest,
        uuid: &str,
    ) -> Result<Answer, AwsError> {
        self.authorize(request, "DeleteEventSourceMapping", &arn(uuid))?;
        let _writing = self.mappings.writing.lock().await;
        let before = self.mappings.find(uuid).ok_or_else(no_mapping)?;
        if before.pending.is_some() {
            return Err(in_use(&before));
        }
        let mapping = Mapping { pending: Some(Pending::Deleting), ..Mapping::clone(&before) };
        self.mappings.write(uuid, Some(mapping.clone())).await?;
        self.settle_mapping(uuid);
        Ok(json_answer(202, &mapping.show(self.mappings.result(uuid))))
    }

    /// Lets a pending change take effect a moment later.
    fn settle_mapping(self: &Arc<Self>, uuid: &str) {
        let lambda = Arc::clone(self);
        let uuid = uuid.to_owned();
        tokio::spawn(async move {
            tokio::time::sleep(lambda.core.timing.mapping_change).await;
            let _writing = lambda.mappings.writing.lock().await;
            let Some(mapping) = lambda.mappings.find(&uuid) else { return };
            let after = match mapping.pending {
                None => return,
                Some(Pending::Deleting) => None,
                Some(_) => Some(Mapping { pending: None, ..Mapping::clone(&mapping) }),
            };
            if after.is_none() {
                // Its work ends before what it stands on is gone.
                lambda.restart_mapping(&uuid);
            }
            match lambda.mappings.write(&uuid, after).await {
                Ok(()) => lambda.restart_mapping(&uuid),
                // It stays pending, as it is in the store; the next start settles it.
                Err(error) => tracing::error!(%error, uuid, "a mapping did not settle"),
            }
        });
    }

    /// Changes the tags of a mapping.
    pub(in crate::lambda) async fn tag_mapping(
        &self,
        uuid: &str,
        change: impl FnOnce(&mut std::collections::BTreeMap<String, String>) -> Result<(), AwsError>,
    ) -> Result<(), AwsError> {
        let _writing = self.mappings.writing.lock().await;
        let mut mapping =
            self.mappings.find(uuid).map(|m| Mapping::clone(&m)).ok_or_else(|| not_tagged(uuid))?;
        change(&mut mapping.tags)?;
        self.mappings.write(uuid, Some(mapping)).await
    }

    /// The tags of a mapping.
    pub(in crate::lambda) fn mapping_tags(
        &self,
        uuid: &str,
    ) -> Result<std::collections::BTreeMap<String, String>, AwsError> {
        self.mappings.find(uuid).map(|m| m.tags.clone()).ok_or_else(|| not_tagged(uuid))
    }
}

fn check_queue(
    neighbours: &Neighbours,
    mapping: &Mapping,
    c: &Configuration,
) -> Result<(), AwsError> {
    let facts = neighbours.sqs.facts(&mapping.source_arn).ok_or_else(|| {
        invalid_parameter(
            "Error occurred while ReceiveMessage. SQS Error Code: \
             AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does \
             not exist.",
        )
    })?;
    let caller = role_caller(&c.role, &mapping.function);
    for action in ["ReceiveMessage", "DeleteMessage", "GetQueueAttributes"] {
        let allowed =
            neighbours.sqs.allows(Requester::Caller(&caller), action, &mapping.source_arn);
        if allowed.is_err() {
            return Err(invalid_parameter(format!(
                "The function execution role does not have permissions to call {action} on SQS"
            )));
        }
    }
    if facts.visibility_timeout < c.timeout {
        return Err(invalid_parameter(format!(
            "Queue visibility timeout: {} seconds is less than Function timeout: {} seconds",
            facts.visibility_timeout, c.timeout
        )));
    }
    Ok(())
}

fn no_mapping() -> AwsError {
    not_found("The resource you requested does not exist.")
}

fn not_tagged(uuid: &str) -> AwsError {
    not_found(format!("Event source mapping not found: {}", arn(uuid)))
}

fn in_use(mapping: &Mapping) -> AwsError {
    AwsError::new(
        400,
        "ResourceInUseException",
        format!(
            "Cannot update the event source mapping because it is in use. State: {}",
            mapping.state()
        ),
    )
}
