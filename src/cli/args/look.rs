//! Arguments of what only looks: `labs`, `logs`, `metrics`, `cost`, `check`.

use clap::Args;

use super::parse::age;

/// Arguments of `labs`.
#[derive(Debug, Args)]
pub struct LabsListArgs {
    /// Print the JSON Schema of `lab.toml` instead, for editors.
    #[arg(long)]
    pub schema: bool,
}

/// Arguments of `logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// The lab.
    pub lab: String,
    /// Go on with what comes.
    #[arg(long, short)]
    pub follow: bool,
    /// How far back: `90s`, `5m`, `2h`, `1d`.
    #[arg(long, value_name = "AGE", default_value = "5m", value_parser = age)]
    pub since: std::time::Duration,
    /// What to show: words, "phrases", -not, level:error, version:3, function:name, /regex/.
    #[arg(long, value_name = "EXPR")]
    pub filter: Option<String>,
}

/// Arguments of `metrics`.
#[derive(Debug, Args)]
pub struct MetricsArgs {
    /// The lab.
    pub lab: String,
    /// How far back: `90s`, `15m`, `2h`, `1d`.
    #[arg(long, value_name = "AGE", default_value = "15m", value_parser = age)]
    pub since: std::time::Duration,
}

/// Arguments of `cost`.
#[derive(Debug, Args)]
pub struct CostArgs {
    /// The lab.
    pub lab: String,
    /// How far back: `90s`, `15m`, `2h`, `1d`.
    #[arg(long, value_name = "AGE", default_value = "1h", value_parser = age)]
    pub since: std::time::Duration,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The lab.
    pub lab: String,
    /// One check; without it all.
    pub name: Option<String>,
}
