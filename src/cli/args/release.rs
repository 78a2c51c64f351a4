//! Arguments of `release` and `rollback`.

use clap::{Args, Subcommand};

use super::CanaryArgs;

/// A lab whose `prod` goes back.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The lab.
    pub lab: String,
    /// Go back once more after a rollback.
    #[arg(long)]
    pub further: bool,
}

/// Arguments of `release`.
#[derive(Debug, Args)]
pub struct ReleaseArgs {
    /// The lab.
    pub lab: String,
    /// What to do.
    #[command(subcommand)]
    pub command: ReleaseCommand,
}

/// What to do with a release.
#[derive(Debug, Clone, Subcommand)]
pub enum ReleaseCommand {
    /// Freeze code and configuration of every function as its next version.
    Publish {
        /// What is new, for the version's description (at most 256 characters).
        #[arg(long, short, value_parser = description)]
        description: Option<String>,
    },
    /// Send this share of the traffic to the newest version: 0 ends it, 100 promotes.
    Shift {
        /// 0 to 100, in steps of 0.01.
        #[arg(value_parser = labdeck_ops::release::share, allow_negative_numbers = true)]
        percent: f64,
    },
    /// Give all of the traffic to the canary, or to the newest version.
    Promote,
    /// Bring the functions and stages after the last move that it did not reach.
    Complete,
    /// Take the traffic back: from the canary, or to the version before.
    Rollback {
        /// Go back once more after a rollback.
        #[arg(long)]
        further: bool,
    },
    /// Move traffic step by step, watch, and take it back at once when the new version is worse.
    Canary(CanaryArgs),
    /// Put everything back as it was before the last move, weights included.
    Undo,
    /// Versions, aliases, and where rollback would go.
    Status,
    /// What happened to the release: versions, moves, who and when as far as it is known.
    History,
    /// Delete the versions that nothing points to, never those that rollback or undo may need.
    Prune {
        /// Keep so many of them of each function, the newest.
        #[arg(long, value_name = "N", default_value_t = 0)]
        keep: usize,
        /// Only say which they are.
        #[arg(long)]
        dry_run: bool,
    },
}

fn description(text: &str) -> Result<String, String> {
    let length = text.encode_utf16().count();
    if length > 256 {
        return Err(format!("a description has at most 256 characters, this one has {length}"));
    }
    Ok(text.to_owned())
}
