//! `lab.toml`: the lab itself, its resources, and what is done with it.

mod canary;
mod checks;
mod course;
mod events;
mod gateway;
mod requests;
mod resources;
mod steps;

use std::collections::BTreeMap;
use std::path::Path;

use crate::blueprint::{Blueprint, Parameter, Variant};
use crate::links::{self, Allowed, Link};
use crate::names;
use crate::problem::{Findings, Problem, one_of};
use crate::section::{Context, Later, Section, Text};
use crate::syntax;

pub(crate) use gateway::Document;
pub(crate) use requests::{Whose, requests};

/// Days that log groups are kept when `log_retention_days` is left out.
const DEFAULT_RETENTION_DAYS: i64 = 7;

/// What `lab.toml` says, before its names are checked and its API documents are read.
pub(crate) struct Manifest {
    /// The blueprint. Its plans are those of all variants, its APIs have no document yet.
    pub(crate) blueprint: Blueprint,
    pub(crate) links: Vec<Link>,
    /// What must hold once everything is read.
    pub(crate) later: Vec<Later>,
    /// The documents that the APIs name.
    pub(crate) documents: Vec<Document>,
    /// For each plan of the blueprint the variants that it is in; empty for all.
    pub(crate) plan_variants: Vec<Vec<String>>,
    /// Whether the text has syntax errors, so that names may be missing which it means to define.
    pub(crate) damaged: bool,
    #[cfg(test)]
    pub(crate) seen: Vec<crate::section::Seen>,
}

/// Reads the text of a `lab.toml`. Problems go to `findings`; what could be read is handed back.
pub(crate) fn read(dir: &Path, text: &str, findings: &mut Findings) -> Manifest {
    let (root, damage) = syntax::parse(text, findings);
    let damaged = damage.any();
    let context = Context::new(text, damage, findings);
    let section = Section::root(&context, crate::MANIFEST, root.get_ref());
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    context.check(names::LAB, &name, 0);

    let title = section.text("title", "one line for lists").value;
    let description = unwrapped(&section.text("description", "a paragraph").value);
    let log_retention_days = retention(&section);
    let parameters = parameters(&section);
    let variants = variants(&section);
    let (apis, documents) = gateway::apis(&section, dir, &variants);
    let stages = gateway::stages(&section);
    let (plans, plan_variants) = gateway::plans(&section);
    let blueprint = Blueprint {
        name,
        title,
        description,
        dir: dir.to_path_buf(),
        variant: None,
        parameters,
        roles: resources::roles(&section),
        tables: resources::tables(&section),
        queues: events::queues(&section),
        topics: events::topics(&section),
        subscriptions: events::subscriptions(&section),
        functions: resources::functions(&section, &stages),
        mappings: events::mappings(&section),
        alarms: events::alarms(&section),
        apis,
        stages,
        keys: gateway::keys(&section),
        plans,
        canary: canary::canary(&section),
        requests: requests(&section, Whose::Lab),
        events: course::events(&section),
        chaos: course::chaos(&section),
        checks: checks::checks(&section),
        steps: steps::steps(&section),
        variants,
        log_retention_days,
        attached: None,
    };
    section.finish();
    #[cfg(test)]
    let seen = context.seen.take();
    let (links, later) = context.into_links();
    Manifest {
        blueprint,
        links,
        later,
        documents,
        plan_variants,
        damaged,
        #[cfg(test)]
        seen,
    }
}

fn retention(section: &Section<'_, '_, '_>) -> i32 {
    let days = section.number("log_retention_days", &(1..=3653), "days", DEFAULT_RETENTION_DAYS);
    if !names::RETENTION_DAYS.contains(&days) {
        let accepted: Vec<String> = names::RETENTION_DAYS.iter().map(i64::to_string).collect();
        let message = format!("CloudWatch Logs does not keep logs for {days} days");
        section.context.problem(section.at_of("log_retention_days"), message, |problem| {
            problem.expected(format!("one of {}", accepted.join(", ")));
        });
    }
    i32::try_from(days).unwrap_or_default()
}

fn parameters(section: &Section<'_, '_, '_>) -> Vec<Parameter> {
    let read = |(name, section): (String, Section<'_, '_, '_>)| {
        let description = section.text("description", "what it is, in one line").value;
        let default = section.optional_text("default");
        if let Some(default) = &default {
            links::check_text(section.context, default, Allowed::Target);
        }
        section.finish();
        Parameter { name, description, default: default.map(|text| text.value) }
    };
    section.named("parameters", names::WORD).into_iter().map(read).collect()
}

fn variants(section: &Section<'_, '_, '_>) -> Vec<Variant> {
    let read = |(name, section): (String, Section<'_, '_, '_>)| {
        let description = section.text("description", "what it is, in one line").value;
        section.finish();
        Variant { name, description, ..Variant::default() }
    };
    section.named("variants", names::WORD).into_iter().map(read).collect()
}

/// A text's lines joined to paragraphs: the screen breaks lines by its own width.
fn unwrapped(text: &str) -> String {
    text.trim()
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join("\n\n")
}

fn values(texts: Vec<Text>) -> Vec<String> {
    texts.into_iter().map(|text| text.value).collect()
}

fn plain(texts: BTreeMap<String, Text>) -> BTreeMap<String, String> {
    let pairs = texts.into_iter();
    pairs.map(|(name, text)| (name, text.value)).collect()
}

/// A number that a range has already bounded.
fn small(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// A number that a range has already bounded.
fn unsigned(number: i64) -> u32 {
    u32::try_from(number).unwrap_or_default()
}

/// The names that stages give variables, beside `lambdaAlias`: those that every stage has.
pub(crate) fn stage_variables(blueprint: &Blueprint) -> Vec<&str> {
    let mut names = vec!["lambdaAlias"];
    if let Some((first, others)) = blueprint.stages.split_first() {
        let everywhere = first
            .variables
            .keys()
            .filter(|name| others.iter().all(|stage| stage.variables.contains_key(*name)));
        names.extend(everywhere.map(String::as_str));
    }
    names
}

/// Says which API names the lab has, for a document whose title is another.
pub(crate) fn expect_title<'p>(problem: &'p mut Problem, name: &str) -> &'p mut Problem {
    problem.expected(format!("{}, the API's name in `lab.toml`", one_of([name])))
}
