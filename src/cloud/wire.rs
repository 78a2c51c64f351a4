//! A request after its signature was checked, and the bodies that answers are made of.

use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};

/// The body of every answer: whole, or a stream (live tail).
pub type Body = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// An answer of the local cloud.
pub type Answer = Response<Body>;

/// A body that is there as a whole.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed_unsync()
}

/// Who makes a call, as told by the credentials that signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// The owner of the local cloud's own credentials: may do everything, unless a policy was given
    /// at the start.
    Operator,
    /// The cloud itself, for somebody who was checked before.
    Cloud,
    /// A function's execution environment, with its role's temporary credentials.
    Session {
        /// ARN of the role that was assumed.
        role_arn: String,
        /// Name of the session: for a function, the function's name.
        session_name: String,
    },
}

/// A control-plane or data-plane call to an AWS service, already authenticated.
#[derive(Debug)]
pub struct ApiRequest {
    /// HTTP method.
    pub method: Method,
    /// Path as sent: still percent-encoded, without the query.
    pub path: String,
    /// Query string as sent, without `?`; empty when there is none.
    pub query: String,
    /// Headers as sent.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// Who calls.
    pub caller: Caller,
    /// The request id that the answer carries.
    pub request_id: String,
}

impl ApiRequest {
    /// The path's segments, percent-decoded; invalid UTF-8 is replaced.
    pub fn segments(&self) -> Vec<String> {
        self.path
            .split('/')
            .skip(1)
            .map(|s| percent_encoding::percent_decode_str(s).decode_utf8_lossy().into_owned())
            .collect()
    }

    /// The first value of a query parameter, decoded.
    pub fn query_value(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// A header's value where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}
