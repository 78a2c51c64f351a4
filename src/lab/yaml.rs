//! YAML and JSON documents as a tree whose nodes know their place, bounded in depth and size.

use std::collections::HashMap;

use saphyr::{Scalar, ScalarStyle};
use saphyr_parser::{Event, Marker, Parser, ScanError, Span, StrInput, Tag};
use serde_json::{Map, Number, Value};

use crate::problem::{Findings, Position};

/// Deepest nesting: far beyond any API document, far below what recursion needs.
const MOST_DEPTH: usize = 100;
/// Most nodes, counting what aliases repeat.
const MOST_NODES: usize = 200_000;

/// A node of a document.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) at: Position,
    pub(crate) data: Data,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Data {
    Null,
    Flag(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Member>),
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Member {
    pub(crate) key: String,
    pub(crate) at: Position,
    pub(crate) value: Node,
}

impl Node {
    /// The members of a mapping.
    pub(crate) fn members(&self) -> Option<&[Member]> {
        match &self.data {
            Data::Map(members) => Some(members),
            _ => None,
        }
    }

    /// The member of a mapping with this key.
    pub(crate) fn get(&self, key: &str) -> Option<&Member> {
        self.members()?.iter().find(|member| member.key == key)
    }

    /// The text of a scalar that is text.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What it is, for messages.
    pub(crate) fn type_name(&self) -> &'static str {
        match &self.data {
            Data::Null => "empty",
            Data::Flag(_) => "`true` or `false`",
            Data::Number(_) => "a number",
            Data::Text(_) => "text",
            Data::List(_) => "a list",
            Data::Map(_) => "a mapping",
        }
    }

    /// The document as JSON, keys in the order of the file.
    pub(crate) fn to_value(&self) -> Value {
        match &self.data {
            Data::Null => Value::Null,
            Data::Flag(flag) => Value::Bool(*flag),
            Data::Number(number) => Value::Number(number.clone()),
            Data::Text(text) => Value::String(text.clone()),
            Data::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Data::Map(members) => Value::Object(
                members
                    .iter()
                    .map(|member| (member.key.clone(), member.value.to_value()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    /// How many nodes it holds, itself counted, and how deep they are nested.
    fn extent(&self) -> (usize, usize) {
        let inner: Vec<&Self> = match &self.data {
            Data::List(items) => items.iter().collect(),
            Data::Map(members) => members.iter().map(|member| &member.value).collect(),
            _ => Vec::new(),
        };
        inner.into_iter().map(Self::extent).fold(
            (1, 1),
            |(nodes, depth), (inner_nodes, inner_depth)| {
                (nodes + inner_nodes, depth.max(inner_depth + 1))
            },
        )
    }
}

/// Parses the one document of a text. `None` when it can't be read at all; a problem says why.
pub(crate) fn parse(text: &str, findings: &mut Findings) -> Option<Node> {
    let mut builder =
        Builder { parser: Parser::new_from_str(text), findings, anchors: HashMap::new(), nodes: 0 };
    match builder.document() {
        Ok(node) => Some(node),
        Err(Stop { at, message }) => {
            findings.add(at, message);
            None
        }
    }
}

/// Why reading ended before the document did.
struct Stop {
    at: Position,
    message: String,
}

impl From<ScanError> for Stop {
    fn from(error: ScanError) -> Self {
        Self { at: position(*error.marker()), message: format!("not valid YAML: {}", error.info()) }
    }
}

fn position(marker: Marker) -> Position {
    Position { line: marker.line().max(1), column: marker.col() + 1 }
}

fn check_depth(depth: usize, at: Position) -> Result<(), Stop> {
    if depth > MOST_DEPTH {
        return Err(Stop { at, message: format!("nested deeper than {MOST_DEPTH} levels") });
    }
    Ok(())
}

struct Builder<'i, 'f> {
    parser: Parser<'i, StrInput<'i>>,
    findings: &'f mut Findings,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

impl<'i> Builder<'i, '_> {
    fn next(&mut self) -> Result<(Event<'i>, Span), Stop> {
        match self.parser.next_event() {
            Some(event) => Ok(event?),
            None => Err(Stop {
                at: Position { line: 1, column: 1 },
                message: "the document ends too early".to_owned(),
            }),
        }
    }

    fn document(&mut self) -> Result<Node, Stop> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => {
                    return Err(Stop {
                        at: Position { line: 1, column: 1 },
                        message: "the document is empty".to_owned(),
                    });
                }
                Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
                event => {
                    let node = self.node(event, span, 0)?;
                    self.end()?;
                    return Ok(node);
                }
            }
        }
    }

    /// Nothing may follow the document.
    fn end(&mut self) -> Result<(), Stop> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(()),
                Event::DocumentEnd | Event::Nothing => {}
                _ => {
                    return Err(Stop {
                        at: position(span.start),
                        message: "a second document begins here; expected one document per file"
                            .to_owned(),
                    });
                }
            }
        }
    }

    fn counted(&mut self, nodes: usize, at: Position) -> Result<(), Stop> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MOST_NODES {
            return Err(Stop {
                at,
                message: format!("the document has more than {MOST_NODES} values"),
            });
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'i>, span: Span, depth: usize) -> Result<Node, Stop> {
        let at = position(span.start);
        self.counted(1, at)?;
        if depth > MOST_DEPTH {
            return Err(Stop { at, message: format!("nested deeper than {MOST_DEPTH} levels") });
        }
        let (data, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.check_tag(at, tag.as_deref());
                let scalar = Scalar::parse_from_cow_and_metadata(text, style, tag.as_ref());
                (self.scalar(at, scalar), anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.check_tag(at, tag.as_deref());
                (Data::List(self.items(depth)?), anchor)
            }
            Event::MappingStart(anchor, tag) => {
                self.check_tag(at, tag.as_deref());
                (Data::Map(self.members(depth)?), anchor)
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    return Err(Stop {
                        at,
                        message: "an alias has no anchor before it".to_owned(),
                    });
                };
                let (node, (nodes, levels)) = (node.clone(), node.extent());
                self.counted(nodes, at)?;
                check_depth(depth + levels, at)?;
                return Ok(node);
            }
            _ => (Data::Null, 0),
        };
        let node = Node { at, data };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn check_tag(&mut self, at: Position, tag: Option<&Tag>) {
        if let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema()) {
            self.findings
                .add(at, format!("unknown tag `{tag}`"))
                .expected("a plain value; OpenAPI documents have no tags");
        }
    }

    fn scalar(&mut self, at: Position, scalar: Option<Scalar<'_>>) -> Data {
        match scalar {
            Some(Scalar::Null) => Data::Null,
            Some(Scalar::Boolean(flag)) => Data::Flag(flag),
            Some(Scalar::Integer(number)) => Data::Number(number.into()),
            Some(Scalar::FloatingPoint(number)) => {
                if let Some(number) = Number::from_f64(number.into_inner()) {
                    return Data::Number(number);
                }
                self.findings
                    .add(at, "a number that JSON does not have")
                    .expected("a finite number");
                Data::Null
            }
            Some(Scalar::String(text)) => Data::Text(text.into_owned()),
            None => {
                self.findings.add(at, "the value does not fit its tag");
                Data::Null
            }
        }
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Node>, Stop> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(items);
            }
            items.push(self.node(event, span, depth + 1)?);
        }
    }

    fn members(&mut self, depth: usize) -> Result<Vec<Member>, Stop> {
        let mut members: Vec<Member> = Vec::new();
        let mut lines: HashMap<String, usize> = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(members);
            }
            let at = position(span.start);
            let key = self.key(event, span, depth)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            if let Some(line) = lines.insert(key.clone(), at.line) {
                self.findings
                    .add(at, format!("`{key}` is already in line {line}"))
                    .expected("each key once");
                continue;
            }
            members.push(Member { key, at, value });
        }
    }

    /// A key's text: a scalar as it is written, so that `200:` is the key `200`.
    fn key(&mut self, event: Event<'i>, span: Span, depth: usize) -> Result<String, Stop> {
        let at = position(span.start);
        match event {
            Event::Scalar(text, style, ..) => {
                if text == "<<" && style == ScalarStyle::Plain {
                    self.findings
                        .add(at, "merge keys (`<<`) are not part of YAML 1.2")
                        .expected("the keys written out");
                }
                Ok(text.into_owned())
            }
            other => {
                self.node(other, span, depth + 1)?;
                self.findings.add(at, "a key is not text").expected("text");
                Ok(String::new())
            }
        }
    }
}
