//! dynoxide writes a region of its own into every ARN: rewriting it both ways.

use serde_json::Value;

use crate::core::REGION;

/// What dynoxide's ARNs begin with.
const THEIRS: &str = "arn:aws:dynamodb:dynoxide:";

fn ours() -> String {
    format!("arn:aws:dynamodb:{REGION}:")
}

/// Rewrites every ARN of a description, so that it names the local cloud's region.
///
/// Only for answers that hold no items: an item's own strings are nobody's to change.
pub(super) fn localize(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(rest) = text.strip_prefix(THEIRS) {
                *text = ours() + rest;
            }
        }
        Value::Array(list) => list.iter_mut().for_each(localize),
        Value::Object(fields) => fields.values_mut().for_each(localize),
        _ => {}
    }
}

/// Rewrites the region that stream records carry beside their items.
pub(super) fn localize_records(value: &mut Value) {
    let Some(records) = value.get_mut("Records").and_then(Value::as_array_mut) else { return };
    for record in records {
        if let Some(region) = record.get_mut("awsRegion") {
            *region = REGION.into();
        }
    }
}

/// Rewrites the ARNs in an error message.
pub(super) fn localize_message(message: &str) -> String {
    message.replace(THEIRS, &ours())
}

/// An ARN as dynoxide knows it.
pub(super) fn to_theirs(arn: &str) -> String {
    arn.strip_prefix(&ours()).map_or_else(|| arn.to_owned(), |rest| format!("{THEIRS}{rest}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arns_change_region_both_ways() {
        let mut description = json!({"Table": {"TableName": "arn", "Streams": [
            {"Arn": "arn:aws:dynamodb:dynoxide:000000000000:table/t/stream/1"}]}});
        localize(&mut description);
        let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/1";
        assert_eq!(description["Table"]["Streams"][0]["Arn"], arn);
        assert_eq!(description["Table"]["TableName"], "arn");
        assert_eq!(to_theirs(arn), "arn:aws:dynamodb:dynoxide:000000000000:table/t/stream/1");
        assert_eq!(to_theirs("visits"), "visits");
    }

    #[test]
    fn items_in_stream_records_are_left_alone() {
        let mut records = json!({"Records": [{"awsRegion": "dynoxide", "dynamodb": {"NewImage":
            {"note": {"S": "arn:aws:dynamodb:dynoxide:x"}}}}]});
        localize_records(&mut records);
        assert_eq!(records["Records"][0]["awsRegion"], "us-east-1");
        let image = &records["Records"][0]["dynamodb"]["NewImage"]["note"]["S"];
        assert_eq!(image, "arn:aws:dynamodb:dynoxide:x");
    }
}
