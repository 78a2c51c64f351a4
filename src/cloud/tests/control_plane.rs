//! The local cloud as the AWS SDKs and plain HTTP clients see it: identities, tables, refusals.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType, Tag, TransactWriteItem, Update,
};
use labdeck_cloud::lifecycle::Options;
use serde_json::Value;
use support::Cloud;

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
    "Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

async fn create_visits(tables: &aws_sdk_dynamodb::Client) {
    let key = AttributeDefinition::builder()
        .attribute_name("user_id")
        .attribute_type(ScalarAttributeType::S);
    let schema = KeySchemaElement::builder().attribute_name("user_id").key_type(KeyType::Hash);
    let created = tables
        .create_table()
        .table_name("visits")
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(key.build().unwrap())
        .key_schema(schema.build().unwrap())
        .tags(Tag::builder().key("labdeck:lab").value("greet").build().unwrap())
        .send()
        .await
        .unwrap();
    let arn = created.table_description().unwrap().table_arn().unwrap();
    assert_eq!(arn, "arn:aws:dynamodb:us-east-1:000000000000:table/visits");
}

async fn visit(tables: &aws_sdk_dynamodb::Client, user: &str) -> String {
    let answer = tables
        .update_item()
        .table_name("visits")
        .key("user_id", AttributeValue::S(user.to_owned()))
        .update_expression("ADD visits :one")
        .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
        .return_values(aws_sdk_dynamodb::types::ReturnValue::AllNew)
        .send()
        .await
        .unwrap();
    answer.attributes().unwrap()["visits"].as_n().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_live_through_a_restart_with_everything_they_were_given() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = Cloud::start(dir.path()).await;
    let iam = aws_sdk_iam::Client::new(&cloud.config());
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
        "Action":"dynamodb:UpdateItem","Resource":"*"}]}"#;
    let created = iam
        .create_role()
        .role_name("greet-role")
        .path("/labs/")
        .description("a <role> & more")
        .assume_role_policy_document(TRUST)
        .tags(aws_sdk_iam::types::Tag::builder().key("k").value("v").build().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(created.role().unwrap().arn(), "arn:aws:iam::000000000000:role/labs/greet-role");
    let again = iam
        .create_role()
        .role_name("greet-role")
        .assume_role_policy_document(TRUST)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(again.is_entity_already_exists_exception(), "{again:?}");
    iam.put_role_policy()
        .role_name("greet-role")
        .policy_name("table")
        .policy_document(policy)
        .send()
        .await
        .unwrap();
    let basic = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
    iam.attach_role_policy().role_name("greet-role").policy_arn(basic).send().await.unwrap();
    let malformed = iam
        .put_role_policy()
        .role_name("greet-role")
        .policy_name("x")
        .policy_document("{")
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(malformed.is_malformed_policy_document_exception(), "{malformed:?}");
    cloud.stop().await;

    let cloud = Cloud::restart_with(Options::new(dir.path())).await;
    let iam = aws_sdk_iam::Client::new(&cloud.config());
    let role = iam.get_role().role_name("greet-role").send().await.unwrap().role.unwrap();
    assert_eq!(role.description(), Some("a <role> & more"));
    assert_eq!(role.tags()[0].value(), "v");
    let trust = percent_decode(role.assume_role_policy_document().unwrap());
    assert_eq!(trust, TRUST);
    let found =
        iam.get_role_policy().role_name("greet-role").policy_name("table").send().await.unwrap();
    assert_eq!(percent_decode(found.policy_document()), policy);
    let roles = iam.list_roles().path_prefix("/labs/").send().await.unwrap();
    assert_eq!(roles.roles().len(), 1);
    let inline = iam.list_role_policies().role_name("greet-role").send().await.unwrap();
    assert_eq!(inline.policy_names(), ["table"]);
    let conflict = iam.delete_role().role_name("greet-role").send().await;
    let conflict = conflict.unwrap_err().into_service_error();
    assert!(conflict.is_delete_conflict_exception(), "{conflict:?}");
    iam.detach_role_policy().role_name("greet-role").policy_arn(basic).send().await.unwrap();
    iam.delete_role_policy().role_name("greet-role").policy_name("table").send().await.unwrap();
    iam.delete_role().role_name("greet-role").send().await.unwrap();
    let gone = iam.get_role().role_name("greet-role").send().await.unwrap_err();
    assert!(gone.into_service_error().is_no_such_entity_exception());
    cloud.stop().await;
}

fn percent_decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_keep_their_items_and_count_every_concurrent_visit() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = Cloud::start(dir.path()).await;
    let tables = aws_sdk_dynamodb::Client::new(&cloud.config());
    create_visits(&tables).await;
    let visits = (0..40).map(|_| {
        let tables = tables.clone();
        tokio::spawn(async move { visit(&tables, "ada").await })
    });
    for counted in visits.collect::<Vec<_>>() {
        counted.await.unwrap();
    }
    assert_eq!(visit(&tables, "ada").await, "41");
    let missing = tables.get_item().table_name("nothing").key("a", AttributeValue::S("b".into()));
    let missing = missing.send().await.unwrap_err().into_service_error();
    assert!(missing.is_resource_not_found_exception(), "{missing:?}");
    cloud.stop().await;

    let cloud = Cloud::restart_with(Options::new(dir.path())).await;
    let tables = aws_sdk_dynamodb::Client::new(&cloud.config());
    assert_eq!(visit(&tables, "ada").await, "42");
    let described = tables.describe_table().table_name("visits").send().await.unwrap();
    let arn = described.table().unwrap().table_arn().unwrap().to_owned();
    let tags = tables.list_tags_of_resource().resource_arn(&arn).send().await.unwrap();
    assert_eq!(tags.tags()[0].value(), "greet");
    tables.delete_table().table_name("visits").send().await.unwrap();
    assert!(tables.list_tables().send().await.unwrap().table_names().is_empty());
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_refused_and_say_why() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = Cloud::start(dir.path()).await;
    let code = |config: aws_config::SdkConfig| async move {
        let sts = aws_sdk_sts::Client::new(&config);
        let tables = aws_sdk_dynamodb::Client::new(&config);
        let query = sts.get_caller_identity().send().await.unwrap_err();
        let json = tables.list_tables().send().await.unwrap_err();
        (
            query.code().unwrap_or("").to_owned(),
            json.code().unwrap_or("").to_owned(),
            query.raw_response().unwrap().status().as_u16(),
            json.raw_response().unwrap().status().as_u16(),
        )
    };
    let wrong_secret = code(cloud.config_as(&cloud.access_key_id, "wrong", None)).await;
    assert_eq!(
        wrong_secret,
        ("SignatureDoesNotMatch".into(), "InvalidSignatureException".into(), 403, 400)
    );
    let wrong_key = code(cloud.config_as("AKIAOTHER", &cloud.secret_access_key, None)).await;
    assert_eq!(
        wrong_key,
        ("InvalidClientTokenId".into(), "UnrecognizedClientException".into(), 403, 400)
    );
    let host = cloud.endpoint.trim_start_matches("http://").to_owned();
    let (status, _) = cloud.raw("GET /restapis HTTP/1.1\r\nHost: evil.example\r\n", "").await;
    assert_eq!(status, 403);
    let page =
        format!("GET /restapis HTTP/1.1\r\nHost: {host}\r\nOrigin: https://evil.example\r\n");
    assert_eq!(cloud.raw(&page, "").await.0, 403);
    let (status, body) =
        cloud.raw(&format!("GET /restapis HTTP/1.1\r\nHost: {host}\r\n"), "").await;
    assert_eq!((status, body.as_str()), (403, r#"{"message":"Missing Authentication Token"}"#));
    let long = format!("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 99999999999\r\n");
    assert_eq!(cloud.raw(&long, "").await.0, 413);
    let (status, _) = cloud.raw("GET / HTTP/1.1\r\nnonsense\r\n", "").await;
    assert_eq!(status, 400);
    // It still answers those whom it knows.
    let sts = aws_sdk_sts::Client::new(&cloud.config());
    let me = sts.get_caller_identity().send().await.unwrap();
    assert_eq!(me.arn(), Some("arn:aws:iam::000000000000:root"));
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_credentials_lets_everybody_in() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { any_credentials: true, ..Options::new(dir.path()) };
    let cloud = Cloud::start_with(options).await;
    let tables = aws_sdk_dynamodb::Client::new(&cloud.config_as("test", "test", None));
    create_visits(&tables).await;
    let host = cloud.endpoint.trim_start_matches("http://").to_owned();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {host}\r\nX-Amz-Target: DynamoDB_20120810.ListTables\r\n"
    );
    assert_eq!(cloud.raw(&head, "{}").await, (200, r#"{"TableNames":["visits"]}"#.to_owned()));
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = Cloud::start(dir.path()).await;
    let tables = aws_sdk_dynamodb::Client::new(&cloud.config());
    let error = tables.describe_limits().send().await.unwrap_err();
    assert_eq!(error.code(), Some("NotImplementedException"));
    assert!(error.message().unwrap().contains("DescribeLimits"), "{:?}", error.message());
    let iam = aws_sdk_iam::Client::new(&cloud.config());
    let error = iam.list_users().send().await.unwrap_err();
    assert!(error.message().unwrap().contains("ListUsers"), "{:?}", error.message());
    let transaction = TransactWriteItem::builder().update(
        Update::builder()
            .table_name("nothing")
            .key("a", AttributeValue::S("b".into()))
            .update_expression("SET x = :x")
            .expression_attribute_values(":x", AttributeValue::S("y".into()))
            .build()
            .unwrap(),
    );
    let error = tables.transact_write_items().transact_items(transaction.build()).send().await;
    assert!(error.unwrap_err().into_service_error().is_resource_not_found_exception());
    cloud.stop().await;
}

/// A zip with an empty program in it.
const ZIP: &str = "UEsDBBQAAAAAAAAAIVjihkXDEQAAABEAAAAJAAAAYm9vdHN0cmFwIyEvYmluL3NoCmV4aXQgMApQSwECFAMUAAAAAAAAACFY4oZFwxEAAAARAAAACQAAAAAAAAAAAAAA7QEAAAAAYm9vdHN0cmFwUEsFBgAAAAABAAEANwAAADgAAAAAAA==";

/// A cloud that takes any credentials, with a function `empty`.
async fn cloud_with_a_function(state_dir: &std::path::Path) -> Cloud {
    let options = Options { any_credentials: true, ..Options::new(state_dir) };
    let cloud = Cloud::start_with(options).await;
    let iam = aws_sdk_iam::Client::new(&cloud.config());
    let role =
        iam.create_role().role_name("r").assume_role_policy_document(TRUST).send().await.unwrap();
    let body = serde_json::json!({
        "FunctionName": "empty", "Runtime": "provided.al2023", "Handler": "bootstrap",
        "Role": role.role().unwrap().arn(), "Code": { "ZipFile": ZIP },
    });
    let (status, created) = ask(&cloud, "POST", "/2015-03-31/functions", &body.to_string()).await;
    assert_eq!(status, 201, "{created}");
    cloud
}

async fn ask(cloud: &Cloud, method: &str, path: &str, body: &str) -> (u16, String) {
    let host = cloud.endpoint.trim_start_matches("http://");
    cloud.raw(&format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n"), body).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_code_of_a_function_is_behind_its_link() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = cloud_with_a_function(dir.path()).await;
    let (status, function) = ask(&cloud, "GET", "/2015-03-31/functions/empty", "").await;
    assert_eq!(status, 200, "{function}");
    let function: Value = serde_json::from_str(&function).unwrap();
    let location = function["Code"]["Location"].as_str().unwrap();
    let link = location.strip_prefix(&cloud.endpoint).unwrap();
    // A link is all that is needed: no credentials, no token.
    let (status, zip) = ask(&cloud, "GET", link, "").await;
    assert_eq!(status, 200, "{zip}");
    assert!(zip.starts_with("PK") && zip.contains("#!/bin/sh\nexit 0\n"), "{zip:?}");
    let other = link.replace("Expires=", "Expires=9");
    assert_eq!(ask(&cloud, "GET", &other, "").await.0, 403, "a link that was changed");
    let bare = link.split('?').next().unwrap();
    assert_eq!(ask(&cloud, "GET", bare, "").await.0, 403);
    // The rest of the admin API stays closed.
    assert_eq!(ask(&cloud, "GET", "/_labdeck/status", "").await.0, 401);
    cloud.stop().await;
}
