//! Lines on standard output, which Lambda turns into log events.

use std::io::Write;

use serde_json::Value;

/// Writes one JSON document as one line, in a single write, so that lines of requests running at the
/// same time never mix.
pub(crate) fn line(document: &Value) {
    let mut bytes = document.to_string().into_bytes();
    bytes.push(b'\n');
    let mut stdout = std::io::stdout().lock();
    // Nobody is left to tell when the log's reader is gone, and the request itself can still be
    // answered.
    let _ = stdout.write_all(&bytes).and_then(|()| stdout.flush());
}
