//! The operations by name: reading a request, asking the roles, writing the answer.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Metrics;
use super::alarms::{AlarmNames, PutMetricAlarm, SetAlarmState, Tagged};
use super::wire::{self, Out, Request};
use crate::error::AwsError;
use crate::protocol::{Protocol, set_request_id};
use crate::wire::{Answer, ApiRequest, Caller};

impl Metrics {
    /// Answers one call of the `CloudWatch` API in the protocol that its headers tell.
    pub async fn call(self: &Arc<Self>, request: ApiRequest, protocol: Protocol) -> Answer {
        let read = wire::read(&request, protocol);
        let mut answer = match read {
            Ok(Request { operation, input }) => {
                match self.dispatch(&request.caller, &operation, input).await {
                    Ok(out) => out.answer(&operation, protocol, &request.request_id),
                    Err(error) => protocol.error(&error, &request.request_id),
                }
            }
            Err(error) => protocol.error(&error, &request.request_id),
        };
        set_request_id(&mut answer, &request.request_id);
        answer
    }

    async fn dispatch(
        self: &Arc<Self>,
        caller: &Caller,
        operation: &str,
        input: Value,
    ) -> Result<Out, AwsError> {
        match operation {
            "PutMetricData" => {
                self.allow(caller, operation, "*")?;
                self.put_metric_data(read(input)?).await
            }
            "GetMetricData" => {
                self.allow(caller, operation, "*")?;
                self.get_metric_data(input).await
            }
            "GetMetricStatistics" => {
                self.allow(caller, operation, "*")?;
                self.get_metric_statistics(read(input)?).await
            }
            "ListMetrics" => {
                self.allow(caller, operation, "*")?;
                self.list_metrics(read(input)?).await
            }
            _ => self.on_alarms(caller, operation, input).await,
        }
    }

    async fn on_alarms(
        self: &Arc<Self>,
        caller: &Caller,
        operation: &str,
        input: Value,
    ) -> Result<Out, AwsError> {
        match operation {
            "PutMetricAlarm" => {
                let request: PutMetricAlarm = read(input)?;
                self.allow(caller, operation, &request.arn())?;
                self.put_metric_alarm(request).await
            }
            "DescribeAlarms" => {
                self.allow(caller, operation, &self.core.arn("cloudwatch", "alarm:*"))?;
                self.describe_alarms(read(input)?).await
            }
            "DescribeAlarmsForMetric" => {
                self.allow(caller, operation, "*")?;
                self.describe_alarms_for_metric(read(input)?).await
            }
            "DescribeAlarmHistory" => {
                self.allow(caller, operation, &self.core.arn("cloudwatch", "alarm:*"))?;
                self.describe_alarm_history(read(input)?).await
            }
            "DeleteAlarms" | "EnableAlarmActions" | "DisableAlarmActions" => {
                let request: AlarmNames = read(input)?;
                for arn in request.arns() {
                    self.allow(caller, operation, &arn)?;
                }
                match operation {
                    "DeleteAlarms" => self.delete_alarms(request).await,
                    _ => self.switch_actions(request, operation == "EnableAlarmActions").await,
                }
            }
            "SetAlarmState" => {
                let request: SetAlarmState = read(input)?;
                self.allow(caller, operation, &request.arn())?;
                self.set_alarm_state(request).await
            }
            "ListTagsForResource" | "TagResource" | "UntagResource" => {
                let request: Tagged = read(input)?;
                self.allow(caller, operation, request.arn.as_deref().unwrap_or("*"))?;
                match operation {
                    "ListTagsForResource" => self.list_tags_for_resource(request).await,
                    "TagResource" => self.tag_resource(request).await,
                    _ => self.untag_resource(request).await,
                }
            }
            other => Err(AwsError::not_implemented("CloudWatch", other)),
        }
    }

    /// Asks the caller's role for `cloudwatch:{action}` on a resource.
    pub(super) fn allow(
        &self,
        caller: &Caller,
        action: &str,
        resource: &str,
    ) -> Result<(), AwsError> {
        self.iam.authorize(caller, &format!("cloudwatch:{action}"), resource).map_err(|denial| {
            let mut error = denial.into_error(403);
            // The code of awsQuery.
            "AccessDenied".clone_into(&mut error.code);
            error
        })
    }
}

/// The parameters as the operation's own type.
fn read<T: DeserializeOwned>(input: Value) -> Result<T, AwsError> {
    wire::parameters(input)
}
