//! The one interceptor on every AWS client: read-only refusal, endpoint, operation name, audit.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, Metadata};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use tokio::sync::OnceCell;

use crate::audit::{self, Audit, Entry};
use crate::endpoint::Endpoint;
use crate::note;
use crate::operations::{is_mutating, why_mutating};
use crate::transport::OperationName;

/// Why a call was not sent: the target is read-only.
#[derive(Debug, thiserror::Error)]
#[error("{}, and the target is read-only", why_mutating(.operation))]
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
    /// Refuse operations that may change something. Goes on, never off.
    pub read_only: Arc<AtomicBool>,
    /// Where an override of the endpoint points to now, where there is one.
    pub endpoint: Option<Arc<Endpoint>>,
    /// Where calls that may change something are written down.
    pub scribe: Arc<Scribe>,
}

/// Writes down what changes something, with what all such calls of a target share.
#[derive(Debug)]
pub struct Scribe {
    /// The file.
    pub audit: Audit,
    /// The target's name.
    pub target: String,
    /// The target's region.
    pub region: String,
    /// Who calls, once it is known.
    pub caller: Arc<OnceCell<Caller>>,
}

impl Scribe {
    /// The begin of an entry: what is known before it is done, with the note of the running task.
    fn begun(&self, service: &str, operation: &str, resource: String) -> Entry {
        let note = note::current();
        let (from, to) = match &note.change {
            Some(change) => (change.from.clone(), change.to.clone()),
            None => Default::default(),
        };
        Entry {
            region: self.region.clone(),
            target: self.target.clone(),
            lab: note.lab.map(|lab| lab.to_string()).unwrap_or_default(),
            service: service.to_owned(),
            operation: operation.to_owned(),
            resource,
            from,
            to,
            ..Entry::default()
        }
    }

    /// Begins an entry; it is written when the answer is there, or when nobody waits for it any more.
    pub fn begin(self: &Arc<Self>, service: &str, operation: &str, resource: String) -> Begun {
        let entry = self.begun(service, operation, resource);
        Begun { at: Instant::now(), scribe: Arc::clone(self), entry: Mutex::new(Some(entry)) }
    }
}

/// A call that may change something, between its begin and its end.
#[derive(Debug)]
pub struct Begun {
    at: Instant,
    scribe: Arc<Scribe>,
    entry: Mutex<Option<Entry>>,
}

impl Storable for Begun {
    type Storer = StoreReplace<Self>;
}

impl Begun {
    /// Who signed the call, until the caller is known, and the region that it was signed for.
    fn signed(&self, access_key: String, region: String) {
        let mut entry = self.entry.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = &mut *entry {
            entry.who = access_key;
            if !region.is_empty() {
                entry.region = region;
            }
        }
    }

    /// Writes the entry with its result, once.
    pub fn ended(&self, result: impl Into<String>) {
        let entry = self.entry.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut entry) = entry else { return };
        entry.time = audit::now();
        entry.result = result.into();
        entry.millis = u64::try_from(self.at.elapsed().as_millis()).unwrap_or(u64::MAX);
        if let Some(caller) = self.scribe.caller.get() {
            entry.who.clone_from(&caller.arn);
            entry.account.clone_from(&caller.account);
        }
        self.scribe.audit.write(entry);
    }
}

impl Drop for Begun {
    /// Whoever waited for the answer has stopped waiting: the call may have taken effect.
    fn drop(&mut self) {
        self.ended("given up before the answer");
    }
}

impl Guard {
    fn refuse(&self, service: &str, operation: &str) -> Result<(), BoxError> {
        if self.read_only.load(Ordering::SeqCst) && is_mutating(service, operation) {
            return Err(ReadOnlyRefused { operation: operation.to_owned() }.into());
        }
        Ok(())
    }
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
        let (service, operation) = names(cfg);
        self.refuse(&service, &operation)
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let (service, operation) = names(cfg);
        // A call that is tried again may find that the target became read-only.
        self.refuse(&service, &operation)?;
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
        let (service, operation) = names(cfg);
        if is_mutating(&service, &operation) && cfg.load::<Begun>().is_none() {
            let request = context.request();
            let begun = self.scribe.begin(&service, &operation, resource(request));
            let (access_key, region) = credential_scope(request);
            begun.signed(access_key, region);
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
        begun.ended(match context.output_or_error() {
            Some(Ok(_)) => Entry::ok(),
            Some(Err(_)) => context.response().map_or_else(|| "no answer".to_owned(), error_code),
            None => "not sent".to_owned(),
        });
        Ok(())
    }
}

/// The code of an error, as its protocol says it: in a header, in JSON, in XML; else the status.
fn error_code(response: &HttpResponse) -> String {
    let header = |name| response.headers().get(name);
    let said = header("x-amzn-errortype").or_else(|| header("x-amzn-query-error"));
    let code = match (said, response.body().bytes()) {
        (Some(code), _) => Some(code.to_owned()),
        (None, Some(body)) => code_in(body),
        (None, None) => None,
    };
    match code {
        // A URI may follow a colon, a namespace stands before a hash, a fault behind a semicolon.
        Some(code) => {
            let code = code.split([':', ';']).next().unwrap_or_default();
            code.rsplit('#').next().unwrap_or_default().to_owned()
        }
        None => format!("HTTP {}", response.status().as_u16()),
    }
}

fn code_in(body: &[u8]) -> Option<String> {
    if let Ok(body) = serde_json::from_slice::<serde_json::Value>(body) {
        let code = ["__type", "code", "Code"].iter().find_map(|name| body.get(*name)?.as_str());
        return code.map(str::to_owned);
    }
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once("<Code>")?;
    rest.split_once("</Code>").map(|(code, _)| code.to_owned())
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
    fn the_code_of_an_error_is_found_in_every_protocol() {
        let answer = |header: Option<(&'static str, &'static str)>, body: &'static str| {
            let status = 400.try_into().unwrap();
            let mut response = HttpResponse::new(status, SdkBody::from(body));
            if let Some((name, value)) = header {
                response.headers_mut().insert(name, value);
            }
            error_code(&response)
        };
        let rest = Some(("x-amzn-errortype", "ResourceConflictException:http://x/"));
        assert_eq!(answer(rest, "{}"), "ResourceConflictException");
        let query = Some(("x-amzn-query-error", "AWS.SimpleQueueService.NonExistentQueue;Sender"));
        assert_eq!(answer(query, "{}"), "AWS.SimpleQueueService.NonExistentQueue");
        let typed = r#"{"__type":"com.amazonaws.dynamodb#ResourceInUseException","message":"m"}"#;
        assert_eq!(answer(None, typed), "ResourceInUseException");
        let xml = "<ErrorResponse><Error><Code>NoSuchEntity</Code></Error></ErrorResponse>";
        assert_eq!(answer(None, xml), "NoSuchEntity");
        assert_eq!(answer(None, "busy"), "HTTP 400");
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
