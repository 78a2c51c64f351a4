//! What every operation works on: a target, and the folder of labs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use labdeck_aws::{Failure, FailureKind, Result, Target};
use labdeck_lab::Blueprint;

/// A target and the labs that can be run on it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Where labs are run.
    pub target: Arc<Target>,
    labs_dir: Arc<Path>,
}

impl Engine {
    /// Works on `target` with the labs in the folders below `labs_dir`, and with the target's prefix
    /// in front of the name of everything that a lab makes.
    pub fn new(target: Arc<Target>, labs_dir: PathBuf) -> Self {
        Self { target, labs_dir: labs_dir.into() }
    }

    /// The folder of labs.
    pub fn labs_dir(&self) -> &Path {
        &self.labs_dir
    }

    /// The checked blueprint of a lab, by its folder's name or by that with the prefix. Every problem
    /// of its files is in the one failure.
    pub fn blueprint(&self, lab: &str) -> Result<Blueprint> {
        blueprint(&self.labs_dir, lab, self.target.prefix())
    }

    /// Every lab by its name, behind the prefix where there is one, with its blueprint or with what is
    /// wrong with it.
    pub fn labs(&self) -> Result<Vec<(String, Result<Blueprint>)>> {
        let prefix = self.target.prefix();
        let folders = folders(&self.labs_dir)?;
        let name = |folder: &Path| format!("{}{}", prefix.unwrap_or_default(), name_of(folder));
        Ok(folders.iter().map(|folder| (name(folder), read(folder, prefix))).collect())
    }
}

/// The checked blueprint of a lab below `labs_dir`, with `prefix` in front of its names where one is
/// given; needs no target.
pub fn blueprint(labs_dir: &Path, lab: &str, prefix: Option<&str>) -> Result<Blueprint> {
    let folders = folders(labs_dir)?;
    let plain = prefix.and_then(|prefix| lab.strip_prefix(prefix));
    let named = |name: &str| folders.iter().find(|folder| name_of(folder) == name);
    let folder = named(lab).or_else(|| named(plain?)).ok_or_else(|| {
        let known: Vec<String> = folders.iter().map(|folder| name_of(folder)).collect();
        let why = format!("there is no such lab below {}", labs_dir.display());
        Failure::new(FailureKind::NotFound, format!("reading the lab {lab:?}"), why)
            .next(format!("the labs there: {}", known.join(", ")))
    })?;
    read(folder, prefix)
}

/// Names of the labs below `labs_dir`; needs no target.
pub fn lab_names(labs_dir: &Path) -> Result<Vec<String>> {
    Ok(folders(labs_dir)?.iter().map(|folder| name_of(folder)).collect())
}

fn folders(labs_dir: &Path) -> Result<Vec<PathBuf>> {
    labdeck_lab::discover(labs_dir).map_err(|error| {
        Failure::new(
            FailureKind::NotFound,
            format!("looking for labs in {}", labs_dir.display()),
            error.to_string(),
        )
        .next("run labdeck in its own folder, or give --labs")
    })
}

fn name_of(folder: &Path) -> String {
    folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn read(folder: &Path, prefix: Option<&str>) -> Result<Blueprint> {
    let failed = |why: String, next: &str| {
        let what = format!("reading the lab in {}", folder.display());
        Failure::new(FailureKind::Invalid, what, why).next(next)
    };
    let lab = labdeck_lab::read(folder).map_err(|problems| {
        failed(problems.to_string(), "mend the lines named above; nothing was changed")
    })?;
    match prefix {
        Some(prefix) => lab.prefixed(prefix).map_err(|error| {
            failed(
                error.to_string(),
                "give another --prefix, or shorter names; nothing was changed",
            )
        }),
        None => Ok(lab),
    }
}
