//! The name by which AWS knows what a request asks for, whatever the protocol.

use http::Method;

use crate::protocol::Form;
use crate::wire::ApiRequest;

/// AWS's name of the operation that a request to a service (by signing name) means; `None` when it
/// means none.
pub fn name(service: &str, request: &ApiRequest) -> Option<String> {
    // awsJson: `DynamoDB_20120810.PutItem`.
    if let Some(target) = request.header("x-amz-target") {
        return target.rsplit('.').next().map(str::to_owned);
    }
    // rpcv2Cbor: `/service/GraniteServiceVersion20100801/operation/GetMetricData`.
    if let Some(rest) = request.path.strip_prefix("/service/") {
        return rest.split_once("/operation/").map(|(_, name)| name.to_owned());
    }
    let routes = match service {
        "lambda" => LAMBDA,
        "apigateway" => API_GATEWAY,
        // awsQuery: `Action=CreateRole`.
        _ => return Form::read(request).get("Action").map(str::to_owned),
    };
    let mut segments = request.segments();
    while segments.last().is_some_and(String::is_empty) {
        segments.pop();
    }
    let by_mode = |name: &'static str| match (name, request.query_value("mode").as_deref()) {
        ("CreateRestApi", Some("import")) => "ImportRestApi",
        ("CreateApiKey", Some("import")) => "ImportApiKeys",
        ("GetProvisionedConcurrencyConfig", _) if request.query_value("List").is_some() => {
            "ListProvisionedConcurrencyConfigs"
        }
        _ => name,
    };
    routes
        .iter()
        .find(|(verb, path, _)| is(&request.method, verb) && fits(path, &segments))
        .map(|(_, _, name)| by_mode(name).to_owned())
}

fn is(method: &Method, verb: &str) -> bool {
    method.as_str() == verb
}

/// Whether a path is one of a pattern, in which `*` stands for any one segment and `**` for the rest.
fn fits(pattern: &str, segments: &[String]) -> bool {
    let mut segments = segments.iter();
    for part in pattern.split('/') {
        match (part, segments.next()) {
            ("**", Some(_)) => return true,
            ("*", Some(segment)) if !segment.is_empty() => {}
            (part, Some(segment)) if part == segment => {}
            _ => return false,
        }
    }
    segments.next().is_none()
}

type Route = (&'static str, &'static str, &'static str);

/// Lambda's operations (API version 2015-03-31); the date of the path differs by operation.
const LAMBDA: &[Route] = &[
    ("POST", "*/functions", "CreateFunction"),
    ("GET", "*/functions", "ListFunctions"),
    ("GET", "*/functions/*", "GetFunction"),
    ("DELETE", "*/functions/*", "DeleteFunction"),
    ("GET", "*/functions/*/configuration", "GetFunctionConfiguration"),
    ("PUT", "*/functions/*/configuration", "UpdateFunctionConfiguration"),
    ("PUT", "*/functions/*/code", "UpdateFunctionCode"),
    ("POST", "*/functions/*/versions", "PublishVersion"),
    ("GET", "*/functions/*/versions", "ListVersionsByFunction"),
    ("POST", "*/functions/*/aliases", "CreateAlias"),
    ("GET", "*/functions/*/aliases", "ListAliases"),
    ("GET", "*/functions/*/aliases/*", "GetAlias"),
    ("PUT", "*/functions/*/aliases/*", "UpdateAlias"),
    ("DELETE", "*/functions/*/aliases/*", "DeleteAlias"),
    ("POST", "*/functions/*/policy", "AddPermission"),
    ("GET", "*/functions/*/policy", "GetPolicy"),
    ("DELETE", "*/functions/*/policy/*", "RemovePermission"),
    ("POST", "*/functions/*/invocations", "Invoke"),
    ("POST", "*/functions/*/invoke-async", "InvokeAsync"),
    ("POST", "*/functions/*/response-streaming-invocations", "InvokeWithResponseStream"),
    ("PUT", "*/functions/*/concurrency", "PutFunctionConcurrency"),
    ("GET", "*/functions/*/concurrency", "GetFunctionConcurrency"),
    ("DELETE", "*/functions/*/concurrency", "DeleteFunctionConcurrency"),
    ("GET", "*/functions/*/provisioned-concurrency", "GetProvisionedConcurrencyConfig"),
    ("PUT", "*/functions/*/provisioned-concurrency", "PutProvisionedConcurrencyConfig"),
    ("DELETE", "*/functions/*/provisioned-concurrency", "DeleteProvisionedConcurrencyConfig"),
    ("PUT", "*/functions/*/event-invoke-config", "PutFunctionEventInvokeConfig"),
    ("POST", "*/functions/*/event-invoke-config", "UpdateFunctionEventInvokeConfig"),
    ("GET", "*/functions/*/event-invoke-config", "GetFunctionEventInvokeConfig"),
    ("DELETE", "*/functions/*/event-invoke-config", "DeleteFunctionEventInvokeConfig"),
    ("GET", "*/functions/*/event-invoke-config/list", "ListFunctionEventInvokeConfigs"),
    ("POST", "*/functions/*/url", "CreateFunctionUrlConfig"),
    ("GET", "*/functions/*/url", "GetFunctionUrlConfig"),
    ("PUT", "*/functions/*/url", "UpdateFunctionUrlConfig"),
    ("DELETE", "*/functions/*/url", "DeleteFunctionUrlConfig"),
    ("GET", "*/functions/*/urls", "ListFunctionUrlConfigs"),
    ("GET", "*/functions/*/code-signing-config", "GetFunctionCodeSigningConfig"),
    ("GET", "*/functions/*/runtime-management-config", "GetRuntimeManagementConfig"),
    ("PUT", "*/functions/*/runtime-management-config", "PutRuntimeManagementConfig"),
    ("GET", "*/functions/*/recursion-config", "GetFunctionRecursionConfig"),
    ("PUT", "*/functions/*/recursion-config", "PutFunctionRecursionConfig"),
    ("POST", "*/event-source-mappings", "CreateEventSourceMapping"),
    ("GET", "*/event-source-mappings", "ListEventSourceMappings"),
    ("GET", "*/event-source-mappings/*", "GetEventSourceMapping"),
    ("PUT", "*/event-source-mappings/*", "UpdateEventSourceMapping"),
    ("DELETE", "*/event-source-mappings/*", "DeleteEventSourceMapping"),
    ("GET", "*/tags/**", "ListTags"),
    ("POST", "*/tags/**", "TagResource"),
    ("DELETE", "*/tags/**", "UntagResource"),
    ("GET", "*/account-settings", "GetAccountSettings"),
    ("GET", "*/layers", "ListLayers"),
    ("POST", "*/layers/*/versions", "PublishLayerVersion"),
];

/// API Gateway's operations (API version 2015-07-09).
const API_GATEWAY: &[Route] = &[
    ("POST", "restapis", "CreateRestApi"),
    ("GET", "restapis", "GetRestApis"),
    ("GET", "restapis/*", "GetRestApi"),
    ("PUT", "restapis/*", "PutRestApi"),
    ("PATCH", "restapis/*", "UpdateRestApi"),
    ("DELETE", "restapis/*", "DeleteRestApi"),
    ("GET", "restapis/*/resources", "GetResources"),
    ("GET", "restapis/*/resources/*", "GetResource"),
    ("POST", "restapis/*/resources/*", "CreateResource"),
    ("PATCH", "restapis/*/resources/*", "UpdateResource"),
    ("DELETE", "restapis/*/resources/*", "DeleteResource"),
    ("GET", "restapis/*/resources/*/methods/*", "GetMethod"),
    ("PUT", "restapis/*/resources/*/methods/*", "PutMethod"),
    ("PATCH", "restapis/*/resources/*/methods/*", "UpdateMethod"),
    ("DELETE", "restapis/*/resources/*/methods/*", "DeleteMethod"),
    ("POST", "restapis/*/resources/*/methods/*", "TestInvokeMethod"),
    ("GET", "restapis/*/resources/*/methods/*/responses/*", "GetMethodResponse"),
    ("PUT", "restapis/*/resources/*/methods/*/responses/*", "PutMethodResponse"),
    ("PATCH", "restapis/*/resources/*/methods/*/responses/*", "UpdateMethodResponse"),
    ("DELETE", "restapis/*/resources/*/methods/*/responses/*", "DeleteMethodResponse"),
    ("GET", "restapis/*/resources/*/methods/*/integration", "GetIntegration"),
    ("PUT", "restapis/*/resources/*/methods/*/integration", "PutIntegration"),
    ("PATCH", "restapis/*/resources/*/methods/*/integration", "UpdateIntegration"),
    ("DELETE", "restapis/*/resources/*/methods/*/integration", "DeleteIntegration"),
    ("GET", "restapis/*/resources/*/methods/*/integration/responses/*", "GetIntegrationResponse"),
    ("PUT", "restapis/*/resources/*/methods/*/integration/responses/*", "PutIntegrationResponse"),
    (
        "PATCH",
        "restapis/*/resources/*/methods/*/integration/responses/*",
        "UpdateIntegrationResponse",
    ),
    (
        "DELETE",
        "restapis/*/resources/*/methods/*/integration/responses/*",
        "DeleteIntegrationResponse",
    ),
    ("POST", "restapis/*/models", "CreateModel"),
    ("GET", "restapis/*/models", "GetModels"),
    ("GET", "restapis/*/models/*", "GetModel"),
    ("PATCH", "restapis/*/models/*", "UpdateModel"),
    ("DELETE", "restapis/*/models/*", "DeleteModel"),
    ("GET", "restapis/*/models/*/default_template", "GetModelTemplate"),
    ("POST", "restapis/*/requestvalidators", "CreateRequestValidator"),
    ("GET", "restapis/*/requestvalidators", "GetRequestValidators"),
    ("GET", "restapis/*/requestvalidators/*", "GetRequestValidator"),
    ("PATCH", "restapis/*/requestvalidators/*", "UpdateRequestValidator"),
    ("DELETE", "restapis/*/requestvalidators/*", "DeleteRequestValidator"),
    ("POST", "restapis/*/authorizers", "CreateAuthorizer"),
    ("GET", "restapis/*/authorizers", "GetAuthorizers"),
    ("GET", "restapis/*/authorizers/*", "GetAuthorizer"),
    ("PATCH", "restapis/*/authorizers/*", "UpdateAuthorizer"),
    ("DELETE", "restapis/*/authorizers/*", "DeleteAuthorizer"),
    ("POST", "restapis/*/authorizers/*", "TestInvokeAuthorizer"),
    ("GET", "restapis/*/gatewayresponses", "GetGatewayResponses"),
    ("GET", "restapis/*/gatewayresponses/*", "GetGatewayResponse"),
    ("PUT", "restapis/*/gatewayresponses/*", "PutGatewayResponse"),
    ("PATCH", "restapis/*/gatewayresponses/*", "UpdateGatewayResponse"),
    ("DELETE", "restapis/*/gatewayresponses/*", "DeleteGatewayResponse"),
    ("POST", "restapis/*/deployments", "CreateDeployment"),
    ("GET", "restapis/*/deployments", "GetDeployments"),
    ("GET", "restapis/*/deployments/*", "GetDeployment"),
    ("PATCH", "restapis/*/deployments/*", "UpdateDeployment"),
    ("DELETE", "restapis/*/deployments/*", "DeleteDeployment"),
    ("POST", "restapis/*/stages", "CreateStage"),
    ("GET", "restapis/*/stages", "GetStages"),
    ("GET", "restapis/*/stages/*", "GetStage"),
    ("PATCH", "restapis/*/stages/*", "UpdateStage"),
    ("DELETE", "restapis/*/stages/*", "DeleteStage"),
    ("DELETE", "restapis/*/stages/*/cache/data", "FlushStageCache"),
    ("DELETE", "restapis/*/stages/*/cache/authorizers", "FlushStageAuthorizersCache"),
    ("GET", "restapis/*/stages/*/exports/*", "GetExport"),
    ("GET", "restapis/*/stages/*/sdks/*", "GetSdk"),
    ("PUT", "restapis/*/documentation/parts", "ImportDocumentationParts"),
    ("POST", "restapis/*/documentation/versions", "CreateDocumentationVersion"),
    ("POST", "apikeys", "CreateApiKey"),
    ("GET", "apikeys", "GetApiKeys"),
    ("GET", "apikeys/*", "GetApiKey"),
    ("PATCH", "apikeys/*", "UpdateApiKey"),
    ("DELETE", "apikeys/*", "DeleteApiKey"),
    ("POST", "usageplans", "CreateUsagePlan"),
    ("GET", "usageplans", "GetUsagePlans"),
    ("GET", "usageplans/*", "GetUsagePlan"),
    ("PATCH", "usageplans/*", "UpdateUsagePlan"),
    ("DELETE", "usageplans/*", "DeleteUsagePlan"),
    ("POST", "usageplans/*/keys", "CreateUsagePlanKey"),
    ("GET", "usageplans/*/keys", "GetUsagePlanKeys"),
    ("GET", "usageplans/*/keys/*", "GetUsagePlanKey"),
    ("DELETE", "usageplans/*/keys/*", "DeleteUsagePlanKey"),
    ("GET", "usageplans/*/usage", "GetUsage"),
    ("PATCH", "usageplans/*/keys/*/usage", "UpdateUsage"),
    ("GET", "tags/**", "GetTags"),
    ("PUT", "tags/**", "TagResource"),
    ("DELETE", "tags/**", "UntagResource"),
    ("GET", "account", "GetAccount"),
    ("PATCH", "account", "UpdateAccount"),
    ("POST", "domainnames", "CreateDomainName"),
    ("PATCH", "domainnames/*", "UpdateDomainName"),
    ("DELETE", "domainnames/*", "DeleteDomainName"),
    ("POST", "vpclinks", "CreateVpcLink"),
    ("DELETE", "vpclinks/*", "DeleteVpcLink"),
];

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue};

    use super::*;
    use crate::wire::Caller;

    fn request(method: &str, target: &str) -> ApiRequest {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        ApiRequest {
            method: Method::from_bytes(method.as_bytes()).unwrap_or_default(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            caller: Caller::Operator,
            request_id: String::new(),
        }
    }

    #[test]
    fn every_protocol_names_its_operations() {
        let of = |service, method, target| name(service, &request(method, target));
        let found = |name: &str| Some(name.to_owned());
        assert_eq!(of("lambda", "POST", "/2015-03-31/functions"), found("CreateFunction"));
        assert_eq!(
            of("lambda", "GET", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Ax/"),
            found("GetFunction")
        );
        assert_eq!(of("apigateway", "POST", "/restapis?mode=import"), found("ImportRestApi"));
        assert_eq!(
            of("apigateway", "DELETE", "/restapis/a/stages/s/cache/data"),
            found("FlushStageCache")
        );
        assert_eq!(of("apigateway", "GET", "/tags/arn:aws:x/y"), found("GetTags"));
        assert_eq!(of("apigateway", "GET", "/nothing"), None);
        assert_eq!(of("iam", "POST", "/?Action=GetRole"), found("GetRole"));
        assert_eq!(
            of(
                "monitoring",
                "POST",
                "/service/GraniteServiceVersion20100801/operation/ListMetrics"
            ),
            found("ListMetrics")
        );
        let mut json = request("POST", "/");
        json.headers.insert("x-amz-target", HeaderValue::from_static("DynamoDB_20120810.PutItem"));
        assert_eq!(name("dynamodb", &json), found("PutItem"));
    }
}
