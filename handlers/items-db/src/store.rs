//! Where items are kept: in a table, or, as a drill, in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Config;
use aws_sdk_dynamodb::types::AttributeValue;
use handler_common::Error;
use handler_common::aws::{self, AwsFailure, SdkConfig};
use serde_json::Value;

use crate::drills::Drills;

/// Attribute that holds an item's id: the table's key.
const ID: &str = "id";
/// Attribute that holds an item's data, as JSON.
const DATA: &str = "data";
/// Most items that the drill keeps in memory; the first by id makes room for the next.
const MOST_IN_MEMORY: usize = 100;

/// The items.
#[derive(Debug)]
pub struct Items {
    client: Client,
    table: String,
    drills: Drills,
    /// Gone when the execution environment is, and unknown to every other.
    memory: Mutex<BTreeMap<String, Value>>,
}

impl Items {
    /// The items of the table that `TABLE` names.
    ///
    /// Errors: `TABLE` is not set.
    pub fn from_env() -> Result<Self, Error> {
        let table = aws::needed_variable("TABLE")?;
        Ok(Self::new(&aws::config("AWS_ENDPOINT_URL_DYNAMODB"), table, Drills::from_env()))
    }

    /// The items of a table reached as a configuration says.
    pub fn new(config: &SdkConfig, table: String, drills: Drills) -> Self {
        let client = Client::from_conf(Config::from(config));
        Self { client, table, drills, memory: Mutex::default() }
    }

    pub(crate) fn drills(&self) -> Drills {
        self.drills
    }

    /// Keeps an item, in place of one of the same id. Doing it twice is the same as once.
    pub async fn put(&self, id: &str, data: &Value) -> Result<(), AwsFailure> {
        if self.drills.in_memory {
            let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            memory.insert(id.to_owned(), data.clone());
            if memory.len() > MOST_IN_MEMORY {
                memory.pop_first();
            }
            return Ok(());
        }
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item(ID, AttributeValue::S(id.to_owned()))
            .item(DATA, AttributeValue::S(data.to_string()));
        put.send().await.map(drop).map_err(|error| AwsFailure::of(&error))
    }

    /// The data of an item as it is now.
    pub async fn get(&self, id: &str) -> Result<Option<Value>, AwsFailure> {
        if self.drills.in_memory {
            let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            return Ok(memory.get(id).cloned());
        }
        let get = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(ID, AttributeValue::S(id.to_owned()))
            // What was saved just now is read.
            .consistent_read(true);
        let answer = get.send().await.map_err(|error| AwsFailure::of(&error))?;
        let Some(item) = answer.item() else { return Ok(None) };
        let data = item.get(DATA).and_then(|data| data.as_s().ok());
        let data = data.ok_or_else(|| {
            AwsFailure::unexpected(format!("the item `{id}` has no text in `{DATA}`"))
        })?;
        // An item that was written by hand may hold plain text.
        Ok(Some(serde_json::from_str(data).unwrap_or_else(|_| data.as_str().into())))
    }
}
