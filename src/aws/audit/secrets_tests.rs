//! Every SDK call that carries a secret is made with one, and the audit file has none of them.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::interceptors::SharedInterceptor;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use tokio::sync::OnceCell;

use super::*;
use crate::intercept::{Guard, Scribe};

/// What must not be found.
const SECRET: &str = "s3cr3t-9f8e7d6c5b4a-and-long-enough-to-be-a-session-token";

/// Answers every call with the same status, and with the secret in head and body.
#[derive(Debug, Clone)]
struct Answers(u16, Arc<AtomicUsize>);

impl HttpConnector for Answers {
    fn call(&self, _request: HttpRequest) -> HttpConnectorFuture {
        self.1.fetch_add(1, Ordering::SeqCst);
        let body =
            format!(r#"{{"message":"{SECRET}","value":"{SECRET}","SecretAccessKey":"{SECRET}"}}"#);
        let mut response = HttpResponse::new(self.0.try_into().unwrap(), SdkBody::from(body));
        response.headers_mut().insert("x-amz-something", SECRET);
        HttpConnectorFuture::ready(Ok(response))
    }
}

impl HttpClient for Answers {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// Makes the calls; each must be written down.
macro_rules! made {
    ($count:ident: $($call:expr),* $(,)?) => {
        $(
            // How it ends does not matter here: what it wrote does.
            let _ = $call.send().await;
            $count += 1;
        )*
    };
}

async fn calls(config: &SdkConfig, guard: &SharedInterceptor) -> usize {
    macro_rules! client {
        ($sdk:ident) => {
            $sdk::Client::from_conf(
                $sdk::config::Builder::from(config).interceptor(guard.clone()).build(),
            )
        };
    }
    let mut count = 0;

    let gateway = client!(aws_sdk_apigateway);
    let patch = aws_sdk_apigateway::types::PatchOperation::builder();
    let patch =
        patch.op(aws_sdk_apigateway::types::Op::Replace).path("/value").value(SECRET).build();
    made!(count:
        gateway.create_api_key().name("k").value(SECRET).customer_id(SECRET),
        gateway.update_api_key().api_key("id").patch_operations(patch.clone()),
        gateway.import_api_keys().body(SECRET.as_bytes().to_vec().into())
            .format(aws_sdk_apigateway::types::ApiKeysFormat::Csv),
        gateway.create_stage().rest_api_id("a").stage_name("s").deployment_id("d")
            .variables("token", SECRET),
        gateway.update_stage().rest_api_id("a").stage_name("s").patch_operations(patch),
        gateway.import_rest_api().body(SECRET.as_bytes().to_vec().into()),
        gateway.put_rest_api().rest_api_id("a").body(SECRET.as_bytes().to_vec().into()),
        gateway.create_authorizer().rest_api_id("a").name("n")
            .r#type(aws_sdk_apigateway::types::AuthorizerType::Token).authorizer_credentials(SECRET),
        gateway.create_domain_name().domain_name("d").certificate_private_key(SECRET),
        gateway.test_invoke_method().rest_api_id("a").resource_id("r").http_method("GET")
            .path_with_query_string(format!("/a?token={SECRET}")).body(SECRET)
            .headers("authorization", SECRET).stage_variables("v", SECRET),
        gateway.test_invoke_authorizer().rest_api_id("a").authorizer_id("r").headers("a", SECRET),
    );

    let lambda = client!(aws_sdk_lambda);
    let environment =
        aws_sdk_lambda::types::Environment::builder().variables("TOKEN", SECRET).build();
    let code = || aws_sdk_lambda::primitives::Blob::new(SECRET);
    made!(count:
        lambda.create_function().function_name("f").role("r").environment(environment.clone())
            .code(aws_sdk_lambda::types::FunctionCode::builder().zip_file(code()).build()),
        lambda.update_function_configuration().function_name("f").environment(environment),
        lambda.update_function_code().function_name("f").zip_file(code()),
        lambda.invoke().function_name("f").payload(code()).client_context(SECRET),
        lambda.publish_version().function_name("f").description(SECRET),
        lambda.update_alias().function_name("f").name("prod").description(SECRET),
        lambda.tag_resource().resource("arn:aws:lambda:x").tags("k", SECRET),
        lambda.untag_resource().resource("arn:aws:lambda:x").tag_keys(SECRET),
    );

    let dynamodb = client!(aws_sdk_dynamodb);
    let value = || aws_sdk_dynamodb::types::AttributeValue::S(SECRET.to_owned());
    made!(count:
        dynamodb.put_item().table_name("t").item("pw", value()),
        dynamodb.update_item().table_name("t").key("k", value())
            .expression_attribute_values(":v", value()),
        dynamodb.delete_item().table_name("t").key("k", value()),
        dynamodb.execute_statement().statement(format!("INSERT INTO t VALUE {{'k':'{SECRET}'}}")),
    );

    let logs = client!(aws_sdk_cloudwatchlogs);
    let event = aws_sdk_cloudwatchlogs::types::InputLogEvent::builder();
    let event = event.timestamp(1).message(SECRET).build().unwrap();
    made!(count:
        logs.put_log_events().log_group_name("g").log_stream_name("s").log_events(event)
            .sequence_token(SECRET),
        logs.put_resource_policy().policy_name("p").policy_document(SECRET),
    );

    let iam = client!(aws_sdk_iam);
    made!(count:
        iam.create_login_profile().user_name("u").password(SECRET),
        iam.update_login_profile().user_name("u").password(SECRET),
        iam.change_password().old_password(SECRET).new_password(SECRET),
        iam.create_access_key().user_name("u"),
        iam.put_role_policy().role_name("r").policy_name("p").policy_document(SECRET),
        iam.create_role().role_name("r").assume_role_policy_document(SECRET).description(SECRET),
        iam.upload_server_certificate().server_certificate_name("c").certificate_body("b")
            .private_key(SECRET),
        iam.reset_service_specific_credential().service_specific_credential_id("i"),
    );

    let sts = client!(aws_sdk_sts);
    made!(count:
        sts.assume_role().role_arn("r").role_session_name("s").external_id(SECRET).token_code(SECRET),
        sts.get_session_token().token_code(SECRET),
        sts.assume_role_with_web_identity().role_arn("r").role_session_name("s")
            .web_identity_token(SECRET),
        sts.assume_role_with_saml().role_arn("r").principal_arn("p").saml_assertion(SECRET),
    );

    let sns = client!(aws_sdk_sns);
    made!(count:
        sns.publish().topic_arn("t").message(SECRET).subject(SECRET),
        sns.subscribe().topic_arn("t").protocol("https").endpoint(format!("https://h/?k={SECRET}")),
        sns.confirm_subscription().topic_arn("t").token(SECRET),
        sns.create_platform_application().name("n").platform("p")
            .attributes("PlatformCredential", SECRET),
        sns.set_platform_application_attributes().platform_application_arn("p")
            .attributes("PlatformCredential", SECRET),
    );

    let sqs = client!(aws_sdk_sqs);
    made!(count:
        sqs.send_message().queue_url("http://q/1").message_body(SECRET),
        sqs.delete_message().queue_url("http://q/1").receipt_handle(SECRET),
        sqs.set_queue_attributes().queue_url("http://q/1")
            .attributes(aws_sdk_sqs::types::QueueAttributeName::Policy, SECRET),
    );

    let cloudwatch = client!(aws_sdk_cloudwatch);
    made!(count: cloudwatch.put_dashboard().dashboard_name("d").dashboard_body(SECRET));
    count
}

/// What the calls need, with an audit at `path`.
fn bench(
    path: &std::path::Path,
    read_only: bool,
    answers: Answers,
) -> (SdkConfig, SharedInterceptor) {
    let scribe = Arc::new(Scribe {
        audit: Audit::at(Some(path.to_owned())),
        target: "t".to_owned(),
        region: "us-east-1".to_owned(),
        caller: Arc::new(OnceCell::new()),
    });
    let read_only = Arc::new(AtomicBool::new(read_only));
    let guard = SharedInterceptor::new(Guard { read_only, endpoint: None, scribe });
    let credentials = Credentials::new("AKIDEXAMPLE", SECRET, Some(SECRET.into()), None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url("http://127.0.0.1:9")
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::disabled())
        .http_client(SharedHttpClient::new(answers))
        .build();
    (config, guard)
}

#[tokio::test]
async fn no_call_leaves_a_secret_in_the_audit() {
    let dir = std::env::temp_dir().join(format!("labdeck-audit-{}", uuid::Uuid::new_v4()));
    let path = dir.join("audit.jsonl");
    let mut made = 0;
    for status in [200, 400, 500] {
        let (config, guard) = bench(&path, false, Answers(status, Arc::default()));
        made += calls(&config, &guard).await;
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let entries: Vec<Entry> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(entries.len(), made, "every call is written down once");
    assert!(!text.contains("s3cr3t"), "{text}");
    assert!(entries.iter().any(Entry::failed) && entries.iter().any(|entry| !entry.failed()));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn in_read_only_mode_none_of_them_is_sent() {
    let path = std::env::temp_dir().join(format!("labdeck-audit-{}", uuid::Uuid::new_v4()));
    let sent = Arc::new(AtomicUsize::new(0));
    let (config, guard) = bench(&path, true, Answers(200, Arc::clone(&sent)));
    assert!(calls(&config, &guard).await > 40);
    assert_eq!(sent.load(Ordering::SeqCst), 0);
    assert!(!path.exists(), "what was not sent is not written down");
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_written_down_as_given_up() {
    let path = std::env::temp_dir().join(format!("labdeck-audit-{}", uuid::Uuid::new_v4()));
    let (config, guard) = bench(&path, false, Answers(200, Arc::default()));
    let config = config.into_builder().http_client(SharedHttpClient::new(Silence)).build();
    let config = aws_sdk_lambda::config::Builder::from(&config).interceptor(guard).build();
    let client = aws_sdk_lambda::Client::from_conf(config);
    let call = client.delete_function().function_name("f").send();
    let given_up = tokio::time::timeout(std::time::Duration::from_millis(50), call).await;
    assert!(given_up.is_err());
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("DeleteFunction") && text.contains("given up"), "{text}");
    std::fs::remove_file(path).unwrap();
}

/// Never answers.
#[derive(Debug, Clone)]
struct Silence;

impl HttpConnector for Silence {
    fn call(&self, _request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(std::future::pending())
    }
}

impl HttpClient for Silence {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
