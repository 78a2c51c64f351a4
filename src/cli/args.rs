//! The command line: every command, its arguments, and the global flags.

mod act;
mod attach;
mod audit;
mod canary;
mod cloud;
mod deploy;
mod gateway;
mod load;
mod look;
mod parse;
mod release;
mod request;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use labdeck_aws::{ANSWER_TIMEOUT, TargetChoice, TargetOptions};
use serde::Deserialize;

pub use act::{ChaosArgs, InvokeArgs, RightSizeArgs, Switch, WalkArgs};
pub use attach::{AttachArgs, DetachArgs};
pub use audit::AuditArgs;
pub use canary::CanaryArgs;
pub use cloud::{CloudArgs, CloudCommand};
pub use deploy::{DeployArgs, HowArgs, LabsArg, PlanArgs};
pub use gateway::{KeysArgs, KeysCommand, PlansArgs, PlansCommand, StagesArgs, StagesCommand};
pub use load::{CompareArgs, LoadArgs};
pub use look::{CheckArgs, CostArgs, LabsListArgs, LogsArgs, MetricsArgs};
pub use parse::age;
pub use release::{ReleaseArgs, ReleaseCommand, RollbackArgs};
pub use request::{OwnArgs, RequestArgs};

/// A console for small serverless APIs on AWS, with an embedded local cloud.
///
/// Without a command the console opens. Everything it does is also a command here.
#[derive(Debug, Parser)]
#[command(name = "labdeck", version, max_term_width = 100, subcommand_required = false)]
pub struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub global: Global,
    /// Flags of the console.
    #[command(flatten)]
    pub console: ConsoleArgs,
    /// What to do; without it the console opens.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Flags of the console.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Console")]
pub struct ConsoleArgs {
    /// A keymap over the built-in one, instead of the one in the configuration directory.
    #[arg(long, value_name = "FILE")]
    pub keymap: Option<PathBuf>,
    /// Colours: auto, dark, light or no-color.
    #[arg(long, value_name = "THEME", default_value = "auto",
        value_parser = ["auto", "dark", "light", "no-color"])]
    pub theme: String,
    /// The lab to begin with.
    #[arg(long, value_name = "LAB")]
    pub lab: Option<String>,
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Where labs run: local, aws, or a target of the configuration file.
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        default_value = "local",
        env = "LABDECK_TARGET"
    )]
    pub target: String,
    /// Which cloud the target is; known once the configuration file was read.
    #[arg(skip)]
    pub cloud: Choice,
    /// Profile of the AWS configuration.
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// AWS region.
    #[arg(long, global = true, value_name = "REGION")]
    pub region: Option<String>,
    /// Any AWS-compatible endpoint instead of AWS's own; with `--target aws`.
    #[arg(long, global = true, value_name = "URL")]
    pub endpoint_url: Option<String>,
    /// An existing execution role for the functions, by name or ARN.
    #[arg(long, global = true, value_name = "NAME|ARN")]
    pub role: Option<String>,
    /// Put this in front of the name of everything that a lab makes, so that several people can
    /// share an account.
    #[arg(long, global = true, value_name = "PREFIX", value_parser = parse::prefix)]
    pub prefix: Option<String>,
    /// Refuse every call that may change something.
    #[arg(long, global = true)]
    pub read_only: bool,
    /// State directory of the local cloud.
    #[arg(long, global = true, value_name = "DIR", env = "LABDECK_STATE_DIR")]
    pub state_dir: Option<PathBuf>,
    /// Folder of the labs.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = "handlers",
        env = "LABDECK_LABS"
    )]
    pub labs: PathBuf,
    /// How long AWS's answer to a call is waited for before it is tried again, in seconds.
    #[arg(
        long,
        global = true,
        value_name = "SECONDS",
        default_value_t = ANSWER_TIMEOUT.as_secs(),
        value_parser = clap::value_parser!(u64).range(1..=600),
        env = "LABDECK_ANSWER_TIMEOUT"
    )]
    pub answer_timeout: u64,
    /// Print JSON: one object per line on stdout, errors as one object on stderr.
    #[arg(long, global = true)]
    pub json: bool,
    /// Don't ask: before deleting, before changes of prod on a target that is not local.
    #[arg(long, short = 'y', global = true)]
    pub yes: bool,
}

impl Global {
    /// How the target is chosen.
    pub fn target_options(&self) -> TargetOptions {
        TargetOptions {
            choice: match self.cloud {
                Choice::Local => TargetChoice::Local,
                Choice::Aws => TargetChoice::Aws,
            },
            profile: self.profile.clone(),
            region: self.region.clone(),
            endpoint_url: self.endpoint_url.clone(),
            role: self.role.clone(),
            prefix: self.prefix.clone(),
            read_only: self.read_only,
            state_dir: self.state_dir.clone(),
            program: None,
            answer_timeout: Some(Duration::from_secs(self.answer_timeout)),
        }
    }
}

/// Which cloud a target is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// The embedded local cloud.
    #[default]
    Local,
    /// AWS, or any endpoint that speaks its protocols.
    Aws,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the local cloud in the foreground, or ask about the one that runs.
    Cloud(CloudArgs),
    /// The labs, and what of each is deployed.
    Labs(LabsListArgs),
    /// What a deploy would do, and why. Exit status 0: nothing, 2: changes.
    Plan(PlanArgs),
    /// Build, plan and apply.
    Deploy(DeployArgs),
    /// Tear down in the right order; then list what is left.
    Destroy(LabsArg),
    /// Send a saved request, once or many times; without a name, list them.
    Request(Box<RequestArgs>),
    /// Invoke a function with a saved event, once or many times; without a name, list the events.
    Invoke(InvokeArgs),
    /// Send the same traffic to several requests, stages, versions or URLs, and show them side by side.
    Compare(CompareArgs),
    /// Publish versions and move the traffic of `prod`.
    Release(ReleaseArgs),
    /// Take `prod` back; short for `release LAB rollback`.
    Rollback(RollbackArgs),
    /// The stages of every API: list them, edit one, switch, redeploy, flush.
    Stages(StagesArgs),
    /// Usage plans: their settings, what their keys have used, edits.
    Plans(PlansArgs),
    /// API keys, without their values unless one is shown on request.
    Keys(KeysArgs),
    /// Real failures: list them, switch one on or off.
    Chaos(ChaosArgs),
    /// The lab's log, live with `--follow`.
    Logs(LogsArgs),
    /// Requests, errors and latency of every function, by version.
    Metrics(MetricsArgs),
    /// What a million requests would cost, from what the functions logged.
    Cost(CostArgs),
    /// Try a function with several memory sizes: what each takes and costs.
    RightSize(RightSizeArgs),
    /// The lab's own checks. Exit status 1 when one does not hold.
    Check(CheckArgs),
    /// The lab's steps: the lesson, the action, the check.
    Walk(WalkArgs),
    /// Operate what labdeck did not deploy: pick REST APIs and functions; without a name, list.
    Attach(AttachArgs),
    /// Forget what was attached. Changes nothing in the account.
    Detach(DetachArgs),
    /// What changed something: when, who, from what to what, with what result.
    Audit(AuditArgs),
    /// Toolchain, credentials, clock, terminal, disk.
    Doctor,
    /// Completions for a shell, on stdout.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// The manual page, on stdout.
    Man,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_flags_stand_anywhere() {
        let cli = parse("labdeck release greet shift 12.5% --json --state-dir /tmp/x").unwrap();
        assert!(cli.global.json);
        assert_eq!(cli.global.state_dir, Some(PathBuf::from("/tmp/x")));
        let Some(Command::Release(release)) = cli.command else { panic!("not a release") };
        let ReleaseCommand::Shift { percent } = release.command else { panic!("not a shift") };
        assert!((percent - 12.5).abs() < f64::EPSILON);
        assert!(parse("labdeck").unwrap().command.is_none());
        assert!(parse("labdeck cloud stop --state-dir /tmp/x").is_ok());
        let cli = parse("labdeck deploy greet shop --labs elsewhere").unwrap();
        assert_eq!(cli.global.labs, PathBuf::from("elsewhere"));
        let Some(Command::Deploy(deploy)) = cli.command else { panic!("not a deploy") };
        assert_eq!(deploy.labs.names, ["greet", "shop"]);
        assert!(parse("labdeck destroy --all --yes").is_ok());
        assert!(parse("labdeck cloud --port 5000 --any-credentials").is_ok());
    }

    #[test]
    fn what_can_not_be_is_refused() {
        for line in [
            "labdeck release greet shift 101",
            "labdeck release greet shift NaN",
            "labdeck request greet hello -n 0",
            "labdeck request greet hello -n 1000001",
            "labdeck request greet hello -c 1025",
            "labdeck request greet hello --var user",
            "labdeck deploy",
            "labdeck deploy greet --all",
            "labdeck chaos greet on",
            "labdeck chaos greet maybe deny-table",
            "labdeck logs greet --since soon",
            "labdeck cloud --port 0",
            "labdeck --prefix Ada labs",
            "labdeck invoke greet one -n 1001",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn ages_have_units() {
        assert_eq!(age("90").unwrap().as_secs(), 90);
        assert_eq!(age("2h").unwrap().as_secs(), 7200);
        assert!(age("0s").is_err() && age("5w").is_err() && age("99999999d").is_err());
        assert!(age("").is_err() && age("é").is_err());
    }
}
