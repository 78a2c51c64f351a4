//! `UpdateFunctionCode`, `UpdateFunctionConfiguration`, publishing, and how updates take effect.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::error::AwsError;
use crate::protocol::json_answer;
use crate::wire::{Answer, ApiRequest};

use super::Lambda;
use super::errors::{conflict, function_not_found, invalid_parameter, wrong_revision};
use super::functions::{CodeInput, check_request_size};
use super::input::{Settings, architecture, body};
use super::model::{Configuration, Function, State, UpdateStatus, new_revision};
use super::names::{FunctionName, function_arn};
use super::render::{self, Detail};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CodeUpdate {
    #[serde(flatten)]
    code: CodeInput,
    #[serde(default)]
    publish: bool,
    #[serde(default)]
    dry_run: bool,
    revision_id: Option<String>,
    architectures: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ConfigurationUpdate {
    revision_id: Option<String>,
    #[serde(flatten)]
    settings: Settings,
}

impl Lambda {
    pub(super) async fn update_code(
        self: &Arc<Self>,
        request: &ApiRequest,
        name: &FunctionName,
    ) -> Result<Answer, AwsError> {
        check_request_size(request, "UpdateFunctionCode")?;
        let input: CodeUpdate = body(request)?;
        let architecture = architecture(input.architectures.as_deref())?;
        {
            // Looked at before the upload is unpacked, and again when it takes effect.
            let function = self.updatable(name)?;
            check_revision(&function.latest, input.revision_id.as_deref())?;
            check_settled(&function)?;
        }
        let zip = input.code.zip()?;
        let code =
            if input.dry_run { self.check_code(zip).await? } else { self.keep_code(zip).await? };
        let now = self.core.now_millis();
        let install = |c: &mut Configuration| {
            code.hash().clone_into(&mut c.code_hash);
            c.code_sha256.clone_from(&code.sha256);
            c.code_size = code.size;
            if let Some(architecture) = &architecture {
                c.architecture.clone_from(architecture);
            }
        };
        if input.dry_run {
            let mut shown = self.updatable(name)?.latest.clone();
            install(&mut shown);
            let shown = render::configuration(&name.name, None, &shown, Detail::Full);
            return Ok(json_answer(200, &shown));
        }
        let shown = self
            .registry
            .update(&name.name, |function| {
                check_revision(&function.latest, input.revision_id.as_deref())?;
                begin(function, now, install)?;
                if !input.publish {
                    return Ok(render::configuration(
                        &name.name,
                        None,
                        &function.latest,
                        Detail::Full,
                    ));
                }
                let version = publish_pending(function);
                let published = function
                    .configuration(&version)
                    .ok_or_else(|| function_not_found(&name.name, Some(&version)))?;
                Ok(render::configuration(&name.name, Some(&version), published, Detail::Full))
            })
            .await?;
        self.settle_after(self.core.timing.function_update, &name.name);
        Ok(json_answer(200, &shown))
    }

    pub(super) async fn update_configuration(
        self: &Arc<Self>,
        request: &ApiRequest,
        name: &FunctionName,
    ) -> Result<Answer, AwsError> {
        let input: ConfigurationUpdate = body(request)?;
        input.settings.check()?;
        let function = self.updatable(name)?;
        let role = input.settings.role.as_ref().unwrap_or(&function.latest.role);
        if input.settings.role.is_some() {
            self.authorize_role(request, role)?;
            self.check_role(role)?;
        }
        self.check_dead_letter(input.settings.dead_letter(), role, &name.name)?;
        let now = self.core.now_millis();
        let shown = self
            .registry
            .update(&name.name, |function| {
                check_revision(&function.latest, input.revision_id.as_deref())?;
                begin(function, now, |c| input.settings.apply(c))?;
                Ok(render::configuration(&name.name, None, &function.latest, Detail::Full))
            })
            .await?;
        self.settle_after(self.core.timing.function_update, &name.name);
        Ok(json_answer(200, &shown))
    }

    /// The function of an update, which only `$LATEST` can have.
    fn updatable(&self, name: &FunctionName) -> Result<Arc<Function>, AwsError> {
        if name.qualifier.as_deref().is_some_and(|q| q != super::names::LATEST) {
            return Err(invalid_parameter(
                "Only $LATEST can be updated. Please specify either a function name or an \
                 unqualified function ARN.",
            ));
        }
        self.registry.get(&name.name)
    }

    /// Lets what is pending take effect after `time`, durably and with new revision ids.
    pub(super) fn settle_after(self: &Arc<Self>, time: Duration, name: &str) {
        let lambda = Arc::clone(self);
        let name = name.to_owned();
        let pending = self.registry.find(&name).map(|function| function.latest.instance.clone());
        tokio::spawn(async move {
            tokio::time::sleep(time).await;
            let settled = lambda
                .registry
                .change(&name, |function| {
                    // Deleted meanwhile: nothing is left to take effect.
                    let Some(mut function) = function else { return Ok((None, None)) };
                    // Made anew meanwhile: it has its own time.
                    if pending.as_ref() != Some(&function.latest.instance) {
                        return Ok((Some(function), None));
                    }
                    let replaced = function.serving.as_ref().map(|c| c.instance.clone());
                    function.settle();
                    Ok((Some(function), replaced))
                })
                .await;
            match settled {
                Ok(replaced) => {
                    if let Some(instance) = replaced {
                        lambda.pool.retire(&instance);
                    }
                    lambda.remove_unused_code();
                }
                // It stays pending, as it is in the store; the next start settles it.
                Err(error) => tracing::error!(%error, function = name, "an update did not settle"),
            }
        });
    }
}

/// Refuses a write that was made with another revision in mind.
pub fn check_revision(c: &Configuration, revision_id: Option<&str>) -> Result<(), AwsError> {
    match revision_id {
        Some(given) if given != c.revision_id => Err(wrong_revision("GetFunction/GetAlias")),
        _ => Ok(()),
    }
}

/// Refuses to change a function that is not ready.
pub fn check_settled(function: &Function) -> Result<(), AwsError> {
    if function.latest.state == State::Pending {
        return Err(not_ready());
    }
    if function.latest.update == Some(UpdateStatus::InProgress) {
        return Err(conflict(format!(
            "The operation cannot be performed at this time. An update is in progress for \
             resource: {}",
            function_arn(&function.name)
        )));
    }
    Ok(())
}

/// The refusal of everything that needs an active function while it is pending.
pub fn not_ready() -> AwsError {
    conflict(
        "The operation cannot be performed at this time. The function is currently in the \
         following state: Pending",
    )
}

/// Begins an update of `$LATEST`: until it has taken effect, invocations run what was there before.
fn begin(
    function: &mut Function,
    now_ms: i64,
    change: impl FnOnce(&mut Configuration),
) -> Result<(), AwsError> {
    check_settled(function)?;
    let before = function.latest.clone();
    change(&mut function.latest);
    function.latest.begin_update(now_ms);
    function.serving = Some(before);
    Ok(())
}

/// Publishes `$LATEST` as a version of its own and gives its number. The version is as far in its
/// life as `$LATEST` is.
pub fn publish(function: &mut Function, description: Option<&str>) -> String {
    function.last_version += 1;
    function.last_published = Some(function.latest.contents());
    let version = function.last_version.to_string();
    let mut published = function.latest.clone();
    published.version.clone_from(&version);
    if let Some(description) = description {
        description.clone_into(&mut published.description);
    }
    published.revision_id = new_revision();
    published.instance = new_revision();
    function.versions.insert(function.last_version, published);
    version
}

/// Publishes as part of an update of the code: the version is new, and pending like a new function.
fn publish_pending(function: &mut Function) -> String {
    let version = publish(function, None);
    if let Some(published) = function.versions.get_mut(&function.last_version) {
        published.state = State::Pending;
        published.update = None;
    }
    version
}
