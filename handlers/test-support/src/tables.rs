//! Tables in memory.

use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use dynoxide::{Database, DynoxideError};
use handler_common::aws::SdkConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Tables in memory, with a switch for answers that get lost.
#[derive(Clone)]
pub struct Tables {
    database: Database,
    lose: Arc<Mutex<Option<&'static str>>>,
    operations: Arc<Mutex<Vec<String>>>,
}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tables").finish_non_exhaustive()
    }
}

impl Tables {
    /// Tables of these names, each with its key: a string.
    pub fn new(tables: &[(&str, &str)]) -> Self {
        let database = Database::memory().expect("tables in memory");
        let made = Self { database, lose: Arc::default(), operations: Arc::default() };
        for (name, key) in tables {
            made.perform(
                "CreateTable",
                &json!({
                    "TableName": name, "BillingMode": "PAY_PER_REQUEST",
                    "AttributeDefinitions": [{ "AttributeName": key, "AttributeType": "S" }],
                    "KeySchema": [{ "AttributeName": key, "KeyType": "HASH" }],
                }),
            );
        }
        made
    }

    /// How these tables are reached.
    pub fn config(&self) -> SdkConfig {
        super::config(self.clone())
    }

    /// Does the next call of an operation, and loses its answer.
    pub fn lose_answer(&self, operation: &'static str) {
        *self.lose.lock().unwrap() = Some(operation);
    }

    /// The operations that were asked for so far.
    pub fn operations(&self) -> Vec<String> {
        self.operations.lock().unwrap().clone()
    }

    /// Every item of a table.
    pub fn items(&self, table: &str) -> Vec<Value> {
        let answer = self.perform("Scan", &json!({ "TableName": table }));
        answer["Items"].as_array().cloned().unwrap_or_default()
    }

    /// Does an operation.
    pub fn perform(&self, operation: &str, request: &Value) -> Value {
        let (status, body) = self.run(operation, request.to_string().as_bytes());
        assert_eq!(status, 200, "{operation} {request}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    fn run(&self, operation: &str, body: &[u8]) -> (u16, String) {
        let database = &self.database;
        let answered = match operation {
            "CreateTable" => answer(body, |request| database.create_table(request)),
            "GetItem" => answer(body, |request| database.get_item(request)),
            "PutItem" => answer(body, |request| database.put_item(request)),
            "UpdateItem" => answer(body, |request| database.update_item(request)),
            "DeleteItem" => answer(body, |request| database.delete_item(request)),
            "Scan" => answer(body, |request| database.scan(request)),
            "TransactWriteItems" => answer(body, |request| database.transact_write_items(request)),
            other => panic!("the tables do not know {other}"),
        };
        match answered {
            Ok(body) => (200, body),
            Err(error) => (error.status_code(), error.to_json()),
        }
    }
}

fn answer<Request: DeserializeOwned, Response: Serialize>(
    body: &[u8],
    run: impl FnOnce(Request) -> Result<Response, DynoxideError>,
) -> Result<String, DynoxideError> {
    let request = serde_json::from_slice(body).expect("a request that can be read");
    Ok(serde_json::to_string(&run(request)?).unwrap())
}

impl HttpConnector for Tables {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let (status, body) = self.run(&operation, request.body().bytes().unwrap());
        self.operations.lock().unwrap().push(operation.clone());
        let mut lose = self.lose.lock().unwrap();
        if *lose == Some(operation.as_str()) {
            *lose = None;
            return HttpConnectorFuture::ready(Err(ConnectorError::io("lost".into())));
        }
        let response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
        HttpConnectorFuture::ready(Ok(response))
    }
}
