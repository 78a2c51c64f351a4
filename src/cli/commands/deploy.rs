//! `deploy`: build, plan, apply, one lab after the other.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::Arc;

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_ops::deploy::plan::{Plan, Summary, Verb};
use labdeck_ops::deploy::{Confirm, Options};
use labdeck_ops::{deploy, variant};

use crate::args::{DeployArgs, HowArgs, LabsArg};
use crate::context::Context;
use crate::output::exit;
use crate::progress::Display;

/// Deploys the labs; stops at the first that fails.
pub async fn run(context: &Context<'_>, args: &DeployArgs) -> Result<u8> {
    let labs = labs(context, &args.labs)?;
    // All files are read before anything is changed.
    let blueprints = labs.iter().map(|lab| context.blueprint(lab)).collect::<Result<Vec<_>>>()?;
    let asked = args.how.variant.as_deref();
    if let Some(name) = asked {
        blueprints.iter().try_for_each(|lab| variant::of(lab, name).map(|_| ()))?;
    }
    let engine = context.engine().await?;
    let mut options = options(&args.how);
    options.confirm = (!context.global.yes).then(confirm);
    for blueprint in &blueprints {
        let blueprint = &variant::choose(&engine, blueprint, asked).await?;
        let display = Display::new(context.output);
        let (reporter, cancel) = (display.reporter(), context.cancel.clone());
        let summary = deploy::deploy_with(&engine, blueprint, &options, &reporter, cancel).await?;
        drop(display);
        context.output.result(&summary, || text(&summary));
    }
    Ok(exit::DONE)
}

/// How a lab is to be deployed.
pub fn options(how: &HowArgs) -> Options {
    Options { set: how.set.iter().cloned().collect(), keep_drift: how.keep_drift, confirm: None }
}

/// Asks on a terminal. Without one, what is billed by the hour was said and is made; what is lost is
/// refused.
fn confirm() -> Confirm {
    Arc::new(|plan: Plan| {
        Box::pin(async move {
            if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
                return !plan.steps.iter().any(|step| step.verb == Verb::Replace);
            }
            let asked = tokio::task::spawn_blocking(move || {
                let mut stderr = io::stderr();
                let _ = write!(stderr, "\ndeploy {} all the same? [y/N] ", plan.lab);
                let _ = stderr.flush();
                let mut line = String::new();
                io::stdin().lock().read_line(&mut line).map(|_| line)
            });
            let typed = asked.await.ok().and_then(io::Result::ok).unwrap_or_default();
            matches!(typed.trim(), "y" | "Y" | "yes")
        })
    })
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
    text.extend(summary.notes.iter().map(|note| format!("  {note}")));
    text
}
