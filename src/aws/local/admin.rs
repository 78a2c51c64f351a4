//! What only the local cloud can do: status, attach, stop, slow tables.

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::failure::{Failure, FailureKind, Result};

/// What the local cloud says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudStatus {
    /// Version of labdeck that runs it.
    pub version: String,
    /// Its process id.
    pub pid: i32,
    /// `http://127.0.0.1:PORT`.
    pub endpoint: String,
    /// When it started, in ms since the epoch.
    #[serde(default)]
    pub started_ms: i64,
    /// How long it runs, in ms.
    #[serde(default)]
    pub uptime_ms: u64,
    /// Attached clients.
    #[serde(default)]
    pub attached: u64,
    /// Requests answered.
    #[serde(default)]
    pub requests: u64,
    /// Execution environments that run.
    #[serde(default)]
    pub environments: u64,
    /// Bytes that its state uses.
    #[serde(default)]
    pub state_bytes: u64,
    /// Bytes that its state may use.
    #[serde(default)]
    pub state_cap_bytes: u64,
    /// Whether it takes requests whoever signed them.
    #[serde(default)]
    pub any_credentials: bool,
    /// Whether it holds AWS's rates and delays.
    #[serde(default)]
    pub aws_limits: bool,
    /// Milliseconds of round trip that it adds to every call.
    #[serde(default)]
    pub rtt_ms: u64,
    /// The file of the policy that holds for the operator, when one does.
    #[serde(default)]
    pub operator_policy: Option<String>,
    /// Faults that are set.
    #[serde(default)]
    pub faults: u64,
    /// What had to be changed at its start: a damaged file moved aside, another port.
    #[serde(default)]
    pub notices: Vec<String>,
}

/// How slow a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowTable {
    /// How much longer every call takes.
    pub delay: Duration,
    /// When the cloud ends it, in ms since the epoch; without it when it is told to.
    pub until_ms: Option<i64>,
}

/// Why an admin call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    /// Nobody listens there.
    #[error("nobody listens there")]
    Refused,
    /// The cloud answered with this status and text.
    #[error("status {0}: {1}")]
    Status(u16, String),
    /// No answer in time, or a broken one.
    #[error("{0}")]
    Broken(String),
}

/// The admin API of a running local cloud. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LocalAdmin {
    endpoint: Arc<Endpoint>,
    token: Arc<std::sync::RwLock<String>>,
    http: SharedHttpConnector,
}

/// A connection that tells the local cloud that somebody uses it; dropping it detaches.
#[derive(Debug)]
pub struct Attachment(ByteStream);

impl Attachment {
    /// Waits until the local cloud ends or the connection breaks.
    pub async fn closed(mut self) {
        while let Some(Ok(_)) = self.0.next().await {}
    }
}

impl LocalAdmin {
    pub(crate) fn new(endpoint: &str, token: String) -> Self {
        let settings = HttpConnectorSettings::builder()
            .connect_timeout(Duration::from_secs(2))
            .read_timeout(Duration::from_secs(5))
            .build();
        let http = Connector::builder().connector_settings(settings).build_http();
        Self {
            endpoint: Arc::new(Endpoint::new(endpoint)),
            token: Arc::new(std::sync::RwLock::new(token)),
            http: SharedHttpConnector::new(http),
        }
    }

    /// What the cloud says of itself.
    pub async fn status(&self) -> Result<CloudStatus> {
        self.try_status().await.map_err(|e| failure("asking the local cloud for its status", &e))
    }

    pub(crate) async fn try_status(&self) -> Result<CloudStatus, AdminError> {
        let value = self.call("GET", "/_labdeck/status", None).await?;
        serde_json::from_value(value).map_err(|e| AdminError::Broken(e.to_string()))
    }

    /// Tells the cloud that somebody uses it, for as long as the answer is kept.
    pub async fn attach(&self) -> Result<Attachment> {
        let response = self
            .send("GET", "/_labdeck/attach", None)
            .await
            .map_err(|e| failure("attaching to the local cloud", &e))?;
        Ok(Attachment(ByteStream::new(response.into_body())))
    }

    /// Stops the cloud. With `only_if_alone` it goes on when others are attached, ends with the
    /// last of them, and `false` is answered.
    pub async fn stop(&self, only_if_alone: bool) -> Result<bool> {
        let body = json!({ "only_if_alone": only_if_alone });
        match self.call("POST", "/_labdeck/stop", Some(body)).await {
            Err(AdminError::Status(409, _)) => Ok(false),
            // Refused: it had ended before the request.
            Ok(_) | Err(AdminError::Refused) => Ok(true),
            Err(error) => Err(failure("stopping the local cloud", &error)),
        }
    }

    /// How slow every call on `table` is, if it is.
    pub async fn table_latency(&self, table: &str) -> Result<Option<SlowTable>> {
        let value = self
            .call("GET", &latency_path(table), None)
            .await
            .map_err(|e| failure(&format!("reading the delay of table {table}"), &e))?;
        let delay = value["delay_ms"].as_u64().filter(|ms| *ms > 0).map(Duration::from_millis);
        Ok(delay.map(|delay| SlowTable { delay, until_ms: value["until_ms"].as_i64() }))
    }

    /// Makes every call on `table` slow; `None` takes that back. The cloud ends it at its time.
    pub async fn set_table_latency(&self, table: &str, slow: Option<SlowTable>) -> Result<()> {
        let path = latency_path(table);
        let done = match slow {
            Some(slow) => {
                let millis = u64::try_from(slow.delay.as_millis()).unwrap_or(u64::MAX);
                let body = json!({ "delay_ms": millis, "until_ms": slow.until_ms });
                self.call("PUT", &path, Some(body)).await
            }
            None => match self.call("DELETE", &path, None).await {
                Err(AdminError::Status(404, _)) => Ok(Value::Null),
                other => other,
            },
        };
        done.map(|_| ()).map_err(|e| failure(&format!("setting the delay of table {table}"), &e))
    }

    async fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, AdminError> {
        let response = self.send(method, path, body).await?;
        let bytes = collect(response).await?;
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|e| AdminError::Broken(e.to_string()))
    }

    /// Sends a call; an answer other than 2xx is an error.
    async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<HttpResponse, AdminError> {
        let broken = |e: &dyn std::fmt::Display| AdminError::Broken(e.to_string());
        let bytes = body.map(|b| b.to_string()).unwrap_or_default();
        let length = bytes.len();
        let mut request = HttpRequest::new(SdkBody::from(bytes));
        request.set_method(method).map_err(|e| broken(&e))?;
        request
            .set_uri(format!("{}{path}", self.endpoint.url()))
            .map_err(|e| AdminError::Broken(e.to_string()))?;
        let token = self.token.read().map(|token| token.clone()).unwrap_or_default();
        let headers = request.headers_mut();
        headers.try_insert("authorization", format!("Bearer {token}")).map_err(|e| broken(&e))?;
        headers.insert("content-type", "application/json");
        headers.insert("content-length", length.to_string());
        let response = self.http.call(request).await.map_err(|e| connection_error(&e))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let text = String::from_utf8_lossy(&collect(response).await.unwrap_or_default())
            .chars()
            .take(300)
            .collect();
        Err(AdminError::Status(status, text))
    }

    /// Reaches what `other` reaches from now on, every clone included.
    pub(crate) fn follow(&self, other: &Self) {
        self.endpoint.set(&other.endpoint.url());
        let token = other.token.read().map(|token| token.clone()).unwrap_or_default();
        if let Ok(mut slot) = self.token.write() {
            *slot = token;
        }
    }
}

fn latency_path(table: &str) -> String {
    // Table names are letters, digits, `_`, `.` and `-`: none needs encoding. Others are refused by
    // the cloud, but must not leave the path.
    let name: String = table
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
        .collect();
    format!("/_labdeck/tables/{name}/latency")
}

async fn collect(response: HttpResponse) -> Result<Vec<u8>, AdminError> {
    ByteStream::new(response.into_body())
        .collect()
        .await
        .map(aws_smithy_types::byte_stream::AggregatedBytes::to_vec)
        .map_err(|e| AdminError::Broken(e.to_string()))
}

fn connection_error(error: &ConnectorError) -> AdminError {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut last = String::new();
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && io.kind() == std::io::ErrorKind::ConnectionRefused
        {
            return AdminError::Refused;
        }
        last = error.to_string();
        next = error.source();
    }
    AdminError::Broken(last)
}

fn failure(what: &str, error: &AdminError) -> Failure {
    match error {
        AdminError::Refused => {
            Failure::new(FailureKind::Network, what, "the local cloud does not run any more")
                .next("run it again: the local cloud is started when it does not run")
        }
        AdminError::Status(404, text) => {
            Failure::new(FailureKind::NotFound, what, format!("status 404: {text}"))
        }
        AdminError::Status(..) => Failure::new(FailureKind::Service, what, error.to_string()),
        AdminError::Broken(_) => Failure::new(FailureKind::Network, what, error.to_string()),
    }
}
