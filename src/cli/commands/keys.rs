//! `keys`: API keys, without their values unless one is shown on request.

use labdeck_aws::Result;
use labdeck_ops::danger::Danger;
use labdeck_ops::gateway::keys::{self, KeyInfo};
use labdeck_ops::gateway::rotate;
use serde_json::json;

use super::stages::{moment, told};
use crate::args::{KeysArgs, KeysCommand};
use crate::confirm::About;
use crate::context::Context;
use crate::output::{columns, exit};
use crate::progress::Display;

/// What stands for a value.
const MASK: &str = "••••••••";

/// Lists the keys, or does something with one.
pub async fn run(context: &Context<'_>, args: &KeysArgs) -> Result<u8> {
    let (engine, blueprint) = context.lab(&args.lab).await?;
    let what = match &args.command {
        None | Some(KeysCommand::Show { .. }) => "looking at keys".to_owned(),
        Some(KeysCommand::Create { name, .. }) => format!("making key {name}"),
        Some(KeysCommand::Enable { name }) => format!("enabling key {name}"),
        Some(KeysCommand::Disable { name }) => format!("disabling key {name}"),
        Some(KeysCommand::Rotate { name, .. }) => format!("rotating key {name}"),
    };
    let danger = args.command.as_ref().map_or(Danger::Safe, |command| command.act().danger());
    let alias = blueprint.released_alias();
    context.confirmed(&engine, &About { what, danger, alias, name: "" }).await?;
    match &args.command {
        None => {
            let all = keys::list(&engine, &blueprint).await?;
            let value = json!({ "lab": blueprint.name, "keys": all });
            context.output.result(&value, || listed(&blueprint.name, &all));
        }
        Some(KeysCommand::Show { name }) => {
            let value = keys::show(&engine, &blueprint, name).await?;
            let shown = json!({ "name": name, "id": value.id(), "value": value.reveal() });
            context.output.result(&shown, || vec![value.reveal().to_owned()]);
        }
        Some(KeysCommand::Create { name, plans }) => {
            told(context, &keys::create(&engine, &blueprint, name, plans).await?);
        }
        Some(KeysCommand::Disable { name }) => {
            told(context, &keys::set_enabled(&engine, &blueprint, name, false, None).await?);
        }
        Some(KeysCommand::Enable { name }) => {
            told(context, &keys::set_enabled(&engine, &blueprint, name, true, None).await?);
        }
        Some(KeysCommand::Rotate { name, grace }) => {
            let display = Display::new(context.output);
            let (reporter, cancel) = (display.reporter(), &context.cancel);
            let done = rotate(&engine, &blueprint, (name, None), *grace, &reporter, cancel).await;
            drop(display);
            told(context, &done?);
        }
    }
    Ok(exit::DONE)
}

fn listed(lab: &str, all: &[KeyInfo]) -> Vec<String> {
    if all.is_empty() {
        return vec![format!("{lab} has no API key that is live")];
    }
    let row = |key: &KeyInfo| {
        let mut words = vec![if key.enabled { "enabled" } else { "disabled" }.to_owned()];
        if key.by_hand {
            words.push("made by hand".to_owned());
        }
        if key.rotates.is_some() {
            words.push("takes the place of the other".to_owned());
        }
        let plans =
            if key.plans.is_empty() { "in no plan".to_owned() } else { key.plans.join(", ") };
        vec![
            key.name.clone(),
            MASK.to_owned(),
            key.id.clone(),
            moment(key.created_ms),
            words.join(", "),
            plans,
        ]
    };
    columns(&all.iter().map(row).collect::<Vec<_>>())
}
