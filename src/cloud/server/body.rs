//! Reading request bodies: bounded in size and in time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;

/// How long a client may send nothing in the middle of a body.
const STALL: Duration = Duration::from_secs(30);
/// How much of a body that is too long is still taken in, and for how long.
const FORGOTTEN: usize = 64 * 1024 * 1024;
const FORGETTING: Duration = Duration::from_secs(5);

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// It is longer than the limit.
    TooLong,
    /// The client stopped sending, or sent something that is not HTTP.
    Broken,
}

/// Reads the whole body of a request with these headers, at most `limit` bytes of it.
///
/// Of a body that is too long the rest is taken in and forgotten, within bounds: a client that is
/// still sending does not see an answer.
pub async fn read(
    mut body: Incoming,
    headers: &HeaderMap,
    limit: usize,
) -> Result<Bytes, BodyError> {
    let announced = body.size_hint();
    if announced.lower() > limit as u64 {
        let waits_for_leave = headers.contains_key(http::header::EXPECT);
        if !waits_for_leave && announced.lower() <= (limit + FORGOTTEN) as u64 {
            forget(body).await;
        }
        return Err(BodyError::TooLong);
    }
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let first = match next(&mut body).await? {
        None => return Ok(Bytes::new()),
        // The usual case: all of it came in one piece, which need not be copied.
        Some(data) if announced.exact() == Some(data.len() as u64) => return Ok(data),
        Some(data) => data,
    };
    let mut whole = BytesMut::with_capacity(announced.lower().min(limit as u64) as usize);
    let mut part = first;
    loop {
        if whole.len() + part.len() > limit {
            drop(whole);
            forget(body).await;
            return Err(BodyError::TooLong);
        }
        whole.extend_from_slice(&part);
        match next(&mut body).await? {
            None => return Ok(whole.freeze()),
            Some(data) => part = data,
        }
    }
}

async fn forget(mut body: Incoming) {
    let all = async {
        let mut forgotten = 0;
        while let Ok(Some(data)) = next(&mut body).await {
            forgotten += data.len();
            if forgotten > FORGOTTEN {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(FORGETTING, all).await;
}

/// The next piece of data; trailers are skipped.
async fn next(body: &mut Incoming) -> Result<Option<Bytes>, BodyError> {
    loop {
        match tokio::time::timeout(STALL, body.frame()).await {
            Err(_) | Ok(Some(Err(_))) => return Err(BodyError::Broken),
            Ok(None) => return Ok(None),
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}
