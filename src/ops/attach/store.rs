//! What is attached, as it is remembered: one file beside the person's other settings, by target.
//!
//! A file that can't be read is an error and is never written over: it may be the only place that knows.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use labdeck_aws::{Failure, FailureKind, Result, Target};
use serde::{Deserialize, Serialize};

/// The file's name below `labdeck` in the configuration directory.
pub const FILE: &str = "attached.toml";
/// The layout of the file.
const VERSION: u32 = 1;
/// Largest file that is read, in bytes.
const MOST_BYTES: u64 = 1024 * 1024;
/// What stands above the entries.
const HEAD: &str =
    "# What labdeck operates though it did not deploy it: labdeck attach, labdeck detach.\n";

/// What was attached by one name on one target.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// The name, which commands take as a lab's.
    pub name: String,
    /// The target: see `target_key`.
    pub target: String,
    /// Functions, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<String>,
    /// `KEY=VALUE`: the REST APIs and functions that carry one of these tags, whenever it is looked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The alias that releases move, where one was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// REST APIs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub apis: Vec<PickedApi>,
}

/// A REST API that was attached: by its id, since several may have the same name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PickedApi {
    /// Its id.
    pub id: String,
    /// Its name when it was attached.
    pub name: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    version: u32,
    #[serde(default)]
    attached: Vec<Attachment>,
}

/// What a target is called in the file: the local cloud by its state directory, AWS by account and
/// region, another endpoint by its URL as well.
///
/// # Errors
/// Those of asking for the account.
pub async fn target_key(target: &Target) -> Result<String> {
    if let Some(dir) = target.state_dir() {
        return Ok(format!("local {}", dir.display()));
    }
    let (account, region) = (target.account().await?, target.region());
    let endpoint = target.endpoint().unwrap_or_else(|| "aws".to_owned());
    Ok(format!("{endpoint} {account} {region}"))
}

/// Everything that is attached on a target, by name.
///
/// # Errors
/// Invalid when the file can't be read or says something that it can't.
pub fn on(target: &str) -> Result<Vec<Attachment>> {
    let mut all = read(&path()?)?;
    all.retain(|one| one.target == target);
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// Whether something of this name is attached on any target.
///
/// # Errors
/// As `on`.
pub fn is_known(name: &str) -> Result<bool> {
    Ok(read(&path()?)?.iter().any(|one| one.name == name))
}

/// Remembers an attachment, in place of the one of the same name and target.
///
/// # Errors
/// As `on`; when the file can't be written.
pub fn remember(attachment: Attachment) -> Result<()> {
    changed(|all| {
        all.retain(|one| (&one.target, &one.name) != (&attachment.target, &attachment.name));
        all.push(attachment);
    })
}

/// Forgets an attachment; gives it back, where there was one.
///
/// # Errors
/// As [`remember`].
pub fn forget(target: &str, name: &str) -> Result<Option<Attachment>> {
    let mut found = None;
    changed(|all| {
        let at = all.iter().position(|one| one.target == target && one.name == name);
        found = at.map(|at| all.remove(at));
    })?;
    Ok(found)
}

/// The file.
///
/// # Errors
/// Invalid where there is no home directory.
pub fn path() -> Result<PathBuf> {
    let base = etcetera::choose_base_strategy().map_err(|error| {
        let what = format!("looking for {FILE}");
        Failure::new(FailureKind::Invalid, what, error.to_string()).next("set XDG_CONFIG_HOME")
    })?;
    Ok(base.config_dir().join("labdeck").join(FILE))
}

fn failure(doing: &str, file: &Path, why: &dyn Display) -> Failure {
    Failure::new(FailureKind::Invalid, format!("{doing} {}", file.display()), why.to_string())
}

fn read(file: &Path) -> Result<Vec<Attachment>> {
    let failed = |why: String| {
        failure("reading", file, &why)
            .next("mend it, or move it away to begin anew; nothing was written to it")
    };
    let metadata = match fs::metadata(file) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error.to_string())),
    };
    if !metadata.is_file() || metadata.len() > MOST_BYTES {
        return Err(failed(format!("it is not a file of at most {MOST_BYTES} bytes")));
    }
    let text = fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
    let contents: Contents =
        toml::from_str(&text).map_err(|error| failed(error.to_string().trim_end().to_owned()))?;
    if contents.version != VERSION {
        return Err(failed(format!(
            "it has the layout {}, and this labdeck knows {VERSION}",
            contents.version
        )));
    }
    Ok(contents.attached)
}

/// Changes the file, one process at a time; a reader sees the old one or the new one, whole.
fn changed(change: impl FnOnce(&mut Vec<Attachment>)) -> Result<()> {
    let file = path()?;
    // A link to a file elsewhere stays one.
    let file = fs::canonicalize(&file).unwrap_or(file);
    let failed = |error: io::Error| failure("writing", &file, &error).next("nothing was changed");
    let dir = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir).map_err(failed)?;
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(dir.join(format!(".{FILE}.lock")))
        .map_err(failed)?;
    lock.lock().map_err(failed)?;
    let before = read(&file)?;
    let mut attached = before.clone();
    change(&mut attached);
    if attached == before {
        return Ok(());
    }
    attached.sort_by(|a, b| (&a.target, &a.name).cmp(&(&b.target, &b.name)));
    let text = toml::to_string(&Contents { version: VERSION, attached })
        .map_err(|error| failure("writing", &file, &error))?;
    // Made for its owner alone (0600).
    let mut aside = tempfile::NamedTempFile::new_in(dir).map_err(failed)?;
    aside.write_all(format!("{HEAD}{text}").as_bytes()).map_err(failed)?;
    aside.as_file().sync_all().map_err(failed)?;
    aside.persist(&file).map_err(|error| failed(error.error))?;
    Ok(())
}
