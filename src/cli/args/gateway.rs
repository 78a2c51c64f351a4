//! Arguments of `stages`, `plans` and `keys`. Settings are checked where they are typed, with AWS's rule.

use std::time::Duration;

use clap::{Args, Subcommand};
use labdeck_ops::gateway::{plan, rules, stage};

/// Arguments of `stages`.
#[derive(Debug, Args)]
pub struct StagesArgs {
    /// The lab: the name of its folder.
    pub lab: String,
    /// A stage: its name, or API/STAGE where the lab has several APIs; without one all are listed.
    pub stage: Option<String>,
    /// What to do with it; without it its settings are shown.
    #[command(subcommand)]
    pub command: Option<StagesCommand>,
}

/// What to do with a stage.
#[derive(Debug, Clone, Subcommand)]
#[allow(clippy::doc_markdown, reason = "it is help, read in a terminal")]
pub enum StagesCommand {
    /// Change settings: throttle.rate=5 variables.colour=red /items/GET:cache.ttl_s=60 …
    Set {
        /// Settings; an empty value takes a variable, the description or the access log away.
        #[arg(required = true, value_name = "KEY=VALUE", value_parser = stage_setting)]
        settings: Vec<(String, String)>,
        /// Show the patch operations, and change nothing. Exit status 2 when there are some.
        #[arg(long)]
        dry_run: bool,
    },
    /// The deployments, newest first, and which stage serves which.
    Deployments,
    /// Let the stage serve another deployment, at once.
    Switch {
        /// The deployment's id.
        #[arg(value_name = "ID")]
        deployment: String,
    },
    /// Deploy the API's current definition to the stage.
    Redeploy,
    /// Empty the stage's cache.
    Flush,
    /// What the API's current definition has that the stage does not serve, and the other way round.
    Diff {
        /// A deployment instead of the one that the stage serves.
        #[arg(value_name = "ID")]
        deployment: Option<String>,
    },
}

/// Arguments of `plans`.
#[derive(Debug, Args)]
pub struct PlansArgs {
    /// The lab.
    pub lab: String,
    /// A usage plan; may be left out where the lab has one.
    pub plan: Option<String>,
    /// What to do with it; without it the settings of the plans are shown.
    #[command(subcommand)]
    pub command: Option<PlansCommand>,
}

/// What to do with a usage plan.
#[derive(Debug, Clone, Subcommand)]
#[allow(clippy::doc_markdown, reason = "it is help, read in a terminal")]
pub enum PlansCommand {
    /// Change settings: quota.limit=500 throttle.rate=5 /items/GET:throttle.rate=2 stages.API/dev=off …
    Set {
        /// Settings; quota=none and throttle=none take these away.
        #[arg(required = true, value_name = "KEY=VALUE", value_parser = plan_setting)]
        settings: Vec<(String, String)>,
        /// Show the patch operations, and change nothing. Exit status 2 when there are some.
        #[arg(long)]
        dry_run: bool,
    },
    /// What each key has used of its quota, what is left, and when it runs out.
    Usage,
    /// Give a key its whole quota again for the present period.
    Reset {
        /// The key, by name or id.
        key: String,
    },
    /// Give a key more requests for the present period.
    Extend {
        /// The key, by name or id.
        key: String,
        /// How many more.
        #[arg(value_name = "N", value_parser = clap::value_parser!(u32).range(1..=2_147_483_647))]
        requests: u32,
    },
}

/// Arguments of `keys`.
#[derive(Debug, Args)]
pub struct KeysArgs {
    /// The lab.
    pub lab: String,
    /// What to do; without it the keys are listed, without their values.
    #[command(subcommand)]
    pub command: Option<KeysCommand>,
}

/// What to do with a key.
#[derive(Debug, Clone, Subcommand)]
pub enum KeysCommand {
    /// Print the value of a key.
    Show {
        /// The key.
        name: String,
    },
    /// Make a key by hand; deploys leave it, a destroy removes it.
    Create {
        /// Its name.
        #[arg(value_parser = key_name)]
        name: String,
        /// A usage plan to put it into.
        #[arg(long = "plan", value_name = "PLAN")]
        plans: Vec<String>,
    },
    /// Refuse a key with 403 from now on.
    Disable {
        /// The key.
        name: String,
    },
    /// Accept a key again.
    Enable {
        /// The key.
        name: String,
    },
    /// Make a new key of this name, put it into every plan of the old one, see that it is accepted, and
    /// remove the old one. Run again, it finishes what was cut off.
    Rotate {
        /// The key.
        name: String,
        /// How long the old key is accepted after the new one: 0s, 30s, 10m.
        #[arg(long, value_name = "TIME", default_value = "5s", value_parser = grace)]
        grace: Duration,
    },
}

fn pair(text: &str) -> Result<(&str, &str), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key, value)),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

fn stage_setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = pair(text)?;
    stage::check(key, value)
}

fn plan_setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = pair(text)?;
    plan::check(key, value)
}

fn key_name(text: &str) -> Result<String, String> {
    rules::key_name(text).map(|()| text.to_owned())
}

fn grace(text: &str) -> Result<Duration, String> {
    if matches!(text, "0" | "0s") {
        return Ok(Duration::ZERO);
    }
    crate::args::age(text)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::args::{Cli, Command, StagesCommand};

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn a_stage_may_be_left_out_and_settings_are_checked() {
        let Ok(Some(Command::Stages(all))) = parse("labdeck stages shop").map(|cli| cli.command)
        else {
            panic!("not stages")
        };
        assert!(all.stage.is_none() && all.command.is_none());
        let Ok(Some(Command::Stages(listed))) =
            parse("labdeck stages shop deployments").map(|cli| cli.command)
        else {
            panic!("not stages")
        };
        assert!(listed.stage.is_none());
        assert!(matches!(listed.command, Some(StagesCommand::Deployments)));
        for line in [
            "labdeck stages shop prod set throttle.rate=5 variables.a=",
            "labdeck stages shop Shop/prod switch abc123",
            "labdeck plans shop set quota.limit=5 --dry-run",
            "labdeck plans shop Gold extend LabKey 10 --json",
            "labdeck keys shop rotate LabKey --grace 0s",
        ] {
            assert!(parse(line).is_ok(), "{line}");
        }
        for (line, rule) in [
            ("labdeck stages shop prod set throttle.rate=-1", "0 or more"),
            ("labdeck stages shop prod set throtle.rate=1", "did you mean \"throttle.rate\"?"),
            ("labdeck stages shop prod set variables.a-b=1", "letters, digits and underscores"),
            ("labdeck stages shop prod set cache.ttl_s=3601", "0 to 3600"),
            ("labdeck stages shop prod set", "KEY=VALUE"),
            ("labdeck plans shop set quota.limit=0", "from 1 on"),
            ("labdeck plans shop set quota.limit=-1", "from 1 on"),
            ("labdeck plans shop Gold extend LabKey 0", "1..="),
        ] {
            let error = parse(line).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(rule), "{line}: {error}");
        }
    }
}
