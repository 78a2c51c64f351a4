//! `destroy`: tears labs down after asking, then says what is left.

use std::io::{self, Write};

use labdeck_aws::Result;
use labdeck_lab::Blueprint;
use labdeck_ops::danger::Act;
use labdeck_ops::deploy::plan::Summary;
use labdeck_ops::{Engine, deploy};

use crate::args::LabsArg;
use crate::commands::plan;
use crate::confirm::About;
use crate::context::Context;
use crate::output::exit;
use crate::progress::Display;

/// Destroys the labs. Exit status 1 when something of one is left.
pub async fn run(context: &Context<'_>, args: &LabsArg) -> Result<u8> {
    let labs = super::deploy::labs(context, args)?;
    let read = |lab: &String| context.own_blueprint(lab, "destroying");
    let blueprints = labs.iter().map(read).collect::<Result<Vec<_>>>()?;
    let danger = Act::Destroy.danger();
    context.can_be_confirmed(&format!("destroying {}", labs.join(", ")), danger)?;
    let engine = context.engine().await?;
    for blueprint in &blueprints {
        let about = About {
            what: format!("destroying {}", blueprint.name),
            danger,
            alias: blueprint.released_alias(),
            name: &blueprint.name,
        };
        if context.global.yes || something_goes(&engine, blueprint).await? {
            context.confirmed(&engine, &about).await?;
        }
    }
    let display = Display::new(context.output);
    let labs = super::deploy::ones(blueprints, &deploy::Options::default(), &display);
    let summaries = deploy::destroy_all(&engine, &labs, &context.cancel).await;
    drop(display);
    let summaries = super::deploy::told(context, summaries, text)?;
    let left = summaries.iter().any(|summary| !summary.left.is_empty());
    Ok(if left { exit::FAILED } else { exit::DONE })
}

/// Shows what will be removed; whether there is anything.
async fn something_goes(engine: &Engine, blueprint: &Blueprint) -> Result<bool> {
    let plan = deploy::plan_destroy(engine, blueprint).await?;
    if plan.is_empty() {
        return Ok(false);
    }
    let mut stderr = io::stderr();
    for line in plan::text(&plan) {
        let _ = writeln!(stderr, "{line}");
    }
    Ok(true)
}

fn text(summary: &Summary) -> Vec<String> {
    let mut text = vec![format!(
        "{}: {} removed, {} calls, {:.1} s",
        summary.lab, summary.changed, summary.calls, summary.seconds
    )];
    if summary.left.is_empty() {
        text.push("nothing is left".to_owned());
    }
    text.extend(summary.notes.iter().map(|note| format!("  {note}")));
    for left in &summary.left {
        text.push(format!("  left: {} {}: {}", left.resource, left.name, left.reason));
    }
    text
}
