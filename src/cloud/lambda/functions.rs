//! `CreateFunction`, `GetFunction`, `GetFunctionConfiguration`, `ListFunctions`, `DeleteFunction`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use crate::error::AwsError;
use crate::protocol::{empty, json_answer};
use crate::wire::{Answer, ApiRequest};

use super::Lambda;
use super::code::StoredCode;
use super::errors::{
    conflict, constraint, entity_too_large, function_not_found, invalid_parameter, missing,
    unsupported,
};
use super::input::{Settings, architecture, body, max_items, page, zip_bytes};
use super::model::{Configuration, Function, Policy, State, new_revision};
use super::names::{FunctionName, LATEST, Wording, function_arn, is_version};
use super::render::{self, Detail};
use super::tags::check_tags;
use super::updates::publish;

/// The largest body of `CreateFunction` and `UpdateFunctionCode`, in bytes.
const REQUEST_LIMIT: usize = 70_167_211;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateInput {
    function_name: Option<String>,
    code: Option<CodeInput>,
    architectures: Option<Vec<String>>,
    package_type: Option<String>,
    #[serde(default)]
    publish: bool,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(flatten)]
    settings: Settings,
}

/// Where code comes from: a zip in the request, and nothing else here.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
pub struct CodeInput {
    /// The zip in base64.
    pub zip_file: Option<String>,
    /// A bucket: refused.
    pub s3_bucket: Option<String>,
    /// An image: refused.
    pub image_uri: Option<String>,
}

impl CodeInput {
    /// The zip of the request.
    pub fn zip(&self) -> Result<bytes::Bytes, AwsError> {
        if self.s3_bucket.is_some() {
            return Err(unsupported("code from S3"));
        }
        if self.image_uri.is_some() {
            return Err(unsupported("container images"));
        }
        match &self.zip_file {
            Some(text) => zip_bytes(text),
            None => Err(invalid_parameter("Please provide a source for function code.")),
        }
    }
}

/// Refuses a body that is larger than AWS takes.
pub fn check_request_size(request: &ApiRequest, operation: &str) -> Result<(), AwsError> {
    if request.body.len() < REQUEST_LIMIT {
        return Ok(());
    }
    Err(entity_too_large(format!(
        "Request must be smaller than {REQUEST_LIMIT} bytes for the {operation} operation"
    )))
}

impl Lambda {
    pub(super) async fn create_function(
        self: &Arc<Self>,
        request: &ApiRequest,
    ) -> Result<Answer, AwsError> {
        check_request_size(request, "CreateFunction")?;
        let input: CreateInput = body(request)?;
        let text = input.function_name.as_deref().ok_or_else(|| missing("functionName"))?;
        let name = FunctionName::parse(text, None, Wording::Control)?;
        self.authorize(request, "CreateFunction", &name.arn())?;
        if name.qualifier.is_some() {
            return Err(constraint(
                text,
                "functionName",
                "Member must not name a version or alias",
            ));
        }
        let name = name.name;
        input.settings.check()?;
        check_tags(&input.tags)?;
        if input.package_type.as_deref().is_some_and(|kind| kind != "Zip") {
            return Err(unsupported("container images"));
        }
        let architecture =
            architecture(input.architectures.as_deref())?.unwrap_or_else(|| "x86_64".to_owned());
        let settings = &input.settings;
        let role = settings.role.clone().ok_or_else(|| missing("role"))?;
        let (Some(runtime), Some(handler)) = (settings.runtime.clone(), settings.handler.clone())
        else {
            return Err(invalid_parameter(
                "Runtime and Handler are mandatory parameters for functions created with \
                 deployment packages.",
            ));
        };
        if self.registry.find(&name).is_some() {
            return Err(already_exists(&name));
        }
        if !input.tags.is_empty() {
            self.authorize(request, "TagResource", &function_arn(&name))?;
        }
        self.authorize_role(request, &role)?;
        let zip = input.code.as_ref().ok_or_else(|| missing("code"))?.zip()?;
        self.check_role(&role)?;
        self.check_dead_letter(settings.dead_letter(), &role, &name)?;
        let code = self.keep_code(zip).await?;

        let mut latest = Configuration {
            version: LATEST.to_owned(),
            description: String::new(),
            role,
            handler,
            runtime,
            memory_size: 128,
            timeout: 3,
            ephemeral_storage: 512,
            environment: None,
            architecture,
            tracing: "PassThrough".to_owned(),
            log_group: format!("/aws/lambda/{name}"),
            dead_letter: None,
            code_hash: code.hash().to_owned(),
            code_sha256: code.sha256.clone(),
            code_size: code.size,
            modified_ms: self.core.now_millis(),
            revision_id: new_revision(),
            state: State::Pending,
            update: None,
            instance: new_revision(),
        };
        settings.apply(&mut latest);
        let mut function = Function {
            name: name.clone(),
            latest,
            serving: None,
            versions: BTreeMap::new(),
            last_version: 0,
            last_published: None,
            aliases: BTreeMap::new(),
            policies: BTreeMap::<String, Policy>::new(),
            tags: input.tags,
            reserved_concurrency: None,
            event_invoke: BTreeMap::new(),
            provisioned: BTreeMap::new(),
        };
        let mut shown = render::configuration(&name, None, &function.latest, Detail::Full);
        if input.publish {
            let version = publish(&mut function, None);
            shown.insert("Version".to_owned(), version.into());
        }
        self.registry
            .change(&name, |existing| match existing {
                Some(_) => Err(already_exists(&name)),
                None => Ok((Some(function), ())),
            })
            .await?;
        self.settle_after(self.core.timing.function_creation, &name);
        Ok(json_answer(201, &shown))
    }

    pub(super) fn get_function(&self, name: &FunctionName) -> Result<Answer, AwsError> {
        let function = self.registry.find(&name.name);
        let (function, configuration) = found(function.as_deref(), name)?;
        let qualifier = name.qualifier.as_deref();
        let location = self.code.links.link(
            self.core.endpoint(),
            &configuration.code_hash,
            self.core.now_millis(),
        );
        Ok(json_answer(200, &render::function(function, qualifier, configuration, &location)))
    }

    pub(super) fn get_function_configuration(
        &self,
        name: &FunctionName,
    ) -> Result<Answer, AwsError> {
        let function = self.registry.find(&name.name);
        let (_, configuration) = found(function.as_deref(), name)?;
        let shown = render::configuration(
            &name.name,
            name.qualifier.as_deref(),
            configuration,
            Detail::Full,
        );
        Ok(json_answer(200, &shown))
    }

    pub(super) fn list_functions(&self, request: &ApiRequest) -> Result<Answer, AwsError> {
        let all_versions = match request.query_value("FunctionVersion").as_deref() {
            None => false,
            Some("ALL") => true,
            Some(other) => {
                return Err(constraint(
                    other,
                    "functionVersion",
                    "Member must satisfy enum value set: [ALL]",
                ));
            }
        };
        let mut items = Vec::new();
        for function in self.registry.all() {
            let name = &function.name;
            let mut show = |version: Option<&str>, c: &Configuration, order: u64| {
                let shown = render::configuration(name, version, c, Detail::Listed);
                // Versions in the order of their numbers behind `$LATEST`.
                items.push((format!("{name} {order:020}"), shown));
            };
            if all_versions {
                show(Some(LATEST), &function.latest, 0);
                for (number, version) in &function.versions {
                    show(Some(&number.to_string()), version, *number);
                }
            } else {
                show(None, &function.latest, 0);
            }
        }
        items.sort_by(|(a, _), (b, _)| a.cmp(b));
        let marker = request.query_value("Marker");
        let (shown, next) = page(items, marker.as_deref(), max_items(request)?);
        let mut answer = json!({ "Functions": shown });
        if let Some(next) = next {
            answer["NextMarker"] = next.into();
        }
        Ok(json_answer(200, &answer))
    }

    pub(super) async fn delete_function(
        self: &Arc<Self>,
        name: &FunctionName,
    ) -> Result<Answer, AwsError> {
        let retired = match name.qualifier.as_deref() {
            None => {
                self.registry
                    .change(&name.name, |function| {
                        let function =
                            function.ok_or_else(|| function_not_found(&name.name, None))?;
                        let instances: Vec<String> =
                            function.configurations().map(|c| c.instance.clone()).collect();
                        Ok((None, instances))
                    })
                    .await?
            }
            Some(LATEST) => {
                self.registry.get(&name.name)?;
                return Err(invalid_parameter(
                    "$LATEST version cannot be deleted without deleting the function.",
                ));
            }
            Some(alias) if !is_version(alias) => {
                self.registry.get(&name.name)?;
                return Err(invalid_parameter("Deletion of aliases is not currently supported."));
            }
            Some(version) => {
                self.registry
                    .update(&name.name, |function| delete_version(function, version))
                    .await?
            }
        };
        self.keep_ready(&name.name);
        for instance in retired {
            self.pool.retire(&instance);
        }
        self.remove_unused_code();
        Ok(empty(204))
    }

    /// Whether the caller may give this role to a function.
    pub(super) fn authorize_role(&self, request: &ApiRequest, role: &str) -> Result<(), AwsError> {
        self.iam
            .authorize_pass(&request.caller, role, "lambda.amazonaws.com")
            .map_err(|denial| denial.into_error(403))
    }

    /// Whether Lambda may run functions with this role.
    pub(super) fn check_role(&self, role: &str) -> Result<(), AwsError> {
        if self.iam.assumable_by(role, "lambda.amazonaws.com") {
            return Ok(());
        }
        Err(invalid_parameter("The role defined for the function cannot be assumed by Lambda."))
    }

    /// Keeps the code of an upload, off the async threads.
    pub(super) async fn keep_code(&self, zip: bytes::Bytes) -> Result<StoredCode, AwsError> {
        let code = Arc::clone(&self.code);
        blocking(move || code.store(&zip)).await
    }

    /// Checks the code of an upload without keeping it.
    pub(super) async fn check_code(&self, zip: bytes::Bytes) -> Result<StoredCode, AwsError> {
        let code = Arc::clone(&self.code);
        blocking(move || code.check(&zip)).await
    }

    /// Removes code that no function uses any more. A failure leaves it for the next time.
    pub(super) fn remove_unused_code(self: &Arc<Self>) {
        let lambda = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = lambda.code.remove_unused(&lambda.registry.code_in_use()) {
                tracing::warn!(%error, "unused code could not be removed");
            }
        });
    }
}

impl Settings {
    /// Writes every member that was sent into a configuration.
    pub fn apply(&self, c: &mut Configuration) {
        fn set<T: Clone>(to: &mut T, from: Option<&T>) {
            if let Some(from) = from {
                to.clone_from(from);
            }
        }
        // The ranges were checked before.
        let number = |value: i64| u32::try_from(value).unwrap_or(u32::MAX);
        set(&mut c.role, self.role.as_ref());
        set(&mut c.runtime, self.runtime.as_ref());
        set(&mut c.handler, self.handler.as_ref());
        set(&mut c.description, self.description.as_ref());
        set(&mut c.timeout, self.timeout.map(number).as_ref());
        set(&mut c.memory_size, self.memory_size.map(number).as_ref());
        let storage = self.ephemeral_storage.as_ref().map(|storage| number(storage.size));
        set(&mut c.ephemeral_storage, storage.as_ref());
        if let Some(environment) = &self.environment {
            c.environment = Some(environment.variables.clone().unwrap_or_default());
        }
        set(&mut c.tracing, self.tracing_config.as_ref().and_then(|t| t.mode.as_ref()));
        if let Some(target) = self.dead_letter() {
            c.dead_letter = Some(target.to_owned()).filter(|target| !target.is_empty());
        }
        set(&mut c.log_group, self.logging_config.as_ref().and_then(|l| l.log_group.as_ref()));
    }
}

/// Removes a version; one that isn't there is no error.
fn delete_version(function: &mut Function, version: &str) -> Result<Vec<String>, AwsError> {
    let users: Vec<&str> = function.aliases_of(version).map(|a| a.name.as_str()).collect();
    if !users.is_empty() {
        return Err(conflict(format!(
            "Unable to delete version because the following aliases reference it: [{}]",
            users.join(", ")
        )));
    }
    let removed = version.parse().ok().and_then(|number: u64| function.versions.remove(&number));
    function.policies.remove(version);
    function.event_invoke.remove(version);
    function.provisioned.remove(version);
    Ok(removed.into_iter().map(|c| c.instance).collect())
}

/// The function and the configuration that a name stands for.
fn found<'a>(
    function: Option<&'a Function>,
    name: &FunctionName,
) -> Result<(&'a Function, &'a Configuration), AwsError> {
    let qualifier = name.qualifier.as_deref();
    let function = function.ok_or_else(|| function_not_found(&name.name, qualifier))?;
    let configuration =
        function.resolve(qualifier).ok_or_else(|| function_not_found(&name.name, qualifier))?;
    Ok((function, configuration))
}

fn already_exists(name: &str) -> AwsError {
    conflict(format!("Function already exist: {name}"))
}

/// Runs work that blocks away from the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AwsError> + Send + 'static,
) -> Result<T, AwsError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(failed) => Err(AwsError::internal(format!("work on the code failed: {failed}"))),
    }
}
