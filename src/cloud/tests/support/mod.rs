//! A local cloud in the test's own process, on a state directory of its own.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use labdeck_cloud::lifecycle::{Options, StartError, run_until};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub struct Cloud {
    pub endpoint: String,
    pub state_dir: PathBuf,
    pub access_key_id: String,
    pub secret_access_key: String,
    pub admin_token: String,
    stopping: CancellationToken,
    running: JoinHandle<Result<(), StartError>>,
}

impl Cloud {
    pub async fn start(state_dir: &Path) -> Self {
        Self::start_with(Options::new(state_dir)).await
    }

    pub async fn start_with(options: Options) -> Self {
        let state_dir = options.state_dir.clone();
        let _ = std::fs::remove_file(state_dir.join("cloud.json"));
        Self::restart_with(options).await
    }

    /// Starts on a directory that was served before.
    pub async fn restart_with(options: Options) -> Self {
        let state_dir = options.state_dir.clone();
        let before = std::fs::read(state_dir.join("cloud.json")).ok();
        let stopping = CancellationToken::new();
        let running = tokio::spawn(run_until(options, stopping.clone()));
        let described = loop {
            assert!(!running.is_finished(), "the cloud did not start: {:?}", running.await);
            match std::fs::read(state_dir.join("cloud.json")) {
                Ok(bytes) if Some(&bytes) != before.as_ref() => break bytes,
                _ => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        };
        let described: Value = serde_json::from_slice(&described).unwrap();
        let credentials = std::fs::read(state_dir.join("credentials.json")).unwrap();
        let credentials: Value = serde_json::from_slice(&credentials).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self {
            endpoint: text(&described["endpoint"]),
            access_key_id: text(&credentials["access_key_id"]),
            secret_access_key: text(&credentials["secret_access_key"]),
            admin_token: text(&credentials["admin_token"]),
            state_dir,
            stopping,
            running,
        }
    }

    pub async fn stop(self) {
        self.stopping.cancel();
        self.running.await.unwrap().unwrap();
    }

    /// Waits for an end that came from elsewhere.
    pub async fn ended(self) {
        self.running.await.unwrap().unwrap();
    }

    pub fn config(&self) -> SdkConfig {
        self.config_as(&self.access_key_id, &self.secret_access_key, None)
    }

    pub fn config_as(&self, key: &str, secret: &str, token: Option<&str>) -> SdkConfig {
        let credentials = Credentials::new(key, secret, token.map(str::to_owned), None, "test");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&self.endpoint)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .sleep_impl(aws_smithy_async::rt::sleep::SharedAsyncSleep::new(
                aws_smithy_async::rt::sleep::TokioSleep::new(),
            ))
            .build()
    }

    /// A plain HTTP request, as text; the answer's status and everything behind its head.
    pub async fn raw(&self, head: &str, body: &str) -> (u16, String) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let address = self.endpoint.trim_start_matches("http://");
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let length = if head.contains("Content-Length") {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", body.len())
        };
        let text = format!("{head}Connection: close\r\n{length}\r\n{body}");
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned();
        (status, body)
    }

    pub async fn admin(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let host = self.endpoint.trim_start_matches("http://");
        let head = format!(
            "{method} /_labdeck/{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\n",
            self.admin_token
        );
        let (status, body) = self.raw(&head, body).await;
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }
}
