//! The operations that only read, service by service: what [`crate::is_mutating`] goes by.
//!
//! The lists are reviewed by hand, never made from names. Not here, though their names sound like it:
//!
//! - `TestInvokeMethod` and `TestInvokeAuthorizer` of API Gateway run the integration for real
//! - `GetSessionToken`, `GetFederationToken`, `GetDelegatedAccessToken` and `GetWebIdentityToken` of STS
//!   make credentials
//! - `ReceiveMessage` of SQS hides what it receives and counts it, which may move it to a dead-letter queue
//! - `StartQuery` of `CloudWatch` Logs leaves a query that is billed, and `StopQuery` ends anybody's
//! - `BatchExecuteStatement`, `ExecuteStatement` and `ExecuteTransaction` of `DynamoDB` write, if their
//!   statements do
//! - `Generate…` of IAM begins a report that replaces the one before
//!
//! `StartLiveTail` is here: it costs money by the minute and changes nothing.

/// `API Gateway`.
const API_GATEWAY: &str = "\
    GetAccount GetApiKey GetApiKeys GetAuthorizer GetAuthorizers GetBasePathMapping \
    GetBasePathMappings GetClientCertificate GetClientCertificates GetDeployment GetDeployments \
    GetDocumentationPart GetDocumentationParts GetDocumentationVersion GetDocumentationVersions \
    GetDomainName GetDomainNameAccessAssociations GetDomainNames GetExport GetGatewayResponse \
    GetGatewayResponses GetIntegration GetIntegrationResponse GetMethod GetMethodResponse \
    GetModel GetModelTemplate GetModels GetRequestValidator GetRequestValidators GetResource \
    GetResources GetRestApi GetRestApis GetSdk GetSdkType GetSdkTypes GetStage GetStages GetTags \
    GetUsage GetUsagePlan GetUsagePlanKey GetUsagePlanKeys GetUsagePlans GetVpcLink GetVpcLinks";

/// `CloudWatch`.
const CLOUDWATCH: &str = "\
    DescribeAlarmContributors DescribeAlarmHistory DescribeAlarms DescribeAlarmsForMetric \
    DescribeAnomalyDetectors DescribeInsightRules GetAlarmMuteRule GetDashboard GetDataset \
    GetInsightRuleReport GetMetricData GetMetricStatistics GetMetricStream GetMetricWidgetImage \
    GetOTelEnrichment GetResourceMetricsConfiguration ListAlarmMuteRules ListDashboards \
    ListManagedInsightRules ListMetricStreams ListMetrics ListTagsForResource";

/// `CloudWatch Logs`.
const CLOUDWATCH_LOGS: &str = "\
    DescribeAccountPolicies DescribeConfigurationTemplates DescribeDeliveries \
    DescribeDeliveryDestinations DescribeDeliverySources DescribeDestinations \
    DescribeExportTasks DescribeFieldIndexes DescribeImportTaskBatches DescribeImportTasks \
    DescribeIndexPolicies DescribeLogGroups DescribeLogStreams DescribeLookupTables \
    DescribeMetricFilters DescribeQueries DescribeQueryDefinitions DescribeResourcePolicies \
    DescribeSubscriptionFilters FilterLogEvents GetDataProtectionPolicy GetDelivery \
    GetDeliveryDestination GetDeliveryDestinationPolicy GetDeliverySource GetIntegration \
    GetLogAnomalyDetector GetLogEvents GetLogFields GetLogGroupFields GetLogObject GetLogRecord \
    GetLookupTable GetQueryResults GetScheduledQuery GetScheduledQueryHistory \
    GetStorageTierPolicy GetTransformer ListAggregateLogGroupSummaries ListAnomalies \
    ListIntegrations ListLogAnomalyDetectors ListLogGroups ListLogGroupsForQuery \
    ListScheduledQueries ListSourcesForS3TableIntegration ListSyslogConfigurations \
    ListTagsForResource ListTagsLogGroup StartLiveTail TestMetricFilter TestTransformer";

/// `DynamoDB`.
const DYNAMODB: &str = "\
    BatchGetItem DescribeBackup DescribeContinuousBackups DescribeContributorInsights \
    DescribeEndpoints DescribeExport DescribeGlobalTable DescribeGlobalTableSettings \
    DescribeImport DescribeKinesisStreamingDestination DescribeLimits DescribeTable \
    DescribeTableReplicaAutoScaling DescribeTimeToLive GetItem GetResourcePolicy ListBackups \
    ListContributorInsights ListExports ListGlobalTables ListImports ListTables \
    ListTagsOfResource Query Scan SearchVectors TransactGetItems";

/// `DynamoDB Streams`.
const DYNAMODB_STREAMS: &str = "\
    DescribeStream GetRecords GetShardIterator ListStreams";

/// IAM.
const IAM: &str = "\
    GetAccessKeyLastUsed GetAccountAuthorizationDetails GetAccountPasswordPolicy \
    GetAccountProperties GetAccountSummary GetContextKeysForCustomPolicy \
    GetContextKeysForPrincipalPolicy GetCredentialReport GetDelegationRequest GetGroup \
    GetGroupPolicy GetHumanReadableSummary GetInstanceProfile GetLoginProfile GetMFADevice \
    GetOpenIDConnectProvider GetOrganizationsAccessReport GetOutboundWebIdentityFederationInfo \
    GetPolicy GetPolicyVersion GetRole GetRolePolicy GetRoleTemplateVersion GetSAMLProvider \
    GetSSHPublicKey GetServerCertificate GetServiceLastAccessedDetails \
    GetServiceLastAccessedDetailsWithEntities GetServiceLinkedRoleDeletionStatus GetUser \
    GetUserPolicy ListAccessKeys ListAccountAliases ListAttachedGroupPolicies \
    ListAttachedRolePolicies ListAttachedUserPolicies ListDelegationRequests \
    ListEntitiesForPolicy ListGroupPolicies ListGroups ListGroupsForUser ListInstanceProfileTags \
    ListInstanceProfiles ListInstanceProfilesForRole ListMFADeviceTags ListMFADevices \
    ListOpenIDConnectProviderTags ListOpenIDConnectProviders ListOrganizationsFeatures \
    ListPolicies ListPoliciesGrantingServiceAccess ListPolicyTags ListPolicyVersions \
    ListRolePolicies ListRoleTags ListRoles ListSAMLProviderTags ListSAMLProviders \
    ListSSHPublicKeys ListServerCertificateTags ListServerCertificates \
    ListServiceSpecificCredentials ListSigningCertificates ListUserPolicies ListUserTags \
    ListUsers ListVirtualMFADevices SimulateCustomPolicy SimulatePrincipalPolicy";

/// `Lambda`.
const LAMBDA: &str = "\
    GetAccountSettings GetAlias GetCapacityProvider GetCodeSigningConfig GetDurableExecution \
    GetDurableExecutionHistory GetDurableExecutionState GetEventSourceMapping GetFunction \
    GetFunctionCodeSigningConfig GetFunctionConcurrency GetFunctionConfiguration \
    GetFunctionEventInvokeConfig GetFunctionRecursionConfig GetFunctionScalingConfig \
    GetFunctionUrlConfig GetLayerVersion GetLayerVersionByArn GetLayerVersionPolicy GetPolicy \
    GetProvisionedConcurrencyConfig GetResourcePolicy GetRuntimeManagementConfig ListAliases \
    ListCapacityProviders ListCodeSigningConfigs ListDurableExecutionsByFunction \
    ListEventSourceMappings ListFunctionEventInvokeConfigs ListFunctionUrlConfigs \
    ListFunctionVersionsByCapacityProvider ListFunctions ListFunctionsByCodeSigningConfig \
    ListLayerVersions ListLayers ListProvisionedConcurrencyConfigs ListTags \
    ListVersionsByFunction";

/// SNS.
const SNS: &str = "\
    GetDataProtectionPolicy GetEndpointAttributes GetPlatformApplicationAttributes \
    GetSMSAttributes GetSMSSandboxAccountStatus GetSubscriptionAttributes GetTopicAttributes \
    ListEndpointsByPlatformApplication ListOriginationNumbers ListPhoneNumbersOptedOut \
    ListPlatformApplications ListSMSSandboxPhoneNumbers ListSubscriptions \
    ListSubscriptionsByTopic ListTagsForResource ListTopics";

/// SQS.
const SQS: &str = "\
    GetQueueAttributes GetQueueUrl ListDeadLetterSourceQueues ListMessageMoveTasks ListQueueTags \
    ListQueues";

/// STS.
const STS: &str = "\
    DecodeAuthorizationMessage GetAccessKeyInfo GetCallerIdentity";

/// Names of the operations of a service (the SDK's service id) that only read; none of a service that is
/// not known.
pub(crate) fn of(service: &str) -> impl Iterator<Item = &'static str> {
    let names = match service {
        "API Gateway" => API_GATEWAY,
        "CloudWatch" => CLOUDWATCH,
        "CloudWatch Logs" => CLOUDWATCH_LOGS,
        "DynamoDB" => DYNAMODB,
        "DynamoDB Streams" => DYNAMODB_STREAMS,
        "IAM" => IAM,
        "Lambda" => LAMBDA,
        "SNS" => SNS,
        "SQS" => SQS,
        "STS" => STS,
        _ => "",
    };
    names.split_ascii_whitespace()
}
