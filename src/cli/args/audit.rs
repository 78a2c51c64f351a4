//! Arguments of `audit`.

use std::time::Duration;

use clap::Args;

use super::age;

/// Arguments of `audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// Only what was done to this lab.
    pub lab: Option<String>,
    /// How far back: `90s`, `5m`, `2h`, `1d`; without it all that is kept.
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub since: Option<Duration>,
    /// Only operations whose name contains this.
    #[arg(long, value_name = "NAME")]
    pub operation: Option<String>,
    /// Only what did not do what it was asked.
    #[arg(long)]
    pub failed: bool,
    /// Go on with what comes.
    #[arg(long, short)]
    pub follow: bool,
}
