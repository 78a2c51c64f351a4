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
    /// Works on `target` with the labs in the folders below `labs_dir`.
    pub fn new(target: Arc<Target>, labs_dir: PathBuf) -> Self {
        Self { target, labs_dir: labs_dir.into() }
    }

    /// The folder of labs.
    pub fn labs_dir(&self) -> &Path {
        &self.labs_dir
    }

    /// The checked blueprint of a lab. Every problem of its files is in the one failure.
    pub fn blueprint(&self, lab: &str) -> Result<Blueprint> {
        blueprint(&self.labs_dir, lab)
    }

    /// Every lab with its blueprint, or with what is wrong with it.
    pub fn labs(&self) -> Result<Vec<(String, Result<Blueprint>)>> {
        Ok(folders(&self.labs_dir)?.iter().map(|folder| (name_of(folder), read(folder))).collect())
    }
}

/// The checked blueprint of a lab below `labs_dir`; needs no target.
pub fn blueprint(labs_dir: &Path, lab: &str) -> Result<Blueprint> {
    let folders = folders(labs_dir)?;
    let folder = folders.iter().find(|folder| name_of(folder) == lab).ok_or_else(|| {
        let known: Vec<String> = folders.iter().map(|folder| name_of(folder)).collect();
        let why = format!("there is no such lab below {}", labs_dir.display());
        Failure::new(FailureKind::NotFound, format!("reading the lab {lab:?}"), why)
            .next(format!("the labs there: {}", known.join(", ")))
    })?;
    read(folder)
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

fn read(folder: &Path) -> Result<Blueprint> {
    labdeck_lab::read(folder).map_err(|problems| {
        Failure::new(
            FailureKind::Invalid,
            format!("reading the lab in {}", folder.display()),
            problems.to_string(),
        )
        .next("mend the lines named above; nothing was changed")
    })
}
