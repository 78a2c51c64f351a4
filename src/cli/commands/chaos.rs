//! `chaos`: real failures, switched on and off.

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_ops::chaos::{self, To};
use serde_json::json;

use super::show;
use crate::args::{ChaosArgs, Switch};
use crate::confirm::About;
use crate::context::Context;
use crate::output::{columns, exit};

/// Switches, or lists the switches.
pub async fn run(context: &Context<'_>, args: &ChaosArgs) -> Result<u8> {
    let (engine, blueprint) = context.lab(&args.lab).await?;
    let Some(state) = args.state else {
        let on = chaos::status(&engine, &blueprint).await?;
        context.output.result(
            &json!({ "lab": args.lab, "switches": blueprint.chaos, "on": on }),
            || {
                let row = |switch: &labdeck_lab::blueprint::Chaos| {
                    let live = on.iter().find(|live| live.name == switch.name);
                    let state = live.map_or_else(|| "off".to_owned(), show::until);
                    vec![switch.name.clone(), state, switch.description.clone()]
                };
                columns(&blueprint.chaos.iter().map(row).collect::<Vec<_>>())
            },
        );
        return Ok(exit::DONE);
    };
    let Some(name) = &args.name else {
        let what = format!("switching chaos of lab {}", args.lab);
        return Err(Failure::new(FailureKind::Invalid, what, "no switch is named"));
    };
    let to = match state {
        Switch::On => To::On(args.lasts),
        Switch::Off => To::Off,
    };
    let on = state == Switch::On;
    let about = About {
        what: format!(
            "switching chaos {name} of {} {}",
            blueprint.name,
            if on { "on" } else { "off" }
        ),
        danger: args.act().danger(),
        alias: blueprint.released_alias(),
        name: "",
    };
    context.confirmed(&engine, &about).await?;
    let switch = chaos::set(&engine, &blueprint, name, to).await?;
    let value =
        json!({ "lab": args.lab, "name": switch.name, "on": on, "until_ms": switch.until_ms });
    context.output.result(&value, || {
        let state = if on { show::until(&switch) } else { "off".to_owned() };
        vec![format!("{}: {state}", switch.name)]
    });
    Ok(exit::DONE)
}
