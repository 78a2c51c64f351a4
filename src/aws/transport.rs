//! The HTTP client under every AWS client: one connection pool, attempts counted, budgets spent.
//!
//! Interceptors are synchronous and can't wait, and the SDK has no public way to set a retry
//! strategy, so the rate budgets are spent here, once per attempt and outside its timeouts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_smithy_http_client::{Builder, tls};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use crate::budget::Budgets;
use crate::calls::count_one;

/// Names the operation of a request; put on it by the interceptor.
#[derive(Debug, Clone)]
pub struct OperationName {
    /// The SDK's service id, such as `API Gateway`.
    pub service: String,
    /// The operation, such as `PutRestApi`.
    pub operation: String,
}

/// Makes the client that all AWS clients of a target share.
///
/// `tls` is false for plain `http://` endpoints, which then never load certificate roots.
pub fn shared_client(tls: bool, budgets: Option<Arc<Budgets>>) -> SharedHttpClient {
    let idle = Duration::from_mins(1);
    let inner = if tls {
        Builder::new()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .pool_idle_timeout(idle)
            .build_https()
    } else {
        Builder::new().pool_idle_timeout(idle).build_http()
    };
    SharedHttpClient::new(Client { inner, budgets })
}

#[derive(Debug)]
struct Client {
    inner: SharedHttpClient,
    budgets: Option<Arc<Budgets>>,
}

impl HttpClient for Client {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector {
            inner: self.inner.http_connector(settings, components),
            budgets: self.budgets.clone(),
        })
    }
}

#[derive(Debug)]
struct Connector {
    inner: SharedHttpConnector,
    budgets: Option<Arc<Budgets>>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        count_one();
        let wait = match (&self.budgets, request.extension::<OperationName>()) {
            (Some(budgets), Some(name)) => {
                budgets.spend(&name.service, &name.operation, Instant::now())
            }
            _ => Duration::ZERO,
        };
        if wait.is_zero() {
            return self.inner.call(request);
        }
        let inner = self.inner.clone();
        HttpConnectorFuture::new(async move {
            tokio::time::sleep(wait).await;
            inner.call(request).await
        })
    }
}
