//! Arguments of `request`.

use clap::Args;

use super::{LoadArgs, variable};

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
    /// Another place than a stage: `test:STAGE` (the gateway's method test, with its log), `:VERSION` or
    /// `:ALIAS` (straight to the function), `https://…` (without the lab's key).
    #[arg(long, value_name = "WHERE", conflicts_with = "stage")]
    pub to: Option<String>,
    /// How often; once without.
    #[command(flatten)]
    pub load: LoadArgs,
    /// Send every saved request that needs no further variable, one after the other. Exit status 1
    /// when one gets no answer, or not the one that it expects.
    #[arg(long, conflicts_with_all = ["name", "to", "count", "concurrency", "rate", "duration"])]
    pub all: bool,
}
