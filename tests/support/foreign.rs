//! What somebody else deployed: a function with versions and an alias, a REST API with methods of many
//! kinds, a usage plan with a key. Made with the SDKs alone.

use std::collections::HashMap;

use aws_sdk_apigateway::primitives::Blob as ApiBlob;
use aws_sdk_apigateway::types::{ApiStage, QuotaPeriodType, QuotaSettings};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionCode, LoggingConfig, Runtime};
use serde_json::{Value, json};

use super::gateway::Operator;
use super::{Sandbox, sdk};

/// The function behind the API.
pub const FUNCTION: &str = "orders-get";
/// The API.
pub const API: &str = "orders";
/// Its stage.
pub const STAGE: &str = "main";
/// The alias that the stage uses.
pub const ALIAS: &str = "live";
/// The log group that the function writes to.
const LOG_GROUP: &str = "/aws/lambda/greet-stateless";
/// What its owner wrote into the alias's description.
pub const TEXT: &str = "the alias of the shop";

/// Somebody with the SDKs, on the cloud of a sandbox where a lab is deployed: its code is theirs.
pub struct Foreign {
    pub operator: Operator,
    pub lambda: aws_sdk_lambda::Client,
    pub api_id: String,
}

impl Foreign {
    /// Deploys the lab whose code is used, and makes everything.
    pub fn new(sandbox: &Sandbox) -> Self {
        sandbox.json(&["deploy", "greet"]);
        let operator = Operator::new(sandbox);
        let lambda = client(sandbox);
        let mut foreign = Self { operator, lambda, api_id: String::new() };
        foreign.function(sandbox);
        foreign.api_id = foreign.api(API);
        foreign.deploy_api();
        foreign.plan();
        foreign
    }

    fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.operator.runtime.block_on(work)
    }

    /// A function with two versions; the alias serves the first.
    fn function(&self, sandbox: &Sandbox) {
        let lab = self.run(self.lambda.get_function().function_name("greet-stateless").send());
        let lab = lab.unwrap();
        let location = lab.code().unwrap().location().unwrap().to_owned();
        let hash = location.split("/code/").nth(1).unwrap().split('?').next().unwrap();
        let zip = sandbox.state_dir().join("code").join(format!("{hash}.zip"));
        let configuration = lab.configuration().unwrap();
        let says = |word: &str| Environment::builder().variables("GREETING", word).build();
        let code = FunctionCode::builder().zip_file(Blob::new(std::fs::read(zip).unwrap())).build();
        // The role of the lab's function may write that function's log alone.
        let log = LoggingConfig::builder().log_group(LOG_GROUP).build();
        let made = self
            .lambda
            .create_function()
            .function_name(FUNCTION)
            .role(configuration.role().unwrap())
            .runtime(Runtime::Providedal2023)
            .handler("bootstrap")
            .set_architectures(Some(configuration.architectures().to_vec()))
            .environment(says("First"))
            .logging_config(log)
            .code(code)
            .tags("team", "shop");
        self.run(made.send()).unwrap();
        self.publish();
        let alias = self.lambda.create_alias().function_name(FUNCTION).name(ALIAS);
        let alias = alias.function_version("1").description(TEXT);
        self.run(alias.send()).unwrap();
        let change = self.lambda.update_function_configuration().function_name(FUNCTION);
        self.run(change.environment(says("Second")).send()).unwrap();
        self.publish();
        let allowed = self
            .lambda
            .add_permission()
            .function_name(FUNCTION)
            .qualifier(ALIAS)
            .statement_id("gateway")
            .action("lambda:InvokeFunction")
            .principal("apigateway.amazonaws.com");
        self.run(allowed.send()).unwrap();
    }

    /// Publishes a version once the last change of the function took effect.
    fn publish(&self) {
        super::eventually("the function is ready", || {
            let call = self.lambda.get_function_configuration().function_name(FUNCTION);
            let now = self.run(call.send()).unwrap();
            let active = now.state().is_some_and(|state| state.as_str() == "Active");
            let done = now.last_update_status().is_some_and(|s| s.as_str() == "Successful");
            (active && done).then_some(())
        });
        self.run(self.lambda.publish_version().function_name(FUNCTION).send()).unwrap();
    }

    /// A REST API of this name; gives its id.
    pub fn api(&self, name: &str) -> String {
        let uri = |function: &str| {
            format!(
                "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/\
                 arn:aws:lambda:us-east-1:{function}/invocations"
            )
        };
        let proxy = |function: &str| json!({ "type": "aws_proxy", "httpMethod": "POST", "uri": uri(function) });
        let method = |integration: Value| {
            json!({
                "responses": { "200": { "description": "ok" } },
                "x-amazon-apigateway-integration": integration,
            })
        };
        let by_variable = format!("000000000000:function:{FUNCTION}:${{stageVariables.which}}");
        let mut guarded = method(proxy(&by_variable));
        guarded["security"] = json!([{ "api_key": [] }]);
        let literal = format!("000000000000:function:{FUNCTION}:{ALIAS}");
        let document = json!({
            "openapi": "3.0.1",
            "info": { "title": name, "version": "1" },
            "paths": {
                "/orders": { "get": method(proxy(&literal)) },
                "/orders/{id}": { "get": method(proxy(&by_variable)) },
                "/guarded": { "get": guarded },
                "/ping": { "get": method(json!({
                    "type": "mock", "requestTemplates": { "application/json": "{\"statusCode\": 200}" },
                })) },
                "/elsewhere": { "get": method(json!({
                    "type": "http_proxy", "httpMethod": "GET", "uri": "https://example.com/",
                })) },
                "/theirs": { "get": method(proxy("111122223333:function:theirs")) },
            },
            "components": { "securitySchemes": { "api_key": {
                "type": "apiKey", "name": "x-api-key", "in": "header",
            } } },
        });
        let call = self.operator.client.import_rest_api().body(ApiBlob::new(document.to_string()));
        let made = self.run(call.send()).unwrap();
        made.id().unwrap().to_owned()
    }

    fn deploy_api(&self) {
        let call = self.operator.client.create_deployment().rest_api_id(&self.api_id);
        let call = call.stage_name(STAGE).variables("which", ALIAS);
        self.run(call.send()).unwrap();
        let arn = format!("arn:aws:apigateway:us-east-1::/restapis/{}", self.api_id);
        let call = self.operator.client.tag_resource().resource_arn(arn).tags("team", "shop");
        self.run(call.send()).unwrap();
    }

    fn plan(&self) {
        let client = &self.operator.client;
        let quota = QuotaSettings::builder().limit(1000).period(QuotaPeriodType::Day).build();
        let bound = ApiStage::builder().api_id(&self.api_id).stage(STAGE).build();
        let plan = client.create_usage_plan().name("partners").quota(quota).api_stages(bound);
        let plan = self.run(plan.send()).unwrap();
        let key = self.run(client.create_api_key().name("partner").enabled(true).send()).unwrap();
        let joined = client.create_usage_plan_key().usage_plan_id(plan.id().unwrap());
        let joined = joined.key_id(key.id().unwrap()).key_type("API_KEY");
        self.run(joined.send()).unwrap();
    }

    /// The alias as it is: version, weights and description.
    pub fn alias(&self) -> (String, HashMap<String, f64>, String) {
        let call = self.lambda.get_alias().function_name(FUNCTION).name(ALIAS);
        let alias = self.run(call.send()).unwrap();
        let weights = alias.routing_config().and_then(|all| all.additional_version_weights());
        (
            alias.function_version().unwrap().to_owned(),
            weights.cloned().unwrap_or_default(),
            alias.description().unwrap_or_default().to_owned(),
        )
    }

    /// Moves the alias as somebody with another tool would.
    pub fn point(&self, version: &str) {
        let call = self.lambda.update_alias().function_name(FUNCTION).name(ALIAS);
        self.run(call.function_version(version).send()).unwrap();
    }

    /// Requests of each key per day that the plan allows.
    pub fn quota(&self) -> i32 {
        let id = self.operator.plan("partners");
        let call = self.operator.client.get_usage_plan().usage_plan_id(id);
        self.run(call.send()).unwrap().quota().unwrap().limit()
    }

    /// A variable of the stage.
    pub fn variable(&self, name: &str) -> Option<String> {
        let call = self.operator.client.get_stage().rest_api_id(&self.api_id).stage_name(STAGE);
        self.run(call.send()).unwrap().variables().and_then(|all| all.get(name)).cloned()
    }

    /// Everything of it that there is, in words: what must stay as it is.
    pub fn inventory(&self) -> String {
        let function = self.lambda.get_function().function_name(FUNCTION);
        let function = self.run(function.send()).unwrap();
        let versions = self.lambda.list_versions_by_function().function_name(FUNCTION);
        let versions = self.run(versions.send()).unwrap();
        let stage = self.operator.client.get_stage().rest_api_id(&self.api_id).stage_name(STAGE);
        let stage = self.run(stage.send()).unwrap();
        let api = self.operator.client.get_rest_api().rest_api_id(&self.api_id);
        let api = self.run(api.send()).unwrap();
        let sorted = |map: Option<&HashMap<String, String>>| -> Vec<(String, String)> {
            let mut all: Vec<_> = map.cloned().unwrap_or_default().into_iter().collect();
            all.sort();
            all
        };
        format!(
            "{:?} {:?} {:?} {} {:?} {:?} {:?} {:?}",
            function.configuration().unwrap().revision_id(),
            sorted(function.tags()),
            self.alias(),
            versions.versions().len(),
            stage.deployment_id(),
            sorted(stage.variables()),
            sorted(api.tags()),
            self.quota(),
        )
    }
}

/// A client of Lambda that is not labdeck's.
pub fn client(sandbox: &Sandbox) -> aws_sdk_lambda::Client {
    aws_sdk_lambda::Client::new(&sdk::config(sandbox))
}
