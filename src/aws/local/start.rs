//! Starting the local cloud in the background and waiting until it is ready.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use etcetera::BaseStrategy;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

use super::cloud::LocalCloud;
use crate::failure::{Failure, FailureKind, Result};

/// The exit status that says that another process holds the state directory's lock.
const LOCKED: i32 = 75;
/// How long a starting cloud may take until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// The state directory used when none is given: `labdeck/cloud` in the platform's data directory.
pub fn default_state_dir() -> Result<PathBuf> {
    etcetera::choose_base_strategy().map(|base| base.data_dir().join("labdeck/cloud")).map_err(
        |error| {
            Failure::new(FailureKind::Invalid, "finding the state directory", error.to_string())
                .next("set HOME or give --state-dir")
        },
    )
}

/// How a start ended.
enum Started {
    /// It said that it is ready.
    Ready,
    /// Somebody else holds the state directory.
    Locked,
}

impl LocalCloud {
    /// The running cloud of `state_dir`; starts `program` as one when none runs.
    ///
    /// Waits for the ready line of the cloud it started. When somebody else starts one at the same
    /// time, theirs is used.
    pub async fn ensure(state_dir: &Path, program: &Path) -> Result<Self> {
        let until = Instant::now() + READY_WITHIN;
        let mut pause = Duration::from_millis(5);
        loop {
            if let Some(cloud) = Self::find(state_dir).await? {
                return Ok(cloud);
            }
            if let Started::Ready = start(state_dir, program).await?
                && let Some(cloud) = Self::find(state_dir).await?
            {
                return Ok(cloud);
            }
            if Instant::now() >= until {
                return Err(Failure::new(
                    FailureKind::Network,
                    format!("starting the local cloud of {}", state_dir.display()),
                    "another process holds the state directory but does not become ready",
                )
                .next(format!("see {}", state_dir.join("cloud.log").display())));
            }
            // The other starter's cloud is not ready yet; its readiness is a file that appears.
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(200));
        }
    }
}

async fn start(state_dir: &Path, program: &Path) -> Result<Started> {
    let what = || format!("starting the local cloud of {}", state_dir.display());
    let unusable = |error: std::io::Error| {
        Failure::new(FailureKind::Invalid, what(), error.to_string())
            .next("make the directory writable or give another --state-dir")
    };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(state_dir).map_err(unusable)?;
    let log_path = state_dir.join("cloud.log");
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&log_path)
        .map_err(unusable)?;
    let log_from = log.metadata().map_or(0, |m| m.len());
    let mut child = Command::new(program)
        .arg("cloud")
        .arg("--state-dir")
        .arg(state_dir)
        .arg("--background")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        // Keys of this terminal such as Ctrl-C are not for the cloud.
        .process_group(0)
        .spawn()
        .map_err(|error| {
            Failure::new(FailureKind::Internal, what(), format!("{}: {error}", program.display()))
        })?;
    match timeout(READY_WITHIN, ready(&mut child)).await {
        Ok(Ok(None)) => Ok(Started::Ready),
        Ok(Ok(Some(status))) if status.code() == Some(LOCKED) => Ok(Started::Locked),
        Ok(Ok(Some(status))) => {
            Err(Failure::new(FailureKind::Internal, what(), ended(status, &log_path, log_from))
                .next(format!("its log is {}", log_path.display())))
        }
        Ok(Err(error)) => Err(Failure::new(FailureKind::Internal, what(), error.to_string())),
        Err(_) => {
            let _ = child.start_kill();
            Err(Failure::new(
                FailureKind::Internal,
                what(),
                format!("not ready after {} s", READY_WITHIN.as_secs()),
            )
            .next(format!("its log is {}", log_path.display())))
        }
    }
}

/// Waits for the ready line; answers the exit status when the process ended before.
async fn ready(child: &mut Child) -> std::io::Result<Option<ExitStatus>> {
    if let Some(out) = child.stdout.take() {
        let mut lines = BufReader::new(out).lines();
        while let Some(line) = lines.next_line().await? {
            if line.starts_with("ready ") {
                return Ok(None);
            }
        }
    }
    child.wait().await.map(Some)
}

/// Why it ended: the last lines that it wrote.
fn ended(status: ExitStatus, log: &Path, from: u64) -> String {
    let mut text = String::new();
    if let Ok(mut file) = std::fs::File::open(log) {
        let length = file.metadata().map_or(0, |m| m.len());
        let start = from.max(length.saturating_sub(4096));
        let mut bytes = Vec::new();
        if file.seek(SeekFrom::Start(start)).is_ok() && file.read_to_end(&mut bytes).is_ok() {
            text = String::from_utf8_lossy(&bytes).into_owned();
        }
    }
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|l| !l.is_empty()).collect();
    let tail = lines[lines.len().saturating_sub(8)..].join("\n");
    let tail: String = tail.chars().filter(|c| *c == '\n' || !c.is_control()).collect();
    if tail.is_empty() {
        format!("it ended: {status}")
    } else {
        format!("it ended ({status}): {tail}")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn program(dir: &Path, script: &str) -> PathBuf {
        let path = dir.join("program.sh");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn directory() -> PathBuf {
        let dir = std::env::temp_dir().join(format!("labdeck-start-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[tokio::test]
    async fn the_tail_of_the_log_says_why_it_died() {
        let dir = directory();
        let program = program(&dir, "echo 'the disk is full' >&2; exit 1");
        let failure = LocalCloud::ensure(&dir.join("state"), &program).await.unwrap_err();
        assert!(failure.why.contains("the disk is full"), "{failure:?}");
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_a_failure() {
        let dir = directory();
        let failure = LocalCloud::ensure(&dir, &dir.join("nothing")).await.unwrap_err();
        assert!(failure.why.contains("nothing"), "{failure:?}");
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn nothing_is_found_where_nothing_runs() {
        let dir = directory();
        assert!(LocalCloud::find(&dir).await.unwrap().is_none());
        let gone = r#"{"version":"0","pid":2147483646,"port":1,"endpoint":"http://127.0.0.1:1","started_ms":0}"#;
        std::fs::write(dir.join("cloud.json"), gone).unwrap();
        assert!(LocalCloud::find(&dir).await.unwrap().is_none());
        std::fs::remove_dir_all(dir).unwrap();
    }
}
