//! What was sent before: of each lab and target the newest exchanges, kept for this person alone.
//!
//! JSON lines below the state directory. No value of a key, no credentials, no cookies and no secrets of
//! a query are in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use labdeck_aws::{Failure, FailureKind, Result, Target};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::exchange::{Exchange, Origin};
use super::secrets;
use crate::engine::Engine;
use crate::private;

/// Most exchanges of a lab on a target.
const MOST: usize = 200;
/// Most bytes of a file.
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// Most bytes of a body; the rest is cut off, and said to be.
const MOST_BODY_BYTES: usize = 64 * 1024;

/// An exchange that was.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Past {
    /// Its number, which no other of the lab on this target has.
    pub id: u64,
    /// When it was sent, in ms since the epoch.
    pub at_ms: i64,
    /// The saved request's name.
    pub name: String,
    /// Where it went, such as `ItemsAPI prod`.
    pub to: String,
    /// HTTP method.
    pub method: String,
    /// URL; secrets in its query are masked.
    pub url: String,
    /// HTTP status.
    pub status: u16,
    /// How long it took, in ms.
    pub ms: f64,
    /// The exchange, without secrets, its bodies up to 64 KB. It can't be sent again as it is.
    pub exchange: Exchange,
}

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    id: u64,
    name: String,
    to: String,
    origin: Option<Origin>,
    exchange: Exchange,
}

impl From<Line> for Past {
    fn from(line: Line) -> Self {
        let mut exchange = line.exchange;
        exchange.request.name.clone_from(&line.name);
        exchange.request.origin = line.origin;
        Self {
            id: line.id,
            at_ms: exchange.sent_ms,
            name: line.name,
            to: line.to,
            method: exchange.request.method.clone(),
            url: exchange.request.url.clone(),
            status: exchange.status,
            ms: exchange.timings.total_ms,
            exchange,
        }
    }
}

/// Where the history of a lab (by its full name) on a target is: `labdeck/requests/TARGET/LAB.jsonl` in
/// the state directory. `None` when the home directory is not known.
pub fn path(target: &Target, lab: &str) -> Option<PathBuf> {
    // Two local clouds, or two regions of a profile, are two targets.
    let mut hash = Sha256::new();
    let local = target.state_dir().map(|dir| dir.display().to_string());
    let elsewhere = || format!("{} {}", target.region(), target.endpoint().unwrap_or_default());
    hash.update(local.unwrap_or_else(elsewhere));
    let hash = hex::encode(&hash.finalize()[..4]);
    let folder = format!("{}-{hash}", private::part(target.name()));
    Some(private::state_dir()?.join("requests").join(folder).join(format!("{lab}.jsonl")))
}

/// Keeps an exchange; answers its number.
///
/// # Errors
/// Invalid when the file can't be written. What was sent was sent all the same.
pub fn append(engine: &Engine, lab: &str, exchange: &Exchange) -> Result<u64> {
    let what = format!("keeping the answer in the history of lab {lab}");
    let path = path(&engine.target, lab).ok_or_else(|| {
        Failure::new(FailureKind::Invalid, &what, "the home directory is not known")
            .next("set HOME or XDG_STATE_HOME")
    })?;
    append_to(&path, exchange).map_err(|error| {
        Failure::new(FailureKind::Invalid, &what, format!("{}: {error}", path.display()))
    })
}

/// What was sent before, the newest first. Lines that can't be read are left out.
///
/// # Errors
/// Invalid when the file can't be read.
pub fn read(engine: &Engine, lab: &str) -> Result<Vec<Past>> {
    let Some(path) = path(&engine.target, lab) else { return Ok(Vec::new()) };
    let lines = lines_of(&path).map_err(|error| {
        let what = format!("reading the history of lab {lab}");
        Failure::new(FailureKind::Invalid, what, format!("{}: {error}", path.display()))
    })?;
    Ok(lines.into_iter().rev().map(Past::from).collect())
}

/// The last answers of these requests on a stage, for variables that are taken from them.
///
/// # Errors
/// As [`read`].
pub fn last_answers(
    engine: &Engine,
    lab: &str,
    stage: &str,
    names: &BTreeSet<&str>,
) -> Result<BTreeMap<String, Exchange>> {
    let mut answers = BTreeMap::new();
    if names.is_empty() {
        return Ok(answers);
    }
    for past in read(engine, lab)? {
        let to = past.exchange.to.as_str();
        let there = past
            .exchange
            .request
            .origin
            .as_ref()
            .is_some_and(|at| at.stage == stage && (to.is_empty() || to == stage));
        if there && names.contains(past.name.as_str()) {
            answers.entry(past.name).or_insert(past.exchange);
        }
    }
    Ok(answers)
}

/// The exchange with this number.
///
/// # Errors
/// `NotFound`, with the numbers that there are.
pub fn find(past: &[Past], id: u64) -> Result<&Past> {
    past.iter().find(|past| past.id == id).ok_or_else(|| {
        let why = match (past.last(), past.first()) {
            (Some(oldest), Some(newest)) => {
                format!("the history has {} to {}", oldest.id, newest.id)
            }
            _ => "the history is empty".to_owned(),
        };
        Failure::new(FailureKind::NotFound, format!("looking for answer {id}"), why)
            .next("labdeck request LAB --history lists them")
    })
}

fn append_to(path: &Path, exchange: &Exchange) -> std::io::Result<u64> {
    let _held = private::locked(path)?;
    let mut lines = lines_of(path)?;
    let id = lines.last().map_or(1, |line| line.id + 1);
    lines.push(line(id, exchange));
    // Only what is new is written, until there is too much.
    let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let new = text(lines.last().into_iter())?;
    if lines.len() <= MOST && size as usize + new.len() <= MOST_BYTES {
        let open = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).clone();
        let mut file = open.open(path)?;
        // A line that was cut short stays a line of its own.
        let torn = size > 0 && !std::fs::read(path)?.ends_with(b"\n");
        file.write_all(&[if torn { b"\n".as_slice() } else { b"" }, &new].concat())?;
        return Ok(id);
    }
    let mut kept = text(lines.iter().skip(lines.len().saturating_sub(MOST)))?;
    while kept.len() > MOST_BYTES {
        let Some(end) = kept.iter().position(|byte| *byte == b'\n') else { break };
        kept.drain(..=end);
    }
    private::replace(path, &kept)?;
    Ok(id)
}

fn text<'l>(lines: impl Iterator<Item = &'l Line>) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
    }
    Ok(text)
}

fn line(id: u64, exchange: &Exchange) -> Line {
    let mut exchange = secrets::without(exchange);
    cut(&mut exchange.body);
    exchange.request.body.iter_mut().for_each(cut);
    let origin = exchange.request.origin.clone();
    let to = match (&origin, exchange.to.as_str()) {
        (Some(origin), "") => format!("{} {}", origin.api, origin.stage),
        (Some(origin), to) => format!("{} {to}", origin.api),
        (None, to) => to.to_owned(),
    };
    let mut room = MOST_BODY_BYTES;
    exchange.log.retain(|line| {
        room = room.saturating_sub(line.len() + 1);
        room > 0
    });
    Line { id, name: exchange.request.name.clone(), to, origin, exchange }
}

fn cut(body: &mut String) {
    let all = body.len();
    if all <= MOST_BODY_BYTES {
        return;
    }
    let end = (0..=MOST_BODY_BYTES).rev().find(|at| body.is_char_boundary(*at)).unwrap_or(0);
    body.truncate(end);
    let _ = write!(body, "\n[{end} of {all} bytes kept]");
}

fn lines_of(path: &Path) -> std::io::Result<Vec<Line>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    Ok(lines
        .filter_map(|line| match serde_json::from_slice(line) {
            Ok(line) => Some(line),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a line can't be read");
                None
            }
        })
        .collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn exchange(body: &str) -> Exchange {
        let mut exchange = Exchange { status: 200, body: body.into(), ..Exchange::default() };
        exchange.request.name = "hello".into();
        exchange.request.method = "GET".into();
        exchange.request.url = "http://h/prod/greet?token=abcdefgh1234".into();
        let origin = Origin { api: "greet".into(), stage: "prod".into(), ..Origin::default() };
        exchange.request.origin = Some(origin);
        exchange
    }

    #[test]
    fn the_newest_are_kept_with_their_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("local").join("greet.jsonl");
        for number in 1..=MOST as u64 + 3 {
            assert_eq!(append_to(&path, &exchange(&number.to_string())).unwrap(), number);
        }
        let lines = lines_of(&path).unwrap();
        assert_eq!((lines.len(), lines[0].id), (MOST, 4));
        let past = Past::from(lines.into_iter().last().unwrap());
        assert_eq!(
            (past.name.as_str(), past.to.as_str(), past.status),
            ("hello", "greet prod", 200)
        );
        assert_eq!(past.exchange.body, "203");
        assert_eq!(past.exchange.request.origin.unwrap().stage, "prod");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!std::fs::read_to_string(&path).unwrap().contains("abcdefgh"));
    }

    #[test]
    fn large_bodies_are_cut_and_damaged_lines_stay_harmless() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("greet.jsonl");
        append_to(&path, &exchange(&"ü".repeat(MOST_BODY_BYTES))).unwrap();
        let kept = lines_of(&path).unwrap().remove(0).exchange.body;
        assert!(kept.ends_with("ü\n[65536 of 131072 bytes kept]"), "{}", kept.len());
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"id\": 7, \"cut sho").unwrap();
        assert_eq!(append_to(&path, &exchange("next")).unwrap(), 2);
        let ids: Vec<u64> = lines_of(&path).unwrap().iter().map(|line| line.id).collect();
        assert_eq!(ids, [1, 2]);
        for _ in 0..MOST_BYTES / MOST_BODY_BYTES + 5 {
            append_to(&path, &exchange(&"x".repeat(MOST_BODY_BYTES))).unwrap();
        }
        assert!(std::fs::metadata(&path).unwrap().len() as usize <= MOST_BYTES);
    }
}
