//! References in a lab's files: `${function.NAME}` and its like, found and replaced.
//!
//! | written | stands for |
//! | --- | --- |
//! | `${function.NAME}` | the function's ARN, without a qualifier |
//! | `${table.NAME}` | the table's ARN |
//! | `${table.NAME.streams}` | the ARNs of the table's streams: `…/stream/*` |
//! | `${role.NAME}` | the role's ARN |
//! | `${queue.NAME}` | the queue's ARN |
//! | `${queue.NAME.url}` | the queue's URL |
//! | `${topic.NAME}` | the topic's ARN |
//! | `${KIND.NAME.name}` | the name of any of them |
//! | `${region}`, `${account}` | the target's region and account number |
//! | `${parameter.NAME}` | the parameter's value, which may be none |
//! | `${target.inbox}`, `${target.mailbox}` | what only the local cloud has: a URL that keeps what it is sent, an e-mail address whose mail is kept |
//!
//! The meaning never depends on where a reference stands. `.arn` may be written out; a resource whose
//! own name ends in `.name`, `.arn`, `.url` or `.streams` needs the explicit form. Everything else in
//! `${…}`, above all `${stageVariables.…}`, belongs to API Gateway and is left as it is.

use serde_json::Value;

/// The kinds of resources that can be referred to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceKind {
    /// A function.
    Function,
    /// A table.
    Table,
    /// A role.
    Role,
    /// A queue.
    Queue,
    /// A topic.
    Topic,
}

/// What of a resource is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Its ARN.
    Arn,
    /// Its name.
    Name,
    /// Its URL; queues have one.
    Url,
    /// The ARNs of its streams, with a `*` for which one; tables have them.
    Streams,
}

/// A reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference<'a> {
    /// A resource of the lab.
    Resource {
        /// Its kind.
        kind: ResourceKind,
        /// Its name in the blueprint.
        name: &'a str,
        /// What of it.
        form: Form,
    },
    /// The target's region.
    Region,
    /// The target's account number.
    Account,
    /// A parameter of the lab, by its name. It may have no value: then what names it is left out.
    Parameter(&'a str),
    /// A URL of the target that keeps what it is sent. Only the local cloud has it.
    Inbox,
    /// An e-mail address of the target whose mail is kept. Only the local cloud has it.
    Mailbox,
}

/// A reference for which there was no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("nothing is known for the reference `${{{0}}}`")]
pub struct Unresolved(pub String);

impl<'a> Reference<'a> {
    /// Reads what stands between `${` and `}`; `None` when it is not one of ours.
    pub fn parse(body: &'a str) -> Option<Self> {
        match body {
            "region" => return Some(Self::Region),
            "account" => return Some(Self::Account),
            "target.inbox" => return Some(Self::Inbox),
            "target.mailbox" => return Some(Self::Mailbox),
            _ => {}
        }
        let (kind, rest) = body.split_once('.')?;
        let kind = match kind {
            "function" => ResourceKind::Function,
            "table" => ResourceKind::Table,
            "role" => ResourceKind::Role,
            "queue" => ResourceKind::Queue,
            "topic" => ResourceKind::Topic,
            "parameter" => return Some(Self::Parameter(rest)),
            _ => return None,
        };
        let (name, form) = match (rest.rsplit_once('.'), kind) {
            (Some((name, "name")), _) => (name, Form::Name),
            (Some((name, "arn")), _) => (name, Form::Arn),
            (Some((name, "url")), ResourceKind::Queue) => (name, Form::Url),
            (Some((name, "streams")), ResourceKind::Table) => (name, Form::Streams),
            _ => (rest, Form::Arn),
        };
        Some(Self::Resource { kind, name, form })
    }
}

/// The names of the parameters that a text refers to, in order.
pub fn parameters_of(text: &str) -> impl Iterator<Item = &str> {
    find(text).filter_map(|found| match Reference::parse(found.body) {
        Some(Reference::Parameter(name)) => Some(name),
        _ => None,
    })
}

/// One `${…}` in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found<'a> {
    /// Byte offset of the `$`.
    pub(crate) start: usize,
    /// Byte offset behind the `}`.
    pub(crate) end: usize,
    /// What stands between the braces.
    pub(crate) body: &'a str,
}

/// Every `${…}` of a text, in order. An opening without its closing brace ends the search.
pub(crate) fn find(text: &str) -> impl Iterator<Item = Found<'_>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + text.get(from..)?.find("${")?;
        let end = start + text[start..].find('}')? + 1;
        from = end;
        Some(Found { start, end, body: &text[start + 2..end - 1] })
    })
}

/// Replaces the references of a text. `lookup` gives the value of each.
pub fn resolve_text(
    text: &str,
    lookup: &dyn Fn(&Reference<'_>) -> Option<String>,
) -> Result<String, Unresolved> {
    let mut resolved = String::with_capacity(text.len());
    let mut copied = 0;
    for found in find(text) {
        let Some(reference) = Reference::parse(found.body) else {
            continue;
        };
        let value = lookup(&reference).ok_or_else(|| Unresolved(found.body.to_owned()))?;
        resolved.push_str(&text[copied..found.start]);
        resolved.push_str(&value);
        copied = found.end;
    }
    resolved.push_str(&text[copied..]);
    Ok(resolved)
}

/// Replaces the references in every text of a JSON value; keys stay as they are.
pub fn resolve_value(
    value: &Value,
    lookup: &dyn Fn(&Reference<'_>) -> Option<String>,
) -> Result<Value, Unresolved> {
    Ok(match value {
        Value::String(text) => Value::String(resolve_text(text, lookup)?),
        Value::Array(items) => Value::Array(
            items.iter().map(|item| resolve_value(item, lookup)).collect::<Result<_, _>>()?,
        ),
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(key, member)| Ok((key.clone(), resolve_value(member, lookup)?)))
                .collect::<Result<_, Unresolved>>()?,
        ),
        other => other.clone(),
    })
}
