//! The AWS managed policies that can be attached here, with AWS's own content.

/// The document of a managed policy, when the local cloud has it.
///
/// Source: AWS Managed Policy Reference Guide.
pub(super) fn document(policy_arn: &str) -> Option<&'static str> {
    match policy_arn {
        "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole" => Some(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}]}"#,
        ),
        "arn:aws:iam::aws:policy/service-role/AWSLambdaDynamoDBExecutionRole" => Some(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["dynamodb:DescribeStream","dynamodb:GetRecords","dynamodb:GetShardIterator","dynamodb:ListStreams","logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}]}"#,
        ),
        "arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess" => Some(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["xray:PutTraceSegments","xray:PutTelemetryRecords","xray:GetSamplingRules","xray:GetSamplingTargets","xray:GetSamplingStatisticSummaries"],"Resource":["*"]}]}"#,
        ),
        _ => None,
    }
}

/// The name of a policy, from its ARN.
pub(super) fn name(policy_arn: &str) -> &str {
    policy_arn.rsplit('/').next().unwrap_or(policy_arn)
}
