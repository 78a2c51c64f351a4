//! STS: who a caller is (awsQuery, version 2011-06-15).

use crate::core::ACCOUNT_ID;
use crate::error::AwsError;
use crate::iam::Iam;
use crate::protocol::{Form, Protocol, query_answer};
use crate::wire::{Answer, ApiRequest};

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Answers a request of STS's API.
pub fn call(iam: &Iam, request: &ApiRequest) -> Answer {
    let form = Form::read(request);
    let error = match form.get("Action") {
        Some("GetCallerIdentity") => return caller_identity(iam, request),
        Some(other) => AwsError::not_implemented("STS", other),
        None => {
            AwsError::new(400, "MissingAction", "The request must contain the parameter Action.")
        }
    };
    Protocol::Query.error(&error, &request.request_id)
}

/// Needs no permission, as on AWS.
fn caller_identity(iam: &Iam, request: &ApiRequest) -> Answer {
    query_answer("GetCallerIdentity", NAMESPACE, &request.request_id, |xml| {
        xml.text("Arn", &iam.caller_arn(&request.caller))
            .text("UserId", &iam.caller_id(&request.caller))
            .text("Account", ACCOUNT_ID);
    })
}
