//! The services of the local cloud and how a request finds its own.

use std::sync::{Arc, Weak};

use http::HeaderMap;

use crate::alarm_actions::Actions;
use crate::apigateway::ApiGateway;
use crate::core::Core;
use crate::dynamodb::DynamoDb;
use crate::error::AwsError;
use crate::iam::Iam;
use crate::lambda::{Lambda, Neighbours};
use crate::lifecycle::StartError;
use crate::logs::Logs;
use crate::metrics::{self, Metrics};
use crate::protocol::{Form, Protocol};
use crate::sns::{Functions, Sns};
use crate::sqs::Sqs;
use crate::sts;
use crate::wire::{Answer, ApiRequest};

/// Every service, opened on one state directory.
#[derive(Debug)]
pub struct Services {
    /// What they share.
    pub core: Arc<Core>,
    /// Identities and permissions.
    pub iam: Arc<Iam>,
    /// `CloudWatch`.
    pub metrics: Arc<Metrics>,
    /// CloudWatch Logs.
    pub logs: Arc<Logs>,
    /// Topics.
    pub sns: Arc<Sns>,
    /// Queues.
    pub sqs: Arc<Sqs>,
    /// Tables.
    pub dynamodb: Arc<DynamoDb>,
    /// Functions.
    pub lambda: Arc<Lambda>,
    /// REST APIs.
    pub apigateway: Arc<ApiGateway>,
}

/// A service by its signing name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Service {
    /// Lambda.
    Lambda,
    /// API Gateway's control plane.
    ApiGateway,
    /// CloudWatch Logs.
    Logs,
    /// DynamoDB and DynamoDB Streams.
    DynamoDb,
    /// SNS.
    Sns,
    /// SQS.
    Sqs,
    /// IAM.
    Iam,
    /// STS.
    Sts,
    /// `CloudWatch`, in the protocol that the client speaks.
    Monitoring(Protocol),
    /// A service that the local cloud does not have, with the protocol its client speaks.
    Other(String, Protocol),
}

impl Service {
    /// The service that a request's credential scope names.
    pub fn of_scope(name: &str, headers: &HeaderMap) -> Self {
        match name {
            "lambda" => Self::Lambda,
            "apigateway" => Self::ApiGateway,
            "logs" => Self::Logs,
            "dynamodb" => Self::DynamoDb,
            "sns" => Self::Sns,
            "sqs" => Self::Sqs,
            "iam" => Self::Iam,
            "sts" => Self::Sts,
            "monitoring" => Self::Monitoring(metrics::protocol(headers)),
            other => Self::Other(other.to_owned(), guess_protocol(headers)),
        }
    }

    /// The name by which its requests are signed.
    pub fn signing_name(&self) -> &str {
        match self {
            Self::Lambda => "lambda",
            Self::ApiGateway => "apigateway",
            Self::Logs => "logs",
            Self::DynamoDb => "dynamodb",
            Self::Monitoring(_) => "monitoring",
            Self::Sns => "sns",
            Self::Sqs => "sqs",
            Self::Iam => "iam",
            Self::Sts => "sts",
            Self::Other(name, _) => name,
        }
    }

    /// The service that an unsigned request seems to be for: by target header, form or path.
    pub fn of_request(request: &ApiRequest) -> Option<Self> {
        if let Some(target) = request.header("x-amz-target") {
            return match target.split(['_', '.']).next() {
                Some("DynamoDB" | "DynamoDBStreams") => Some(Self::DynamoDb),
                Some("Logs") => Some(Self::Logs),
                Some("AmazonSQS") => Some(Self::Sqs),
                Some(metrics::SERVICE) => Some(Self::Monitoring(Protocol::Json10)),
                name => Some(Self::Other(name.unwrap_or(target).to_owned(), Protocol::Logs)),
            };
        }
        let first = request.path.split('/').nth(1).unwrap_or("");
        match first {
            "service" => return Some(Self::Monitoring(metrics::protocol(&request.headers))),
            "restapis" | "apikeys" | "usageplans" | "account" | "domainnames" | "tags" => {
                return Some(Self::ApiGateway);
            }
            _ if is_date(first) => return Some(Self::Lambda),
            _ => {}
        }
        match Form::read(request).get("Version") {
            Some("2010-05-08") => Some(Self::Iam),
            Some("2011-06-15") => Some(Self::Sts),
            Some("2010-03-31") => Some(Self::Sns),
            Some("2012-11-05") => Some(Self::Sqs),
            Some(metrics::VERSION) => Some(Self::Monitoring(Protocol::Query)),
            Some(version) => Some(Self::Other(format!("query API {version}"), Protocol::Query)),
            None => None,
        }
    }

    /// How its errors are written.
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Lambda => Protocol::Lambda,
            Self::ApiGateway => Protocol::ApiGateway,
            Self::Logs => Protocol::Logs,
            Self::DynamoDb => Protocol::DynamoDb,
            Self::Sqs => Protocol::Sqs,
            Self::Iam | Self::Sts | Self::Sns => Protocol::Query,
            Self::Monitoring(protocol) | Self::Other(_, protocol) => *protocol,
        }
    }

    /// The longest body it takes, in bytes.
    pub fn body_limit(&self) -> usize {
        match self {
            // Function code: Lambda's own limit is 50 MB of zip, in base64.
            Self::Lambda => 70 * 1024 * 1024,
            Self::Monitoring(_) => metrics::LONGEST_BODY,
            _ => 16 * 1024 * 1024,
        }
    }
}

impl Services {
    /// Opens every service on the state directory of `core`.
    pub fn open(core: &Arc<Core>) -> Result<Self, StartError> {
        let state = |what: String| StartError::State { what };
        let iam = Iam::open(Arc::clone(core))?;
        let metrics = Metrics::open(Arc::clone(core), Arc::clone(&iam))
            .map_err(|error| state(error.to_string()))?;
        let logs = Logs::open(Arc::clone(core), Arc::clone(&iam))
            .map_err(|error| state(error.to_string()))?;
        let sqs = Sqs::open(Arc::clone(core), Arc::clone(&iam))?;
        let sns = Sns::open(Arc::clone(core), Arc::clone(&iam), Arc::clone(&sqs))?;
        let dynamodb =
            DynamoDb::open(core, Arc::clone(&iam)).map_err(|error| state(error.to_string()))?;
        let lambda = Lambda::open(Arc::clone(core), Arc::clone(&iam), Arc::clone(&logs))
            .map_err(|error| state(error.to_string()))?;
        lambda.connect(Neighbours {
            sqs: Arc::clone(&sqs),
            sns: Arc::clone(&sns),
            dynamodb: Arc::clone(&dynamodb),
        });
        let functions: Weak<dyn Functions> = Arc::downgrade(&lambda) as Weak<dyn Functions>;
        sns.connect(functions);
        metrics.act_through(Actions { sns: Arc::clone(&sns), lambda: Arc::clone(&lambda) });
        let apigateway = ApiGateway::open(
            Arc::clone(core),
            Arc::clone(&iam),
            Arc::clone(&lambda),
            Arc::clone(&logs),
        )?;
        Ok(Self {
            core: Arc::clone(core),
            iam,
            metrics,
            logs,
            sns,
            sqs,
            dynamodb,
            lambda,
            apigateway,
        })
    }

    /// Execution environments that run now.
    pub fn environments(&self) -> usize {
        self.lambda.environments()
    }

    /// Ends everything that runs, and writes what is queued.
    pub async fn shutdown(&self) {
        self.sns.stop();
        self.lambda.shutdown().await;
        if let Err(error) = self.logs.flush().await {
            tracing::warn!("the last log lines could not be written: {error}");
        }
        if let Err(error) = self.apigateway.flush().await {
            tracing::warn!("the usage of API keys could not be written: {error}");
        }
        self.metrics.shutdown().await;
    }

    /// Lets the service answer.
    pub async fn call(&self, service: &Service, request: ApiRequest) -> Answer {
        match service {
            Service::Logs => self.logs.call(request).await,
            Service::DynamoDb => self.dynamodb.call(request).await,
            Service::Sqs => self.sqs.call(request).await,
            Service::Sns => self.sns.call(request).await,
            Service::Iam => self.iam.call(request).await,
            Service::Sts => sts::call(&self.iam, &request),
            Service::Lambda => self.lambda.call(request).await,
            Service::ApiGateway => self.apigateway.call(request).await,
            Service::Monitoring(protocol) => self.metrics.call(request, *protocol).await,
            Service::Other(name, _) => not_there(service, name, &request),
        }
    }
}

fn not_there(service: &Service, name: &str, request: &ApiRequest) -> Answer {
    let operation = request
        .header("x-amz-target")
        .and_then(|target| target.rsplit('.').next())
        .map(str::to_owned)
        .or_else(|| Form::read(request).get("Action").map(str::to_owned))
        .unwrap_or_else(|| format!("{} {}", request.method, request.path));
    let error = AwsError::not_implemented(name, &operation);
    service.protocol().error(&error, &request.request_id)
}

fn guess_protocol(headers: &HeaderMap) -> Protocol {
    let is_form = headers
        .get(http::header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    if headers.contains_key("x-amz-target") {
        Protocol::Logs
    } else if is_form {
        Protocol::Query
    } else {
        Protocol::Lambda
    }
}

/// `2015-03-31` and the like: what Lambda's paths begin with.
fn is_date(segment: &str) -> bool {
    let bytes = segment.as_bytes();
    bytes.len() == 10
        && bytes.iter().enumerate().all(|(index, byte)| match index {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}
