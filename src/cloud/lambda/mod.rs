//! AWS Lambda: functions, versions, aliases and permissions, and their invocations.

mod account;
mod aliases;
mod code;
#[cfg(test)]
mod code_tests;
mod concurrency;
mod destinations;
mod download;
mod environment;
mod errors;
mod event_config;
mod events;
mod functions;
mod input;
mod invoke;
mod keeper;
mod mappings;
mod model;
mod names;
mod permissions;
mod policy;
mod provisioned;
mod registry;
mod render;
mod routes;
mod routing;
mod tags;
mod updates;
mod versions;

use std::io;
use std::sync::{Arc, OnceLock, PoisonError};

use crate::core::Core;
use crate::dynamodb::DynamoDb;
use crate::error::AwsError;
use crate::iam::Iam;
use crate::logs::Logs;
use crate::protocol::Protocol;
use crate::sns::Sns;
use crate::sqs::Sqs;
use crate::store::StoreError;
use crate::wire::{Answer, ApiRequest};

use code::CodeStore;
use environment::{Pool, Services, Spawner};
use events::EventQueue;
use keeper::Keeper;
use mappings::Mappings;
use names::{FunctionName, Wording};
use registry::Registry;
use routes::{AliasOperation, FunctionOperation, MappingOperation, Operation, TagOperation};

pub use download::CODE_PATH;
pub use invoke::{Invocation, Invoker, Outcome};

/// The Lambda service of the local cloud.
#[derive(Debug)]
pub struct Lambda {
    core: Arc<Core>,
    iam: Arc<Iam>,
    registry: Registry,
    code: Arc<CodeStore>,
    pool: Arc<Pool>,
    events: EventQueue,
    neighbours: OnceLock<Neighbours>,
    mappings: Mappings,
    keeper: Keeper,
}

/// The services that functions' events come from and go to.
#[derive(Debug)]
pub struct Neighbours {
    /// Queues.
    pub sqs: Arc<Sqs>,
    /// Topics.
    pub sns: Arc<Sns>,
    /// Tables with their streams.
    pub dynamodb: Arc<DynamoDb>,
}

/// The Lambda service could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LambdaError {
    /// Its documents could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The directory of the functions' code could not be used.
    #[error("the functions' code in {path} could not be used: {source}")]
    Code {
        /// The directory.
        path: std::path::PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The thread that starts functions could not be started.
    #[error("the thread that starts functions could not be started: {0}")]
    Spawner(io::Error),
    /// It was opened outside the async runtime.
    #[error("Lambda must be opened from within the async runtime: {0}")]
    Runtime(#[from] tokio::runtime::TryCurrentError),
}

impl Lambda {
    /// Reads the functions of the state directory and gets ready to run them. Must be called from
    /// within the async runtime.
    pub fn open(core: Arc<Core>, iam: Arc<Iam>, logs: Arc<Logs>) -> Result<Arc<Self>, LambdaError> {
        let runtime = tokio::runtime::Handle::try_current()?;
        let registry = Registry::open(&core)?;
        let dir = core.state_dir.join("code");
        let code = CodeStore::open(dir.clone())
            .and_then(|code| {
                code.remove_leftovers()?;
                code.remove_unused(&registry.code_in_use())?;
                Ok(code)
            })
            .map_err(|source| LambdaError::Code { path: dir.clone(), source })?;
        let spawner = Spawner::start(runtime, move || environment::end_left_behind(&dir))
            .map_err(LambdaError::Spawner)?;
        let events = EventQueue::open(&core)?;
        let mappings = Mappings::open(&core)?;
        let pool =
            Pool::new(Services { core: Arc::clone(&core), iam: Arc::clone(&iam), logs, spawner });
        let lambda = Arc::new(Self {
            core,
            iam,
            registry,
            code: Arc::new(code),
            pool,
            events,
            neighbours: OnceLock::new(),
            mappings,
            keeper: Keeper::default(),
        });
        lambda.start_events();
        lambda.keep_all_ready();
        Ok(lambda)
    }

    /// Tells the service which others there are; once, right after [`Lambda::open`].
    pub fn connect(self: &Arc<Self>, neighbours: Neighbours) {
        if self.neighbours.set(neighbours).is_err() {
            tracing::error!("Lambda was connected twice");
        }
        self.start_mappings();
    }

    /// The other services, once they are known.
    fn neighbours(&self) -> Result<&Neighbours, AwsError> {
        self.neighbours.get().ok_or_else(|| {
            AwsError::new(500, "ServiceException", "The local cloud has not started yet.")
        })
    }

    /// Ends every execution environment; nothing is invoked any more.
    pub async fn shutdown(&self) {
        self.events.stop();
        self.mappings.stop();
        self.pool.shutdown().await;
    }

    /// How many execution environments there are.
    pub fn environments(&self) -> usize {
        self.pool.len()
    }

    /// Answers a request of the Lambda API.
    pub async fn call(self: &Arc<Self>, request: ApiRequest) -> Answer {
        let request_id = request.request_id.clone();
        let operation = Operation::of(&request);
        let result = if let Operation::Function(FunctionOperation::Invoke, function) = operation {
            self.invoke_api(request, &function).await
        } else {
            // In a task of its own, so that a client that goes away never leaves a change half
            // done.
            let lambda = Arc::clone(self);
            tokio::spawn(async move { lambda.dispatch(operation, request).await })
                .await
                .unwrap_or_else(|failed| {
                    Err(AwsError::new(500, "ServiceException", format!("Lambda failed: {failed}")))
                })
        };
        result.unwrap_or_else(|error| Protocol::Lambda.error(&error, &request_id))
    }

    async fn dispatch(
        self: &Arc<Self>,
        operation: Operation,
        request: ApiRequest,
    ) -> Result<Answer, AwsError> {
        match operation {
            Operation::CreateFunction => self.create_function(&request).await,
            Operation::GetAccountSettings => {
                self.authorize(&request, "GetAccountSettings", "*")?;
                Ok(self.account_settings())
            }
            Operation::ListFunctions => {
                self.authorize(&request, "ListFunctions", "*")?;
                self.list_functions(&request)
            }
            Operation::Tags(operation, arn) => {
                self.authorize(&request, &format!("{operation:?}"), &arn)?;
                match operation {
                    TagOperation::ListTags => self.list_tags(&arn),
                    TagOperation::TagResource => self.tag_resource(&request, &arn).await,
                    TagOperation::UntagResource => self.untag_resource(&request, &arn).await,
                }
            }
            Operation::Alias(operation, function, alias) => {
                let name = FunctionName::parse(&function, None, Wording::Control)?;
                self.authorize(&request, &format!("{operation:?}"), &name.arn())?;
                match operation {
                    AliasOperation::GetAlias => self.get_alias(&name, &alias),
                    AliasOperation::UpdateAlias => self.update_alias(&request, &name, &alias).await,
                    AliasOperation::DeleteAlias => self.delete_alias(&name, &alias).await,
                }
            }
            Operation::RemovePermission(function, statement) => {
                let name = function_name(&request, &function)?;
                self.authorize(&request, "RemovePermission", &name.qualified_arn())?;
                self.remove_permission(&request, &name, &statement).await
            }
            Operation::Function(operation, function) => {
                let name = function_name(&request, &function)?;
                self.authorize(&request, &format!("{operation:?}"), &name.qualified_arn())?;
                self.on_function(operation, &request, name).await
            }
            Operation::Mapping(operation, uuid) => match operation {
                MappingOperation::Create => self.create_mapping(&request).await,
                MappingOperation::List => self.list_mappings(&request),
                MappingOperation::Get => self.get_mapping(&request, &uuid),
                MappingOperation::Update => self.update_mapping(&request, &uuid).await,
                MappingOperation::Delete => self.delete_mapping(&request, &uuid).await,
            },
            Operation::NotImplemented(name) => Err(AwsError::not_implemented("Lambda", name)),
            Operation::Unknown => Err(AwsError::new(
                404,
                "UnknownOperationException",
                format!("Lambda has no operation {} {}.", request.method, request.path),
            )),
        }
    }

    async fn on_function(
        self: &Arc<Self>,
        operation: FunctionOperation,
        request: &ApiRequest,
        name: FunctionName,
    ) -> Result<Answer, AwsError> {
        use FunctionOperation as F;
        match operation {
            F::GetFunction => self.get_function(&name),
            F::GetFunctionConfiguration => self.get_function_configuration(&name),
            F::DeleteFunction => self.delete_function(&name).await,
            F::UpdateFunctionConfiguration => self.update_configuration(request, &name).await,
            F::UpdateFunctionCode => self.update_code(request, &name).await,
            F::PublishVersion => self.publish_version(request, &name).await,
            F::ListVersionsByFunction => self.list_versions(request, &name),
            F::CreateAlias => self.create_alias(request, &name).await,
            F::ListAliases => self.list_aliases(request, &name),
            F::AddPermission => self.add_permission(request, &name).await,
            F::GetPolicy => self.get_policy(&name),
            F::PutFunctionConcurrency => self.put_concurrency(request, &name).await,
            F::GetFunctionConcurrency => self.get_concurrency(&name),
            F::DeleteFunctionConcurrency => self.delete_concurrency(&name).await,
            F::PutProvisionedConcurrencyConfig => self.put_provisioned(request, &name).await,
            F::GetProvisionedConcurrencyConfig => self.get_provisioned(&name),
            F::DeleteProvisionedConcurrencyConfig => self.delete_provisioned(&name).await,
            F::ListProvisionedConcurrencyConfigs => self.list_provisioned(request, &name),
            F::PutFunctionEventInvokeConfig => self.put_event_config(request, &name).await,
            F::UpdateFunctionEventInvokeConfig => self.update_event_config(request, &name).await,
            F::GetFunctionEventInvokeConfig => self.get_event_config(&name),
            F::DeleteFunctionEventInvokeConfig => self.delete_event_config(&name).await,
            F::ListFunctionEventInvokeConfigs => self.list_event_configs(request, &name),
            // Answered before it gets here.
            F::Invoke => Err(AwsError::internal("an invocation took the wrong way")),
        }
    }

    /// Whether the caller may do this. Only functions with their role's credentials may not do
    /// everything.
    fn authorize(&self, request: &ApiRequest, action: &str, arn: &str) -> Result<(), AwsError> {
        self.iam
            .authorize(&request.caller, &format!("lambda:{action}"), arn)
            .map_err(|denial| denial.into_error(403))
    }
}

/// The name of the operation that a request means: the entrance for fuzzing.
#[doc(hidden)]
pub fn operation_of(request: &ApiRequest) -> String {
    format!("{:?}", Operation::of(request))
}

/// The function that a request names, in its path and its `Qualifier`.
fn function_name(request: &ApiRequest, function: &str) -> Result<FunctionName, AwsError> {
    let qualifier = request.query_value("Qualifier");
    FunctionName::parse(function, qualifier.as_deref(), Wording::Control)
}

/// The contents of a lock, also when a thread panicked while holding it: every change of what is
/// locked here is a single assignment.
fn unpoisoned<T>(result: Result<T, PoisonError<T>>) -> T {
    result.unwrap_or_else(PoisonError::into_inner)
}
