//! A function for tests: speaks the Runtime API with nothing but the standard library, and does what
//! its events and its environment tell it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, exit};
use std::time::Duration;

struct Api {
    host: String,
    stream: BufReader<TcpStream>,
}

impl Api {
    fn connect() -> Self {
        let host = std::env::var("AWS_LAMBDA_RUNTIME_API").unwrap();
        let stream = TcpStream::connect(&host).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { host, stream: BufReader::new(stream) }
    }

    fn call(&mut self, method: &str, path: &str, body: &[u8]) -> (u16, Vec<(String, String)>, Vec<u8>) {
        let mut request = format!(
            "{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n\r\n",
            self.host,
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        let stream = self.stream.get_mut();
        // A body that is refused half way still gets an answer.
        let _ = stream.write_all(&request);
        let mut line = String::new();
        if self.stream.read_line(&mut line).unwrap_or(0) == 0 {
            exit(99);
        }
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = Vec::new();
        loop {
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.push((name.to_lowercase(), value.to_owned()));
        }
        let length =
            headers.iter().find(|(n, _)| n == "content-length").map_or(0, |(_, v)| v.parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        (status, headers, body)
    }
}

/// Names the messages of a batch that have poison in them.
fn failures(event: &str) -> String {
    let ids: Vec<String> = event
        .split("\"messageId\":\"")
        .skip(1)
        .filter(|record| record.contains("poison"))
        .filter_map(|record| record.split('"').next())
        .map(|id| format!(r#"{{"itemIdentifier":"{id}"}}"#))
        .collect();
    format!(r#"{{"batchItemFailures":[{}]}}"#, ids.join(","))
}

fn main() {
    match std::env::var("ON_START").as_deref() {
        Ok("exit") => {
            println!("cannot start");
            exit(3)
        }
        Ok("error") => {
            let error = br#"{"errorType":"Config.Missing","errorMessage":"no table"}"#;
            Api::connect().call("POST", "init/error", error);
            exit(1)
        }
        Ok("hang") => std::thread::sleep(Duration::from_secs(3600)),
        _ => println!("started"),
    }
    let mut api = Api::connect();
    let mut served = 0;
    loop {
        let (status, headers, event) = api.call("GET", "invocation/next", b"");
        assert_eq!(status, 200);
        served += 1;
        let header = |name: &str| {
            headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()).unwrap_or_default()
        };
        let id = header("lambda-runtime-aws-request-id");
        let event = String::from_utf8_lossy(&event).into_owned();
        let asked = |what: &str| event.contains(&format!("\"{what}\""));
        let mut answer = event.clone().into_bytes();
        if asked("about") {
            let variable = |name: &str| std::env::var(name).unwrap_or_default();
            answer = format!(
                r#"{{"pid":{},"served":{served},"arn":"{}","deadline":{},"trace":"{}","version":"{}","key":"{}","color":"{}","endpoint":"{}","root":"{}","init":"{}"}}"#,
                std::process::id(),
                header("lambda-runtime-invoked-function-arn"),
                header("lambda-runtime-deadline-ms"),
                header("lambda-runtime-trace-id"),
                variable("AWS_LAMBDA_FUNCTION_VERSION"),
                variable("AWS_ACCESS_KEY_ID"),
                variable("COLOR"),
                variable("AWS_ENDPOINT_URL"),
                variable("LAMBDA_TASK_ROOT"),
                variable("AWS_LAMBDA_INITIALIZATION_TYPE"),
            )
            .into_bytes();
        }
        if let Ok(mode) = std::env::var("BATCH") {
            // The event as it came, for those who read the log.
            println!("EVENT {event}");
            if mode == "report" {
                answer = failures(&event).into_bytes();
            } else if event.contains("poison") {
                let error = br#"{"errorType":"Batch.Failed","errorMessage":"poison"}"#;
                api.call("POST", &format!("invocation/{id}/error"), error);
                continue;
            }
        }
        if let Ok(line) = std::env::var("LINE") {
            println!("{line}");
        }
        if let Ok(text) = std::env::var("ANSWER") {
            answer = text.into_bytes();
        }
        if asked("credentials") {
            let variable = |name: &str| std::env::var(name).unwrap_or_default();
            answer = format!(
                r#"{{"key":"{}","secret":"{}","token":"{}"}}"#,
                variable("AWS_ACCESS_KEY_ID"),
                variable("AWS_SECRET_ACCESS_KEY"),
                variable("AWS_SESSION_TOKEN"),
            )
            .into_bytes();
        }
        if asked("print") {
            let mut out = std::io::stdout();
            out.write_all(b"one\n\xff\xfe junk\n").unwrap();
            eprintln!("two");
            out.write_all(b"unfinished").unwrap();
            out.flush().unwrap();
        }
        if asked("flood") {
            let line = [b'x'; 1000];
            for _ in 0..20_000 {
                let _ = std::io::stdout().write_all(&line);
                println!();
            }
        }
        if asked("exit") {
            exit(7);
        }
        if asked("abort") {
            std::process::abort();
        }
        if asked("sleep") {
            std::thread::sleep(Duration::from_millis(300));
        }
        if asked("hang") {
            std::thread::sleep(Duration::from_secs(3600));
        }
        if asked("child") {
            let child = Command::new("sleep").arg("3600").spawn().unwrap();
            answer = format!(r#"{{"child":{}}}"#, child.id()).into_bytes();
        }
        if asked("large") {
            answer = vec![b'1'; 10 << 20];
        }
        if asked("fail") {
            let error = br#"{"errorType":"Greeting.Failed","errorMessage":"no luck"}"#;
            api.call("POST", &format!("invocation/{id}/error"), error);
            continue;
        }
        api.call("POST", &format!("invocation/{id}/response"), &answer);
    }
}
