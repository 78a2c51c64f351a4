//! What an SDK error means, and what to do next.

use std::any::Any;
use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::failure::{Failure, FailureKind};
use crate::intercept::ReadOnlyRefused;

const NO_CONNECTION: &str = "on the local target, run it again: the local cloud is started when it \
                             does not run; on AWS check the network, the proxy and --endpoint-url";

/// The code of a failure for which there were no credentials that could be used.
const NO_CREDENTIALS: &str = "CredentialsUnavailable";

impl Failure {
    /// Explains `error`, which ended `what` (such as `creating function greet-stateless`).
    ///
    /// AWS's own code and message are kept.
    pub fn from_sdk<E, R>(what: impl Into<String>, error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        let what = what.into();
        if let Some(refused) = cause::<ReadOnlyRefused>(error) {
            return Self::new(FailureKind::Refused, what, refused.to_string())
                .next(crate::record::LEAVING);
        }
        if let Some(missing) = cause::<CredentialsError>(error) {
            return Self::new(FailureKind::Denied, what, deepest(missing)).code(NO_CREDENTIALS).next(
                "give credentials with --profile or AWS_PROFILE (`aws configure`, `aws sso login`), \
                 or use --target local",
            );
        }
        match error {
            SdkError::ServiceError(service) => {
                let status = (service.raw() as &dyn Any)
                    .downcast_ref::<HttpResponse>()
                    .map(|r| r.status().as_u16());
                explain(what, service.err(), status)
            }
            SdkError::TimeoutError(_) => {
                Self::new(FailureKind::Network, what, "no answer in time").next(NO_CONNECTION)
            }
            SdkError::DispatchFailure(dispatch) => {
                let why = if dispatch.is_timeout() {
                    "no connection in time".to_owned()
                } else {
                    deepest(error)
                };
                Self::new(FailureKind::Network, what, why).next(NO_CONNECTION)
            }
            SdkError::ResponseError(_) => Self::new(
                FailureKind::Service,
                what,
                format!("the answer could not be read: {}", deepest(error)),
            ),
            _ => Self::new(FailureKind::Internal, what, deepest(error)),
        }
    }

    /// Whether logging in again mends it: the credentials have expired, or can't be had any more.
    ///
    /// The codes are those of AWS's common errors (`ExpiredToken`, `ExpiredTokenException`) and of STS
    /// for a session that was ended.
    pub fn wants_login(&self) -> bool {
        self.has_code(&["ExpiredToken", "ExpiredTokenException", NO_CREDENTIALS])
    }

    /// Whether AWS answered with one of these error codes.
    pub fn has_code(&self, codes: &[&str]) -> bool {
        self.code.as_deref().is_some_and(|code| codes.contains(&code))
    }
}

/// The innermost cause of type `T`.
fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The text of the innermost cause.
fn deepest(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

fn explain<E: ProvideErrorMetadata + Error>(
    what: String,
    error: &E,
    status: Option<u16>,
) -> Failure {
    let code = error.code().unwrap_or_default();
    let why = match error.message() {
        Some(message) if !message.is_empty() => message.to_owned(),
        _ if !code.is_empty() => code.to_owned(),
        _ => status.map_or_else(|| error.to_string(), |s| format!("HTTP status {s}")),
    };
    let kind = kind_of(code, status);
    let mut failure = Failure::new(kind, what, why);
    if !code.is_empty() {
        failure = failure.code(code);
    }
    match next_of(code, kind) {
        Some(next) => failure.next(next),
        None => failure,
    }
}

fn kind_of(code: &str, status: Option<u16>) -> FailureKind {
    match code {
        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedException"
        | "UnauthorizedOperation"
        | "AuthorizationError"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException" => FailureKind::Denied,
        "NotFoundException"
        | "ResourceNotFoundException"
        | "NoSuchEntity"
        | "NoSuchEntityException"
        | "TableNotFoundException"
        | "NotFound"
        | "ResourceNotFound"
        | "QueueDoesNotExist"
        | "AWS.SimpleQueueService.NonExistentQueue" => FailureKind::NotFound,
        "ConflictException"
        | "ResourceConflictException"
        | "PreconditionFailedException"
        | "EntityAlreadyExists"
        | "EntityAlreadyExistsException"
        | "ResourceAlreadyExistsException"
        | "QueueNameExists"
        | "QueueAlreadyExists"
        | "ResourceInUseException"
        | "ConcurrentModification"
        | "ConcurrentModificationException"
        | "OperationAbortedException"
        | "DeleteConflict"
        | "DeleteConflictException" => FailureKind::Conflict,
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "Throttled"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "SlowDown" => FailureKind::Throttled,
        "ValidationException"
        | "ValidationError"
        | "SerializationException"
        | "BadRequestException"
        | "InvalidParameterException"
        | "InvalidParameter"
        | "InvalidParameterValueException"
        | "InvalidRequestContentException"
        | "InvalidInput"
        | "MalformedPolicyDocument"
        | "MalformedPolicyDocumentException" => FailureKind::Invalid,
        _ => match status {
            Some(401 | 403) => FailureKind::Denied,
            Some(404) => FailureKind::NotFound,
            Some(409 | 412) => FailureKind::Conflict,
            Some(429) => FailureKind::Throttled,
            _ => FailureKind::Service,
        },
    }
}

fn next_of(code: &str, kind: FailureKind) -> Option<&'static str> {
    Some(match code {
        "ExpiredToken" | "ExpiredTokenException" => {
            "the session's credentials have expired: get new ones and run it again"
        }
        "UnrecognizedClientException" | "InvalidClientTokenId" => {
            "the access key is not known there: check --profile, --region and --endpoint-url"
        }
        "InvalidSignatureException" | "SignatureDoesNotMatch" => {
            "check the secret key, and that this machine's clock is right"
        }
        "PreconditionFailedException" => {
            "somebody else changed it in between; look at the state now, then decide again"
        }
        "LimitExceededException" | "LimitExceeded" => {
            "a quota of the account is used up: remove what is not needed or ask AWS for more"
        }
        _ => match kind {
            FailureKind::Denied => {
                "the credentials in use lack this permission: ask for it (docs/aws-permissions.md has \
                 all that are needed), or use others (--profile)"
            }
            FailureKind::Throttled => {
                "AWS asked to slow down and retries did not help: wait a minute"
            }
            _ => return None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_decide_the_kind_before_the_status() {
        assert_eq!(kind_of("ResourceConflictException", Some(409)), FailureKind::Conflict);
        assert_eq!(kind_of("PreconditionFailedException", Some(412)), FailureKind::Conflict);
        assert_eq!(kind_of("NoSuchEntity", Some(404)), FailureKind::NotFound);
        assert_eq!(kind_of("AccessDenied", Some(403)), FailureKind::Denied);
        assert_eq!(kind_of("InvalidSignatureException", Some(400)), FailureKind::Denied);
        assert_eq!(kind_of("TooManyRequestsException", Some(429)), FailureKind::Throttled);
        assert_eq!(kind_of("BadRequestException", Some(400)), FailureKind::Invalid);
        assert_eq!(kind_of("NotImplementedException", Some(501)), FailureKind::Service);
        assert_eq!(kind_of("", Some(404)), FailureKind::NotFound);
        let queue = "AWS.SimpleQueueService.NonExistentQueue";
        assert_eq!(kind_of(queue, Some(400)), FailureKind::NotFound);
    }
}
