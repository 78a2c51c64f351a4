//! Function code on disk: uploaded zips by their hash, and what is in them, extracted once.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, Cursor, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use uuid::Uuid;
use zip::ZipArchive;

use crate::error::AwsError;

use super::download::Links;
use super::errors::{entity_too_large, invalid_parameter};

/// The largest zip that is taken by direct upload, in bytes.
const ZIP_LIMIT: usize = 52_428_800;
/// The largest size of everything in a zip, in bytes.
const UNZIPPED_LIMIT: u64 = 262_144_000;
/// The most entries of a zip: far more than any function needs, far fewer than would use up the
/// file system.
const ENTRY_LIMIT: usize = 50_000;

/// The code of all functions, below one directory.
#[derive(Debug)]
pub struct CodeStore {
    dir: PathBuf,
    unzipped_limit: u64,
    holds: Holds,
    /// Links to the zips.
    pub links: Links,
}

type Holds = Arc<Mutex<HashMap<String, usize>>>;

/// Code that was stored, and the promise that it stays while this is alive.
#[derive(Debug, Clone)]
pub struct StoredCode {
    /// SHA-256 of the zip in base64.
    pub sha256: String,
    /// Size of the zip in bytes.
    pub size: u64,
    hold: Arc<CodeHold>,
}

impl StoredCode {
    /// SHA-256 of the zip in hexadecimal: its name on disk.
    pub fn hash(&self) -> &str {
        &self.hold.hash
    }
}

/// Keeps code on disk while it is alive.
#[derive(Debug)]
pub struct CodeHold {
    hash: String,
    root: PathBuf,
    holds: Holds,
}

impl CodeHold {
    /// The directory into which the code was extracted.
    pub fn task_root(&self) -> &Path {
        &self.root
    }
}

impl Drop for CodeHold {
    fn drop(&mut self) {
        let mut holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = holds.get_mut(&self.hash) {
            *count -= 1;
            if *count == 0 {
                holds.remove(&self.hash);
            }
        }
    }
}

impl CodeStore {
    /// Opens the directory, which is made where it is not there yet.
    pub fn open(dir: PathBuf) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        Ok(Self {
            dir,
            unzipped_limit: UNZIPPED_LIMIT,
            holds: Holds::default(),
            links: Links::new(),
        })
    }

    /// The same store with another limit of unzipped bytes.
    #[cfg(test)]
    pub fn with_unzipped_limit(self, unzipped_limit: u64) -> Self {
        Self { unzipped_limit, ..self }
    }

    /// The directory into which the code of `hash` was extracted.
    pub fn task_root(&self, hash: &str) -> PathBuf {
        self.dir.join(hash)
    }

    /// Keeps the code of `hash` while the result is alive.
    pub fn hold(&self, hash: &str) -> Arc<CodeHold> {
        *self
            .holds
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(hash.to_owned())
            .or_default() += 1;
        Arc::new(CodeHold {
            hash: hash.to_owned(),
            root: self.task_root(hash),
            holds: Arc::clone(&self.holds),
        })
    }

    /// Checks a zip without keeping it, as a dry run does. Blocks.
    pub fn check(&self, zip: &Bytes) -> Result<StoredCode, AwsError> {
        check_size(zip)?;
        unpack(zip, None, self.unzipped_limit)?;
        Ok(self.describe(zip))
    }

    /// Checks, keeps and extracts a zip. Blocks.
    ///
    /// Both appear under their names only when they are whole, so that a killed process leaves
    /// nothing half done under them.
    pub fn store(&self, zip: &Bytes) -> Result<StoredCode, AwsError> {
        check_size(zip)?;
        let code = self.describe(zip);
        let root = self.task_root(code.hash());
        if !root.is_dir() {
            let staging = self.dir.join(format!(".new-{}", Uuid::new_v4().simple()));
            let extracted = make_dir(&staging)
                .map_err(|error| cannot_write(&staging, &error))
                .and_then(|()| unpack(zip, Some(&staging), self.unzipped_limit))
                .and_then(|()| match fs::rename(&staging, &root) {
                    Ok(()) => Ok(()),
                    // The same code was uploaded twice at the same time.
                    Err(_) if root.is_dir() => Ok(()),
                    Err(error) => Err(cannot_write(&root, &error)),
                });
            // Nothing is left there after the rename; after a failure it must not stay.
            let _ = fs::remove_dir_all(&staging);
            extracted?;
        }
        let kept = self.zip_path(code.hash());
        if !kept.is_file() {
            let staging = self.dir.join(format!(".new-{}", Uuid::new_v4().simple()));
            fs::write(&staging, zip).and_then(|()| fs::rename(&staging, &kept)).map_err(
                |error| {
                    let _ = fs::remove_file(&staging);
                    cannot_write(&kept, &error)
                },
            )?;
        }
        Ok(code)
    }

    /// Extracts kept zips whose extracted form is gone. Blocks.
    pub fn restore(&self, hash: &str) -> Result<(), AwsError> {
        if self.task_root(hash).is_dir() {
            return Ok(());
        }
        let path = self.zip_path(hash);
        let zip = fs::read(&path).map_err(|error| {
            AwsError::internal(format!("the code {} could not be read: {error}", path.display()))
        })?;
        self.store(&Bytes::from(zip)).map(drop)
    }

    /// Removes code that is neither in `used` nor held, and what an interrupted upload left.
    pub fn remove_unused(&self, used: &HashSet<String>) -> io::Result<()> {
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let hash = name.strip_suffix(".zip").unwrap_or(name);
            let ours = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
            // Checked for each entry anew: an upload may have begun meanwhile. The lock is kept
            // while removing, so that nothing is held that is being removed.
            let holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
            if !ours || used.contains(hash) || holds.contains_key(hash) {
                continue;
            }
            remove(&entry)?;
        }
        Ok(())
    }

    /// Removes what interrupted uploads left. Only at the start, when there are none.
    pub fn remove_leftovers(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if !entry.file_name().to_string_lossy().starts_with(".new-") {
                continue;
            }
            remove(&entry)?;
        }
        Ok(())
    }

    fn describe(&self, zip: &Bytes) -> StoredCode {
        let digest = Sha256::digest(zip);
        let hash = hex::encode(digest);
        StoredCode {
            hold: self.hold(&hash),
            sha256: STANDARD.encode(digest),
            size: zip.len() as u64,
        }
    }

    /// Where the zip of `hash` is kept.
    pub fn zip_path(&self, hash: &str) -> PathBuf {
        self.dir.join(format!("{hash}.zip"))
    }
}

/// Removes a file, or a folder with all that is in it.
fn remove(entry: &fs::DirEntry) -> io::Result<()> {
    if entry.file_type()?.is_dir() {
        fs::remove_dir_all(entry.path())
    } else {
        fs::remove_file(entry.path())
    }
}

fn check_size(zip: &Bytes) -> Result<(), AwsError> {
    if zip.is_empty() {
        return Err(invalid_parameter("Uploaded file must be a non-empty zip"));
    }
    if zip.len() >= ZIP_LIMIT {
        return Err(entity_too_large(format!(
            "Zipped size must be smaller than {ZIP_LIMIT} bytes"
        )));
    }
    Ok(())
}

/// Reads every entry of a zip, and writes it below `root` where one is given.
///
/// Sizes are counted while inflating: what the zip says about itself is not believed.
fn unpack(zip: &Bytes, root: Option<&Path>, limit: u64) -> Result<(), AwsError> {
    let mut archive = ZipArchive::new(Cursor::new(zip)).map_err(|_| cannot_unzip())?;
    if archive.len() > ENTRY_LIMIT {
        return Err(cannot_unzip());
    }
    // Most zips tell the truth: one that is too large is refused before anything is written.
    if archive.decompressed_size().is_some_and(|size| size >= u128::from(limit)) {
        return Err(too_large(limit));
    }
    let mut left = limit;
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|_| cannot_unzip())?;
        let path = entry.enclosed_name().ok_or_else(cannot_unzip)?;
        let name = entry.name_raw();
        let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
        let climbs = name.split(|byte| *byte == b'/' || *byte == b'\\').any(|part| part == b"..");
        if !inside || climbs || name.starts_with(b"/") || name.contains(&0) || entry.is_symlink() {
            return Err(cannot_unzip());
        }
        if entry.is_dir() {
            if let Some(root) = root {
                let dir = root.join(&path);
                make_dir(&dir).map_err(|error| not_extracted(&dir, &error))?;
            }
            continue;
        }
        let mode = entry.unix_mode().map_or(0o644, |mode| (mode & 0o777) | 0o400);
        let mut contents = entry.take(left + 1);
        let written = match root {
            None => io::copy(&mut contents, &mut io::sink()).map_err(|_| cannot_unzip())?,
            Some(root) => write_entry(&mut contents, &root.join(&path), mode)?,
        };
        left =
            left.checked_sub(written).filter(|left| *left > 0).ok_or_else(|| too_large(limit))?;
    }
    Ok(())
}

fn write_entry(contents: &mut impl Read, path: &Path, mode: u32) -> Result<u64, AwsError> {
    if let Some(parent) = path.parent() {
        make_dir(parent).map_err(|error| not_extracted(parent, &error))?;
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(|error| not_extracted(path, &error))?;
    let mut reader = ReadErrors { inner: contents, failed: false };
    io::copy(&mut reader, &mut file)
        .map_err(|error| if reader.failed { cannot_unzip() } else { cannot_write(path, &error) })
}

/// Remembers that reading failed, to tell a damaged zip from a full disk.
struct ReadErrors<R> {
    inner: R,
    failed: bool,
}

impl<R: Read> Read for ReadErrors<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).inspect_err(|_| self.failed = true)
    }
}

fn make_dir(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(dir)
}

fn cannot_unzip() -> AwsError {
    invalid_parameter(
        "Could not unzip uploaded file. Please check your file, then try to upload again.",
    )
}

fn too_large(limit: u64) -> AwsError {
    invalid_parameter(format!("Unzipped size must be smaller than {limit} bytes"))
}

/// Entries that can't lie beside each other are the zip's fault, everything else is the disk's.
fn not_extracted(path: &Path, error: &io::Error) -> AwsError {
    match error.kind() {
        io::ErrorKind::AlreadyExists
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::InvalidFilename
        | io::ErrorKind::InvalidInput => cannot_unzip(),
        _ => cannot_write(path, error),
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> AwsError {
    AwsError::internal(format!("the code could not be kept at {}: {error}", path.display()))
}
