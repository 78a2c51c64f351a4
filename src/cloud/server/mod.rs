//! The listener of the local cloud: one HTTP/1.1 port on 127.0.0.1 for all services.

mod activity;
mod authenticate;
mod body;
mod execute;
mod origin;
mod route;
mod sigv4;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub use activity::{Activity, Busy};
pub use authenticate::{Gate, same};
pub use body::read as read_body;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::Admin;
use crate::obstacles::{Lost, Obstacles};
use crate::services::Services;

/// Connections open at once; more wait in the listener's queue.
const CONNECTIONS: usize = 2048;
/// How long a connection may take for a request's head or stay unused. Above the 90 s for which
/// the clients of the SDKs keep idle connections, so that it is they who close them.
const HEAD: Duration = Duration::from_mins(2);
/// How long running requests may take once the cloud stops.
const DRAIN: Duration = Duration::from_secs(2);

/// Everything a connection needs.
#[derive(Debug)]
pub struct Server {
    /// The services.
    pub services: Services,
    /// Credentials that are taken.
    pub gate: Gate,
    /// The admin API.
    pub admin: Admin,
    /// What stands between calls and their services.
    pub obstacles: Obstacles,
    /// What goes on.
    pub activity: Arc<Activity>,
    /// Cancelled when the cloud stops.
    pub stopping: CancellationToken,
}

/// An answer is lost on purpose.
#[derive(Debug, thiserror::Error)]
#[error("the answer is lost on purpose")]
struct AnswerLost;

/// Reads everything that the listener reads of a request before a service sees it: the entrance for
/// fuzzing. Says whether the request is for a deployed API, or signed with `secret`.
#[doc(hidden)]
pub fn read_head(request: &crate::wire::ApiRequest, secret: &str) -> (bool, bool) {
    let host = origin::classify(request.header("host").unwrap_or(""));
    let executes = execute::target(&host, &request.path).is_some();
    let local = origin::origin_is_local(&request.headers);
    let signed = sigv4::Signed {
        method: &request.method,
        path: &request.path,
        query: &request.query,
        headers: &request.headers,
        body: &request.body,
    };
    let now = time::OffsetDateTime::now_utc();
    let authorization = authenticate::authorization(&request.headers);
    let is_signed = matches!(authorization, Some(Ok(a)) if a.verify(secret, &signed, now).is_ok());
    (executes, local && is_signed)
}

/// Serves until the cloud stops; running requests get a moment to end.
pub async fn serve(listener: TcpListener, server: Arc<Server>) {
    let connections = TaskTracker::new();
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = server.stopping.cancelled() => break,
            accepted = accept(&listener, &free) => accepted,
        };
        let (stream, client, permit) = accepted;
        let server = Arc::clone(&server);
        connections.spawn(async move {
            connection(stream, client, server).await;
            drop(permit);
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
        tracing::info!(open = connections.len(), "stopping with connections still open");
    }
}

async fn accept(
    listener: &TcpListener,
    free: &Arc<Semaphore>,
) -> (TcpStream, IpAddr, Option<tokio::sync::OwnedSemaphorePermit>) {
    let permit = Arc::clone(free).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, client)) => return (stream, client.ip(), permit),
            Err(error) => {
                // Out of file descriptors, or a connection that ended in the queue.
                tracing::warn!("a connection could not be accepted: {error}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, client: IpAddr, server: Arc<Server>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("a connection keeps its delay: {error}");
    }
    let stopping = server.stopping.clone();
    let service = service_fn(move |request| {
        let server = Arc::clone(&server);
        async move {
            let answer = route::answer(server, client, request).await;
            // An error of the service closes the connection without an answer.
            if answer.extensions().get::<Lost>().is_some() { Err(AnswerLost) } else { Ok(answer) }
        }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(256 * 1024);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(DRAIN, connection.as_mut()).await {
                Ok(result) => result,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = result {
        tracing::debug!("a connection ended early: {error}");
    }
}
