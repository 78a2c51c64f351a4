//! Starting the process of an execution environment, from the one thread that owns all of them.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;

use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::core::REGION;
use crate::iam::SessionCredentials;

use super::Spec;
use super::parent_death::die_with_parent;

/// The thread that spawns every execution environment.
///
/// The signal that ends a child with its parent follows the thread that spawned it, and the threads
/// of an async runtime come and go: this one lives as long as the Lambda service.
#[derive(Debug)]
pub struct Spawner {
    jobs: mpsc::Sender<Job>,
}

struct Job {
    command: Command,
    reply: oneshot::Sender<io::Result<Child>>,
}

impl Spawner {
    /// Starts the thread; `before` runs on it first. Its children are waited for by `runtime`.
    pub fn start(runtime: Handle, before: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        std::thread::Builder::new().name("labdeck-spawner".to_owned()).spawn(move || {
            before();
            let _entered = runtime.enter();
            for mut job in queue {
                let spawned = job.command.spawn();
                // The command holds the writing end of the output pipe: it must be closed here for
                // the end of the output to be seen.
                drop(job.command);
                // Nobody waits any more: the child is killed when it is dropped.
                let _ = job.reply.send(spawned);
            }
        })?;
        Ok(Self { jobs })
    }

    /// Spawns a command on the thread.
    pub async fn spawn(&self, command: Command) -> io::Result<Child> {
        let (reply, spawned) = oneshot::channel();
        let gone = || io::Error::other("the thread that starts functions has ended");
        self.jobs.send(Job { command, reply }).map_err(|_| gone())?;
        spawned.await.map_err(|_| gone())?
    }
}

/// What a process is told about its surroundings.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// What it runs.
    pub spec: &'a Spec,
    /// The credentials of its role.
    pub credentials: &'a SessionCredentials,
    /// Address of its Runtime API, `127.0.0.1:PORT`.
    pub runtime_api: &'a str,
    /// Its log stream.
    pub log_stream: &'a str,
    /// Where AWS's services are, `http://127.0.0.1:PORT`.
    pub endpoint: &'a str,
}

/// The command that runs `bootstrap`, and the reading end of its stdout and stderr.
///
/// Both are one pipe, so that lines keep their order.
pub fn command(surroundings: &Surroundings<'_>) -> io::Result<(Command, pipe::Receiver)> {
    let (reader, writer) = io::pipe()?;
    let root = surroundings.spec.code.task_root();
    let mut command = Command::new(root.join("bootstrap"));
    command
        .current_dir(root)
        .env_clear()
        .envs(variables(surroundings))
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0)
        .kill_on_drop(true);
    die_with_parent(&mut command);
    Ok((command, pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?))
}

/// The environment of a custom runtime on AWS, with this machine's paths, and the endpoint that
/// AWS's SDKs take for all services.
fn variables(surroundings: &Surroundings<'_>) -> Vec<(OsString, OsString)> {
    let spec = surroundings.spec;
    let credentials = surroundings.credentials;
    let mut variables: Vec<(OsString, OsString)> = Vec::with_capacity(32 + spec.variables.len());
    let mut set = |name: &str, value: &str| variables.push((name.into(), value.into()));

    // What the function's own configuration may replace.
    set("LANG", "en_US.UTF-8");
    set("TZ", ":UTC");
    set("PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin");
    set("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR");
    set("AWS_XRAY_DAEMON_ADDRESS", "127.0.0.1:2000");
    set("AWS_ENDPOINT_URL", surroundings.endpoint);
    for (name, value) in &spec.variables {
        set(name, value);
    }
    // What it can't.
    set("AWS_REGION", REGION);
    set("AWS_DEFAULT_REGION", REGION);
    set("AWS_ACCESS_KEY_ID", &credentials.access_key_id);
    set("AWS_SECRET_ACCESS_KEY", &credentials.secret_access_key);
    set("AWS_SESSION_TOKEN", &credentials.session_token);
    set("AWS_LAMBDA_FUNCTION_NAME", &spec.function);
    set("AWS_LAMBDA_FUNCTION_VERSION", &spec.version);
    set("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &spec.memory_mb.to_string());
    set("AWS_LAMBDA_INITIALIZATION_TYPE", spec.initialization.word());
    set("AWS_LAMBDA_LOG_GROUP_NAME", &spec.log_group);
    set("AWS_LAMBDA_LOG_STREAM_NAME", surroundings.log_stream);
    set("AWS_LAMBDA_RUNTIME_API", surroundings.runtime_api);
    set("LAMBDA_RUNTIME_DIR", "/var/runtime");
    set("_HANDLER", &spec.handler);
    variables.push(("LAMBDA_TASK_ROOT".into(), spec.code.task_root().into()));
    if !spec.variables.contains_key("LD_LIBRARY_PATH") {
        variables.push(("LD_LIBRARY_PATH".into(), library_path(spec.code.task_root())));
    }
    variables
}

fn library_path(root: &Path) -> OsString {
    let mut path = OsString::from("/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:");
    path.push(root);
    path.push(":");
    path.push(root.join("lib"));
    path.push(":/opt/lib");
    path
}

/// Ends processes that an earlier cloud left: those whose `LAMBDA_TASK_ROOT` lies in `code_dir`.
///
/// A function's own process ends with the cloud in every case; what it started itself does not when
/// the cloud is killed. The state directory is locked by the running cloud, so whatever still runs
/// from it belongs to no one.
pub fn end_left_behind(code_dir: &Path) {
    let mut marker = b"LAMBDA_TASK_ROOT=".to_vec();
    marker.extend_from_slice(code_dir.as_os_str().as_encoded_bytes());
    marker.push(b'/');
    let Ok(processes) = std::fs::read_dir("/proc") else { return };
    for process in processes.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<i32>().ok())
        else {
            continue;
        };
        let Ok(environment) = std::fs::read(process.path().join("environ")) else { continue };
        if environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(&marker)) {
            tracing::warn!(pid, "ending a process that a function of an earlier run left behind");
            let _ = nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(pid),
                nix::sys::signal::Signal::SIGKILL,
            );
        }
    }
}
