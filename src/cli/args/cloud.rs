//! Arguments of `cloud`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Arguments of `cloud`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct CloudArgs {
    /// What to ask or tell the cloud that runs.
    #[command(subcommand)]
    pub command: Option<CloudCommand>,
    /// Port to listen on; without it the last one, or a free one.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Take any credentials, and none: for foreign test suites.
    #[arg(long)]
    pub any_credentials: bool,
    /// Seconds until a failed asynchronous invocation is tried again, the second time twice as
    /// many; without it one minute and two, as on AWS
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(0..=21_600))]
    pub async_retry_delay: Option<u32>,
    /// Executions of functions at once that the account may have; AWS gives new accounts 10.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub concurrent_executions: Option<u32>,
    /// Add this many milliseconds of round trip to every call.
    #[arg(long, value_name = "MS", default_value_t = 0,
          value_parser = clap::value_parser!(u64).range(..=60_000))]
    pub rtt: u64,
    /// Hold AWS's rates, and let new roles and functions take their seconds, as on AWS.
    #[arg(long)]
    pub aws_limits: bool,
    /// Allow the operator what this IAM policy document allows, and nothing else.
    #[arg(long, value_name = "FILE")]
    pub operator_policy: Option<PathBuf>,
    /// Detached, for others; ends by itself when idle.
    #[arg(long, hide = true)]
    pub background: bool,
}

/// What to ask or tell the cloud that runs.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum CloudCommand {
    /// What runs, and where.
    Status,
    /// End it. Its state stays.
    Stop,
    /// Shell exports for other AWS clients: `eval "$(labdeck cloud env)"`.
    Env,
}
