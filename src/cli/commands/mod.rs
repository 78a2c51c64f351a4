//! One file per command.

mod attach;
mod audit;
mod canary;
mod chaos;
mod check;
mod cloud;
mod compare;
mod completions;
mod cost;
mod deploy;
mod destroy;
mod doctor;
mod invoke;
mod keys;
mod labs;
mod logs;
mod metrics;
mod plan;
mod plans;
mod release;
mod release_history;
mod request;
mod right_size;
pub mod show;
mod stages;
mod walk;

use labdeck_aws::{Result, for_lab};

use crate::args::{Command, KeysCommand, ReleaseCommand};
use crate::context::Context;

/// Whether a command watches for Ctrl-C itself and ends at a safe point of its own.
pub fn ends_itself(command: &Command) -> bool {
    match command {
        Command::Deploy(_)
        | Command::Destroy(_)
        | Command::Plan(_)
        | Command::Walk(_)
        | Command::Invoke(_)
        | Command::Compare(_)
        | Command::RightSize(_)
        | Command::Logs(_) => true,
        Command::Audit(audit) => audit.follow,
        Command::Request(request) => request.load.load().is_some() || request.all,
        Command::Release(release) => matches!(release.command, ReleaseCommand::Canary(_)),
        Command::Keys(keys) => matches!(keys.command, Some(KeysCommand::Rotate { .. })),
        _ => false,
    }
}

/// The lab that a command is about, where it is one.
fn lab_of(command: &Command) -> Option<&str> {
    Some(match command {
        Command::Plan(args) => &args.lab,
        Command::Request(args) => &args.lab,
        Command::Invoke(args) => &args.lab,
        Command::Compare(args) => &args.lab,
        Command::Release(args) => &args.lab,
        Command::Rollback(args) => &args.lab,
        Command::Stages(args) => &args.lab,
        Command::Plans(args) => &args.lab,
        Command::Keys(args) => &args.lab,
        Command::Chaos(args) => &args.lab,
        Command::Logs(args) => &args.lab,
        Command::Metrics(args) => &args.lab,
        Command::Cost(args) => &args.lab,
        Command::RightSize(args) => &args.lab,
        Command::Check(args) => &args.lab,
        Command::Walk(args) => &args.lab,
        // Several labs, each with its own name in the audit; or none.
        Command::Deploy(_)
        | Command::Destroy(_)
        | Command::Labs(_)
        | Command::Cloud(_)
        | Command::Attach(_)
        | Command::Detach(_)
        | Command::Audit(_)
        | Command::Doctor
        | Command::Completions { .. }
        | Command::Man => return None,
    })
}

/// Runs a command; answers the exit status.
pub async fn run(context: &Context<'_>, command: Command) -> Result<u8> {
    match lab_of(&command).map(|lab| context.full_name(lab)) {
        Some(lab) => for_lab(&lab, perform(context, command)).await,
        None => perform(context, command).await,
    }
}

async fn perform(context: &Context<'_>, command: Command) -> Result<u8> {
    match command {
        Command::Cloud(args) => cloud::run(context, &args).await,
        Command::Labs(args) if args.schema => Ok(labs::schema(context)),
        Command::Labs(_) => labs::run(context).await,
        Command::Plan(args) => plan::run(context, &args).await,
        Command::Deploy(args) => deploy::run(context, &args).await,
        Command::Destroy(args) => destroy::run(context, &args).await,
        Command::Request(args) => Box::pin(request::run(context, &args)).await,
        Command::Invoke(args) => invoke::run(context, &args).await,
        Command::Compare(args) => compare::run(context, &args).await,
        Command::Release(args) => release::run(context, &args.lab, args.command).await,
        Command::Rollback(args) => {
            let rollback = ReleaseCommand::Rollback { further: args.further };
            release::run(context, &args.lab, rollback).await
        }
        Command::Stages(args) => stages::run(context, &args).await,
        Command::Plans(args) => plans::run(context, &args).await,
        Command::Keys(args) => keys::run(context, &args).await,
        Command::Chaos(args) => chaos::run(context, &args).await,
        Command::Logs(args) => logs::run(context, &args).await,
        Command::Metrics(args) => metrics::run(context, &args).await,
        Command::Cost(args) => cost::run(context, &args).await,
        Command::RightSize(args) => right_size::run(context, &args).await,
        Command::Check(args) => check::run(context, &args).await,
        Command::Walk(args) => walk::run(context, &args).await,
        Command::Attach(args) => attach::run(context, args).await,
        Command::Detach(args) => attach::detach(context, &args).await,
        Command::Audit(args) => audit::run(context, &args).await,
        Command::Doctor => doctor::run(context).await,
        Command::Completions { shell } => Ok(completions::completions(context, shell)),
        Command::Man => completions::man(context),
    }
}
