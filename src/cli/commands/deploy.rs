//! `deploy`: build, plan, apply, one lab after the other.

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_ops::deploy::plan::Summary;
use labdeck_ops::{deploy, variant};

use crate::args::{DeployArgs, LabsArg};
use crate::context::Context;
use crate::output::exit;
use crate::progress::Display;

/// Deploys the labs; stops at the first that fails.
pub async fn run(context: &Context<'_>, args: &DeployArgs) -> Result<u8> {
    let labs = labs(context, &args.labs)?;
    // All files are read before anything is changed.
    let blueprints = labs.iter().map(|lab| context.blueprint(lab)).collect::<Result<Vec<_>>>()?;
    let asked = args.variant.as_deref();
    if let Some(name) = asked {
        blueprints.iter().try_for_each(|lab| variant::of(lab, name).map(|_| ()))?;
    }
    let engine = context.engine().await?;
    for blueprint in &blueprints {
        let blueprint = &variant::choose(&engine, blueprint, asked).await?;
        let display = Display::new(context.output);
        let reporter = display.reporter();
        let summary = deploy::deploy(&engine, blueprint, &reporter, context.cancel.clone()).await?;
        drop(display);
        context.output.result(&summary, || text(&summary));
    }
    Ok(exit::DONE)
}

/// The labs that are meant.
pub fn labs(context: &Context<'_>, args: &LabsArg) -> Result<Vec<String>> {
    if !args.all {
        return Ok(args.names.clone());
    }
    let all = context.lab_names()?;
    if all.is_empty() {
        let what = format!("looking for labs in {}", context.global.labs.display());
        return Err(Failure::new(FailureKind::NotFound, what, "there are none")
            .next("give the folder of the labs with --labs"));
    }
    Ok(all)
}

fn text(summary: &Summary) -> Vec<String> {
    let changed = match summary.changed {
        0 => "nothing changed".to_owned(),
        1 => "1 change".to_owned(),
        n => format!("{n} changes"),
    };
    let mut text = vec![format!(
        "{}: {changed}, {} calls, {:.1} s ({:.1} s of it building)",
        summary.lab, summary.calls, summary.seconds, summary.build_seconds
    )];
    for endpoint in &summary.endpoints {
        text.push(format!("  {} {}  {}", endpoint.api, endpoint.stage, endpoint.url));
    }
    text
}
