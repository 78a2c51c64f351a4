//! Resource policies: the statements that `AddPermission` makes, and whom they let in.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::error::AwsError;

use super::errors::{constraint, invalid_parameter, missing};
use super::names::is_word;

/// The body of `AddPermission`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PermissionInput {
    /// Names the statement.
    pub statement_id: Option<String>,
    /// What is allowed.
    pub action: Option<String>,
    /// To whom.
    pub principal: Option<String>,
    /// Only on behalf of this resource; wildcards are allowed.
    pub source_arn: Option<String>,
    /// Only on behalf of this account.
    pub source_account: Option<String>,
    /// Only with this token.
    pub event_source_token: Option<String>,
    /// Only to members of this organization.
    #[serde(rename = "PrincipalOrgID")]
    pub principal_org_id: Option<String>,
    /// Only through function URLs of this kind.
    pub function_url_auth_type: Option<String>,
    /// Guards the write.
    pub revision_id: Option<String>,
}

impl PermissionInput {
    /// Checks the shapes; gives the statement's id.
    pub fn check(&self) -> Result<&str, AwsError> {
        let id = self.statement_id.as_deref().ok_or_else(|| missing("statementId"))?;
        if !is_word(id) {
            return Err(constraint(
                id,
                "statementId",
                "Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)",
            ));
        }
        if id.len() > 100 {
            return Err(constraint(
                id,
                "statementId",
                "Member must have length less than or equal to 100",
            ));
        }
        let action = self.action.as_deref().ok_or_else(|| missing("action"))?;
        let known = action.strip_prefix("lambda:").is_some_and(|a| {
            a == "*" || (!a.is_empty() && a.bytes().all(|b| b.is_ascii_alphabetic()))
        });
        if !known && action != "*" {
            return Err(constraint(
                action,
                "action",
                "Member must satisfy regular expression pattern: (lambda:[*]|lambda:[a-zA-Z]+|[*])",
            ));
        }
        if let Some(account) = &self.source_account
            && (account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()))
        {
            return Err(constraint(
                account,
                "sourceAccount",
                "Member must satisfy regular expression pattern: \\d{12}",
            ));
        }
        if let Some(arn) = &self.source_arn
            && !arn.starts_with("arn:")
        {
            return Err(constraint(
                arn,
                "sourceArn",
                "Member must satisfy regular expression pattern: \
                 arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?\
                 -[a-z]+-\\d{1})?:(\\d{12})?:(.*)",
            ));
        }
        Ok(id)
    }

    /// The statement, with `resource` the qualified ARN that it is about.
    pub fn statement(&self, resource: &str) -> Result<Value, AwsError> {
        let principal = self.principal.as_deref().ok_or_else(|| missing("principal"))?;
        let mut equals = Map::new();
        let mut require = |key: &str, value: Option<&String>| {
            if let Some(value) = value {
                equals.insert(key.to_owned(), value.as_str().into());
            }
        };
        require("AWS:SourceAccount", self.source_account.as_ref());
        require("lambda:EventSourceToken", self.event_source_token.as_ref());
        require("lambda:FunctionUrlAuthType", self.function_url_auth_type.as_ref());
        require("aws:PrincipalOrgID", self.principal_org_id.as_ref());
        let mut condition = Map::new();
        if !equals.is_empty() {
            condition.insert("StringEquals".to_owned(), Value::Object(equals));
        }
        if let Some(arn) = &self.source_arn {
            condition.insert("ArnLike".to_owned(), json!({ "AWS:SourceArn": arn }));
        }
        let mut statement = json!({
            "Sid": self.statement_id,
            "Effect": "Allow",
            "Principal": principal_of(principal)?,
            "Action": self.action,
            "Resource": resource,
        });
        if !condition.is_empty() {
            statement["Condition"] = Value::Object(condition);
        }
        Ok(statement)
    }
}

fn principal_of(text: &str) -> Result<Value, AwsError> {
    let is_account = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    if text == "*" {
        Ok(json!("*"))
    } else if is_account {
        Ok(json!({ "AWS": format!("arn:aws:iam::{text}:root") }))
    } else if text.starts_with("arn:aws") {
        Ok(json!({ "AWS": text }))
    } else if text.ends_with(".amazonaws.com") || text.ends_with(".amazon.com") {
        Ok(json!({ "Service": text }))
    } else {
        Err(invalid_parameter(
            "The provided principal was invalid. Please check the principal and try again.",
        ))
    }
}

/// Whether a statement lets a service invoke on behalf of the resource `source_arn`.
///
/// A condition that is not understood is not met.
pub fn allows_service(statement: &Value, service: &str, source_arn: &str) -> bool {
    let principal = &statement["Principal"];
    let named = principal == "*" || principal["Service"] == service;
    let action = statement["Action"].as_str().unwrap_or_default();
    named
        && statement["Effect"] == "Allow"
        && matches!(action, "lambda:InvokeFunction" | "lambda:*" | "*")
        && conditions_hold(statement.get("Condition"), source_arn)
}

fn conditions_hold(condition: Option<&Value>, source_arn: &str) -> bool {
    let Some(condition) = condition else { return true };
    let Some(operators) = condition.as_object() else { return false };
    operators.iter().all(|(operator, keys)| {
        keys.as_object().is_some_and(|keys| {
            keys.iter().all(|(key, wanted)| {
                let Some(wanted) = wanted.as_str() else { return false };
                match (operator.as_str(), key.to_ascii_lowercase().as_str()) {
                    ("ArnLike", "aws:sourcearn") => arn_like(wanted, source_arn),
                    ("StringEquals", "aws:sourceaccount") => {
                        source_arn.split(':').nth(4) == Some(wanted)
                    }
                    _ => false,
                }
            })
        })
    })
}

/// IAM's `ArnLike`: each of the six parts of an ARN is matched by itself, `*` and `?` within them.
pub fn arn_like(pattern: &str, arn: &str) -> bool {
    let mut patterns = pattern.splitn(6, ':');
    let mut parts = arn.splitn(6, ':');
    loop {
        match (patterns.next(), parts.next()) {
            (None, None) => return true,
            (Some(pattern), Some(part)) if crate::iam::wildcard::matches(pattern, part) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SOURCE: &str = "arn:aws:execute-api:us-east-1:000000000000:a1b2/dev/GET/greet";

    fn statement(value: Value) -> Value {
        let input: PermissionInput = serde_json::from_value(value).unwrap();
        input.check().unwrap();
        input.statement("arn:aws:lambda:us-east-1:000000000000:function:f:live").unwrap()
    }

    #[test]
    fn statements_are_written_as_aws_writes_them() {
        let written = statement(json!({
            "StatementId": "urlPermission",
            "Action": "lambda:InvokeFunctionUrl",
            "Principal": "*",
            "SourceAccount": "111111111111",
            "SourceArn": "arn:aws:s3:::bucket",
            "FunctionUrlAuthType": "NONE",
            "PrincipalOrgID": "o-1234567890",
        }));
        assert_eq!(
            written.to_string(),
            concat!(
                r#"{"Sid":"urlPermission","Effect":"Allow","Principal":"*","#,
                r#""Action":"lambda:InvokeFunctionUrl","#,
                r#""Resource":"arn:aws:lambda:us-east-1:000000000000:function:f:live","#,
                r#""Condition":{"StringEquals":{"AWS:SourceAccount":"111111111111","#,
                r#""lambda:FunctionUrlAuthType":"NONE","aws:PrincipalOrgID":"o-1234567890"},"#,
                r#""ArnLike":{"AWS:SourceArn":"arn:aws:s3:::bucket"}}}"#
            )
        );
        assert_eq!(
            principal_of("111111111111").unwrap(),
            json!({"AWS": "arn:aws:iam::111111111111:root"})
        );
        assert!(principal_of("invalid.nonaws.com").is_err());
    }

    #[test]
    fn only_the_named_service_and_source_get_in() {
        let allow = |source: &str| {
            statement(json!({
                "StatementId": "s", "Action": "lambda:InvokeFunction",
                "Principal": "apigateway.amazonaws.com", "SourceArn": source,
            }))
        };
        let gets_in =
            |source: &str| allows_service(&allow(source), "apigateway.amazonaws.com", SOURCE);
        assert!(gets_in(SOURCE));
        assert!(gets_in("arn:aws:execute-api:us-east-1:000000000000:a1b2/*/GET/greet"));
        assert!(gets_in("arn:aws:execute-api:us-east-1:000000000000:a1b2/*"));
        assert!(gets_in("arn:aws:execute-api:*:*:a1b2/dev/*/gree?"));
        assert!(!gets_in("arn:aws:execute-api:us-east-1:000000000000:a1b2/prod/GET/greet"));
        assert!(!gets_in("arn:aws:execute-api:us-east-1:000000000000:other/*"));
        assert!(!gets_in("arn:*"), "a star does not reach into the next part");
        assert!(!allows_service(&allow(SOURCE), "s3.amazonaws.com", SOURCE));
        let by_account = |account: &str| {
            let s = statement(json!({
                "StatementId": "s", "Action": "lambda:InvokeFunction",
                "Principal": "apigateway.amazonaws.com", "SourceAccount": account,
            }));
            allows_service(&s, "apigateway.amazonaws.com", SOURCE)
        };
        assert!(by_account("000000000000"));
        assert!(!by_account("111111111111"));
    }
}
