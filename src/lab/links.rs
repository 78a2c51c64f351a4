//! Names that one part of a lab uses and another must define.

use crate::blueprint::Blueprint;
use crate::problem::{Findings, Position, one_of};
use crate::references::{Form, Reference, ResourceKind, find};
use crate::section::{Context, Text};

/// What a name must be the name of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Role,
    Table,
    /// A table that has a stream.
    StreamTable,
    Queue,
    Topic,
    Function,
    Mapping,
    Alarm,
    Parameter,
    Variant,
    Api,
    Stage,
    Alias,
    Key,
    /// A plan of any variant.
    Plan,
    Request,
    Event,
    Chaos,
    Check,
    /// An environment variable of the function named.
    VariableOf(String),
}

impl Kind {
    /// With its article, for messages.
    pub(crate) fn one(&self) -> String {
        match self {
            Self::Role => "a role of this lab".to_owned(),
            Self::Table => "a table of this lab".to_owned(),
            Self::StreamTable => "a table of this lab that has a `stream`".to_owned(),
            Self::Queue => "a queue of this lab".to_owned(),
            Self::Topic => "a topic of this lab".to_owned(),
            Self::Mapping => "a mapping of this lab".to_owned(),
            Self::Alarm => "an alarm of this lab".to_owned(),
            Self::Parameter => "a parameter of this lab".to_owned(),
            Self::Variant => "a variant of this lab".to_owned(),
            Self::Key => "an API key of this lab".to_owned(),
            Self::Plan => "a usage plan of this lab".to_owned(),
            Self::Event => "a saved event of this lab".to_owned(),
            Self::Function => "a function of this lab".to_owned(),
            Self::Api => "an API of this lab".to_owned(),
            Self::Stage => "a stage of this lab".to_owned(),
            Self::Alias => "an alias of this lab's stages".to_owned(),
            Self::Request => "a saved request of this lab".to_owned(),
            Self::Chaos => "a chaos switch of this lab".to_owned(),
            Self::Check => "a check of this lab".to_owned(),
            Self::VariableOf(function) => format!("an environment variable of `{function}`"),
        }
    }
}

/// A name in `lab.toml` that must exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// Byte offset. Its line is counted only when the name does not exist.
    pub(crate) at: usize,
}

/// The names of a kind that the blueprint defines.
pub(crate) fn names<'b>(blueprint: &'b Blueprint, kind: &Kind) -> Vec<&'b str> {
    macro_rules! each {
        ($list:ident, $field:ident) => {
            blueprint.$list.iter().map(|item| item.$field.as_str()).collect()
        };
    }
    match kind {
        Kind::Role => each!(roles, name),
        Kind::Table => each!(tables, name),
        Kind::StreamTable => blueprint
            .tables
            .iter()
            .filter(|table| table.stream.is_some())
            .map(|table| table.name.as_str())
            .collect(),
        Kind::Queue => each!(queues, name),
        Kind::Topic => each!(topics, name),
        Kind::Mapping => each!(mappings, name),
        Kind::Alarm => each!(alarms, name),
        Kind::Parameter => each!(parameters, name),
        Kind::Variant => each!(variants, name),
        Kind::Key => each!(keys, name),
        Kind::Plan => blueprint.plans_of_all_variants().map(|plan| plan.name.as_str()).collect(),
        Kind::Event => each!(events, name),
        Kind::Function => each!(functions, name),
        Kind::Api => each!(apis, name),
        Kind::Stage => each!(stages, name),
        Kind::Alias => each!(stages, alias),
        Kind::Request => each!(requests, name),
        Kind::Chaos => each!(chaos, name),
        Kind::Check => each!(checks, name),
        Kind::VariableOf(function) => blueprint
            .functions
            .iter()
            .filter(|candidate| candidate.name == *function)
            .flat_map(|function| function.environment.keys().map(String::as_str))
            .collect(),
    }
}

/// Reports every link whose name the blueprint does not define, up to as many problems as are kept.
pub(crate) fn check(links: &[Link], text: &str, blueprint: &Blueprint, findings: &mut Findings) {
    for link in links {
        if findings.is_full() {
            return;
        }
        if !names(blueprint, &link.kind).contains(&link.name.as_str()) {
            report(&link.kind, &link.name, Position::of(text, link.at), blueprint, findings);
        }
    }
}

/// Reports a name that the blueprint does not define.
pub(crate) fn report(
    kind: &Kind,
    name: &str,
    at: Position,
    blueprint: &Blueprint,
    findings: &mut Findings,
) {
    let defined = names(blueprint, kind);
    let message = format!("`{}` is not {}", name.escape_debug(), kind.one());
    let problem = findings.add(at, message);
    if defined.is_empty() {
        problem.expected(format!("{}, of which there is none", kind.one()));
    } else {
        problem.expected(one_of(defined.iter().copied())).nearest(name, defined.iter().copied());
    }
}

/// The heads a reference can have.
const HEADS: &[&str] = &[
    "function",
    "table",
    "role",
    "queue",
    "topic",
    "region",
    "account",
    "parameter",
    "target.inbox",
    "target.mailbox",
];

/// Which references a text may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// Resources, region and account.
    Resources,
    /// These, and the lab's parameters.
    Environment,
    /// Parameters alone.
    Parameters,
    /// What only the local cloud has.
    Target,
}

impl Allowed {
    /// In words, for messages.
    pub(crate) fn says(self) -> &'static str {
        match self {
            Self::Resources => {
                "`${KIND.NAME}` (KIND is `function`, `table`, `role`, `queue` or `topic`; each also with \
                 `.name`, a queue with `.url`, a table with `.streams`), `${region}` or `${account}`"
            }
            Self::Environment => {
                "`${KIND.NAME}` (KIND is `function`, `table`, `role`, `queue` or `topic`; each also with \
                 `.name`, a queue with `.url`, a table with `.streams`), `${parameter.NAME}`, \
                 `${region}` or `${account}`"
            }
            Self::Parameters => "`${parameter.NAME}`",
            Self::Target => "`${target.inbox}` or `${target.mailbox}`",
        }
    }

    fn holds(self, reference: &Reference<'_>) -> bool {
        match reference {
            Reference::Resource { .. } | Reference::Region | Reference::Account => {
                matches!(self, Self::Resources | Self::Environment)
            }
            Reference::Parameter(_) => matches!(self, Self::Environment | Self::Parameters),
            Reference::Inbox | Reference::Mailbox => self == Self::Target,
        }
    }

    /// The heads that a reference can have here.
    pub(crate) fn heads(self) -> &'static [&'static str] {
        match self {
            Self::Resources => &HEADS[..7],
            Self::Environment => &HEADS[..8],
            Self::Parameters => &HEADS[7..8],
            Self::Target => &HEADS[8..],
        }
    }
}

/// What the reference between the braces must name, or a message when it can't stand there.
pub(crate) fn reference_link(body: &str, allowed: Allowed) -> Result<Option<(Kind, &str)>, String> {
    let Some(reference) = Reference::parse(body) else {
        return Err(format!("unknown reference `${{{}}}`", body.escape_debug()));
    };
    if !allowed.holds(&reference) {
        return Err(format!("`${{{}}}` cannot stand here", body.escape_debug()));
    }
    Ok(match reference {
        Reference::Resource { kind: ResourceKind::Table, name, form: Form::Streams } => {
            Some((Kind::StreamTable, name))
        }
        Reference::Resource { kind, name, .. } => {
            let kind = match kind {
                ResourceKind::Function => Kind::Function,
                ResourceKind::Table => Kind::Table,
                ResourceKind::Role => Kind::Role,
                ResourceKind::Queue => Kind::Queue,
                ResourceKind::Topic => Kind::Topic,
            };
            Some((kind, name))
        }
        Reference::Parameter(name) => Some((Kind::Parameter, name)),
        Reference::Region | Reference::Account | Reference::Inbox | Reference::Mailbox => None,
    })
}

/// Checks the references in a text of `lab.toml`, where nothing but references may stand in `${…}`.
pub(crate) fn check_text(context: &Context<'_>, text: &Text, allowed: Allowed) {
    let mut end = 0;
    for found in find(&text.value) {
        end = found.end;
        match reference_link(found.body, allowed) {
            Ok(Some((kind, name))) => context.link(kind, name, text.at),
            Ok(None) => {}
            Err(message) => context.problem(text.at, message, |problem| {
                let head = found.body.split('.').next().unwrap_or_default();
                let wrong = if head == "target" { found.body } else { head };
                problem.expected(allowed.says()).nearest(wrong, allowed.heads().iter().copied());
            }),
        }
    }
    if text.value[end..].contains("${") {
        context.problem(text.at, "a `${` has no closing `}`", |problem| {
            problem.expected(allowed.says());
        });
    }
}
