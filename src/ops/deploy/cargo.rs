//! Running cargo: its metadata, its environment, and ending it with everything it started.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use labdeck_aws::{Failure, FailureKind, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::Deserialize;
use tokio::process::{Child, Command};

/// What is used of `cargo metadata`.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub packages: Vec<Package>,
    pub workspace_root: PathBuf,
    pub target_directory: PathBuf,
    #[serde(default)]
    pub workspace_members: BTreeSet<String>,
    #[serde(default)]
    pub workspace_default_members: BTreeSet<String>,
    pub resolve: Option<Resolve>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub id: String,
    pub name: String,
    pub targets: Vec<CargoTarget>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct CargoTarget {
    pub name: String,
    pub kind: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Resolve {
    pub nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Node {
    pub id: String,
    pub deps: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub pkg: String,
    #[serde(default)]
    pub dep_kinds: Vec<DependencyKind>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct DependencyKind {
    pub kind: Option<String>,
}

impl Metadata {
    /// The member of the workspace with this name.
    pub fn member(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|p| p.name == name && self.workspace_members.contains(&p.id))
    }

    /// How many packages the builds of `roots` (package ids) need, themselves included.
    pub fn reachable(&self, roots: &[&str]) -> usize {
        let Some(resolve) = &self.resolve else { return roots.len() };
        let nodes: BTreeMap<&str, &Node> =
            resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut todo: Vec<&str> = roots.to_vec();
        while let Some(id) = todo.pop() {
            if !seen.insert(id) {
                continue;
            }
            let needed = nodes.get(id).into_iter().flat_map(|node| &node.deps).filter(|dep| {
                dep.dep_kinds.is_empty()
                    || dep.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"))
            });
            todo.extend(needed.map(|dep| dep.pkg.as_str()));
        }
        seen.len()
    }
}

/// A cargo command in `dir`, in an own process group, without the variables that cargo gave this
/// program: build scripts watch some of them, and would build again what is built already.
pub(crate) fn command(dir: &Path) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .env("CARGO_TERM_COLOR", "never");
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let given = text.starts_with("CARGO_PKG_")
            || text.starts_with("CARGO_MANIFEST_")
            || text.starts_with("CARGO_BIN_")
            || matches!(
                &*text,
                "CARGO_CRATE_NAME"
                    | "CARGO_PRIMARY_PACKAGE"
                    | "CARGO_RUSTC_CURRENT_DIR"
                    | "OUT_DIR"
            );
        if given {
            command.env_remove(&name);
        }
    }
    command
}

/// Starts cargo.
pub(crate) fn spawn(mut command: Command) -> Result<Running> {
    command.spawn().map(|child| Running { child }).map_err(|error| {
        let failure = Failure::new(FailureKind::Build, "running cargo", error.to_string());
        if error.kind() == std::io::ErrorKind::NotFound {
            failure
                .next("install a Rust toolchain (https://rustup.rs) so that cargo is on the PATH")
        } else {
            failure
        }
    })
}

/// A cargo that runs. Dropping it ends it, and the compilers it started.
#[derive(Debug)]
pub(crate) struct Running {
    pub child: Child,
}

impl Drop for Running {
    fn drop(&mut self) {
        // After the process was waited for, it has no id: nobody else's group is hit.
        if let Some(group) = self.child.id().and_then(|id| i32::try_from(id).ok()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGTERM);
        }
    }
}

/// Reads the metadata of the workspace around `dir`.
pub(crate) async fn metadata(dir: &Path) -> Result<Metadata> {
    let mut command = command(dir);
    command.args(["metadata", "--format-version", "1"]);
    if let Some(triple) = host() {
        command.args(["--filter-platform", triple]);
    }
    let what = || format!("reading the Cargo workspace of {}", dir.display());
    let mut running = spawn(command)?;
    let (out, err) =
        tokio::join!(read_all(running.child.stdout.take()), read_all(running.child.stderr.take()));
    let failed = |why: String| Failure::new(FailureKind::Build, what(), why);
    let status = running.child.wait().await.map_err(|e| failed(e.to_string()))?;
    if !status.success() {
        let text = String::from_utf8_lossy(&err);
        return Err(failed(tail(&text, 20))
            .next("the lab's functions are packages of the workspace around its folder"));
    }
    serde_json::from_slice(&out).map_err(|e| failed(format!("cargo's answer is not readable: {e}")))
}

async fn read_all(stream: Option<impl tokio::io::AsyncRead + Unpin>) -> Vec<u8> {
    use tokio::io::AsyncReadExt;
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        let _ = stream.read_to_end(&mut bytes).await;
    }
    bytes
}

/// The last `lines` lines of `text`.
pub(crate) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// The target triple that this program was built for, as far as it matters to a dependency count.
fn host() -> Option<&'static str> {
    match (std::env::consts::OS, std::env::consts::ARCH, cfg!(target_env = "musl")) {
        ("linux", "x86_64", false) => Some("x86_64-unknown-linux-gnu"),
        ("linux", "x86_64", true) => Some("x86_64-unknown-linux-musl"),
        ("linux", "aarch64", false) => Some("aarch64-unknown-linux-gnu"),
        ("linux", "aarch64", true) => Some("aarch64-unknown-linux-musl"),
        _ => None,
    }
}
