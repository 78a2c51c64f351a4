//! The switch `deny-table`: an inline Deny on the role, which carries its own end.

use labdeck_aws::{Failure, Result, Target};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::POLICY_PREFIX;
use crate::live;

/// A policy name has at most 128 characters; table names can be longer.
pub(super) fn policy_name(table: &str) -> String {
    const ROOM: usize = 128 - POLICY_PREFIX.len();
    if table.len() <= ROOM {
        return format!("{POLICY_PREFIX}{table}");
    }
    let hash = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(table));
    format!("{POLICY_PREFIX}{}", &hash[..32])
}

/// Denies everything on the table and its indexes until `end`, in the role's own partition and
/// account.
pub(super) fn deny_document(
    role_arn: &str,
    region: &str,
    table: &str,
    end: OffsetDateTime,
) -> Result<Value, String> {
    let mut parts = role_arn.split(':').skip(1);
    let (Some(partition), Some(_), Some(_), Some(account)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(format!("{role_arn:?} is not a role's ARN"));
    };
    let arn = format!("arn:{partition}:dynamodb:{region}:{account}:table/{table}");
    let end = end.format(&Rfc3339).map_err(|error| error.to_string())?;
    Ok(json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "LabdeckChaos",
            "Effect": "Deny",
            "Action": "dynamodb:*",
            "Resource": [arn, format!("{arn}/index/*")],
            "Condition": { "DateLessThan": { "aws:CurrentTime": end } },
        }],
    }))
}

/// When the Deny on the role ends: `None` when there is none, `Some(None)` when it does not say.
pub(super) async fn denied_until(
    target: &Target,
    role: &str,
    table: &str,
) -> Result<Option<Option<i64>>> {
    let get = target.iam().get_role_policy().role_name(role).policy_name(policy_name(table));
    let what = format!("reading the chaos policy of role {role}");
    let answer = get.send().await.map_err(|error| Failure::from_sdk(what, &error));
    Ok(live::existing(answer)?.map(|policy| end_of(&policy.policy_document)))
}

/// The end that a policy document names, in ms since the epoch. IAM hands documents out
/// percent-encoded.
pub(super) fn end_of(document: &str) -> Option<i64> {
    let text = percent_encoding::percent_decode_str(document).decode_utf8_lossy();
    let document: Value = serde_json::from_str(&text).ok()?;
    let end = document.pointer("/Statement/0/Condition/DateLessThan/aws:CurrentTime")?.as_str()?;
    let end = OffsetDateTime::parse(end, &Rfc3339).ok()?;
    Some(end.unix_timestamp() * 1000)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_deny_ends_by_itself_and_its_end_is_read_back() {
        let end = OffsetDateTime::from_unix_timestamp(1_795_168_800).unwrap();
        let role = "arn:aws-cn:iam::111122223333:role/r";
        let document = deny_document(role, "cn-north-1", "visits", end).unwrap();
        let statement = &document["Statement"][0];
        assert_eq!(
            statement["Resource"][0],
            "arn:aws-cn:dynamodb:cn-north-1:111122223333:table/visits"
        );
        assert_eq!(
            statement["Condition"]["DateLessThan"]["aws:CurrentTime"],
            "2026-11-20T10:00:00Z"
        );
        let encoded = percent_encoding::utf8_percent_encode(
            &document.to_string(),
            percent_encoding::NON_ALPHANUMERIC,
        )
        .to_string();
        assert_eq!(end_of(&encoded), Some(1_795_168_800_000));
        assert_eq!(end_of("{}"), None);
        assert!(deny_document("nonsense", "r", "t", end).is_err());
    }

    #[test]
    fn policy_names_fit() {
        assert_eq!(policy_name("visits"), "labdeck-chaos-deny-table-visits");
        let (a, b) = ("t".repeat(200), "t".repeat(201));
        assert!(policy_name(&a).len() <= 128);
        assert_ne!(policy_name(&a), policy_name(&b));
    }
}
