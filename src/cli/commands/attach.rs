//! `attach` and `detach`: what labdeck operates though it did not deploy it.

use labdeck_aws::Result;
use labdeck_lab::Blueprint;
use labdeck_ops::attach::{self, Attachment, Offer, Offered, Selection};
use labdeck_telemetry::clean;
use serde_json::json;

use crate::args::{AttachArgs, DetachArgs};
use crate::context::Context;
use crate::output::{columns, exit};

/// Attaches, shows what is attached by a name, or lists.
pub async fn run(context: &Context<'_>, args: AttachArgs) -> Result<u8> {
    let engine = context.engine().await?;
    let Some(name) = args.name else {
        let attached = attach::list(&engine).await?;
        let offer = attach::offer(&engine).await?;
        let value = json!({ "attached": attached, "account": offer });
        context.output.result(&value, || listed(&attached, &offer));
        return Ok(exit::DONE);
    };
    let selection = Selection {
        apis: args.apis,
        functions: args.functions,
        tags: args.tags,
        alias: args.alias,
    };
    let known = attach::list(&engine).await?.iter().any(|one| one.name == name);
    let blueprint = if known && selection.is_empty() && selection.alias.is_none() {
        attach::blueprint(&engine, &name).await?
    } else {
        attach::attach(&engine, &name, &selection).await?
    };
    context.output.result(&shown(&blueprint), || told(&blueprint));
    Ok(exit::DONE)
}

/// Forgets what was attached.
pub async fn detach(context: &Context<'_>, args: &DetachArgs) -> Result<u8> {
    let engine = context.engine().await?;
    let forgotten = attach::detach(&engine, &args.name).await?;
    context.output.result(&json!({ "detached": forgotten }), || {
        vec![format!("{} is detached; nothing in the account was changed", forgotten.name)]
    });
    Ok(exit::DONE)
}

fn shown(blueprint: &Blueprint) -> serde_json::Value {
    let attached = blueprint.attached.clone().unwrap_or_default();
    let functions: Vec<&str> = blueprint.functions.iter().map(|one| one.name.as_str()).collect();
    let stages: Vec<_> = (blueprint.stages.iter())
        .map(|stage| json!({ "stage": stage.name, "alias": stage.alias }))
        .collect();
    json!({
        "name": blueprint.name,
        "apis": attached.apis,
        "functions": functions,
        "stages": stages,
        "alias": attached.alias,
        "labs": attached.labs,
        "stacks": attached.stacks,
        "remarks": attached.remarks,
    })
}

fn told(blueprint: &Blueprint) -> Vec<String> {
    let shown = shown(blueprint);
    let mut text = vec![format!("{}  {}", blueprint.name, blueprint.title)];
    for (name, id) in shown["apis"].as_object().into_iter().flatten() {
        text.push(format!("    API {} ({})", clean(name), id.as_str().unwrap_or_default()));
    }
    for function in &blueprint.functions {
        text.push(format!("    function {}", clean(&function.name)));
    }
    for stage in &blueprint.stages {
        let alias = if stage.alias.is_empty() { "no function" } else { &stage.alias };
        text.push(format!("    stage {} → {}", clean(&stage.name), clean(alias)));
    }
    let attached = blueprint.attached.clone().unwrap_or_default();
    if let Some(alias) = &attached.alias {
        text.push(format!("    releases move the alias {alias}"));
    }
    text.extend(attached.remarks.iter().map(|remark| format!("    ! {}", clean(remark))));
    text
}

fn listed(attached: &[Attachment], offer: &Offer) -> Vec<String> {
    let mut text = Vec::new();
    if attached.is_empty() {
        text.push("nothing is attached on this target".to_owned());
    }
    for one in attached {
        let apis = one.apis.iter().map(|api| format!("API {} ({})", api.name, api.id));
        let functions = one.functions.iter().map(|name| format!("function {name}"));
        let tags = one.tags.iter().map(|tag| format!("tag {tag}"));
        let picked: Vec<String> = apis.chain(functions).chain(tags).collect();
        text.push(format!("{}  {}", one.name, clean(&picked.join(", "))));
    }
    for (head, offered) in [("REST APIs", &offer.apis), ("functions", &offer.functions)] {
        text.push(String::new());
        text.push(format!("{head} of the account and region:"));
        if offered.is_empty() {
            text.push("    none".to_owned());
        }
        let rows: Vec<Vec<String>> = offered.iter().map(row).collect();
        text.extend(columns(&rows).into_iter().map(|line| format!("    {line}")));
    }
    if offer.untagged {
        text.push("    (too many functions to read the tags of each; --tag finds them)".to_owned());
    }
    text
}

fn row(one: &Offered) -> Vec<String> {
    let whose = match (&one.lab, one.attached.is_empty()) {
        (_, false) => format!("attached: {}", one.attached.join(", ")),
        (Some(lab), true) => format!("lab {lab}"),
        (None, true) => String::new(),
    };
    let tags: Vec<String> = one.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    [one.name.clone(), one.id.clone(), whose, tags.join(" ")]
        .iter()
        .map(|text| clean(text).into_owned())
        .collect()
}
