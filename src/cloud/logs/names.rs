//! Names, identifiers and ARNs of log groups and streams, and the rules they follow.

use super::error::{constraint, invalid, no_group};
use crate::core::{ACCOUNT_ID, Core, REGION};
use crate::error::AwsError;

/// A required member of a request.
pub fn required<'a>(value: Option<&'a str>, member: &str) -> Result<&'a str, AwsError> {
    value.ok_or_else(|| {
        invalid(format!(
            "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"
        ))
    })
}

/// A group's name by the rules of AWS: 1 to 512 of letters, digits and `_-/.#`.
pub fn group_name<'a>(value: Option<&'a str>, member: &str) -> Result<&'a str, AwsError> {
    let name = required(value, member)?;
    length(name, member, 512)?;
    if name.chars().all(|c| c.is_ascii_alphanumeric() || "_-/.#".contains(c)) {
        return Ok(name);
    }
    Err(constraint(
        name,
        member,
        r"Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+",
    ))
}

/// A stream's name by the rules of AWS: 1 to 512 characters without `:` and `*`.
pub fn stream_name<'a>(value: Option<&'a str>, member: &str) -> Result<&'a str, AwsError> {
    let name = required(value, member)?;
    length(name, member, 512)?;
    if !name.contains([':', '*']) {
        return Ok(name);
    }
    Err(constraint(name, member, "Member must satisfy regular expression pattern: [^:*]*"))
}

fn length(name: &str, member: &str, most: usize) -> Result<(), AwsError> {
    let count = name.chars().count();
    if count == 0 {
        return Err(constraint(name, member, "Member must have length greater than or equal to 1"));
    }
    if count > most {
        return Err(constraint(
            name,
            member,
            &format!("Member must have length less than or equal to {most}"),
        ));
    }
    Ok(())
}

/// The group that a request names, by `logGroupName` or by `logGroupIdentifier` (a name or an ARN),
/// never by both.
pub fn group_of<'a>(
    name: Option<&'a str>,
    identifier: Option<&'a str>,
) -> Result<&'a str, AwsError> {
    match (name, identifier) {
        (Some(_), Some(_)) => Err(invalid(
            "LogGroup name and LogGroup ARN are mutually exclusive parameters, please provide only one.",
        )),
        (None, Some(identifier)) if identifier.starts_with("arn:") => group_of_arn(identifier),
        (None, Some(identifier)) => group_name(Some(identifier), "logGroupIdentifier"),
        (name, None) => group_name(name, "logGroupName"),
    }
}

/// The name of the group that an ARN names, with or without a trailing `:*`.
pub fn group_of_arn(arn: &str) -> Result<&str, AwsError> {
    let parts: Vec<&str> = arn.splitn(7, ':').collect();
    let ["arn", "aws", "logs", region, account, "log-group", rest] = parts[..] else {
        return Err(invalid(format!("Invalid ARN: {arn}")));
    };
    let name = rest.strip_suffix(":*").unwrap_or(rest);
    let name = group_name(Some(name), "resourceArn")?;
    if region != REGION || account != ACCOUNT_ID {
        return Err(no_group());
    }
    Ok(name)
}

/// A group's ARN, without the `:*`.
pub fn group_arn(core: &Core, name: &str) -> String {
    core.arn("logs", &format!("log-group:{name}"))
}

/// A stream's ARN.
pub fn stream_arn(core: &Core, group: &str, stream: &str) -> String {
    core.arn("logs", &format!("log-group:{group}:log-stream:{stream}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_named_by_name_or_arn() {
        assert_eq!(group_of(Some("/aws/lambda/a"), None).unwrap(), "/aws/lambda/a");
        let arn = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/a";
        assert_eq!(group_of(None, Some(arn)).unwrap(), "/aws/lambda/a");
        assert_eq!(group_of_arn(&format!("{arn}:*")).unwrap(), "/aws/lambda/a");
        assert!(group_of(Some("a"), Some("a")).is_err());
        assert!(group_of(None, None).is_err());
        assert!(group_of(Some("a b"), None).is_err());
        assert!(group_of(Some(&"x".repeat(513)), None).is_err());
        let elsewhere = "arn:aws:logs:eu-west-1:000000000000:log-group:a";
        assert_eq!(group_of_arn(elsewhere).unwrap_err().code, "ResourceNotFoundException");
        assert!(stream_name(Some("2026/11/20/[$LATEST]ab"), "logStreamName").is_ok());
        assert!(stream_name(Some("a:b"), "logStreamName").is_err());
    }
}
