//! `stages`: the stages of every API of a lab.

use labdeck_aws::Result;
use labdeck_ops::status::{self, LabStatus};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::context::Context;
use crate::output::{columns, exit};

/// Lists the stages.
pub async fn run(context: &Context<'_>, lab: &str) -> Result<u8> {
    let (engine, blueprint) = context.lab(lab).await?;
    let live = status::read(&engine, &blueprint).await?;
    context
        .output
        .result(&serde_json::json!({ "lab": live.lab, "apis": live.apis }), || text(&live));
    Ok(exit::DONE)
}

fn text(live: &LabStatus) -> Vec<String> {
    let mut rows = Vec::new();
    for api in &live.apis {
        for stage in &api.stages {
            let variables: Vec<String> =
                stage.variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
            rows.push(vec![
                api.name.clone(),
                stage.name.clone(),
                format!("deployment {}", stage.deployment_id),
                changed(stage.updated_ms),
                variables.join(" "),
                stage.url.clone(),
            ]);
        }
    }
    if rows.is_empty() {
        return vec![format!(
            "{} has no stages; deploy it first: labdeck deploy {}",
            live.lab, live.lab
        )];
    }
    columns(&rows)
}

fn changed(ms: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(ms / 1000).ok();
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}
