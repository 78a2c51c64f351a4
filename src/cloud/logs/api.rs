//! The operations by name: reading a request, asking the roles, writing the answer.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Logs;
use super::names::{group_arn, stream_arn};
use crate::error::AwsError;
use crate::protocol::{Protocol, aws_json_1_1, empty, set_request_id};
use crate::wire::{Answer, ApiRequest, Caller};

/// Prefix of the operation in `x-amz-target`.
const TARGET: &str = "Logs_20140328.";

impl Logs {
    /// Answers one call of the CloudWatch Logs API.
    pub async fn call(self: &Arc<Self>, request: ApiRequest) -> Answer {
        let mut answer = match self.dispatch(&request).await {
            Ok(answer) => answer,
            Err(error) => Protocol::Logs.error(&error, &request.request_id),
        };
        set_request_id(&mut answer, &request.request_id);
        answer
    }

    async fn dispatch(self: &Arc<Self>, request: &ApiRequest) -> Result<Answer, AwsError> {
        let Some(operation) = request.header("x-amz-target").and_then(|t| t.strip_prefix(TARGET))
        else {
            return Err(AwsError::new(
                400,
                "UnknownOperationException",
                "The request names no operation of CloudWatch Logs in x-amz-target.",
            ));
        };
        let caller = &request.caller;
        match operation {
            "CreateLogGroup" => done(self.create_log_group(caller, read(request)?).await),
            "DeleteLogGroup" => done(self.delete_log_group(caller, read(request)?).await),
            "DescribeLogGroups" => json(self.describe_log_groups(caller, read(request)?).await),
            "CreateLogStream" => done(self.create_log_stream(caller, read(request)?).await),
            "DeleteLogStream" => done(self.delete_log_stream(caller, read(request)?).await),
            "DescribeLogStreams" => json(self.describe_log_streams(caller, read(request)?).await),
            "PutLogEvents" => {
                json(self.put_log_events(caller, read(request)?, request.body.len()).await)
            }
            "GetLogEvents" => json(self.get_log_events(caller, read(request)?).await),
            "FilterLogEvents" => json(self.filter_log_events(caller, read(request)?).await),
            "PutRetentionPolicy" => done(self.put_retention_policy(caller, read(request)?).await),
            "DeleteRetentionPolicy" => {
                done(self.delete_retention_policy(caller, read(request)?).await)
            }
            "TagResource" => done(self.tag_resource(caller, read(request)?).await),
            "UntagResource" => done(self.untag_resource(caller, read(request)?).await),
            "ListTagsForResource" => {
                json(self.list_tags_for_resource(caller, read(request)?).await)
            }
            "ListTagsLogGroup" => json(self.list_tags_log_group(caller, read(request)?).await),
            "StartLiveTail" => {
                self.start_live_tail(caller, read(request)?, &request.request_id).await
            }
            other => Err(AwsError::not_implemented("CloudWatch Logs", other)),
        }
    }

    /// Asks the caller's role for `action` on a group and its streams.
    ///
    /// AWS names a group in this form, with an empty stream: a policy's resource has to end in
    /// `:*` to allow it.
    pub(super) fn allow_group(
        &self,
        caller: &Caller,
        action: &str,
        group: &str,
    ) -> Result<(), AwsError> {
        self.allow(caller, action, &stream_arn(&self.core, group, ""))
    }

    /// Asks the caller's role for `action` on a stream.
    pub(super) fn allow_stream(
        &self,
        caller: &Caller,
        action: &str,
        group: &str,
        stream: &str,
    ) -> Result<(), AwsError> {
        self.allow(caller, action, &stream_arn(&self.core, group, stream))
    }

    /// Asks the caller's role for `action` on a group itself, as the tagging calls do.
    pub(super) fn allow_tags(
        &self,
        caller: &Caller,
        action: &str,
        group: &str,
    ) -> Result<(), AwsError> {
        self.allow(caller, action, &group_arn(&self.core, group))
    }

    fn allow(&self, caller: &Caller, action: &str, resource: &str) -> Result<(), AwsError> {
        self.iam
            .authorize(caller, &format!("logs:{action}"), resource)
            .map_err(|denial| denial.into_error(400))
    }
}

fn read<T: DeserializeOwned>(request: &ApiRequest) -> Result<T, AwsError> {
    let body: &[u8] = if request.body.is_empty() { b"{}" } else { &request.body };
    serde_json::from_slice(body)
        .map_err(|error| AwsError::new(400, "SerializationException", error.to_string()))
}

fn done(result: Result<(), AwsError>) -> Result<Answer, AwsError> {
    result.map(|()| empty(200))
}

fn json<T: Serialize>(result: Result<T, AwsError>) -> Result<Answer, AwsError> {
    result.map(|value| aws_json_1_1(&value))
}
