//! The names of API Gateway's operations that the local cloud does not have.

use crate::error::AwsError;

/// `NotImplemented` for what a request means on AWS.
pub(super) fn operation(verb: &str, segments: &[String]) -> AwsError {
    let path: Vec<&str> = segments.iter().map(String::as_str).filter(|s| !s.is_empty()).collect();
    AwsError::not_implemented("API Gateway", &name(verb, &path))
}

fn name(verb: &str, path: &[&str]) -> String {
    let noun = match path {
        ["restapis", _, "stages", _, "cache", "data"] => return "FlushStageCache".to_owned(),
        ["restapis", _, "stages", _, "cache", "authorizers"] => {
            return "FlushStageAuthorizersCache".to_owned();
        }
        ["restapis", _, "stages", _, "sdks", _] => return "GetSdk".to_owned(),
        ["restapis", _, "models", _, "default_template"] => return "GetModelTemplate".to_owned(),
        ["usageplans", _, "usage"] | ["usageplans", _, "keys", _, "usage"] => "Usage",
        ["usageplans", _, "keys", ..] => "UsagePlanKey",
        ["usageplans", ..] => "UsagePlan",
        ["apikeys", ..] => "ApiKey",
        ["account"] => "Account",
        ["restapis", _, "authorizers", ..] => "Authorizer",
        ["restapis", _, "documentation", "parts", ..] => "DocumentationPart",
        ["restapis", _, "documentation", "versions", ..] => "DocumentationVersion",
        ["domainnames", _, "basepathmappings", ..] => "BasePathMapping",
        ["domainnames", ..] => "DomainName",
        ["vpclinks", ..] => "VpcLink",
        ["clientcertificates", ..] => "ClientCertificate",
        _ => return format!("{verb} /{}", path.join("/")),
    };
    let action = match verb {
        "GET" => "Get",
        "POST" => "Create",
        "PUT" => "Put",
        "PATCH" => "Update",
        "DELETE" => "Delete",
        other => other,
    };
    format!("{action}{noun}")
}
