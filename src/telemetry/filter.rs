//! The filter of the log panes: `timeout -retry level:error version:3 "not found" /5\d\d/`.
//!
//! Terms are joined by AND. A word or phrase in lower case matches any case; one with a capital
//! matches as it is written. `-` before a term turns it round.

use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use crate::event::{LogEvent, LogKind};

/// Longest filter, in bytes.
const LONGEST: usize = 2048;
/// Compiled size that a regular expression may have, in bytes.
const REGEX_BYTES: usize = 1 << 20;

const LEVELS: [&str; 6] = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE", "FATAL"];
const KINDS: [&str; 5] = ["plain", "json", "emf", "report", "lambda"];
const KEYS: [&str; 5] = ["level", "version", "function", "request", "kind"];

/// What is wrong with a filter, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct FilterError {
    /// Column of the mistake, in characters from 1.
    pub column: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

/// A parsed filter; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    terms: Arc<[(bool, Term)]>,
}

#[derive(Debug)]
enum Term {
    Text { text: String, any_case: bool },
    Regex(Regex),
    Level(String),
    Version(String),
    Function(String),
    Request(String),
    Kind(String),
}

impl Filter {
    /// Parses a filter; an empty one shows everything.
    pub fn parse(source: &str) -> Result<Self, FilterError> {
        if source.len() > LONGEST {
            return Err(FilterError {
                column: LONGEST,
                message: format!("a filter has at most {LONGEST} characters"),
            });
        }
        let mut parser = Parser { source, at: 0 };
        let mut terms = Vec::new();
        while let Some(term) = parser.next()? {
            terms.push(term);
        }
        Ok(Self { terms: terms.into() })
    }

    /// Whether it shows everything.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether it shows an event. Lines of the tail itself are always shown.
    pub fn matches(&self, event: &LogEvent) -> bool {
        matches!(event.kind, LogKind::Notice)
            || self.terms.iter().all(|(wanted, term)| term.matches(event) == *wanted)
    }
}

impl Term {
    fn matches(&self, event: &LogEvent) -> bool {
        match self {
            Self::Text { text, any_case: true } => contains_any_case(&event.text, text),
            Self::Text { text, any_case: false } => event.text.contains(text.as_str()),
            Self::Regex(regex) => regex.is_match(&event.text),
            Self::Level(level) => has_level(event, level),
            Self::Version(version) => *event.version == **version,
            Self::Function(name) => contains_any_case(&event.function, name),
            Self::Request(id) => request_id(event).is_some_and(|known| known.starts_with(id)),
            Self::Kind(kind) => kind_of(event) == kind,
        }
    }
}

/// Whether `text` has `lower`, which is in lower case, in any case.
fn contains_any_case(text: &str, lower: &str) -> bool {
    if text.is_ascii() {
        let (text, lower) = (text.as_bytes(), lower.as_bytes());
        return lower.is_empty()
            || text.windows(lower.len()).any(|window| window.eq_ignore_ascii_case(lower));
    }
    text.to_lowercase().contains(lower)
}

fn has_level(event: &LogEvent, level: &str) -> bool {
    match &event.kind {
        LogKind::Json { level: Some(known), .. } => {
            **known == *level || (level == "ERROR" && **known == *"FATAL")
        }
        LogKind::Report(report) => level == "ERROR" && report.status.is_some(),
        LogKind::Plain => event
            .text
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(|word| word == level || (level == "WARN" && word == "WARNING")),
        _ => false,
    }
}

fn request_id(event: &LogEvent) -> Option<&str> {
    match &event.kind {
        LogKind::Json { request_id, .. } => request_id.as_deref(),
        LogKind::Start { request_id } | LogKind::End { request_id } => Some(request_id),
        LogKind::Report(report) => Some(&report.request_id),
        LogKind::Emf(emf) => emf
            .properties
            .iter()
            .find(|(key, _)| key == "requestId" || key == "request_id")
            .map(|(_, value)| value.as_str()),
        LogKind::Plain | LogKind::InitStart | LogKind::Notice => None,
    }
}

fn kind_of(event: &LogEvent) -> &'static str {
    match &event.kind {
        LogKind::Plain | LogKind::Notice => "plain",
        LogKind::Json { .. } => "json",
        LogKind::Emf(_) => "emf",
        LogKind::Report(_) => "report",
        LogKind::InitStart | LogKind::Start { .. } | LogKind::End { .. } => "lambda",
    }
}

struct Parser<'a> {
    source: &'a str,
    /// Bytes read so far.
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn error(&self, at: usize, message: impl Into<String>) -> FilterError {
        let column = self.source[..at].chars().count() + 1;
        FilterError { column, message: message.into() }
    }

    fn next(&mut self) -> Result<Option<(bool, Term)>, FilterError> {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
        if self.rest().is_empty() {
            return Ok(None);
        }
        let begin = self.at;
        let wanted = !self.rest().starts_with('-');
        if !wanted {
            self.at += 1;
            if self.rest().chars().next().is_none_or(char::is_whitespace) {
                return Err(self.error(begin, "- wants a term right behind it, such as -retry"));
            }
        }
        self.term().map(|term| Some((wanted, term)))
    }

    fn term(&mut self) -> Result<Term, FilterError> {
        if self.rest().starts_with('"') {
            return Ok(text(&self.delimited('"', "a phrase ends with \"")?));
        }
        if self.rest().starts_with('/') {
            let begin = self.at;
            let source = self.delimited('/', "a regular expression ends with /")?;
            return RegexBuilder::new(&source)
                .size_limit(REGEX_BYTES)
                .build()
                .map(Term::Regex)
                .map_err(|error| {
                    let why = error.to_string();
                    let why = why.lines().last().unwrap_or_default().trim();
                    self.error(begin, format!("no regular expression: {why}"))
                });
        }
        let begin = self.at;
        let rest = self.rest();
        let word = rest.split(char::is_whitespace).next().unwrap_or(rest);
        let key = word.split_once(':').map(|(key, _)| key.to_ascii_lowercase());
        let Some(key) = key.filter(|key| KEYS.contains(&key.as_str())) else {
            self.at += word.len();
            return Ok(text(word));
        };
        self.at += key.len() + 1;
        let value_at = self.at;
        let value = if self.rest().starts_with('"') {
            self.delimited('"', "a phrase ends with \"")?
        } else {
            let rest = self.rest();
            let value = rest.split(char::is_whitespace).next().unwrap_or(rest);
            self.at += value.len();
            value.to_owned()
        };
        if value.is_empty() {
            return Err(self.error(begin, format!("{key}: wants a value right behind it")));
        }
        self.keyed(&key, value, value_at)
    }

    fn keyed(&self, key: &str, value: String, at: usize) -> Result<Term, FilterError> {
        match key {
            "level" => {
                let upper = value.to_ascii_uppercase();
                let level = if upper == "WARNING" { "WARN".to_owned() } else { upper };
                if LEVELS.contains(&level.as_str()) {
                    return Ok(Term::Level(level));
                }
                Err(self.error(
                    at,
                    format!("no level {value}: one of error, warn, info, debug, trace, fatal"),
                ))
            }
            "version" => {
                let number = value.strip_prefix('v').unwrap_or(&value);
                if number.bytes().all(|b| b.is_ascii_digit()) && !number.is_empty() {
                    return Ok(Term::Version(number.to_owned()));
                }
                if value.trim_start_matches('$').eq_ignore_ascii_case("latest") {
                    return Ok(Term::Version("$LATEST".to_owned()));
                }
                Err(self.error(at, format!("no version {value}: a number such as 3, or latest")))
            }
            "kind" => {
                let kind = value.to_ascii_lowercase();
                if KINDS.contains(&kind.as_str()) {
                    return Ok(Term::Kind(kind));
                }
                Err(self.error(at, format!("no kind {value}: one of {}", KINDS.join(", "))))
            }
            "function" => Ok(Term::Function(value.to_lowercase())),
            _ => Ok(Term::Request(value)),
        }
    }

    /// What stands between two of `quote`; a backslash before one keeps it.
    fn delimited(&mut self, quote: char, unclosed: &str) -> Result<String, FilterError> {
        let begin = self.at;
        let mut inner = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((offset, c)) = chars.next() {
            if c == quote {
                self.at += offset + c.len_utf8();
                if inner.is_empty() {
                    return Err(self.error(begin, "nothing stands between the quotes"));
                }
                return Ok(inner);
            }
            if c == '\\' && self.source[begin + offset + 1..].starts_with(quote) {
                inner.push(quote);
                chars.next();
            } else {
                inner.push(c);
            }
        }
        Err(self.error(begin, unclosed))
    }
}

fn text(source: &str) -> Term {
    let any_case = !source.chars().any(char::is_uppercase);
    Term::Text { text: source.to_owned(), any_case }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::classify::{Classifier, RawEvent};
    use crate::event::notice;

    fn event(message: &str) -> LogEvent {
        Classifier::default().classify(&RawEvent {
            timestamp_ms: 0,
            ingestion_ms: 0,
            group: "/aws/lambda/greet-stateful".into(),
            stream: "2026/11/20/[3]ab".to_owned(),
            message: message.to_owned(),
        })
    }

    fn shows(filter: &str, message: &str) -> bool {
        Filter::parse(filter).unwrap().matches(&event(message))
    }

    #[test]
    fn words_phrases_and_regexes() {
        assert!(shows("timeout error", "ERROR: Timeout"));
        assert!(!shows("Timeout", "timeout"));
        assert!(shows("\"not found\" -retry", "user not found"));
        assert!(!shows("-retry", "will retry"));
        assert!(shows(r"/5\d\d/", "status 503"));
        assert!(shows(r"/a\/b/", "path a/b"));
        assert!(shows(r#""say \"hi\"""#, r#"say "hi""#));
        assert!(shows("größe", "GRÖSSE Größe"));
        assert!(shows("http://x", "GET http://x"));
        assert!(shows("", "anything"));
    }

    #[test]
    fn keys() {
        assert!(shows("level:error", r#"{"level":"error","msg":"x"}"#));
        assert!(shows("level:warn", "[WARNING] careful"));
        assert!(!shows("level:error", "no errors"));
        assert!(shows("level:error", "REPORT RequestId: r\tDuration: 1 ms\tStatus: timeout"));
        assert!(shows("version:3 function:stateful", "x"));
        assert!(shows("version:v3 -version:latest", "x"));
        assert!(shows("request:r-1", "START RequestId: r-12 Version: 3"));
        assert!(shows("kind:lambda", "END RequestId: r-1"));
        assert!(Filter::parse("nothing").unwrap().matches(&notice(0, "a gap")));
    }

    #[test]
    fn mistakes_are_told_with_their_column() {
        for (source, column) in [
            ("ok \"open", 4),
            ("ok /open", 4),
            ("é level:loud", 9),
            ("level:", 1),
            ("version:abc", 9),
            ("a - b", 3),
            ("/(/", 1),
            ("kind:x", 6),
            ("\"\"", 1),
        ] {
            assert_eq!(Filter::parse(source).unwrap_err().column, column, "{source}");
        }
        assert!(Filter::parse(&"x".repeat(5000)).is_err());
    }
}
