//! `deploy`: build, plan, apply; several labs side by side.

use std::sync::Arc;

use futures_util::future::try_join_all;
use labdeck_aws::{Failure, FailureKind, Result, for_lab};
use labdeck_lab::Blueprint;
use labdeck_ops::danger::{self, Act, Wanted};
use labdeck_ops::deploy::plan::{Plan, Summary};
use labdeck_ops::deploy::{Confirm, One, Options};
use labdeck_ops::{deploy, variant};

use crate::args::{DeployArgs, HowArgs, LabsArg};
use crate::confirm::{About, YES, answer, can_ask};
use crate::context::Context;
use crate::output::exit;
use crate::progress::Display;

/// Deploys the labs. One that fails does not stop the others; its failure ends the command.
pub async fn run(context: &Context<'_>, args: &DeployArgs) -> Result<u8> {
    let labs = labs(context, &args.labs)?;
    // All files are read before anything is changed.
    let read = |lab: &String| context.own_blueprint(lab, "deploying");
    let blueprints = labs.iter().map(read).collect::<Result<Vec<_>>>()?;
    let asked = args.how.variant.as_deref();
    if let Some(name) = asked {
        blueprints.iter().try_for_each(|lab| variant::of(lab, name).map(|_| ()))?;
    }
    let engine = context.engine().await?;
    let about = About {
        what: format!("deploying {}", labs.join(", ")),
        danger: Act::Deploy.danger(),
        alias: None,
        name: "",
    };
    context.confirmed(&engine, &about).await?;
    let mut options = options(&args.how);
    options.confirm = asking(context);
    let chosen = blueprints.iter().map(|lab| variant::choose(&engine, lab, asked));
    let blueprints = try_join_all(chosen).await?;
    for blueprint in &blueprints {
        for_lab(&blueprint.name, context.end_overdue(&engine, blueprint)).await;
    }
    let display = Display::new(context.output);
    let labs = ones(blueprints, &options, &display);
    let summaries = deploy::deploy_all(&engine, &labs, &context.cancel).await;
    drop(display);
    told(context, summaries, text).map(|_| exit::DONE)
}

/// The labs with what tells of their progress: each line with the lab's name where there are several.
pub fn ones(blueprints: Vec<Blueprint>, options: &Options, display: &Display) -> Vec<One> {
    let several = blueprints.len() > 1;
    let one = |blueprint: Blueprint| {
        let reporter = display.reporter_of(several.then_some(blueprint.name.as_str()));
        One { blueprint, options: options.clone(), reporter }
    };
    blueprints.into_iter().map(one).collect()
}

/// Prints what the labs came to; the last failure is the command's, the others are said before.
pub fn told(
    context: &Context<'_>,
    summaries: Vec<Result<Summary>>,
    text: impl Fn(&Summary) -> Vec<String>,
) -> Result<Vec<Summary>> {
    let (mut done, mut failures) = (Vec::new(), Vec::new());
    for summary in summaries {
        match summary {
            Ok(summary) => {
                context.output.result(&summary, || text(&summary));
                done.push(summary);
            }
            Err(failure) => failures.push(failure),
        }
    }
    let Some(last) = failures.pop() else { return Ok(done) };
    for failure in failures {
        context.output.failure(&failure);
    }
    Err(last)
}

/// How a lab is to be deployed.
pub fn options(how: &HowArgs) -> Options {
    Options { set: how.set.iter().cloned().collect(), keep_drift: how.keep_drift, confirm: None }
}

/// What asks before a plan with warnings is carried out; `None` where everything is confirmed.
pub fn asking(context: &Context<'_>) -> Option<Confirm> {
    (!context.global.yes).then(confirm)
}

/// Asks on a terminal: for the lab's name where data is lost, else for a yes. Without one, what is billed
/// by the hour was said and is made; what is lost is refused.
fn confirm() -> Confirm {
    // One question at a time, when several labs have one.
    let asking = Arc::new(tokio::sync::Mutex::new(()));
    Arc::new(move |plan: Plan| {
        let asking = Arc::clone(&asking);
        Box::pin(async move {
            let _one = asking.lock().await;
            // Asked for everywhere, or nowhere.
            let goes = danger::of_plan(&plan).wants(true) == Wanted::Typed;
            let question = plan.question();
            match (can_ask(), goes) {
                (false, goes) => !goes,
                (true, true) => {
                    let lab = &plan.lab;
                    answer(format!("\n{question} Type {lab} to go on: ")).await == *lab
                }
                (true, false) => {
                    let typed = answer(format!("\n{question} [y/N] ")).await;
                    YES.contains(&typed.as_str())
                }
            }
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
