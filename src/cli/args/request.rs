//! Arguments of `request`.

use clap::Args;

use super::variable;

/// Arguments of `request`.
#[derive(Debug, Args)]
pub struct RequestArgs {
    /// The lab.
    pub lab: String,
    /// The saved request; without it they are listed.
    pub name: Option<String>,
    /// The stage; without it the lab's last one, usually `prod`.
    #[arg(long, short)]
    pub stage: Option<String>,
    /// A variable of the request.
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    pub variables: Vec<(String, String)>,
    /// How often.
    #[arg(short = 'n', long = "count", value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub count: u64,
    /// How many at once.
    #[arg(short = 'c', long = "concurrency", value_name = "C", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrency: u16,
    /// Send every saved request that needs no further variable, one after the other. Exit status 1
    /// when one gets no answer, or not the one that it expects.
    #[arg(long, conflicts_with_all = ["name", "count", "concurrency"])]
    pub all: bool,
}
