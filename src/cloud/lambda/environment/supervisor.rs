//! Starting an execution environment and seeing it through to its end.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use time::OffsetDateTime;
use time::macros::format_description;
use tokio::net::TcpListener;
use tokio::net::unix::pipe;
use tokio::process::Child;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::AwsError;
use crate::wire::Caller;

use super::output::{Drained, LogTarget, Output};
use super::pool::{Pool, Services};
use super::process::{Surroundings, command};
use super::{Environment, Init, InitFailure, Memory, Phase, Spec, report, runtime_api};

/// How long the runtime's last answers are waited for once its process has ended.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How often output is collected that comes drop by drop. What an invocation wrote is collected at
/// its end in any case.
const COLLECT_EVERY: Duration = Duration::from_millis(10);

/// A start that came to nothing, and the log that tells so.
#[derive(Debug)]
pub struct StartFailure {
    /// What went wrong with the function.
    pub failure: InitFailure,
    /// Its log so far.
    pub output: Output,
}

/// An environment on its way up.
#[derive(Debug)]
pub struct Started {
    /// The environment.
    pub environment: Arc<Environment>,
    /// Tells when it is ready, or why it will never be.
    pub ready: oneshot::Receiver<Result<(), InitFailure>>,
}

/// The name of a new log stream: the day, the version and a random number. In a log group that is not the
/// function's usual one, which others may share, the function's name comes before the version (Lambda
/// developer guide, "Sending Lambda function logs to `CloudWatch` Logs").
pub fn log_stream(services: &Services, spec: &Spec) -> String {
    let format = format_description!("[year]/[month]/[day]");
    let day = OffsetDateTime::from_unix_timestamp(services.core.now_millis() / 1000)
        .ok()
        .and_then(|now| now.format(&format).ok())
        .unwrap_or_default();
    let (version, id) = (&spec.version, uuid::Uuid::new_v4().simple());
    if spec.log_group == format!("/aws/lambda/{}", spec.function) {
        format!("{day}/[{version}]{id}")
    } else {
        format!("{day}/{}[{version}][{id}]", spec.function)
    }
}

/// Starts a process of `spec`. It must ask for its first event within `init_limit`. The log tells of
/// the start when it is to be announced.
///
/// Errors are the local cloud's own; what is wrong with the function is a [`StartFailure`].
pub async fn start(
    pool: &Arc<Pool>,
    id: u64,
    spec: &Arc<Spec>,
    stream: &str,
    init_limit: Duration,
    announce: bool,
) -> Result<Result<Started, StartFailure>, AwsError> {
    let services = pool.services();
    let caller =
        Caller::Session { role_arn: spec.role.clone(), session_name: spec.function.clone() };
    let mut output = Output::new(Arc::new(LogTarget {
        core: Arc::clone(&services.core),
        iam: Arc::clone(&services.iam),
        logs: Arc::clone(&services.logs),
        caller,
        group: spec.log_group.clone(),
        stream: stream.to_owned(),
    }));
    if announce {
        output.platform(report::init_start(&spec.runtime));
    }
    if let Err(error) = check_bootstrap(&spec.code.task_root().join("bootstrap")) {
        let Some(message) = entrypoint_message(&error) else { return Err(cannot_start(&error)) };
        return Ok(Err(StartFailure { failure: InitFailure::Entrypoint(message), output }));
    }

    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|e| cannot_start(&e))?;
    let address = listener.local_addr().map_err(|e| cannot_start(&e))?.to_string();
    let credentials = services.iam.issue_session(&spec.role, &spec.function);
    let session =
        Session { services: Arc::clone(services), key: credentials.access_key_id.clone() };
    let (command, pipe) = command(&Surroundings {
        spec,
        credentials: &credentials,
        runtime_api: &address,
        log_stream: stream,
        endpoint: services.core.endpoint(),
    })
    .map_err(|e| cannot_start(&e))?;
    let started = Instant::now();
    let child = match services.spawner.spawn(command).await {
        Ok(child) => child,
        Err(error) => {
            let Some(message) = entrypoint_message(&error) else {
                return Err(cannot_start(&error));
            };
            return Ok(Err(StartFailure { failure: InitFailure::Entrypoint(message), output }));
        }
    };

    let pipe = Arc::new(pipe);
    output.connect(Arc::clone(&pipe));
    let (ready, when_ready) = oneshot::channel();
    let status = child.id().and_then(|pid| File::open(format!("/proc/{pid}/status")).ok());
    let environment = Arc::new(Environment {
        id,
        spec: Arc::clone(spec),
        pool: Arc::downgrade(pool),
        phase: Mutex::new(Phase::Starting(Some(ready))),
        output: tokio::sync::Mutex::new(output),
        started,
        init: Mutex::new(Init::default()),
        memory: Mutex::new(Memory { status, used_mb: 0, read: None }),
        end: CancellationToken::new(),
    });
    pool.born(&environment);
    tokio::spawn(collect_output(Arc::clone(&environment), pipe));
    tokio::spawn(supervise(Arc::clone(&environment), child, listener, session, init_limit));
    Ok(Ok(Started { environment, ready: when_ready }))
}

/// The credentials of an environment; they are refused once it has ended.
struct Session {
    services: Arc<Services>,
    key: String,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.services.iam.revoke_session(&self.key);
    }
}

/// Serves the runtime's connections and waits for the end of the process, by itself or by force.
async fn supervise(
    environment: Arc<Environment>,
    mut child: Child,
    listener: TcpListener,
    session: Session,
    init_limit: Duration,
) {
    let group = child.id().and_then(|pid| i32::try_from(pid).ok());
    let connections = TaskTracker::new();
    let init_timeout = tokio::time::sleep(init_limit);
    tokio::pin!(init_timeout);
    let mut starting = true;
    let status = loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(runtime_api::serve(Arc::clone(&environment), stream));
            } else {
                // Out of file descriptors, most likely: accepting again at once would spin.
                tokio::time::sleep(Duration::from_millis(10)).await;
            },
            status = child.wait() => break status.ok(),
            () = environment.end.cancelled() => {
                break end_process(&mut child, group).await;
            }
            () = &mut init_timeout, if starting => {
                starting = false;
                environment.init_timed_out();
            }
        }
    };
    // What the process started itself ends with it.
    kill_group(group);
    // The last answers may still be on their way through the socket.
    connections.close();
    let _ = tokio::time::timeout(LAST_WORDS, connections.wait()).await;
    environment.exited(status).await;
    environment.end.cancel();
    drop(session);
    if let Some(pool) = environment.pool.upgrade() {
        pool.forget(&environment);
    }
}

async fn end_process(child: &mut Child, group: Option<i32>) -> Option<ExitStatus> {
    kill_group(group);
    // The group is the process's own; should it have left it, it is killed by its own id.
    let _ = child.start_kill();
    child.wait().await.ok()
}

fn kill_group(group: Option<i32>) {
    if let Some(group) = group {
        // An empty group is no error worth telling: everything in it has ended.
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
}

/// Moves the process's output into its log as it comes.
async fn collect_output(environment: Arc<Environment>, pipe: Arc<pipe::Receiver>) {
    let end = environment.end.clone();
    let collect = async {
        let mut probe = [0; 4096];
        while pipe.readable().await.is_ok() {
            // Reads and flushes in turns: whoever completes an invocation gets the log in between.
            let mut output = environment.output.lock().await;
            match pipe.try_read(&mut probe) {
                Ok(0) => break,
                Ok(count) => output.feed(&probe[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(_) => break,
            }
            let drained = output.drain();
            output.flush().await;
            drop(output);
            match drained {
                Drained::Closed => break,
                Drained::More => {}
                Drained::Empty => tokio::time::sleep(COLLECT_EVERY).await,
            }
        }
    };
    end.run_until_cancelled(collect).await;
}

impl Environment {
    /// The runtime says that it can't start.
    pub(super) fn init_failed(&self, error: Bytes) {
        self.init().error = Some(error);
        // Most runtimes exit by themselves now; none may stay.
        if matches!(*self.phase(), Phase::Starting(_)) {
            self.kill();
        }
    }

    /// The start took too long.
    fn init_timed_out(&self) {
        let ready = {
            let mut phase = self.phase();
            if !matches!(*phase, Phase::Starting(_)) {
                return;
            }
            match std::mem::replace(&mut *phase, Phase::Dead) {
                Phase::Starting(ready) => ready,
                _ => None,
            }
        };
        self.kill();
        if let Some(ready) = ready {
            let _ = ready.send(Err(InitFailure::TimedOut));
        }
    }
}

/// Refuses what the system can't run by itself. Without this the C library would hand such a file to
/// the shell, as if it were a script.
fn check_bootstrap(path: &Path) -> io::Result<()> {
    let not_found = || io::Error::new(io::ErrorKind::NotFound, "no bootstrap");
    let mut file = File::open(path).map_err(|_| not_found())?;
    if !file.metadata()?.is_file() {
        return Err(not_found());
    }
    let mut head = [0; 20];
    let length = file.read(&mut head)?;
    let is_script = head.starts_with(b"#!");
    // The machine of an ELF file, of the byte order of all machines that Lambda has.
    let machine = u16::from_le_bytes([head[18], head[19]]);
    let is_program = length == head.len() && head.starts_with(b"\x7fELF") && machine == MACHINE;
    if is_script || is_program {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(nix::libc::ENOEXEC))
    }
}

/// The number of this machine's architecture in ELF files.
const MACHINE: u16 = if cfg!(target_arch = "aarch64") { 183 } else { 62 };

/// AWS's words for a `bootstrap` that the system refuses to run; none when the refusal is not about
/// the file.
fn entrypoint_message(error: &io::Error) -> Option<String> {
    if error.kind() == io::ErrorKind::NotFound && error.raw_os_error().is_none() {
        return Some(
            "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]".to_owned(),
        );
    }
    let reason = match error.raw_os_error()? {
        nix::libc::ENOENT => "no such file or directory",
        nix::libc::EACCES => "permission denied",
        nix::libc::ENOEXEC => "exec format error",
        nix::libc::EISDIR => "is a directory",
        nix::libc::ELIBBAD => "accessing a corrupted shared library",
        _ => return None,
    };
    Some(format!("fork/exec /var/task/bootstrap: {reason}"))
}

fn cannot_start(error: &io::Error) -> AwsError {
    AwsError::new(
        500,
        "ServiceException",
        format!("The local cloud could not start an execution environment: {error}"),
    )
}
