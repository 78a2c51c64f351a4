//! The table `pets`.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Config;
use aws_sdk_dynamodb::types::AttributeValue;
use handler_common::aws::{self, AwsFailure, SdkConfig};
use handler_common::{Error, Page};
use serde_json::{Value, json};

use crate::pet::Pet;

/// The table's key.
pub(crate) const PET_ID: &str = "petId";
pub(crate) const TYPE: &str = "type";
pub(crate) const PRICE: &str = "price";

/// The pets.
#[derive(Debug, Clone)]
pub struct Pets {
    client: Client,
    table: String,
}

impl Pets {
    /// The pets of the table that `TABLE` names.
    ///
    /// Errors: `TABLE` is not set.
    pub fn from_env() -> Result<Self, Error> {
        let table = aws::needed_variable("TABLE")?;
        Ok(Self::new(&aws::config("AWS_ENDPOINT_URL_DYNAMODB"), table))
    }

    /// The pets of a table reached as a configuration says.
    pub fn new(config: &SdkConfig, table: String) -> Self {
        Self { client: Client::from_conf(Config::from(config)), table }
    }

    /// Stores a pet. Its id is its own, so doing it twice is the same as once.
    pub(crate) async fn put(&self, pet: &Pet) -> Result<(), AwsFailure> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item(PET_ID, AttributeValue::S(pet.id.clone()))
            .item(TYPE, AttributeValue::S(pet.kind.clone()))
            .item(PRICE, AttributeValue::N(pet.price.to_string()));
        put.send().await.map(drop).map_err(|error| AwsFailure::of(&error))
    }

    /// A pet; `None` when it is not there.
    pub(crate) async fn get(&self, id: &str) -> Result<Option<Value>, AwsFailure> {
        let key = AttributeValue::S(id.to_owned());
        let get = self.client.get_item().table_name(&self.table).key(PET_ID, key);
        let answer = get.consistent_read(true).send().await;
        let answer = answer.map_err(|error| AwsFailure::of(&error))?;
        Ok(answer.item().map(shown))
    }

    /// A page of pets, and the key behind which the next begins.
    pub(crate) async fn list(
        &self,
        page: &Page,
    ) -> Result<(Vec<Value>, Option<String>), AwsFailure> {
        let after = page
            .after
            .as_ref()
            .map(|id| HashMap::from([(PET_ID.to_owned(), AttributeValue::S(id.clone()))]));
        let scan = self
            .client
            .scan()
            .table_name(&self.table)
            .limit(page.limit)
            .set_exclusive_start_key(after);
        let answer = scan.send().await.map_err(|error| AwsFailure::of(&error))?;
        let key = answer.last_evaluated_key();
        let next = key.and_then(|key| key.get(PET_ID)?.as_s().ok()).cloned();
        Ok((answer.items().iter().map(shown).collect(), next))
    }
}

/// A pet as clients see it.
fn shown(item: &HashMap<String, AttributeValue>) -> Value {
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
    let price = item.get(PRICE).and_then(|value| value.as_n().ok());
    let price = price.and_then(|price| serde_json::from_str::<Value>(price).ok());
    json!({ "id": text(PET_ID), "type": text(TYPE), "price": price })
}
