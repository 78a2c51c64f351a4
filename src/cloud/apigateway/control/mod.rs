//! The control plane: which operation a request means, and who does it.

mod absent;
mod account;
mod deployments;
mod export;
mod gateway_responses;
mod integrations;
mod key_import;
mod keys;
mod mappings;
mod methods;
mod models;
mod plan_keys;
mod plan_patch;
mod resources;
mod responses;
mod restapis;
mod settings;
mod stage_cache;
mod stages;
mod tags;
pub(super) mod trial;
mod usage;
mod usage_plans;
mod validators;

use super::reply::{Outcome, Paging};
use super::state::Apis;
use crate::error::AwsError;
use crate::iam::Iam;
use crate::wire::ApiRequest;

pub(super) use gateway_responses::check_type;
pub(super) use integrations::{check as check_integration, connection};
pub(super) use mappings::{
    check_request as check_request_mappings, check_response as check_response_mappings,
};
pub(super) use methods::check_parameters;
pub(super) use resources::add as add_resource;
pub use restapis::try_import;

/// A control-plane request with what its operations need to know.
pub(super) struct Call<'a> {
    pub request: &'a ApiRequest,
    /// Now, in seconds since the epoch.
    pub now: i64,
}

impl Call<'_> {
    /// The HTTP method.
    pub fn verb(&self) -> &str {
        self.request.method.as_str()
    }

    /// A query parameter.
    pub fn query(&self, name: &str) -> Option<String> {
        self.request.query_value(name)
    }

    /// `limit` and `position`.
    pub fn paging(&self) -> Result<Paging, AwsError> {
        Paging::read(self.query("limit").as_deref(), self.query("position"))
    }

    /// The request's body.
    pub fn body(&self) -> &[u8] {
        &self.request.body
    }

    /// The answer to a request that means no operation of this cloud.
    pub fn absent(&self) -> AwsError {
        absent::operation(self.verb(), &self.request.segments())
    }
}

/// Does what the request asks for.
pub(super) async fn dispatch(apis: &Apis, iam: &Iam, call: &Call<'_>) -> Outcome {
    let segments = call.request.segments();
    let mut path: Vec<&str> = segments.iter().map(String::as_str).collect();
    if path.last() == Some(&"") {
        path.pop();
    }
    match path.as_slice() {
        ["restapis"] => restapis::collection(apis, call).await,
        ["restapis", api] => restapis::one(apis, call, api).await,
        ["restapis", api, "resources"] => resources::list(apis, call, api),
        ["restapis", api, "resources", id] => resources::one(apis, call, api, id).await,
        ["restapis", api, "resources", id, "methods", verb] => {
            methods::one(apis, call, api, id, verb).await
        }
        ["restapis", api, "resources", id, "methods", verb, "responses", code] => {
            responses::of_method(apis, call, api, (id, verb), code).await
        }
        ["restapis", api, "resources", id, "methods", verb, "integration"] => {
            integrations::one(apis, call, api, (id, verb)).await
        }
        ["restapis", api, "resources", id, "methods", verb, "integration", "responses", code] => {
            responses::of_integration(apis, call, api, (id, verb), code).await
        }
        ["restapis", api, "models"] => models::collection(apis, call, api).await,
        ["restapis", api, "models", name] => models::one(apis, call, api, name).await,
        ["restapis", api, "requestvalidators"] => validators::collection(apis, call, api).await,
        ["restapis", api, "requestvalidators", id] => validators::one(apis, call, api, id).await,
        ["restapis", api, "authorizers"] if call.verb() == "GET" => {
            restapis::authorizers(apis, call, api)
        }
        ["restapis", api, "gatewayresponses"] => gateway_responses::list(apis, call, api),
        ["restapis", api, "gatewayresponses", kind] => {
            gateway_responses::one(apis, call, api, kind).await
        }
        ["restapis", api, "deployments"] => deployments::collection(apis, call, api).await,
        ["restapis", api, "deployments", id] => deployments::one(apis, call, api, id).await,
        ["restapis", api, "stages"] => stages::collection(apis, call, api).await,
        ["restapis", api, "stages", name] => stages::one(apis, call, api, name).await,
        ["restapis", api, "stages", name, "cache", "data"] => {
            stage_cache::flush(apis, call, api, name).await
        }
        ["restapis", api, "stages", name, "exports", format] => {
            export::get(apis, call, api, name, format)
        }
        ["tags", arn @ ..] if !arn.is_empty() => tags::one(apis, call, &arn.join("/")).await,
        ["apikeys"] => keys::collection(apis, call).await,
        ["apikeys", id] => keys::one(apis, call, id).await,
        ["usageplans"] => usage_plans::collection(apis, call).await,
        ["usageplans", id] => usage_plans::one(apis, call, id).await,
        ["usageplans", id, "keys"] => plan_keys::collection(apis, call, id).await,
        ["usageplans", id, "keys", key] => plan_keys::one(apis, call, id, key).await,
        ["usageplans", id, "usage"] => usage::of_plan(apis, call, id),
        ["usageplans", id, "keys", key, "usage"] => usage::of_key(apis, call, id, key).await,
        ["account"] => account::one(apis, iam, call).await,
        _ => Err(call.absent()),
    }
}
