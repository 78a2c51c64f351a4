//! `labs`: every lab and everything attached, whether it is deployed, and its URLs.

use labdeck_aws::{Failure, Result};
use labdeck_ops::Engine;
use labdeck_ops::deploy::plan::Endpoint;
use labdeck_ops::{attach, status};
use serde::Serialize;

use crate::context::Context;
use crate::output::exit;

#[derive(Serialize)]
struct LabLine {
    lab: String,
    title: String,
    deployed: bool,
    endpoints: Vec<Endpoint>,
    chaos: Vec<String>,
    attached: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Failure>,
}

/// Lists the labs, and what is attached after them. One that can't be read is listed with what is wrong, and makes the status 1.
pub async fn run(context: &Context<'_>) -> Result<u8> {
    // Read before the target is reached: a wrong folder starts nothing.
    context.lab_names()?;
    let engine = context.engine().await?;
    let mut lines = Vec::new();
    for (name, blueprint) in engine.labs()? {
        lines.push(line(&engine, name, blueprint).await);
    }
    for (name, blueprint) in attach::all(&engine).await? {
        lines.push(LabLine { attached: true, ..line(&engine, name, blueprint).await });
    }
    context.output.result(&serde_json::json!({ "labs": lines }), || text(&lines));
    let broken = lines.iter().any(|line| line.problem.is_some());
    Ok(if broken { exit::FAILED } else { exit::DONE })
}

/// Prints the JSON Schema of `lab.toml`.
pub fn schema(context: &Context<'_>) -> u8 {
    context.output.line(labdeck_lab::SCHEMA.trim_end());
    exit::DONE
}

async fn line(engine: &Engine, lab: String, blueprint: Result<labdeck_lab::Blueprint>) -> LabLine {
    let broken = |title: String, problem| LabLine {
        lab: lab.clone(),
        title,
        deployed: false,
        endpoints: Vec::new(),
        chaos: Vec::new(),
        attached: false,
        problem: Some(problem),
    };
    let blueprint = match blueprint {
        Ok(blueprint) => blueprint,
        Err(problem) => return broken(String::new(), problem),
    };
    match status::read(engine, &blueprint).await {
        Err(problem) => broken(blueprint.title, problem),
        Ok(live) => LabLine {
            lab: live.lab,
            title: live.title,
            deployed: live.deployed,
            endpoints: live.endpoints,
            chaos: live.chaos.into_iter().map(|switch| switch.name).collect(),
            attached: false,
            problem: None,
        },
    }
}

fn text(lines: &[LabLine]) -> Vec<String> {
    let mut text = Vec::new();
    for line in lines {
        let state = match (&line.problem, line.deployed) {
            (Some(_), _) => "unreadable",
            (None, true) if line.attached => "live",
            (None, false) if line.attached => "gone",
            (None, true) => "deployed",
            (None, false) => "not deployed",
        };
        text.push(format!("{}  {state}  {}", line.lab, line.title));
        for endpoint in &line.endpoints {
            text.push(format!("    {} {}  {}", endpoint.api, endpoint.stage, endpoint.url));
        }
        if !line.chaos.is_empty() {
            text.push(format!("    chaos is on: {}", line.chaos.join(", ")));
        }
        if let Some(problem) = &line.problem {
            text.extend(problem.why.lines().map(|why| format!("    {why}")));
        }
    }
    text
}
