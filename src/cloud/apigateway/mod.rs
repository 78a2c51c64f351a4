//! API Gateway (REST APIs): the control plane on stored documents, the data plane on compiled ones.
//!
//! Every change is made on a copy of one API, committed, and only then put in the place of the old
//! one, for reading and for serving (`state`). Requests to an API read what was compiled from its
//! deployments and hold a lock only for cloning a pointer.

mod behind;
mod control;
mod data;
mod ids;
mod import;
mod model;
mod patch;
mod plans;
mod reply;
mod state;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

#[doc(hidden)]
pub use control::try_import;
pub use data::ExecuteRequest;

use crate::core::{Core, REGION};
use crate::error::AwsError;
use crate::iam::Iam;
use crate::lambda::Lambda;
use crate::logs::Logs;
use crate::protocol::{self, Protocol};
use crate::store::StoreError;
use crate::wire::{Answer, ApiRequest};
use behind::Behind;
use data::backend::Backends;
use reply::Outcome;
use state::Apis;

/// What stands unencoded in a segment of a resource's name.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The API Gateway service.
pub struct ApiGateway {
    core: Arc<Core>,
    iam: Arc<Iam>,
    backends: Arc<dyn Backends>,
    apis: Apis,
}

impl std::fmt::Debug for ApiGateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiGateway").finish_non_exhaustive()
    }
}

impl ApiGateway {
    /// Reads the APIs from the store and serves their stages.
    pub fn open(
        core: Arc<Core>,
        iam: Arc<Iam>,
        lambda: Arc<Lambda>,
        logs: Arc<Logs>,
    ) -> Result<Arc<Self>, StoreError> {
        let behind = Behind { core: Arc::clone(&core), lambda, logs };
        Self::with_backends(core, iam, Arc::new(behind))
    }

    /// Reads the APIs from the store; `backends` is what their integrations call.
    fn with_backends(
        core: Arc<Core>,
        iam: Arc<Iam>,
        backends: Arc<dyn Backends>,
    ) -> Result<Arc<Self>, StoreError> {
        let apis = Apis::open(core.store.clone())?;
        Ok(Arc::new(Self { core, iam, backends, apis }))
    }

    /// Answers a control-plane call.
    pub async fn call(self: &Arc<Self>, request: ApiRequest) -> Answer {
        let request_id = request.request_id.clone();
        let outcome = if request.method == Method::GET {
            self.operate(&request).await
        } else {
            // A change goes on when its client hangs up: what was committed must become visible.
            let service = Arc::clone(self);
            let change = tokio::spawn(async move { service.operate(&request).await });
            change.await.unwrap_or_else(|error| {
                Err(AwsError::internal(format!("the operation ended early: {error}")))
            })
        };
        let mut answer = match outcome {
            Ok(reply) => reply.into_answer(),
            Err(error) => Protocol::ApiGateway.error(&error, &request_id),
        };
        protocol::set_request_id(&mut answer, &request_id);
        answer
    }

    /// Answers a request to a stage of an API.
    pub async fn execute(&self, request: ExecuteRequest) -> Answer {
        let now = self.core.now_millis();
        let (live, plans) = (self.apis.live(), self.apis.plans());
        data::execute(live, plans, self.backends.as_ref(), &request, now).await
    }

    /// Writes what requests counted and nobody has written yet.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.apis.plans().flush().await
    }

    async fn operate(&self, request: &ApiRequest) -> Outcome {
        self.authorize(request)?;
        let call = control::Call { request, now: self.core.now_millis() / 1000 };
        let trial = control::trial::answer(
            &self.apis,
            self.backends.as_ref(),
            &call,
            self.core.now_millis(),
        );
        if let Some(outcome) = trial.await {
            return outcome;
        }
        control::dispatch(&self.apis, &self.iam, &call).await
    }

    /// API Gateway's actions are the HTTP methods, its resources the paths.
    fn authorize(&self, request: &ApiRequest) -> Result<(), AwsError> {
        let action = format!("apigateway:{}", request.method);
        // As it is understood, however it was written: `/rest%61pis` is no way around a policy.
        let mut path = String::with_capacity(request.path.len());
        let segments = request.segments();
        let shown = segments.len() - usize::from(segments.last().is_some_and(String::is_empty));
        for segment in segments.iter().take(shown) {
            path.push('/');
            path.extend(percent_encoding::utf8_percent_encode(segment, UNRESERVED));
        }
        let resource = format!("arn:aws:apigateway:{REGION}::{path}");
        self.iam
            .authorize(&request.caller, &action, &resource)
            .map_err(|denial| denial.into_error(403))
    }
}
