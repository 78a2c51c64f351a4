//! The headless commands: every feature of the console for scripts and terminals.
//!
//! One file per command in `commands`. What a command does lives in `labdeck_ops`; here are its
//! arguments, its text and its exit status.

mod acts;
pub mod args;
mod commands;
mod confirm;
mod context;
mod interrupt;
pub mod logging;
pub mod output;
mod progress;
mod settings;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use labdeck_aws::{Failure, FailureKind};

pub use context::state_dir;

pub use args::{Cli, CloudArgs, CloudCommand, Command, ConsoleArgs, Global};
use output::{Output, exit};

/// Reads the command line and the person's configuration file; on a usage error, `--help` or `--version` writes what there is to say
/// and answers the exit status.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, ExitCode> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let json = arguments.iter().any(|argument| argument == "--json");
    let mut cli = Cli::try_parse_from(arguments).map_err(|error| {
        if !error.use_stderr() {
            // Help and version; a reader that has gone is no failure.
            let _ = error.print();
            return ExitCode::from(exit::DONE);
        }
        if json {
            let text = error.render().to_string();
            let why = text.strip_prefix("error: ").unwrap_or(&text).trim();
            let failure = Failure::new(FailureKind::Invalid, "reading the command line", why)
                .next("see labdeck --help");
            Output::new(true).failure(&failure);
        } else {
            let _ = error.print();
        }
        ExitCode::from(exit::USAGE)
    })?;
    settings::apply(&mut cli.global).map_err(|failure| {
        Output::new(json).failure(&failure);
        ExitCode::from(exit::USAGE)
    })?;
    Ok(cli)
}

/// Runs a headless command to its end.
pub fn run(global: Global, command: Command) -> ExitCode {
    let output = Output::new(global.json);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure =
                Failure::new(FailureKind::Internal, "starting threads", error.to_string());
            output.failure(&failure);
            return ExitCode::from(exit::FAILED);
        }
    };
    let status = runtime.block_on(context::run(global, command, &output));
    // What still runs, such as a name lookup, must not hold the end up.
    runtime.shutdown_background();
    ExitCode::from(status)
}
