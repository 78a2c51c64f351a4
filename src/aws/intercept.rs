//! The one interceptor on every AWS client: read-only refusal, endpoint, operation name, audit.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, Metadata};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};

use crate::audit::{Audit, Entry};
use crate::endpoint::Endpoint;
use crate::operations::is_mutating;
use crate::transport::OperationName;

/// Why a call was not sent: the target is read-only.
#[derive(Debug, thiserror::Error)]
#[error("{operation} may change something, and the target is read-only")]
pub struct ReadOnlyRefused {
    /// The operation.
    pub operation: String,
}

/// Who calls, once it is known.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Account id.
    pub account: String,
    /// The caller's ARN.
    pub arn: String,
}

/// Sees every call of every client of a target.
#[derive(Debug)]
pub struct Guard {
    /// Refuse operations that may change something.
    pub read_only: bool,
    /// Where an override of the endpoint points to now, where there is one.
    pub endpoint: Option<Arc<Endpoint>>,
    /// Where calls that may change something are written down.
    pub audit: Arc<Audit>,
    /// The target's name, for the audit.
    pub target: String,
    /// Who calls, once it is known.
    pub caller: Arc<OnceLock<Caller>>,
}

/// What is remembered of a call between its begin and its end.
#[derive(Debug, Clone)]
struct Begun {
    at: Instant,
    access_key: String,
    region: String,
    resource: String,
}

impl Storable for Begun {
    type Storer = StoreReplace<Self>;
}

fn names(cfg: &ConfigBag) -> (String, String) {
    cfg.load::<Metadata>()
        .map(|m| (m.service().to_owned(), m.name().to_owned()))
        .unwrap_or_default()
}

#[dyn_dispatch_hint]
impl Intercept for Guard {
    fn name(&self) -> &'static str {
        "Guard"
    }

    /// The earliest point at which the operation's name is known: a client's interceptors run
    /// `read_before_execution` before the operation's own configuration is there.
    fn read_before_serialization(
        &self,
        _context: &BeforeSerializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let (_, operation) = names(cfg);
        if self.read_only && is_mutating(&operation) {
            return Err(ReadOnlyRefused { operation }.into());
        }
        Ok(())
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let (service, operation) = names(cfg);
        let request = context.request_mut();
        if let Some(endpoint) = &self.endpoint {
            // The SDK puts StartLiveTail's host prefix `stream-` even before an overridden host.
            // Replacing the authority takes it off, and follows a local cloud that moved.
            let uri = endpoint.rewrite(request.uri())?;
            request.set_uri(uri)?;
        }
        request.add_extension(OperationName { service, operation });
        Ok(())
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let (_, operation) = names(cfg);
        if is_mutating(&operation) && cfg.load::<Begun>().is_none() {
            let request = context.request();
            let (access_key, region) = credential_scope(request);
            let begun =
                Begun { at: Instant::now(), access_key, region, resource: resource(request) };
            cfg.interceptor_state().store_put(begun);
        }
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(begun) = cfg.load::<Begun>() else { return Ok(()) };
        let (service, operation) = names(cfg);
        let result = match context.output_or_error() {
            Some(Ok(_)) => "ok".to_owned(),
            Some(Err(_)) => {
                let status = context.response().map(|r| r.status().as_u16());
                let code = context.response().and_then(|r| r.headers().get("x-amzn-errortype"));
                match (code, status) {
                    (Some(code), _) => code.split(':').next().unwrap_or(code).to_owned(),
                    (None, Some(status)) => format!("HTTP {status}"),
                    (None, None) => "no answer".to_owned(),
                }
            }
            None => "not sent".to_owned(),
        };
        let caller = self.caller.get();
        self.audit.write(Entry {
            time: time::OffsetDateTime::now_utc()
                .format(&time::format_description::well_known::Rfc3339)
                .unwrap_or_default(),
            who: caller.map_or_else(|| begun.access_key.clone(), |c| c.arn.clone()),
            account: caller.map(|c| c.account.clone()).unwrap_or_default(),
            region: begun.region.clone(),
            target: self.target.clone(),
            service,
            operation,
            resource: begun.resource.clone(),
            result,
            millis: u64::try_from(begun.at.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
        Ok(())
    }
}

/// The access key's id and the region of a signed request.
fn credential_scope(request: &HttpRequest) -> (String, String) {
    let scope = request
        .headers()
        .get("authorization")
        .and_then(|value| value.split("Credential=").nth(1))
        .unwrap_or_default();
    let mut parts = scope.split(['/', ',']);
    let key = parts.next().unwrap_or_default().to_owned();
    (key, parts.nth(1).unwrap_or_default().to_owned())
}

/// What a request is about, as far as it names it: the path of a REST call, the named resource of a
/// JSON or query call. Never a value that could be a secret.
fn resource(request: &HttpRequest) -> String {
    let path = request.uri().split_once("://").map_or(request.uri(), |(_, rest)| rest);
    let path = path.find('/').map_or("", |at| &path[at..]);
    let path = path.split('?').next().unwrap_or_default();
    if path.len() > 1 {
        return path.to_owned();
    }
    let Some(body) = request.body().bytes().filter(|b| b.len() <= 1024 * 1024) else {
        return String::new();
    };
    if let Ok(serde_json::Value::Object(members)) = serde_json::from_slice(body) {
        let names = [
            "TableName",
            "logGroupName",
            "logGroupIdentifier",
            "resourceArn",
            "QueueUrl",
            "QueueName",
        ];
        return names
            .iter()
            .find_map(|name| members.get(*name)?.as_str())
            .unwrap_or_default()
            .to_owned();
    }
    let text = std::str::from_utf8(body).unwrap_or_default();
    // Arguments of IAM, then of SNS.
    ["RoleName", "PolicyName", "TopicArn", "SubscriptionArn", "ResourceArn", "Name"]
        .iter()
        .filter_map(|name| {
            text.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        })
        .collect::<Vec<_>>()
        .join("/")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use aws_smithy_types::body::SdkBody;

    use super::*;

    fn request(uri: &str, body: &'static str) -> HttpRequest {
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_uri(uri.to_owned()).unwrap();
        request
    }

    #[test]
    fn resource_is_the_path_or_the_named_member() {
        assert_eq!(
            resource(&request("http://h:1/2015-03-31/functions/a/aliases/prod?x=secret", "{}")),
            "/2015-03-31/functions/a/aliases/prod"
        );
        assert_eq!(
            resource(&request("http://h:1/", r#"{"TableName":"visits","Item":{"pw":"x"}}"#)),
            "visits"
        );
        assert_eq!(
            resource(&request(
                "https://h/",
                "Action=PutRolePolicy&RoleName=r&PolicyName=p&PolicyDocument=x"
            )),
            "r/p"
        );
        assert_eq!(resource(&request("https://h", "binary\u{0}")), "");
    }

    #[test]
    fn scope_is_read_from_the_signature() {
        let mut request = request("http://h/", "");
        request.headers_mut().insert(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIDX/20261120/eu-west-1/lambda/aws4_request, SignedHeaders=host, Signature=00",
        );
        assert_eq!(credential_scope(&request), ("AKIDX".to_owned(), "eu-west-1".to_owned()));
    }
}
