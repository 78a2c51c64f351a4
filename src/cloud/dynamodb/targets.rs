//! Which tables, indexes and streams a DynamoDB request is about.

// The keys of `RequestItems` are read, its values skipped: serde reads no set from an object.
#![allow(clippy::zero_sized_map_values)]

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::core::{ACCOUNT_ID, REGION};
use crate::error::AwsError;

/// The members of any DynamoDB request that say what it is about; the rest is skipped.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Targets {
    pub(super) table_name: Option<String>,
    pub(super) index_name: Option<String>,
    pub(super) request_items: Option<BTreeMap<String, IgnoredAny>>,
    pub(super) transact_items: Option<Vec<BTreeMap<String, TransactItem>>>,
    pub(super) stream_arn: Option<String>,
    pub(super) resource_arn: Option<String>,
    pub(super) tags: Option<IgnoredAny>,
    shard_iterator: Option<String>,
    statement: Option<String>,
    statements: Option<Vec<Statement>>,
    transact_statements: Option<Vec<Statement>>,
}

/// One action of a transaction.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct TransactItem {
    pub(super) table_name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Statement {
    statement: String,
}

/// What a PartiQL statement does to which table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PartiQl {
    /// `dynamodb:PartiQLSelect` and so on.
    pub(super) action: &'static str,
    pub(super) table: String,
    pub(super) index: Option<String>,
}

impl Targets {
    /// Reads the body of a request, or says how its JSON is wrong.
    pub(super) fn read(body: &[u8]) -> Result<Self, AwsError> {
        serde_json::from_slice(body).map_err(|error| {
            let message = match error.classify() {
                serde_json::error::Category::Data => error.to_string(),
                _ => String::new(),
            };
            AwsError::new(400, "SerializationException", message)
        })
    }

    /// The PartiQL statements of the request.
    pub(super) fn statements(&self) -> Vec<Option<PartiQl>> {
        let many = self.statements.iter().chain(&self.transact_statements).flatten();
        let many = many.map(|statement| statement.statement.as_str());
        self.statement.as_deref().into_iter().chain(many).map(PartiQl::read).collect()
    }

    /// The name of the table whose stream `ShardIterator` belongs to.
    pub(super) fn iterator_table(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Iterator {
            table_name: String,
        }
        let bytes = STANDARD.decode(self.shard_iterator.as_deref()?).ok()?;
        serde_json::from_slice::<Iterator>(&bytes).ok().map(|iterator| iterator.table_name)
    }

    /// The names of all tables of the request.
    pub(super) fn tables(&self) -> Vec<String> {
        let mut tables: Vec<String> = Vec::new();
        tables.extend(self.table_name.as_deref().map(|name| table_name(name).to_owned()));
        tables.extend(self.request_items.iter().flat_map(BTreeMap::keys).cloned());
        tables.extend(
            self.transact_items
                .iter()
                .flatten()
                .flat_map(BTreeMap::values)
                .map(|item| table_name(&item.table_name).to_owned()),
        );
        tables.extend(self.statements().into_iter().flatten().map(|partiql| partiql.table));
        tables.extend(self.iterator_table());
        tables
    }
}

impl PartiQl {
    fn read(statement: &str) -> Option<Self> {
        let mut words = Words { rest: statement };
        let verb = words.next()?.to_ascii_uppercase();
        let action = match verb.as_str() {
            "SELECT" => "dynamodb:PartiQLSelect",
            "INSERT" => "dynamodb:PartiQLInsert",
            "UPDATE" => "dynamodb:PartiQLUpdate",
            "DELETE" => "dynamodb:PartiQLDelete",
            _ => return None,
        };
        if action != "dynamodb:PartiQLUpdate" {
            let before = if verb == "INSERT" { "INTO" } else { "FROM" };
            while !words.next()?.eq_ignore_ascii_case(before) {}
        }
        let table = words.next()?;
        let index = (words.rest.trim_start().starts_with('.')).then(|| {
            words.rest = words.rest.trim_start().trim_start_matches('.');
            words.next()
        });
        Some(Self { action, table, index: index.flatten() })
    }
}

/// The words of a statement; a quoted name is one word, a quoted text none that matters.
struct Words<'a> {
    rest: &'a str,
}

impl Words<'_> {
    fn next(&mut self) -> Option<String> {
        self.rest = self.rest.trim_start();
        let first = self.rest.chars().next()?;
        if first == '"' || first == '\'' {
            let inner = &self.rest[1..];
            let end = inner.find(first)?;
            let word = inner[..end].to_owned();
            self.rest = &inner[end + 1..];
            // A quoted text must not be taken for a keyword.
            return Some(if first == '"' { word } else { String::new() });
        }
        let plain = |c: char| c.is_alphanumeric() || "_-:/".contains(c);
        let end = self.rest.find(|c| !plain(c)).unwrap_or(self.rest.len());
        let end = if end == 0 { first.len_utf8() } else { end };
        let word = self.rest[..end].to_owned();
        self.rest = &self.rest[end..];
        Some(word)
    }
}

/// The name in a `TableName`, which may be an ARN.
pub(super) fn table_name(name_or_arn: &str) -> &str {
    name_or_arn
        .strip_prefix("arn:")
        .and_then(|arn| arn.split_once(":table/"))
        .map_or(name_or_arn, |(_, rest)| rest.split('/').next().unwrap_or(rest))
}

/// The ARN of a table of the local cloud.
pub(super) fn table_arn(name_or_arn: &str) -> String {
    format!("arn:aws:dynamodb:{REGION}:{ACCOUNT_ID}:table/{}", table_name(name_or_arn))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tables_are_found_wherever_they_are_named() {
        let tables = |body: &str| Targets::read(body.as_bytes()).unwrap().tables();
        assert_eq!(tables(r#"{"TableName":"visits","Key":{"a":[{"TableName":"x"}]}}"#), ["visits"]);
        assert_eq!(tables(r#"{"TableName":"arn:aws:dynamodb:us-east-1:0:table/v"}"#), ["v"]);
        assert_eq!(tables(r#"{"RequestItems":{"a":[],"b":{}}}"#), ["a", "b"]);
        assert_eq!(
            tables(
                r#"{"TransactItems":[{"Put":{"TableName":"p","Item":{}}},{"Update":{"TableName":"u"}}]}"#
            ),
            ["p", "u"]
        );
        assert!(Targets::read(b"{").is_err());
        assert!(Targets::read(br#"{"TableName":7}"#).is_err());
    }

    #[test]
    fn partiql_statements_name_their_table() {
        let read = |text: &str| PartiQl::read(text).map(|p| (p.action, p.table, p.index));
        assert_eq!(
            read(r#"select a from "visits"."by-day" where x = 'FROM'"#),
            Some(("dynamodb:PartiQLSelect", "visits".into(), Some("by-day".into())))
        );
        assert_eq!(
            read("INSERT INTO visits VALUE {'a': 1}"),
            Some(("dynamodb:PartiQLInsert", "visits".into(), None))
        );
        assert_eq!(
            read("UPDATE \"my-table\" SET x=1"),
            Some(("dynamodb:PartiQLUpdate", "my-table".into(), None))
        );
        assert_eq!(read("DELETE 'FROM"), None);
        assert_eq!(read("é"), None);
    }
}
