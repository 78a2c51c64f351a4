//! Arguments of `plan`, `deploy` and `destroy`.

use clap::Args;

use super::parse::variable;

/// One lab, several, or all.
#[derive(Debug, Args)]
pub struct LabsArg {
    /// The labs: names of their folders.
    #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "LAB")]
    pub names: Vec<String>,
    /// Every lab.
    #[arg(long)]
    pub all: bool,
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The lab: the name of its folder.
    pub lab: String,
    /// How it is deployed.
    #[command(flatten)]
    pub how: HowArgs,
}

/// Arguments of `deploy`.
#[derive(Debug, Args)]
pub struct DeployArgs {
    /// The labs.
    #[command(flatten)]
    pub labs: LabsArg,
    /// How they are deployed.
    #[command(flatten)]
    pub how: HowArgs,
}

/// How a lab is deployed.
#[derive(Debug, Default, Args)]
pub struct HowArgs {
    /// A value of a parameter of the lab; an empty one takes it away. What is not given keeps what
    /// is live.
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    pub set: Vec<(String, String)>,
    /// The variant; without it the one that is live, else the lab's last.
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,
    /// Keep what somebody else changed since the last deploy, instead of correcting it.
    #[arg(long)]
    pub keep_drift: bool,
}
