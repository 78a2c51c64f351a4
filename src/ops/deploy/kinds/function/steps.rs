//! What the steps on a function do.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{
    Architecture, DeadLetterConfig, Environment, FunctionCode, LastUpdateStatus, Runtime, State,
    TracingConfig, TracingMode,
};
use futures_util::future::try_join;
use labdeck_aws::{Failure, FailureKind, Result, Target};

use super::{FunctionAction, FunctionSettings, configuration_of, configured, of_code, settings_of};
use crate::deploy::kinds::{asynchronous, provisioned};
use crate::deploy::pack::Code;
use crate::deploy::race::overtaken;
use crate::deploy::run::{StepRun, missing};
use crate::deploy::settings::{APPLIED_TAG, Found, Spec, changes};
use crate::live::{self, LAB_TAG, existing};
use crate::right_size;

/// The slowest line that an upload is tried over, in KiB a second.
const SLOWEST_UPLOAD: u64 = 128;
/// How long a function may take to become active or updated (the SDKs' waiters: 300 times 1 s).
const SETTLE: Duration = Duration::from_mins(5);

/// An upload has time to travel before its answer is due.
fn patient_upload(target: &Target, zip: &[u8]) -> aws_sdk_lambda::config::Builder {
    let kilobytes = u64::try_from(zip.len() / 1024).unwrap_or(u64::MAX);
    let travels = Duration::from_secs(kilobytes / SLOWEST_UPLOAD);
    aws_sdk_lambda::config::Builder::new().timeout_config(
        TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(3))
            .read_timeout(target.answer_timeout() + travels)
            .build(),
    )
}

fn environment(settings: &FunctionSettings) -> Environment {
    let variables: HashMap<String, String> =
        settings.environment.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    Environment::builder().set_variables(Some(variables)).build()
}

fn tracing(settings: &FunctionSettings) -> TracingConfig {
    let mode = if settings.tracing { TracingMode::Active } else { TracingMode::PassThrough };
    TracingConfig::builder().mode(mode).build()
}

impl StepRun {
    pub(crate) async fn on_function(&self, action: &FunctionAction) -> Result<()> {
        match action {
            FunctionAction::Create(name) => self.create_function(name).await,
            FunctionAction::Code { name, last } => self.update_code(name, *last).await,
            FunctionAction::Configure { name, configuration, reserved } => {
                if *configuration {
                    self.update_configuration(name).await?;
                }
                if *reserved {
                    self.set_reserved(name).await?;
                }
                self.remember_function(name).await
            }
            FunctionAction::Delete(name) => self.delete_function(name).await,
            FunctionAction::EndCopy { name, copy } => {
                let arn = self.context.wanted.place.function(name);
                self.patiently(|| right_size::end_copy(self.target(), &arn, copy)).await
            }
        }
    }

    fn code(&self, name: &str) -> Result<&Code> {
        self.context.code.get(name).ok_or_else(|| missing("code of function", name))
    }

    async fn create_function(&self, name: &str) -> Result<()> {
        let function = self.context.wanted.function(name)?;
        let settings = &function.spec.settings;
        let code = self.code(name)?;
        let dead_letter = settings.dead_letter.as_ref();
        let dead_letter =
            dead_letter.map(|arn| DeadLetterConfig::builder().target_arn(arn).build());
        let mut call = self
            .target()
            .lambda()
            .create_function()
            .function_name(name)
            .runtime(Runtime::from("provided.al2023"))
            .handler("bootstrap")
            .role(&settings.role)
            .code(FunctionCode::builder().zip_file(Blob::new(&*code.zip)).build())
            .architectures(Architecture::from(code.architecture))
            .memory_size(settings.memory)
            .timeout(settings.timeout)
            .description(&settings.description)
            .environment(environment(settings))
            .set_dead_letter_config(dead_letter)
            .tags(LAB_TAG, &self.context.wanted.lab)
            .tags(APPLIED_TAG, function.spec.record.text());
        if settings.tracing {
            call = call.tracing_config(tracing(settings));
        }
        if let Some(config) = &function.asynchronous {
            call = call.tags(asynchronous::TAG, config.record.text());
        }
        if function.provisioned.is_some() {
            call = call.tags(provisioned::TAG, provisioned::MARK);
        }
        let made = self
            .patiently(|| async {
                call.clone()
                    .customize()
                    .config_override(patient_upload(self.target(), &code.zip))
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
        self.settled(name).await?;
        if settings.reserved.is_some() { self.set_reserved(name).await } else { Ok(()) }
    }

    async fn update_code(&self, name: &str, last: bool) -> Result<()> {
        let code = self.code(name)?;
        let done = self
            .patiently(|| async {
                let what = format!("updating the code of {name}");
                let revision = self.unchanged(name, what, of_code).await?;
                self.target()
                    .lambda()
                    .update_function_code()
                    .function_name(name)
                    .zip_file(Blob::new(&*code.zip))
                    .architectures(Architecture::from(code.architecture))
                    .set_revision_id(revision)
                    .customize()
                    .config_override(patient_upload(self.target(), &code.zip))
                    .send()
                    .await
                    .map(|_| ())
                    .map_err(|e| Failure::from_sdk(format!("updating the code of {name}"), &e))
            })
            .await;
        let wanted = &self.context.wanted.function(name)?.spec.settings;
        self.unless_made(name, done, |live| live.code == wanted.code).await?;
        let remembered = async { if last { self.remember_function(name).await } else { Ok(()) } };
        try_join(self.settled(name), remembered).await.map(|_| ())
    }

    async fn update_configuration(&self, name: &str) -> Result<()> {
        let settings = &self.context.wanted.function(name)?.spec.settings;
        let live = self.context.live.functions.get(name).map(|live| &live.found.settings);
        let traced = live.is_some_and(|live| live.tracing) || settings.tracing;
        let dead = live.is_some_and(|live| live.dead_letter.is_some());
        // An empty ARN takes a dead-letter queue away.
        let dead_letter = (dead || settings.dead_letter.is_some()).then(|| {
            let arn = settings.dead_letter.as_deref().unwrap_or_default();
            DeadLetterConfig::builder().target_arn(arn).build()
        });
        let done = self
            .patiently(|| async {
                let what = format!("updating the settings of {name}");
                let revision = self.unchanged(name, what, configured).await?;
                self.target()
                    .lambda()
                    .update_function_configuration()
                    .function_name(name)
                    .role(&settings.role)
                    .memory_size(settings.memory)
                    .timeout(settings.timeout)
                    .description(&settings.description)
                    .environment(environment(settings))
                    .set_tracing_config(traced.then(|| tracing(settings)))
                    .set_dead_letter_config(dead_letter.clone())
                    .set_revision_id(revision)
                    .send()
                    .await
                    .map(|_| ())
                    .map_err(|e| Failure::from_sdk(format!("updating the settings of {name}"), &e))
            })
            .await;
        let as_wanted = |live: &FunctionSettings| configured(live) == configured(settings);
        self.unless_made(name, done, as_wanted).await?;
        self.settled(name).await.map(|_| ())
    }

    /// The revision of a function that is, in the part that `part` picks, still what was planned with, or
    /// is what is wanted already.
    async fn unchanged(
        &self,
        name: &str,
        what: String,
        part: impl Fn(&FunctionSettings) -> FunctionSettings,
    ) -> Result<Option<String>> {
        let now = self.settled_or_failed(name).await?;
        let revision = now.revision_id.clone();
        let Some(planned) = self.context.live.functions.get(name) else { return Ok(revision) };
        let planned = part(&planned.found.settings);
        let now = part(&settings_of(configuration_of(now), None));
        if now == planned || now == part(&self.context.wanted.function(name)?.spec.settings) {
            return Ok(revision);
        }
        // As changes from what was planned with to what is there now.
        let planned = Found { settings: planned, ..Found::default() };
        let theirs = changes(&Spec::new(now), &planned).into_iter().map(|change| change.text);
        Err(overtaken(what, &theirs.collect::<Vec<_>>().join(", ")))
    }

    /// A guarded update that is refused since the function changed in between may have been refused
    /// its own repetition, when the first answer was lost: what is live says it.
    async fn unless_made(
        &self,
        name: &str,
        done: Result<()>,
        made: impl Fn(&FunctionSettings) -> bool,
    ) -> Result<()> {
        match done {
            Err(failure) if failure.has_code(&["PreconditionFailedException"]) => {
                let live = live::function(self.target(), name).await?;
                let configuration = live.and_then(|live| live.configuration);
                match configuration.map(|live| settings_of(live, None)) {
                    Some(live) if made(&live) => Ok(()),
                    _ => Err(failure),
                }
            }
            other => other,
        }
    }

    async fn set_reserved(&self, name: &str) -> Result<()> {
        let reserved = self.context.wanted.function(name)?.spec.settings.reserved;
        let what = format!("setting the reserved concurrency of {name}");
        self.patiently(|| async {
            let lambda = self.target().lambda();
            if let Some(count) = reserved {
                let call = lambda.put_function_concurrency().function_name(name);
                let done = call.reserved_concurrent_executions(count).send().await;
                return done.map(|_| ()).map_err(|e| Failure::from_sdk(&what, &e));
            }
            let done = lambda.delete_function_concurrency().function_name(name).send().await;
            existing(done.map_err(|e| Failure::from_sdk(&what, &e))).map(|_| ())
        })
        .await
    }

    /// Writes down what a function was given.
    async fn remember_function(&self, name: &str) -> Result<()> {
        let record = self.context.wanted.function(name)?.spec.record.text();
        self.tag_function(name, APPLIED_TAG, &record).await
    }

    pub(in crate::deploy::kinds) async fn tag_function(
        &self,
        name: &str,
        key: &str,
        value: &str,
    ) -> Result<()> {
        let arn = self.context.wanted.place.function(name);
        self.patiently(|| async {
            let call = self.target().lambda().tag_resource().resource(&arn).tags(key, value);
            let done = call.send().await;
            done.map_err(|e| Failure::from_sdk(format!("tagging function {name}"), &e))
        })
        .await
        .map(|_| ())
    }

    /// Waits until the function can be used and no update of it runs.
    pub(in crate::deploy::kinds) async fn settled(
        &self,
        name: &str,
    ) -> Result<GetFunctionConfigurationOutput> {
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

    async fn delete_function(&self, name: &str) -> Result<()> {
        self.patiently(|| async {
            let done = self.target().lambda().delete_function().function_name(name).send().await;
            existing(done.map_err(|e| Failure::from_sdk(format!("deleting function {name}"), &e)))
        })
        .await
        .map(|_| ())
    }
}
