//! Whether the credentials in use may do what a deploy begins with: one harmless call to each service.

use futures_util::future::join_all;
use labdeck_aws::{Failure, FailureKind, Result, Target};

use crate::live::existing;

/// What came of asking one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The service, as people call it.
    pub service: &'static str,
    /// Why it did not answer as it should; `None` when it did.
    pub failure: Option<Failure>,
}

/// A name that nothing has: asking for it needs the permission, and answers that there is no such thing.
const NOTHING: &str = "labdeck-doctor-looks-for-nothing";

/// Asks every service that labs use, all side by side. Changes nothing.
pub async fn services(target: &Target) -> Vec<Probe> {
    let probe = |service, asked: Result<()>| Probe { service, failure: existing(asked).err() };
    let what = |service: &str| format!("asking {service}");
    macro_rules! ask {
        ($service:literal, $call:expr) => {
            Box::pin(async {
                let asked = $call.send().await.map(|_| ());
                probe($service, asked.map_err(|error| Failure::from_sdk(what($service), &error)))
            })
        };
    }
    let calls: Vec<std::pin::Pin<Box<dyn Future<Output = Probe> + Send>>> = vec![
        ask!("Lambda", target.lambda().get_function().function_name(NOTHING)),
        ask!("API Gateway", target.apigateway().get_rest_apis().limit(1)),
        ask!("DynamoDB", target.dynamodb().describe_table().table_name(NOTHING)),
        ask!("CloudWatch Logs", target.logs().describe_log_groups().limit(1)),
        ask!("IAM", target.iam().get_role().role_name(NOTHING)),
    ];
    join_all(calls).await
}

impl Probe {
    /// Whether the service denied the call, and roles can be done without.
    pub fn denies_roles(&self) -> bool {
        self.service == "IAM"
            && self.failure.as_ref().is_some_and(|failure| failure.kind == FailureKind::Denied)
    }
}
