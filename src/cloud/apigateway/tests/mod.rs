//! Tests of API Gateway through its two doors: control-plane calls and requests to stages.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_pass_by_value)]

mod cache;
mod control;
mod execution_log;
mod import;
mod keys;
mod limits;
mod mappings;
mod plans;
mod requests;
mod stages;
mod validation;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::data::backend::{Backends, FunctionAnswer, FunctionCall, Later};
use super::{ApiGateway, ExecuteRequest};
use crate::core::Core;
use crate::error::AwsError;
use crate::iam::Iam;
use crate::store::Store;
use crate::wire::{Answer, ApiRequest, Caller};

/// A gateway on a directory of its own, with functions that answer what a test says.
pub(super) struct Bench {
    pub gateway: Arc<ApiGateway>,
    pub functions: Arc<Functions>,
    dir: tempfile::TempDir,
}

/// Functions: what they were called with, and what they answer.
#[derive(Default)]
pub(super) struct Functions {
    pub calls: Mutex<Vec<FunctionCall>>,
    pub answer: Mutex<Option<Result<(String, bool), AwsError>>>,
    pub hangs: Mutex<bool>,
    pub lines: Mutex<Vec<String>>,
}

impl Backends for Functions {
    fn call(&self, call: FunctionCall) -> Later<'static, Result<FunctionAnswer, AwsError>> {
        self.calls.lock().unwrap().push(call);
        let hangs = *self.hangs.lock().unwrap();
        let answer = self.answer.lock().unwrap().clone();
        Box::pin(async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            let default = r#"{"statusCode":200,"body":"hello"}"#.to_owned();
            let (payload, failed) = answer.unwrap_or(Ok((default, false)))?;
            let request_id = "the-invocation".to_owned();
            Ok(FunctionAnswer { payload: Bytes::from(payload), failed, request_id })
        })
    }

    fn log<'a>(&'a self, group: &'a str, _: &'a str, lines: Vec<(i64, String)>) -> Later<'a, ()> {
        let lines = lines.into_iter().map(|(_, line)| format!("{group} {line}"));
        self.lines.lock().unwrap().extend(lines);
        Box::pin(async {})
    }
}

/// An answer, read.
#[derive(Debug)]
pub(super) struct Read {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Read {
    async fn of(answer: Answer) -> Self {
        let (parts, body) = answer.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Self {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Status, error code and message.
    pub fn error(&self) -> (u16, String, String) {
        let code = self.header("x-amzn-errortype").unwrap_or_default().to_owned();
        let message = self.json()["message"].as_str().unwrap_or_default().to_owned();
        (self.status, code, message)
    }
}

impl Bench {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let functions = Arc::new(Functions::default());
        let gateway = open(dir.path(), &functions);
        Self { gateway, functions, dir }
    }

    /// The same state, read from disk again.
    pub fn reopen(self) -> Self {
        let Self { gateway, functions, dir } = self;
        drop(gateway);
        let gateway = open(dir.path(), &functions);
        Self { gateway, functions, dir }
    }

    /// The store, as another process would read it.
    pub fn store(&self) -> Store {
        Store::open(&self.dir.path().join("cloud.db")).unwrap()
    }

    /// Takes every token of the gateway as a whole, with those that arrive for a while.
    pub fn drain_account(&self) {
        let later = std::time::Instant::now() + std::time::Duration::from_hours(1);
        while self.gateway.apis.plans().account_admits(later) {}
    }

    /// A role that `service` may assume.
    pub async fn role(&self, name: &str, service: &str) {
        let trust = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow",
            "Principal": { "Service": service }, "Action": "sts:AssumeRole" }] });
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", "CreateRole")
            .append_pair("Version", "2010-05-08")
            .append_pair("RoleName", name)
            .append_pair("AssumeRolePolicyDocument", &trust.to_string())
            .finish();
        let mut headers = HeaderMap::new();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert("content-type", form);
        let request = ApiRequest {
            method: Method::POST,
            path: "/".to_owned(),
            query: String::new(),
            headers,
            body: body.into(),
            caller: Caller::Operator,
            request_id: "r-1".to_owned(),
        };
        let answer = Read::of(self.gateway.iam.call(request).await).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }

    pub async fn send(&self, method: &str, target: &str, body: impl Into<Bytes>) -> Read {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let request = ApiRequest {
            method: Method::from_bytes(method.as_bytes()).unwrap(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: HeaderMap::new(),
            body: body.into(),
            caller: Caller::Operator,
            request_id: "r-1".to_owned(),
        };
        Read::of(self.gateway.call(request).await).await
    }

    pub async fn call(&self, method: &str, target: &str, body: Value) -> Read {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, target, body).await
    }

    pub async fn patch(&self, target: &str, operations: Value) -> Read {
        self.call("PATCH", target, json!({ "patchOperations": operations })).await
    }

    /// Imports a document and answers the API's id.
    pub async fn import(&self, document: &Value) -> String {
        let answer = self.call("POST", "/restapis?mode=import", document.clone()).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// Imports a document and deploys it to `dev` with these variables.
    pub async fn serve(&self, document: &Value, variables: Value) -> String {
        let api = self.import(document).await;
        let deployment = json!({ "stageName": "dev", "variables": variables });
        let answer = self.call("POST", &format!("/restapis/{api}/deployments"), deployment).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        api
    }

    pub async fn request(
        &self,
        api: &str,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Read {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let request = ExecuteRequest {
            api_id: api.to_owned(),
            method: Method::from_bytes(method.as_bytes()).unwrap(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: map,
            body: Bytes::copy_from_slice(body.as_bytes()),
            source_ip: "127.0.0.1".parse().unwrap(),
            host: "127.0.0.1:4500".to_owned(),
        };
        Read::of(self.gateway.execute(request).await).await
    }

    pub async fn get(&self, api: &str, target: &str) -> Read {
        self.request(api, "GET", target, &[], "").await
    }

    /// The functions answer this from now on.
    pub fn answers(&self, payload: Value) {
        *self.functions.answer.lock().unwrap() = Some(Ok((payload.to_string(), false)));
    }

    /// The last event that a function got.
    pub fn event(&self) -> Value {
        let calls = self.functions.calls.lock().unwrap();
        serde_json::from_slice(&calls.last().unwrap().payload).unwrap()
    }
}

fn open(dir: &std::path::Path, functions: &Arc<Functions>) -> Arc<ApiGateway> {
    let core = Core::new(dir, Store::open(&dir.join("cloud.db")).unwrap());
    let iam = Iam::open(Arc::clone(&core)).unwrap();
    ApiGateway::with_backends(core, iam, Arc::clone(functions) as Arc<dyn Backends>).unwrap()
}

/// A Lambda proxy integration whose function is picked by a stage variable.
pub(super) fn lambda(function: &str) -> Value {
    json!({
        "type": "aws_proxy",
        "httpMethod": "POST",
        "uri": format!(
            "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/\
             arn:aws:lambda:us-east-1:000000000000:function:{function}/invocations"
        ),
    })
}

/// An operation behind that function.
pub(super) fn operation(function: &str) -> Value {
    json!({ "responses": {}, "x-amazon-apigateway-integration": lambda(function) })
}

/// A document with these paths.
pub(super) fn document(paths: Value) -> Value {
    json!({
        "openapi": "3.0.1",
        "info": { "title": "shop", "description": "a shop", "version": "1.0" },
        "paths": paths,
    })
}
