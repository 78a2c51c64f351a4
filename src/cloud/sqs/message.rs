//! Messages: what is stored of them, their attributes, and the digests that clients check.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::error::{invalid, missing};
use crate::error::AwsError;

/// The most attributes of a message (SQS Developer Guide, "Message attributes").
const ATTRIBUTES: usize = 10;

/// A message attribute, as it is on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Attribute {
    /// `String`, `Number` or `Binary`, maybe with a label behind a dot.
    #[serde(default)]
    pub data_type: String,
    /// The value of a `String` or `Number`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub string_value: Option<String>,
    /// The value of a `Binary`, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary_value: Option<String>,
}

impl Attribute {
    /// A `String` attribute.
    pub fn string(value: impl Into<String>) -> Self {
        Self {
            data_type: "String".to_owned(),
            string_value: Some(value.into()),
            binary_value: None,
        }
    }

    /// A `Number` attribute.
    pub fn number(value: impl std::fmt::Display) -> Self {
        Self {
            data_type: "Number".to_owned(),
            string_value: Some(value.to_string()),
            binary_value: None,
        }
    }
}

/// Attributes by name.
pub type Attributes = BTreeMap<String, Attribute>;

/// What is stored of a message once, when it is sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Message {
    /// Its place in the order of sending, unique in the cloud.
    pub sequence: u64,
    /// `MessageId`.
    pub id: String,
    /// Its text.
    pub body: String,
    /// Its attributes.
    #[serde(default)]
    pub attributes: Attributes,
    /// `AWSTraceHeader`, where sent.
    #[serde(default)]
    pub trace_header: Option<String>,
    /// `SenderId`.
    pub sender: String,
    /// When it was sent, in milliseconds since the epoch.
    pub sent_ms: i64,
    /// Not to be received before.
    pub due_ms: i64,
    /// The queue that it was moved away from, when it could not be processed.
    #[serde(default)]
    pub moved_from: Option<String>,
}

/// What changes when a message is received.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receives {
    /// How often it was received.
    pub count: u32,
    /// When it was received first, in milliseconds since the epoch.
    pub first_ms: i64,
    /// Hidden until then.
    pub hidden_until_ms: i64,
}

impl Message {
    /// Bytes that count against the limit of a message: the body and the attributes.
    pub fn size(&self) -> usize {
        size(&self.body, &self.attributes)
    }
}

/// Bytes of a body with its attributes.
pub fn size(body: &str, attributes: &Attributes) -> usize {
    let of = |(name, attribute): (&String, &Attribute)| {
        let binary = attribute.binary_value.as_ref().map_or(0, |text| text.len() / 4 * 3);
        name.len()
            + attribute.data_type.len()
            + attribute.string_value.as_ref().map_or(0, String::len)
            + binary
    };
    body.len() + attributes.iter().map(of).sum::<usize>()
}

/// Checks the text of a message.
pub fn check_body(body: &str) -> Result<(), AwsError> {
    if body.is_empty() {
        return Err(missing("MessageBody"));
    }
    let allowed = |c: char| {
        matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
            || c >= '\u{10000}'
    };
    if body.chars().all(allowed) {
        return Ok(());
    }
    Err(AwsError::new(
        400,
        "InvalidMessageContents",
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF \
         | #xE000 to #xFFFD | #x10000 to #x10FFFF",
    ))
}

/// Checks the attributes of a message.
pub fn check_attributes(attributes: &Attributes) -> Result<(), AwsError> {
    if attributes.len() > ATTRIBUTES {
        return Err(invalid(format!(
            "Number of message attributes [{}] exceeds the allowed maximum [{ATTRIBUTES}].",
            attributes.len()
        )));
    }
    for (name, attribute) in attributes {
        let fits = !name.is_empty()
            && name.len() <= 256
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            && !name.starts_with('.')
            && !name.ends_with('.')
            && !name.contains("..");
        if !fits {
            return Err(invalid(format!(
                "Message (user) attribute name '{name}' is invalid. Attribute name can contain \
                 A-Z, a-z, 0-9, underscore (_), hyphen (-), and period (.) characters."
            )));
        }
        let kind = attribute.data_type.split('.').next().unwrap_or("");
        let value = match kind {
            "String" | "Number" => attribute.string_value.as_deref(),
            "Binary" => attribute.binary_value.as_deref(),
            "" => {
                return Err(invalid(format!(
                    "The message attribute '{name}' must contain a non-empty message attribute \
                     type."
                )));
            }
            _ => {
                return Err(invalid(format!(
                    "The message attribute '{name}' has an invalid message attribute type, the set \
                     of supported type prefixes is Binary, Number, and String."
                )));
            }
        };
        let value = value.filter(|value| !value.is_empty()).ok_or_else(|| {
            invalid(format!(
                "The message attribute '{name}' must contain a non-empty message attribute value \
                 for message attribute type '{}'.",
                attribute.data_type
            ))
        })?;
        if kind == "Number" && value.trim().parse::<f64>().is_err() {
            return Err(invalid(format!(
                "Can't cast the value of message (user) attribute '{name}' to a number."
            )));
        }
        if kind == "Binary" && STANDARD.decode(value).is_err() {
            return Err(AwsError::new(
                400,
                "SerializationException",
                format!("The value of the message attribute '{name}' is not base64."),
            ));
        }
    }
    Ok(())
}

/// `MD5OfMessageBody`.
pub fn md5_of_body(body: &str) -> String {
    hex::encode(md5::compute(body.as_bytes()).0)
}

/// `MD5OfMessageAttributes`: over names, types and values in the order of the names, each with its
/// length in front (SQS Developer Guide, "Calculating the MD5 message digest for message
/// attributes"). None without attributes.
pub fn md5_of_attributes(attributes: &Attributes) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    let mut text = Vec::new();
    let mut part = |transport: Option<u8>, bytes: &[u8]| {
        text.extend(transport);
        text.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        text.extend(bytes);
    };
    for (name, attribute) in attributes {
        part(None, name.as_bytes());
        part(None, attribute.data_type.as_bytes());
        match (&attribute.string_value, &attribute.binary_value) {
            (Some(value), _) => part(Some(1), value.as_bytes()),
            (None, value) => {
                let value = value.as_deref().unwrap_or("");
                part(Some(2), &STANDARD.decode(value).unwrap_or_default());
            }
        }
    }
    Some(hex::encode(md5::compute(text).0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_that_clients_calculate() {
        assert_eq!(md5_of_body("This is a test message"), "fafb00f5732ab283681e124bf8747ed1");
        let number =
            Attributes::from([("timestamp".into(), Attribute::number(1_493_147_359_900_i64))]);
        let digest = md5_of_attributes(&number);
        assert_eq!(digest.as_deref(), Some("235c5c510d26fb653d073faed50ae77c"));
        let attribute = |data_type: &str, text: Option<&str>, binary: Option<&str>| Attribute {
            data_type: data_type.to_owned(),
            string_value: text.map(str::to_owned),
            binary_value: binary.map(str::to_owned),
        };
        let several = Attributes::from([
            ("k".into(), attribute("String", Some("v"), None)),
            ("n".into(), attribute("Number.int", Some("12"), None)),
            ("b".into(), attribute("Binary", None, Some("AP8="))),
        ]);
        let digest = md5_of_attributes(&several);
        assert_eq!(digest.as_deref(), Some("d14ec721ccb3f470fa432cf39a873e7b"));
        assert_eq!(md5_of_attributes(&Attributes::new()), None);
    }

    #[test]
    fn bodies_and_attributes_are_checked() {
        assert!(check_body("a\tb\n\u{1f600}").is_ok());
        assert!(check_body("").is_err());
        assert!(check_body("a\u{0}").is_err());
        let named = |name: &str, attribute: Attribute| {
            check_attributes(&Attributes::from([(name.to_owned(), attribute)]))
        };
        assert!(named("a.b-c_1", Attribute::string("x")).is_ok());
        assert!(named("a..b", Attribute::string("x")).is_err());
        assert!(named("a", Attribute::string("")).is_err());
        let no_number = Attribute { data_type: "Number".to_owned(), ..Attribute::string("x") };
        assert!(named("a", no_number).is_err());
        let no_type = Attribute { data_type: "Text".to_owned(), ..Attribute::string("x") };
        assert!(named("a", no_type).is_err());
    }
}
