//! Starting and stopping the local cloud: one per directory, the same port, damage, the admin API.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use labdeck_cloud::lifecycle::{Options, StartError, run_until};
use support::Cloud;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_port_and_the_credentials_stay_and_nobody_else_may_read_them() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("deep/state");
    let cloud = Cloud::start(&state).await;
    let (endpoint, token) = (cloud.endpoint.clone(), cloud.admin_token.clone());
    let mode = |name: &str| state.join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(""), 0o700);
    assert_eq!(mode("cloud.json"), 0o600);
    assert_eq!(mode("credentials.json"), 0o600);
    cloud.stop().await;
    assert!(!state.join("cloud.running").exists());
    let cloud = Cloud::restart_with(Options::new(&state)).await;
    assert_eq!((&cloud.endpoint, &cloud.admin_token), (&endpoint, &token));
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_cloud_of_the_same_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = Cloud::start(dir.path()).await;
    let second = run_until(Options::new(dir.path()), CancellationToken::new()).await.unwrap_err();
    assert_eq!(second.exit_code(), 75);
    assert!(
        matches!(second, StartError::AlreadyRunning { pid: Some(pid), .. } if pid == std::process::id()),
        "{second:?}"
    );
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_port_is_replaced_unless_it_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = Cloud::start(dir.path()).await;
    let port: u16 = cloud.endpoint.rsplit(':').next().unwrap().parse().unwrap();
    let endpoint = cloud.endpoint.clone();
    cloud.stop().await;
    let taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let asked = Options { port: Some(port), ..Options::new(dir.path()) };
    let refused = run_until(asked, CancellationToken::new()).await.unwrap_err();
    assert!(matches!(refused, StartError::Port { port: p, .. } if p == port), "{refused:?}");
    let cloud = Cloud::restart_with(Options::new(dir.path())).await;
    assert_ne!(cloud.endpoint, endpoint);
    let (_, status) = cloud.admin("GET", "status", "").await;
    assert!(status["notices"][0].as_str().unwrap().contains("port"), "{status}");
    drop(taken);
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_files_are_moved_aside_and_told() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["cloud.db", "dynamodb.db", "logs.db", "credentials.json", "cloud.json"] {
        std::fs::write(dir.path().join(name), "neither a database nor JSON. ".repeat(99)).unwrap();
    }
    let cloud = Cloud::restart_with(Options::new(dir.path())).await;
    let (status, body) = cloud.admin("GET", "status", "").await;
    assert_eq!(status, 200);
    assert_eq!(body["notices"].as_array().unwrap().len(), 4, "{body}");
    let kept = std::fs::read_dir(dir.path()).unwrap().flatten();
    let kept = kept.filter(|e| e.file_name().to_string_lossy().contains(".damaged-"));
    assert_eq!(kept.count(), 4);
    cloud.stop().await;
}

#[tokio::test]
async fn a_directory_that_cannot_be_used_is_a_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = run_until(Options::new(file.join("state")), CancellationToken::new()).await;
    let error = error.unwrap_err();
    assert!(matches!(error, StartError::StateDir { .. }), "{error:?}");
    assert!(error.to_string().contains("--state-dir"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_attach_keep_the_cloud_from_stopping() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = Cloud::start(dir.path()).await;
    let address = cloud.endpoint.trim_start_matches("http://").to_owned();
    let attach = |token: String| {
        let address = address.clone();
        async move {
            let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
            let head = format!(
                "GET /_labdeck/attach HTTP/1.1\r\nHost: {address}\r\n\
                 Authorization: Bearer {token}\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut seen = Vec::new();
            let told = |seen: &[u8]| {
                let text = String::from_utf8_lossy(seen);
                text.contains("attached") || text.contains("admin token")
            };
            while !told(&seen) {
                let mut part = [0; 512];
                let read = stream.read(&mut part).await.unwrap();
                if read == 0 {
                    break;
                }
                seen.extend_from_slice(&part[..read]);
            }
            (stream, String::from_utf8_lossy(&seen).into_owned())
        }
    };
    assert!(attach("wrong".to_owned()).await.1.starts_with("HTTP/1.1 401"));
    let (mine, _) = attach(cloud.admin_token.clone()).await;
    let (mut other, _) = attach(cloud.admin_token.clone()).await;
    assert_eq!(cloud.admin("GET", "status", "").await.1["attached"], 2);
    let alone = r#"{"only_if_alone":true}"#;
    let (status, body) = cloud.admin("POST", "stop", alone).await;
    assert_eq!((status, &body["attached"]), (409, &2.into()));
    drop(mine);
    let waiting = Instant::now();
    while cloud.admin("GET", "status", "").await.1["attached"] != 1 {
        assert!(waiting.elapsed() < Duration::from_secs(5), "a client that left stays counted");
    }
    assert_eq!(cloud.admin("POST", "stop", alone).await.0, 409);
    assert_eq!(cloud.admin("POST", "stop", r#"{"only_if_alone":false}"#).await.0, 202);
    let mut rest = Vec::new();
    other.read_to_end(&mut rest).await.unwrap();
    cloud.ended().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_tables_are_set_read_and_cleared() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = Cloud::start(dir.path()).await;
    let path = "tables/visits/latency";
    assert_eq!(cloud.admin("GET", path, "").await.1["delay_ms"], 0);
    assert_eq!(cloud.admin("PUT", path, r#"{"delay_ms":150}"#).await.0, 204);
    assert_eq!(cloud.admin("GET", path, "").await.1["delay_ms"], 150);
    let tables = aws_sdk_dynamodb::Client::new(&cloud.config());
    let before = Instant::now();
    let _ = tables.describe_table().table_name("visits").send().await;
    assert!(before.elapsed() >= Duration::from_millis(150));
    assert_eq!(cloud.admin("PUT", path, r#"{"delay_ms":-1}"#).await.0, 400);
    assert_eq!(cloud.admin("DELETE", path, "").await.0, 204);
    assert_eq!(cloud.admin("GET", path, "").await.1["delay_ms"], 0);
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cloud_in_the_background_ends_when_nobody_uses_it() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        background: true,
        idle_exit: Duration::from_millis(50),
        ..Options::new(dir.path())
    };
    Cloud::start_with(options).await.ended().await;
}
