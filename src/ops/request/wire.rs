//! One HTTP/1.1 connection to an API: opened, measured, used for one request after the other.
//!
//! The connection is driven by the task that uses it, so that a request costs no hand-over between
//! threads and every phase is measured where it happens.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use labdeck_aws::{Failure, FailureKind, Result};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::exchange::OutgoingRequest;

/// How long opening a connection may take, name lookup and TLS included.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Headers that belong to the connection and can't be given by hand.
pub(super) const OWN_HEADERS: [&str; 5] =
    ["content-length", "transfer-encoding", "connection", "upgrade", "expect"];

/// A request that was checked and can be sent any number of times.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    method: Method,
    target: Uri,
    headers: HeaderMap,
    body: Bytes,
    host: String,
    port: u16,
    tls: bool,
}

impl Prepared {
    /// Checks every part of `request`.
    ///
    /// # Errors
    /// Invalid, naming the part and the reason.
    pub(super) fn new(request: &OutgoingRequest) -> Result<Self> {
        let what = format!("preparing {} {}", request.method, request.url);
        let bad = |why: String| Failure::new(FailureKind::Invalid, &what, why);
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| bad(format!("{:?} is not an HTTP method", request.method)))?;
        if method == Method::CONNECT {
            return Err(bad("CONNECT is for proxies, not for APIs".to_owned()));
        }
        let uri: Uri =
            request.url.parse().map_err(|error| bad(format!("the URL is not valid: {error}")))?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(bad("the URL must begin with http:// or https://".to_owned())),
        };
        let Some(authority) = uri.authority().filter(|a| !a.host().is_empty()) else {
            return Err(bad("the URL names no host".to_owned()));
        };
        if authority.as_str().contains('@') {
            return Err(bad("a URL with a user name in it is not sent".to_owned()));
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let target = path.parse().map_err(|_| bad(format!("{path:?} is not a valid path")))?;
        let body = Bytes::from(request.body.clone().unwrap_or_default());
        let headers = headers(request, authority.as_str()).map_err(bad)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Self { method, target, headers, body, host, port, tls })
    }

    /// The request as it goes out.
    pub(super) fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.target.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

fn headers(request: &OutgoingRequest, authority: &str) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::with_capacity(request.headers.len() + 3);
    for (name, value) in &request.headers {
        let known = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("{name:?} is not a header name"))?;
        if OWN_HEADERS.contains(&known.as_str()) {
            return Err(format!("header {name} is set by the connection itself"));
        }
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| format!("the value of header {name} holds a control character"))?;
        headers.append(known, value);
    }
    if let Some(key) = &request.key {
        let mut value = HeaderValue::from_str(key.reveal())
            .map_err(|_| "the key's value holds a control character".to_owned())?;
        value.set_sensitive(true);
        // A key that a person wrote into the headers comes first.
        headers.entry("x-api-key").or_insert(value);
    }
    let mut preset = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.entry(name).or_insert(value);
        }
    };
    preset(http::header::HOST, authority);
    preset(http::header::USER_AGENT, concat!("labdeck/", env!("CARGO_PKG_VERSION")));
    preset(http::header::ACCEPT, "*/*");
    Ok(headers)
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

type Driver = http1::Connection<TokioIo<Box<dyn Io>>, Full<Bytes>>;

/// An open connection.
pub(super) struct Link {
    sender: SendRequest<Full<Bytes>>,
    driver: Pin<Box<Driver>>,
    ended: bool,
}

/// Why a request got no answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub(super) enum WireError {
    /// Nobody listens at the address.
    #[error("connection refused")]
    Refused,
    /// The connection could not be opened.
    #[error("{0}")]
    Connect(String),
    /// The connection broke, or the answer was not HTTP.
    #[error("{0}")]
    Broken(String),
    /// No answer in time.
    #[error("no answer within {0} s")]
    Timeout(u64),
}

impl Link {
    /// Opens a connection: name lookup, TCP, and TLS where the URL asks for it.
    pub(super) async fn open(to: &Prepared) -> Result<Self, WireError> {
        match tokio::time::timeout(CONNECT_WITHIN, Self::connect(to)).await {
            Ok(opened) => opened,
            Err(_) => Err(WireError::Connect(format!(
                "no connection to {}:{} within {} s",
                to.host,
                to.port,
                CONNECT_WITHIN.as_secs()
            ))),
        }
    }

    async fn connect(to: &Prepared) -> Result<Self, WireError> {
        let tcp =
            TcpStream::connect((to.host.as_str(), to.port)).await.map_err(|error| {
                match error.kind() {
                    std::io::ErrorKind::ConnectionRefused => WireError::Refused,
                    _ => WireError::Connect(format!("no connection to {}: {error}", to.host)),
                }
            })?;
        // Requests are small and wait for their answer: never held back for more bytes.
        tcp.set_nodelay(true).map_err(|error| WireError::Connect(error.to_string()))?;
        let io: Box<dyn Io> =
            if to.tls { Box::new(secured(to, tcp).await?) } else { Box::new(tcp) };
        let (sender, driver) =
            http1::handshake(TokioIo::new(io)).await.map_err(|error| broken(&error))?;
        Ok(Self { sender, driver: Box::pin(driver), ended: false })
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, WireError> {
        let answer = self.sender.send_request(request);
        drive(&mut self.driver, &mut self.ended, answer).await.map_err(|error| broken(&error))
    }

    /// Runs `work` on the connection's answer, such as reading a body.
    pub(super) async fn while_driving<F: Future>(&mut self, work: F) -> F::Output {
        drive(&mut self.driver, &mut self.ended, work).await
    }

    /// Waits until another request can be sent; `false` when the connection has ended.
    pub(super) async fn reusable(&mut self) -> bool {
        if self.ended {
            return false;
        }
        let ready = self.sender.ready();
        drive(&mut self.driver, &mut self.ended, ready).await.is_ok()
    }
}

/// Polls `work`, and the connection that it waits for, in one task.
async fn drive<F: Future>(driver: &mut Pin<Box<Driver>>, ended: &mut bool, work: F) -> F::Output {
    let mut work = std::pin::pin!(work);
    std::future::poll_fn(|context| {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(done);
        }
        if *ended || driver.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        // The connection has ended and told `work` so.
        *ended = true;
        work.as_mut().poll(context)
    })
    .await
}

async fn secured(to: &Prepared, tcp: TcpStream) -> Result<impl Io + use<>, WireError> {
    let failed =
        |error: String| WireError::Connect(format!("TLS with {} failed: {error}", to.host));
    let name = ServerName::try_from(to.host.clone()).map_err(|error| failed(error.to_string()))?;
    let connector = TlsConnector::from(tls().map_err(failed)?);
    connector.connect(name, tcp).await.map_err(|error| failed(error.to_string()))
}

/// TLS with the system's certificates and ring's cryptography, set up once.
fn tls() -> Result<Arc<ClientConfig>, String> {
    use rustls_platform_verifier::BuilderVerifierExt;

    static TLS: OnceLock<Result<Arc<ClientConfig>, String>> = OnceLock::new();
    TLS.get_or_init(|| {
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(BuilderVerifierExt::with_platform_verifier)
            .map_err(|error| error.to_string())?;
        Ok(Arc::new(config.with_no_client_auth()))
    })
    .clone()
}

/// The innermost cause is the one that says something.
pub(super) fn broken(error: &hyper::Error) -> WireError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let inner = cause.to_string();
    let outer = error.to_string();
    WireError::Broken(if outer.contains(&inner) { outer } else { format!("{outer}: {inner}") })
}
