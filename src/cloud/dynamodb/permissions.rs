//! Which permissions a DynamoDB request needs.
//!
//! Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon
//! DynamoDB"; transactions need the permissions of their single actions.

use super::targets::{Targets, table_arn};
use crate::core::{ACCOUNT_ID, REGION};
use crate::error::AwsError;
use crate::iam::Iam;
use crate::wire::Caller;

/// Refuses the request unless the caller may do all of it.
pub(super) fn check(
    iam: &Iam,
    caller: &Caller,
    operation: &str,
    targets: &Targets,
) -> Result<(), AwsError> {
    let mut needed = needed(operation, targets);
    // Tags given at the making need the permission to tag as well.
    if operation == "CreateTable" && targets.tags.is_some() {
        let table = targets.table_name.as_deref().map_or_else(any_table, table_arn);
        needed.push(("dynamodb:TagResource".to_owned(), table));
    }
    for (action, resource) in needed {
        iam.authorize(caller, &action, &resource).map_err(|denial| denial.into_error(400))?;
    }
    Ok(())
}

/// Pairs of action and resource.
fn needed(operation: &str, targets: &Targets) -> Vec<(String, String)> {
    let own = format!("dynamodb:{operation}");
    let table = || targets.table_name.as_deref().map(table_arn);
    match operation {
        "TransactWriteItems" | "TransactGetItems" => {
            let items = targets.transact_items.iter().flatten().flatten();
            items
                .map(|(kind, item)| {
                    let action = match kind.as_str() {
                        "ConditionCheck" => "dynamodb:ConditionCheckItem".to_owned(),
                        kind => format!("dynamodb:{kind}Item"),
                    };
                    (action, table_arn(&item.table_name))
                })
                .collect()
        }
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = targets.request_items.iter().flatten();
            tables.map(|(table, _)| (own.clone(), table_arn(table))).collect()
        }
        "ExecuteStatement" | "BatchExecuteStatement" | "ExecuteTransaction" => targets
            .statements()
            .into_iter()
            .map(|statement| match statement {
                Some(statement) => {
                    let table = table_arn(&statement.table);
                    let resource = match statement.index {
                        Some(index) => format!("{table}/index/{index}"),
                        None => table,
                    };
                    (statement.action.to_owned(), resource)
                }
                // Not a statement that dynoxide takes; nobody needs to find out with it.
                None => ("dynamodb:PartiQLSelect".to_owned(), any_table()),
            })
            .collect(),
        "ListTables" => vec![(own, any_table())],
        "ListStreams" => {
            let stream = |table| format!("{table}/stream/*");
            vec![(own, stream(table().unwrap_or_else(any_table)))]
        }
        "DescribeStream" | "GetShardIterator" => {
            vec![(own, targets.stream_arn.clone().unwrap_or_else(any_table))]
        }
        "GetRecords" => {
            let table = targets.iterator_table().map_or_else(any_table, |name| table_arn(&name));
            vec![(own, format!("{table}/stream/*"))]
        }
        "TagResource" | "UntagResource" | "ListTagsOfResource" => {
            vec![(own, targets.resource_arn.clone().unwrap_or_else(any_table))]
        }
        "Query" | "Scan" | "SearchVectors" if targets.index_name.is_some() => {
            let index = targets.index_name.as_deref().unwrap_or("*");
            vec![(own, format!("{}/index/{index}", table().unwrap_or_else(any_table)))]
        }
        _ => vec![(own, table().unwrap_or_else(any_table))],
    }
}

fn any_table() -> String {
    format!("arn:aws:dynamodb:{REGION}:{ACCOUNT_ID}:table/*")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(operation: &str, body: &str) -> Vec<(String, String)> {
        needed(operation, &Targets::read(body.as_bytes()).unwrap())
    }

    #[test]
    fn transactions_need_the_permissions_of_their_actions() {
        let body = r#"{"TransactItems":[{"Update":{"TableName":"a"}},
            {"ConditionCheck":{"TableName":"b"}}]}"#;
        let pair = |action: &str, table: &str| (action.to_owned(), table_arn(table));
        assert_eq!(
            of("TransactWriteItems", body),
            [pair("dynamodb:UpdateItem", "a"), pair("dynamodb:ConditionCheckItem", "b")]
        );
        let reads = r#"{"TransactItems":[{"Get":{"TableName":"a"}}]}"#;
        assert_eq!(of("TransactGetItems", reads), [pair("dynamodb:GetItem", "a")]);
    }

    #[test]
    fn indexes_and_streams_are_resources_of_their_own() {
        let table = table_arn("t");
        let query = of("Query", r#"{"TableName":"t","IndexName":"i"}"#);
        assert_eq!(query, [("dynamodb:Query".to_owned(), format!("{table}/index/i"))]);
        let list = of("ListStreams", r#"{"TableName":"t"}"#);
        assert_eq!(list, [("dynamodb:ListStreams".to_owned(), format!("{table}/stream/*"))]);
    }
}
