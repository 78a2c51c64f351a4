//! Managed policies: those of AWS that can be attached here, with AWS's own content, and those of
//! the account.
//!
//! Source of AWS's documents: AWS Managed Policy Reference Guide.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A managed policy of the account, as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PolicyDocument {
    pub(super) name: String,
    pub(super) path: String,
    /// `ANPA…`.
    pub(super) id: String,
    pub(super) arn: String,
    pub(super) description: Option<String>,
    /// Seconds since the epoch.
    pub(super) created: i64,
    /// When its default version changed last, in seconds since the epoch.
    pub(super) updated: i64,
    /// The number of the default version.
    pub(super) default: u32,
    /// The number of the version made last; numbers are never used twice.
    pub(super) last: u32,
    /// Versions by number.
    pub(super) versions: BTreeMap<u32, PolicyVersion>,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
}

/// One version of a managed policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PolicyVersion {
    pub(super) document: String,
    /// Seconds since the epoch.
    pub(super) created: i64,
}

/// A managed policy of AWS.
#[derive(Debug, Clone, Copy)]
pub(super) struct OfAws {
    /// Path and name, as its ARN ends.
    pub(super) path_and_name: &'static str,
    pub(super) document: &'static str,
}

/// What the ARNs of AWS's policies begin with.
pub(super) const OF_AWS: &str = "arn:aws:iam::aws:policy/";

/// AWS's policies that are known here.
pub(super) const KNOWN: &[OfAws] = &[
    OfAws {
        path_and_name: "AWSXRayDaemonWriteAccess",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["xray:PutTraceSegments","xray:PutTelemetryRecords","xray:GetSamplingRules","xray:GetSamplingTargets","xray:GetSamplingStatisticSummaries"],"Resource":["*"]}]}"#,
    },
    OfAws {
        path_and_name: "AdministratorAccess",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
    },
    OfAws {
        path_and_name: "AmazonAPIGatewayAdministrator",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["apigateway:*"],"Resource":"arn:aws:apigateway:*::/*"}]}"#,
    },
    OfAws {
        path_and_name: "AmazonAPIGatewayInvokeFullAccess",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["execute-api:Invoke","execute-api:ManageConnections"],"Resource":"arn:aws:execute-api:*:*:*"}]}"#,
    },
    OfAws {
        path_and_name: "AmazonSNSFullAccess",
        document: r#"{"Version":"2012-10-17","Statement":[{"Action":["sns:*"],"Effect":"Allow","Resource":"*"}]}"#,
    },
    OfAws {
        path_and_name: "AmazonSQSFullAccess",
        document: r#"{"Version":"2012-10-17","Statement":[{"Action":["sqs:*"],"Effect":"Allow","Resource":"*"}]}"#,
    },
    OfAws {
        path_and_name: "service-role/AWSLambdaBasicExecutionRole",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}]}"#,
    },
    OfAws {
        path_and_name: "service-role/AWSLambdaDynamoDBExecutionRole",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["dynamodb:DescribeStream","dynamodb:GetRecords","dynamodb:GetShardIterator","dynamodb:ListStreams","logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}]}"#,
    },
    OfAws {
        path_and_name: "service-role/AWSLambdaRole",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["lambda:InvokeFunction"],"Resource":["*"]}]}"#,
    },
    OfAws {
        path_and_name: "service-role/AWSLambdaSQSQueueExecutionRole",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sqs:ReceiveMessage","sqs:DeleteMessage","sqs:GetQueueAttributes","logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}]}"#,
    },
    OfAws {
        path_and_name: "service-role/AmazonAPIGatewayPushToCloudWatchLogs",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:DescribeLogGroups","logs:DescribeLogStreams","logs:PutLogEvents","logs:GetLogEvents","logs:FilterLogEvents"],"Resource":"*"}]}"#,
    },
];

/// The policy of AWS with this ARN, when the local cloud has it.
pub(super) fn of_aws(policy_arn: &str) -> Option<&'static OfAws> {
    let path_and_name = policy_arn.strip_prefix(OF_AWS)?;
    KNOWN.iter().find(|policy| policy.path_and_name == path_and_name)
}

/// The name of a policy, from its ARN.
pub(super) fn name(policy_arn: &str) -> &str {
    policy_arn.rsplit('/').next().unwrap_or(policy_arn)
}

impl PolicyDocument {
    /// The document of the default version.
    pub(super) fn document(&self) -> &str {
        self.versions.get(&self.default).map_or("", |version| version.document.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::super::policy::{Kind, Policy};
    use super::*;

    #[test]
    fn every_policy_of_aws_can_be_read_and_found() {
        for policy in KNOWN {
            assert!(Policy::parse(policy.document, Kind::Identity).is_ok(), "{policy:?}");
            let arn = format!("{OF_AWS}{}", policy.path_and_name);
            assert!(of_aws(&arn).is_some_and(|found| found.document == policy.document));
        }
        assert!(KNOWN.is_sorted_by_key(|policy| policy.path_and_name));
    }
}
