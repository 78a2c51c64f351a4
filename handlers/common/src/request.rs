//! A request of a proxy integration, as API Gateway's event tells it.
//!
//! `lambda_http`'s own request keeps only the last of a header's values and panics on a body that is
//! not the base64 it claims to be, so the event is read here; its types are the library's.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambda_http::aws_lambda_events::apigw::ApiGatewayProxyRequest;
use lambda_http::aws_lambda_events::query_map::QueryMap;
use lambda_http::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::Value;

use crate::reply::Reply;

/// Largest body that is read, in bytes. None of the labs' documents comes near it.
pub const MOST_BODY_BYTES: usize = 64 * 1024;

/// A request.
#[derive(Debug, Clone, Default)]
pub struct Request {
    event: ApiGatewayProxyRequest,
}

/// Why a body could not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyProblem {
    /// There is none, or nothing but white space.
    Missing,
    /// It is larger than [`MOST_BODY_BYTES`].
    TooLarge,
    /// It is said to be base64 and is not.
    NotBase64,
    /// It is not JSON.
    NotJson,
}

impl BodyProblem {
    /// What the caller is told, in words.
    pub fn message(self) -> &'static str {
        match self {
            Self::Missing => "The request has no body; a JSON document is expected.",
            Self::TooLarge => "The body is larger than 64 KiB.",
            Self::NotBase64 => "The body is not valid base64.",
            Self::NotJson => "The body is not valid JSON.",
        }
    }

    /// The status of the answer: 400, or 413 for a body that is too large.
    pub fn status(self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The answer to the caller.
    pub fn reply(self) -> Reply {
        Reply::message(self.status(), self.message())
    }
}

impl Request {
    pub(crate) fn read(event: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(event).map(|event| Self { event })
    }

    /// A request without headers, query or body. Events make requests; this is for tests.
    pub fn new(method: Method, path: &str) -> Self {
        let mut request = Self::default();
        request.event.http_method = method;
        request.event.path = Some(path.to_owned());
        request.event.resource = Some(path.to_owned());
        request
    }

    /// Adds a value of a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.event.multi_value_headers.append(name, value);
        self
    }

    /// Sets the values of a query parameter in place of the whole query.
    #[must_use]
    pub fn with_query(mut self, name: &str, values: &[&str]) -> Self {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        let query = std::collections::HashMap::from([(name.to_owned(), values)]);
        self.event.multi_value_query_string_parameters = QueryMap::from(query);
        self
    }

    /// Sets a parameter of the path.
    #[must_use]
    pub fn with_path_parameter(mut self, name: &str, value: &str) -> Self {
        self.event.path_parameters.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: &str) -> Self {
        self.event.body = Some(body.to_owned());
        self
    }

    /// Says that the body is base64.
    #[must_use]
    pub fn in_base64(mut self) -> Self {
        self.event.is_base64_encoded = true;
        self
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.event.http_method
    }

    /// The path as the API declares it, such as `/items/{id}`.
    pub fn resource(&self) -> &str {
        let event = &self.event;
        event.resource.as_deref().or(event.path.as_deref()).unwrap_or("/")
    }

    /// The headers, every value of each.
    pub fn headers(&self) -> &HeaderMap {
        // The map with single values holds the last of each: it says no more than the other.
        if self.event.multi_value_headers.is_empty() {
            &self.event.headers
        } else {
            &self.event.multi_value_headers
        }
    }

    /// The values of a query parameter, decoded, in the order of the request.
    pub fn query(&self, name: &str) -> Vec<&str> {
        let event = &self.event;
        let several = event.multi_value_query_string_parameters.all(name);
        several.or_else(|| event.query_string_parameters.all(name)).unwrap_or_default()
    }

    /// A parameter of the path; API Gateway has decoded it.
    pub fn path_parameter(&self, name: &str) -> Option<&str> {
        self.event.path_parameters.get(name).map(String::as_str)
    }

    /// Whether there is a body that is more than white space.
    pub fn has_body(&self) -> bool {
        self.event.body.as_deref().is_some_and(|body| !body.trim().is_empty())
    }

    /// Whether the event holds the body as base64.
    pub fn is_base64(&self) -> bool {
        self.event.is_base64_encoded
    }

    /// The body, decoded where it is base64.
    pub fn body(&self) -> Result<Cow<'_, [u8]>, BodyProblem> {
        let body = self.event.body.as_deref().unwrap_or_default();
        if body.trim().is_empty() {
            return Err(BodyProblem::Missing);
        }
        // Four letters of base64 stand for three bytes.
        let most = if self.event.is_base64_encoded {
            MOST_BODY_BYTES.div_ceil(3) * 4
        } else {
            MOST_BODY_BYTES
        };
        if body.len() > most {
            return Err(BodyProblem::TooLarge);
        }
        if !self.event.is_base64_encoded {
            return Ok(Cow::Borrowed(body.as_bytes()));
        }
        STANDARD.decode(body.trim()).map(Cow::Owned).map_err(|_| BodyProblem::NotBase64)
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value, BodyProblem> {
        let body = self.body()?;
        if body.trim_ascii().is_empty() {
            return Err(BodyProblem::Missing);
        }
        serde_json::from_slice(&body).map_err(|_| BodyProblem::NotJson)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(event: &Value) -> Request {
        Request::read(&event.to_string()).unwrap_or_default()
    }

    #[test]
    fn an_event_of_the_gateway_is_read_whole() {
        let request = read(&json!({
            "resource": "/pets/{petId}", "path": "/pets/a%20b", "httpMethod": "PUT",
            "headers": { "X-Tag": "two", "Host": "h" },
            "multiValueHeaders": { "X-Tag": ["one", "two"], "Host": ["h"] },
            "queryStringParameters": { "q": "b" },
            "multiValueQueryStringParameters": { "q": ["a", "b"] },
            "pathParameters": { "petId": "a b" }, "stageVariables": null,
            "requestContext": { "resourcePath": "/pets/{petId}", "httpMethod": "PUT" },
            "body": "eyJhIjoxfQ==", "isBase64Encoded": true,
        }));
        assert_eq!(request.method(), Method::PUT);
        assert_eq!(request.resource(), "/pets/{petId}");
        let tags: Vec<_> = request.headers().get_all("x-tag").iter().collect();
        assert_eq!(tags, ["one", "two"]);
        assert_eq!(request.query("q"), ["a", "b"]);
        assert!(request.query("r").is_empty());
        assert_eq!(request.path_parameter("petId"), Some("a b"));
        assert_eq!(request.json(), Ok(json!({ "a": 1 })));
    }

    #[test]
    fn single_values_do_where_there_are_no_others() {
        let request = read(&json!({
            "httpMethod": "GET", "requestContext": { "httpMethod": "GET" },
            "headers": { "X-Tag": "one" }, "multiValueHeaders": null,
            "queryStringParameters": { "q": "b" }, "multiValueQueryStringParameters": null,
            "pathParameters": null, "body": null,
        }));
        assert_eq!(request.headers()["x-tag"], "one");
        assert_eq!(request.query("q"), ["b"]);
        assert_eq!(request.resource(), "/");
        assert_eq!(request.body(), Err(BodyProblem::Missing));
    }

    #[test]
    fn what_is_wrong_with_a_body_is_said() {
        let post = || Request::new(Method::POST, "/a");
        let large = "x".repeat(MOST_BODY_BYTES + 1);
        for (request, problem) in [
            (post(), BodyProblem::Missing),
            (post().with_body(" \n"), BodyProblem::Missing),
            (post().with_body("IA==").in_base64(), BodyProblem::Missing),
            (post().with_body("{\"a\":"), BodyProblem::NotJson),
            (post().with_body(&"[".repeat(1000)), BodyProblem::NotJson),
            (post().with_body("%%%").in_base64(), BodyProblem::NotBase64),
            (post().with_body("/w==").in_base64(), BodyProblem::NotJson),
            (post().with_body(&large), BodyProblem::TooLarge),
            (post().with_body(&large.repeat(2)).in_base64(), BodyProblem::TooLarge),
        ] {
            assert_eq!(request.json(), Err(problem));
            let status = if problem == BodyProblem::TooLarge { 413 } else { 400 };
            assert_eq!(problem.reply().status(), status);
        }
        assert!(post().with_body("{}").json().is_ok());
        let whole = STANDARD.encode(vec![b' '; MOST_BODY_BYTES - 1]);
        assert_eq!(post().with_body(&whole).in_base64().json(), Err(BodyProblem::Missing));
    }
}
