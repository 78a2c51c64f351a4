//! What the requests screen asks of tasks beside sending: own requests, the history, log lines, curl.

use std::time::Duration;

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::SavedRequest;
use labdeck_ops::Engine;
use labdeck_ops::request::destination::{self, Destination, Sent};
use labdeck_ops::request::exchange::Exchange;
use labdeck_ops::request::explain::live::{self, Diagnosis};
use labdeck_ops::request::history::{self, Past};
use labdeck_ops::request::trace::{self, Trace};
use labdeck_ops::request::{self, Given, curl, own};
use tokio_util::sync::CancellationToken;

use crate::message::Message;

/// How long the log lines of a request are waited for.
const LINES_WITHIN: Duration = Duration::from_secs(10);
/// How far around a log line its request is looked for.
const AROUND_MS: i64 = 60_000;

/// What is asked.
#[derive(Debug, Clone)]
pub enum Ask {
    /// Keep a request as the person's own.
    Save(Box<SavedRequest>),
    /// Forget one of these.
    Forget(String),
    /// What was sent before.
    History,
    /// The log lines of an answer.
    Lines(Box<Exchange>),
    /// The cause of an error answer to the request of this name.
    Diagnose(String, Box<Exchange>),
    /// The answer that an invocation led to, by its request id, and when it logged.
    AnswerOf(String, i64),
    /// A request as a command line of curl.
    Curl(Box<SavedRequest>, Destination),
}

impl Ask {
    /// What is looked for, where that may take a while.
    pub const fn seeks(&self) -> Option<&'static str> {
        match self {
            Self::Lines(_) => Some("looking for the lines of this answer"),
            Self::AnswerOf(..) => Some("looking for the request that led to this line"),
            _ => None,
        }
    }
}

/// What tasks tell.
#[derive(Debug)]
pub enum Told {
    /// A request was kept.
    Saved(Result<String>),
    /// A request was forgotten.
    Forgotten(Result<String>),
    /// What was sent before, the newest first.
    History(Result<Vec<Past>>),
    /// The log lines of an answer.
    Lines(Result<Box<Trace>>),
    /// The cause of an error answer, sent at this time (ms since the epoch), where one was found.
    Diagnosed(String, i64, Result<Option<Box<Diagnosis>>>),
    /// The answer that an invocation led to.
    AnswerOf(Result<Box<Past>>),
    /// A command line.
    Curl(Result<String>),
    /// Something of the person's own files does not work; it goes on without it.
    Broken(Failure),
}

/// Does what is asked.
pub async fn answer(engine: &Engine, blueprint: &Blueprint, ask: Ask) -> Message {
    let prefix = engine.target.prefix();
    Message::Asks(match ask {
        Ask::Save(request) => {
            let name = request.name.clone();
            Told::Saved(own::save(blueprint, prefix, &request).map(|_| name))
        }
        Ask::Forget(name) => Told::Forgotten(own::forget(blueprint, prefix, &name).map(|()| name)),
        Ask::History => Told::History(history::read(engine, &blueprint.name)),
        Ask::Lines(exchange) => {
            let cancel = CancellationToken::new();
            let found = trace::wait_for(engine, blueprint, &exchange, LINES_WITHIN, &cancel).await;
            Told::Lines(found.map(Box::new))
        }
        Ask::Diagnose(name, exchange) => {
            let found = live::diagnose(engine, blueprint, &exchange).await;
            Told::Diagnosed(name, exchange.sent_ms, found.map(|found| found.map(Box::new)))
        }
        Ask::AnswerOf(invocation, at_ms) => {
            Told::AnswerOf(answer_of(engine, blueprint, &invocation, at_ms).await)
        }
        Ask::Curl(saved, to) => Told::Curl(as_curl(engine, blueprint, &saved, &to).await),
    })
}

async fn answer_of(
    engine: &Engine,
    blueprint: &Blueprint,
    invocation: &str,
    at_ms: i64,
) -> Result<Box<Past>> {
    let past = history::read(engine, &blueprint.name)?;
    let known =
        past.iter().find(|past| past.exchange.lambda_request_id.as_deref() == Some(invocation));
    let window = (at_ms - AROUND_MS, at_ms + AROUND_MS);
    let found = match known {
        Some(known) => Some(known),
        None => trace::exchange_of(engine, blueprint, &past, invocation, window).await?,
    };
    found.cloned().map(Box::new).ok_or_else(|| {
        let what = format!("looking for what led to invocation {invocation}");
        Failure::new(
            FailureKind::NotFound,
            what,
            "no log joins it with a request that was sent here",
        )
        .next("only what this person sent from here is looked through; see the access log")
    })
}

async fn as_curl(
    engine: &Engine,
    blueprint: &Blueprint,
    saved: &SavedRequest,
    to: &Destination,
) -> Result<String> {
    let stage = to.stage(blueprint);
    let given = given(engine, blueprint, saved, stage)?;
    let outgoing = request::prepare_unsent(engine, blueprint, saved, stage, &given).await?;
    Ok(curl::curl(&outgoing, &blueprint.name, &engine.target.flags()))
}

/// What fills the variables that are taken from earlier answers.
fn given(
    engine: &Engine,
    blueprint: &Blueprint,
    saved: &SavedRequest,
    stage: &str,
) -> Result<Given> {
    let needed = request::answers_needed(blueprint, saved);
    let answers = history::last_answers(engine, &blueprint.name, stage, &needed)?;
    Ok(Given { answers, ..Given::default() })
}

/// Sends once, and keeps the answer in the history.
pub async fn send(
    engine: &Engine,
    blueprint: &Blueprint,
    what: &Sent,
    to: &Destination,
) -> (Result<Exchange>, Option<Failure>) {
    let given = match what {
        Sent::Request(saved) => given(engine, blueprint, saved, to.stage(blueprint)),
        Sent::Event(_) => Ok(Given::default()),
    };
    let sent = match given {
        Ok(given) => destination::send_to(engine, blueprint, what, to, &given).await,
        Err(failure) => Err(failure),
    };
    let kept = sent
        .as_ref()
        .ok()
        .and_then(|exchange| history::append(engine, &blueprint.name, exchange).err());
    (sent, kept)
}
