//! Names of functions as clients write them: plain, qualified, partial ARNs and full ARNs.

use crate::core::{ACCOUNT_ID, REGION};
use crate::error::AwsError;

use super::errors::{constraint, invalid_parameter, not_found};

/// The qualifier of the unpublished code and configuration.
pub const LATEST: &str = "$LATEST";

/// The pattern that AWS names when a function name of a control-plane call is malformed.
const NAME_PATTERN: &str = "(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?";
/// The pattern that AWS names when the function name of an Invoke is malformed.
const INVOKE_NAME_PATTERN: &str = "(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?([a-zA-Z0-9-_\\.]+)(:(\\$LATEST(\\.PUBLISHED)?|[a-zA-Z0-9-_]+))?";
const QUALIFIER_PATTERN: &str = "\\$(LATEST(\\.PUBLISHED)?)|[a-zA-Z0-9-_$]+";

/// A function as named by a client: by its name, maybe with a version or an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionName {
    /// The function's plain name.
    pub name: String,
    /// `$LATEST`, a version number or an alias, where one was given.
    pub qualifier: Option<String>,
}

/// Which call names the function: AWS words the refusal of a malformed name differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wording {
    /// A control-plane call.
    Control,
    /// Invoke.
    Invoke,
}

impl FunctionName {
    /// Reads a function name in any of AWS's forms and joins it with the `Qualifier` parameter.
    pub fn parse(text: &str, qualifier: Option<&str>, wording: Wording) -> Result<Self, AwsError> {
        let pattern = match wording {
            Wording::Control => NAME_PATTERN,
            Wording::Invoke => INVOKE_NAME_PATTERN,
        };
        let malformed = || constraint(text, "functionName", &matching(pattern));
        if text.len() > 140 {
            return Err(constraint(
                text,
                "functionName",
                "Member must have length less than or equal to 140",
            ));
        }
        let parts = Parts::split(text).ok_or_else(malformed)?;
        if let Some(region) = parts.region.filter(|region| *region != REGION) {
            return Err(not_found(format!(
                "Functions from '{region}' are not reachable in this region ('{REGION}')"
            )));
        }
        if parts.account.is_some_and(|account| account != ACCOUNT_ID) {
            // As recorded: AWS says no more.
            return Err(AwsError::new(403, "AccessDeniedException", ""));
        }
        if parts.name.len() > 64 {
            return Err(invalid_parameter(format!(
                "1 validation error detected: Value '{}' at 'functionName' failed to satisfy \
                 constraint: Member must have length less than or equal to 64",
                parts.name
            )));
        }
        if let Some(qualifier) = qualifier {
            check_qualifier(qualifier)?;
        }
        let qualifier = match (parts.qualifier, qualifier) {
            (Some(derived), Some(given)) if derived != given => {
                return Err(invalid_parameter(
                    "The derived qualifier from the function name does not match the specified \
                     qualifier.",
                ));
            }
            (derived, given) => derived.or(given).map(str::to_owned),
        };
        Ok(Self { name: parts.name.to_owned(), qualifier })
    }

    /// The unqualified ARN.
    pub fn arn(&self) -> String {
        function_arn(&self.name)
    }

    /// The ARN with its qualifier, where there is one.
    pub fn qualified_arn(&self) -> String {
        qualified_arn(&self.name, self.qualifier.as_deref())
    }
}

/// The pieces of a function name, each where it was given.
struct Parts<'a> {
    region: Option<&'a str>,
    account: Option<&'a str>,
    name: &'a str,
    qualifier: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Option<Self> {
        let mut rest: Vec<&str> = text.split(':').collect();
        if let ["arn", partition, "lambda", ..] = rest[..] {
            if !partition.is_empty() && !partition.starts_with("aws") {
                return None;
            }
            rest.drain(..3);
        }
        let mut take = |fits: fn(&str) -> bool| -> Option<&'a str> {
            // The last piece is always the name itself.
            (rest.len() > 1 && fits(rest[0])).then(|| rest.remove(0))
        };
        let region = take(is_region);
        let account = take(is_account);
        take(|part| part == "function");
        let (name, qualifier) = match rest[..] {
            [name] => (name, None),
            [name, qualifier] => (name, Some(qualifier)),
            _ => return None,
        };
        let qualifier_fits = qualifier.is_none_or(|q| q == LATEST || is_word(q));
        (is_word(name) && qualifier_fits).then_some(Self { region, account, name, qualifier })
    }
}

/// Whether `text` is one or more of `[a-zA-Z0-9-_]`.
pub fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Whether `text` is all digits: a version number, never an alias.
pub fn is_version(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && is_version(text)
}

fn is_region(text: &str) -> bool {
    let mut pieces: Vec<&str> = text.split('-').collect();
    if pieces.first() == Some(&"eusc") {
        pieces.remove(0);
    }
    let [country, middle @ .., digit] = &pieces[..] else { return false };
    country.len() == 2
        && country.bytes().all(|b| b.is_ascii_lowercase())
        && !middle.is_empty()
        && middle.iter().all(|m| !m.is_empty() && m.bytes().all(|b| b.is_ascii_lowercase()))
        && digit.len() == 1
        && is_version(digit)
}

fn check_qualifier(qualifier: &str) -> Result<(), AwsError> {
    let fits = !qualifier.is_empty()
        && qualifier.len() <= 128
        && qualifier.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_$".contains(&b));
    if fits {
        Ok(())
    } else {
        Err(constraint(qualifier, "qualifier", &matching(QUALIFIER_PATTERN)))
    }
}

fn matching(pattern: &str) -> String {
    format!("Member must satisfy regular expression pattern: {pattern}")
}

/// The unqualified ARN of a function.
pub fn function_arn(name: &str) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{name}")
}

/// The ARN of a function, with its qualifier where there is one.
pub fn qualified_arn(name: &str, qualifier: Option<&str>) -> String {
    match qualifier {
        Some(qualifier) => format!("{}:{qualifier}", function_arn(name)),
        None => function_arn(name),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(text: &str, qualifier: Option<&str>) -> Result<(String, Option<String>), AwsError> {
        FunctionName::parse(text, qualifier, Wording::Control).map(|f| (f.name, f.qualifier))
    }

    #[test]
    fn every_form_of_a_name() {
        let plain = ("fn".to_owned(), None);
        let live = ("fn".to_owned(), Some("live".to_owned()));
        assert_eq!(parse("fn", None).unwrap(), plain);
        assert_eq!(parse("fn:live", None).unwrap(), live);
        assert_eq!(parse("fn", Some("live")).unwrap(), live);
        assert_eq!(parse("fn:live", Some("live")).unwrap(), live);
        assert_eq!(parse("function:fn", None).unwrap(), plain);
        assert_eq!(parse("000000000000:function:fn:live", None).unwrap(), live);
        assert_eq!(parse(&function_arn("fn"), None).unwrap(), plain);
        assert_eq!(parse(&qualified_arn("fn", Some("live")), None).unwrap(), live);
        assert_eq!(
            parse(&qualified_arn("fn", Some(LATEST)), None).unwrap().1.as_deref(),
            Some(LATEST)
        );
    }

    #[test]
    fn refusals_are_worded_as_aws_words_them() {
        let error = parse("invalid:function:name", None).unwrap_err();
        assert_eq!(error.code, "ValidationException");
        assert!(error.message.starts_with(
            "1 validation error detected: Value 'invalid:function:name' at 'functionName' failed"
        ));
        let error = parse("fn:a", Some("b")).unwrap_err();
        assert!(error.message.starts_with("The derived qualifier"));
        let error =
            parse("arn:aws:lambda:ap-southeast-1:000000000000:function:fn", None).unwrap_err();
        assert_eq!(
            error.message,
            "Functions from 'ap-southeast-1' are not reachable in this region ('us-east-1')"
        );
        let error = parse("arn:aws:lambda:us-east-1:111111111111:function:fn", None).unwrap_err();
        assert_eq!(error.status, 403);
        let error = parse(&"a".repeat(65), None).unwrap_err();
        assert_eq!(error.code, "InvalidParameterValueException");
        let error = parse(&"a".repeat(141), None).unwrap_err();
        assert_eq!(error.code, "ValidationException");
        let error = parse("fn", Some("a?b")).unwrap_err();
        assert!(error.message.contains("at 'qualifier'"));
        for text in ["", ":", "a:b:c:d", "arn:aws:lambda:", "arn:aws:s3:::bucket", "fn:"] {
            assert!(parse(text, None).is_err(), "{text}");
        }
    }
}
