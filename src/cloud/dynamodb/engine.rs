//! Running operations on dynoxide: request in, answer out. Everything here blocks.

use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};

use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::OpenError;
use super::arns::{localize, localize_message, localize_records, to_theirs};
use super::described::complete;
use crate::error::AwsError;

/// The open tables.
pub(super) struct Engine {
    path: PathBuf,
    database: RwLock<Database>,
}

/// An answer as it goes out.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Engine {
    pub(super) fn open(path: PathBuf) -> Result<Self, OpenError> {
        let database = RwLock::new(open_database(&path)?);
        Ok(Self { path, database })
    }

    /// Opens the file again, after a panic left the old handle locked.
    pub(super) fn reopen(&self) -> Result<(), OpenError> {
        let database = open_database(&self.path)?;
        *self.database.write().unwrap_or_else(PoisonError::into_inner) = database;
        Ok(())
    }

    /// Runs one operation of [`OPERATIONS`].
    pub(super) fn run(&self, operation: &str, body: &[u8]) -> Result<Reply, AwsError> {
        let database = self.database();
        match dispatch(&database, operation, body) {
            Ok(body) => Ok(Reply { status: 200, body }),
            Err(Refusal::NotThere) => Err(AwsError::not_implemented("DynamoDB", operation)),
            Err(Refusal::Error(error)) => Ok(refusal(operation, *error)),
        }
    }

    pub(super) fn remove_expired(&self) -> Result<usize, String> {
        self.database().sweep_ttl().map_err(|error| error.to_string())
    }

    fn database(&self) -> Database {
        self.database.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn open_database(path: &std::path::Path) -> Result<Database, OpenError> {
    let failed = |reason: String| OpenError { path: path.to_owned(), reason };
    let text = path.to_str().ok_or_else(|| failed("its path is not valid UTF-8".to_owned()))?;
    let database = Database::new(text).map_err(|error| failed(error.to_string()))?;
    // dynoxide opens with SQLite's default, a disk flush per commit. Its everyday settings
    // (WAL with synchronous=NORMAL) lose nothing when the process is killed.
    database.disable_bulk_loading().map_err(|error| failed(error.to_string()))?;
    Ok(database)
}

enum Refusal {
    NotThere,
    Error(Box<DynoxideError>),
}

impl From<DynoxideError> for Refusal {
    fn from(error: DynoxideError) -> Self {
        Self::Error(Box::new(error))
    }
}

/// How an operation's answer must be changed before it goes out.
#[derive(Clone, Copy)]
enum Answer {
    /// It holds items, and no ARN of ours.
    Items,
    /// It describes tables, streams or tags.
    Description,
    /// It holds stream records.
    Records,
}

macro_rules! operations {
    ($($name:literal => $method:ident, $answer:ident;)*) => {
        /// The operations that the local cloud has.
        pub(super) const OPERATIONS: &[&str] = &[$($name),*];

        fn dispatch(
            database: &Database,
            operation: &str,
            body: &[u8],
        ) -> Result<Vec<u8>, Refusal> {
            match operation {
                $($name => answer($name, body, Answer::$answer, |request| database.$method(request)),)*
                _ => Err(Refusal::NotThere),
            }
        }
    };
}

operations! {
    "GetItem" => get_item, Items;
    "PutItem" => put_item, Items;
    "UpdateItem" => update_item, Items;
    "DeleteItem" => delete_item, Items;
    "Query" => query, Items;
    "Scan" => scan, Items;
    "BatchGetItem" => batch_get_item, Items;
    "BatchWriteItem" => batch_write_item, Items;
    "TransactGetItems" => transact_get_items, Items;
    "TransactWriteItems" => transact_write_items, Items;
    "ExecuteStatement" => execute_statement, Items;
    "BatchExecuteStatement" => batch_execute_statement, Items;
    "ExecuteTransaction" => execute_transaction, Items;
    "CreateTable" => create_table, Description;
    "DescribeTable" => describe_table, Description;
    "UpdateTable" => update_table, Description;
    "DeleteTable" => delete_table, Description;
    "ListTables" => list_tables, Description;
    "UpdateTimeToLive" => update_time_to_live, Description;
    "DescribeTimeToLive" => describe_time_to_live, Description;
    "TagResource" => tag_resource, Description;
    "UntagResource" => untag_resource, Description;
    "ListTagsOfResource" => list_tags_of_resource, Description;
    "ListStreams" => list_streams, Description;
    "DescribeStream" => describe_stream, Description;
    "GetShardIterator" => get_shard_iterator, Description;
    "GetRecords" => get_records, Records;
}

fn answer<Request: DeserializeOwned, Response: Serialize>(
    operation: &str,
    body: &[u8],
    kind: Answer,
    run: impl FnOnce(Request) -> Result<Response, DynoxideError>,
) -> Result<Vec<u8>, Refusal> {
    let request = match kind {
        Answer::Items | Answer::Records => serde_json::from_slice(body),
        Answer::Description => read_description(body),
    };
    let response = run(request.map_err(|error| unreadable(&error))?)?;
    let written = match kind {
        Answer::Items => serde_json::to_vec(&response),
        Answer::Records => serde_json::to_value(&response).and_then(|mut value| {
            localize_records(&mut value);
            serde_json::to_vec(&value)
        }),
        Answer::Description => serde_json::to_value(&response).and_then(|mut value| {
            localize(&mut value);
            complete(operation, &mut value);
            serde_json::to_vec(&value)
        }),
    };
    written.map_err(|error| DynoxideError::InternalServerError(error.to_string()).into())
}

/// Reads a request that may name things by ARN.
fn read_description<Request: DeserializeOwned>(body: &[u8]) -> serde_json::Result<Request> {
    let mut value: Value = serde_json::from_slice(body)?;
    for member in ["ResourceArn", "StreamArn", "ExclusiveStartStreamArn"] {
        if let Some(Value::String(arn)) = value.get_mut(member) {
            *arn = to_theirs(arn);
        }
    }
    // Read from text again: dynoxide's readers depend on how numbers were written.
    serde_json::from_slice(&serde_json::to_vec(&value)?)
}

/// The error for a body that is not what the operation takes. dynoxide's readers tell the class
/// of the error by a prefix.
fn unreadable(error: &serde_json::Error) -> DynoxideError {
    let whole = error.to_string();
    let message = whole.rfind(" at line ").map_or(whole.as_str(), |end| &whole[..end]);
    let after = |prefix: &str| message.strip_prefix(prefix).map(str::to_owned);
    if let Some(text) = after("SERIALIZATION:").or_else(|| after("SERIALIZATION_AS_READ:")) {
        return DynoxideError::SerializationException(text);
    }
    if let Some(text) = after("VALIDATION_REQUEST:") {
        return DynoxideError::EnvelopedValidation(text);
    }
    if let Some(text) = after("VALIDATION:").or_else(|| after("VALIDATION_AS_READ:")) {
        return DynoxideError::ValidationException(text);
    }
    if message.contains("recursion limit") {
        return DynoxideError::ValidationException(
            "Nesting Levels have exceeded supported limits".to_owned(),
        );
    }
    if message.contains("empty AttributeValue") {
        return DynoxideError::ValidationException(
            "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
                .to_owned(),
        );
    }
    let shape =
        ["missing field", "unknown variant", "invalid type: null", "Supplied AttributeValue"];
    if shape.iter().any(|text| message.contains(text)) {
        return DynoxideError::ValidationException(message.to_owned());
    }
    DynoxideError::SerializationException(message.to_owned())
}

/// An error as DynamoDB writes it.
fn refusal(operation: &str, error: DynoxideError) -> Reply {
    let status = error.status_code();
    if status >= 500 {
        tracing::error!(operation, "the tables failed: {error}");
    }
    let error = match (operation, error) {
        ("ExecuteStatement", DynoxideError::ConditionalCheckFailedException(text, Some(item))) => {
            DynoxideError::StatementConditionalCheckFailed(text, item)
        }
        ("PutItem" | "UpdateItem" | "DeleteItem", DynoxideError::EnvelopedValidation(text)) => {
            DynoxideError::ValidationException(format!("1 validation error detected: {text}"))
        }
        (_, error) => error,
    };
    // Items are told back in conditional failures: only the others may hold ARNs of tables.
    let json = match error {
        DynoxideError::ConditionalCheckFailedException(..)
        | DynoxideError::StatementConditionalCheckFailed(..)
        | DynoxideError::TransactionCanceledException(..) => error.to_json(),
        error => localize_message(&error.to_json()),
    };
    Reply { status, body: json.into_bytes() }
}
