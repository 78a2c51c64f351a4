//! Roles, tables and functions of `lab.toml`.

use std::collections::BTreeMap;

use super::events::destination;
use super::{plain, small, values};
use crate::blueprint::{
    Architecture, Asynchronous, Billing, Count, Follows, Function, Role, Stage, Statement,
    StreamView, Table,
};
use crate::links::{self, Allowed, Kind};
use crate::names;
use crate::section::{Context, Section, Shape, Text};

/// Most bytes of a function's environment, keys and values together.
const MOST_ENVIRONMENT_BYTES: usize = 4096;
/// Most executions that can be asked for. What Lambda gives an account on request has no documented end.
const MOST_CONCURRENCY: i64 = 100_000;
/// `DynamoDB`: `AttributeDefinition`, `AttributeType`.
const KEY_TYPES: &[(&str, &str)] = &[("S", "S"), ("N", "N"), ("B", "B")];
/// `DynamoDB`: `StreamSpecification`, `StreamViewType`.
const STREAM_VIEWS: &[(&str, StreamView)] = &[
    ("KEYS_ONLY", StreamView::KeysOnly),
    ("NEW_IMAGE", StreamView::NewImage),
    ("OLD_IMAGE", StreamView::OldImage),
    ("NEW_AND_OLD_IMAGES", StreamView::NewAndOldImages),
];

pub(super) fn roles(section: &Section<'_, '_, '_>) -> Vec<Role> {
    let read = |(name, role): (String, Section<'_, '_, '_>)| {
        let statements = role
            .list("statements", "a list of `{ actions = […], resources = […] }`")
            .iter()
            .map(statement)
            .collect();
        role.finish();
        Role { name, statements }
    };
    let named = section.named("roles", names::ROLE);
    // IAM: "Names are not distinguished by case" (CreateRole, RoleName).
    for (index, (name, role)) in named.iter().enumerate() {
        if let Some((other, _)) =
            named[..index].iter().find(|(other, _)| other.eq_ignore_ascii_case(name))
        {
            let message = format!("role `{name}` is the same as `{other}` for IAM");
            role.context.problem(role.at, message, |problem| {
                problem.expected("names that differ in more than capitals");
            });
        }
    }
    named.into_iter().map(read).collect()
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

pub(super) fn tables(section: &Section<'_, '_, '_>) -> Vec<Table> {
    section
        .named("tables", names::TABLE)
        .into_iter()
        .map(|(name, section)| table(name, &section))
        .collect()
}

fn table(name: String, section: &Section<'_, '_, '_>) -> Table {
    let hash_key = section.ruled("hash_key", names::ATTRIBUTE).value;
    let hash_key_type = section.choice("hash_key_type", KEY_TYPES).unwrap_or_default().to_owned();
    let range_key = section.optional_ruled("range_key", names::ATTRIBUTE);
    let range_key_type = section.optional_choice("range_key_type", KEY_TYPES);
    if let Some(range_key) = &range_key {
        if !section.has("range_key_type") && !section.context.damaged() {
            let message = format!("{} has a `range_key` without `range_key_type`", section.called);
            section.context.problem(range_key.at, message, |problem| {
                problem.expected("`range_key_type`: `S`, `N` or `B`");
            });
        }
        if range_key.value == hash_key {
            let message = format!("`range_key` in {} is the `hash_key`", section.called);
            section.context.problem(range_key.at, message, |problem| {
                problem.expected("another attribute");
            });
        }
    } else if section.has("range_key_type") && !section.context.damaged() {
        let message = format!("{} has a `range_key_type` without `range_key`", section.called);
        section.context.problem(section.at_of("range_key_type"), message, |problem| {
            problem.expected("`range_key`: the sort key's attribute");
        });
    }
    let table = Table {
        name,
        hash_key,
        hash_key_type,
        range_key: range_key
            .zip(range_key_type)
            .map(|(attribute, kind)| (attribute.value, kind.to_owned())),
        billing: billing(section),
        stream: section.optional_choice("stream", STREAM_VIEWS),
        ttl_attribute: section
            .optional_ruled("ttl_attribute", names::ATTRIBUTE)
            .map(|text| text.value),
    };
    section.finish();
    table
}

/// `DynamoDB`: `BillingMode` and `ProvisionedThroughput`. A table can have 40,000 units of each by the
/// default quota.
fn billing(section: &Section<'_, '_, '_>) -> Billing {
    let Some(value) = section.get("billing", false, Shape::Any) else {
        return Billing::OnDemand;
    };
    if let Some(text) = value.get_ref().as_str() {
        let text = Text { value: text.to_owned(), at: value.span().start };
        let choices = [("on-demand", Billing::OnDemand)];
        return section.chosen("billing", &text, &choices).unwrap_or_default();
    }
    if value.get_ref().as_table().is_none() {
        section.wrong_type("billing", value, "`\"on-demand\"` or `{ read = …, write = … }`");
        return Billing::OnDemand;
    }
    let Some(inner) = section.section("billing") else { return Billing::OnDemand };
    let read = inner.required_number("read", &(1..=40_000), "capacity units");
    let write = inner.required_number("write", &(1..=40_000), "capacity units");
    inner.finish();
    Billing::Provisioned { read, write }
}

pub(super) fn functions(section: &Section<'_, '_, '_>, stages: &[Stage]) -> Vec<Function> {
    section
        .named("functions", names::FUNCTION)
        .into_iter()
        .map(|(name, section)| function(name, &section, stages))
        .collect()
}

fn function(name: String, section: &Section<'_, '_, '_>, stages: &[Stage]) -> Function {
    let description = section.text("description", "one line");
    if description.value.chars().count() > 256 {
        let message = format!("`description` in {} is too long", section.called);
        section.context.problem(description.at, message, |problem| {
            problem.expected("at most 256 characters");
        });
    }
    let architectures = [("x86_64", Architecture::X86_64), ("arm64", Architecture::Arm64)];
    let package = section.ruled("package", names::CARGO).value;
    let bin = section.ruled("bin", names::CARGO).value;
    let role = section.link("role", Kind::Role);
    let function = Function {
        name,
        description: description.value,
        package,
        bin,
        role,
        architecture: section.optional_choice("architecture", &architectures).unwrap_or_default(),
        memory_mb: small(section.number("memory_mb", &(128..=10240), "MB", 128)),
        timeout_s: small(section.number("timeout_s", &(1..=900), "seconds", 3)),
        environment: environment(section),
        tracing: section.optional_flag("tracing", false),
        reserved_concurrency: section.optional_count(
            "reserved_concurrency",
            &(0..=MOST_CONCURRENCY),
            "executions",
        ),
        provisioned_concurrency: section.optional_count(
            "provisioned_concurrency",
            &(1..=MOST_CONCURRENCY),
            "environments",
        ),
        dead_letter: destination(
            section,
            "dead_letter",
            &[("queue", Kind::Queue), ("topic", Kind::Topic)],
        ),
        asynchronous: asynchronous(section),
    };
    provisioned(section, &function, stages);
    section.finish();
    function
}

/// Lambda keeps environments ready for versions alone, and no more than are reserved:
/// `PutProvisionedConcurrencyConfig`.
fn provisioned(section: &Section<'_, '_, '_>, function: &Function, stages: &[Stage]) {
    let Some(provisioned) = &function.provisioned_concurrency else { return };
    let context = section.context;
    let released = stages.iter().any(|stage| stage.follows == Follows::Release);
    if !released && !context.damaged() {
        let message = format!("`provisioned_concurrency` in {} has no version", section.called);
        context.problem(section.at_of("provisioned_concurrency"), message, |problem| {
            problem.expected("a stage that follows `release`");
        });
    }
    let reserved = function.reserved_concurrency.as_ref().and_then(Count::number);
    let Some((provisioned, reserved)) = provisioned.number().zip(reserved) else { return };
    if reserved < provisioned {
        let message =
            format!("{} provisions {provisioned} and reserves {reserved}", section.called);
        context.problem(section.at_of("provisioned_concurrency"), message, |problem| {
            problem.expected(format!("a `provisioned_concurrency` of at most {reserved}"));
        });
    }
}

/// Lambda: `PutFunctionEventInvokeConfig`.
fn asynchronous(section: &Section<'_, '_, '_>) -> Option<Asynchronous> {
    let inner = section.section("asynchronous")?;
    let kinds = [("queue", Kind::Queue), ("topic", Kind::Topic), ("function", Kind::Function)];
    let settings = Asynchronous {
        retries: small(inner.number("retries", &(0..=2), "tries", 2)),
        max_age_s: small(inner.number("max_age_s", &(60..=21_600), "seconds", 21_600)),
        on_success: destination(&inner, "on_success", &kinds),
        on_failure: destination(&inner, "on_failure", &kinds),
    };
    inner.finish();
    Some(settings)
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
