//! Invoking a function directly, with a saved event.

use std::time::Instant;

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{InvocationType, LogType};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::SavedEvent;
use labdeck_telemetry::clean;
use serde::Serialize;
use serde_json::Value;

use crate::engine::Engine;
use crate::request::qualifier::kind;

/// Most times that an event is sent by one command.
pub const MOST_INVOCATIONS: u32 = 1000;

/// What a function made of an event.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Invocation {
    /// The saved event's name.
    pub event: String,
    /// The function.
    pub function: String,
    /// The version that ran.
    pub version: String,
    /// Whether the function failed, in AWS's words: `Unhandled` or `Handled`.
    pub function_error: Option<String>,
    /// What it answered: text, cleaned of control characters.
    pub payload: String,
    /// The last lines of its log (at most 4 KB).
    pub log: Vec<String>,
    /// How long the call took, in ms.
    pub millis: f64,
}

impl Invocation {
    /// The answer as JSON, where it is JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_str(&self.payload).ok()
    }

    /// The text of `errorMessage` of a failure.
    pub fn error_message(&self) -> Option<String> {
        self.function_error.as_ref()?;
        self.json()?.get("errorMessage")?.as_str().map(str::to_owned)
    }

    /// As lines for a person.
    pub fn lines(&self) -> Vec<String> {
        let how = match &self.function_error {
            Some(error) => format!("failed ({error})"),
            None => "answered".to_owned(),
        };
        let mut lines = vec![format!(
            "{} {how} with {} in {:.1} ms ({})",
            self.function, self.event, self.millis, self.version
        )];
        lines.extend(self.payload.lines().map(str::to_owned));
        lines.extend(self.log.iter().map(|line| format!("| {line}")));
        lines
    }
}

/// The saved event of this name.
///
/// # Errors
/// `NotFound`, with those that there are.
pub fn find<'b>(blueprint: &'b Blueprint, name: &str) -> Result<&'b SavedEvent> {
    blueprint.events.iter().find(|event| event.name == name).ok_or_else(|| {
        let known: Vec<&str> = blueprint.events.iter().map(|event| event.name.as_str()).collect();
        let why = match known.as_slice() {
            [] => format!("lab {} has no saved events", blueprint.name),
            known => format!("lab {} has {}", blueprint.name, known.join(", ")),
        };
        Failure::new(FailureKind::NotFound, format!("invoking with event {name}"), why)
    })
}

/// Invokes the event's function with it, and waits for the answer. `alias` is the alias or version that
/// runs; without it `$LATEST`.
///
/// # Errors
/// `NotFound` when the function does not exist; a function that fails is an answer.
pub async fn invoke(
    engine: &Engine,
    blueprint: &Blueprint,
    event: &SavedEvent,
    alias: Option<&str>,
) -> Result<Invocation> {
    let what = format!("invoking {} with event {}", event.function, event.name);
    engine.target.learn_caller().await;
    let since = Instant::now();
    let call = engine
        .target
        .lambda()
        .invoke()
        .function_name(&event.function)
        .set_qualifier(alias.map(str::to_owned))
        .invocation_type(InvocationType::RequestResponse)
        .log_type(LogType::Tail)
        .payload(Blob::new(event.payload.to_string()));
    let answer = call.send().await.map_err(|error| {
        let failure = Failure::from_sdk(&what, &error);
        if failure.kind != FailureKind::NotFound {
            return failure;
        }
        failure.next(match alias {
            Some(alias) => format!(
                "the {} that there are: labdeck release {} status",
                if kind(alias) == "version" { "versions" } else { "aliases" },
                blueprint.name
            ),
            None => format!("deploy it first: labdeck deploy {}", blueprint.name),
        })
    })?;
    let millis = since.elapsed().as_secs_f64() * 1000.0;
    let payload = answer.payload().map(|blob| String::from_utf8_lossy(blob.as_ref()).into_owned());
    Ok(Invocation {
        event: event.name.clone(),
        function: event.function.clone(),
        version: answer.executed_version().unwrap_or("$LATEST").to_owned(),
        function_error: answer.function_error().map(str::to_owned),
        payload: cleaned(&payload.unwrap_or_default()),
        log: tail(answer.log_result()),
        millis,
    })
}

/// The last lines of a function's log, as `Invoke` gives them: Base64, at most 4 KB. To be shown.
pub(crate) fn tail(log_result: Option<&str>) -> Vec<String> {
    tail_as_written(log_result).lines().map(|line| clean(line).into_owned()).collect()
}

/// [`tail`] to be read by programs: the parts of a REPORT line stand between tabs.
pub(crate) fn tail_as_written(log_result: Option<&str>) -> String {
    let bytes = log_result.and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Text from outside: its lines stay, control characters don't.
pub(crate) fn cleaned(text: &str) -> String {
    text.lines().map(|line| clean(line).into_owned()).collect::<Vec<_>>().join("\n")
}
