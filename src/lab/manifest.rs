//! `lab.toml`: the lab itself and its resources (roles, tables, functions, APIs, stages).

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::blueprint::{Api, Blueprint, Follows, Function, Role, Stage, Statement, Table};
use crate::course;
use crate::links::{self, Allowed, Kind, Link};
use crate::names;
use crate::problem::{Findings, Position, Problem, one_of};
use crate::section::{Context, Section, Text};
use crate::syntax;

/// Days that log groups are kept when `log_retention_days` is left out.
const DEFAULT_RETENTION_DAYS: i64 = 7;
/// Most bytes of a function's environment, keys and values together.
const MOST_ENVIRONMENT_BYTES: usize = 4096;
/// Most variables of a stage, `lambdaAlias` included.
const MOST_STAGE_VARIABLES: usize = 100;

/// What `lab.toml` says, before its names are checked and its API documents are read.
pub(crate) struct Manifest {
    pub(crate) blueprint: Blueprint,
    pub(crate) links: Vec<Link>,
    /// For each API of the blueprint, where its document is named.
    pub(crate) documents: Vec<Position>,
    /// Whether the text has syntax errors, so that names may be missing which it means to define.
    pub(crate) damaged: bool,
}

/// Reads the text of a `lab.toml`. Problems go to `findings`; what could be read is handed back.
pub(crate) fn read(dir: &Path, text: &str, findings: &mut Findings) -> Manifest {
    let (root, damage) = syntax::parse(text, findings);
    let damaged = damage.any();
    let context = Context::new(text, damage, findings);
    let section = Section::new(&context, "`lab.toml`", 0, root.get_ref());
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    context.check(names::LAB, &name, 0);

    let mut documents = Vec::new();
    let blueprint = Blueprint {
        name,
        title: section.text("title", "one line for lists").value,
        description: course::unwrapped(&section.text("description", "a paragraph").value),
        dir: dir.to_path_buf(),
        log_retention_days: retention(&section),
        roles: roles(&section),
        tables: tables(&section),
        functions: functions(&section),
        apis: apis(&section, dir, &mut documents),
        stages: stages(&section),
        requests: course::requests(&section),
        chaos: course::chaos(&section),
        checks: course::checks(&section),
        steps: course::steps(&section),
        ..Blueprint::default()
    };
    section.finish();
    Manifest { blueprint, links: context.into_links(), documents, damaged }
}

fn retention(section: &Section<'_, '_, '_>) -> i32 {
    let days = section.number("log_retention_days", &(1..=3653), "days", DEFAULT_RETENTION_DAYS);
    if !names::RETENTION_DAYS.contains(&days) {
        let at = section.get("log_retention_days").map_or(section.at, |value| value.span().start);
        let accepted: Vec<String> = names::RETENTION_DAYS.iter().map(i64::to_string).collect();
        let message = format!("CloudWatch Logs does not keep logs for {days} days");
        section.context.problem(at, message, |problem| {
            problem.expected(format!("one of {}", accepted.join(", ")));
        });
    }
    i32::try_from(days).unwrap_or_default()
}

fn roles(section: &Section<'_, '_, '_>) -> Vec<Role> {
    let read = |(name, role): (String, Section<'_, '_, '_>)| {
        let statements = role
            .list("statements", "a list of `{ actions = […], resources = […] }`")
            .iter()
            .map(statement)
            .collect();
        role.finish();
        Role { name, statements }
    };
    section.named("roles", names::ROLE).into_iter().map(read).collect()
}

fn statement(section: &Section<'_, '_, '_>) -> Statement {
    let context = section.context;
    let actions = section.texts("actions", "a list of actions such as `dynamodb:UpdateItem`");
    for action in &actions {
        context.check(names::ACTION, &action.value, action.at);
    }
    let resources =
        section.texts("resources", "a list of ARNs or references such as `${table.NAME}`");
    for resource in &resources {
        check_resource(context, resource);
    }
    section.finish();
    Statement { actions: values(actions), resources: values(resources) }
}

fn check_resource(context: &Context<'_>, resource: &Text) {
    links::check_text(context, resource, Allowed::Resources);
    let text = &resource.value;
    let known_start = text == "*" || text.starts_with("arn:") || text.starts_with("${");
    let names_only = text.contains(".name}") && !text.starts_with("arn:");
    if !known_start || names_only {
        let message = format!("resource `{}` is not an ARN", text.escape_debug());
        context.problem(resource.at, message, |problem| {
            problem.expected("an ARN, a reference such as `${table.NAME}`, or `*`");
        });
    }
}

fn values(texts: Vec<Text>) -> Vec<String> {
    texts.into_iter().map(|text| text.value).collect()
}

fn plain(texts: BTreeMap<String, Text>) -> BTreeMap<String, String> {
    let pairs = texts.into_iter();
    pairs.map(|(name, text)| (name, text.value)).collect()
}

fn tables(section: &Section<'_, '_, '_>) -> Vec<Table> {
    let read = |(name, table): (String, Section<'_, '_, '_>)| {
        let hash_key = table.ruled("hash_key", names::ATTRIBUTE).value;
        let hash_key_type = table.choice("hash_key_type", &[("S", "S"), ("N", "N"), ("B", "B")]);
        table.finish();
        Table {
            name,
            hash_key,
            hash_key_type: hash_key_type.unwrap_or_default().to_owned(),
            ..Table::default()
        }
    };
    section.named("tables", names::TABLE).into_iter().map(read).collect()
}

fn functions(section: &Section<'_, '_, '_>) -> Vec<Function> {
    section
        .named("functions", names::FUNCTION)
        .into_iter()
        .map(|(name, section)| function(name, &section))
        .collect()
}

fn function(name: String, section: &Section<'_, '_, '_>) -> Function {
    let description = section.text("description", "one line");
    if description.value.chars().count() > 256 {
        let message = format!("`description` in {} is too long", section.called);
        section.context.problem(description.at, message, |problem| {
            problem.expected("at most 256 characters");
        });
    }
    let function = Function {
        name,
        description: description.value,
        package: section.ruled("package", names::CARGO).value,
        bin: section.ruled("bin", names::CARGO).value,
        role: section.link("role", Kind::Role),
        memory_mb: small(section.number("memory_mb", &(128..=10240), "MB", 128)),
        timeout_s: small(section.number("timeout_s", &(1..=900), "seconds", 3)),
        environment: environment(section),
        ..Function::default()
    };
    section.finish();
    function
}

fn environment(section: &Section<'_, '_, '_>) -> BTreeMap<String, String> {
    let variables = section.text_map("environment", Some(names::VARIABLE));
    for value in variables.values() {
        links::check_text(section.context, value, Allowed::Environment);
    }
    let bytes: usize = variables.iter().map(|(name, text)| name.len() + text.value.len()).sum();
    if bytes > MOST_ENVIRONMENT_BYTES {
        let message = format!("the environment in {} has {bytes} bytes", section.called);
        section.context.problem(section.at, message, |problem| {
            problem.expected(format!("at most {MOST_ENVIRONMENT_BYTES} bytes in all"));
        });
    }
    plain(variables)
}

/// A number that a range has already bounded.
fn small(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn apis(section: &Section<'_, '_, '_>, dir: &Path, documents: &mut Vec<Position>) -> Vec<Api> {
    let mut apis = Vec::new();
    for (name, api) in section.named("apis", names::API) {
        let document = api.text("document", "the OpenAPI file, relative to the lab's folder");
        let file = PathBuf::from(&document.value);
        let inside =
            file.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !inside {
            let message = format!("`{}` is outside of the lab's folder", document.value);
            api.context.problem(document.at, message, |problem| {
                problem.expected("a path below the folder of `lab.toml`");
            });
        }
        api.finish();
        documents.push(api.context.position(document.at));
        apis.push(Api {
            name,
            // An empty path was reported, and must not be read as the folder.
            file: if inside && !document.value.is_empty() {
                dir.join(file)
            } else {
                PathBuf::new()
            },
            document: serde_json::Value::Null,
            functions: Vec::new(),
        });
    }
    apis
}

fn stages(section: &Section<'_, '_, '_>) -> Vec<Stage> {
    let choices = [("latest", Follows::Latest), ("release", Follows::Release)];
    let mut stages: Vec<Stage> = Vec::new();
    for (name, stage) in section.named("stages", names::STAGE) {
        let alias = stage.ruled("alias", names::ALIAS);
        let follows = stage.choice("follows", &choices).unwrap_or(Follows::Latest);
        check_same_alias(&stage, &alias, follows, &stages);
        let variables = stage.text_map("variables", Some(names::STAGE_VARIABLE));
        for value in variables.values() {
            stage.context.check(names::STAGE_VALUE, &value.value, value.at);
        }
        if variables.len() >= MOST_STAGE_VARIABLES {
            let message = format!("too many variables in {}", stage.called);
            stage.context.problem(stage.at, message, |problem| {
                problem.expected(format!("at most {}", MOST_STAGE_VARIABLES - 1));
            });
        }
        stage.finish();
        stages.push(Stage {
            name,
            alias: alias.value,
            follows,
            variables: plain(variables),
            ..Stage::default()
        });
    }
    stages
}

/// Two stages may share an alias, but not disagree about what it follows.
fn check_same_alias(
    section: &Section<'_, '_, '_>,
    alias: &Text,
    follows: Follows,
    earlier: &[Stage],
) {
    let other = earlier.iter().find(|stage| stage.alias == alias.value && stage.follows != follows);
    if let Some(other) = other {
        let message =
            format!("alias `{}` follows something else in [stages.{}]", alias.value, other.name);
        section.context.problem(alias.at, message, |problem| {
            problem.expected("an alias of its own, or the same `follows`");
        });
    }
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
