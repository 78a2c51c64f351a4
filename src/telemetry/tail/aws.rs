//! The log service of a target: `StartLiveTail`, `FilterLogEvents`, `DescribeLogGroups`.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_cloudwatchlogs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cloudwatchlogs::operation::start_live_tail::StartLiveTailOutput;
use aws_sdk_cloudwatchlogs::types::StartLiveTailResponseStream;
use aws_sdk_cloudwatchlogs::types::error::StartLiveTailResponseStreamError;
use labdeck_aws::{Failure, FailureKind, LocalCloud, Target};

use super::source::{Ended, Live, Page, Source, SourceError, Update};
use crate::classify::RawEvent;

/// A target's logs.
#[derive(Debug)]
pub struct TargetLogs {
    target: Arc<Target>,
}

impl TargetLogs {
    /// The logs of a target.
    pub fn new(target: Arc<Target>) -> Self {
        Self { target }
    }

    /// ARNs as `StartLiveTail` wants them: without a trailing `:*`.
    async fn arns(&self, groups: &[Arc<str>]) -> Result<Vec<String>, SourceError> {
        let account = self.target.account().await.map_err(|failure| sort(&failure))?;
        let region = self.target.region();
        let partition = partition(region);
        Ok(groups
            .iter()
            .map(|group| format!("arn:{partition}:logs:{region}:{account}:log-group:{group}"))
            .collect())
    }
}

/// The partition that a region belongs to.
fn partition(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

/// What the tail makes of a failure.
fn sort(failure: &Failure) -> SourceError {
    match failure.kind {
        FailureKind::NotFound => SourceError::Missing,
        FailureKind::Throttled => SourceError::Throttled,
        FailureKind::Denied | FailureKind::Refused | FailureKind::Invalid => {
            SourceError::Refused(failure.why.clone())
        }
        _ if failure.has_code(&[
            "NotImplementedException",
            "NotImplemented",
            "UnknownOperationException",
            "InvalidOperationException",
            "LimitExceededException",
        ]) =>
        {
            SourceError::Refused(failure.why.clone())
        }
        _ => SourceError::Trouble(failure.why.clone()),
    }
}

/// A failed page, as a failure for people.
pub fn explain<E, R>(group: &str, error: &SdkError<E, R>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    Failure::from_sdk(format!("reading the logs of {group}"), error)
}

impl Source for TargetLogs {
    type Live = LiveTail;

    async fn open(&self, groups: &[Arc<str>]) -> Result<LiveTail, SourceError> {
        let arns = self.arns(groups).await?;
        let output = self
            .target
            .logs()
            .start_live_tail()
            .set_log_group_identifiers(Some(arns))
            .send()
            .await
            .map_err(|error| sort(&Failure::from_sdk("tailing the logs", &error)))?;
        let groups = groups.iter().map(|group| (group.to_string(), Arc::clone(group))).collect();
        Ok(LiveTail { output, groups })
    }

    async fn page(
        &self,
        group: &Arc<str>,
        start_ms: i64,
        token: Option<String>,
    ) -> Result<Page, SourceError> {
        let output = self
            .target
            .logs()
            .filter_log_events()
            .log_group_name(&**group)
            .start_time(start_ms)
            .set_next_token(token)
            .send()
            .await
            .map_err(|error| sort(&explain(group, &error)))?;
        let events = output
            .events
            .unwrap_or_default()
            .into_iter()
            .map(|event| {
                let raw = RawEvent {
                    timestamp_ms: event.timestamp.unwrap_or_default(),
                    ingestion_ms: event.ingestion_time.unwrap_or_default(),
                    group: Arc::clone(group),
                    stream: event.log_stream_name.unwrap_or_default(),
                    message: event.message.unwrap_or_default(),
                };
                (event.event_id.unwrap_or_default(), raw)
            })
            .collect();
        Ok(Page { events, next_token: output.next_token })
    }

    async fn exists(&self, group: &str) -> Result<bool, SourceError> {
        let output = self
            .target
            .logs()
            .describe_log_groups()
            .log_group_name_prefix(group)
            .limit(50)
            .send()
            .await
            .map_err(|error| sort(&explain(group, &error)))?;
        Ok(output.log_groups().iter().any(|known| known.log_group_name() == Some(group)))
    }

    async fn revive(&self) {
        let Some(state_dir) = self.target.state_dir() else { return };
        // A tail follows a local cloud that was started again; it never starts one itself, or
        // nobody could stop it.
        if let Ok(Some(_)) = LocalCloud::find(state_dir).await
            && let Err(failure) = self.target.reconnect().await
        {
            tracing::debug!(%failure, "the local cloud could not be reached again");
        }
    }
}

/// A live session of AWS.
#[derive(Debug)]
pub struct LiveTail {
    output: StartLiveTailOutput,
    groups: HashMap<String, Arc<str>>,
}

impl LiveTail {
    /// The group of an identifier such as `111122223333:/aws/lambda/orders`.
    fn group(&mut self, identifier: &str) -> Arc<str> {
        let name = identifier.split_once(':').map_or(identifier, |(_, name)| name);
        if let Some(known) = self.groups.get(name) {
            return Arc::clone(known);
        }
        name.into()
    }
}

impl Live for LiveTail {
    async fn next(&mut self) -> Result<Update, Ended> {
        loop {
            let update = match self.output.response_stream.recv().await {
                Ok(Some(StartLiveTailResponseStream::SessionUpdate(update))) => update,
                // The session's start, and whatever AWS adds one day.
                Ok(Some(_)) => continue,
                Ok(None) => return Err(Ended::Broken("the service closed the stream".to_owned())),
                Err(error) => return Err(ended(&error)),
            };
            let sampled = update.session_metadata.is_some_and(|metadata| metadata.sampled);
            let events = update
                .session_results
                .unwrap_or_default()
                .into_iter()
                .map(|event| RawEvent {
                    timestamp_ms: event.timestamp.unwrap_or_default(),
                    ingestion_ms: event.ingestion_time.unwrap_or_default(),
                    group: self.group(event.log_group_identifier.as_deref().unwrap_or_default()),
                    stream: event.log_stream_name.unwrap_or_default(),
                    message: event.message.unwrap_or_default(),
                })
                .collect();
            return Ok(Update { events, sampled });
        }
    }
}

fn ended<R: std::fmt::Debug + 'static>(
    error: &SdkError<StartLiveTailResponseStreamError, R>,
) -> Ended {
    if let SdkError::ServiceError(service) = error
        && service.err().is_session_timeout_exception()
    {
        return Ended::Timeout;
    }
    Ended::Broken(Failure::from_sdk("tailing the logs", error).why)
}
