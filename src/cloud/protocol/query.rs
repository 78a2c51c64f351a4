//! The awsQuery protocol: form requests, XML answers.

use std::collections::HashMap;

use bytes::Bytes;

use crate::error::AwsError;
use crate::wire::{Answer, ApiRequest};

use super::{Xml, bytes_answer};

/// The parameters of an awsQuery request; of those sent twice the first counts.
#[derive(Debug)]
pub struct Form {
    parameters: HashMap<String, String>,
}

impl Form {
    /// Reads the form body of `request`, and its query string behind it.
    pub fn read(request: &ApiRequest) -> Self {
        Self::parse(&request.body, request.query.as_bytes())
    }

    /// Reads a form body, and a query string behind it.
    pub fn parse(body: &Bytes, query: &[u8]) -> Self {
        let mut parameters = HashMap::new();
        for text in [body, query] {
            for (name, value) in form_urlencoded::parse(text) {
                parameters.entry(name.into_owned()).or_insert_with(|| value.into_owned());
            }
        }
        Self { parameters }
    }

    /// Every parameter in the order sent.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of a parameter, when it was sent.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// The value of a parameter that must be there.
    pub fn required(&self, name: &str) -> Result<&str, AwsError> {
        self.get(name).ok_or_else(|| {
            validation(format!(
                "1 validation error detected: Value null at '{}' failed to satisfy constraint: \
                 Member must not be null",
                lower_first(name)
            ))
        })
    }

    /// A number within `range`, or `default` when the parameter was not sent.
    pub fn number(
        &self,
        name: &str,
        default: u32,
        range: std::ops::RangeInclusive<u32>,
    ) -> Result<u32, AwsError> {
        let Some(text) = self.get(name) else { return Ok(default) };
        text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
            validation(format!(
                "1 validation error detected: Value '{text}' at '{}' failed to satisfy \
                 constraint: Member must have value between {} and {}",
                lower_first(name),
                range.start(),
                range.end()
            ))
        })
    }

    /// The values of a list: `{name}.member.1`, `{name}.member.2`, ….
    pub fn members(&self, name: &str) -> Vec<&str> {
        (1..).map_while(|index| self.get(&format!("{name}.member.{index}"))).collect()
    }

    /// The pairs of a list of `Key` and `Value`: `{name}.member.1.Key`, ….
    pub fn pairs(&self, name: &str) -> Vec<(&str, &str)> {
        (1..)
            .map_while(|index| {
                let key = self.get(&format!("{name}.member.{index}.Key"))?;
                Some((key, self.get(&format!("{name}.member.{index}.Value")).unwrap_or("")))
            })
            .collect()
    }
}

fn lower_first(name: &str) -> String {
    let mut characters = name.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

fn validation(message: String) -> AwsError {
    AwsError::new(400, "ValidationError", message)
}

/// A successful answer: `{action}Response`, with `{action}Result` when `result` writes anything.
pub fn query_answer(
    action: &str,
    namespace: &str,
    request_id: &str,
    result: impl FnOnce(&mut Xml),
) -> Answer {
    let mut content = Xml::default();
    result(&mut content);
    let mut xml = Xml::default();
    xml.root(&format!("{action}Response"), namespace, |xml| {
        if !content.is_empty() {
            xml.element(&format!("{action}Result"), |xml| xml.append(&content));
        }
        xml.element("ResponseMetadata", |xml| {
            xml.text("RequestId", request_id);
        });
    });
    bytes_answer(200, "text/xml", xml.into_string())
}

/// An error answer.
pub(super) fn query_error(error: &AwsError, fault: &str, request_id: &str) -> Answer {
    let mut xml = Xml::default();
    xml.element("ErrorResponse", |xml| {
        xml.element("Error", |xml| {
            xml.text("Type", fault).text("Code", &error.code).text("Message", &error.message);
        })
        .text("RequestId", request_id);
    });
    bytes_answer(error.status.as_u16(), "text/xml", xml.into_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_numbers_are_read() {
        let body = Bytes::from_static(
            b"Action=TagRole&Tags.member.1.Key=a&Tags.member.1.Value=x%20y&Tags.member.2.Key=b\
              &TagKeys.member.1=k&MaxItems=7",
        );
        let form = Form::parse(&body, b"Version=1");
        assert_eq!(form.get("Version"), Some("1"));
        assert_eq!(form.pairs("Tags"), [("a", "x y"), ("b", "")]);
        assert_eq!(form.members("TagKeys"), ["k"]);
        assert_eq!(form.number("MaxItems", 100, 1..=1000), Ok(7));
        assert!(form.number("MaxItems", 100, 10..=1000).is_err());
        let missing = form.required("RoleName").map_err(|error| error.message);
        assert!(missing.is_err_and(|message| message.contains("Value null at 'roleName'")));
    }
}
