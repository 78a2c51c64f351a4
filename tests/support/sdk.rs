//! The AWS SDKs, as somebody else would use them beside labdeck.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use serde_json::Value;

use super::Sandbox;

/// A configuration of the SDKs for the cloud of `sandbox`, which must run, with its operator's keys.
pub fn config(sandbox: &Sandbox) -> SdkConfig {
    let endpoint = sandbox.cloud().unwrap()["endpoint"].as_str().unwrap().to_owned();
    let path = sandbox.state_dir().join("credentials.json");
    let own: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let text = |name: &str| own[name].as_str().unwrap().to_owned();
    let keys = aws_sdk_lambda::config::Credentials::new(
        text("access_key_id"),
        text("secret_access_key"),
        None,
        None,
        "test",
    );
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .credentials_provider(aws_sdk_lambda::config::SharedCredentialsProvider::new(keys))
        .build()
}

/// Runs `work` to its end.
pub fn run<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(work)
}
