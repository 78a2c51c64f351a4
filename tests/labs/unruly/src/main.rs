//! A Lambda function that misbehaves on request, speaking the Runtime API by hand.
//!
//! The last segment of the request's path says how: `ok`, `panic`, `exit`, `hang`, `junk`,
//! `not-proxy`, `not-json`, `big`, `escape`, `extra-key`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

fn main() {
    let authority = std::env::var("AWS_LAMBDA_RUNTIME_API").expect("run by Lambda");
    loop {
        let (headers, event) = call(&authority, "GET", "/2018-06-01/runtime/invocation/next", b"");
        let id = headers
            .iter()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("lambda-runtime-aws-request-id:").map(str::to_owned))
            .expect("a request id");
        let event = String::from_utf8_lossy(&event).into_owned();
        let answer = answer(behaviour(&event));
        call(&authority, "POST", &format!("/2018-06-01/runtime/invocation/{}/response", id.trim()), &answer);
    }
}

/// The last segment of the event's `path`.
fn behaviour(event: &str) -> &str {
    event
        .split("\"path\":\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .and_then(|path| path.rsplit('/').next())
        .unwrap_or("ok")
}

fn answer(behaviour: &str) -> Vec<u8> {
    match behaviour {
        "panic" => panic!("the handler panicked on purpose"),
        "exit" => std::process::exit(3),
        "hang" => loop {
            std::thread::park();
        },
        "junk" => {
            std::io::stdout().write_all(b"\x00\xff\xfe binary \x80\x81 junk\n").expect("stdout");
            proxy("{\\\"said\\\":\\\"junk\\\"}")
        }
        "escape" => {
            println!("\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[0m \u{202e}reversed\u{202c} visible-text");
            proxy("{\\\"said\\\":\\\"escape\\\"}")
        }
        "not-proxy" => b"\"just a string\"".to_vec(),
        "extra-key" => b"{\"statusCode\":200,\"surprise\":true}".to_vec(),
        "not-json" => b"<html>no json</html>".to_vec(),
        "big" => proxy(&"x".repeat(10 * 1024 * 1024)),
        _ => proxy("{\\\"said\\\":\\\"ok\\\"}"),
    }
}

fn proxy(body: &str) -> Vec<u8> {
    format!("{{\"statusCode\":200,\"headers\":{{\"Content-Type\":\"application/json\"}},\"body\":\"{body}\"}}").into_bytes()
}

fn call(authority: &str, method: &str, path: &str, body: &[u8]) -> (Vec<String>, Vec<u8>) {
    let mut stream = TcpStream::connect(authority).expect("the Runtime API");
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {authority}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )
    .expect("send");
    // The service may refuse a body that is too large before it has read all of it.
    let _ = stream.write_all(body);
    let mut reader = BufReader::new(stream);
    let mut headers = Vec::new();
    let mut length = None;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse::<usize>().ok();
        }
        headers.push(line.trim_end().to_owned());
    }
    let mut body = Vec::new();
    match length {
        Some(length) => {
            body.resize(length, 0);
            let _ = reader.read_exact(&mut body);
        }
        None => {
            let _ = reader.read_to_end(&mut body);
        }
    }
    (headers, body)
}
