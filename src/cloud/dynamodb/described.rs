//! What AWS says of a table and dynoxide doesn't (as recorded: `tests/captures/lambda.json`).

use serde_json::{Value, json};

/// Completes the description of a table in the answer of an operation.
pub(super) fn complete(operation: &str, answer: &mut Value) {
    let table = if answer.get("Table").is_some() { "Table" } else { "TableDescription" };
    let Some(table) = answer.get_mut(table).filter(|table| table.is_object()) else { return };
    if table["TableStatus"] != "ACTIVE" && table["TableStatus"] != "UPDATING" {
        return;
    }
    // A change has taken effect here before it is answered, but whoever made it has to wait for
    // ACTIVE as on AWS.
    if operation == "UpdateTable" {
        table["TableStatus"] = "UPDATING".into();
    }
    let on_demand = table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST";
    if on_demand && table["BillingModeSummary"]["LastUpdateToPayPerRequestDateTime"].is_null() {
        // dynoxide doesn't keep when a provisioned table was switched.
        table["BillingModeSummary"]["LastUpdateToPayPerRequestDateTime"] =
            table["CreationDateTime"].clone();
    }
    if table.get("WarmThroughput").is_none() {
        // What every new on-demand table can take at once; of a provisioned one, what it has
        // ("Understanding DynamoDB warm throughput" in the developer guide).
        let provisioned = &table["ProvisionedThroughput"];
        let units = |name: &str| provisioned[name].clone();
        let (reads, writes) = if on_demand {
            (json!(12_000), json!(4_000))
        } else {
            (units("ReadCapacityUnits"), units("WriteCapacityUnits"))
        };
        table["WarmThroughput"] = json!({
            "ReadUnitsPerSecond": reads, "WriteUnitsPerSecond": writes, "Status": "ACTIVE",
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_says_what_the_table_can_take() {
        let mut answer = json!({"TableDescription": {"TableStatus": "ACTIVE", "CreationDateTime": 7,
            "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"}}});
        complete("UpdateTable", &mut answer);
        let table = &answer["TableDescription"];
        assert_eq!(table["TableStatus"], "UPDATING");
        assert_eq!(table["BillingModeSummary"]["LastUpdateToPayPerRequestDateTime"], 7);
        assert_eq!(table["WarmThroughput"]["ReadUnitsPerSecond"], 12_000);

        let mut answer = json!({"Table": {"TableStatus": "ACTIVE",
            "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 3}}});
        complete("DescribeTable", &mut answer);
        assert_eq!(answer["Table"]["TableStatus"], "ACTIVE");
        assert_eq!(answer["Table"]["WarmThroughput"]["WriteUnitsPerSecond"], 3);

        let mut other = json!({"TableNames": ["Table"]});
        complete("ListTables", &mut other);
        assert_eq!(other, json!({"TableNames": ["Table"]}));
    }
}
