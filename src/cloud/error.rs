//! The one error type of the local cloud, and how each AWS protocol writes it on the wire.

use http::StatusCode;

/// An error as an AWS service answers it.
///
/// `code` and `message` are what clients compare, so they follow AWS's documentation and recorded
/// answers to the letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsError {
    /// HTTP status of the answer.
    pub status: StatusCode,
    /// AWS's error code, such as `ResourceNotFoundException`.
    pub code: String,
    /// AWS's message.
    pub message: String,
    /// Further members of the error body, such as Lambda's `Reason` or DynamoDB's `Item`.
    pub members: Box<serde_json::Map<String, serde_json::Value>>,
}

impl AwsError {
    /// An error with AWS's `code` and `message`, answered with `status`.
    pub fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code: code.into(),
            message: message.into(),
            members: Box::default(),
        }
    }

    /// The same error with one more member in its body.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// The answer to an operation that the local cloud does not have: never a made-up success.
    pub fn not_implemented(service: &str, operation: &str) -> Self {
        Self::new(
            501,
            "NotImplementedException",
            format!("The local cloud does not implement {service} {operation}. Nothing was done."),
        )
    }

    /// A failure of the local cloud itself, such as a store that cannot be written.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalFailure", message)
    }
}

impl std::fmt::Display for AwsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for AwsError {}

impl From<crate::store::StoreError> for AwsError {
    fn from(error: crate::store::StoreError) -> Self {
        Self::internal(error.to_string())
    }
}
