//! What a function's role may do with tables, and how it is told when it may not.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::DynamoDb;
use crate::core::Core;
use crate::iam::Iam;
use crate::store::Store;
use crate::wire::{ApiRequest, Caller};

const ROLE: &str = "arn:aws:iam::000000000000:role/greet";
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
    "Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

struct Tables {
    _dir: tempfile::TempDir,
    iam: Arc<Iam>,
    service: Arc<DynamoDb>,
}

impl Tables {
    async fn with_table(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let core = Core::new(dir.path(), Store::open(&dir.path().join("cloud.db")).unwrap());
        let iam = Iam::open(Arc::clone(&core)).unwrap();
        let service = DynamoDb::open(&core, Arc::clone(&iam)).unwrap();
        let tables = Self { _dir: dir, iam, service };
        let created = tables
            .call(
                &Caller::Operator,
                "CreateTable",
                &json!({"TableName": name, "BillingMode": "PAY_PER_REQUEST",
                    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}),
            )
            .await;
        assert_eq!(created.0, 200, "{created:?}");
        tables.iam("Action=CreateRole&RoleName=greet", "AssumeRolePolicyDocument", TRUST).await;
        tables
    }

    async fn iam(&self, form: &str, name: &str, document: &str) {
        let document: String = form_urlencoded::byte_serialize(document.as_bytes()).collect();
        let answer = self
            .iam
            .call(request(&Caller::Operator, HeaderMap::new(), format!("{form}&{name}={document}")))
            .await;
        assert_eq!(answer.status(), 200);
    }

    async fn put_policy(&self, name: &str, policy: &Value) {
        let form = format!("Action=PutRolePolicy&RoleName=greet&PolicyName={name}");
        self.iam(&form, "PolicyDocument", &policy.to_string()).await;
    }

    async fn call(&self, caller: &Caller, operation: &str, body: &Value) -> (u16, Value) {
        let mut headers = HeaderMap::new();
        let target = format!("DynamoDB_20120810.{operation}");
        headers.insert("x-amz-target", target.parse().unwrap());
        let answer = self.service.call(request(caller, headers, body.to_string())).await;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }
}

fn request(caller: &Caller, headers: HeaderMap, body: String) -> ApiRequest {
    ApiRequest {
        method: Method::POST,
        path: "/".to_owned(),
        query: String::new(),
        headers,
        body: Bytes::from(body),
        caller: caller.clone(),
        request_id: "test".to_owned(),
    }
}

fn function() -> Caller {
    Caller::Session { role_arn: ROLE.to_owned(), session_name: "greet-stateful".to_owned() }
}

fn update(table: &str) -> Value {
    json!({"TableName": table, "Key": {"id": {"S": "ada"}}, "UpdateExpression": "ADD visits :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}}})
}

fn policy(effect: &str, action: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action,
        "Resource": "arn:aws:dynamodb:us-east-1:000000000000:table/visits"}]})
}

#[tokio::test]
async fn a_role_allows_what_it_names_until_something_denies_it() {
    let tables = Tables::with_table("visits").await;
    let refused = |reason: &str| {
        json!({"__type": "com.amazon.coral.service#AccessDeniedException", "message": format!(
            "User: arn:aws:sts::000000000000:assumed-role/greet/greet-stateful is not authorized \
             to perform: dynamodb:UpdateItem on resource: \
             arn:aws:dynamodb:us-east-1:000000000000:table/visits {reason}")})
    };
    let nothing = tables.call(&function(), "UpdateItem", &update("visits")).await;
    let reason = "because no identity-based policy allows the dynamodb:UpdateItem action";
    assert_eq!(nothing, (400, refused(reason)));

    tables.put_policy("table", &policy("Allow", "dynamodb:UpdateItem")).await;
    assert_eq!(tables.call(&function(), "UpdateItem", &update("visits")).await.0, 200);
    let transaction = json!({"TransactItems": [{"Update": update("visits")}]});
    assert_eq!(tables.call(&function(), "TransactWriteItems", &transaction).await.0, 200);
    let other =
        json!({"TransactItems": [{"Update": update("visits")}, {"Update": update("other")}]});
    assert_eq!(tables.call(&function(), "TransactWriteItems", &other).await.0, 400);

    tables.put_policy("chaos", &policy("Deny", "dynamodb:*")).await;
    let denied = tables.call(&function(), "UpdateItem", &update("visits")).await;
    assert_eq!(denied, (400, refused("with an explicit deny in an identity-based policy")));
    // The owner of the cloud is asked for nothing.
    assert_eq!(tables.call(&Caller::Operator, "UpdateItem", &update("visits")).await.0, 200);
}

#[tokio::test]
async fn bad_requests_are_told_in_the_words_of_the_service() {
    let tables = Tables::with_table("visits").await;
    let call = async |operation: &str, body: Value| {
        let (status, body) = tables.call(&Caller::Operator, operation, &body).await;
        let kind = body["__type"].as_str().unwrap().rsplit('#').next().unwrap().to_owned();
        (status, kind)
    };
    let answer = |status: u16, kind: &str| (status, kind.to_owned());
    assert_eq!(
        call("PutItem", json!({"TableName": 7})).await,
        answer(400, "SerializationException")
    );
    assert_eq!(
        call("GetItem", json!({"TableName": "visits", "Key": {"other": {"S": "x"}}})).await,
        answer(400, "ValidationException")
    );
    assert_eq!(
        call("GetItem", json!({"TableName": "none", "Key": {"id": {"S": "x"}}})).await,
        answer(400, "ResourceNotFoundException")
    );
    assert_eq!(call("DescribeLimits", json!({})).await, answer(501, "NotImplementedException"));
    let put = json!({"TableName": "visits", "Item": {"id": {"S": "a"}},
        "ConditionExpression": "attribute_not_exists(id)"});
    assert_eq!(tables.call(&Caller::Operator, "PutItem", &put).await.0, 200);
    assert_eq!(call("PutItem", put).await, answer(400, "ConditionalCheckFailedException"));
    let mut deep = json!({"S": "x"});
    for _ in 0..200 {
        deep = json!({"L": [deep]});
    }
    let put = json!({"TableName": "visits", "Item": {"id": {"S": "a"}, "deep": deep}});
    assert_eq!(call("PutItem", put).await, answer(400, "ValidationException"));
}
