//! The requests screen: saved requests, edits, the last answers and bursts.

use std::collections::{HashMap, VecDeque};

use labdeck_lab::blueprint::SavedRequest;
use labdeck_ops::request::destination::Destination;
use labdeck_ops::request::exchange::{BurstSummary, Exchange};
use labdeck_ops::request::explain::live::Diagnosis;

/// How many answers the history keeps.
const HISTORY: usize = 50;
/// Lines of a body that are kept for the pane; the rest is said to be there.
const BODY_LINES: usize = 2000;

/// An answer, ready to be drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The exchange.
    pub exchange: Exchange,
    /// Its body: JSON indented, other text as it is.
    pub body: Vec<String>,
    /// The cause of an error, once it was looked for.
    pub diagnosis: Option<Box<Diagnosis>>,
}

impl Answer {
    /// Prepares an exchange for drawing.
    pub fn new(exchange: Exchange) -> Self {
        let body = pretty(&exchange.body);
        Self { exchange, body, diagnosis: None }
    }
}

/// `text` as indented JSON where it is JSON, else as its lines; harmless in any case.
pub fn pretty(text: &str) -> Vec<String> {
    let text = match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) => serde_json::to_string_pretty(&value).unwrap_or_else(|_| text.to_owned()),
        Err(_) => text.to_owned(),
    };
    let text = crate::text::harmless(&text).replace('\t', "  ");
    let mut lines: Vec<String> = text.lines().take(BODY_LINES).map(str::to_owned).collect();
    let all = text.lines().count();
    if all > BODY_LINES {
        lines.push(format!("… {} more lines", all - BODY_LINES));
    }
    lines
}

/// What the lower panel shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shown {
    /// The answer to the selected request.
    #[default]
    Answer,
    /// The last burst or comparison.
    Bursts,
}

/// One line of the history.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// The saved request's name.
    pub name: String,
    /// Its status; `None` when there was no answer.
    pub status: Option<u16>,
    /// Milliseconds in all.
    pub total_ms: f64,
}

/// The requests screen.
#[derive(Debug, Default)]
pub struct RequestsPane {
    /// Selected request.
    pub selected: usize,
    /// The request that is selected as soon as it is there.
    pub select: Option<String>,
    /// Edited requests by the saved one's name.
    pub edits: HashMap<String, SavedRequest>,
    /// The stage that requests go to, where one was chosen.
    pub stage: Option<String>,
    /// Where to send, where that was chosen.
    pub to: Option<Destination>,
    /// The request that waits for its answer.
    pub in_flight: Option<String>,
    /// What is looked for in the logs.
    pub seeks: Option<&'static str>,
    /// The last answer by the saved request's name.
    pub answers: HashMap<String, Answer>,
    /// What was sent, the newest first.
    pub history: VecDeque<Past>,
    /// The last burst, or several side by side.
    pub bursts: Vec<BurstSummary>,
    /// What the lower panel shows.
    pub shown: Shown,
    /// First line of the lower panel.
    pub scroll: usize,
}

impl RequestsPane {
    /// The request as it will be sent.
    pub fn current<'a>(&'a self, saved: &'a SavedRequest) -> &'a SavedRequest {
        self.edits.get(&saved.name).unwrap_or(saved)
    }

    /// From now on what is selected is sent there; what goes to a stage follows.
    pub fn go_to(&mut self, to: Destination) {
        if let Destination::Stage(stage) | Destination::MethodTest(stage) = &to {
            self.stage = Some(stage.clone());
        }
        self.to = Some(to);
    }

    /// Takes in an answer.
    pub fn answered(&mut self, name: &str, exchange: Option<Exchange>) {
        self.in_flight = None;
        self.history.push_front(Past {
            name: name.to_owned(),
            status: exchange.as_ref().map(|exchange| exchange.status),
            total_ms: exchange.as_ref().map_or(0.0, |exchange| exchange.timings.total_ms),
        });
        self.history.truncate(HISTORY);
        if let Some(exchange) = exchange {
            self.answers.insert(name.to_owned(), Answer::new(exchange));
            self.shown = Shown::Answer;
            self.scroll = 0;
        }
    }
}
