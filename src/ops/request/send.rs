//! Sends one request on a connection of its own and measures it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_telemetry::clean;

use super::exchange::{Exchange, OutgoingRequest, Timings};
use super::explain::explain;
use super::wire::{Link, Prepared, WireError, broken};

/// How long an answer may take: the gateway itself gives up after 29 s.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_mins(1);
/// Lambda's limit of a zip is 50 MB.
const CODE_AT_MOST: usize = 50 * 1024 * 1024;
/// How long a download of code may take.
const DOWNLOADED_WITHIN: Duration = Duration::from_mins(5);
/// A body is read up to here; API Gateway's own limit is 10 MB.
const READ_AT_MOST: usize = 10 * 1024 * 1024;
/// A body is shown up to here.
const SHOW_AT_MOST: usize = 1024 * 1024;

/// A failure of the wire, with whether the address refused the connection.
pub(super) struct SendError {
    /// What to tell.
    pub(super) failure: Failure,
    /// Nobody listens there.
    pub(super) refused: bool,
}

/// Sends `request` once.
pub(super) async fn send_once(request: OutgoingRequest) -> Result<Exchange, SendError> {
    let prepared =
        Prepared::new(&request).map_err(|failure| SendError { failure, refused: false })?;
    let sent_ms = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    let since = Instant::now();
    let late = WireError::Timeout(ANSWER_WITHIN.as_secs());
    let answer = tokio::time::timeout(ANSWER_WITHIN, exchange(&prepared, since))
        .await
        .unwrap_or(Err(late))
        .map_err(|error| SendError {
            refused: error == WireError::Refused,
            failure: unanswered(&request, &error),
        })?;
    let body = shown(&answer.body, answer.more);
    let error_type = answer.headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok());
    let explanation = explain(&request, answer.status, error_type, &body);
    Ok(Exchange {
        request_id: header(&answer.headers, "x-amzn-requestid"),
        status: answer.status,
        headers: headers(&answer.headers),
        body_bytes: answer.body.len(),
        timings: answer.timings,
        body,
        explanation,
        sent_ms,
        request,
        ..Exchange::default()
    })
}

/// An answer as it was received.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
    /// There was more than is read.
    more: bool,
    timings: Timings,
}

async fn exchange(prepared: &Prepared, since: Instant) -> Result<Answer, WireError> {
    let millis = || since.elapsed().as_secs_f64() * 1e3;
    let mut link = Link::open(prepared).await?;
    let connect_ms = millis();
    let response = link.send(prepared.request()).await?;
    let first_byte_ms = millis();
    let (head, body) = response.into_parts();
    let (body, more) = link.while_driving(read(body, READ_AT_MOST)).await?;
    let timings = Timings { connect_ms, first_byte_ms, total_ms: millis() };
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body, more, timings })
}

/// What is at a URL, as it is: the link to a function's code.
pub(super) async fn download(url: &str) -> Result<Bytes, Failure> {
    let request = OutgoingRequest {
        method: "GET".to_owned(),
        url: url.to_owned(),
        ..OutgoingRequest::default()
    };
    // The link is a secret for as long as it works.
    let failed = |why: String| Failure::new(FailureKind::Service, "downloading the code", why);
    let prepared = Prepared::new(&request)?;
    let work = async {
        let mut link = Link::open(&prepared).await?;
        let (head, body) = link.send(prepared.request()).await?.into_parts();
        Ok((head.status, link.while_driving(read(body, CODE_AT_MOST)).await?))
    };
    let late = WireError::Timeout(DOWNLOADED_WITHIN.as_secs());
    let done = tokio::time::timeout(DOWNLOADED_WITHIN, work).await.unwrap_or(Err(late));
    match done.map_err(|error| failed(error.to_string()))? {
        (status, _) if !status.is_success() => Err(failed(format!("it answered {status}"))),
        (_, (_, true)) => Err(failed("it is larger than Lambda allows".to_owned())),
        (_, (bytes, false)) => Ok(bytes),
    }
}

/// The body up to so many bytes, and whether there was more.
async fn read(mut body: Incoming, at_most: usize) -> Result<(Bytes, bool), WireError> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(&error))?;
        if let Ok(data) = frame.into_data() {
            let room = at_most - read.len();
            read.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                return Ok((read.into(), true));
            }
        }
    }
    Ok((read.into(), false))
}

fn unanswered(request: &OutgoingRequest, error: &WireError) -> Failure {
    let what = format!("sending {} {}", request.method, request.url);
    let next = match error {
        WireError::Refused => {
            "nothing listens there; on the local target see: labdeck cloud status"
        }
        WireError::Connect(_) => "check the network and the URL",
        WireError::Timeout(_) => "look at the function's log",
        WireError::Broken(_) => "send it again; when it goes on, look at the log",
    };
    Failure::new(FailureKind::Network, what, error.to_string()).next(next)
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| clean(&String::from_utf8_lossy(value.as_bytes())).into_owned())
}

fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            (name.to_string(), clean(&String::from_utf8_lossy(value.as_bytes())).into_owned())
        })
        .collect()
}

/// The body as text that is safe to show, cut at [`SHOW_AT_MOST`] with a note that says so.
fn shown(body: &[u8], more: bool) -> String {
    let cut = &body[..body.len().min(SHOW_AT_MOST)];
    let text = String::from_utf8_lossy(cut);
    let mut shown = String::with_capacity(text.len());
    // Line breaks stay; every line is cleaned, and a sequence that goes on over lines ends with one.
    for piece in text.split_inclusive('\n') {
        let line = piece.strip_suffix('\n').unwrap_or(piece);
        shown.push_str(&clean(line));
        shown.push_str(&piece[line.len()..]);
    }
    let read = body.len();
    let shown_bytes = cut.len();
    if more {
        shown + &format!("\n[{shown_bytes} of more than {read} bytes shown]")
    } else if shown_bytes < read {
        shown + &format!("\n[{shown_bytes} of {read} bytes shown]")
    } else {
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_shown_harmless_and_keeps_its_lines() {
        let text = shown(b"{\n\t\"a\": \"\x1b[31mred\x1b]0;title\x07\"\r\n}", false);
        assert!(text.starts_with("{\n    \"a\": \"red\""), "{text:?}");
        assert!(text.ends_with("\"\n}"), "{text:?}");
        assert!(!text.contains('\x1b') && !text.contains('\x07'), "{text:?}");
    }

    #[test]
    fn a_large_body_is_cut_and_says_so() {
        let text = shown(&vec![b'x'; SHOW_AT_MOST + 5], false);
        assert!(text.ends_with("x\n[1048576 of 1048581 bytes shown]"));
        assert!(
            shown(&vec![b'x'; READ_AT_MOST], true).ends_with("of more than 10485760 bytes shown]")
        );
    }
}
