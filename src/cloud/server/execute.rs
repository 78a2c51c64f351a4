//! Requests to deployed APIs, by path or by host name.

use std::net::IpAddr;

use http::request::Parts;
use hyper::body::Incoming;

use super::Server;
use super::body::{self, BodyError};
use super::origin::Host;
use crate::apigateway::ExecuteRequest;
use crate::error::AwsError;
use crate::protocol::{Protocol, text_answer};
use crate::wire::Answer;

/// The longest body that API Gateway takes, in bytes.
const BODY: usize = 10 * 1024 * 1024;

/// Which API a request is for.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    api_id: String,
    /// Path with the stage, still encoded.
    path: String,
}

/// `/restapis/{api}/{stage}/_user_request_/{path}`, or any path of `{api}.execute-api.localhost`.
pub fn target(host: &Host, path: &str) -> Option<Target> {
    if let Host::Api(api_id) = host {
        return Some(Target { api_id: api_id.clone(), path: path.to_owned() });
    }
    let (api_id, rest) = path.strip_prefix("/restapis/")?.split_once('/')?;
    let (stage, rest) = rest.split_once('/')?;
    let below = rest.strip_prefix("_user_request_")?;
    let whole = below.is_empty() || below.starts_with('/');
    whole.then(|| Target { api_id: api_id.to_owned(), path: format!("/{stage}{below}") })
}

/// Lets the gateway answer.
pub async fn answer(
    server: &Server,
    client: IpAddr,
    target: Target,
    head: Parts,
    body: Incoming,
) -> Answer {
    let body = match body::read(body, &head.headers, BODY).await {
        Ok(body) => body,
        Err(error) => return unread(error),
    };
    let host = head.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    let host = host.unwrap_or("").to_owned();
    let request = ExecuteRequest {
        api_id: target.api_id,
        method: head.method,
        path: target.path,
        query: head.uri.query().unwrap_or("").to_owned(),
        headers: head.headers,
        body,
        source_ip: client,
        host,
    };
    server.services.apigateway.execute(request).await
}

fn unread(error: BodyError) -> Answer {
    let mut answer = match error {
        BodyError::TooLong => {
            let text = format!("HTTP content length exceeded {BODY} bytes.");
            let error = AwsError::new(413, "RequestEntityTooLargeException", text);
            Protocol::ApiGateway.error(&error, "")
        }
        BodyError::Broken => text_answer(408, "The body of the request did not arrive.\n"),
    };
    // Neither is the rest of the body worth reading, nor does an empty id say anything.
    answer.headers_mut().remove(crate::protocol::REQUEST_ID);
    answer.headers_mut().insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apis_are_named_by_path_or_by_host() {
        let by_path = |path| target(&Host::Loopback, path).map(|t| (t.api_id, t.path));
        let found = |id: &str, path: &str| Some((id.to_owned(), path.to_owned()));
        assert_eq!(
            by_path("/restapis/a1/dev/_user_request_/pets/7%2F8/"),
            found("a1", "/dev/pets/7%2F8/")
        );
        assert_eq!(by_path("/restapis/a1/dev/_user_request_"), found("a1", "/dev"));
        assert_eq!(by_path("/restapis/a1/stages/dev"), None);
        assert_eq!(by_path("/restapis/a1/dev/_user_request_x"), None);
        let by_host = target(&Host::Api("a1".to_owned()), "/dev/pets");
        assert_eq!(by_host.map(|t| (t.api_id, t.path)), found("a1", "/dev/pets"));
    }
}
