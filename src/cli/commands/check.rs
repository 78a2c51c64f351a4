//! `check`: the lab's own checks, with the reason for each.

use labdeck_aws::Result;
use labdeck_ops::checks;
use serde_json::json;

use super::show;
use crate::args::CheckArgs;
use crate::context::Context;
use crate::output::exit;

/// Evaluates the checks; exit status 1 when one does not hold.
pub async fn run(context: &Context<'_>, args: &CheckArgs) -> Result<u8> {
    let (engine, blueprint) = context.lab(&args.lab).await?;
    let results = match &args.name {
        Some(name) => vec![checks::run_one(&engine, &blueprint, name).await?],
        None => checks::run(&engine, &blueprint).await?,
    };
    let holding = results.iter().filter(|check| check.holds).count();
    let all = holding == results.len();
    context.output.result(&json!({ "lab": args.lab, "all_hold": all, "checks": results }), || {
        let mut text = show::checks(&results);
        text.push(format!("{holding} of {} hold", results.len()));
        text
    });
    Ok(if all { exit::DONE } else { exit::FAILED })
}
