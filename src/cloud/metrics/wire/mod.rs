//! The three protocols that `CloudWatch` speaks, made one: requests become JSON values, answers are
//! written from [`Out`].
//!
//! Newer SDKs (the Rust SDK among them) speak Smithy RPC v2 CBOR, some awsJson 1.0, older ones and
//! older versions of the AWS CLI awsQuery. All three have the same operations and members; see the
//! protocol documents at <https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html>.

mod cbor;
mod form;
mod out;

use std::io::Read;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use super::error::invalid_value;
use crate::error::AwsError;
use crate::protocol::{Form, Protocol};
use crate::wire::ApiRequest;

pub(super) use out::Out;

/// The name of the service in JSON targets and in CBOR paths.
pub const SERVICE: &str = "GraniteServiceVersion20100801";
/// The version that awsQuery requests name.
pub const VERSION: &str = "2010-08-01";
/// Bytes of a request's body as it is sent: 1 MB in the API reference, with some room.
pub const LONGEST_BODY: usize = 2 << 20;
/// Bytes that a compressed body may become.
const LONGEST_PLAIN_BODY: u64 = 4 << 20;

/// The protocol that a client speaks, as its headers tell.
pub fn protocol(headers: &HeaderMap) -> Protocol {
    let starts = |name: &str, with: &[u8]| {
        headers.get(name).is_some_and(|value| value.as_bytes().starts_with(with))
    };
    if starts("smithy-protocol", b"rpc-v2-cbor") {
        Protocol::Cbor
    } else if headers.contains_key("x-amz-target") {
        Protocol::Json10
    } else {
        Protocol::Query
    }
}

/// A request in whatever protocol it came.
#[derive(Debug)]
pub(super) struct Request {
    /// The operation's name.
    pub operation: String,
    /// Its parameters: an object; numbers and times may be texts.
    pub input: Value,
}

/// Reads a request; `protocol` is the one that its headers tell.
pub(super) fn read(request: &ApiRequest, protocol: Protocol) -> Result<Request, AwsError> {
    let body = plain_body(request)?;
    let (operation, input) = match protocol {
        Protocol::Cbor => (cbor_operation(request)?, cbor::read(&body)?),
        Protocol::Json10 => (json_operation(request)?, json(&body)?),
        _ => {
            let parameters = Form::parse(&body, request.query.as_bytes());
            let operation = parameters.get("Action").map(str::to_owned).ok_or_else(|| {
                AwsError::new(
                    400,
                    "MissingAction",
                    "The request must contain the parameter Action.",
                )
            })?;
            (operation, form::tree(&parameters)?)
        }
    };
    Ok(Request { operation, input })
}

/// The body, decompressed where the client compressed it: SDKs do so with long `PutMetricData`s.
fn plain_body(request: &ApiRequest) -> Result<Bytes, AwsError> {
    match request.header("content-encoding").map(str::trim) {
        None | Some("" | "identity" | "aws-chunked") => Ok(request.body.clone()),
        Some(gzip) if gzip.eq_ignore_ascii_case("gzip") => {
            let mut plain = Vec::new();
            let mut reader = flate2::read::MultiGzDecoder::new(request.body.as_ref())
                .take(LONGEST_PLAIN_BODY + 1);
            match reader.read_to_end(&mut plain) {
                Ok(_) if plain.len() as u64 <= LONGEST_PLAIN_BODY => Ok(plain.into()),
                Ok(_) => Err(too_long()),
                Err(error) => Err(malformed(&format!("The body is not what gzip makes: {error}."))),
            }
        }
        Some(other) => Err(AwsError::new(
            415,
            "UnsupportedMediaTypeException",
            format!("Bodies in the encoding {other} are not supported."),
        )),
    }
}

fn cbor_operation(request: &ApiRequest) -> Result<String, AwsError> {
    let mut parts = request.path.split('/').skip(1);
    match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("service"), Some(SERVICE), Some("operation"), Some(operation), None) => {
            Ok(operation.to_owned())
        }
        _ => Err(unknown_operation()),
    }
}

fn json_operation(request: &ApiRequest) -> Result<String, AwsError> {
    match request.header("x-amz-target").and_then(|target| target.split_once('.')) {
        Some((SERVICE, operation)) => Ok(operation.to_owned()),
        _ => Err(unknown_operation()),
    }
}

fn json(body: &[u8]) -> Result<Value, AwsError> {
    if body.is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    // serde_json bounds the depth by itself.
    serde_json::from_slice(body).map_err(|error| malformed(&error.to_string()))
}

fn unknown_operation() -> AwsError {
    AwsError::new(404, "UnknownOperationException", "")
}

fn too_long() -> AwsError {
    AwsError::new(413, "RequestEntityTooLarge", "The request is too large.")
}

/// An error about a body that can't be read.
fn malformed(why: &str) -> AwsError {
    AwsError::new(400, "SerializationException", why)
}

/// The parameters as the operation's own type.
pub(super) fn parameters<T: serde::de::DeserializeOwned>(input: Value) -> Result<T, AwsError> {
    serde_json::from_value(input).map_err(|error| invalid_value(error.to_string()))
}
