//! `plan`: what a deploy would do, and why.

use labdeck_aws::Result;
use labdeck_ops::deploy::plan::Plan;
use labdeck_ops::{deploy, variant};

use super::deploy::options;
use crate::args::PlanArgs;
use crate::context::Context;
use crate::output::{columns, exit};
use crate::progress::{Display, verb};

/// Shows the plan: exit status 0 when there is nothing to do, 2 when there is.
pub async fn run(context: &Context<'_>, args: &PlanArgs) -> Result<u8> {
    let (engine, blueprint) = context.lab(&args.lab).await?;
    let blueprint = variant::choose(&engine, &blueprint, args.how.variant.as_deref()).await?;
    let display = Display::new(context.output);
    let (options, cancel) = (options(&args.how), context.cancel.clone());
    let reporter = display.reporter();
    let plan = deploy::plan_with(&engine, &blueprint, &options, &reporter, cancel).await?;
    drop(display);
    context.output.result(&plan, || text(&plan));
    Ok(if plan.is_empty() { exit::DONE } else { exit::PENDING })
}

/// A plan as lines.
pub fn text(plan: &Plan) -> Vec<String> {
    let notes = plan.notes.iter().map(|note| format!("  {note}"));
    if plan.is_empty() {
        return std::iter::once(format!("{}: nothing to do", plan.lab)).chain(notes).collect();
    }
    let rows: Vec<Vec<String>> = plan
        .steps
        .iter()
        .map(|step| {
            vec![
                verb(step.verb).to_owned(),
                step.resource.clone(),
                step.name.clone(),
                step.reason.clone(),
            ]
        })
        .collect();
    let mut text = columns(&rows);
    text.push(format!("{}: {} steps", plan.lab, plan.steps.len()));
    text.extend(plan.warnings().map(|warning| format!("! {warning}")));
    text.extend(notes);
    text
}
