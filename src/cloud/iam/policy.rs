//! Policy documents: reading them as IAM does, and deciding what they allow.
//!
//! Grammar and evaluation follow the IAM User Guide, "Grammar of the IAM JSON policy language" and
//! "Policy evaluation logic".

use serde_json::{Map, Value};

use super::condition::{Condition, Verdict};
use super::context::Context;
use super::wildcard::matches;
use crate::error::AwsError;

/// A policy document that was read and found well-formed.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    statements: Vec<Statement>,
}

/// What the statements of one or more policies say about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Some statement allows it and none denies it.
    Allow,
    /// A `Deny` statement covers it.
    ExplicitDeny,
    /// No statement covers it.
    ImplicitDeny,
}

/// What kind of policy a document is: they differ in the elements they may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Attached to a role: has resources, no principal.
    Identity,
    /// A role's trust policy: has principals, no resources.
    Trust,
    /// Attached to a resource such as a queue or a topic: has principals and resources.
    Resource,
}

#[derive(Debug, Clone)]
struct Statement {
    allow: bool,
    actions: Patterns,
    resources: Patterns,
    principals: Option<Principals>,
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone)]
enum Patterns {
    Any(Vec<String>),
    NoneOf(Vec<String>),
}

#[derive(Debug, Clone)]
enum Principals {
    Everyone,
    Listed { services: Vec<String>, identities: Vec<String> },
}

impl Policy {
    /// Reads a document, or says why IAM would not take it.
    pub fn parse(document: &str, kind: Kind) -> Result<Self, AwsError> {
        Self::parse_at(document, kind).map_err(|malformed| malformed.error)
    }

    /// As [`Policy::parse`], saying where it is wrong as well.
    pub(super) fn parse_at(document: &str, kind: Kind) -> Result<Self, Malformed> {
        let value: Value = serde_json::from_str(document)
            .map_err(|_| malformed("This policy contains invalid Json"))?;
        let Value::Object(fields) = value else {
            return Err(malformed("Syntax errors in policy.").into());
        };
        for (name, value) in &fields {
            let wrong = |message| Malformed::at(name, malformed(message));
            match (name.as_str(), value) {
                ("Version", Value::String(version))
                    if version == "2012-10-17" || version == "2008-10-17" => {}
                ("Version", _) => {
                    return Err(wrong("Policy document must be version 2012-10-17 or greater."));
                }
                ("Id", Value::String(_)) | ("Statement", _) => {}
                _ => return Err(wrong("Syntax errors in policy.")),
            }
        }
        let wrong = || Malformed::at("Statement", malformed("Syntax errors in policy."));
        let list = match fields.get("Statement") {
            Some(Value::Array(list)) if !list.is_empty() => list.iter().collect(),
            Some(statement @ Value::Object(_)) => vec![statement],
            _ => return Err(wrong()),
        };
        let mut statements = Vec::with_capacity(list.len());
        for (index, value) in list.into_iter().enumerate() {
            let read = statement(value, kind);
            statements.push(read.map_err(|wrong| Malformed { statement: Some(index), ..wrong })?);
        }
        Ok(Self { statements })
    }

    /// The condition keys of the policy that can't be decided here.
    pub(super) fn undecidable(&self) -> Vec<String> {
        let conditions = self.statements.iter().flat_map(|statement| &statement.conditions);
        let mut keys: Vec<String> = conditions.filter_map(Condition::undecidable).collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// What this policy says about a principal whose policy it is.
    pub fn decide(&self, action: &str, resource: &str, context: &Context) -> Decision {
        self.decide_where(action, Some(resource), context, |_| true)
    }

    /// Whether this trust policy lets the AWS service `service` assume the role.
    pub fn trusts_service(&self, service: &str, context: &Context) -> bool {
        let covers = |principals: Option<&Principals>| names_service(principals, service);
        self.decide_where("sts:AssumeRole", None, context, covers) == Decision::Allow
    }

    /// What this policy of a resource says about a service that acts for something else.
    pub fn decide_for_service(
        &self,
        service: &str,
        action: &str,
        resource: &str,
        context: &Context,
    ) -> Decision {
        let covers = |principals: Option<&Principals>| names_service(principals, service);
        self.decide_where(action, Some(resource), context, covers)
    }

    /// What this policy of a resource says about an identity, known by one of its `names`: ARNs
    /// of a role and of its session.
    pub fn decide_for_identity(
        &self,
        names: &[&str],
        action: &str,
        resource: &str,
        context: &Context,
    ) -> Decision {
        self.decide_where(action, Some(resource), context, |principals| match principals {
            Some(Principals::Everyone) => true,
            Some(Principals::Listed { identities, .. }) => {
                identities.iter().any(|identity| names.contains(&identity.as_str()))
            }
            None => false,
        })
    }

    fn decide_where(
        &self,
        action: &str,
        resource: Option<&str>,
        context: &Context,
        covers: impl Fn(Option<&Principals>) -> bool,
    ) -> Decision {
        let action = action.to_ascii_lowercase();
        let mut decision = Decision::ImplicitDeny;
        for statement in &self.statements {
            let named = statement.actions.cover(&action, context)
                && resource.is_none_or(|resource| statement.resources.cover(resource, context))
                && covers(statement.principals.as_ref());
            if !named {
                continue;
            }
            let verdict = Condition::all(&statement.conditions, context);
            if statement.allow {
                if verdict == Verdict::Met {
                    decision = Decision::Allow;
                }
            } else if verdict != Verdict::NotMet {
                // What can't be decided must not open a door: an undecidable Deny denies.
                return Decision::ExplicitDeny;
            }
        }
        decision
    }
}

fn names_service(principals: Option<&Principals>, service: &str) -> bool {
    match principals {
        Some(Principals::Everyone) => true,
        Some(Principals::Listed { services, .. }) => services.iter().any(|name| name == service),
        None => false,
    }
}

impl Patterns {
    fn cover(&self, text: &str, context: &Context) -> bool {
        let covers = |pattern: &String| {
            if pattern.contains("${") {
                context.substitute(pattern).is_some_and(|pattern| matches(&pattern, text))
            } else {
                matches(pattern, text)
            }
        };
        match self {
            Self::Any(list) => list.iter().any(covers),
            Self::NoneOf(list) => !list.iter().any(covers),
        }
    }
}

/// Why a document is no policy, and where.
#[derive(Debug)]
pub(super) struct Malformed {
    /// The statement's place, from 0.
    pub statement: Option<usize>,
    /// The element of the statement, or of the document.
    pub element: Option<String>,
    /// AWS's error.
    pub error: AwsError,
}

impl Malformed {
    fn at(element: &str, error: AwsError) -> Self {
        Self { statement: None, element: Some(element.to_owned()), error }
    }
}

impl From<AwsError> for Malformed {
    fn from(error: AwsError) -> Self {
        Self { statement: None, element: None, error }
    }
}

fn malformed(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "MalformedPolicyDocument", message)
}

fn statement(value: &Value, kind: Kind) -> Result<Statement, Malformed> {
    let Value::Object(fields) = value else {
        return Err(malformed("Syntax errors in policy.").into());
    };
    for (name, value) in fields {
        let wrong = |message: String| Malformed::at(name, malformed(message));
        match name.as_str() {
            "Sid" if value.is_string() => {}
            "Effect" | "Action" | "NotAction" | "Condition" => {}
            "Resource" | "NotResource" if kind != Kind::Trust => {}
            "Principal" | "NotPrincipal" if kind != Kind::Identity => {}
            "Resource" | "NotResource" | "Principal" | "NotPrincipal" => {
                return Err(wrong(format!("Has prohibited field {name}")));
            }
            _ => return Err(wrong("Syntax errors in policy.".to_owned())),
        }
    }
    let at = |name: &'static str| {
        let name = if fields.contains_key(name) { name } else { negated(name) };
        let place = fields.contains_key(name).then(|| name.to_owned());
        move |error| Malformed { statement: None, element: place, error }
    };
    let allow = match fields.get("Effect").and_then(Value::as_str) {
        Some("Allow") => true,
        Some("Deny") => false,
        _ => return Err(at("Effect")(malformed("Syntax errors in policy."))),
    };
    let actions = patterns(fields, "Action", "NotAction")
        .map_err(at("Action"))?
        .ok_or_else(|| malformed("Policy statement must contain actions."))
        .map_err(at("Action"))?
        .lower_case();
    check_actions(&actions).map_err(at("Action"))?;
    let (resources, principals) = match kind {
        Kind::Identity => {
            let resources = patterns(fields, "Resource", "NotResource")
                .map_err(at("Resource"))?
                .ok_or_else(|| malformed("Policy statement must contain resources."))
                .map_err(at("Resource"))?;
            check_resources(&resources).map_err(at("Resource"))?;
            (resources, None)
        }
        Kind::Trust => {
            let principals = principals(fields).map_err(at("Principal"))?;
            (Patterns::NoneOf(Vec::new()), Some(principals))
        }
        Kind::Resource => {
            let resources = patterns(fields, "Resource", "NotResource")
                .map_err(at("Resource"))?
                .ok_or_else(|| malformed("Policy statement must contain resources."))
                .map_err(at("Resource"))?;
            check_resources(&resources).map_err(at("Resource"))?;
            (resources, Some(principals(fields).map_err(at("Principal"))?))
        }
    };
    let conditions = match fields.get("Condition") {
        None => Vec::new(),
        Some(value) => Condition::parse(value)
            .ok_or_else(|| malformed("Syntax errors in policy."))
            .map_err(at("Condition"))?,
    };
    Ok(Statement { allow, actions, resources, principals, conditions })
}

/// The name of an element's complement.
fn negated(name: &str) -> &'static str {
    match name {
        "Action" => "NotAction",
        "Resource" => "NotResource",
        _ => "NotPrincipal",
    }
}

impl Patterns {
    fn list(&self) -> &[String] {
        match self {
            Self::Any(list) | Self::NoneOf(list) => list,
        }
    }

    fn lower_case(self) -> Self {
        let lower = |list: Vec<String>| list.iter().map(|text| text.to_ascii_lowercase()).collect();
        match self {
            Self::Any(list) => Self::Any(lower(list)),
            Self::NoneOf(list) => Self::NoneOf(lower(list)),
        }
    }
}

/// The patterns of an element or of its `Not…` form; `None` when neither or an empty list is there.
fn patterns(
    fields: &Map<String, Value>,
    name: &str,
    negated: &str,
) -> Result<Option<Patterns>, AwsError> {
    let read = |name: &str| match fields.get(name) {
        None => Ok(None),
        Some(value) => {
            strings(value).map(Some).ok_or_else(|| malformed("Syntax errors in policy."))
        }
    };
    match (read(name)?, read(negated)?) {
        (Some(_), Some(_)) => Err(malformed("Syntax errors in policy.")),
        (Some(list), None) if !list.is_empty() => Ok(Some(Patterns::Any(list))),
        (None, Some(list)) if !list.is_empty() => Ok(Some(Patterns::NoneOf(list))),
        _ => Ok(None),
    }
}

/// A string or a list of strings.
pub(super) fn strings(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(list) => list.iter().map(|value| value.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

fn check_actions(actions: &Patterns) -> Result<(), AwsError> {
    for action in actions.list() {
        let well_formed = action == "*"
            || action.split_once(':').is_some_and(|(vendor, name)| {
                let plain = |text: &str, extra: &str| {
                    !text.is_empty()
                        && text.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
                };
                plain(vendor, "-*?") && plain(name, "-*?")
            });
        if !well_formed {
            return Err(malformed(
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
            ));
        }
    }
    Ok(())
}

fn check_resources(resources: &Patterns) -> Result<(), AwsError> {
    for resource in resources.list() {
        let is_arn = resource == "*"
            || (resource.starts_with("arn:") && resource.split(':').count() >= 6)
            || (resource.starts_with("arn:") && resource.contains('*'));
        if !is_arn {
            return Err(malformed(format!("Resource {resource} must be in ARN format or \"*\".")));
        }
    }
    Ok(())
}

fn principals(fields: &Map<String, Value>) -> Result<Principals, AwsError> {
    if fields.contains_key("NotPrincipal") {
        return Err(malformed("Has prohibited field NotPrincipal"));
    }
    match fields.get("Principal") {
        None => Err(malformed("Missing required field Principal")),
        Some(Value::String(text)) if text == "*" => Ok(Principals::Everyone),
        Some(Value::Object(kinds)) if !kinds.is_empty() => {
            let (mut services, mut identities) = (Vec::new(), Vec::new());
            for (kind, value) in kinds {
                let names = strings(value).filter(|names| !names.is_empty());
                let names = names.ok_or_else(|| malformed("Syntax errors in policy."))?;
                match kind.as_str() {
                    "Service" => services.extend(names),
                    "AWS" if names.iter().any(|name| name == "*") => {
                        return Ok(Principals::Everyone);
                    }
                    "AWS" => identities.extend(names),
                    "Federated" | "CanonicalUser" => {}
                    _ => return Err(malformed(format!("Invalid principal in policy: {kind}"))),
                }
            }
            Ok(Principals::Listed { services, identities })
        }
        Some(_) => Err(malformed("Invalid principal in policy.")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TABLE: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/visits";

    fn decide(document: &str, action: &str, resource: &str) -> Decision {
        let context = Context::at(1_700_000_000, "arn:aws:iam::000000000000:role/r");
        Policy::parse(document, Kind::Identity).unwrap().decide(action, resource, &context)
    }

    #[test]
    fn allows_what_is_named_and_nothing_else() {
        let document = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow",
                "Action":["dynamodb:Update*","DYNAMODB:getitem"],"Resource":"{TABLE}"}}}}"#
        );
        assert_eq!(decide(&document, "dynamodb:UpdateItem", TABLE), Decision::Allow);
        assert_eq!(decide(&document, "dynamodb:GetItem", TABLE), Decision::Allow);
        assert_eq!(decide(&document, "dynamodb:PutItem", TABLE), Decision::ImplicitDeny);
        let index = format!("{TABLE}/index/by-day");
        assert_eq!(decide(&document, "dynamodb:GetItem", &index), Decision::ImplicitDeny);
    }

    #[test]
    fn an_explicit_deny_wins_while_its_condition_holds() {
        let with_deny_until = |time: &str| {
            format!(
                r#"{{"Version":"2012-10-17","Statement":[
                    {{"Effect":"Allow","Action":"*","Resource":"*"}},
                    {{"Effect":"Deny","Action":"dynamodb:*","Resource":"*",
                      "Condition":{{"DateLessThan":{{"aws:CurrentTime":"{time}"}}}}}}]}}"#
            )
        };
        // The context's time is 2023-11-14T22:13:20Z.
        let running = with_deny_until("2023-11-14T22:13:21Z");
        assert_eq!(decide(&running, "dynamodb:GetItem", TABLE), Decision::ExplicitDeny);
        let over = with_deny_until("2023-11-14T22:13:20Z");
        assert_eq!(decide(&over, "dynamodb:GetItem", TABLE), Decision::Allow);
    }

    #[test]
    fn what_cannot_be_decided_opens_no_door() {
        let with = |effect: &str| {
            format!(
                r#"{{"Statement":[{{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}},
                    {{"Effect":"{effect}","Action":"*","Resource":"*",
                      "Condition":{{"StringEquals":{{"dynamodb:Select":"COUNT"}}}}}}]}}"#
            )
        };
        assert_eq!(decide(&with("Allow"), "sqs:SendMessage", "arn:x"), Decision::ImplicitDeny);
        assert_eq!(decide(&with("Allow"), "s3:GetObject", "arn:x"), Decision::Allow);
        assert_eq!(decide(&with("Deny"), "s3:GetObject", "arn:x"), Decision::ExplicitDeny);
    }

    #[test]
    fn not_action_and_not_resource_are_complements() {
        let document = format!(
            r#"{{"Statement":[{{"Effect":"Allow","NotAction":"iam:*","NotResource":"{TABLE}"}}]}}"#
        );
        assert_eq!(decide(&document, "sqs:SendMessage", "arn:other"), Decision::Allow);
        assert_eq!(decide(&document, "iam:GetRole", "arn:other"), Decision::ImplicitDeny);
        assert_eq!(decide(&document, "sqs:SendMessage", TABLE), Decision::ImplicitDeny);
    }

    #[test]
    fn trust_policies_name_services() {
        let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
            "Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
        let policy = Policy::parse(document, Kind::Trust).unwrap();
        let context = Context::at(0, "");
        assert!(policy.trusts_service("lambda.amazonaws.com", &context));
        assert!(!policy.trusts_service("apigateway.amazonaws.com", &context));
    }

    #[test]
    fn malformed_documents_are_refused_with_the_reason() {
        let reason = |document: &str, kind| Policy::parse(document, kind).unwrap_err().message;
        assert_eq!(reason("{", Kind::Identity), "This policy contains invalid Json");
        assert_eq!(
            reason(r#"{"Version":"2020-01-01","Statement":[]}"#, Kind::Identity),
            "Policy document must be version 2012-10-17 or greater."
        );
        assert_eq!(
            reason(
                r#"{"Statement":[{"Effect":"Allow","Action":"x:y","Principal":"*"}]}"#,
                Kind::Identity
            ),
            "Has prohibited field Principal"
        );
        assert_eq!(
            reason(
                r#"{"Statement":[{"Effect":"Allow","Action":"GetItem","Resource":"*"}]}"#,
                Kind::Identity
            ),
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
        );
        assert_eq!(
            reason(
                r#"{"Statement":[{"Effect":"Allow","Action":"x:y","Resource":"visits"}]}"#,
                Kind::Identity
            ),
            "Resource visits must be in ARN format or \"*\"."
        );
        assert_eq!(
            reason(r#"{"Statement":[{"Effect":"Allow","Action":"sts:AssumeRole"}]}"#, Kind::Trust),
            "Missing required field Principal"
        );
    }
}
