//! The access log of a stage: one line per request, in the stage's own format.
//!
//! Variables are those of "Variables for access logging for API Gateway" in the developer guide;
//! one without a value is a hyphen, as there.

use http_body::Body as _;

use super::super::model::AccessLogSettings;
use super::backend::Backends;
use super::event::{domain, request_time};
use super::log::stream;
use super::request::Context;
use crate::core::ACCOUNT_ID;
use crate::wire::Answer;

/// Where a line is cut, in bytes.
const LONGEST_LINE: usize = 256 * 1024;

/// Where a stage writes its access log, and how.
#[derive(Debug)]
pub(super) struct AccessLog {
    group: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, PartialEq)]
enum Piece {
    Text(String),
    /// The name of a variable, without `$context.`.
    Variable(String),
}

impl AccessLog {
    /// The log of these settings; nothing where they name no log group or no format.
    pub fn of(settings: &AccessLogSettings) -> Option<Self> {
        let arn = settings.destination_arn.as_deref()?;
        let (_, group) = arn.split_once(":log-group:")?;
        let group = group.strip_suffix(":*").unwrap_or(group).to_owned();
        Some(Self { group, pieces: pieces(settings.format.as_deref()?) })
    }

    /// The line of a request that was answered.
    pub fn line(&self, context: &Context<'_>, answer: &Answer) -> String {
        let mut line = String::with_capacity(256);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => line.push_str(text),
                Piece::Variable(name) => match value(name, context, answer) {
                    Some(value) if !value.is_empty() => line.push_str(&value),
                    _ => line.push('-'),
                },
            }
        }
        if line.len() > LONGEST_LINE {
            line.truncate(line.floor_char_boundary(LONGEST_LINE));
        }
        line
    }

    /// Writes a line; `now` in milliseconds since the epoch.
    pub async fn write(&self, now: i64, line: String, backends: &dyn Backends) {
        backends.log(&self.group, &stream(&self.group), vec![(now, line)]).await;
    }
}

fn pieces(format: &str) -> Vec<Piece> {
    const START: &str = "$context.";
    let mut pieces = Vec::new();
    let mut rest = format.trim_end();
    while let Some((before, after)) = rest.split_once(START) {
        let end = after
            .find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c)))
            .unwrap_or(after.len());
        let name = after[..end].trim_end_matches(['.', '-']);
        pieces.push(Piece::Text(before.to_owned()));
        pieces.push(Piece::Variable(name.to_owned()));
        rest = &after[name.len()..];
    }
    pieces.push(Piece::Text(rest.to_owned()));
    pieces.retain(|piece| *piece != Piece::Text(String::new()));
    pieces
}

fn value(name: &str, context: &Context<'_>, answer: &Answer) -> Option<String> {
    let request = context.request;
    let notes = &context.notes;
    let millis = |time: f64| format!("{time:.0}");
    Some(match name {
        "accountId" => ACCOUNT_ID.to_owned(),
        "apiId" => request.api_id.clone(),
        "stage" => context.stage.to_owned(),
        "requestId" => context.request_id.clone(),
        "extendedRequestId" => context.extended_request_id.clone(),
        "httpMethod" => request.method.to_string(),
        "path" => format!("/{}{}", context.stage, context.path),
        "protocol" => "HTTP/1.1".to_owned(),
        "requestTime" => request_time(context.now),
        "requestTimeEpoch" => context.now.to_string(),
        "resourcePath" => notes.route()?.path.clone(),
        "resourceId" => notes.route()?.resource_id.clone(),
        "isCanaryRequest" => context.canary.to_string(),
        "domainName" => domain(&request.api_id, &request.host),
        "domainPrefix" => {
            domain(&request.api_id, &request.host).split('.').next().unwrap_or("").to_owned()
        }
        "xrayTraceId" => {
            let root = context.trace_id.split(';').find_map(|part| part.strip_prefix("Root="));
            root.unwrap_or(&context.trace_id).to_owned()
        }
        "identity.sourceIp" => request.source_ip.to_string(),
        "identity.userAgent" => context.header("user-agent")?.to_owned(),
        "identity.apiKey" => context.api_key.as_ref()?.value.clone(),
        "identity.apiKeyId" => context.api_key.as_ref()?.id.clone(),
        "status" => answer.status().as_u16().to_string(),
        "responseLength" => answer.body().size_hint().exact()?.to_string(),
        "responseLatency" => millis(notes.latency_ms()),
        "integrationLatency" | "integration.latency" => millis(notes.integration_ms()?),
        "integrationStatus" | "integration.integrationStatus" => {
            notes.backend()?.service.to_string()
        }
        "integration.status" => notes.backend()?.own.to_string(),
        "integration.requestId" | "awsEndpointRequestId" => notes.endpoint_id()?.to_owned(),
        "integrationErrorMessage" | "integration.error" => {
            notes.integration_ms()?;
            notes.failure()?.reason.clone()?
        }
        "error.message" => notes.failure()?.message.clone(),
        "error.messageString" => {
            let mut quoted = String::new();
            super::event::text(&mut quoted, &notes.failure()?.message);
            quoted
        }
        "error.responseType" => notes.failure()?.kind.to_owned(),
        "error.validationErrorString" => notes.failure()?.violations.clone()?,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_taken_apart_at_their_variables() {
        let text = |text: &str| Piece::Text(text.to_owned());
        let variable = |name: &str| Piece::Variable(name.to_owned());
        assert_eq!(
            pieces("$context.identity.sourceIp - [$context.requestTime] \"$context.path\".\n"),
            [
                variable("identity.sourceIp"),
                text(" - ["),
                variable("requestTime"),
                text("] \""),
                variable("path"),
                text("\"."),
            ]
        );
        assert_eq!(pieces("$context."), [variable("")]);
        assert_eq!(pieces("$contextual"), [text("$contextual")]);
        let settings = |arn: &str| AccessLogSettings {
            destination_arn: Some(arn.to_owned()),
            format: Some("$context.requestId".to_owned()),
        };
        let group = |arn: &str| AccessLog::of(&settings(arn)).map(|log| log.group);
        let arn = "arn:aws:logs:us-east-1:000000000000:log-group:/shop/access";
        assert_eq!(group(arn).as_deref(), Some("/shop/access"));
        assert_eq!(group(&format!("{arn}:*")).as_deref(), Some("/shop/access"));
        assert_eq!(group("arn:aws:firehose:us-east-1:000000000000:deliverystream/x"), None);
    }
}
