//! Reading request bodies and the checks of their members' shapes.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::AwsError;
use crate::wire::ApiRequest;

use super::errors::{constraint, invalid_parameter, missing, unsupported};
use super::names::is_word;

/// The largest environment in bytes, measured as the JSON of its variables.
const ENVIRONMENT_LIMIT: usize = 4096;

/// Variables that Lambda sets and that a configuration can't.
const RESERVED_VARIABLES: [&str; 17] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
];

/// AWS's runtimes, in the order in which its own message lists them.
const RUNTIMES: &str = "nodejs20.x, python3.14, provided.al2023, python3.12, python3.13, \
    nodejs24.x, nodejs22.x, java25, python3.10, python3.11, java21, ruby3.3, ruby3.4, ruby3.2, \
    python3.8, python3.9, java17, nodejs16.x, dotnet10, dotnet8, java11, dotnet6, nodejs18.x, \
    provided.al2, java8.al2";

/// The members that `CreateFunction` and `UpdateFunctionConfiguration` share.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Settings {
    /// Execution role.
    pub role: Option<String>,
    /// Runtime.
    pub runtime: Option<String>,
    /// Handler.
    pub handler: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Seconds.
    pub timeout: Option<i64>,
    /// MB.
    pub memory_size: Option<i64>,
    /// Environment variables.
    pub environment: Option<EnvironmentInput>,
    /// Size of `/tmp`.
    pub ephemeral_storage: Option<EphemeralStorageInput>,
    /// Tracing mode.
    pub tracing_config: Option<TracingInput>,
    /// Where lines go and how they look.
    pub logging_config: Option<LoggingInput>,
    /// Where events go that failed.
    pub dead_letter_config: Option<DeadLetterInput>,
    /// What the local cloud has not, refused by [`Settings::check`].
    #[serde(flatten)]
    pub rest: BTreeMap<String, serde_json::Value>,
}

/// `Environment`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct EnvironmentInput {
    /// Names and values.
    pub variables: Option<BTreeMap<String, String>>,
}

/// `EphemeralStorage`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct EphemeralStorageInput {
    /// MB.
    pub size: i64,
}

/// `TracingConfig`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TracingInput {
    /// `Active` or `PassThrough`.
    pub mode: Option<String>,
}

/// `LoggingConfig`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct LoggingInput {
    /// `Text` or `JSON`.
    pub log_format: Option<String>,
    /// Log group.
    pub log_group: Option<String>,
}

/// `DeadLetterConfig`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeadLetterInput {
    /// ARN of a queue or topic; empty for none.
    pub target_arn: Option<String>,
}

impl Settings {
    /// The dead-letter target that was sent: empty when it is to be none.
    pub fn dead_letter(&self) -> Option<&str> {
        let config = self.dead_letter_config.as_ref()?;
        Some(config.target_arn.as_deref().unwrap_or(""))
    }

    /// Checks the shape of every member that was sent.
    pub fn check(&self) -> Result<(), AwsError> {
        if let Some(role) = &self.role {
            check_role(role)?;
        }
        if let Some(runtime) = &self.runtime {
            check_runtime(runtime)?;
        }
        if let Some(handler) = &self.handler {
            let fits = !handler.is_empty()
                && handler.len() <= 128
                && !handler.contains(|c: char| c.is_whitespace() || c == '\0');
            if !fits {
                return Err(constraint(
                    handler,
                    "handler",
                    "Member must satisfy regular expression pattern: [^\\s]+",
                ));
            }
        }
        if let Some(description) = &self.description {
            check_description(description)?;
        }
        within(self.timeout, "timeout", 1, 900)?;
        within(self.memory_size, "memorySize", 128, 10_240)?;
        within(
            self.ephemeral_storage.as_ref().map(|e| e.size),
            "ephemeralStorage.size",
            512,
            10_240,
        )?;
        if let Some(variables) = self.environment.as_ref().and_then(|e| e.variables.as_ref()) {
            check_environment(variables)?;
        }
        if let Some(mode) = self.tracing_config.as_ref().and_then(|t| t.mode.as_deref())
            && !matches!(mode, "Active" | "PassThrough")
        {
            return Err(constraint(
                mode,
                "tracingConfig.mode",
                "Member must satisfy enum value set: [Active, PassThrough]",
            ));
        }
        if let Some(logging) = &self.logging_config {
            check_logging(logging)?;
        }
        self.refuse_unsupported()
    }

    /// Refuses what would change how the function runs and is not there. Empty values, which some
    /// clients always send, ask for nothing.
    fn refuse_unsupported(&self) -> Result<(), AwsError> {
        const KNOWN: [&str; 10] = [
            "VpcConfig",
            "Layers",
            "FileSystemConfigs",
            "ImageConfig",
            "KMSKeyArn",
            "CodeSigningConfigArn",
            "SnapStart",
            "CapacityProviderConfig",
            "DurableConfig",
            "TenancyConfig",
        ];
        for name in KNOWN {
            let Some(value) = self.rest.get(name) else { continue };
            let asks_nothing = is_hollow(value)
                || (name == "SnapStart" && value["ApplyOn"].as_str() == Some("None"));
            if !asks_nothing {
                return Err(unsupported(name));
            }
        }
        Ok(())
    }
}

/// Whether a value is empty all the way down.
fn is_hollow(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Null => true,
        serde_json::Value::Bool(flag) => !flag,
        serde_json::Value::String(text) => text.is_empty(),
        serde_json::Value::Array(items) => items.is_empty(),
        serde_json::Value::Object(members) => members.values().all(is_hollow),
        serde_json::Value::Number(_) => false,
    }
}

/// Reads the JSON body of a request; an empty body is an empty object.
pub fn body<T: DeserializeOwned>(request: &ApiRequest) -> Result<T, AwsError> {
    let bytes: &[u8] = if request.body.is_empty() { b"{}" } else { &request.body };
    serde_json::from_slice(bytes).map_err(|error| {
        AwsError::new(
            400,
            "SerializationException",
            format!("The body is not what this operation takes: {error}"),
        )
    })
}

/// Decodes the zip of a request.
pub fn zip_bytes(text: &str) -> Result<Bytes, AwsError> {
    STANDARD.decode(text).map(Bytes::from).map_err(|_| {
        AwsError::new(400, "SerializationException", "The ZipFile member is not base64.")
    })
}

/// The architecture asked for, `x86_64` where none was.
pub fn architecture(architectures: Option<&[String]>) -> Result<Option<String>, AwsError> {
    let Some(list) = architectures else { return Ok(None) };
    let shown = format!("[{}]", list.join(", "));
    match list {
        [] => Err(constraint(
            &shown,
            "architectures",
            "Member must have length greater than or equal to 1",
        )),
        [one] if one == "x86_64" || one == "arm64" => Ok(Some(one.clone())),
        [_] => Err(constraint(
            &shown,
            "architectures",
            "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], \
             Member must not be null]",
        )),
        _ => Err(constraint(
            &shown,
            "architectures",
            "Member must have length less than or equal to 1",
        )),
    }
}

/// A free text of at most 256 characters.
pub fn check_description(description: &str) -> Result<(), AwsError> {
    if description.chars().count() <= 256 {
        return Ok(());
    }
    Err(constraint(description, "description", "Member must have length less than or equal to 256"))
}

/// `MaxItems` of a list call: 1–10000, 50 where it was not sent.
pub fn max_items(request: &ApiRequest) -> Result<usize, AwsError> {
    let Some(text) = request.query_value("MaxItems") else { return Ok(50) };
    match text.parse::<usize>() {
        Ok(0) => {
            Err(constraint(&text, "maxItems", "Member must have value greater than or equal to 1"))
        }
        Ok(items) if items <= 10_000 => Ok(items),
        _ => {
            Err(constraint(&text, "maxItems", "Member must have value less than or equal to 10000"))
        }
    }
}

/// One page of `items` behind `marker`, and the marker of the next page.
///
/// The marker is the key of the last item shown, so that a list that changes between two pages
/// neither repeats nor skips what stayed.
pub fn page<T>(
    items: Vec<(String, T)>,
    marker: Option<&str>,
    max: usize,
) -> (Vec<T>, Option<String>) {
    let mut rest = items
        .into_iter()
        .skip_while(|(key, _)| marker.is_some_and(|marker| key.as_str() <= marker));
    let mut shown = Vec::new();
    let mut last = None;
    for (key, item) in rest.by_ref().take(max) {
        last = Some(key);
        shown.push(item);
    }
    let more = rest.next().is_some();
    (shown, last.filter(|_| more))
}

/// A number within its range, where it was sent.
pub fn within(value: Option<i64>, member: &str, least: i64, most: i64) -> Result<(), AwsError> {
    let Some(value) = value else { return Ok(()) };
    let (rule, bound) = if value < least {
        ("greater", least)
    } else if value > most {
        ("less", most)
    } else {
        return Ok(());
    };
    Err(constraint(
        &value.to_string(),
        member,
        &format!("Member must have value {rule} than or equal to {bound}"),
    ))
}

fn check_role(role: &str) -> Result<(), AwsError> {
    let fits = role
        .strip_prefix("arn:aws")
        .and_then(|rest| rest.split_once(":iam::"))
        .filter(|(partition, _)| partition.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-'))
        .and_then(|(_, rest)| rest.split_once(":role/"))
        .is_some_and(|(account, name)| {
            account.len() == 12
                && account.bytes().all(|b| b.is_ascii_digit())
                && !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-/".contains(&b))
        });
    if fits {
        return Ok(());
    }
    Err(constraint(
        role,
        "role",
        "Member must satisfy regular expression pattern: \
         arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+",
    ))
}

fn check_runtime(runtime: &str) -> Result<(), AwsError> {
    if matches!(runtime, "provided.al2023" | "provided.al2") {
        return Ok(());
    }
    if RUNTIMES.split(", ").any(|known| known == runtime) {
        return Err(invalid_parameter(format!(
            "Runtime {runtime} is not available: the local cloud runs only the provided runtimes \
             (provided.al2023, provided.al2), whose code is an executable named bootstrap."
        )));
    }
    Err(invalid_parameter(format!(
        "Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value \
         set: [{RUNTIMES}] or be a valid ARN"
    )))
}

fn check_environment(variables: &BTreeMap<String, String>) -> Result<(), AwsError> {
    for (name, value) in variables {
        let fits = name.len() >= 2
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !fits && !RESERVED_VARIABLES.contains(&name.as_str()) {
            return Err(constraint(
                &format!("{{{name}=***}}"),
                "environment.variables",
                "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: \
                 [a-zA-Z]([a-zA-Z0-9_])+]",
            ));
        }
        if value.contains('\0') {
            return Err(invalid_parameter(format!(
                "The value of environment variable {name} contains a NUL character."
            )));
        }
    }
    let reserved: Vec<&str> = variables
        .keys()
        .map(String::as_str)
        .filter(|name| RESERVED_VARIABLES.contains(name))
        .collect();
    if !reserved.is_empty() {
        return Err(invalid_parameter(format!(
            "Lambda was unable to configure your environment variables because the environment \
             variables you have provided contains reserved keys that are currently not supported \
             for modification. Reserved keys used in this request: {}",
            reserved.join(", ")
        )));
    }
    let measured = serde_json::to_string(variables).unwrap_or_default();
    if measured.len() > ENVIRONMENT_LIMIT {
        return Err(invalid_parameter(format!(
            "Lambda was unable to configure your environment variables because the environment \
             variables you have provided exceeded the 4KB limit. String measured: {measured}"
        )));
    }
    Ok(())
}

fn check_logging(logging: &LoggingInput) -> Result<(), AwsError> {
    match logging.log_format.as_deref() {
        None | Some("Text") => {}
        Some("JSON") => return Err(unsupported("the log format JSON")),
        Some(other) => {
            return Err(constraint(
                other,
                "loggingConfig.logFormat",
                "Member must satisfy enum value set: [JSON, Text]",
            ));
        }
    }
    if let Some(group) = &logging.log_group {
        let fits = !group.is_empty()
            && group.len() <= 512
            && group.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_/#".contains(&b));
        if !fits {
            return Err(constraint(
                group,
                "loggingConfig.logGroup",
                "Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+",
            ));
        }
    }
    Ok(())
}

/// An alias's name: not all digits, `[a-zA-Z0-9-_]+`, at most 128 characters.
pub fn check_alias_name(name: Option<&str>) -> Result<&str, AwsError> {
    let Some(name) = name else { return Err(missing("name")) };
    if name.len() > 128 {
        return Err(constraint(name, "name", "Member must have length less than or equal to 128"));
    }
    if !is_word(name) || super::names::is_version(name) {
        return Err(constraint(
            name,
            "name",
            "Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)",
        ));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn settings(json: serde_json::Value) -> Result<(), AwsError> {
        serde_json::from_value::<Settings>(json).unwrap().check()
    }

    #[test]
    fn shapes_are_checked_as_aws_checks_them() {
        use serde_json::json;
        let message = |json| settings(json).unwrap_err().message;
        assert!(settings(json!({"MemorySize": 128, "Timeout": 900})).is_ok());
        assert!(message(json!({"MemorySize": 127})).contains("'127' at 'memorySize'"));
        assert!(message(json!({"Timeout": 0})).contains("greater than or equal to 1"));
        assert!(message(json!({"Role": "r1"})).starts_with(
            "1 validation error detected: Value 'r1' at 'role' failed to satisfy constraint"
        ));
        assert!(message(json!({"Runtime": "python3.12"})).contains("only the provided runtimes"));
        assert!(
            message(json!({"Runtime": "PYTHON3.9"})).starts_with("Value PYTHON3.9 at 'runtime'")
        );
        assert!(
            message(json!({"Environment": {"Variables": {"AWS_REGION": "x"}}}))
                .ends_with("Reserved keys used in this request: AWS_REGION")
        );
        let large = "x".repeat(4096);
        assert!(
            message(json!({"Environment": {"Variables": {"LARGE": large}}}))
                .contains("exceeded the 4KB limit. String measured: {\"LARGE\":\"xxx")
        );
        assert!(
            message(json!({"Layers": ["arn:aws:lambda:…"]})).contains("does not support Layers")
        );
        assert!(settings(json!({"Layers": [], "VpcConfig": {"SubnetIds": []}})).is_ok());
        assert!(settings(json!({"SnapStart": {"ApplyOn": "None"}})).is_ok());
    }

    #[test]
    fn pages_go_on_where_they_ended() {
        let items: Vec<(String, u32)> = (0..5).map(|i| (format!("f{i}"), i)).collect();
        let (first, marker) = page(items.clone(), None, 2);
        assert_eq!((first, marker.as_deref()), (vec![0, 1], Some("f1")));
        let (last, end) = page(items, Some("f2"), 2);
        assert_eq!((last, end), (vec![3, 4], None));
    }

    #[test]
    fn alias_names() {
        assert!(check_alias_name(Some("2024-01-02")).is_ok());
        assert!(check_alias_name(Some("2024")).unwrap_err().message.contains("'2024' at 'name'"));
        assert!(check_alias_name(Some("a b")).is_err());
        assert!(check_alias_name(None).is_err());
    }
}
