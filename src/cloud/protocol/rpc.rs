//! Errors of services that spoke awsQuery before they spoke awsJson1.0 and RPC v2 CBOR.
//!
//! The body names the error's shape, and `x-amzn-query-error` the code that awsQuery had for it:
//! the clients of today report that one ("AWS Query compatible" in the Smithy documentation).

use ciborium::Value as Cbor;
use serde_json::json;

use super::{bytes_answer, set_header, typed_json};
use crate::error::AwsError;
use crate::wire::Answer;

/// The content type of RPC v2 CBOR.
pub const CBOR: &str = "application/cbor";

/// The shape of an error of `CloudWatch`'s model, by its code in awsQuery.
fn shape(code: &str) -> &str {
    match code {
        "InvalidParameterValue" => "InvalidParameterValueException",
        "InvalidParameterCombination" => "InvalidParameterCombinationException",
        "MissingParameter" => "MissingRequiredParameterException",
        "LimitExceeded" => "LimitExceededFault",
        "InvalidFormat" => "InvalidFormatFault",
        "InternalServiceError" => "InternalServiceFault",
        other => other,
    }
}

fn with_query_code(mut answer: Answer, error: &AwsError) -> Answer {
    let fault = if error.status.is_server_error() { "Receiver" } else { "Sender" };
    set_header(&mut answer, "x-amzn-query-error", &format!("{};{fault}", error.code));
    answer
}

/// An error in awsJson1.0.
pub(super) fn json_error(error: &AwsError) -> Answer {
    let kind = format!("com.amazonaws.cloudwatch#{}", shape(&error.code));
    let body = json!({ "__type": kind, "message": error.message });
    let answer = typed_json(error.status.as_u16(), "application/x-amz-json-1.0", &body);
    with_query_code(answer, error)
}

/// An error in RPC v2 CBOR.
pub(super) fn cbor_error(error: &AwsError) -> Answer {
    let kind = format!("com.amazonaws.cloudwatch#{}", shape(&error.code));
    let text = |text: &str| Cbor::Text(text.to_owned());
    let body = Cbor::Map(vec![
        (text("__type"), Cbor::Text(kind)),
        (text("message"), text(&error.message)),
    ]);
    let mut bytes = Vec::new();
    if let Err(failed) = ciborium::into_writer(&body, &mut bytes) {
        tracing::error!("an error could not be written: {failed}");
    }
    let mut answer = bytes_answer(error.status.as_u16(), CBOR, bytes);
    set_header(&mut answer, "smithy-protocol", "rpc-v2-cbor");
    with_query_code(answer, error)
}
