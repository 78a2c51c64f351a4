//! The errors of SNS, with AWS's messages.

use crate::error::AwsError;

/// `InvalidParameter` with `Invalid parameter: …`.
pub fn invalid(what: &str) -> AwsError {
    AwsError::new(400, "InvalidParameter", format!("Invalid parameter: {what}"))
}

/// The topic is not there.
pub fn no_topic() -> AwsError {
    AwsError::new(404, "NotFound", "Topic does not exist")
}

/// The subscription is not there.
pub fn no_subscription() -> AwsError {
    AwsError::new(404, "NotFound", "Subscription does not exist")
}
