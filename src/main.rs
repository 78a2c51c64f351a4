//! labdeck: parse arguments, pick the face.
//!
//! The face is picked before any thread or runtime is made, so that the console draws its first
//! frame and the local cloud is ready within milliseconds.

use std::io::Write;
use std::process::ExitCode;

use labdeck_cli::output::exit;
use labdeck_cli::{Cli, CloudArgs, Command, ConsoleArgs, Global, logging, state_dir};

fn main() -> ExitCode {
    // Only here, at the edge: everything below hands errors up as values.
    if let Err(error) = color_eyre::install() {
        say(&format!("panics will be shown plainly: {error}"));
    }
    let Cli { global, console: args, command } = match labdeck_cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(status) => return status,
    };
    match command {
        None => console(&global, args),
        Some(Command::Cloud(args)) if args.command.is_none() => cloud(&global, &args),
        Some(command) => labdeck_cli::run(global, command),
    }
}

/// Opens the console.
fn console(global: &Global, args: ConsoleArgs) -> ExitCode {
    let _log = match state_dir(global).map(|dir| logging::start(&dir)) {
        Ok(Ok(guard)) => guard,
        Ok(Err(why)) => {
            say(&format!("no log is written: {why}"));
            None
        }
        Err(_) => None,
    };
    let options = labdeck_console::Options {
        target: global.target_options(),
        labs_dir: global.labs.clone(),
        keymap: args.keymap,
        theme: args.theme.parse().unwrap_or_default(),
        initial_lab: args.lab,
    };
    match labdeck_console::run(options) {
        Ok(()) => ExitCode::SUCCESS,
        // Said before the screen was taken over: file, line, suggestion.
        Err(error) if error.downcast_ref::<labdeck_console::KeymapError>().is_some() => {
            say(&format!("error: {error}"));
            ExitCode::from(exit::USAGE)
        }
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::from(exit::FAILED)
        }
    }
}

/// Runs the local cloud in this process until it is told to end.
fn cloud(global: &Global, args: &CloudArgs) -> ExitCode {
    let state_dir = match state_dir(global) {
        Ok(dir) => dir,
        Err(failure) => {
            say(&labdeck_cli::output::told(&failure));
            return ExitCode::from(exit::FAILED);
        }
    };
    logging::to_stderr(if args.background { "info" } else { "warn" });
    let mut options = labdeck_cloud::lifecycle::Options::new(state_dir);
    options.port = args.port;
    options.any_credentials = args.any_credentials;
    options.background = args.background;
    options.async_retry_delay =
        args.async_retry_delay.map(|seconds| std::time::Duration::from_secs(seconds.into()));
    options.concurrent_executions = args.concurrent_executions;
    options.rtt = std::time::Duration::from_millis(args.rtt);
    options.aws_limits = args.aws_limits;
    options.operator_policy.clone_from(&args.operator_policy);
    match labdeck_cloud::lifecycle::run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

/// A line on stderr; a reader that has gone is no failure.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", text.trim_end());
}
