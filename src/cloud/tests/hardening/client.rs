//! Unsigned requests, for a cloud that takes any credentials.

use std::io::{Cursor, Write as _};
use std::path::Path;

use base64::Engine as _;
use labdeck_cloud::lifecycle::Options;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::Cloud;

pub const ROLE: &str = "arn:aws:iam::000000000000:role/tester";
pub const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// Options of a cloud that takes unsigned requests.
pub fn options(dir: &Path) -> Options {
    Options { any_credentials: true, ..Options::new(dir) }
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The error's code, however the service's protocol tells it.
    pub fn code(&self) -> String {
        if let Some(code) = self.header("x-amzn-errortype") {
            return code.to_owned();
        }
        if let Some(code) = self.json()["__type"].as_str() {
            return code.rsplit('#').next().unwrap_or(code).to_owned();
        }
        let text = self.text();
        let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        code.map(|(code, _)| code.to_owned()).unwrap_or_default()
    }

    pub fn message(&self) -> String {
        let json = self.json();
        if let Some(message) = json["message"].as_str() {
            return message.to_owned();
        }
        let text = self.text();
        let message =
            text.split_once("<Message>").and_then(|(_, rest)| rest.split_once("</Message>"));
        message.map(|(message, _)| message.to_owned()).unwrap_or_default()
    }
}

/// Sends a request as it is; `None` when the connection ended without an answer.
pub async fn send(
    cloud: &Cloud,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<Reply> {
    let address = cloud.endpoint.trim_start_matches("http://");
    let mut head = format!(
        "{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        for part in [name, ": ", value, "\r\n"] {
            head.push_str(part);
        }
    }
    head.push_str("\r\n");
    exchange(address, head.as_bytes(), body).await
}

/// Sends bytes and reads the answer, when there is one.
pub async fn exchange(address: &str, head: &[u8], body: &[u8]) -> Option<Reply> {
    let mut stream = tokio::net::TcpStream::connect(address).await.ok()?;
    // The cloud may answer and close before it has read everything.
    let _ = stream.write_all(head).await;
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok())?;
    Some(Reply { status, head, body: answer[end + 4..].to_vec() })
}

/// A call that must be answered.
pub async fn call(cloud: &Cloud, method: &str, target: &str, body: &Value) -> Reply {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    send(cloud, method, target, &[], body.as_bytes()).await.expect("an answer")
}

/// A call of an awsJson service.
pub async fn target(cloud: &Cloud, target: &str, body: &Value) -> Reply {
    let headers = [("x-amz-target", target)];
    send(cloud, "POST", "/", &headers, body.to_string().as_bytes()).await.expect("an answer")
}

/// A call of IAM.
pub async fn iam(cloud: &Cloud, action: &str, parameters: &[(&str, &str)]) -> Reply {
    query(cloud, "2010-05-08", action, parameters).await
}

/// A call of an awsQuery service.
pub async fn query(
    cloud: &Cloud,
    version: &str,
    action: &str,
    parameters: &[(&str, &str)],
) -> Reply {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("Action", action).append_pair("Version", version);
    form.extend_pairs(parameters);
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    send(cloud, "POST", "/", &headers, form.finish().as_bytes()).await.expect("an answer")
}

/// Makes the role that [`create_function`] uses.
pub async fn create_role(cloud: &Cloud) -> Reply {
    let parameters = [("RoleName", "tester"), ("AssumeRolePolicyDocument", TRUST)];
    iam(cloud, "CreateRole", &parameters).await
}

/// Makes a function that is never run.
pub async fn create_function(cloud: &Cloud, name: &str) -> Reply {
    let input = json!({
        "FunctionName": name, "Role": ROLE, "Runtime": "provided.al2023", "Handler": "bootstrap",
        "Code": { "ZipFile": zip_of(b"#!/bin/sh\n") },
    });
    call(cloud, "POST", "/2015-03-31/functions", &input).await
}

/// A zip with `bootstrap`, in base64.
pub fn zip_of(bootstrap: &[u8]) -> String {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o755);
    zip.start_file("bootstrap", options).unwrap();
    zip.write_all(bootstrap).unwrap();
    base64::engine::general_purpose::STANDARD.encode(zip.finish().unwrap().into_inner())
}
