//! The pointer: what rollback and undo need, kept behind the person's own text in an alias.
//!
//! Lambda allows a Description of 256 characters. The pointer stands at its end, in brackets and in
//! plain ASCII, so that a person reading it elsewhere can see what it is:
//!
//! ```text
//! checkout, see runbook 7 [labdeck:1 o=promote n=4 p=3:mi2k5dqo w=3@4:0.2 q=- t=mi2k5dqo u=ada]
//! ```
//!
//! | field | what |
//! | --- | --- |
//! | `o` | the operation: `shift`, `promote`, `rollback`, `undo` |
//! | `n` | the split after it; when the alias shows another, somebody else moved it since |
//! | `p` | where rollback goes, newest first: `version:time`, with `=api/stage/deployment` behind it for each API deployment to put back |
//! | `w` | the split before the operation, for undo |
//! | `q` | `p` before the operation, when it differs |
//! | `d` | the API deployments before the operation, where it moved them |
//! | `c` | the plan of a canary that runs, see [`Mark`] |
//! | `x` | when the move was that an undo took back |
//! | `t`, `u` | when (base 36 milliseconds since the epoch), and who |
//!
//! What doesn't fit behind the person's text goes into the function's tags, with the same text cut
//! into parts; only characters that tags allow are used.

use std::collections::BTreeMap;

use super::mark::Mark;

/// Longest Description of an alias, in characters (Lambda API reference, `CreateAlias`).
pub const DESCRIPTION_LIMIT: usize = 256;
/// Longest value of a tag, in characters.
const TAG_LIMIT: usize = 256;
/// Earlier versions that are kept.
pub const HISTORY_LIMIT: usize = 4;
/// Tags that the pointer may use, more than the longest pointer of ten APIs takes.
const TAG_PARTS: usize = 12;
const OPEN: &str = "[labdeck:";
const FORMAT: &str = "1";

/// The versions that an alias serves.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// The version that serves alone, or what the canary leaves of the traffic.
    pub stable: String,
    /// The canary and its share of the traffic (0.0–1.0).
    pub canary: Option<(String, f64)>,
}

impl Split {
    /// One version alone.
    pub fn alone(version: impl Into<String>) -> Self {
        Self { stable: version.into(), canary: None }
    }

    /// Whether both serve the same, weights compared to a millionth.
    pub fn same(&self, other: &Self) -> bool {
        let canary = match (&self.canary, &other.canary) {
            (None, None) => true,
            (Some((a, x)), Some((b, y))) => a == b && (x - y).abs() < 1e-6,
            _ => false,
        };
        canary && self.stable == other.stable
    }

    /// Every version it names.
    pub fn versions(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.stable.as_str())
            .chain(self.canary.iter().map(|(version, _)| version.as_str()))
    }

    fn encode(&self) -> String {
        match &self.canary {
            None => self.stable.clone(),
            Some((version, weight)) => format!("{}@{version}:{weight}", self.stable),
        }
    }

    fn decode(text: &str) -> Option<Self> {
        let Some((stable, rest)) = text.split_once('@') else {
            return is_version(text).then(|| Self::alone(text));
        };
        let (version, weight) = rest.split_once(':')?;
        let weight: f64 = weight.parse().ok()?;
        let valid = is_version(stable) && is_version(version) && (0.0..=1.0).contains(&weight);
        valid.then(|| Self { stable: stable.into(), canary: Some((version.into(), weight)) })
    }
}

/// For people: `v3`, or `v3 80% · v4 20%`.
impl std::fmt::Display for Split {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.canary {
            None => write!(f, "{}", version_name(&self.stable)),
            Some((canary, weight)) => write!(
                f,
                "{} {}% · {} {}%",
                version_name(&self.stable),
                percent(1.0 - weight),
                version_name(canary),
                percent(*weight)
            ),
        }
    }
}

/// `v3` for a numbered version, `$LATEST` as it is.
pub fn version_name(version: &str) -> String {
    if is_version(version) { format!("v{version}") } else { version.to_owned() }
}

/// A share (0.0–1.0) as a percentage without needless digits.
pub fn percent(share: f64) -> String {
    format!("{}", (share * 10_000.0).round() / 100.0)
}

/// Which deployment a stage of an API served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// API id.
    pub api_id: String,
    /// Stage name.
    pub stage: String,
    /// Deployment id.
    pub deployment_id: String,
}

impl Placed {
    fn encode(&self) -> String {
        format!("{}/{}/{}", self.api_id, self.stage, self.deployment_id)
    }

    fn decode(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let mut part = || parts.next().filter(|part| !part.is_empty()).map(str::to_owned);
        let placed = Self { api_id: part()?, stage: part()?, deployment_id: part()? };
        parts.next().is_none().then_some(placed)
    }
}

/// A place that rollback can go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// The version that served before.
    pub version: String,
    /// When it was replaced, in ms since the epoch: the same in every function of one release.
    pub replaced_ms: u64,
    /// API deployments that the replacing release moved, as they were before.
    pub deployments: Vec<Placed>,
}

impl Earlier {
    fn encode(&self) -> String {
        let mut text = format!("{}:{}", self.version, base36(self.replaced_ms));
        for placed in &self.deployments {
            text.push('=');
            text.push_str(&placed.encode());
        }
        text
    }

    fn decode(text: &str) -> Option<Self> {
        let mut parts = text.split('=');
        let (version, time) = parts.next()?.split_once(':')?;
        let replaced_ms = u64::from_str_radix(time, 36).ok()?;
        let deployments = parts.map(Placed::decode).collect::<Option<Vec<_>>>()?;
        is_version(version).then(|| Self { version: version.into(), replaced_ms, deployments })
    }
}

/// What the last operation on an alias left for rollback and undo.
#[derive(Debug, Clone, PartialEq)]
pub struct Pointer {
    /// The operation that wrote it.
    pub operation: String,
    /// The split that it left.
    pub now: Split,
    /// Where rollback goes, newest first, at most [`HISTORY_LIMIT`].
    pub history: Vec<Earlier>,
    /// The split before it.
    pub was: Split,
    /// The history before it.
    pub was_history: Vec<Earlier>,
    /// The API deployments before it, where it moved them.
    pub was_deployments: Vec<Placed>,
    /// The plan of the canary that runs.
    pub mark: Option<Mark>,
    /// When the move was that this undo took back, in ms since the epoch.
    pub undoes: Option<u64>,
    /// When, in ms since the epoch: the same in every function of one operation.
    pub at_ms: u64,
    /// Who, for people to read.
    pub by: String,
}

/// What is to be written so that a pointer is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The alias's Description, at most [`DESCRIPTION_LIMIT`] characters.
    pub description: String,
    /// Tags of the function, where the Description had no room.
    pub tags: BTreeMap<String, String>,
}

impl Pointer {
    /// Takes a Description apart: the person's own text, and the pointer where there is one.
    ///
    /// A pointer that is damaged, written by a newer format, or moved to tags is `None`; the
    /// person's text never contains any of it.
    pub fn parse(description: &str) -> (String, Option<Self>) {
        let (text, body) = cut(description);
        (text.to_owned(), body.and_then(Self::decode))
    }

    /// Like [`Pointer::parse`], and finds a pointer that had to go to the function's tags.
    ///
    /// `live` is the split that the alias shows now: it proves that a pointer in tags whose
    /// Description had no room for a mark is not a stale one.
    pub fn read(
        description: &str,
        alias: &str,
        live: &Split,
        tags: &BTreeMap<String, String>,
    ) -> (String, Option<Self>) {
        let (text, pointer) = Self::parse(description);
        if pointer.is_some() {
            return (text, pointer);
        }
        let kept: String = (1..=TAG_PARTS)
            .map_while(|part| tags.get(&tag_key(alias, part)))
            .map(String::as_str)
            .collect();
        let pointer = Self::decode(&kept).filter(|kept| match cut(description).1 {
            Some(body) => body == mark(kept.at_ms),
            None => !has_room_for_mark(&text) && kept.now.same(live),
        });
        (text, pointer)
    }

    /// What to write so that the person's `text` and this pointer are kept on `alias`.
    pub fn render(&self, alias: &str, text: &str) -> Rendered {
        let body = self.encode();
        if let Some(description) = joined(text, &body) {
            return Rendered { description, tags: BTreeMap::new() };
        }
        let description = joined(text, &mark(self.at_ms)).unwrap_or_else(|| text.to_owned());
        // The body is ASCII, so bytes are characters.
        let tags = body
            .as_bytes()
            .chunks(TAG_LIMIT)
            .enumerate()
            .map(|(index, part)| {
                (tag_key(alias, index + 1), String::from_utf8_lossy(part).into_owned())
            })
            .collect();
        Rendered { description, tags }
    }

    fn encode(&self) -> String {
        let mut fields = vec![
            format!("o={}", word(&self.operation)),
            format!("n={}", self.now.encode()),
            format!("p={}", encode_history(&self.history)),
            format!("w={}", self.was.encode()),
        ];
        if self.was_history != self.history {
            fields.push(format!("q={}", encode_history(&self.was_history)));
        }
        if !self.was_deployments.is_empty() {
            let placed: Vec<_> = self.was_deployments.iter().map(Placed::encode).collect();
            fields.push(format!("d={}", placed.join("=")));
        }
        if let Some(mark) = &self.mark {
            fields.push(format!("c={}", mark.encode()));
        }
        if let Some(undoes) = self.undoes {
            fields.push(format!("x={}", base36(undoes)));
        }
        fields.push(format!("t={}", base36(self.at_ms)));
        if !self.by.is_empty() {
            fields.push(format!("u={}", word(&self.by)));
        }
        format!("{FORMAT} {}", fields.join(" "))
    }

    fn decode(body: &str) -> Option<Self> {
        let mut parts = body.split(' ');
        if parts.next() != Some(FORMAT) {
            return None;
        }
        let fields: BTreeMap<&str, &str> = parts.filter_map(|part| part.split_once('=')).collect();
        let history = decode_history(fields.get("p")?)?;
        let was_history = match fields.get("q") {
            Some(text) => decode_history(text)?,
            None => history.clone(),
        };
        let was_deployments = match fields.get("d") {
            Some(text) => text.split('=').map(Placed::decode).collect::<Option<Vec<_>>>()?,
            None => Vec::new(),
        };
        Some(Self {
            operation: (*fields.get("o")?).to_owned(),
            now: Split::decode(fields.get("n")?)?,
            history,
            was: Split::decode(fields.get("w")?)?,
            was_history,
            was_deployments,
            // A newer or damaged plan is none: the split stays, and rollback and undo go on.
            mark: fields.get("c").and_then(|text| Mark::decode(text)),
            undoes: fields.get("x").and_then(|text| u64::from_str_radix(text, 36).ok()),
            at_ms: u64::from_str_radix(fields.get("t")?, 36).ok()?,
            by: fields.get("u").map(|by| (*by).to_owned()).unwrap_or_default(),
        })
    }
}

/// Who does it, as far as the system says: the login name, made safe for a pointer.
pub fn operator() -> String {
    let name = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default();
    word(&name)
}

fn tag_key(alias: &str, part: usize) -> String {
    if part == 1 { format!("labdeck:undo-{alias}") } else { format!("labdeck:undo-{alias}-{part}") }
}

/// The pointer's bracket at the very end, and the text before it.
fn cut(description: &str) -> (&str, Option<&str>) {
    let found = description.strip_suffix(']').and_then(|open| {
        let at = open.rfind(OPEN)?;
        Some((&description[..at], &open[at + OPEN.len()..]))
    });
    let Some((before, body)) = found else { return (description, None) };
    (before.strip_suffix(' ').unwrap_or(before), Some(body))
}

/// `text` with `body` in brackets behind it, when that fits.
fn joined(text: &str, body: &str) -> Option<String> {
    let space = if text.is_empty() { "" } else { " " };
    let description = format!("{text}{space}{OPEN}{body}]");
    (length(&description) <= DESCRIPTION_LIMIT).then_some(description)
}

fn mark(at_ms: u64) -> String {
    format!("{FORMAT} t={} in tags", base36(at_ms))
}

fn has_room_for_mark(text: &str) -> bool {
    joined(text, &mark(u64::MAX)).is_some()
}

/// Characters as a Java service counts them: UTF-16 units.
fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

fn encode_history(history: &[Earlier]) -> String {
    if history.is_empty() {
        return "-".to_owned();
    }
    let entries: Vec<_> = history.iter().take(HISTORY_LIMIT).map(Earlier::encode).collect();
    entries.join("+")
}

fn decode_history(text: &str) -> Option<Vec<Earlier>> {
    if text == "-" { Some(Vec::new()) } else { text.split('+').map(Earlier::decode).collect() }
}

fn is_version(text: &str) -> bool {
    !text.is_empty() && text.len() <= 19 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// At most 24 characters that neither the pointer nor a tag gives a meaning.
fn word(text: &str) -> String {
    text.chars()
        .take(24)
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' })
        .collect()
}

pub(super) fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        let digit = (number % 36) as u32;
        digits.push(char::from_digit(digit, 36).unwrap_or('0'));
        number /= 36;
        if number == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

#[cfg(test)]
#[path = "pointer_tests.rs"]
mod tests;
