//! One file per command.

mod canary;
mod chaos;
mod check;
mod cloud;
mod completions;
mod cost;
mod deploy;
mod destroy;
mod doctor;
mod invoke;
mod labs;
mod logs;
mod metrics;
mod plan;
mod release;
mod request;
mod right_size;
mod show;
mod stages;
mod walk;

use labdeck_aws::Result;

use crate::args::{Command, ReleaseCommand};
use crate::context::Context;

/// Whether a command watches for Ctrl-C itself and ends at a safe point of its own.
pub fn ends_itself(command: &Command) -> bool {
    match command {
        Command::Deploy(_)
        | Command::Destroy(_)
        | Command::Plan(_)
        | Command::Walk(_)
        | Command::Invoke(_)
        | Command::RightSize(_)
        | Command::Logs(_) => true,
        Command::Request(request) => request.count > 1,
        Command::Release(release) => matches!(release.command, ReleaseCommand::Canary(_)),
        _ => false,
    }
}

/// Runs a command; answers the exit status.
pub async fn run(context: &Context<'_>, command: Command) -> Result<u8> {
    match command {
        Command::Cloud(args) => cloud::run(context, &args).await,
        Command::Labs(args) if args.schema => Ok(labs::schema(context)),
        Command::Labs(_) => labs::run(context).await,
        Command::Plan(args) => plan::run(context, &args).await,
        Command::Deploy(args) => deploy::run(context, &args).await,
        Command::Destroy(args) => destroy::run(context, &args).await,
        Command::Request(args) => request::run(context, &args).await,
        Command::Invoke(args) => invoke::run(context, &args).await,
        Command::Release(args) => release::run(context, &args.lab, args.command).await,
        Command::Rollback(args) => {
            let rollback = ReleaseCommand::Rollback { further: args.further };
            release::run(context, &args.lab, rollback).await
        }
        Command::Stages(args) => stages::run(context, &args.lab).await,
        Command::Chaos(args) => chaos::run(context, &args).await,
        Command::Logs(args) => logs::run(context, &args).await,
        Command::Metrics(args) => metrics::run(context, &args).await,
        Command::Cost(args) => cost::run(context, &args).await,
        Command::RightSize(args) => right_size::run(context, &args).await,
        Command::Check(args) => check::run(context, &args).await,
        Command::Walk(args) => walk::run(context, &args).await,
        Command::Doctor => doctor::run(context).await,
        Command::Completions { shell } => Ok(completions::completions(context, shell)),
        Command::Man => completions::man(context),
    }
}
