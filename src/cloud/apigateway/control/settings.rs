//! The parts of a stage that `UpdateStage` patches by longer paths: method settings, access log,
//! canary.

use super::super::model::{Api, CanarySettings, MethodSetting, Stage};
use super::super::patch::{Op, PatchOperation, unescape};
use super::super::reply::bad_request;
use crate::error::AwsError;

/// The sizes of a stage cache in gigabytes.
const SIZES: [&str; 8] = ["0.5", "1.6", "6.1", "13.5", "28.4", "58.2", "118", "237"];

/// AWS's own list of the paths it takes, with its missing commas.
const PATHS: &str = "[/deploymentId, /description, /cacheClusterEnabled, /cacheClusterSize, \
    /clientCertificateId, /accessLogSettings, /accessLogSettings/destinationArn, \
    /accessLogSettings/format, /{resourcePath}/{httpMethod}/metrics/enabled, \
    /{resourcePath}/{httpMethod}/logging/dataTrace, /{resourcePath}/{httpMethod}/logging/loglevel, \
    /{resourcePath}/{httpMethod}/throttling/burstLimit\
    /{resourcePath}/{httpMethod}/throttling/rateLimit\
    /{resourcePath}/{httpMethod}/caching/ttlInSeconds, \
    /{resourcePath}/{httpMethod}/caching/enabled, \
    /{resourcePath}/{httpMethod}/caching/dataEncrypted, \
    /{resourcePath}/{httpMethod}/caching/requireAuthorizationForCacheControl, \
    /{resourcePath}/{httpMethod}/caching/unauthorizedCacheControlHeaderStrategy, \
    /*/*/metrics/enabled, /*/*/logging/dataTrace, /*/*/logging/loglevel, \
    /*/*/throttling/burstLimit /*/*/throttling/rateLimit /*/*/caching/ttlInSeconds, \
    /*/*/caching/enabled, /*/*/caching/dataEncrypted, \
    /*/*/caching/requireAuthorizationForCacheControl, \
    /*/*/caching/unauthorizedCacheControlHeaderStrategy, /variables/{variable_name}, \
    /tracingEnabled]";

/// Refuses a cache size that AWS does not sell.
pub(super) fn check_size(size: &str) -> Result<(), AwsError> {
    if SIZES.contains(&size) {
        Ok(())
    } else {
        Err(bad_request(format!(
            "Invalid cacheClusterSize: {size}. Must be one of: [{}]",
            SIZES.join(", ")
        )))
    }
}

/// Refuses a share of traffic outside 0 to 100.
pub(super) fn checked_percent(percent: f64) -> Result<f64, AwsError> {
    if (0.0..=100.0).contains(&percent) {
        Ok(percent)
    } else {
        Err(bad_request(format!("Canary percentTraffic must be between 0.0 and 100.0: {percent}")))
    }
}

fn invalid(operation: &PatchOperation) -> AwsError {
    bad_request(format!("Invalid method setting path: {}. Must be one of: {PATHS}", operation.path))
}

fn nothing_to_remove(operation: &PatchOperation) -> AwsError {
    bad_request(format!(
        "Cannot remove method setting {} because there is no method setting for this method ",
        operation.path.trim_start_matches('/')
    ))
}

/// `/{path}/{VERB}/…` and `/*/*/…`.
pub(super) fn method(stage: &mut Stage, operation: &PatchOperation) -> Result<(), AwsError> {
    let parts: Vec<&str> = operation.path.split('/').skip(1).collect();
    if operation.op == Op::Remove {
        let [resource, verb] = parts[..] else {
            return Err(nothing_to_remove(operation));
        };
        return match stage.method_settings.remove(&format!("{resource}/{verb}")) {
            Some(_) => Ok(()),
            None => Err(nothing_to_remove(operation)),
        };
    }
    let [resource, verb, group, name] = parts[..] else {
        return Err(invalid(operation));
    };
    let key = format!("{resource}/{verb}");
    let mut setting = stage
        .method_settings
        .get(&key)
        .or_else(|| stage.method_settings.get("*/*"))
        .cloned()
        .unwrap_or_default();
    set(&mut setting, (group, name), operation)?;
    stage.method_settings.insert(key, setting);
    Ok(())
}

fn set(
    setting: &mut MethodSetting,
    name: (&str, &str),
    operation: &PatchOperation,
) -> Result<(), AwsError> {
    match name {
        ("metrics", "enabled") => setting.metrics_enabled = operation.flag(),
        ("logging", "dataTrace") => setting.data_trace_enabled = operation.flag(),
        ("logging", "loglevel") => {
            if !matches!(operation.text(), "OFF" | "ERROR" | "INFO") {
                return Err(bad_request(
                    "Invalid logging level specified. Must be one of: [OFF, ERROR, INFO]",
                ));
            }
            setting.logging_level = Some(operation.text().to_owned());
        }
        ("throttling", "burstLimit") => {
            setting.throttling_burst_limit = number(operation, "throttling burst limit")?;
        }
        ("throttling", "rateLimit") => {
            let rate: f64 = number(operation, "throttling rate limit")?;
            if !rate.is_finite() {
                return Err(bad_request("Invalid throttling rate limit specified."));
            }
            setting.throttling_rate_limit = rate;
        }
        ("caching", "enabled") => setting.caching_enabled = operation.flag(),
        ("caching", "ttlInSeconds") => {
            let seconds = number(operation, "cache TTL")?;
            if !(0..=3600).contains(&seconds) {
                return Err(bad_request(
                    "Invalid cache TTL specified. Must be between 0 and 3600.",
                ));
            }
            setting.cache_ttl_in_seconds = seconds;
        }
        ("caching", "dataEncrypted") => setting.cache_data_encrypted = operation.flag(),
        ("caching", "requireAuthorizationForCacheControl") => {
            setting.require_authorization_for_cache_control = operation.flag();
        }
        ("caching", "unauthorizedCacheControlHeaderStrategy") => {
            if !matches!(
                operation.text(),
                "FAIL_WITH_403"
                    | "SUCCEED_WITH_RESPONSE_HEADER"
                    | "SUCCEED_WITHOUT_RESPONSE_HEADER"
            ) {
                return Err(bad_request(
                    "Invalid unauthorized cache control header strategy specified.",
                ));
            }
            operation.text().clone_into(&mut setting.unauthorized_cache_control_header_strategy);
        }
        _ => return Err(invalid(operation)),
    }
    Ok(())
}

fn number<T: std::str::FromStr>(operation: &PatchOperation, what: &str) -> Result<T, AwsError> {
    operation
        .text()
        .parse()
        .map_err(|_| bad_request(format!("Invalid {what} specified: {}", operation.text())))
}

/// `/accessLogSettings` and its two members.
pub(super) fn access_log(stage: &mut Stage, operation: &PatchOperation) -> Result<(), AwsError> {
    if operation.op == Op::Remove {
        if operation.path == "/accessLogSettings" {
            stage.access_log_settings = None;
            return Ok(());
        }
        return Err(nothing_to_remove(operation));
    }
    let mut settings = stage.access_log_settings.clone().unwrap_or_default();
    let member = match operation.path.as_str() {
        "/accessLogSettings/destinationArn" => &mut settings.destination_arn,
        "/accessLogSettings/format" => &mut settings.format,
        _ => {
            return Err(bad_request(
                "Invalid accessLogSettings path. Must be one of : \
                 [/accessLogSettings/destinationArn, /accessLogSettings/format]",
            ));
        }
    };
    if operation.text().is_empty() {
        return Err(bad_request("Access Log value must not be empty"));
    }
    if operation.text().contains(":firehose:") {
        let what = "access logs to a Firehose delivery stream";
        return Err(AwsError::not_implemented("API Gateway", what));
    }
    *member = Some(operation.text().to_owned());
    stage.access_log_settings = Some(settings);
    Ok(())
}

/// `/canarySettings` and its members.
pub(super) fn canary(
    api: &Api,
    stage: &mut Stage,
    operation: &PatchOperation,
) -> Result<(), AwsError> {
    if operation.op == Op::Remove {
        if operation.path == "/canarySettings" {
            stage.canary_settings = None;
            return Ok(());
        }
        return Err(nothing_to_remove(operation));
    }
    let parts: Vec<&str> = operation.path.split('/').skip(2).collect();
    let known = matches!(
        parts.as_slice(),
        ["deploymentId" | "percentTraffic" | "useStageCache"] | ["stageVariableOverrides", _]
    );
    if !known {
        return Err(invalid(operation));
    }
    if operation.op != Op::Replace {
        return Err(bad_request(format!(
            "Invalid {} operation with path: {}",
            operation.op.word(),
            operation.path
        )));
    }
    let mut canary = stage.canary_settings.clone().unwrap_or_else(|| CanarySettings {
        deployment_id: stage.deployment_id.clone(),
        percent_traffic: 0.0,
        stage_variable_overrides: std::collections::BTreeMap::new(),
        use_stage_cache: false,
    });
    match parts.as_slice() {
        ["deploymentId"] => {
            if !api.deployments.contains_key(operation.text()) {
                return Err(bad_request("Deployment id does not exist"));
            }
            operation.text().clone_into(&mut canary.deployment_id);
        }
        ["percentTraffic"] => {
            canary.percent_traffic = checked_percent(number(operation, "percentTraffic")?)?;
        }
        ["useStageCache"] => canary.use_stage_cache = operation.flag(),
        [_, name] => {
            let value = operation.text().to_owned();
            operation.apply_to(&mut canary.stage_variable_overrides, &unescape(name), value)?;
            super::stages::check_variables(&canary.stage_variable_overrides)?;
        }
        _ => return Err(invalid(operation)),
    }
    stage.canary_settings = Some(canary);
    Ok(())
}

/// `copy` from the canary to the stage: how a canary is promoted.
pub(super) fn promote(stage: &mut Stage, operation: &PatchOperation) -> Result<(), AwsError> {
    let from = operation.from.as_deref().unwrap_or("null");
    match (from, operation.path.as_str()) {
        ("/canarySettings/deploymentId", "/deploymentId") => {
            let canary = stage.canary_settings.as_ref().ok_or_else(no_canary)?;
            canary.deployment_id.clone_into(&mut stage.deployment_id);
        }
        ("/canarySettings/stageVariableOverrides", "/variables") => {
            let canary = stage.canary_settings.as_ref().ok_or_else(no_canary)?;
            if !canary.stage_variable_overrides.is_empty() {
                let overrides = canary.stage_variable_overrides.clone();
                stage.variables.get_or_insert_default().extend(overrides);
            }
        }
        (from, path) => {
            return Err(bad_request(format!(
                "Invalid copy operation with path: {path} and from {from}. Valid copy:path are \
                 [/deploymentId, /variables] and valid copy:from are \
                 [/canarySettings/deploymentId, /canarySettings/stageVariableOverrides]"
            )));
        }
    }
    Ok(())
}

fn no_canary() -> AwsError {
    bad_request("Promotion not available. Canary does not exist.")
}
