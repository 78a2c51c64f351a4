//! A client of API Gateway that is not labdeck's, and faults of the local cloud.

use aws_sdk_apigateway::types::{Op, PatchOperation};
use serde_json::Value;

use super::{Sandbox, http, sdk};

/// Somebody with another tool.
pub struct Operator {
    pub client: aws_sdk_apigateway::Client,
    pub runtime: tokio::runtime::Runtime,
    endpoint: String,
    token: String,
}

impl Operator {
    /// On the cloud of `sandbox`, which must run.
    pub fn new(sandbox: &Sandbox) -> Self {
        Self {
            client: aws_sdk_apigateway::Client::new(&sdk::config(sandbox)),
            runtime: sdk::runtime(),
            endpoint: sdk::endpoint(sandbox),
            token: sdk::Keys::of(sandbox).admin_token,
        }
    }

    /// The id of the API with this name.
    pub fn api(&self, name: &str) -> String {
        let all = self.runtime.block_on(self.client.get_rest_apis().send()).unwrap();
        let found = all.items().iter().find(|api| api.name() == Some(name)).unwrap();
        found.id().unwrap().to_owned()
    }

    /// The id of the usage plan with this name.
    pub fn plan(&self, name: &str) -> String {
        let all = self.runtime.block_on(self.client.get_usage_plans().send()).unwrap();
        let found = all.items().iter().find(|plan| plan.name() == Some(name)).unwrap();
        found.id().unwrap().to_owned()
    }

    /// Gives a setting of a stage another value.
    pub fn set_stage(&self, api: &str, stage: &str, path: &str, value: &str) {
        let patch = PatchOperation::builder().op(Op::Replace).path(path).value(value).build();
        let call = self.client.update_stage().rest_api_id(self.api(api)).stage_name(stage);
        self.runtime.block_on(call.patch_operations(patch).send()).unwrap();
    }

    /// Gives a setting of a usage plan another value.
    pub fn set_plan(&self, plan: &str, path: &str, value: &str) {
        let patch = PatchOperation::builder().op(Op::Replace).path(path).value(value).build();
        let call = self.client.update_usage_plan().usage_plan_id(self.plan(plan));
        self.runtime.block_on(call.patch_operations(patch).send()).unwrap();
    }

    /// What a stage says of all its methods, where it says something.
    pub fn rate_set(&self, api: &str, stage: &str) -> bool {
        let call = self.client.get_stage().rest_api_id(self.api(api)).stage_name(stage);
        let found = self.runtime.block_on(call.send()).unwrap();
        found.method_settings().is_some_and(|all| all.contains_key("*/*"))
    }

    /// `*/*`'s requests per second of a stage.
    pub fn rate(&self, api: &str, stage: &str) -> f64 {
        let call = self.client.get_stage().rest_api_id(self.api(api)).stage_name(stage);
        let found = self.runtime.block_on(call.send()).unwrap();
        found.method_settings().unwrap()["*/*"].throttling_rate_limit()
    }

    fn admin(&self, method: &str, body: &str) -> Value {
        let authorization = format!("Bearer {}", self.token);
        let headers = [("Authorization", authorization.as_str())];
        let url = format!("{}/_labdeck/faults", self.endpoint);
        let answer = http::send(method, &url, &headers, body.as_bytes()).unwrap();
        assert!(answer.status < 300, "{answer:?}");
        serde_json::from_str(&answer.body).unwrap_or_default()
    }

    /// Sets the faults of the cloud in place of those before (`docs/architecture.md`).
    pub fn faults(&self, faults: &Value) {
        self.admin("PUT", &faults.to_string());
    }

    /// Lets the next call of an operation wait until [`Operator::go_on`].
    pub fn pause(&self, service: &str, operation: &str) {
        let fault = serde_json::json!([
            { "service": service, "operation": operation, "nth": 1, "action": "pause" }
        ]);
        self.admin("PUT", &fault.to_string());
    }

    /// Lets every call of an operation take so much longer, also those of functions.
    pub fn slow(&self, service: &str, operation: &str, delay_ms: u32) {
        let fault = serde_json::json!([
            { "service": service, "operation": operation, "every": 1, "action": { "delay_ms": delay_ms } }
        ]);
        self.admin("PUT", &fault.to_string());
    }

    /// Gives what is behind a method another setting; stages serve it once it is deployed.
    pub fn set_integration(&self, api: &str, path: &str, method: &str, setting: (&str, &str)) {
        let api = self.api(api);
        let patch = PatchOperation::builder().op(Op::Replace).path(setting.0).value(setting.1);
        let call = self.client.update_integration().rest_api_id(&api).http_method(method);
        let call = call.resource_id(self.resource(&api, path)).patch_operations(patch.build());
        self.runtime.block_on(call.send()).unwrap();
    }

    /// The id of a resource of the API with this id.
    pub fn resource(&self, api: &str, path: &str) -> String {
        let all = self.client.get_resources().rest_api_id(api).limit(500).send();
        let all = self.runtime.block_on(all).unwrap();
        let found = all.items().iter().find(|one| one.path() == Some(path)).unwrap();
        found.id().unwrap().to_owned()
    }

    /// Waits until a call waits.
    pub fn paused(&self) {
        super::eventually("a call waits", || {
            let struck = self.admin("GET", "").to_string().contains("\"fired\":1");
            struck.then_some(())
        });
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.admin("DELETE", "");
    }
}
