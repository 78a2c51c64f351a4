//! The errors of SQS, with AWS's messages.

use crate::error::AwsError;

/// The code by which clients of the older query protocol know an error; SQS sends it along in the
/// header `x-amzn-query-error` (the `awsQueryCompatible` trait of its model).
pub fn query_code(code: &str) -> &str {
    match code {
        "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue",
        "QueueNameExists" => "QueueAlreadyExists",
        "PurgeQueueInProgress" => "AWS.SimpleQueueService.PurgeQueueInProgress",
        "MessageNotInflight" => "AWS.SimpleQueueService.MessageNotInflight",
        "BatchEntryIdsNotDistinct" => "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
        "EmptyBatchRequest" => "AWS.SimpleQueueService.EmptyBatchRequest",
        "TooManyEntriesInBatchRequest" => "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
        "InvalidBatchEntryId" => "AWS.SimpleQueueService.InvalidBatchEntryId",
        "BatchRequestTooLong" => "AWS.SimpleQueueService.BatchRequestTooLong",
        "UnsupportedOperation" => "AWS.SimpleQueueService.UnsupportedOperation",
        "InvalidParameterValueException" => "InvalidParameterValue",
        "MissingRequiredParameterException" => "MissingParameter",
        "AccessDeniedException" => "AccessDenied",
        other => other,
    }
}

fn bad(code: &str, message: impl Into<String>) -> AwsError {
    AwsError::new(400, code, message)
}

/// The queue is not there.
pub fn no_queue() -> AwsError {
    bad("QueueDoesNotExist", "The specified queue does not exist.")
}

/// A queue of the name is there with another value of an attribute.
pub fn queue_exists(attribute: &str) -> AwsError {
    bad(
        "QueueNameExists",
        format!(
            "A queue already exists with the same name and a different value for attribute \
             {attribute}"
        ),
    )
}

/// A parameter has a value that is not allowed.
pub fn invalid(message: impl Into<String>) -> AwsError {
    bad("InvalidParameterValueException", message)
}

/// `Value {value} for parameter {parameter} is invalid. Reason: {reason}`.
pub fn invalid_value(value: &str, parameter: &str, reason: &str) -> AwsError {
    invalid(format!("Value {value} for parameter {parameter} is invalid. Reason: {reason}"))
}

/// A parameter that must be there is not.
pub fn missing(parameter: &str) -> AwsError {
    bad(
        "MissingRequiredParameterException",
        format!("The request must contain the parameter {parameter}."),
    )
}

/// An attribute of a queue that SQS does not know.
pub fn unknown_attribute(name: &str) -> AwsError {
    bad("InvalidAttributeName", format!("Unknown Attribute {name}."))
}

/// An attribute of a queue has a value that is not allowed.
pub fn attribute_value(name: &str) -> AwsError {
    bad("InvalidAttributeValue", format!("Invalid value for the parameter {name}."))
}

/// A receipt handle that SQS never gave out.
pub fn receipt_handle(handle: &str) -> AwsError {
    bad(
        "ReceiptHandleIsInvalid",
        format!("The input receipt handle \"{handle}\" is not a valid receipt handle."),
    )
}

/// A batch that breaks one of the rules of batches.
pub fn batch(code: &str, message: &str) -> AwsError {
    bad(code, message)
}

/// The local cloud keeps no more messages.
pub fn full(limit: &str) -> AwsError {
    bad(
        "RequestThrottled",
        format!("The local cloud keeps at most {limit} in its queues; the message was not kept."),
    )
}
