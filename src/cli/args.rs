//! The command line: every command, its arguments, and the global flags.

mod attach;
mod audit;
mod canary;
mod gateway;
mod load;
mod request;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use labdeck_aws::{ANSWER_TIMEOUT, TargetChoice, TargetOptions};
use labdeck_ops::request::qualifier::qualifier;
use serde::Deserialize;

pub use attach::{AttachArgs, DetachArgs};
pub use audit::AuditArgs;
pub use canary::CanaryArgs;
pub use gateway::{KeysArgs, KeysCommand, PlansArgs, PlansCommand, StagesArgs, StagesCommand};
pub use load::{CompareArgs, LoadArgs};
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
    #[arg(long, global = true, value_name = "PREFIX", value_parser = prefix)]
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

fn prefix(text: &str) -> Result<String, String> {
    labdeck_lab::check_prefix(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
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

/// A lab whose `prod` goes back.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The lab.
    pub lab: String,
    /// Go back once more after a rollback.
    #[arg(long)]
    pub further: bool,
}

/// Arguments of `labs`.
#[derive(Debug, Args)]
pub struct LabsListArgs {
    /// Print the JSON Schema of `lab.toml` instead, for editors.
    #[arg(long)]
    pub schema: bool,
}

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

/// `NAME=VALUE`.
fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
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

/// An age such as `5m`; a number alone is seconds.
pub fn age(text: &str) -> Result<std::time::Duration, String> {
    const LONGEST: u64 = 365 * 24 * 3600;
    let bad = || "expected an age such as 90s, 5m, 2h or 1d".to_owned();
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: u64 = digits.parse().map_err(|_| bad())?;
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return Err(bad()),
    };
    match number.checked_mul(unit) {
        Some(seconds) if (1..=LONGEST).contains(&seconds) => {
            Ok(std::time::Duration::from_secs(seconds))
        }
        _ => Err("expected an age from 1s to 365d".to_owned()),
    }
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The lab.
    pub lab: String,
    /// One check; without it all.
    pub name: Option<String>,
}

/// Arguments of `walk`.
#[derive(Debug, Args)]
pub struct WalkArgs {
    /// The lab.
    pub lab: String,
    /// The step to run, by name or number; without it the steps are listed.
    pub step: Option<String>,
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
