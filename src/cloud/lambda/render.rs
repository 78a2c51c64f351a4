//! How functions, aliases and policies are written in answers.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::core::REGION;

use super::model::{Alias, Configuration, Function, Policy, State, UpdateStatus};
use super::names::qualified_arn;

/// Whether an answer shows where a function is in its life; lists don't.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// With states and runtime version.
    Full,
    /// As in `ListFunctions` and `ListVersionsByFunction`.
    Listed,
}

/// A `FunctionConfiguration`; `qualifier` is what its ARN ends with.
pub fn configuration(
    name: &str,
    qualifier: Option<&str>,
    c: &Configuration,
    detail: Detail,
) -> Map<String, Value> {
    let mut out = Map::new();
    let mut put = |member: &str, value: Value| {
        out.insert(member.to_owned(), value);
    };
    put("FunctionName", name.into());
    put("FunctionArn", qualified_arn(name, qualifier).into());
    put("Runtime", c.runtime.as_str().into());
    put("Role", c.role.as_str().into());
    put("Handler", c.handler.as_str().into());
    put("CodeSize", c.code_size.into());
    put("Description", c.description.as_str().into());
    put("Timeout", c.timeout.into());
    put("MemorySize", c.memory_size.into());
    put("LastModified", timestamp(c.modified_ms).into());
    put("CodeSha256", c.code_sha256.as_str().into());
    put("Version", c.version.as_str().into());
    if let Some(variables) = &c.environment {
        put("Environment", json!({ "Variables": variables }));
    }
    if let Some(target) = &c.dead_letter {
        put("DeadLetterConfig", json!({ "TargetArn": target }));
    }
    put("TracingConfig", json!({ "Mode": c.tracing }));
    put("RevisionId", c.revision_id.as_str().into());
    put("PackageType", "Zip".into());
    put("Architectures", json!([c.architecture]));
    put("EphemeralStorage", json!({ "Size": c.ephemeral_storage }));
    put("SnapStart", json!({ "ApplyOn": "None", "OptimizationStatus": "Off" }));
    put("LoggingConfig", json!({ "LogFormat": "Text", "LogGroup": c.log_group }));
    if detail == Detail::Listed {
        return out;
    }
    put("RuntimeVersionConfig", json!({ "RuntimeVersionArn": runtime_version_arn(&c.runtime) }));
    match c.state {
        State::Pending => {
            put("State", "Pending".into());
            put("StateReason", "The function is being created.".into());
            put("StateReasonCode", "Creating".into());
        }
        State::Active => put("State", "Active".into()),
    }
    match c.update {
        None => {}
        Some(UpdateStatus::Successful) => put("LastUpdateStatus", "Successful".into()),
        Some(UpdateStatus::InProgress) => {
            put("LastUpdateStatus", "InProgress".into());
            put("LastUpdateStatusReason", "The function is being created.".into());
            put("LastUpdateStatusReasonCode", "Creating".into());
        }
    }
    out
}

/// An `AliasConfiguration`.
pub fn alias(function: &str, alias: &Alias) -> Value {
    let mut out = json!({
        "AliasArn": qualified_arn(function, Some(&alias.name)),
        "Name": alias.name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision_id,
    });
    if let Some(extra) = &alias.extra {
        let mut weights = Map::new();
        weights.insert(extra.version.clone(), extra.weight.into());
        out["RoutingConfig"] = json!({ "AdditionalVersionWeights": weights });
    }
    out
}

/// The answer of `GetPolicy`.
pub fn policy(policy: &Policy) -> Value {
    json!({ "Policy": policy_document(policy), "RevisionId": policy.revision_id })
}

/// A resource policy as the JSON text that AWS keeps.
pub fn policy_document(policy: &Policy) -> String {
    json!({ "Version": "2012-10-17", "Id": "default", "Statement": policy.statements }).to_string()
}

/// The answer of `GetFunction`; `location` is the link to the code.
pub fn function(
    function: &Function,
    qualifier: Option<&str>,
    c: &Configuration,
    location: &str,
) -> Value {
    let mut out = json!({
        "Configuration": configuration(&function.name, qualifier, c, Detail::Full),
        "Code": { "RepositoryType": "S3", "Location": location },
    });
    if !function.tags.is_empty() {
        out["Tags"] = json!(function.tags);
    }
    if let Some(reserved) = function.reserved_concurrency {
        out["Concurrency"] = json!({ "ReservedConcurrentExecutions": reserved });
    }
    out
}

/// The ARN that stands for the runtime's version: AWS's form with a hash of the runtime's name,
/// since the runtime is this machine.
pub fn runtime_version_arn(runtime: &str) -> String {
    let hash = hex::encode(Sha256::digest(format!("labdeck {runtime}")));
    format!("arn:aws:lambda:{REGION}::runtime:{hash}")
}

/// `2026-11-20T11:06:31.512+0000`.
fn timestamp(millis: i64) -> String {
    let format = format_description!(
        "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]+0000"
    );
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000)
        .ok()
        .and_then(|at| at.format(&format).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_written_as_lambda_writes_them() {
        assert_eq!(timestamp(1_700_000_000_007), "2023-11-14T22:13:20.007+0000");
    }
}
