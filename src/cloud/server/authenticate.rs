//! Who makes a request and for which service: the credential check of the control plane.

use time::OffsetDateTime;

use super::sigv4::{Authorization, Mismatch, Signed};
use crate::core::REGION;
use crate::error::AwsError;
use crate::iam::{Credential, Iam};
use crate::protocol::Protocol;
use crate::services::Service;
use crate::sns::Sns;
use crate::wire::{ApiRequest, Caller};

/// What requests are checked against.
#[derive(Debug)]
pub struct Gate {
    /// The owner's credentials.
    pub access_key_id: String,
    /// Their secret.
    pub secret_access_key: String,
    /// Take any credentials or none.
    pub any_credentials: bool,
}

/// Reads the `Authorization` header, when there is one.
pub fn authorization(headers: &http::HeaderMap) -> Option<Result<Authorization, Mismatch>> {
    let value = headers.get(http::header::AUTHORIZATION)?;
    Some(Authorization::parse(value.to_str().unwrap_or("")))
}

/// The service in the credential scope of a header that is otherwise no authorization.
fn named_by(headers: &http::HeaderMap) -> Option<Service> {
    let value = String::from_utf8_lossy(headers.get(http::header::AUTHORIZATION)?.as_bytes());
    let (_, credential) = value.split_once("Credential=")?;
    let scope = credential.split([',', ' ']).next()?.strip_suffix("/aws4_request")?;
    let (_, name) = scope.rsplit_once('/')?;
    match Service::of_scope(name, headers) {
        Service::Other(..) => None,
        service => Some(service),
    }
}

impl Gate {
    /// The service that a request is for and who makes it, or the refusal.
    pub fn check(
        &self,
        iam: &Iam,
        authorization: Option<Result<Authorization, Mismatch>>,
        request: &ApiRequest,
    ) -> Result<(Service, Caller), (Protocol, AwsError)> {
        let guess = || {
            let named = named_by(&request.headers).or_else(|| Service::of_request(request));
            named.unwrap_or(Service::ApiGateway)
        };
        let authorization = match authorization {
            Some(Ok(authorization)) => authorization,
            // What a subscriber was told, and nothing else, lets them in.
            None if Sns::is_public(request) => return Ok((Service::Sns, Caller::Cloud)),
            _ if self.any_credentials => {
                let service = Service::of_request(request).ok_or_else(|| {
                    let text = "The request names no service: sign it, or send x-amz-target.";
                    (Protocol::ApiGateway, AwsError::new(400, "BadRequestException", text))
                })?;
                return Ok((service, Caller::Operator));
            }
            Some(Err(mismatch)) => {
                let protocol = guess().protocol();
                return Err((protocol, refusal(protocol, mismatch)));
            }
            None => {
                let protocol = guess().protocol();
                return Err((protocol, missing(protocol)));
            }
        };
        let service = Service::of_scope(&authorization.service, &request.headers);
        let caller = self
            .caller(iam, &service, &authorization, request)
            .map_err(|error| (service.protocol(), error))?;
        Ok((service, caller))
    }

    fn caller(
        &self,
        iam: &Iam,
        service: &Service,
        authorization: &Authorization,
        request: &ApiRequest,
    ) -> Result<Caller, AwsError> {
        let protocol = service.protocol();
        let credential = self.credential(iam, &authorization.access_key_id);
        if self.any_credentials {
            // A function keeps its own identity, so that its role is still enforced.
            return Ok(credential.map_or(Caller::Operator, |credential| credential.caller));
        }
        let credential = credential.ok_or_else(|| unknown_key(protocol))?;
        let token = request.header("x-amz-security-token");
        if !same(token.unwrap_or(""), credential.session_token.as_deref().unwrap_or("")) {
            return Err(unknown_key(protocol));
        }
        let global = matches!(service, Service::Iam | Service::Sts | Service::Other(..));
        if authorization.region != REGION && !global {
            return Err(refusal(
                protocol,
                Mismatch::Time(format!(
                    "Credential should be scoped to a valid region: the local cloud is {REGION}, \
                     not '{}'.",
                    authorization.region
                )),
            ));
        }
        let signed = Signed {
            method: &request.method,
            path: &request.path,
            query: &request.query,
            headers: &request.headers,
            body: &request.body,
        };
        authorization
            .verify(&credential.secret_access_key, &signed, OffsetDateTime::now_utc())
            .map_err(|mismatch| refusal(protocol, mismatch))?;
        Ok(credential.caller)
    }

    fn credential(&self, iam: &Iam, access_key_id: &str) -> Option<Credential> {
        if access_key_id == self.access_key_id {
            return Some(Credential {
                secret_access_key: self.secret_access_key.clone(),
                session_token: None,
                caller: Caller::Operator,
            });
        }
        iam.secret_for(access_key_id)
    }
}

/// Compares two secrets in a time that does not depend on where they differ.
pub fn same(left: &str, right: &str) -> bool {
    left.len() == right.len()
        && left.bytes().zip(right.bytes()).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

fn status(protocol: Protocol) -> u16 {
    match protocol {
        Protocol::DynamoDb | Protocol::Logs => 400,
        _ => 403,
    }
}

fn error(protocol: Protocol, json: &str, query: &str, message: String) -> AwsError {
    let code = match protocol {
        Protocol::Query | Protocol::Json10 | Protocol::Cbor => query,
        _ => json,
    };
    AwsError::new(status(protocol), code, message)
}

fn missing(protocol: Protocol) -> AwsError {
    error(
        protocol,
        "MissingAuthenticationTokenException",
        "MissingAuthenticationToken",
        "Missing Authentication Token".to_owned(),
    )
}

fn unknown_key(protocol: Protocol) -> AwsError {
    error(
        protocol,
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "The security token included in the request is invalid.".to_owned(),
    )
}

fn refusal(protocol: Protocol, mismatch: Mismatch) -> AwsError {
    match mismatch {
        Mismatch::Incomplete(text) => {
            error(protocol, "IncompleteSignatureException", "IncompleteSignature", text)
        }
        Mismatch::Time(text) => {
            error(protocol, "InvalidSignatureException", "SignatureDoesNotMatch", text)
        }
        Mismatch::Signature => error(
            protocol,
            "InvalidSignatureException",
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. Check \
             your AWS Secret Access Key and signing method. Consult the service documentation for \
             details."
                .to_owned(),
        ),
    }
}
