//! Names that one part of a lab uses and another must define.

use crate::blueprint::Blueprint;
use crate::problem::{Findings, Position, one_of};
use crate::references::{Reference, ResourceKind, find};
use crate::section::{Context, Text};

/// What a name must be the name of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Role,
    Table,
    Function,
    Api,
    Stage,
    Alias,
    Request,
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
pub(crate) const HEADS: &[&str] = &["function", "table", "role", "region", "account"];

/// What the reference between the braces must name, or a message when it is not one.
pub(crate) fn reference_link(body: &str) -> Result<Option<(Kind, &str)>, String> {
    match Reference::parse(body) {
        Some(Reference::Resource { kind, name, .. }) => {
            let kind = match kind {
                ResourceKind::Function => Kind::Function,
                ResourceKind::Table => Kind::Table,
                ResourceKind::Role => Kind::Role,
            };
            Ok(Some((kind, name)))
        }
        Some(Reference::Region | Reference::Account) => Ok(None),
        None => Err(format!("unknown reference `${{{}}}`", body.escape_debug())),
    }
}

/// What a reference may look like, in words.
pub(crate) const REFERENCE_FORMS: &str = "`${function.NAME}`, `${table.NAME}`, `${role.NAME}` \
     (each also with `.name`), `${region}` or `${account}`";

/// Checks the references in a text of `lab.toml`, where nothing but references may stand in `${…}`.
pub(crate) fn check_text(context: &Context<'_>, text: &Text) {
    let mut end = 0;
    for found in find(&text.value) {
        end = found.end;
        match reference_link(found.body) {
            Ok(Some((kind, name))) => context.link(kind, name, text.at),
            Ok(None) => {}
            Err(message) => context.problem(text.at, message, |problem| {
                let head = found.body.split('.').next().unwrap_or_default();
                problem.expected(REFERENCE_FORMS).nearest(head, HEADS.iter().copied());
            }),
        }
    }
    if text.value[end..].contains("${") {
        context.problem(text.at, "a `${` has no closing `}`", |problem| {
            problem.expected(REFERENCE_FORMS);
        });
    }
}
