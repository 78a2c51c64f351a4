//! `cost`: what a million requests to a lab would cost, from what its functions logged.

use labdeck_aws::Result;
use labdeck_ops::cost::{Cost, estimate};
use labdeck_ops::history;

use crate::args::CostArgs;
use crate::context::Context;
use crate::output::{columns, exit};

/// Estimates.
pub async fn run(context: &Context<'_>, args: &CostArgs) -> Result<u8> {
    let (engine, blueprint) = context.lab(&args.lab).await?;
    let cost = estimate(&engine, &blueprint, history::since_ms(args.since)).await?;
    context.output.result(&cost, || text(&cost));
    Ok(exit::DONE)
}

fn text(cost: &Cost) -> Vec<String> {
    let mut text = if cost.functions.is_empty() {
        vec![format!("no function of {} was invoked in that time", cost.lab)]
    } else {
        let head = [
            "function",
            "invocations",
            "MB",
            "billed ms",
            "invoking",
            "time",
            "gateway",
            "log",
            "USD per million",
        ];
        let mut table = vec![head.map(str::to_owned).to_vec()];
        table.extend(cost.functions.iter().map(|of| {
            vec![
                of.function.clone(),
                of.invocations.to_string(),
                of.memory_mb.to_string(),
                format!("{:.1}", of.billed_ms),
                format!("{:.2}", of.invoking),
                format!("{:.2}", of.duration),
                format!("{:.2}", of.gateway),
                format!("{:.2}", of.logging),
                format!("{:.2}", of.total()),
            ]
        }));
        columns(&table)
    };
    let hourly = cost.hourly.iter();
    text.extend(hourly.map(|(what, dollars)| {
        format!("{what}: {dollars:.4} USD an hour, used or not ({:.2} a month)", dollars * 730.0)
    }));
    text.push(
        "list prices of us-east-1 without the free tier; tables, queues, topics, traces and data \
         transfer are not in it"
            .to_owned(),
    );
    if !cost.representative {
        text.push(
            "durations are this machine's: on AWS a function with little memory has little processor \
             as well"
                .to_owned(),
        );
    }
    text
}
