//! `invoke`: invokes a function with a saved event; without a name lists the events.

use labdeck_aws::Result;
use labdeck_ops::invoke;

use crate::args::InvokeArgs;
use crate::context::Context;
use crate::output::{columns, exit};

/// Invokes. Exit status 1 when the function failed, each time or once.
pub async fn run(context: &Context<'_>, args: &InvokeArgs) -> Result<u8> {
    let Some(name) = &args.event else { return list(context, &args.lab).await };
    let blueprint = context.described(&args.lab).await?;
    let event = invoke::find(&blueprint, name)?;
    let engine = context.engine().await?;
    let mut failed = false;
    for _ in 0..args.count {
        if context.cancel.is_cancelled() {
            break;
        }
        let answer = invoke::invoke(&engine, &blueprint, event, args.alias.as_deref()).await?;
        failed |= answer.function_error.is_some();
        context.output.result(&answer, || answer.lines());
    }
    Ok(if failed { exit::FAILED } else { exit::DONE })
}

async fn list(context: &Context<'_>, lab: &str) -> Result<u8> {
    let blueprint = context.described(lab).await?;
    context.output.result(&serde_json::json!({ "events": blueprint.events }), || {
        if blueprint.events.is_empty() {
            return vec![format!("lab {} has no saved events", blueprint.name)];
        }
        let row = |event: &labdeck_lab::blueprint::SavedEvent| {
            let payload = event.payload.to_string();
            vec![event.name.clone(), event.function.clone(), payload, event.description.clone()]
        };
        columns(&blueprint.events.iter().map(row).collect::<Vec<_>>())
    });
    Ok(exit::DONE)
}
