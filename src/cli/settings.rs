//! The person's own settings: `labdeck/config.toml` in the configuration directory.
//!
//! ```toml
//! [targets.school]
//! cloud = "aws"
//! profile = "school"
//! region = "eu-central-1"
//! role = "LabRole"
//! prefix = "ada-"
//! ```
//!
//! What the command line says holds before what stands here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use labdeck_aws::{Failure, FailureKind, Result};
use serde::Deserialize;

use crate::args::{Choice, Global};

/// Largest file that is read, in bytes.
const MOST_BYTES: u64 = 1024 * 1024;

/// The file.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    targets: BTreeMap<String, Target>,
}

/// `[targets.NAME]`.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    /// Which cloud; `local` and `aws` are what they are called, others are `aws`.
    cloud: Option<Choice>,
    profile: Option<String>,
    region: Option<String>,
    endpoint_url: Option<String>,
    role: Option<String>,
    prefix: Option<String>,
    #[serde(default)]
    read_only: bool,
    state_dir: Option<PathBuf>,
}

/// Gives the flags that were not given the values of the chosen target, and says which cloud it is.
///
/// # Errors
/// Invalid when the file can't be read or says something that it can't, and when the target is none.
pub(crate) fn apply(global: &mut Global) -> Result<()> {
    let Some(file) = file() else { return merge(global, Settings::default(), None) };
    let settings = match read(&file)? {
        Some(text) => parse(&text, &file)?,
        None => Settings::default(),
    };
    merge(global, settings, Some(&file))
}

fn file() -> Option<PathBuf> {
    let base = etcetera::choose_base_strategy().ok()?;
    Some(base.config_dir().join("labdeck").join("config.toml"))
}

fn failure(file: &Path, why: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Invalid, format!("reading {}", file.display()), why)
}

/// The text of the file; `None` when there is none.
fn read(file: &Path) -> Result<Option<String>> {
    let metadata = match std::fs::metadata(file) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failure(file, error.to_string())),
    };
    if !metadata.is_file() || metadata.len() > MOST_BYTES {
        return Err(failure(file, format!("it is not a file of at most {MOST_BYTES} bytes")));
    }
    std::fs::read_to_string(file).map(Some).map_err(|error| failure(file, error.to_string()))
}

fn parse(text: &str, file: &Path) -> Result<Settings> {
    let settings: Settings = toml::from_str(text).map_err(|error| {
        failure(file, error.to_string().trim_end())
            .next("mend the line; docs/configuration.md lists every key")
    })?;
    for (name, target) in &settings.targets {
        let refuse = |why: String| Err(failure(file, format!("[targets.{name}]: {why}")));
        let given = match (name.as_str(), target.cloud) {
            ("local", Some(Choice::Aws)) | ("aws", Some(Choice::Local)) => {
                return refuse(format!("`cloud` of the target {name} is {name}"));
            }
            _ => cloud_of(name, target),
        };
        if let Some(prefix) = &target.prefix
            && let Err(error) = labdeck_lab::check_prefix(prefix)
        {
            return refuse(error.to_string());
        }
        let for_aws = [
            ("profile", target.profile.is_some()),
            ("region", target.region.is_some()),
            ("endpoint_url", target.endpoint_url.is_some()),
        ];
        let wrong = for_aws.iter().find(|(_, set)| *set && given == Choice::Local);
        if let Some((key, _)) = wrong {
            return refuse(format!("`{key}` is for targets on AWS, and this one is local"));
        }
        if target.state_dir.is_some() && given == Choice::Aws {
            return refuse("`state_dir` is for local targets, and this one is on AWS".to_owned());
        }
    }
    Ok(settings)
}

fn cloud_of(name: &str, target: &Target) -> Choice {
    match name {
        "local" => Choice::Local,
        "aws" => Choice::Aws,
        _ => target.cloud.unwrap_or(Choice::Aws),
    }
}

fn merge(global: &mut Global, mut settings: Settings, file: Option<&Path>) -> Result<()> {
    let name = global.target.clone();
    let target = match settings.targets.remove(&name) {
        Some(target) => target,
        None if name == "local" || name == "aws" => Target::default(),
        None => return Err(unknown(&name, &settings, file)),
    };
    global.cloud = cloud_of(&name, &target);
    let or = |flag: &mut Option<String>, value: Option<String>| {
        if flag.is_none() {
            *flag = value;
        }
    };
    or(&mut global.profile, target.profile);
    or(&mut global.region, target.region);
    or(&mut global.endpoint_url, target.endpoint_url);
    or(&mut global.role, target.role);
    or(&mut global.prefix, target.prefix);
    global.read_only |= target.read_only;
    global.state_dir = global.state_dir.take().or(target.state_dir);
    Ok(())
}

fn unknown(name: &str, settings: &Settings, file: Option<&Path>) -> Failure {
    let own = settings.targets.keys().map(String::as_str);
    let mut known: Vec<&str> = ["local", "aws"].into_iter().chain(own).collect();
    known.sort_unstable();
    known.dedup();
    let why = format!("there is no target `{name}`; there are {}", known.join(", "));
    let failure = Failure::new(FailureKind::Invalid, "choosing the target", why);
    let near = labdeck_lab::nearest(name, known.iter().copied());
    match (near, file) {
        (Some(near), _) => failure.next(format!("did you mean --target {near}?")),
        (None, Some(file)) => failure.next(format!("add [targets.{name}] to {}", file.display())),
        (None, None) => failure,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::Parser;

    use super::*;
    use crate::args::Cli;

    fn global(arguments: &[&str], text: &str) -> Result<Global> {
        let arguments = ["labdeck"].iter().chain(arguments).chain(&["labs"]);
        let mut global = Cli::try_parse_from(arguments).unwrap().global;
        let file = Path::new("config.toml");
        merge(&mut global, parse(text, file)?, Some(file))?;
        Ok(global)
    }

    const SCHOOL: &str = "[targets.school]\nprofile = \"p\"\nregion = \"eu-west-1\"\n\
        role = \"LabRole\"\nprefix = \"ada-\"\nread_only = true\n[targets.local]\nprefix = \"l-\"\n";

    #[test]
    fn a_target_has_what_the_file_says_and_flags_come_first() {
        let school = global(&["--target", "school", "--region", "us-east-2"], SCHOOL).unwrap();
        let options = school.target_options();
        assert_eq!(options.choice, labdeck_aws::TargetChoice::Aws);
        assert_eq!(options.profile.as_deref(), Some("p"));
        assert_eq!(options.region.as_deref(), Some("us-east-2"));
        assert_eq!(options.role.as_deref(), Some("LabRole"));
        assert_eq!(options.prefix.as_deref(), Some("ada-"));
        assert!(options.read_only);
        let local = global(&[], SCHOOL).unwrap().target_options();
        assert_eq!(local.choice, labdeck_aws::TargetChoice::Local);
        assert_eq!((local.prefix.as_deref(), local.role), (Some("l-"), None));
        assert!(global(&["--target", "aws"], "").unwrap().target_options().prefix.is_none());
    }

    #[test]
    fn what_it_can_not_say_is_refused_with_the_place() {
        for (text, said) in [
            ("[targets.a]\nprofil = \"x\"", &["line 2", "unknown field `profil`", "`profile`"][..]),
            ("[target.a]", &["unknown field `target`", "`targets`"]),
            ("[targets.a]\nrole = 1", &["line 2", "expected a string"]),
            ("[targets.a]\ncloud = \"azure\"", &["unknown variant `azure`", "`local`"]),
            ("[targets.a]\nprefix = \"A\"", &["[targets.a]", "1 to 20 lower-case letters"]),
            ("[targets.local]\nprofile = \"p\"", &["`profile` is for targets on AWS"]),
            ("[targets.aws]\nstate_dir = \"/x\"", &["`state_dir` is for local targets"]),
            ("[targets.local]\ncloud = \"aws\"", &["`cloud` of the target local"]),
        ] {
            let failure = global(&[], text).unwrap_err();
            assert!(said.iter().all(|part| failure.why.contains(part)), "{said:?}: {failure:?}");
            assert!(failure.what.contains("config.toml"), "{failure:?}");
        }
        let failure = global(&["--target", "scool"], SCHOOL).unwrap_err();
        assert_eq!(failure.why, "there is no target `scool`; there are aws, local, school");
        assert_eq!(failure.next.as_deref(), Some("did you mean --target school?"));
    }
}
