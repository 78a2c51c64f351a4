//! Arguments of `invoke`, `chaos`, `right-size` and `walk`.

use clap::{Args, ValueEnum};
use labdeck_ops::request::qualifier::qualifier;

use super::parse::age;

/// Arguments of `invoke`.
#[derive(Debug, Args)]
pub struct InvokeArgs {
    /// The lab.
    pub lab: String,
    /// The saved event; without it they are listed.
    pub event: Option<String>,
    /// The alias or version that runs; without it $LATEST.
    #[arg(long, value_name = "NAME", value_parser = qualifier)]
    pub alias: Option<String>,
    /// How often, one after the other.
    #[arg(short = 'n', long = "count", value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub count: u32,
}

/// Arguments of `chaos`.
#[derive(Debug, Args)]
pub struct ChaosArgs {
    /// The lab.
    pub lab: String,
    /// On or off; without it the switches are listed.
    #[arg(requires = "name")]
    pub state: Option<Switch>,
    /// The switch.
    pub name: Option<String>,
    /// How long it stays on: `90s`, `10m`, `2h`; without it as long as the lab says, else 15 minutes.
    #[arg(long = "for", value_name = "TIME", value_parser = age)]
    pub lasts: Option<std::time::Duration>,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Break it.
    On,
    /// Heal it.
    Off,
}

/// Arguments of `right-size`.
#[derive(Debug, Args)]
pub struct RightSizeArgs {
    /// The lab.
    pub lab: String,
    /// The function. A copy of it is invoked; the function itself is not touched.
    pub function: String,
    /// Memory sizes in MB; without them 128, 256, 512, 1024 and 1769.
    #[arg(long, value_name = "MB,…", value_delimiter = ',',
          value_parser = clap::value_parser!(i32).range(128..=10_240))]
    pub sizes: Vec<i32>,
    /// Invocations with each size, beside the one that starts it.
    #[arg(short = 'n', long = "count", value_name = "N", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(labdeck_ops::right_size::MOST_RUNS)))]
    pub count: u32,
    /// A saved event of the function, or a saved request that reaches it; without one it is chosen.
    #[arg(long, value_name = "NAME")]
    pub with: Option<String>,
}

/// Arguments of `walk`.
#[derive(Debug, Args)]
pub struct WalkArgs {
    /// The lab.
    pub lab: String,
    /// The step to run, by name or number; without it the steps are listed.
    pub step: Option<String>,
}
