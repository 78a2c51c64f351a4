//! Bursts against a small server on loopback.
#![allow(clippy::unwrap_used)]

use std::convert::Infallible;
use std::sync::Mutex;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use std::collections::BTreeMap;

use labdeck_aws::FailureKind;

use super::super::exchange::OutgoingRequest;
use super::super::wire::Prepared;
use super::*;

/// Answers every third request with 503, and drops the connection after `per_connection` answers.
async fn serve(per_connection: u64) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/greet", listener.local_addr().unwrap());
    let seen = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let counter = Arc::clone(&counter);
            let served = Arc::new(AtomicU64::new(0));
            let service = service_fn(move |_: Request<Incoming>| {
                let number = counter.fetch_add(1, Ordering::Relaxed);
                let last = served.fetch_add(1, Ordering::Relaxed) + 1 >= per_connection;
                async move {
                    let mut response = Response::new(Full::new(Bytes::from_static(b"{}")));
                    if number % 3 == 2 {
                        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                    }
                    if last {
                        let close = http::HeaderValue::from_static("close");
                        response.headers_mut().insert(http::header::CONNECTION, close);
                    }
                    Ok::<_, Infallible>(response)
                }
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    (url, seen)
}

fn request(url: &str) -> OutgoingRequest {
    let (method, url) = ("GET".to_owned(), url.to_owned());
    OutgoingRequest { method, url, ..OutgoingRequest::default() }
}

async fn run(
    url: &str,
    load: Load,
    reporter: &Reporter,
    cancel: &CancellationToken,
) -> Result<BurstSummary> {
    let request = request(url);
    let sender = Sender::http(Prepared::new(&request)?, url);
    super::run("hello", sender, Counter::of(&request), &load, reporter, cancel).await
}

#[tokio::test]
async fn every_request_is_sent_once_and_counted() {
    let (url, seen) = serve(7).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&told);
    let reporter = Reporter::new(move |event| sink.lock().unwrap().push(event));
    let cancel = CancellationToken::new();
    let done = run(&url, Load::times(300, 8), &reporter, &cancel).await.unwrap();
    assert_eq!(seen.load(Ordering::Relaxed), 300);
    assert_eq!((done.answered, done.failed), (300, 0));
    assert_eq!(done.statuses, BTreeMap::from([(200, 200), (503, 100)]));
    assert!(done.p50_ms > 0.0 && done.p50_ms <= done.p99_ms && done.p99_ms <= done.max_ms * 1.02);
    assert_eq!(done.stopped, None);
    let last = told.lock().unwrap().last().cloned();
    let Some(Progress::Burst(last)) = last else { panic!("{last:?}") };
    assert_eq!((last.share, last.so_far.answered), (1.0, 300));
    assert_eq!(done.histogram.iter().map(|bucket| bucket.count).sum::<u64>(), 300);
}

#[tokio::test]
async fn nobody_there_ends_early_and_says_so() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{free}/");
    let cancel = CancellationToken::new();
    let silent = Reporter::silent();
    let done = run(&url, Load::times(1_000_000, 64), &silent, &cancel).await.unwrap();
    assert_eq!(done.answered, 0);
    assert!(done.failed < 1_000, "{}", done.failed);
    assert_eq!(done.errors[0].0, "connection refused");
    assert!(done.stopped.unwrap().contains("in a row got no answer"));
}

#[tokio::test]
async fn a_cancelled_burst_tells_what_it_did() {
    let (url, seen) = serve(u64::MAX).await;
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    tokio::spawn(async move {
        while seen.load(Ordering::Relaxed) < 100 {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    });
    let silent = Reporter::silent();
    let done = run(&url, Load::times(1_000_000, 4), &silent, &cancel).await.unwrap();
    assert!(done.answered >= 90 && done.answered < 1_000_000);
    assert_eq!(done.stopped.as_deref(), Some("cancelled"));
}

#[tokio::test]
async fn bounds_are_checked_before_anything_is_sent() {
    for (count, at_once) in [(0, 1), (1_000_001, 1), (1, 0), (1, 1_025)] {
        let cancel = CancellationToken::new();
        let load = Load::times(count, at_once);
        let refused = run("http://127.0.0.1:1/", load, &Reporter::silent(), &cancel).await;
        assert_eq!(refused.unwrap_err().kind, FailureKind::Invalid, "{count} {at_once}");
    }
}

#[tokio::test]
async fn a_rate_and_a_time_are_kept() {
    let (url, seen) = serve(u64::MAX).await;
    let cancel = CancellationToken::new();
    let lasts = Duration::from_millis(400);
    let load = Load { count: None, lasts: Some(lasts), rate: Some(100.0), at_once: 4 };
    let done = run(&url, load, &Reporter::silent(), &cancel).await.unwrap();
    // Those due at 0, 10, 20 … 390 ms: all, however late the machine runs them, or fewer.
    assert!((1..=40).contains(&done.answered), "{}", done.answered);
    assert_eq!(done.answered, seen.load(Ordering::Relaxed));
    assert!(done.seconds >= 0.39, "{}", done.seconds);
    assert_eq!(done.stopped, None);
}

#[tokio::test]
async fn what_nobody_was_free_for_counts_from_when_it_was_due() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = service_fn(|_: Request<Incoming>| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
        });
        let http = hyper::server::conn::http1::Builder::new();
        let _ = http.serve_connection(TokioIo::new(stream), service).await;
    });
    // One at a time, 20 ms each, but due every millisecond: the tenth waits for nine others.
    let load = Load { count: Some(10), lasts: None, rate: Some(1000.0), at_once: 1 };
    let done = run(&url, load, &Reporter::silent(), &CancellationToken::new()).await.unwrap();
    assert!(done.max_ms >= 180.0, "{}", done.max_ms);
}
