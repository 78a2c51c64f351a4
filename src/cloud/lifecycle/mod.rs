//! Starting, running and stopping the local cloud of a state directory.

mod damage;
mod error;
mod files;
mod lock;
mod upkeep;
pub mod usage;

use std::io::{IsTerminal as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

pub use error::StartError;

use crate::admin::Admin;
use crate::core::Core;
use crate::iam::OperatorPolicy;
use crate::obstacles::{Obstacles, Timing};
use crate::server::{Activity, Gate, Server, serve};
use crate::services::Services;
use crate::store::Store;
use files::{CloudFile, Credentials};
use lock::Lock;

/// Version of the program, told in `cloud.json` and in the status.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Bytes that the state may use unless said otherwise.
pub const DEFAULT_SIZE_CAP: u64 = 1024 * 1024 * 1024;
/// How long a cloud in the background stays without work.
const IDLE_EXIT: Duration = Duration::from_mins(10);
/// The SQLite files of a state directory, each with the newest layout known here.
const DATABASES: [(&str, u32); 4] = [
    ("cloud.db", crate::store::LAYOUT),
    ("dynamodb.db", crate::layout::DYNAMODB),
    ("logs.db", crate::logs::LAYOUT),
    ("metrics.db", crate::metrics::LAYOUT),
];
/// Threads for what blocks: the store, the tables, files.
const BLOCKING_THREADS: usize = 32;
/// How long the end of the execution environments may take.
const ENDING: Duration = Duration::from_secs(5);

/// How to run the local cloud.
#[derive(Debug, Clone)]
pub struct Options {
    /// The state directory; made when it is not there.
    pub state_dir: PathBuf,
    /// The port to listen on. `None`: the last one when it is free, else any.
    pub port: Option<u16>,
    /// Take any credentials, and none.
    pub any_credentials: bool,
    /// Run for others: quiet, end when idle, and survive the end of the terminal.
    pub background: bool,
    /// Bytes that the state may use; the oldest logs go first.
    pub size_cap_bytes: u64,
    /// How long a cloud in the background stays without work.
    pub idle_exit: Duration,
    /// The pause before the first retry of a failed asynchronous invocation. `None`: AWS's minute.
    pub async_retry_delay: Option<Duration>,
    /// AWS's rates, and its delays of new roles and functions.
    pub aws_limits: bool,
    /// Executions of functions at once that the account may have. `None`: AWS's 1,000; new accounts
    /// have 10.
    pub concurrent_executions: Option<u32>,
    /// The round trip that is added to every call from outside.
    pub rtt: Duration,
    /// A policy that holds for the operator's own calls.
    pub operator_policy: Option<PathBuf>,
}

impl Options {
    /// The usual options for a state directory.
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        Self {
            state_dir: state_dir.into(),
            port: None,
            any_credentials: false,
            background: false,
            size_cap_bytes: DEFAULT_SIZE_CAP,
            idle_exit: IDLE_EXIT,
            async_retry_delay: None,
            aws_limits: false,
            concurrent_executions: None,
            rtt: Duration::ZERO,
            operator_policy: None,
        }
    }
}

/// Runs the local cloud until a signal, the admin API or idleness ends it.
///
/// Blocks. Prints `ready http://127.0.0.1:PORT` as its first line on stdout.
pub fn run(options: Options) -> Result<(), StartError> {
    log_to_stderr(options.background);
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("cloud")
        .enable_all()
        .build()
        .map_err(|source| StartError::Io { doing: "starting threads".to_owned(), source })?;
    let result = runtime.block_on(run_until_held(options, CancellationToken::new()));
    // Everything acknowledged is written; what still blocks (a reader of a pipe) is not waited for.
    runtime.shutdown_background();
    // Released by the system when the process is gone: until then its files are open, and whoever
    // waits for the lock may touch them afterwards.
    result.map(std::mem::forget)
}

/// As [`run`], inside a runtime of the caller's; ends as well when `stopping` is cancelled.
pub async fn run_until(options: Options, stopping: CancellationToken) -> Result<(), StartError> {
    run_until_held(options, stopping).await.map(drop)
}

/// Runs until told to end; answers the lock of the state directory, still held.
async fn run_until_held(options: Options, stopping: CancellationToken) -> Result<Lock, StartError> {
    // Before anybody can know of it, so that no signal finds it unprepared.
    let signals = Signals::listen();
    let started = start(&options, stopping.clone()).await?;
    announce(&options, &started.server);
    let listening = tokio::spawn(serve(started.listener, Arc::clone(&started.server)));
    let upkeep = tokio::spawn(upkeep::run(Arc::clone(&started.server), options.size_cap_bytes));
    let idle = tokio::spawn(upkeep::end_when_idle(
        Arc::clone(&started.server),
        options.background.then_some(options.idle_exit),
    ));
    signals.wait_for_end(&stopping, options.background).await;
    idle.abort();
    upkeep.abort();
    if listening.await.is_err() {
        tracing::error!("the listener ended early");
    }
    if tokio::time::timeout(ENDING, started.server.services.shutdown()).await.is_err() {
        tracing::warn!("stopping before every execution environment has ended");
    }
    let state_dir = &started.server.services.core.state_dir;
    for path in DATABASES.map(|(name, _)| state_dir.join(name)) {
        if let Err(error) = damage::settle(&path) {
            tracing::warn!("{} could not be settled: {error}", path.display());
        }
    }
    started.marker.stopped_cleanly();
    tracing::info!("stopped");
    Ok(started.lock)
}

struct Started {
    server: Arc<Server>,
    listener: TcpListener,
    marker: files::RunMarker,
    lock: Lock,
}

async fn start(options: &Options, stopping: CancellationToken) -> Result<Started, StartError> {
    // Before anything is touched: a broken file refuses the start.
    let policy = options.operator_policy.as_deref().map(OperatorPolicy::read).transpose()?;
    refuse_newer(&options.state_dir)?;
    let state_dir = files::make_state_dir(&options.state_dir)?;
    let lock = Lock::take(&state_dir)?;
    let mut notices = Vec::new();
    let (marker, was_clean) = files::RunMarker::set(&state_dir)?;
    let credentials = Credentials::load_or_make(&state_dir, &mut notices)?;
    for (name, _) in DATABASES {
        damage::set_aside_if_damaged(&state_dir.join(name), !was_clean, &mut notices)?;
    }
    let last = CloudFile::read(&state_dir);
    let listener = bind(options.port, last.map(|file| file.port), &state_dir, &mut notices).await?;
    let timing = if options.aws_limits { Timing::AWS } else { Timing::LOCAL };
    let core = Core::with_timing(&state_dir, Store::open(&state_dir.join("cloud.db"))?, timing);
    let address = listener.local_addr().map_err(|source| StartError::Io {
        doing: "reading the port of the listener".to_owned(),
        source,
    })?;
    let endpoint = format!("http://{address}");
    let _ = core.endpoint.set(endpoint.clone());
    if let Some(delay) = options.async_retry_delay {
        let _ = core.async_retry_delay.set(delay);
    }
    if let Some(limit) = options.concurrent_executions {
        let _ = core.concurrent_executions.set(limit);
    }
    let services = Services::open(&core)?;
    if let Some(policy) = policy {
        notices.extend(policy.undecidable().iter().map(|key| {
            format!(
                "the operator's policy has a condition on {key}, which can't be decided here: an \
                 Allow with it never allows, a Deny with it always denies"
            )
        }));
        services.iam.restrict_operator(policy);
    }
    let started_ms = core.now_millis();
    for notice in &notices {
        tracing::warn!("{notice}");
    }
    let server = Arc::new(Server {
        services,
        gate: Gate {
            access_key_id: credentials.access_key_id,
            secret_access_key: credentials.secret_access_key,
            any_credentials: options.any_credentials,
        },
        admin: Admin {
            token: credentials.admin_token,
            version: VERSION,
            started_ms,
            state_cap_bytes: options.size_cap_bytes,
            operator_policy: options.operator_policy.clone(),
            notices,
        },
        obstacles: Obstacles::new(options.rtt, options.aws_limits),
        activity: Activity::new(),
        stopping,
    });
    CloudFile {
        version: VERSION.to_owned(),
        pid: std::process::id(),
        port: address.port(),
        endpoint,
        started_ms,
    }
    .write(&state_dir)?;
    Ok(Started { server, listener, marker, lock })
}

/// Refuses a state that a newer version wrote, before anything of it is touched.
fn refuse_newer(state_dir: &Path) -> Result<(), StartError> {
    for (name, known) in DATABASES {
        let path = state_dir.join(name);
        let found = crate::layout::peek(&path)
            .map_err(|source| StartError::StateDir { dir: state_dir.to_owned(), source })?;
        if found > known {
            return Err(StartError::Newer { path, found: found.into(), known: known.into() });
        }
    }
    Ok(())
}

/// Binds the port asked for, or the last one, or one that fits the state directory, or any.
async fn bind(
    asked: Option<u16>,
    last: Option<u16>,
    state_dir: &Path,
    notices: &mut Vec<String>,
) -> Result<TcpListener, StartError> {
    let listen = |port| TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    if let Some(port) = asked {
        return listen(port).await.map_err(|source| StartError::Port { port, source });
    }
    if let Some(port) = last {
        match listen(port).await {
            Ok(listener) => return Ok(listener),
            Err(error) => notices.push(format!(
                "port {port}, used before, could not be taken ({error}): another was chosen, and \
                 URLs that were printed before do not work any more"
            )),
        }
    }
    // Below the ports that the system hands out to outgoing connections, and the same again for
    // the same directory, so that it is likely to be free at the next start.
    let path = state_dir.as_os_str().as_encoded_bytes();
    let first = 14_000 + (crc32fast::hash(path) % 10_000) as u16;
    for port in first..first + 20 {
        if let Ok(listener) = listen(port).await {
            return Ok(listener);
        }
    }
    listen(0).await.map_err(|source| StartError::Port { port: 0, source })
}

fn announce(options: &Options, server: &Server) {
    let endpoint = server.services.core.endpoint();
    let state_dir = server.services.core.state_dir.display();
    let mut lines = vec![format!("ready {endpoint}")];
    if !options.background {
        lines.push(format!("state directory   {state_dir}"));
        lines.push(format!("credentials       {state_dir}/credentials.json"));
        if options.any_credentials {
            let text = "warning: --any-credentials: every request is taken, whoever signed it";
            lines.push(text.to_owned());
        }
        if options.aws_limits {
            let text = "limits            AWS's rates hold, and roles and functions take seconds";
            lines.push(text.to_owned());
        }
        if let Some(limit) = options.concurrent_executions {
            lines.push(format!("concurrency       {limit} executions at once"));
        }
        if !options.rtt.is_zero() {
            lines.push(format!("round trip        {} ms more", options.rtt.as_millis()));
        }
        if let Some(file) = &options.operator_policy {
            lines.push(format!("operator          may do what {} allows", file.display()));
        }
        lines.extend(server.admin.notices.iter().map(|notice| format!("note: {notice}")));
        lines.push("Ctrl-C stops it; what it holds stays.".to_owned());
    }
    let text = lines.join("\n") + "\n";
    // Whoever started it may not read on: a closed pipe is no reason to end.
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    tracing::info!(endpoint, version = VERSION, "ready");
}

/// The signals that end the cloud.
struct Signals {
    terminate: Option<Signal>,
    interrupt: Option<Signal>,
    hangup: Option<Signal>,
}

impl Signals {
    fn listen() -> Self {
        let listen = |kind: SignalKind| match signal(kind) {
            Ok(signal) => Some(signal),
            Err(error) => {
                tracing::warn!("a signal can't be listened to: {error}");
                None
            }
        };
        Self {
            terminate: listen(SignalKind::terminate()),
            interrupt: listen(SignalKind::interrupt()),
            hangup: listen(SignalKind::hangup()),
        }
    }

    /// Waits for a signal or for `stopping`, then cancels `stopping`.
    async fn wait_for_end(mut self, stopping: &CancellationToken, background: bool) {
        let what = loop {
            tokio::select! {
                () = stopping.cancelled() => break "asked to",
                () = told(&mut self.terminate) => break "terminated",
                () = told(&mut self.interrupt) => break "interrupted",
                // In the background, the terminal it was started from may go: those who use it
                // are still there.
                () = told(&mut self.hangup) => if !background { break "its terminal is gone" },
            }
        };
        tracing::info!("stopping: {what}");
        stopping.cancel();
    }
}

async fn told(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// The cloud's own log; in the background stderr is `cloud.log`. `LABDECK_LOG` sets what it tells.
fn log_to_stderr(background: bool) {
    let usual = if background { "info" } else { "warn" };
    let filter = tracing_subscriber::EnvFilter::try_from_env("LABDECK_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(usual));
    // Where somebody has set up logging already, theirs stays.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(!background && std::io::stderr().is_terminal())
        .try_init();
}

/// Many connections and execution environments need many file descriptors.
fn raise_file_limit() {
    let wanted = |hard: u64| hard.min(65_536);
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < wanted(hard)
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, wanted(hard), hard)
    {
        tracing::debug!("the limit of open files stays at {soft}: {error}");
    }
}
