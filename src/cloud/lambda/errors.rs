//! The errors that several Lambda operations answer, worded as AWS words them.

use crate::error::AwsError;

use super::names::qualified_arn;

/// 400 `InvalidParameterValueException`.
pub fn invalid_parameter(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "InvalidParameterValueException", message)
}

/// 404 `ResourceNotFoundException`.
pub fn not_found(message: impl Into<String>) -> AwsError {
    AwsError::new(404, "ResourceNotFoundException", message)
}

/// 404 for a function, version or alias that a call works on.
pub fn function_not_found(name: &str, qualifier: Option<&str>) -> AwsError {
    not_found(format!("Function not found: {}", qualified_arn(name, qualifier)))
}

/// 409 `ResourceConflictException`.
pub fn conflict(message: impl Into<String>) -> AwsError {
    AwsError::new(409, "ResourceConflictException", message)
}

/// 412 for a write whose `RevisionId` is not the latest; `api` is where to read it.
pub fn wrong_revision(api: &str) -> AwsError {
    AwsError::new(
        412,
        "PreconditionFailedException",
        format!(
            "The Revision Id provided does not match the latest Revision Id. Call the {api} API \
             to retrieve the latest Revision Id"
        ),
    )
}

/// 400 `ValidationException`: the value of a member breaks a rule of its shape.
pub fn constraint(value: &str, member: &str, rule: &str) -> AwsError {
    AwsError::new(
        400,
        "ValidationException",
        format!(
            "1 validation error detected: Value '{value}' at '{member}' failed to satisfy \
             constraint: {rule}"
        ),
    )
}

/// 400 `ValidationException`: a member that must be there is not.
pub fn missing(member: &str) -> AwsError {
    AwsError::new(
        400,
        "ValidationException",
        format!(
            "1 validation error detected: Value null at '{member}' failed to satisfy constraint: \
             Member must not be null"
        ),
    )
}

/// 429 `TooManyRequestsException` with AWS's `Reason`.
pub fn throttled(reason: &str) -> AwsError {
    AwsError::new(429, "TooManyRequestsException", "Rate Exceeded.").with("Reason", reason)
}

/// 413 with AWS's `RequestEntityTooLargeException`.
pub fn entity_too_large(message: impl Into<String>) -> AwsError {
    AwsError::new(413, "RequestEntityTooLargeException", message)
}

/// 400 for a parameter that AWS has and the local cloud has not: refused, never ignored.
pub fn unsupported(parameter: &str) -> AwsError {
    invalid_parameter(format!(
        "The local cloud does not support {parameter}. Nothing was done; leave it out here, or use \
         AWS."
    ))
}
