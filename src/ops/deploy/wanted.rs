//! What a lab wants on a target: its blueprint with every reference resolved, and its built code.

use std::collections::BTreeMap;

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::{Function, Role, Stage, Table};
use labdeck_lab::references::{Form, Reference, ResourceKind, resolve_text, resolve_value};
use serde_json::{Value, json};

use super::definition::Definition;

/// Name of the inline policy that labdeck keeps on a lab's roles.
pub const POLICY_NAME: &str = "labdeck";
/// Verbs of an `OpenAPI` path that are methods.
const METHODS: [&str; 8] =
    ["get", "put", "post", "delete", "options", "head", "patch", "x-amazon-apigateway-any-method"];

/// Where a lab is deployed: what ARNs are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: String,
    /// Region.
    pub region: String,
    /// Account id.
    pub account: String,
}

impl Place {
    fn arn(&self, service: &str, rest: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{rest}", self.partition, self.region, self.account)
    }

    /// ARN of a function, without a qualifier.
    pub fn function(&self, name: &str) -> String {
        self.arn("lambda", &format!("function:{name}"))
    }

    /// ARN of a table.
    pub fn table(&self, name: &str) -> String {
        self.arn("dynamodb", &format!("table/{name}"))
    }

    /// ARN of a log group, without `:*`.
    pub fn log_group(&self, name: &str) -> String {
        self.arn("logs", &format!("log-group:{name}"))
    }

    /// ARN of a role.
    pub fn role(&self, name: &str) -> String {
        format!("arn:{}:iam::{}:role/{name}", self.partition, self.account)
    }

    /// ARN of a REST API as API Gateway's tags know it.
    pub fn rest_api(&self, id: &str) -> String {
        format!("arn:{}:apigateway:{}::/restapis/{id}", self.partition, self.region)
    }

    /// ARN of a method as permissions name it; parameters of the path stand as `*`.
    pub fn method(&self, api_id: &str, stage: &str, method: &str, path: &str) -> String {
        let path: Vec<&str> =
            path.split('/').map(|part| if part.contains('{') { "*" } else { part }).collect();
        self.arn("execute-api", &format!("{api_id}/{stage}/{method}{}", path.join("/")))
    }
}

/// Log group of a function.
pub fn log_group_name(function: &str) -> String {
    format!("/aws/lambda/{function}")
}

/// What a lab wants to exist.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// The lab.
    pub lab: String,
    /// Where.
    pub place: Place,
    /// Roles of the lab's own; none when an existing role was given.
    pub roles: Vec<WantedRole>,
    /// Tables.
    pub tables: Vec<Table>,
    /// Functions.
    pub functions: Vec<WantedFunction>,
    /// APIs.
    pub apis: Vec<WantedApi>,
    /// Stages of every API.
    pub stages: Vec<Stage>,
    /// Retention of log groups in days.
    pub retention: i32,
}

/// A role.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedRole {
    /// Name.
    pub name: String,
    /// Who may assume it.
    pub trust: Value,
    /// Its inline policy.
    pub policy: Value,
}

/// A function.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedFunction {
    /// Name.
    pub name: String,
    /// Its log group.
    pub log_group: String,
    /// ARN of its execution role.
    pub role_arn: String,
    /// Name of the role of the lab's own that it needs, if any.
    pub own_role: Option<String>,
    /// Memory in MB.
    pub memory_mb: i32,
    /// Timeout in seconds.
    pub timeout_s: i32,
    /// One line.
    pub description: String,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// Base64 SHA-256 of its zip.
    pub sha256: String,
    /// `x86_64` or `arm64`.
    pub architecture: &'static str,
}

/// A REST API.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedApi {
    /// Name.
    pub name: String,
    /// What is imported.
    pub definition: Definition,
    /// Its methods that invoke functions.
    pub routes: Vec<Route>,
}

/// A method of an API that invokes a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The function.
    pub function: String,
    /// The method in capitals, `*` for any.
    pub method: String,
    /// The path, with `{parameters}`.
    pub path: String,
}

/// A code's hash and processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeId {
    /// Base64 SHA-256 of the zip.
    pub sha256: String,
    /// `x86_64` or `arm64`.
    pub architecture: &'static str,
}

impl Wanted {
    /// Resolves a blueprint for `place`. `role` is the ARN of an existing execution role to use;
    /// `code` is the built code by function name (empty when nothing is to be built, for destroying).
    pub fn new(
        blueprint: &Blueprint,
        place: Place,
        role: Option<&str>,
        code: &BTreeMap<String, CodeId>,
    ) -> Result<Self> {
        let lookup = |reference: &Reference<'_>| value_of(&place, role, reference);
        let roles = match role {
            Some(_) => Vec::new(),
            None => blueprint
                .roles
                .iter()
                .map(|r| wanted_role(blueprint, &place, r, &lookup))
                .collect::<Result<_>>()?,
        };
        let functions = blueprint
            .functions
            .iter()
            .map(|f| wanted_function(&place, role, f, code.get(&f.name), &lookup))
            .collect::<Result<_>>()?;
        let apis = blueprint
            .apis
            .iter()
            .map(|api| {
                let document =
                    resolve_value(&api.document, &lookup).map_err(|e| unresolved(&api.name, &e))?;
                let routes = routes(blueprint, &place, &document);
                let definition =
                    Definition::new(document, &blueprint.name, blueprint.variant.as_deref());
                Ok(WantedApi { name: api.name.clone(), definition, routes })
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            lab: blueprint.name.clone(),
            place,
            roles,
            tables: blueprint.tables.clone(),
            functions,
            apis,
            stages: blueprint.stages.clone(),
            retention: blueprint.log_retention_days,
        })
    }
}

fn unresolved(what: &str, error: &labdeck_lab::references::Unresolved) -> Failure {
    Failure::new(FailureKind::Invalid, format!("resolving references of {what}"), error.to_string())
}

/// The value of a reference; `None` for what a place alone does not tell.
fn value_of(place: &Place, role: Option<&str>, reference: &Reference<'_>) -> Option<String> {
    let (kind, name, form) = match *reference {
        Reference::Region => return Some(place.region.clone()),
        Reference::Account => return Some(place.account.clone()),
        Reference::Resource { kind, name, form } => (kind, name, form),
        Reference::Parameter(_) | Reference::Inbox | Reference::Mailbox => return None,
    };
    match (kind, form) {
        (ResourceKind::Role, Form::Name) => {
            Some(role.and_then(|arn| arn.rsplit('/').next()).unwrap_or(name).to_owned())
        }
        (_, Form::Name) => Some(name.to_owned()),
        (ResourceKind::Role, _) => Some(role.map_or_else(|| place.role(name), str::to_owned)),
        (ResourceKind::Function, _) => Some(place.function(name)),
        (ResourceKind::Table, Form::Streams) => Some(format!("{}/stream/*", place.table(name))),
        (ResourceKind::Table, _) => Some(place.table(name)),
        (ResourceKind::Queue, Form::Url) => None,
        (ResourceKind::Queue, _) => Some(place.arn("sqs", name)),
        (ResourceKind::Topic, _) => Some(place.arn("sns", name)),
    }
}

fn wanted_role(
    blueprint: &Blueprint,
    place: &Place,
    role: &Role,
    lookup: &dyn Fn(&Reference<'_>) -> Option<String>,
) -> Result<WantedRole> {
    let groups: Vec<String> = blueprint
        .functions
        .iter()
        .filter(|function| function.role == role.name)
        .map(|function| format!("{}:*", place.log_group(&log_group_name(&function.name))))
        .collect();
    let mut statements = Vec::new();
    if !groups.is_empty() {
        // The groups are made beforehand: the right to make them is not needed.
        statements.push(json!({
            "Sid": "Logs",
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": groups,
        }));
    }
    for statement in &role.statements {
        let resources = statement
            .resources
            .iter()
            .map(|text| resolve_text(text, lookup).map_err(|e| unresolved(&role.name, &e)))
            .collect::<Result<Vec<_>>>()?;
        statements.push(json!({
            "Effect": "Allow",
            "Action": statement.actions,
            "Resource": resources,
        }));
    }
    Ok(WantedRole {
        name: role.name.clone(),
        trust: json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": { "Service": "lambda.amazonaws.com" },
                "Action": "sts:AssumeRole",
            }],
        }),
        policy: json!({ "Version": "2012-10-17", "Statement": statements }),
    })
}

fn wanted_function(
    place: &Place,
    role: Option<&str>,
    function: &Function,
    code: Option<&CodeId>,
    lookup: &dyn Fn(&Reference<'_>) -> Option<String>,
) -> Result<WantedFunction> {
    let environment = function
        .environment
        .iter()
        .map(|(name, text)| {
            let value = resolve_text(text, lookup).map_err(|e| unresolved(&function.name, &e))?;
            Ok((name.clone(), value))
        })
        .collect::<Result<_>>()?;
    Ok(WantedFunction {
        name: function.name.clone(),
        log_group: log_group_name(&function.name),
        role_arn: role.map_or_else(|| place.role(&function.role), str::to_owned),
        own_role: role.is_none().then(|| function.role.clone()),
        memory_mb: function.memory_mb,
        timeout_s: function.timeout_s,
        description: function.description.clone(),
        environment,
        sha256: code.map(|code| code.sha256.clone()).unwrap_or_default(),
        architecture: code.map_or("x86_64", |code| code.architecture),
    })
}

/// The methods of a resolved document whose integration invokes a function of the lab.
fn routes(blueprint: &Blueprint, place: &Place, document: &Value) -> Vec<Route> {
    let mut routes = Vec::new();
    let Some(paths) = document.get("paths").and_then(Value::as_object) else { return routes };
    for (path, item) in paths {
        for method in METHODS {
            let uri = item
                .get(method)
                .and_then(|operation| operation.get("x-amazon-apigateway-integration"))
                .and_then(|integration| integration.get("uri"))
                .and_then(Value::as_str)
                .unwrap_or_default();
            let function = blueprint.functions.iter().find(|function| {
                uri.split_once(&place.function(&function.name))
                    .is_some_and(|(_, rest)| rest.starts_with(':') || rest.starts_with('/'))
            });
            if let Some(function) = function {
                routes.push(Route {
                    function: function.name.clone(),
                    method: if method.starts_with("x-") {
                        "*".into()
                    } else {
                        method.to_uppercase()
                    },
                    path: path.clone(),
                });
            }
        }
    }
    routes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_aws_own() {
        let place = Place {
            partition: "aws".into(),
            region: "eu-west-1".into(),
            account: "111122223333".into(),
        };
        assert_eq!(
            place.method("a1", "prod", "GET", "/pets/{id}/toys"),
            "arn:aws:execute-api:eu-west-1:111122223333:a1/prod/GET/pets/*/toys"
        );
        assert_eq!(
            place.method("a1", "dev", "*", "/"),
            "arn:aws:execute-api:eu-west-1:111122223333:a1/dev/*/"
        );
        assert_eq!(place.role("r"), "arn:aws:iam::111122223333:role/r");
        assert_eq!(place.rest_api("x"), "arn:aws:apigateway:eu-west-1::/restapis/x");
    }
}
