//! The table `Todos`: todos by their id, and beside them what is known of the keys of creates.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Builder, Config};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Put, ReturnValue, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem,
};
use handler_common::aws::{self, AwsFailure, OnlyThrottles, SdkConfig};
use handler_common::{Error, Page};
use serde_json::{Value, json};

use crate::fields::Status;

/// The table's key: a todo's id, or `key#` and the digest of a create's key.
const ID: &str = "id";
const TASK: &str = "task";
const STATUS: &str = "status";
const CREATED_AT: &str = "createdAt";
/// What the create that made a todo, or first used a key, asked for.
const FINGERPRINT: &str = "fingerprint";
/// The todo that the create of a key made.
const TODO_ID: &str = "todoId";
/// When a key is forgotten, in seconds since the epoch: the attribute of the table's time to live.
const EXPIRES: &str = "expires";

/// How long a key is remembered, in seconds: a day.
const KEY_LIFETIME_SECONDS: u64 = 24 * 60 * 60;
/// How often a transaction that met another is tried.
const TRIES: u32 = 6;

type Item = HashMap<String, AttributeValue>;

/// The todos.
#[derive(Debug, Clone)]
pub struct Todos {
    client: Client,
    /// For what must not be done twice.
    careful: Client,
    table: String,
}

/// A todo that is to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewTodo {
    pub(crate) id: String,
    pub(crate) task: String,
    pub(crate) status: Status,
    /// What the request means: the same for a request that is repeated.
    pub(crate) fingerprint: String,
}

/// What came of a create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Created {
    /// The todo is new.
    New,
    /// A request before this one made it.
    Before {
        /// The todo's id.
        id: String,
    },
    /// A request before this one used the key or the id for something else.
    Conflict,
}

impl Todos {
    /// The todos of the table that `TABLE` names.
    ///
    /// Errors: `TABLE` is not set.
    pub fn from_env() -> Result<Self, Error> {
        let table = aws::needed_variable("TABLE")?;
        Ok(Self::new(&aws::config("AWS_ENDPOINT_URL_DYNAMODB"), table))
    }

    /// The todos of a table reached as a configuration says.
    pub fn new(config: &SdkConfig, table: String) -> Self {
        let careful = Builder::from(config).retry_classifier(OnlyThrottles).build();
        Self {
            client: Client::from_conf(Config::from(config)),
            careful: Client::from_conf(careful),
            table,
        }
    }

    /// Creates a todo, once: who repeats it, even at the same time, is told of the first.
    ///
    /// One conditional write decides, so nobody can come between looking and writing. With a key it is a
    /// transaction of two: the todo and the word that the key is used.
    pub(crate) async fn create(
        &self,
        todo: &NewTodo,
        key: Option<&str>,
    ) -> Result<Created, AwsFailure> {
        let item = written(todo);
        match key {
            None => self.create_alone(todo, item).await,
            Some(key) => self.create_with_key(todo, item, key).await,
        }
    }

    async fn create_alone(&self, todo: &NewTodo, item: Item) -> Result<Created, AwsFailure> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(#id)")
            .expression_attribute_names("#id", ID)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else { return Ok(Created::New) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(there)) => {
                Ok(compared(todo, there.item()))
            }
            _ => Err(AwsFailure::of(&error)),
        }
    }

    async fn create_with_key(
        &self,
        todo: &NewTodo,
        item: Item,
        key: &str,
    ) -> Result<Created, AwsFailure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let number = |seconds: u64| AttributeValue::N(seconds.to_string());
        let put = || {
            Put::builder().table_name(&self.table).return_values_on_condition_check_failure(
                ReturnValuesOnConditionCheckFailure::AllOld,
            )
        };
        let key_put = put()
            .item(ID, text(&format!("key#{key}")))
            .item(TODO_ID, text(&todo.id))
            .item(FINGERPRINT, text(&todo.fingerprint))
            .item(EXPIRES, number(now + KEY_LIFETIME_SECONDS))
            // The table forgets expired keys some time later.
            .condition_expression("attribute_not_exists(#id) OR #expires < :now")
            .expression_attribute_names("#id", ID)
            .expression_attribute_names("#expires", EXPIRES)
            .expression_attribute_values(":now", number(now));
        let todo_put = put()
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(#id)")
            .expression_attribute_names("#id", ID);
        let unbuilt = |error: aws_sdk_dynamodb::error::BuildError| {
            AwsFailure::unexpected(format!("the transaction could not be made: {error}"))
        };
        let key_put = TransactWriteItem::builder().put(key_put.build().map_err(unbuilt)?).build();
        let todo_put = TransactWriteItem::builder().put(todo_put.build().map_err(unbuilt)?).build();
        for attempt in 1.. {
            let transaction = self
                .client
                .transact_write_items()
                .transact_items(key_put.clone())
                .transact_items(todo_put.clone());
            let Err(error) = transaction.send().await else { return Ok(Created::New) };
            let reasons = match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                    canceled.cancellation_reasons()
                }
                _ => return Err(AwsFailure::of(&error)),
            };
            let failed = |at: usize| {
                reasons.get(at).filter(|reason| reason.code() == Some("ConditionalCheckFailed"))
            };
            if let Some(key_used) = failed(0) {
                return Ok(compared(todo, key_used.item()));
            }
            if let Some(there) = failed(1) {
                return Ok(compared(todo, there.item()));
            }
            // Two at the same time: neither has written. The next try finds what the other did.
            if !reasons.iter().any(met_another) || attempt == TRIES {
                return Err(AwsFailure::of(&error));
            }
            tokio::time::sleep(Duration::from_millis(fastrand::u64(5..20 * u64::from(attempt))))
                .await;
        }
        Err(AwsFailure::unexpected("the transaction was never tried"))
    }

    /// A todo; `None` when it is not there.
    pub(crate) async fn get(&self, id: &str) -> Result<Option<Value>, AwsFailure> {
        let get = self.client.get_item().table_name(&self.table).key(ID, text(id));
        let answer = get.consistent_read(true).send().await;
        let answer = answer.map_err(|error| AwsFailure::of(&error))?;
        Ok(answer.item().map(shown))
    }

    /// A page of todos, and the key behind which the next begins.
    pub(crate) async fn list(
        &self,
        page: &Page,
    ) -> Result<(Vec<Value>, Option<String>), AwsFailure> {
        let after = page.after.as_deref().map(|id| HashMap::from([(ID.to_owned(), text(id))]));
        let scan = self
            .client
            .scan()
            .table_name(&self.table)
            .limit(page.limit)
            .set_exclusive_start_key(after)
            // The keys of creates are no todos.
            .filter_expression("attribute_exists(#task)")
            .expression_attribute_names("#task", TASK);
        let answer = scan.send().await.map_err(|error| AwsFailure::of(&error))?;
        let next = answer.last_evaluated_key().and_then(|key| key.get(ID)?.as_s().ok()).cloned();
        Ok((answer.items().iter().map(shown).collect(), next))
    }

    /// Changes a todo and hands it back as it is then; `None` when it is not there. One conditional
    /// write: doing it twice is the same as once, and a todo that was deleted does not come back.
    pub(crate) async fn update(
        &self,
        id: &str,
        task: Option<&str>,
        status: Option<Status>,
    ) -> Result<Option<Value>, AwsFailure> {
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(ID, text(id))
            .condition_expression("attribute_exists(#id)")
            .expression_attribute_names("#id", ID)
            .return_values(ReturnValue::AllNew);
        let mut changes = Vec::new();
        for (name, value) in [(TASK, task), (STATUS, status.map(Status::as_str))] {
            let Some(value) = value else { continue };
            changes.push(format!("#{name} = :{name}"));
            update = update
                .expression_attribute_names(format!("#{name}"), name)
                .expression_attribute_values(format!(":{name}"), text(value));
        }
        let update = update.update_expression(format!("SET {}", changes.join(", ")));
        match update.send().await {
            Ok(answer) => answer
                .attributes()
                .map(|item| Some(shown(item)))
                .ok_or_else(|| AwsFailure::unexpected("the answer has no todo")),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(None),
                _ => Err(AwsFailure::of(&error)),
            },
        }
    }

    /// Deletes a todo; false when it was not there. It is not tried again after a lost answer: the
    /// second try would not find what the first deleted.
    pub(crate) async fn delete(&self, id: &str) -> Result<bool, AwsFailure> {
        let delete = self
            .careful
            .delete_item()
            .table_name(&self.table)
            .key(ID, text(id))
            .condition_expression("attribute_exists(#id)")
            .expression_attribute_names("#id", ID);
        let Err(error) = delete.send().await else { return Ok(true) };
        match error.as_service_error() {
            Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(false),
            _ => Err(AwsFailure::of(&error)),
        }
    }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn written(todo: &NewTodo) -> Item {
    let now = DateTime::from(SystemTime::now());
    // Whole seconds are exact enough, and always written the same way.
    let now = DateTime::from_secs(now.secs()).fmt(DateTimeFormat::DateTime).unwrap_or_default();
    [
        (ID, text(&todo.id)),
        (TASK, text(&todo.task)),
        (STATUS, text(todo.status.as_str())),
        (CREATED_AT, text(&now)),
        (FINGERPRINT, text(&todo.fingerprint)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// What a create comes to when its key or its id is there already.
fn compared(todo: &NewTodo, there: Option<&Item>) -> Created {
    let member =
        |name: &str| there.and_then(|item| item.get(name)).and_then(|value| value.as_s().ok());
    if member(FINGERPRINT) != Some(&todo.fingerprint) {
        return Created::Conflict;
    }
    let id = member(TODO_ID).or_else(|| member(ID)).unwrap_or(&todo.id);
    Created::Before { id: id.clone() }
}

fn met_another(reason: &CancellationReason) -> bool {
    let again = ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
    reason.code().is_some_and(|code| again.contains(&code))
}

/// A todo as clients see it.
fn shown(item: &Item) -> Value {
    let member = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
    json!({
        "id": member(ID),
        "task": member(TASK),
        "status": member(STATUS),
        "createdAt": member(CREATED_AT),
    })
}
