//! The AWS SDKs on the cloud of a sandbox, as somebody else would use them beside labdeck.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_lambda::config::{Credentials, SharedCredentialsProvider};
use serde_json::Value;

use super::Sandbox;

/// The region of the local cloud.
pub const REGION: &str = "us-east-1";

/// What the cloud of a sandbox takes from its operator.
pub struct Keys {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub admin_token: String,
}

impl Keys {
    /// Of the cloud of `sandbox`, which must have run.
    pub fn of(sandbox: &Sandbox) -> Self {
        let path = sandbox.state_dir().join("credentials.json");
        let own: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let text = |name: &str| own[name].as_str().unwrap().to_owned();
        Self {
            access_key_id: text("access_key_id"),
            secret_access_key: text("secret_access_key"),
            admin_token: text("admin_token"),
        }
    }
}

/// Where the cloud of `sandbox` answers, which must run.
pub fn endpoint(sandbox: &Sandbox) -> String {
    sandbox.cloud().unwrap()["endpoint"].as_str().unwrap().to_owned()
}

/// A configuration of the SDKs for the cloud of `sandbox`, which must run, with its operator's keys.
pub fn config(sandbox: &Sandbox) -> SdkConfig {
    let keys = Keys::of(sandbox);
    let keys = Credentials::new(keys.access_key_id, keys.secret_access_key, None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(endpoint(sandbox))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .build()
}

/// What waits for the answers of an SDK.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Runs `work` to its end.
pub fn run<T>(work: impl Future<Output = T>) -> T {
    runtime().block_on(work)
}
