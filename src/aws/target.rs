//! A target: the local cloud, or an AWS account and region, with the clients that reach it.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock, RwLock};
use std::time::{Duration, Instant};

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_credential_types::{Credentials, provider::error::CredentialsError};
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime_api::client::interceptors::SharedInterceptor;
use aws_types::app_name::AppName;
use tokio::sync::OnceCell;

use crate::audit::{Audit, audit_path};
use crate::budget::Budgets;
use crate::endpoint::Endpoint;
use crate::failure::{Failure, FailureKind, Result};
use crate::intercept::{Caller, Guard, Scribe};
use crate::local::{LocalAdmin, LocalCloud, default_state_dir};
use crate::renew::{Renewable, Renewal};
use crate::throttles::TooMany;
use crate::transport;

/// Region of the local cloud.
const LOCAL_REGION: &str = "us-east-1";
/// How long an answer is waited for when nothing else was said.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Which cloud is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TargetChoice {
    /// The embedded local cloud.
    #[default]
    Local,
    /// AWS, or any endpoint that speaks its protocols.
    Aws,
}

/// How a target is chosen and used.
#[derive(Debug, Clone, Default)]
pub struct TargetOptions {
    /// Which cloud.
    pub choice: TargetChoice,
    /// Profile of the AWS configuration.
    pub profile: Option<String>,
    /// Region; without it the profile's.
    pub region: Option<String>,
    /// An AWS-compatible endpoint instead of AWS's own.
    pub endpoint_url: Option<String>,
    /// An existing execution role, by name or ARN, instead of roles of the lab's own.
    pub role: Option<String>,
    /// A name prefix in front of everything that a lab makes.
    pub prefix: Option<String>,
    /// Refuse every call that may change something.
    pub read_only: bool,
    /// State directory of the local cloud; without it the platform's data directory.
    pub state_dir: Option<PathBuf>,
    /// Program to start as local cloud; without it this one.
    pub program: Option<PathBuf>,
    /// How long an answer is waited for before the call counts as failed; without it 30 s.
    pub answer_timeout: Option<Duration>,
}

/// A cloud that can be reached, with its clients.
///
/// Clients share one connection pool, one configuration and one interceptor.
#[derive(Debug)]
pub struct Target {
    options: TargetOptions,
    name: String,
    region: String,
    config: SdkConfig,
    guard: SharedInterceptor,
    endpoint: Option<Arc<Endpoint>>,
    local: Option<Local>,
    renewable: Option<Renewable>,
    budgets: Option<Arc<Budgets>>,
    caller: Arc<OnceCell<Caller>>,
    pub(crate) read_only: Arc<AtomicBool>,
    pub(crate) scribe: Arc<Scribe>,
    lambda: OnceLock<aws_sdk_lambda::Client>,
    apigateway: OnceLock<aws_sdk_apigateway::Client>,
    dynamodb: OnceLock<aws_sdk_dynamodb::Client>,
    streams: OnceLock<aws_sdk_dynamodbstreams::Client>,
    logs: OnceLock<aws_sdk_cloudwatchlogs::Client>,
    iam: OnceLock<aws_sdk_iam::Client>,
    sts: OnceLock<aws_sdk_sts::Client>,
    sns: OnceLock<aws_sdk_sns::Client>,
    sqs: OnceLock<aws_sdk_sqs::Client>,
    cloudwatch: OnceLock<aws_sdk_cloudwatch::Client>,
}

/// What a target on the local cloud keeps of it.
#[derive(Debug)]
struct Local {
    state_dir: PathBuf,
    program: PathBuf,
    admin: LocalAdmin,
    keys: LocalKeys,
}

/// Credentials of the local cloud; a state directory that was made anew has others.
#[derive(Debug, Clone)]
struct LocalKeys(Arc<RwLock<Credentials>>);

impl ProvideCredentials for LocalKeys {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(
            self.0
                .read()
                .map(|keys| keys.clone())
                .map_err(|_| CredentialsError::unhandled("the credentials' lock is poisoned")),
        )
    }
}

fn keys_of(cloud: &LocalCloud) -> Credentials {
    Credentials::new(
        cloud.access_key_id.clone(),
        cloud.secret_access_key.clone(),
        None,
        None,
        "labdeck-local",
    )
}

macro_rules! clients {
    ($($(#[$doc:meta])* $name:ident: $sdk:ident;)*) => {
        impl Target {
            $(
                $(#[$doc])*
                pub fn $name(&self) -> &$sdk::Client {
                    self.$name.get_or_init(|| {
                        let config = $sdk::config::Builder::from(&self.config)
                            .interceptor(self.guard.clone())
                            .retry_classifier(TooMany);
                        $sdk::Client::from_conf(config.build())
                    })
                }
            )*
        }
    };
}

clients! {
    /// Lambda.
    lambda: aws_sdk_lambda;
    /// API Gateway (REST).
    apigateway: aws_sdk_apigateway;
    /// `DynamoDB`.
    dynamodb: aws_sdk_dynamodb;
    /// The streams of `DynamoDB`.
    streams: aws_sdk_dynamodbstreams;
    /// `CloudWatch` Logs.
    logs: aws_sdk_cloudwatchlogs;
    /// IAM.
    iam: aws_sdk_iam;
    /// STS.
    sts: aws_sdk_sts;
    /// SNS.
    sns: aws_sdk_sns;
    /// SQS.
    sqs: aws_sdk_sqs;
    /// `CloudWatch`.
    cloudwatch: aws_sdk_cloudwatch;
}

impl Target {
    /// Reaches the target that `options` choose. The local cloud is started when it does not run;
    /// AWS is not called.
    pub async fn connect(options: TargetOptions) -> Result<Arc<Self>> {
        match options.choice {
            TargetChoice::Local => Self::connect_local(options).await,
            TargetChoice::Aws => Self::connect_aws(options).await,
        }
        .map(Arc::new)
    }

    async fn connect_local(options: TargetOptions) -> Result<Self> {
        if options.endpoint_url.is_some() || options.profile.is_some() {
            return Err(Failure::new(
                FailureKind::Invalid,
                "choosing the target",
                "--profile and --endpoint-url are for --target aws",
            )
            .next("add --target aws, or leave them out"));
        }
        if let Some(region) = options.region.as_deref().filter(|r| *r != LOCAL_REGION) {
            return Err(Failure::new(
                FailureKind::Invalid,
                "choosing the target",
                format!("the local cloud has the region {LOCAL_REGION} alone, not {region}"),
            )
            .next("leave --region out, or add --target aws"));
        }
        let state_dir = match &options.state_dir {
            Some(dir) => std::path::absolute(dir).map_err(|error| {
                Failure::new(
                    FailureKind::Invalid,
                    "choosing the state directory",
                    error.to_string(),
                )
            })?,
            None => default_state_dir()?,
        };
        let program = match &options.program {
            Some(program) => program.clone(),
            None => own_program()?,
        };
        let cloud = LocalCloud::ensure(&state_dir, &program).await?;
        let keys = LocalKeys(Arc::new(RwLock::new(keys_of(&cloud))));
        // An endpoint that has AWS's rates is met as AWS is.
        let budgets = cloud.status.aws_limits.then(|| Arc::new(Budgets::default()));
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(LOCAL_REGION))
            .endpoint_url(cloud.endpoint.clone())
            .credentials_provider(SharedCredentialsProvider::new(keys.clone()))
            // The keys are in memory, and may change when the state directory is made anew.
            .identity_cache(IdentityCache::no_cache())
            .http_client(transport::shared_client(false, budgets.clone()))
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .timeout_config(timeouts(&options))
            .stalled_stream_protection(patient_uploads())
            .sleep_impl(aws_smithy_async::rt::sleep::SharedAsyncSleep::new(
                aws_smithy_async::rt::sleep::TokioSleep::new(),
            ))
            .time_source(aws_smithy_async::time::SharedTimeSource::new(
                aws_smithy_async::time::SystemTimeSource::new(),
            ));
        let config = match AppName::new("labdeck") {
            Ok(name) => config.app_name(name),
            Err(_) => config,
        };
        let endpoint = Arc::new(Endpoint::new(&cloud.endpoint));
        let local = Local { state_dir, program, admin: cloud.admin, keys };
        Ok(Self::assemble(
            options,
            "local".to_owned(),
            LOCAL_REGION.to_owned(),
            config.build(),
            Some(endpoint),
            Some(local),
            budgets,
        ))
    }

    async fn connect_aws(options: TargetOptions) -> Result<Self> {
        let endpoint = match &options.endpoint_url {
            Some(url) => Some(Arc::new(Endpoint::new(checked_url(url)?))),
            None => None,
        };
        let tls = endpoint.as_ref().is_none_or(|e| !e.url().starts_with("http://"));
        let budgets = endpoint.is_none().then(|| Arc::new(Budgets::default()));
        let loader = loader(&options, endpoint.as_deref())
            .http_client(transport::shared_client(tls, budgets.clone()))
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .identity_cache(IdentityCache::no_cache());
        let config = loader.load().await;
        let renewable = config.credentials_provider().map(Renewable::new);
        let config = match &renewable {
            Some(renewable) => config
                .into_builder()
                .credentials_provider(SharedCredentialsProvider::new(renewable.clone()))
                .build(),
            None => config,
        };
        let Some(region) = config.region().map(ToString::to_string) else {
            return Err(Failure::new(
                FailureKind::Invalid,
                "choosing the target",
                "no region is given, neither here nor in the AWS configuration",
            )
            .next("give --region or AWS_REGION, or set it with `aws configure`"));
        };
        let name = options
            .endpoint_url
            .clone()
            .or_else(|| options.profile.clone())
            .or_else(|| std::env::var("AWS_PROFILE").ok().filter(|p| !p.is_empty()))
            .unwrap_or_else(|| "aws".to_owned());
        // An endpoint of the AWS configuration (AWS_ENDPOINT_URL) counts like the option.
        let endpoint =
            endpoint.or_else(|| config.endpoint_url().map(|url| Arc::new(Endpoint::new(url))));
        let mut target = Self::assemble(options, name, region, config, endpoint, None, budgets);
        target.renewable = renewable;
        Ok(target)
    }

    /// Looks whether somebody has logged in again, and uses the new credentials from then on.
    ///
    /// # Errors
    /// Conflict when they are of another account than the calls before; otherwise what STS answers to
    /// credentials that have not expired.
    pub async fn renew(&self) -> Result<Renewal> {
        let known = self.caller.get().cloned();
        if let Some(renewable) = &self.renewable {
            let client = transport::shared_client(true, None);
            let loader = loader(&self.options, self.endpoint.as_deref()).http_client(client);
            let config = loader.load().await;
            let Some(source) = config.credentials_provider() else {
                return Ok(Renewal::StillExpired);
            };
            renewable.set(source).await;
        } else {
            self.reconnect().await?;
        }
        let what = "asking whose the new credentials are";
        let answer = self.sts().get_caller_identity().send().await;
        let account = match answer.map_err(|error| Failure::from_sdk(what, &error)) {
            Ok(answer) => answer.account.unwrap_or_default(),
            Err(failure) if failure.wants_login() => return Ok(Renewal::StillExpired),
            Err(failure) => return Err(failure),
        };
        match known {
            Some(known) if known.account != account => Err(Failure::new(
                FailureKind::Conflict,
                what,
                format!("they are of account {account}, and the run began in {}", known.account),
            )
            .next("log in to the same account and run it again: what is done stays")),
            _ => Ok(Renewal::Renewed),
        }
    }

    /// How to log in again; `None` when the credentials are those of the environment, which nobody can
    /// change for a program that runs.
    pub fn login_hint(&self) -> Option<String> {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if self.options.profile.is_none() && set("AWS_ACCESS_KEY_ID") {
            return None;
        }
        let profile = self.options.profile.clone().or_else(|| std::env::var("AWS_PROFILE").ok());
        Some(match profile.filter(|profile| !profile.is_empty()) {
            Some(profile) => {
                format!("aws sso login --profile {profile}, or as you got them before")
            }
            None => "aws login, aws sso login, or as you got them before".to_owned(),
        })
    }

    fn assemble(
        options: TargetOptions,
        name: String,
        region: String,
        config: SdkConfig,
        endpoint: Option<Arc<Endpoint>>,
        local: Option<Local>,
        budgets: Option<Arc<Budgets>>,
    ) -> Self {
        let caller = Arc::new(OnceCell::new());
        let read_only = Arc::new(AtomicBool::new(options.read_only));
        let scribe = Arc::new(Scribe {
            audit: Audit::at(audit_path()),
            target: name.clone(),
            region: region.clone(),
            caller: Arc::clone(&caller),
        });
        let guard = SharedInterceptor::new(Guard {
            read_only: Arc::clone(&read_only),
            endpoint: endpoint.clone(),
            scribe: Arc::clone(&scribe),
        });
        Self {
            options,
            name,
            region,
            config,
            guard,
            endpoint,
            local,
            renewable: None,
            budgets,
            caller,
            read_only,
            scribe,
            lambda: OnceLock::new(),
            apigateway: OnceLock::new(),
            dynamodb: OnceLock::new(),
            streams: OnceLock::new(),
            logs: OnceLock::new(),
            iam: OnceLock::new(),
            sts: OnceLock::new(),
            sns: OnceLock::new(),
            sqs: OnceLock::new(),
            cloudwatch: OnceLock::new(),
        }
    }

    /// What people call it: `local`, the profile, or the URL.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The flags of labdeck's commands that reach this target, for command lines that a person copies.
    pub fn flags(&self) -> Vec<String> {
        let options = &self.options;
        let absolute = |dir: &PathBuf| {
            std::path::absolute(dir).unwrap_or_else(|_| dir.clone()).display().to_string()
        };
        let aws = (options.choice == TargetChoice::Aws).then(|| "aws".to_owned());
        let flags = [
            ("--target", aws),
            ("--profile", options.profile.clone()),
            ("--region", options.region.clone()),
            ("--endpoint-url", options.endpoint_url.clone()),
            ("--prefix", options.prefix.clone()),
            ("--state-dir", options.state_dir.as_ref().map(absolute)),
        ];
        let given = |(flag, value): (&str, Option<String>)| Some([flag.to_owned(), value?]);
        flags.into_iter().filter_map(given).flatten().collect()
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Whether it is the local cloud.
    pub fn is_local(&self) -> bool {
        self.local.is_some()
    }

    /// The account's id; asked for once.
    pub async fn account(&self) -> Result<&str> {
        self.caller().await.map(|caller| caller.account.as_str())
    }

    /// The caller's ARN; asked for once.
    pub async fn caller_arn(&self) -> Result<&str> {
        self.caller().await.map(|caller| caller.arn.as_str())
    }

    /// Finds out who calls, for the audit, where that is not known yet. What is done goes on without.
    pub async fn learn_caller(&self) {
        if let Err(failure) = self.caller().await {
            tracing::info!(%failure, "the caller is not known");
        }
    }

    async fn caller(&self) -> Result<&Caller> {
        // In a box: it is a small part of many futures.
        let ask = Box::pin(async {
            let what = "asking who the caller is";
            let answer = self.sts().get_caller_identity().send().await;
            let answer = answer.map_err(|error| Failure::from_sdk(what, &error))?;
            let (Some(account), Some(arn)) = (answer.account, answer.arn) else {
                let why = "the answer names no account";
                return Err(Failure::new(FailureKind::Service, what, why));
            };
            Ok(Caller { account, arn })
        });
        self.caller.get_or_try_init(|| ask).await
    }

    /// What only the local cloud can do; `None` elsewhere.
    pub fn admin(&self) -> Option<&LocalAdmin> {
        self.local.as_ref().map(|local| &local.admin)
    }

    /// The state directory of the local cloud; `None` elsewhere.
    pub fn state_dir(&self) -> Option<&std::path::Path> {
        self.local.as_ref().map(|local| local.state_dir.as_path())
    }

    /// The endpoint where it is not AWS's own: `http://127.0.0.1:PORT` of the local cloud.
    pub fn endpoint(&self) -> Option<String> {
        self.endpoint.as_ref().map(|endpoint| endpoint.url())
    }

    /// Starts the local cloud again when it does not run any more; elsewhere does nothing.
    ///
    /// Clients stay usable: they follow the cloud should it get another port.
    pub async fn reconnect(&self) -> Result<()> {
        let Some(local) = &self.local else { return Ok(()) };
        let cloud = LocalCloud::ensure(&local.state_dir, &local.program).await?;
        if let Ok(mut keys) = local.keys.0.write() {
            *keys = keys_of(&cloud);
        }
        if let Some(endpoint) = &self.endpoint {
            endpoint.set(&cloud.endpoint);
        }
        local.admin.follow(&cloud.admin);
        Ok(())
    }

    /// A URL that keeps what it is sent for a lab: the local cloud's inbox; `None` elsewhere.
    pub fn inbox(&self, lab: &str) -> Option<String> {
        let endpoint = self.endpoint.as_ref().filter(|_| self.is_local())?;
        Some(format!("{}/_labdeck/inbox/{lab}", endpoint.url()))
    }

    /// An e-mail address whose mail is kept: the local cloud writes it to its outbox; `None`
    /// elsewhere.
    pub fn mailbox(&self, lab: &str) -> Option<String> {
        self.is_local().then(|| format!("{lab}@mailbox.local"))
    }

    /// The URL of an API's stage, without a trailing slash.
    pub fn stage_url(&self, api_id: &str, stage: &str) -> String {
        match &self.endpoint {
            Some(endpoint) => {
                format!("{}/restapis/{api_id}/{stage}/_user_request_", endpoint.url())
            }
            None => format!("https://{api_id}.execute-api.{}.amazonaws.com/{stage}", self.region),
        }
    }

    /// The name prefix in front of everything that a lab makes, where there is one.
    pub fn prefix(&self) -> Option<&str> {
        self.options.prefix.as_deref()
    }

    /// An existing execution role to use, by name or ARN, where one was given.
    pub fn role(&self) -> Option<&str> {
        self.options.role.as_deref()
    }

    /// How long an answer is waited for.
    pub fn answer_timeout(&self) -> Duration {
        self.options.answer_timeout.unwrap_or(ANSWER_TIMEOUT)
    }

    /// How long a call of `operation` at `service` (the SDK's service id, such as `API Gateway`)
    /// would have to wait now for its rate budget.
    pub fn budget_wait(&self, service: &str, operation: &str) -> Duration {
        self.budgets.as_ref().map_or(Duration::ZERO, |b| b.peek(service, operation, Instant::now()))
    }
}

/// What reads the AWS configuration that the options name.
fn loader(options: &TargetOptions, endpoint: Option<&Endpoint>) -> ConfigLoader {
    let mut loader =
        aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts(options));
    loader = loader.stalled_stream_protection(patient_uploads());
    if let Ok(name) = AppName::new("labdeck") {
        loader = loader.app_name(name);
    }
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = &options.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(endpoint) = endpoint {
        loader = loader.endpoint_url(endpoint.url());
    }
    loader
}

/// A call that waits for its rate budget sends nothing meanwhile, which the SDK would take for a
/// stalled upload after five seconds. The answer timeout bounds uploads as well.
fn patient_uploads() -> StalledStreamProtectionConfig {
    StalledStreamProtectionConfig::enabled().upload_enabled(false).build()
}

/// Waiting for a rate budget happens outside these, see `transport`.
fn timeouts(options: &TargetOptions) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .read_timeout(options.answer_timeout.unwrap_or(ANSWER_TIMEOUT))
        .build()
}

/// The running program's path.
fn own_program() -> Result<PathBuf> {
    let path = std::env::current_exe().map_err(|error| {
        Failure::new(FailureKind::Internal, "finding labdeck's own program", error.to_string())
    })?;
    // Linux marks a program that was replaced while it runs; the new one has the plain path.
    let text = path.to_string_lossy();
    Ok(text.strip_suffix(" (deleted)").map_or_else(|| path.clone(), PathBuf::from))
}

fn checked_url(url: &str) -> Result<&str> {
    let bad = |why: String| {
        Failure::new(FailureKind::Invalid, format!("choosing the endpoint {url}"), why)
            .next("give it as in --endpoint-url http://127.0.0.1:4566")
    };
    let uri: http::Uri = url.parse().map_err(|e: http::uri::InvalidUri| bad(e.to_string()))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
        return Err(bad("it must be a http:// or https:// URL with a host".to_owned()));
    }
    if !uri.path().trim_end_matches('/').is_empty() || uri.query().is_some() {
        return Err(bad("it must not have a path or a query".to_owned()));
    }
    Ok(url)
}
