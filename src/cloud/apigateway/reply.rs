//! What the control plane answers, and the errors it answers with.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::core::ACCOUNT_ID;
use crate::error::AwsError;
use crate::protocol;
use crate::wire::Answer;

/// Result of a control-plane operation.
pub(super) type Outcome = Result<Reply, AwsError>;

/// A successful answer.
#[derive(Debug, PartialEq)]
pub(super) struct Reply {
    pub status: u16,
    pub body: Payload,
}

/// The body of a successful answer.
#[derive(Debug, PartialEq)]
pub(super) enum Payload {
    Empty,
    Json(Value),
    /// A document to be saved under a file name (`GetExport`).
    File {
        content_type: &'static str,
        name: String,
        bytes: Bytes,
    },
}

impl Reply {
    /// A document with a status.
    pub fn json(status: u16, document: &impl Serialize) -> Outcome {
        match serde_json::to_value(document) {
            Ok(value) => Ok(Self { status, body: Payload::Json(value) }),
            Err(error) => {
                Err(AwsError::internal(format!("an answer could not be written: {error}")))
            }
        }
    }

    /// 200 with a document.
    pub fn ok(document: &impl Serialize) -> Outcome {
        Self::json(200, document)
    }

    /// 201 with a document.
    pub fn created(document: &impl Serialize) -> Outcome {
        Self::json(201, document)
    }

    /// A status alone.
    pub fn empty(status: u16) -> Self {
        Self { status, body: Payload::Empty }
    }

    /// The HTTP answer of a success.
    pub fn into_answer(self) -> Answer {
        match self.body {
            Payload::Empty => protocol::empty(self.status),
            Payload::Json(value) => protocol::json_answer(self.status, &value),
            Payload::File { content_type, name, bytes } => {
                let mut answer = protocol::bytes_answer(self.status, content_type, bytes);
                let disposition = format!("attachment; filename=\"{name}\"");
                protocol::set_header(&mut answer, "content-disposition", &disposition);
                answer
            }
        }
    }
}

/// 400 `BadRequestException`.
pub(super) fn bad_request(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "BadRequestException", message)
}

/// 404 `NotFoundException`.
pub(super) fn not_found(message: impl Into<String>) -> AwsError {
    AwsError::new(404, "NotFoundException", message)
}

/// 409 `ConflictException`.
pub(super) fn conflict(message: impl Into<String>) -> AwsError {
    AwsError::new(409, "ConflictException", message)
}

/// 429 `LimitExceededException`: more than an account can have.
pub(super) fn limit_exceeded(message: impl Into<String>) -> AwsError {
    AwsError::new(429, "LimitExceededException", message)
}

/// 400 of the service's front end, which checks an input before the service sees it.
pub(super) fn invalid_value(value: &str, at: &str, constraint: &str) -> AwsError {
    AwsError::new(
        400,
        "ValidationException",
        format!(
            "1 validation error detected: Value {value} at '{at}' failed to satisfy constraint: \
             {constraint}"
        ),
    )
}

/// 404 for an unknown API.
pub(super) fn no_api(id: &str) -> AwsError {
    not_found(format!("Invalid API identifier specified {ACCOUNT_ID}:{id}"))
}

/// 404 for an unknown resource.
pub(super) fn no_resource() -> AwsError {
    not_found("Invalid Resource identifier specified")
}

/// 404 for an unknown method.
pub(super) fn no_method() -> AwsError {
    not_found("Invalid Method identifier specified")
}

/// 404 for an unknown stage.
pub(super) fn no_stage() -> AwsError {
    not_found("Invalid stage identifier specified")
}

/// 404 for an unknown deployment.
pub(super) fn no_deployment() -> AwsError {
    not_found("Invalid Deployment identifier specified")
}

/// Reads a request's JSON body; an absent body is an empty object.
pub(super) fn input<T: DeserializeOwned>(body: &[u8]) -> Result<T, AwsError> {
    let body = if body.iter().all(u8::is_ascii_whitespace) { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| {
        AwsError::new(
            400,
            "SerializationException",
            format!("The request body is not what the operation takes: {error}"),
        )
    })
}

/// One page of a list: `{"item": […], "position": "…"}`.
pub(super) fn page(items: Vec<Value>, paging: &Paging) -> Outcome {
    let (shown, position) = paging.cut(items)?;
    let mut body = json!({ "item": shown });
    if let Some(position) = position {
        body["position"] = Value::from(position);
    }
    Reply::ok(&body)
}

/// `limit` and `position` of a list request.
#[derive(Debug)]
pub(super) struct Paging {
    pub limit: usize,
    pub position: Option<String>,
}

impl Paging {
    /// Reads the two query parameters: 25 by default, 500 at most. A limit below one is no limit of
    /// its own (recorded: AWS answers to -1).
    pub fn read(limit: Option<&str>, position: Option<String>) -> Result<Self, AwsError> {
        let limit = match limit {
            None | Some("") => 25,
            Some(text) => match text.parse::<i64>() {
                Ok(..1) => 25,
                Ok(limit) => usize::try_from(limit).unwrap_or(500).min(500),
                Err(_) => return Err(bad_request("Invalid limit specified")),
            },
        };
        Ok(Self { limit, position })
    }

    /// The items of this page, and the position of the next one where there is one.
    pub fn cut<T>(&self, items: Vec<T>) -> Result<(Vec<T>, Option<String>), AwsError> {
        let start = match self.position.as_deref() {
            None | Some("") => 0,
            Some(position) => decode_position(position)
                .filter(|start| *start <= items.len())
                .ok_or_else(|| bad_request("Invalid position specified"))?,
        };
        let end = (start + self.limit).min(items.len());
        let next = (end < items.len()).then(|| encode_position(end));
        Ok((items.into_iter().skip(start).take(end - start).collect(), next))
    }
}

fn encode_position(offset: usize) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(offset.to_string())
}

fn decode_position(position: &str) -> Option<usize> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(position).ok()?;
    std::str::from_utf8(&bytes).ok()?.parse().ok()
}
