//! From what a log service hands out to a [`LogEvent`]: cleaned, classified, names shared.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::clean::clean;
use crate::event::{LogEvent, LogKind};
use crate::{emf, report};

/// Where Lambda keeps a function's logs.
const LAMBDA_GROUP: &str = "/aws/lambda/";
/// Names that are remembered; when there are more, all are forgotten.
const MOST_NAMES: usize = 8192;
/// Characters of a JSON event's message member that are kept beside its text.
const LONGEST_MESSAGE: usize = 4096;

/// A log event as the service told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawEvent {
    /// When it happened, in ms since the epoch.
    pub timestamp_ms: i64,
    /// When the service took it in, in ms since the epoch.
    pub ingestion_ms: i64,
    /// Name of the log group.
    pub group: Arc<str>,
    /// Name of the log stream.
    pub stream: String,
    /// The text, as it came.
    pub message: String,
}

/// What is known of a stream from its name.
#[derive(Debug, Clone)]
struct StreamNames {
    stream: Arc<str>,
    function: Option<Arc<str>>,
    version: Arc<str>,
}

/// Classifies events and shares the strings that many of them have in common.
#[derive(Debug, Default)]
pub struct Classifier {
    groups: HashMap<Arc<str>, (Arc<str>, Arc<str>)>,
    streams: HashMap<String, StreamNames>,
    words: HashMap<Box<str>, Arc<str>>,
}

impl Classifier {
    /// Cleans and classifies one event.
    pub fn classify(&mut self, raw: &RawEvent) -> LogEvent {
        let (group, group_function) = self.group(&raw.group);
        let StreamNames { stream, function, version } = self.stream(&raw.stream);
        let message = raw.message.trim_end_matches(['\n', '\r']);
        LogEvent {
            timestamp_ms: raw.timestamp_ms,
            ingestion_ms: raw.ingestion_ms,
            group,
            stream,
            function: function.unwrap_or(group_function),
            version,
            text: clean(message).into(),
            kind: self.kind(message),
        }
    }

    fn kind(&mut self, message: &str) -> LogKind {
        if let Some(kind) = report::read_line(message) {
            return kind;
        }
        if let Some(document) = object(message) {
            if let Some(emf) = emf::read(&document) {
                return LogKind::Emf(Arc::new(emf));
            }
            return report::read_record(&document).unwrap_or_else(|| self.json(&document));
        }
        // Managed runtimes put time, request id and level before what a program prints.
        let prefixed = message.find("\t{").and_then(|at| object(&message[at + 1..]));
        match prefixed.and_then(|document| emf::read(&document)) {
            Some(emf) => LogKind::Emf(Arc::new(emf)),
            None => LogKind::Plain,
        }
    }

    fn json(&mut self, document: &Map<String, Value>) -> LogKind {
        let text = |path: &[&str]| {
            let (last, parents) = path.split_last()?;
            let mut object = document;
            for parent in parents {
                object = object.get(*parent)?.as_object()?;
            }
            object.get(*last)?.as_str()
        };
        let first = |paths: &[&[&str]]| paths.iter().find_map(|path| text(path));
        let level = first(&[&["level"], &["severity"]]).map(str::to_ascii_uppercase);
        // `fields` and `span` are where the JSON format of the tracing crates has them.
        let message = first(&[&["message"], &["msg"], &["fields", "message"]]);
        let request_id = first(&[
            &["requestId"],
            &["request_id"],
            &["AWSRequestId"],
            &["fields", "requestId"],
            &["span", "requestId"],
        ]);
        LogKind::Json {
            level: level.map(|level| self.word(if level == "WARNING" { "WARN" } else { &level })),
            message: message.map(|message| {
                let end =
                    message.char_indices().nth(LONGEST_MESSAGE).map_or(message.len(), |(at, _)| at);
                clean(&message[..end]).into()
            }),
            request_id: request_id.map(|id| clean(id).into()),
        }
    }

    /// A short string that many events share.
    fn word(&mut self, word: &str) -> Arc<str> {
        if let Some(known) = self.words.get(word) {
            return Arc::clone(known);
        }
        let shared: Arc<str> = clean(word).into();
        if word.len() <= 64 {
            make_room(&mut self.words);
            self.words.insert(word.into(), Arc::clone(&shared));
        }
        shared
    }

    fn group(&mut self, name: &Arc<str>) -> (Arc<str>, Arc<str>) {
        if let Some(known) = self.groups.get(name) {
            return known.clone();
        }
        let group: Arc<str> = clean(name).into();
        let function = function_of_group(&group).into();
        make_room(&mut self.groups);
        self.groups.insert(Arc::clone(name), (Arc::clone(&group), Arc::clone(&function)));
        (group, function)
    }

    fn stream(&mut self, name: &str) -> StreamNames {
        if let Some(known) = self.streams.get(name) {
            return known.clone();
        }
        let stream: Arc<str> = clean(name).into();
        let (function, version) = function_and_version_of_stream(&stream);
        let names = StreamNames {
            function: function.map(|function| self.word(function)),
            version: self.word(version),
            stream: Arc::clone(&stream),
        };
        make_room(&mut self.streams);
        self.streams.insert(name.to_owned(), names.clone());
        names
    }
}

/// Forgets everything when there is too much: names come back by themselves.
fn make_room<K, V>(map: &mut HashMap<K, V>) {
    if map.len() >= MOST_NAMES {
        map.clear();
    }
}

fn object(text: &str) -> Option<Map<String, Value>> {
    let text = text.trim();
    if !(text.starts_with('{') && text.ends_with('}')) {
        return None;
    }
    serde_json::from_str(text).ok()
}

/// The function that writes to a log group; the group's own name where it is no function's.
pub fn function_of_group(group: &str) -> &str {
    group.strip_prefix(LAMBDA_GROUP).unwrap_or(group)
}

/// The log group of a function that has no group of its own choice.
pub fn group_of_function(function: &str) -> String {
    format!("{LAMBDA_GROUP}{function}")
}

/// The version in a stream's name, `…/[3]hex`, and the function in it where the group is shared by
/// several (`…/name[3][hex]`); the version is empty where there is none.
fn function_and_version_of_stream(stream: &str) -> (Option<&str>, &str) {
    let last = stream.rsplit('/').next().unwrap_or(stream);
    let Some((function, rest)) = last.split_once('[') else { return (None, "") };
    let Some((version, _)) = rest.split_once(']') else { return (None, "") };
    let number = !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit());
    if number || version == "$LATEST" {
        ((!function.is_empty()).then_some(function), version)
    } else {
        (None, "")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn classify(stream: &str, message: &str) -> LogEvent {
        Classifier::default().classify(&RawEvent {
            timestamp_ms: 5,
            ingestion_ms: 6,
            group: "/aws/lambda/greet".into(),
            stream: stream.to_owned(),
            message: message.to_owned(),
        })
    }

    #[test]
    fn names_come_from_group_and_stream() {
        let event = classify("2026/11/20/[3]53c5", "hello\n");
        assert_eq!((&*event.function, &*event.version, &*event.text), ("greet", "3", "hello"));
        assert_eq!(&*classify("2026/11/20/[$LATEST]53c5", "x").version, "$LATEST");
        let shared = classify("2026/11/20/other[12][ab]", "x");
        assert_eq!((&*shared.function, &*shared.version), ("other", "12"));
        assert_eq!(&*classify("a/[b]c", "x").version, "");
    }

    #[test]
    fn json_lines_show_level_message_and_request() {
        let event =
            classify("s", r#"{"level":"error","msg":"no \u001b[31mroute","AWSRequestId":"r-1"}"#);
        assert_eq!(
            event.kind,
            LogKind::Json {
                level: Some("ERROR".into()),
                message: Some("no route".into()),
                request_id: Some("r-1".into()),
            }
        );
        let tracing = classify(
            "s",
            r#"{"level":"WARN","fields":{"message":"slow"},"span":{"requestId":"r-2"}}"#,
        );
        assert_eq!(
            tracing.kind,
            LogKind::Json {
                level: Some("WARN".into()),
                message: Some("slow".into()),
                request_id: Some("r-2".into()),
            }
        );
        assert_eq!(classify("s", "{not json}").kind, LogKind::Plain);
        assert_eq!(classify("s", "[1]").kind, LogKind::Plain);
    }

    #[test]
    fn metrics_are_told_from_documents_that_only_look_like_them() {
        let good = r#"{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"N","Dimensions":[[]],"Metrics":[{"Name":"A"}]}]},"A":1}"#;
        assert!(matches!(classify("s", good).kind, LogKind::Emf(_)));
        let prefixed = format!("2026-11-20T12:00:00Z\tr-1\tINFO\t{good}");
        assert!(matches!(classify("s", &prefixed).kind, LogKind::Emf(_)));
        let bad = good.replace("\"A\":1", "\"A\":\"x\"");
        assert!(matches!(classify("s", &bad).kind, LogKind::Json { .. }));
    }

    #[test]
    fn tabs_of_a_report_are_read_before_they_are_expanded() {
        let event = classify("s", "REPORT RequestId: r\tDuration: 1.5 ms\tStatus: error\n");
        assert!(matches!(&event.kind, LogKind::Report(report) if report.status.is_some()));
        assert!(!event.text.contains('\t'));
    }
}
