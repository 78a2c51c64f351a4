//! What requests about alarms have in common.

use super::super::error::validation;
use crate::core::{ACCOUNT_ID, REGION};
use crate::error::AwsError;

/// Records in one answer, unless less is asked for.
const PAGE: i64 = 50;
/// The most that can be asked for.
const LARGEST_PAGE: i64 = 100;

/// A value that breaks a rule of the service's model.
pub(super) fn constraint(value: &str, member: &str, rule: &str) -> AwsError {
    let shown: String = value.chars().take(300).collect();
    validation(format!(
        "1 validation error detected: Value '{shown}' at '{member}' failed to satisfy constraint: \
         {rule}"
    ))
}

/// A member of the model that must be there.
pub(super) fn required<T>(value: Option<T>, member: &str) -> Result<T, AwsError> {
    value.ok_or_else(|| {
        validation(format!(
            "1 validation error detected: Value null at '{member}' failed to satisfy constraint: \
             Member must not be null"
        ))
    })
}

/// A value that has to be one of a set.
pub(super) fn one_of<T: Copy>(
    text: &str,
    member: &str,
    values: &[T],
    name: impl Fn(T) -> &'static str,
) -> Result<T, AwsError> {
    values.iter().copied().find(|value| name(*value) == text).ok_or_else(|| {
        let names: Vec<&str> = values.iter().map(|value| name(*value)).collect();
        constraint(
            text,
            member,
            &format!("Member must satisfy enum value set: [{}]", names.join(", ")),
        )
    })
}

/// A text within its length in characters.
pub(super) fn length(text: &str, member: &str, least: usize, most: usize) -> Result<(), AwsError> {
    let length = text.chars().count();
    if length < least {
        let rule = format!("Member must have length greater than or equal to {least}");
        return Err(constraint(text, member, &rule));
    }
    if length > most {
        let rule = format!("Member must have length less than or equal to {most}");
        return Err(constraint(text, member, &rule));
    }
    Ok(())
}

/// Names of alarms, at most a hundred.
pub(super) fn names(names: Option<Vec<String>>) -> Result<Vec<String>, AwsError> {
    let names = names.unwrap_or_default();
    if names.len() > 100 {
        let rule = "Member must have length less than or equal to 100";
        return Err(constraint(&format!("[{} names]", names.len()), "alarmNames", rule));
    }
    names.iter().try_for_each(|name| length(name, "alarmNames", 1, 255))?;
    Ok(names)
}

/// How many records an answer may have.
pub(super) fn page(asked: Option<i64>) -> Result<usize, AwsError> {
    let asked = asked.unwrap_or(PAGE);
    if asked < 1 {
        let rule = "Member must have value greater than or equal to 1";
        return Err(constraint(&asked.to_string(), "maxRecords", rule));
    }
    if asked > LARGEST_PAGE {
        let rule = format!("Member must have value less than or equal to {LARGEST_PAGE}");
        return Err(constraint(&asked.to_string(), "maxRecords", &rule));
    }
    Ok(usize::try_from(asked).unwrap_or(1))
}

/// The ARN of an alarm.
pub(super) fn arn(name: &str) -> String {
    format!("arn:aws:cloudwatch:{REGION}:{ACCOUNT_ID}:alarm:{name}")
}

/// A text as a token, and back.
pub(super) mod token {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    /// A token that stands for a text.
    pub fn write(text: &str) -> String {
        URL_SAFE_NO_PAD.encode(text)
    }

    /// The text of a token.
    pub fn read(token: &str) -> Option<String> {
        String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()
    }
}
