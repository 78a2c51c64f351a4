//! What the end-to-end tests share: a sandbox with its own state directory, the headless commands,
//! and the console in a pseudo-terminal whose screen is read through a terminal emulator.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, missing_docs)]

pub mod console;
pub mod diagnosis;
pub mod foreign;
pub mod gateway;
pub mod http;
pub mod relay;
pub mod screen;
pub mod sdk;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long a condition may take to come true. Generous: a first deploy builds the handlers.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// The binary under test.
pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_labdeck"))
}

/// The target directory that the binary under test was built in.
pub fn target_directory() -> &'static Path {
    binary().ancestors().nth(2).expect("target/PROFILE/labdeck")
}

/// The repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A directory of its own for state, configuration and data. Stops its cloud when dropped.
pub struct Sandbox {
    directory: tempfile::TempDir,
}

impl Sandbox {
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("labdeck-test-").tempdir().unwrap();
        for name in ["state", "config", "data", "cache", "home"] {
            std::fs::create_dir(directory.path().join(name)).unwrap();
        }
        Self { directory }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn state_dir(&self) -> PathBuf {
        self.path().join("state")
    }

    /// The environment every program under test gets: nothing of the person's own.
    pub fn environment(&self) -> Vec<(String, String)> {
        let at = |name: &str| self.path().join(name).to_string_lossy().into_owned();
        vec![
            ("XDG_CONFIG_HOME".into(), at("config")),
            ("XDG_DATA_HOME".into(), at("data")),
            ("XDG_STATE_HOME".into(), at("data")),
            ("XDG_CACHE_HOME".into(), at("cache")),
            ("AWS_EC2_METADATA_DISABLED".into(), "true".into()),
            ("AWS_CONFIG_FILE".into(), at("config/aws")),
            ("AWS_SHARED_CREDENTIALS_FILE".into(), at("config/aws-credentials")),
            ("NO_COLOR".into(), String::new()),
            // A checkout's handlers share their dependencies with the repository's.
            ("CARGO_TARGET_DIR".into(), target_directory().to_string_lossy().into_owned()),
        ]
    }

    /// `labdeck --state-dir … ARGS`, ready to run in the repository.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.current_dir(repository()).args(args).arg("--state-dir").arg(self.state_dir());
        for (name, value) in self.environment() {
            if value.is_empty() {
                command.env_remove(&name);
            } else {
                command.env(name, value);
            }
        }
        for name in ["AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null());
        command
    }

    /// Runs a headless command to its end.
    pub fn run(&self, args: &[&str]) -> Finished {
        Finished::of(self.command(args))
    }

    /// Runs a headless command that must succeed, with `--json`, and gives the last object printed.
    pub fn json(&self, args: &[&str]) -> Value {
        let mut all = args.to_vec();
        all.push("--json");
        self.run(&all).success().json()
    }

    /// What `cloud.json` says of the running cloud.
    pub fn cloud(&self) -> Option<Value> {
        let text = std::fs::read_to_string(self.state_dir().join("cloud.json")).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// The running cloud's process id.
    pub fn cloud_pid(&self) -> i32 {
        i32::try_from(self.cloud().expect("a cloud runs")["pid"].as_i64().unwrap()).unwrap()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.command(&["cloud", "stop"]).output();
    }
}

/// A copy of the repository whose handlers a test may edit, as a person would.
pub struct Checkout {
    directory: tempfile::TempDir,
}

impl Checkout {
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("labdeck-checkout-").tempdir().unwrap();
        copy(repository(), directory.path());
        Self { directory }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The folder of the labs, for `--labs`.
    pub fn labs(&self) -> String {
        self.path().join("handlers").to_string_lossy().into_owned()
    }

    /// Replaces `from`, which must be there, by `to` in a file.
    #[track_caller]
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.path().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} does not contain {from:?}");
        std::fs::write(&path, text.replace(from, to)).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let name = entry.file_name();
        if name == "target" || name == ".git" {
            continue;
        }
        let target = to.join(&name);
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// The URL of an API's stage, from what `deploy --json` or `labs --json` printed.
#[track_caller]
pub fn endpoint(summary: &Value, api: &str, stage: &str) -> String {
    summary["endpoints"]
        .as_array()
        .and_then(|all| all.iter().find(|e| e["api"] == api && e["stage"] == stage))
        .and_then(|e| e["url"].as_str())
        .unwrap_or_else(|| panic!("no endpoint of {api} {stage} in {summary}"))
        .to_owned()
}

/// A command that ended.
pub struct Finished {
    args: String,
    output: Output,
}

impl Finished {
    /// Runs a command to its end.
    pub fn of(mut command: Command) -> Self {
        let output = command.output().unwrap();
        let args = command.get_args().map(|word| word.to_string_lossy().into_owned());
        Self { args: args.collect::<Vec<_>>().join(" "), output }
    }

    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    pub fn code(&self) -> i32 {
        self.output.status.code().unwrap_or(-1)
    }

    /// It exited with this status.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code(),
            code,
            "`labdeck {}` exited with {}\n--- stdout\n{}\n--- stderr\n{}",
            self.args,
            self.code(),
            self.stdout(),
            self.stderr()
        );
        self
    }

    #[track_caller]
    pub fn success(self) -> Self {
        self.exits(0)
    }

    /// The last JSON value on stdout: one object, or the last of one per line.
    #[track_caller]
    pub fn json(&self) -> Value {
        let text = self.stdout();
        if let Ok(value) = serde_json::from_str(&text) {
            return value;
        }
        let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        serde_json::from_str(last)
            .unwrap_or_else(|e| panic!("`labdeck {}` printed no JSON ({e}):\n{text}", self.args))
    }
}

/// Waits until `condition` gives a value; panics with `what` when it does not in time.
#[track_caller]
pub fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        // A poll of a condition outside this process (a file, a process table), not a wait for time.
        std::thread::park_timeout(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Whether a process exists and is not a zombie.
pub fn alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or("").trim_start().starts_with('Z'))
}

/// Processes whose executable lies below `directory`: the functions of a cloud.
pub fn processes_below(directory: &Path) -> Vec<i32> {
    processes(|process| {
        std::fs::read_link(process.join("exe")).is_ok_and(|exe| exe.starts_with(directory))
    })
}

/// Processes whose command line names `directory`: its cloud, and the commands that use it.
pub fn processes_naming(directory: &Path) -> Vec<i32> {
    let name = directory.to_str().unwrap().as_bytes();
    processes(|process| {
        std::fs::read(process.join("cmdline"))
            .is_ok_and(|line| line.windows(name.len()).any(|part| part == name))
    })
}

fn processes(wanted: impl Fn(&Path) -> bool) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse::<i32>().ok()?;
            (wanted(&entry.path()) && alive(pid)).then_some(pid)
        })
        .collect()
}

/// Kills a process at once, as a crash would.
pub fn kill_hard(pid: i32) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)
        .unwrap();
}

/// Sends a signal.
pub fn signal(pid: i32, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
}

/// A cloud in the foreground that takes any credentials, so that a test can speak plain HTTP to it.
pub struct OpenCloud {
    child: std::process::Child,
    pub endpoint: String,
}

impl OpenCloud {
    /// Starts it with `options` beside `--any-credentials`, and waits until it is ready.
    pub fn start(sandbox: &Sandbox, options: &[&str]) -> Self {
        use std::io::BufRead as _;
        let mut arguments = vec!["cloud", "--any-credentials"];
        arguments.extend(options);
        let mut command = sandbox.command(&arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let endpoint = line.trim().strip_prefix("ready ").unwrap_or_else(|| panic!("{line:?}"));
        Self { endpoint: endpoint.to_owned(), child }
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }
}

impl Drop for OpenCloud {
    fn drop(&mut self) {
        signal(self.pid(), nix::sys::signal::Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

/// When [`unsigned`] says it was signed: the value of `x-amz-date`.
pub const UNSIGNED_DATE: &str = "20260101T000000Z";

/// The `Authorization` header that names a service and proves nothing.
pub fn unsigned(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/{service}/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature={}",
        "0".repeat(64)
    )
}
