//! What operations answer, and how it is written in each protocol.

use ciborium::Value as Cbor;
use serde_json::{Map, Number, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::protocol::{CBOR, Protocol, Xml, bytes_answer, query_answer, set_header, typed_json};
use crate::wire::Answer;

/// The XML namespace of `CloudWatch`'s answers.
const NAMESPACE: &str = "http://monitoring.amazonaws.com/doc/2010-08-01/";

/// A value of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum Out {
    /// A text.
    Text(String),
    /// A number that may have a fraction.
    Number(f64),
    /// A whole number.
    Integer(i64),
    /// Yes or no.
    Flag(bool),
    /// A time, in seconds since the epoch.
    Time(f64),
    /// A list.
    List(Vec<Out>),
    /// A structure.
    Map(Vec<(&'static str, Out)>),
    /// Values by names that are no members.
    Names(Vec<(String, Out)>),
}

impl FromIterator<Out> for Out {
    fn from_iter<I: IntoIterator<Item = Out>>(items: I) -> Self {
        Self::List(items.into_iter().collect())
    }
}

impl Out {
    /// A text.
    pub(in super::super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// An answer with these members.
    pub(in super::super) fn answer(
        &self,
        operation: &str,
        protocol: Protocol,
        request_id: &str,
    ) -> Answer {
        match protocol {
            Protocol::Cbor => {
                let mut bytes = Vec::new();
                if let Err(error) = ciborium::into_writer(&self.cbor(), &mut bytes) {
                    tracing::error!("an answer could not be written: {error}");
                    return bytes_answer(500, CBOR, bytes::Bytes::new());
                }
                let mut answer = bytes_answer(200, CBOR, bytes);
                set_header(&mut answer, "smithy-protocol", "rpc-v2-cbor");
                answer
            }
            Protocol::Json10 => typed_json(200, "application/x-amz-json-1.0", &self.json()),
            _ => query_answer(operation, NAMESPACE, request_id, |xml| self.xml_members(xml)),
        }
    }

    fn cbor(&self) -> Cbor {
        match self {
            Self::Text(text) => Cbor::Text(text.clone()),
            Self::Number(number) => Cbor::Float(*number),
            Self::Integer(number) => Cbor::Integer((*number).into()),
            Self::Flag(flag) => Cbor::Bool(*flag),
            Self::Time(seconds) => Cbor::Tag(1, Box::new(Cbor::Float(*seconds))),
            Self::List(items) => Cbor::Array(items.iter().map(Self::cbor).collect()),
            Self::Map(members) => Cbor::Map(
                members
                    .iter()
                    .map(|(name, value)| (Cbor::Text((*name).to_owned()), value.cbor()))
                    .collect(),
            ),
            Self::Names(entries) => Cbor::Map(
                entries
                    .iter()
                    .map(|(name, value)| (Cbor::Text(name.clone()), value.cbor()))
                    .collect(),
            ),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Number(number) | Self::Time(number) => {
                Number::from_f64(*number).map_or(Value::Null, Value::Number)
            }
            Self::Integer(number) => (*number).into(),
            Self::Flag(flag) => (*flag).into(),
            Self::List(items) => items.iter().map(Self::json).collect(),
            Self::Map(members) => Value::Object(
                members
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), value.json()))
                    .collect::<Map<_, _>>(),
            ),
            Self::Names(entries) => Value::Object(
                entries.iter().map(|(name, value)| (name.clone(), value.json())).collect(),
            ),
        }
    }

    fn xml_members(&self, xml: &mut Xml) {
        match self {
            Self::Map(members) => {
                for (name, value) in members {
                    value.xml(name, xml);
                }
            }
            Self::List(items) => {
                for item in items {
                    item.xml("member", xml);
                }
            }
            Self::Names(entries) => {
                for (name, value) in entries {
                    xml.element("entry", |xml| {
                        xml.text("key", name);
                        value.xml("value", xml);
                    });
                }
            }
            _ => {}
        }
    }

    fn xml(&self, name: &str, xml: &mut Xml) {
        match self {
            Self::Text(text) => {
                xml.text(name, text);
            }
            Self::Number(number) => {
                xml.text(name, &format!("{number:?}"));
            }
            Self::Integer(number) => {
                xml.text(name, &number.to_string());
            }
            Self::Flag(flag) => {
                xml.text(name, if *flag { "true" } else { "false" });
            }
            Self::Time(seconds) => {
                xml.text(name, &iso(*seconds));
            }
            Self::List(_) | Self::Map(_) | Self::Names(_) => {
                xml.element(name, |xml| self.xml_members(xml));
            }
        }
    }
}

/// A time as ISO 8601, with milliseconds where it has some.
fn iso(seconds: f64) -> String {
    let millis = (seconds * 1000.0).round() as i128;
    OffsetDateTime::from_unix_timestamp_nanos(millis * 1_000_000)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_default()
}
