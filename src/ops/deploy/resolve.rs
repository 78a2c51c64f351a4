//! The values of a blueprint's references on a target.

use std::collections::BTreeMap;

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::{Count, Destination};
use labdeck_lab::references::{
    Form, Reference, ResourceKind, parameters_of, resolve_text, resolve_value,
};
use serde_json::Value;

use super::wanted::Place;

/// Resolves the references of one blueprint on one target.
#[derive(Debug)]
pub struct Resolver<'a> {
    /// The blueprint.
    pub blueprint: &'a Blueprint,
    /// Where it is deployed.
    pub place: Place,
    /// ARN of an existing execution role to use instead of the lab's own.
    pub role: Option<String>,
    /// Values of the lab's parameters; one without a value has none.
    pub parameters: BTreeMap<String, String>,
    /// What begins the URLs of queues: `https://sqs.REGION.amazonaws.com/ACCOUNT`.
    pub queues: String,
}

impl Resolver<'_> {
    /// A text of `of` with its references resolved.
    ///
    /// # Errors
    /// When it refers to a parameter without a value, or to what the target does not have.
    pub fn text(&self, of: &str, text: &str) -> Result<String> {
        resolve_text(text, &|reference| self.value_of(reference)).map_err(|e| unresolved(of, &e))
    }

    /// The same; `None` when it names a parameter that has no value: what it is for is left out.
    pub fn text_if_set(&self, of: &str, text: &str) -> Result<Option<String>> {
        if parameters_of(text).any(|name| !self.parameters.contains_key(name)) {
            return Ok(None);
        }
        self.text(of, text).map(Some)
    }

    /// A number of `of`; `None` when it is left out, or when its parameter has no value.
    ///
    /// # Errors
    /// `Invalid` when the parameter's value is no such number.
    pub fn count(&self, of: &str, count: Option<&Count>) -> Result<Option<i32>> {
        let name = match count {
            None => return Ok(None),
            Some(Count::Number(number)) => return Ok(Some(*number)),
            Some(Count::Parameter(name)) => name,
        };
        let Some(text) = self.parameters.get(name) else { return Ok(None) };
        match text.trim().parse() {
            Ok(number) if number >= 0 => Ok(Some(number)),
            _ => {
                let what = format!("setting parameter {name} of {of}");
                let why = format!("`{text}` is no whole number of 0 or more");
                Err(Failure::new(FailureKind::Invalid, what, why).next(format!(
                    "give one with --set {name}=N, or leave it out with --set {name}="
                )))
            }
        }
    }

    /// A JSON value of `of` with the references of its texts resolved.
    pub fn value(&self, of: &str, value: &Value) -> Result<Value> {
        resolve_value(value, &|reference| self.value_of(reference)).map_err(|e| unresolved(of, &e))
    }

    /// The alias that releases move, where the lab has one.
    pub fn released(&self) -> Option<&str> {
        self.blueprint.released_stage().map(|stage| stage.alias.as_str())
    }

    /// ARN of a function, with its released alias where the lab has one: who is called by events.
    pub fn released_function(&self, name: &str) -> String {
        let arn = self.place.function(name);
        match self.released() {
            Some(alias) => format!("{arn}:{alias}"),
            None => arn,
        }
    }

    /// ARN of what events are sent to.
    pub fn destination(&self, destination: &Destination) -> String {
        match destination {
            Destination::Queue(name) => self.place.queue(name),
            Destination::Topic(name) => self.place.topic(name),
            Destination::Function(name) => self.released_function(name),
        }
    }

    fn value_of(&self, reference: &Reference<'_>) -> Option<String> {
        let place = &self.place;
        let (kind, name, form) = match *reference {
            Reference::Region => return Some(place.region.clone()),
            Reference::Account => return Some(place.account.clone()),
            Reference::Parameter(name) => return self.parameters.get(name).cloned(),
            // They stand in the defaults of parameters alone, which are resolved beforehand.
            Reference::Inbox | Reference::Mailbox => return None,
            Reference::Resource { kind, name, form } => (kind, name, form),
        };
        let role = self.role.as_deref();
        Some(match (kind, form) {
            (ResourceKind::Role, Form::Name) => {
                role.and_then(|arn| arn.rsplit('/').next()).unwrap_or(name).to_owned()
            }
            (_, Form::Name) => name.to_owned(),
            (ResourceKind::Role, _) => role.map_or_else(|| place.role(name), str::to_owned),
            (ResourceKind::Function, _) => place.function(name),
            (ResourceKind::Table, Form::Streams) => format!("{}/stream/*", place.table(name)),
            (ResourceKind::Table, _) => place.table(name),
            (ResourceKind::Queue, Form::Url) => format!("{}/{name}", self.queues),
            (ResourceKind::Queue, _) => place.queue(name),
            (ResourceKind::Topic, _) => place.topic(name),
        })
    }
}

fn unresolved(what: &str, error: &labdeck_lab::references::Unresolved) -> Failure {
    Failure::new(FailureKind::Invalid, format!("resolving references of {what}"), error.to_string())
        .next("give the value with --set NAME=VALUE, or correct the reference in the lab's files")
}
