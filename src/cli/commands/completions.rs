//! `completions` and `man`: made from the definition of the command line.

use clap::CommandFactory;
use labdeck_aws::{Failure, FailureKind, Result};

use crate::args::Cli;
use crate::context::Context;
use crate::output::exit;

/// Prints completions for a shell.
pub fn completions(context: &Context<'_>, shell: clap_complete::Shell) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "labdeck", &mut script);
    context.output.line(String::from_utf8_lossy(&script).trim_end());
    exit::DONE
}

/// Prints the manual page, every command's part behind the first one's.
pub fn man(context: &Context<'_>) -> Result<u8> {
    let mut page = Vec::new();
    let mut command = Cli::command();
    command.build();
    let failed = |error: std::io::Error| {
        Failure::new(FailureKind::Internal, "writing the manual page", error.to_string())
    };
    clap_mangen::Man::new(command.clone()).render(&mut page).map_err(failed)?;
    for part in command.get_subcommands().filter(|part| part.get_name() != "help") {
        clap_mangen::Man::new(part.clone()).render(&mut page).map_err(failed)?;
    }
    context.output.line(String::from_utf8_lossy(&page).trim_end());
    Ok(exit::DONE)
}
