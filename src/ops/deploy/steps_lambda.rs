//! Steps on functions, aliases and permissions.

use std::time::Duration;

use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{
    Architecture, Environment, FunctionCode, LastUpdateStatus, Runtime, State,
};
use labdeck_aws::{Failure, FailureKind, Result};

use super::action::{AliasVersion, Grant};
use super::pack::Code;
use super::steps::{StepRun, missing};
use super::wanted::WantedFunction;
use crate::live::{LAB_TAG, existing};

/// How long an upload may take.
const UPLOAD: Duration = Duration::from_mins(10);
/// How long a function may take to become active or updated (the SDKs' waiters: 300 times 1 s).
const SETTLE: Duration = Duration::from_mins(5);

fn patient_upload() -> aws_sdk_lambda::config::Builder {
    aws_sdk_lambda::config::Builder::new().timeout_config(
        TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(3))
            .read_timeout(UPLOAD)
            .build(),
    )
}

impl StepRun {
    fn wanted_function(&self, name: &str) -> Result<&WantedFunction> {
        self.context
            .wanted
            .functions
            .iter()
            .find(|function| function.name == name)
            .ok_or_else(|| missing("function", name))
    }

    fn code(&self, name: &str) -> Result<&Code> {
        self.context.code.get(name).ok_or_else(|| missing("code of function", name))
    }

    pub(super) async fn create_function(&self, name: &str) -> Result<()> {
        let function = self.wanted_function(name)?;
        let code = self.code(name)?;
        let environment = Environment::builder().set_variables(Some(variables(function))).build();
        let made = self
            .patiently(|| async {
                self.target()
                    .lambda()
                    .create_function()
                    .function_name(name)
                    .runtime(Runtime::from("provided.al2023"))
                    .handler("bootstrap")
                    .role(&function.role_arn)
                    .code(FunctionCode::builder().zip_file(Blob::new(&*code.zip)).build())
                    .architectures(Architecture::from(code.architecture))
                    .memory_size(function.memory_mb)
                    .timeout(function.timeout_s)
                    .description(&function.description)
                    .environment(environment.clone())
                    .tags(LAB_TAG, &self.context.wanted.lab)
                    .customize()
                    .config_override(patient_upload())
                    .send()
                    .await
                    .map_err(|e| Failure::from_sdk(format!("creating function {name}"), &e))
            })
            .await;
        match made {
            Ok(_) => {}
            // Made by the attempt before, whose answer was lost.
            Err(failure) if failure.kind == FailureKind::Conflict => {}
            Err(failure) => return Err(failure),
        }
        self.settled(name).await.map(|_| ())
    }

    pub(super) async fn update_code(&self, name: &str) -> Result<()> {
        let code = self.code(name)?;
        self.patiently(|| async {
            let revision = self.settled_or_failed(name).await?.revision_id;
            self.target()
                .lambda()
                .update_function_code()
                .function_name(name)
                .zip_file(Blob::new(&*code.zip))
                .architectures(Architecture::from(code.architecture))
                .set_revision_id(revision)
                .customize()
                .config_override(patient_upload())
                .send()
                .await
                .map_err(|e| Failure::from_sdk(format!("updating the code of {name}"), &e))
        })
        .await?;
        self.settled(name).await.map(|_| ())
    }

    pub(super) async fn update_configuration(&self, name: &str) -> Result<()> {
        let function = self.wanted_function(name)?;
        let environment = Environment::builder().set_variables(Some(variables(function))).build();
        self.patiently(|| async {
            let revision = self.settled_or_failed(name).await?.revision_id;
            self.target()
                .lambda()
                .update_function_configuration()
                .function_name(name)
                .role(&function.role_arn)
                .memory_size(function.memory_mb)
                .timeout(function.timeout_s)
                .description(&function.description)
                .environment(environment.clone())
                .set_revision_id(revision)
                .send()
                .await
                .map_err(|e| Failure::from_sdk(format!("updating the settings of {name}"), &e))
        })
        .await?;
        self.settled(name).await.map(|_| ())
    }

    /// Waits until the function can be used and no update of it runs.
    async fn settled(&self, name: &str) -> Result<GetFunctionConfigurationOutput> {
        let function = self.settled_or_failed(name).await?;
        let what = || format!("waiting for function {name}");
        if function.state == Some(State::Failed) {
            let why = function.state_reason.unwrap_or_else(|| "its creation failed".to_owned());
            return Err(Failure::new(FailureKind::Service, what(), why));
        }
        if function.last_update_status == Some(LastUpdateStatus::Failed) {
            let why = function
                .last_update_status_reason
                .unwrap_or_else(|| "its update failed".to_owned());
            return Err(Failure::new(FailureKind::Service, what(), why));
        }
        Ok(function)
    }

    async fn settled_or_failed(&self, name: &str) -> Result<GetFunctionConfigurationOutput> {
        let waits_for = format!("function {name} to become active");
        self.until(&waits_for, SETTLE, || async {
            let call = self.target().lambda().get_function_configuration().function_name(name);
            let what = format!("reading function {name}");
            let function = call.send().await.map_err(|e| Failure::from_sdk(what, &e))?;
            let usable = matches!(
                function.state,
                None | Some(State::Active | State::Inactive | State::Failed)
            );
            let updating = function.last_update_status == Some(LastUpdateStatus::InProgress);
            Ok((usable && !updating).then_some(function))
        })
        .await
    }

    pub(super) async fn create_alias(
        &self,
        function: &str,
        alias: &str,
        to: &AliasVersion,
    ) -> Result<()> {
        let version = match to {
            AliasVersion::Latest => "$LATEST".to_owned(),
            AliasVersion::Published(version) => version.clone(),
            AliasVersion::Publish => self.publish(function).await?,
        };
        let made = self
            .patiently(|| async {
                self.target()
                    .lambda()
                    .create_alias()
                    .function_name(function)
                    .name(alias)
                    .function_version(&version)
                    .send()
                    .await
                    .map_err(|e| {
                        Failure::from_sdk(format!("creating alias {function}:{alias}"), &e)
                    })
            })
            .await;
        match made {
            Ok(_) => Ok(()),
            // Made by the attempt before, whose answer was lost.
            Err(failure) if failure.kind == FailureKind::Conflict => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Publishes the code of this plan, and no other: the hash guards it. When it is published
    /// already, Lambda answers that version.
    async fn publish(&self, function: &str) -> Result<String> {
        let sha256 = self.wanted_function(function)?.sha256.clone();
        let what = format!("publishing a version of {function}");
        let version = self
            .patiently(|| async {
                self.target()
                    .lambda()
                    .publish_version()
                    .function_name(function)
                    .code_sha256(&sha256)
                    .description("first deploy")
                    .send()
                    .await
                    .map_err(|e| Failure::from_sdk(&what, &e))
            })
            .await?;
        version
            .version
            .ok_or_else(|| Failure::new(FailureKind::Service, what, "the answer names no version"))
    }

    pub(super) async fn follow_latest(&self, function: &str, alias: &str) -> Result<()> {
        let what = format!("pointing alias {function}:{alias} to $LATEST");
        let lambda = self.target().lambda();
        let present = lambda
            .get_alias()
            .function_name(function)
            .name(alias)
            .send()
            .await
            .map_err(|e| Failure::from_sdk(&what, &e))?;
        self.patiently(|| async {
            lambda
                .update_alias()
                .function_name(function)
                .name(alias)
                .function_version("$LATEST")
                .routing_config(
                    aws_sdk_lambda::types::AliasRoutingConfiguration::builder()
                        .set_additional_version_weights(Some(std::collections::HashMap::new()))
                        .build(),
                )
                .set_revision_id(present.revision_id.clone())
                .send()
                .await
                .map_err(|e| Failure::from_sdk(&what, &e))
        })
        .await
        .map(|_| ())
    }

    pub(super) async fn grant(&self, grant: &Grant) -> Result<()> {
        let Grant { function, alias, statement, .. } = grant;
        if grant.replaces {
            self.revoke(function, alias, statement).await?;
        }
        let api_id = self.context.api_id(&grant.api)?;
        let place = &self.context.wanted.place;
        let source = place.method(&api_id, &grant.stage, &grant.method, &grant.path);
        let made = self
            .patiently(|| async {
                self.target()
                    .lambda()
                    .add_permission()
                    .function_name(function)
                    .qualifier(alias)
                    .statement_id(statement)
                    .action("lambda:InvokeFunction")
                    .principal("apigateway.amazonaws.com")
                    .source_arn(&source)
                    .send()
                    .await
                    .map_err(|e| Failure::from_sdk(format!("permitting {function}:{alias}"), &e))
            })
            .await;
        match made {
            Ok(_) => Ok(()),
            // Made by the attempt before, whose answer was lost: the plan had seen no such statement.
            Err(failure)
                if failure.kind == FailureKind::Conflict && failure.why.contains(statement) =>
            {
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    pub(super) async fn revoke(&self, function: &str, alias: &str, statement: &str) -> Result<()> {
        self.patiently(|| async {
            let done = self
                .target()
                .lambda()
                .remove_permission()
                .function_name(function)
                .qualifier(alias)
                .statement_id(statement)
                .send()
                .await;
            let what = format!("removing permission {statement} of {function}:{alias}");
            existing(done.map_err(|e| Failure::from_sdk(what, &e)))
        })
        .await
        .map(|_| ())
    }

    pub(super) async fn delete_function(&self, name: &str) -> Result<()> {
        self.patiently(|| async {
            let done = self.target().lambda().delete_function().function_name(name).send().await;
            existing(done.map_err(|e| Failure::from_sdk(format!("deleting function {name}"), &e)))
        })
        .await
        .map(|_| ())
    }
}

fn variables(function: &WantedFunction) -> std::collections::HashMap<String, String> {
    function.environment.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}
