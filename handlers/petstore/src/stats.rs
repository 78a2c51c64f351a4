//! The function `pet-stats`: keeps counts and price totals per type, from the stream of the table
//! `pets`.
//!
//! A stream delivers each record at least once, and what failed comes again. So nothing is counted
//! record by record. For every pet the function remembers what it has counted it as, and up to which
//! place in the stream it knows of it; a record moves the pet from what it was counted as to what it is
//! now, in one transaction with the totals. A record that is seen twice moves it nowhere, one that comes
//! late is behind what is known, and one that never came is made up for by the next.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Config;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use handler_common::aws::{self, AwsFailure, SdkConfig};
use handler_common::{
    Call, Change, Error, FAILED_RECORDS, Failure, Level, RECORDS, Service, StreamRecord,
};
use serde_json::Value;

use crate::money::Money;
use crate::store::{PET_ID, PRICE, TYPE};

/// Counts records that were counted before.
pub(crate) const SEEN_BEFORE: &str = "SeenBefore";
/// Counts calls that the tables failed.
pub(crate) const STORAGE_ERRORS: &str = "StorageErrors";

/// What this function calls itself, and what it counts.
pub const SERVICE: Service = Service {
    name: "pet-stats",
    counters: &[RECORDS, FAILED_RECORDS, SEEN_BEFORE, STORAGE_ERRORS],
};

/// How many pets of a type there are: an attribute of `pet-stats`, whose key is the type.
const COUNT: &str = "count";
/// What they cost together.
const TOTAL: &str = "total";
/// The place in the stream up to which a pet is counted: an attribute of `pet-stats-seen`.
const SEQUENCE: &str = "sequence";
/// When a pet that is gone is forgotten, in seconds since the epoch.
const EXPIRES: &str = "expires";
/// How long a pet that is gone is remembered, in seconds: a week, seven times as long as a stream keeps
/// its records.
const REMEMBERED_SECONDS: u64 = 7 * 24 * 60 * 60;
/// Digits that places in a stream are filled up to, so that they compare as texts.
const SEQUENCE_DIGITS: usize = 40;
/// How often a record is tried that met another.
const TRIES: u32 = 6;

type Item = HashMap<String, AttributeValue>;

/// The totals, and what each pet is counted as.
#[derive(Debug, Clone)]
pub struct Stats {
    client: Client,
    totals: String,
    seen: String,
}

/// What a pet is counted as.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Counted {
    kind: String,
    price: Money,
}

/// What is known of a pet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Known {
    /// Up to where; empty for a pet that nothing is known of.
    sequence: String,
    counted: Option<Counted>,
}

impl Stats {
    /// The tables that `TABLE` (totals per type) and `SEEN_TABLE` (what each pet is counted as) name.
    ///
    /// Errors: one of the tables is not set.
    pub fn from_env() -> Result<Self, Error> {
        let totals = aws::needed_variable("TABLE")?;
        let seen = aws::needed_variable("SEEN_TABLE")?;
        Ok(Self::new(&aws::config("AWS_ENDPOINT_URL_DYNAMODB"), totals, seen))
    }

    /// Tables reached as a configuration says.
    pub fn new(config: &SdkConfig, totals: String, seen: String) -> Self {
        let client = Client::from_conf(Config::from(config));
        Self { client, totals, seen }
    }

    async fn known(&self, pet: &str) -> Result<Known, AwsFailure> {
        let get = self.client.get_item().table_name(&self.seen).key(PET_ID, text(pet));
        let answer = get.consistent_read(true).send().await;
        let answer = answer.map_err(|error| AwsFailure::of(&error))?;
        let Some(item) = answer.item() else { return Ok(Known::default()) };
        let member = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
        let price = item.get(PRICE).and_then(|value| value.as_n().ok());
        let price = price.and_then(|price| Money::parse(price));
        Ok(Known {
            sequence: member(SEQUENCE).unwrap_or_default(),
            counted: member(TYPE).zip(price).map(|(kind, price)| Counted { kind, price }),
        })
    }

    /// Moves a pet from what is known of it to what it is now; false when somebody else moved it
    /// meanwhile.
    async fn moved(
        &self,
        pet: &str,
        known: &Known,
        sequence: &str,
        now: Option<&Counted>,
    ) -> Result<bool, AwsFailure> {
        let unbuilt = |error: aws_sdk_dynamodb::error::BuildError| {
            AwsFailure::unexpected(format!("the transaction could not be made: {error}"))
        };
        let put = Put::builder().table_name(&self.seen).set_item(Some(seen(pet, sequence, now)));
        let put = if known.sequence.is_empty() {
            put.condition_expression("attribute_not_exists(#id)")
                .expression_attribute_names("#id", PET_ID)
        } else {
            put.condition_expression("#sequence = :known")
                .expression_attribute_names("#sequence", SEQUENCE)
                .expression_attribute_values(":known", text(&known.sequence))
        };
        let put = put.build().map_err(unbuilt)?;
        let mut transaction = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(put).build());
        for (kind, count, total) in changes(known.counted.as_ref(), now) {
            let update = Update::builder()
                .table_name(&self.totals)
                .key(TYPE, text(kind))
                .update_expression("ADD #count :count, #total :total")
                .expression_attribute_names("#count", COUNT)
                .expression_attribute_names("#total", TOTAL)
                .expression_attribute_values(":count", AttributeValue::N(count.to_string()))
                .expression_attribute_values(":total", AttributeValue::N(total.to_string()));
            let update = update.build().map_err(unbuilt)?;
            transaction =
                transaction.transact_items(TransactWriteItem::builder().update(update).build());
        }
        let Err(error) = transaction.send().await else { return Ok(true) };
        let met = ["ConditionalCheckFailed", "TransactionConflict"];
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(canceled))
                if canceled
                    .cancellation_reasons()
                    .iter()
                    .any(|reason| reason.code().is_some_and(|code| met.contains(&code))) =>
            {
                Ok(false)
            }
            _ => Err(AwsFailure::of(&error)),
        }
    }
}

/// Counts what a record says. Seeing it again changes nothing.
///
/// Errors: the tables failed, or the record tells of something that can't be counted; it is tried again,
/// and then given to the dead-letter queue.
pub async fn count(stats: &Stats, record: &StreamRecord, call: &Call) -> Result<(), Failure> {
    let wrong = |what: &str| {
        let fields = [("sequenceNumber", record.sequence_number.as_str().into())];
        call.log(Level::Error, what, &fields);
        Failure::new("InvalidRecord", "The record tells of no pet", 500)
    };
    let Some(pet) = record.keys[PET_ID]["S"].as_str() else {
        return Err(wrong("the record's key has no petId"));
    };
    let now = match record.change {
        Change::Remove => None,
        Change::Insert | Change::Modify => {
            Some(counted(&record.new).ok_or_else(|| wrong("the record has no type or price"))?)
        }
    };
    let sequence = format!("{:0>SEQUENCE_DIGITS$}", record.sequence_number);
    let failed = |failure: AwsFailure| {
        call.count(STORAGE_ERRORS);
        call.log(Level::Error, "the tables could not be used", &failure.fields());
        Failure::internal()
    };
    for attempt in 1..=TRIES {
        let known = stats.known(pet).await.map_err(failed)?;
        if known.sequence >= sequence {
            call.count(SEEN_BEFORE);
            return Ok(());
        }
        if stats.moved(pet, &known, &sequence, now.as_ref()).await.map_err(failed)? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(5..20 * u64::from(attempt)))).await;
    }
    Err(failed(AwsFailure::unexpected("the totals were changed by others at every try")))
}

/// What an item of `pets` is counted as.
fn counted(image: &Value) -> Option<Counted> {
    let kind = image[TYPE]["S"].as_str().filter(|kind| !kind.is_empty())?;
    let price = Money::parse(image[PRICE]["N"].as_str()?)?;
    Some(Counted { kind: kind.to_owned(), price })
}

/// How the totals change when a pet that was counted as one is counted as another: type, count, price.
fn changes<'c>(
    before: Option<&'c Counted>,
    now: Option<&'c Counted>,
) -> Vec<(&'c str, i32, Money)> {
    match (before, now) {
        (None, None) => Vec::new(),
        (Some(before), Some(now)) if before == now => Vec::new(),
        (Some(before), Some(now)) if before.kind == now.kind => {
            vec![(now.kind.as_str(), 0, now.price.minus(before.price))]
        }
        (before, now) => {
            let gone = before.map(|one| (one.kind.as_str(), -1, one.price.negated()));
            gone.into_iter().chain(now.map(|one| (one.kind.as_str(), 1, one.price))).collect()
        }
    }
}

/// What is remembered of a pet.
fn seen(pet: &str, sequence: &str, now: Option<&Counted>) -> Item {
    let mut item =
        Item::from([(PET_ID.to_owned(), text(pet)), (SEQUENCE.to_owned(), text(sequence))]);
    if let Some(counted) = now {
        item.insert(TYPE.to_owned(), text(&counted.kind));
        item.insert(PRICE.to_owned(), AttributeValue::N(counted.price.to_string()));
    } else {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let expires = (now + REMEMBERED_SECONDS).to_string();
        item.insert(EXPIRES.to_owned(), AttributeValue::N(expires));
    }
    item
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}
