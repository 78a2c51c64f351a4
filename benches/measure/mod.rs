//! What the benches share: rows of numbers, quantiles, a bare HTTP/1.1 connection, memory.
#![allow(dead_code, missing_docs, clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

pub fn row(what: &str, measured: impl std::fmt::Display, asked: &str) {
    println!("{what:<60} {measured:>12} {asked:>12}");
}

pub fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

pub fn millis(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1000.0)
}

/// The `q` quantile of sorted times.
pub fn quantile(sorted: &[Duration], q: f64) -> Duration {
    sorted[((sorted.len() - 1) as f64 * q).round() as usize]
}

pub fn rss_mb(pid: i32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// One keep-alive connection that sends the same request again and again.
pub struct Connection {
    reader: BufReader<TcpStream>,
    request: Vec<u8>,
}

impl Connection {
    /// `url` is `http://HOST:PORT/…`, `headers` are lines that end with CR LF.
    pub fn open(method: &str, url: &str, headers: &str, body: &str) -> Self {
        let rest = url.strip_prefix("http://").unwrap();
        let (authority, path) = rest.split_once('/').unwrap();
        let stream = TcpStream::connect(authority).unwrap();
        stream.set_nodelay(true).unwrap();
        let length = match body.len() {
            0 => String::new(),
            length => format!("Content-Length: {length}\r\n"),
        };
        let request = format!(
            "{method} /{path} HTTP/1.1\r\nHost: {authority}\r\n{length}{headers}\r\n{body}"
        )
        .into_bytes();
        Self { reader: BufReader::new(stream), request }
    }

    /// Sends once; the status, how long the whole answer took, and its body.
    pub fn send(&mut self) -> (u16, Duration, Vec<u8>) {
        let start = Instant::now();
        self.reader.get_mut().write_all(&self.request).unwrap();
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        let (mut length, mut chunked) = (0, false);
        loop {
            line.clear();
            self.reader.read_line(&mut line).unwrap();
            if line == "\r\n" {
                break;
            }
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            chunked |= lower.starts_with("transfer-encoding:") && lower.contains("chunked");
        }
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body).unwrap();
        while chunked {
            line.clear();
            self.reader.read_line(&mut line).unwrap();
            let size = usize::from_str_radix(line.trim(), 16).unwrap();
            let at = body.len();
            body.resize(at + size + 2, 0);
            self.reader.read_exact(&mut body[at..]).unwrap();
            body.truncate(at + size);
            chunked = size > 0;
        }
        (status, start.elapsed(), body)
    }

    /// `count` times what is answered with 200, sorted.
    pub fn sample(&mut self, count: usize) -> Vec<Duration> {
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let (status, time, body) = self.send();
            assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
            times.push(time);
        }
        times.sort();
        times
    }
}

/// Requests per second with each of the connections sending `each` times.
pub fn rate(connections: Vec<Connection>, each: usize) -> f64 {
    let total = connections.len() * each;
    let start = Instant::now();
    let workers: Vec<_> = connections
        .into_iter()
        .map(|mut connection| {
            std::thread::spawn(move || {
                for _ in 0..each {
                    let (status, _, body) = connection.send();
                    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
    total as f64 / start.elapsed().as_secs_f64()
}
