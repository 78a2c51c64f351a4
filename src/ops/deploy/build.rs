//! Building the handlers with cargo: progress, readable errors, and stopping on request.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::{Architecture, Function};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio_util::sync::CancellationToken;

use super::cancellable;
use super::cargo::{self, Metadata, Running};
use super::pack;
use super::toolchain::{self, Tool};
use crate::progress::{Progress, Reporter};

/// Most characters of compiler errors that are shown.
const MOST_ERROR_TEXT: usize = 16_000;

/// What is said of a build that was stopped.
const STOPPED: (&str, &str) = ("building the handlers", "stopped on request; nothing was deployed");

/// A finished build.
#[derive(Debug)]
pub(crate) struct Build {
    /// The program of each function, by the function's name.
    pub programs: BTreeMap<String, PathBuf>,
    /// Where build results are kept.
    pub target_directory: PathBuf,
    /// Seconds it took.
    pub seconds: f64,
}

/// The profile that handlers are built with.
///
/// For the local target it is the running program's own, so that dependencies are compiled once.
pub(crate) fn profile(local: bool) -> &'static str {
    match (local, cfg!(debug_assertions)) {
        (false, _) => "aws",
        (true, true) => "dev",
        (true, false) => "release",
    }
}

/// A message of `cargo build --message-format json`.
#[derive(Debug, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum Message {
    CompilerArtifact {
        package_id: String,
        target: cargo::CargoTarget,
        fresh: bool,
        executable: Option<PathBuf>,
    },
    #[serde(rename = "compiler-message")]
    Diagnosed { message: Diagnostic },
    BuildFinished {
        #[expect(dead_code, reason = "the exit status says it")]
        success: bool,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
struct Diagnostic {
    level: String,
    rendered: Option<String>,
}

/// Builds the program of every function of the lab: for this machine on the local target, otherwise
/// for each function's own processor and Lambda's C library.
pub(crate) async fn build(
    blueprint: &Blueprint,
    local: bool,
    reporter: &Reporter,
    cancel: &CancellationToken,
) -> Result<Build> {
    let begun = Instant::now();
    if blueprint.functions.is_empty() {
        let (programs, target_directory) = (BTreeMap::new(), PathBuf::new());
        return Ok(Build { programs, target_directory, seconds: 0.0 });
    }
    let metadata = cancellable(cancel, STOPPED, cargo::metadata(&blueprint.dir)).await?;
    let mut work =
        Work { metadata: &metadata, profile: profile(local), reporter, cancel, compiled: 0 };
    let mut programs = BTreeMap::new();
    if local {
        let all: Vec<&Function> = blueprint.functions.iter().collect();
        programs = work.build(&all, Tool::Cargo, Architecture::default()).await?;
    } else {
        for architecture in [Architecture::X86_64, Architecture::Arm64] {
            let of: Vec<&Function> =
                blueprint.functions.iter().filter(|f| f.architecture == architecture).collect();
            if !of.is_empty() {
                programs.extend(work.build_for_lambda(&of, architecture).await?);
            }
        }
    }
    let compiled = work.compiled;
    let seconds = begun.elapsed().as_secs_f64();
    reporter.report(Progress::Built { seconds, compiled });
    Ok(Build { programs, target_directory: metadata.target_directory, seconds })
}

/// What the builds of one lab share.
struct Work<'a> {
    metadata: &'a Metadata,
    profile: &'static str,
    reporter: &'a Reporter,
    cancel: &'a CancellationToken,
    compiled: usize,
}

impl Work<'_> {
    /// Builds for Lambda: with cargo alone where its programs run there, otherwise with a tool that
    /// can.
    async fn build_for_lambda(
        &mut self,
        functions: &[&Function],
        architecture: Architecture,
    ) -> Result<BTreeMap<String, PathBuf>> {
        let named = || functions.iter().map(|f| f.name.as_str()).collect::<Vec<_>>().join(", ");
        let what = || format!("building {} for {}", named(), architecture.as_str());
        let cross = toolchain::cross();
        if toolchain::host() == Some(architecture) {
            let programs = self.build(functions, Tool::Cargo, architecture).await?;
            let Some(why) = programs.values().find_map(|path| pack::unfit(path).err()) else {
                return Ok(programs);
            };
            let Some(tool) = cross else {
                return Err(Failure::new(FailureKind::Build, what(), why).next(format!(
                    "build on a system with an older C library, such as Amazon Linux 2023, or {}",
                    toolchain::HOW_TO_CROSS
                )));
            };
            let name = format!("building once more, with {}: {why}", tool.name());
            self.reporter.report(Progress::Phase { name });
            return self.build(functions, tool, architecture).await;
        }
        let Some(tool) = cross else {
            let why = format!(
                "this machine is {}, and cargo alone builds for that",
                std::env::consts::ARCH
            );
            return Err(Failure::new(FailureKind::Build, what(), why).next(format!(
                "{}, or change `architecture` in lab.toml",
                toolchain::HOW_TO_CROSS
            )));
        };
        self.build(functions, tool, architecture).await
    }

    /// Builds with one tool; answers the program of each function.
    async fn build(
        &mut self,
        functions: &[&Function],
        tool: Tool,
        architecture: Architecture,
    ) -> Result<BTreeMap<String, PathBuf>> {
        let metadata = self.metadata;
        let packages = packages(functions, metadata)?;
        let mut command = cargo::command(&metadata.workspace_root);
        command.args(tool.arguments(architecture));
        command.args(["--message-format", "json", "--profile", self.profile]);
        // Naming packages would give cargo another set of features to unify, and so another build of
        // the dependencies that the console shares with the handlers.
        if !packages.iter().all(|id| metadata.workspace_default_members.contains(*id)) {
            for name in functions.iter().map(|f| &f.package).collect::<BTreeSet<_>>() {
                command.args(["--package", name]);
            }
        }
        for bin in functions.iter().map(|f| &f.bin).collect::<BTreeSet<_>>() {
            command.args(["--bin", bin]);
        }
        let total = metadata.reachable(&packages);
        let running = cargo::spawn(command)?;
        let watched = watch(running, total, self.reporter);
        let mut watched = cancellable(self.cancel, STOPPED, watched).await?;
        self.compiled += watched.compiled;
        if tool == Tool::Lambda {
            // cargo-lambda moves each program to a folder of its own.
            for ((_, bin), path) in &mut watched.executables {
                *path = metadata.target_directory.join("lambda").join(bin).join("bootstrap");
            }
        }
        programs(functions, metadata, &watched.executables)
    }
}

/// The package ids of functions.
fn packages<'a>(functions: &[&Function], metadata: &'a Metadata) -> Result<Vec<&'a str>> {
    let mut ids = BTreeSet::new();
    for function in functions {
        let what = format!("building function {}", function.name);
        let package = metadata.member(&function.package).ok_or_else(|| {
            let why = format!("the workspace has no package {:?}", function.package);
            Failure::new(FailureKind::Invalid, &what, why).next(format!(
                "make it a member of {}, or correct `package` in lab.toml",
                metadata.workspace_root.join("Cargo.toml").display()
            ))
        })?;
        let has =
            |t: &cargo::CargoTarget| t.name == function.bin && t.kind.iter().any(|k| k == "bin");
        if !package.targets.iter().any(has) {
            let why = format!("package {:?} has no binary {:?}", function.package, function.bin);
            return Err(Failure::new(FailureKind::Invalid, what, why)
                .next("correct `bin` in lab.toml, or add the binary to the package"));
        }
        ids.insert(package.id.as_str());
    }
    Ok(ids.into_iter().collect())
}

struct Watched {
    executables: BTreeMap<(String, String), PathBuf>,
    compiled: usize,
}

async fn watch(mut running: Running, total: usize, reporter: &Reporter) -> Result<Watched> {
    let what = "building the handlers";
    let broken = |error: std::io::Error| Failure::new(FailureKind::Build, what, error.to_string());
    let stdout = running.child.stdout.take();
    let stderr = running.child.stderr.take();
    let errors_of_cargo = async {
        let mut text = String::new();
        let Some(stream) = stderr else { return text };
        let mut lines = BufReader::new(stream).split(b'\n');
        while let Ok(Some(line)) = lines.next_segment().await {
            let line = String::from_utf8_lossy(&line);
            if let Some(lock) = lock_waited_for(&line) {
                let name = format!("building: waiting for another cargo to give {lock} free");
                reporter.report(Progress::Phase { name });
            }
            text.push_str(&line);
            text.push('\n');
        }
        text
    };
    let messages = async {
        let mut executables = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let mut compiled = BTreeSet::new();
        let mut errors = String::new();
        let Some(stdout) = stdout else { return Ok((executables, compiled.len(), errors)) };
        let mut lines = BufReader::new(stdout).lines();
        while let Some(line) = lines.next_line().await.map_err(broken)? {
            let Ok(message) = serde_json::from_str(&line) else { continue };
            match message {
                Message::CompilerArtifact { package_id, target, fresh, executable } => {
                    let name = target.name;
                    if let Some(path) = executable {
                        executables.insert((package_id.clone(), name.clone()), path);
                    }
                    if !fresh {
                        compiled.insert((package_id.clone(), name.clone()));
                    }
                    seen.insert(package_id);
                    let done = seen.len().min(total);
                    reporter.report(Progress::Building { done, total, unit: name });
                }
                Message::Diagnosed { message } if message.level.starts_with("error") => {
                    let text = message.rendered.unwrap_or_default();
                    if errors.len() + text.len() <= MOST_ERROR_TEXT || errors.is_empty() {
                        errors.extend(text.chars().take(MOST_ERROR_TEXT));
                        errors.push('\n');
                    }
                }
                Message::Diagnosed { .. } | Message::BuildFinished { .. } | Message::Other => {}
            }
        }
        Ok::<_, Failure>((executables, compiled.len(), errors))
    };
    let (messages, cargo_said) = tokio::join!(messages, errors_of_cargo);
    let (executables, compiled, errors) = messages?;
    let status = running.child.wait().await.map_err(broken)?;
    if status.success() {
        reporter.report(Progress::Building { done: total, total, unit: String::new() });
        return Ok(Watched { executables, compiled });
    }
    let why = if errors.is_empty() { cargo::tail(&cargo_said, 40) } else { errors };
    let why = if why.trim().is_empty() { format!("cargo ended: {status}") } else { why };
    Err(Failure::new(FailureKind::Build, what, why.trim_end())
        .next("mend the code and run it again; nothing was deployed"))
}

/// What cargo says it waits for: `Blocking waiting for file lock on build directory`.
fn lock_waited_for(line: &str) -> Option<&str> {
    line.trim().strip_prefix("Blocking waiting for file lock on ")
}

fn programs(
    functions: &[&Function],
    metadata: &Metadata,
    executables: &BTreeMap<(String, String), PathBuf>,
) -> Result<BTreeMap<String, PathBuf>> {
    let mut programs = BTreeMap::new();
    for function in functions {
        let built = metadata
            .member(&function.package)
            .and_then(|package| executables.get(&(package.id.clone(), function.bin.clone())))
            .filter(|path| Path::is_file(path));
        let Some(path) = built else {
            return Err(Failure::new(
                FailureKind::Build,
                format!("building function {}", function.name),
                format!("cargo built no program {:?}", function.bin),
            ));
        };
        programs.insert(function.name.clone(), path.clone());
    }
    Ok(programs)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn cargos_messages_are_read() {
        let artifact = r#"{"reason":"compiler-artifact","package_id":"path+file:///x#greet@0.1.0","manifest_path":"/x/Cargo.toml","target":{"kind":["bin"],"crate_types":["bin"],"name":"greet","src_path":"/x/main.rs","edition":"2024","doc":true,"doctest":false,"test":true},"profile":{"opt_level":"0"},"features":[],"filenames":["/t/greet"],"executable":"/t/greet","fresh":false}"#;
        let message: Message = serde_json::from_str(artifact).unwrap();
        assert!(matches!(
            message,
            Message::CompilerArtifact { fresh: false, executable: Some(_), .. }
        ));
        let other = r#"{"reason":"build-script-executed","package_id":"x"}"#;
        assert!(matches!(serde_json::from_str(other).unwrap(), Message::Other));
        let finished = r#"{"reason":"build-finished","success":true}"#;
        assert!(matches!(serde_json::from_str(finished).unwrap(), Message::BuildFinished { .. }));
    }

    #[test]
    fn a_wait_for_another_cargo_is_noticed() {
        let line = "    Blocking waiting for file lock on build directory";
        assert_eq!(lock_waited_for(line), Some("build directory"));
        assert_eq!(lock_waited_for("   Compiling greet v0.1.0"), None);
    }

    #[test]
    fn dev_dependencies_do_not_count() {
        let metadata: Metadata = serde_json::from_value(serde_json::json!({
            "packages": [], "workspace_root": "/w", "target_directory": "/w/target",
            "resolve": {"nodes": [
                {"id": "a", "deps": [
                    {"pkg": "b", "dep_kinds": [{"kind": null}]},
                    {"pkg": "c", "dep_kinds": [{"kind": "dev"}]},
                    {"pkg": "d", "dep_kinds": [{"kind": "build"}]},
                ]},
                {"id": "b", "deps": [{"pkg": "d", "dep_kinds": [{"kind": null}]}]},
                {"id": "c", "deps": []},
                {"id": "d", "deps": []},
            ]}
        }))
        .unwrap();
        assert_eq!(metadata.reachable(&["a"]), 3);
    }
}
