//! What the handlers' tests stand on: answers that were recorded, and tables in memory that take
//! conditions and transactions as `DynamoDB` does. A handler is given either in place of the network.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

mod recorded;
mod tables;

use aws_config::Region;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector, http_client_fn};
use handler_common::aws::{SdkConfig, bounded};

pub use recorded::Recorded;
pub use tables::Tables;

/// A configuration whose every request goes to `connector`.
fn config(connector: impl HttpConnector + 'static) -> SdkConfig {
    let connector = SharedHttpConnector::new(connector);
    let credentials = Credentials::new("AKID", "secret", None, None, "test");
    bounded(SdkConfig::builder())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .build()
}
