//! What is tried again as throttled though the SDK does not know its code.

use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};

/// Takes an answer with status 429 for throttling.
///
/// The SDK goes by a list of codes, in which that of SNS is missing: its `ThrottledException` reaches
/// clients as `Throttled` (the `awsQueryError` trait of the error in SNS's API model). A used-up resource
/// quota has the same status in API Gateway (`LimitExceededException`, "Error handling" of its API
/// reference), and no pause mends that.
#[derive(Debug)]
pub(crate) struct TooMany;

impl ClassifyRetry for TooMany {
    fn name(&self) -> &'static str {
        "status 429"
    }

    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let Some(response) = context.response() else { return RetryAction::NoActionIndicated };
        if response.status().as_u16() != 429 {
            return RetryAction::NoActionIndicated;
        }
        let named = response.headers().get("x-amzn-errortype").unwrap_or_default();
        let quota = "LimitExceededException";
        let body = response.body().bytes().unwrap_or_default();
        let written = body.windows(quota.len()).any(|part| part == quota.as_bytes());
        if written || named.starts_with(quota) {
            return RetryAction::NoActionIndicated;
        }
        RetryAction::throttling_error()
    }
}
