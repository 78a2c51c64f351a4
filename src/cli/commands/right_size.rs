//! `right-size`: tries a function with several memory sizes and says which to choose.

use labdeck_aws::Result;
use labdeck_ops::danger::Act;
use labdeck_ops::right_size::{RightSize, Trial, right_size};

use crate::args::RightSizeArgs;
use crate::confirm::About;
use crate::context::Context;
use crate::output::{columns, exit};
use crate::progress::Display;

/// Measures. Exit status 1 when the function failed with every size.
pub async fn run(context: &Context<'_>, args: &RightSizeArgs) -> Result<u8> {
    let (engine, blueprint) = context.lab(&args.lab).await?;
    let trial = Trial { sizes: args.sizes.clone(), runs: args.count, with: args.with.clone() };
    // With a prefix in front of its name or without.
    let prefixed =
        format!("{}{}", context.global.prefix.as_deref().unwrap_or_default(), args.function);
    let known = blueprint.functions.iter().any(|function| function.name == prefixed);
    let function = if known { &prefixed } else { &args.function };
    let about = About {
        what: format!("measuring a copy of {function}"),
        danger: Act::RightSize.danger(),
        alias: None,
        name: "",
    };
    context.confirmed(&engine, &about).await?;
    let display = Display::new(context.output);
    let reporter = display.reporter();
    let found = right_size(&engine, &blueprint, function, &trial, &reporter, &context.cancel).await;
    drop(display);
    let found = found?;
    context.output.result(&found, || text(&found));
    Ok(if found.best_mb.is_some() { exit::DONE } else { exit::FAILED })
}

fn text(found: &RightSize) -> Vec<String> {
    let head = [
        "MB",
        "runs",
        "failed",
        "start ms",
        "mean ms",
        "p95 ms",
        "billed ms",
        "used MB",
        "USD per million",
        "",
    ];
    let mut table = vec![head.map(str::to_owned).to_vec()];
    table.extend(found.sizes.iter().map(|size| {
        let mut said = Vec::new();
        if found.best_mb == Some(size.memory_mb) {
            said.push("best");
        }
        if found.memory_mb == size.memory_mb {
            said.push("now");
        }
        vec![
            size.memory_mb.to_string(),
            size.runs.to_string(),
            size.failed.to_string(),
            size.init_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}")),
            format!("{:.2}", size.mean_ms),
            format!("{:.2}", size.p95_ms),
            format!("{:.1}", size.billed_ms),
            size.used_mb.to_string(),
            format!("{:.2}", size.million),
            said.join(", "),
        ]
    }));
    let mut text = columns(&table);
    text.push(format!(
        "a copy of {} was invoked with {}, and is removed; what it wrote stays",
        found.function, found.with
    ));
    if found.stopped {
        text.push("stopped on request before every size was tried".to_owned());
    }
    match found.best_mb {
        None => text.push("the function failed with every size: see labdeck invoke".to_owned()),
        Some(_) if !found.representative => text.push(
            "not representative: on the local cloud a function has this machine's processor whatever \
             its memory, so the smallest size is always the cheapest. Try it with --target aws"
                .to_owned(),
        ),
        Some(best) if best == found.memory_mb => {
            text.push(format!("{best} MB, which it has, is the one to choose"));
        }
        Some(best) => text.push(format!("to choose it, set memory_mb = {best} in lab.toml and deploy")),
    }
    text
}
