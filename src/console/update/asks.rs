//! Own requests, the history, curl, and the way from an answer to its log lines and back.

use labdeck_aws::Failure;
use labdeck_lab::blueprint::SavedRequest;
use labdeck_ops::request::destination::Destination;
use labdeck_ops::request::exchange::Exchange;
use labdeck_ops::request::trace::{self, Trace};

use super::{act, cut, danger, work};
use crate::action::{Act, Action, Screen};
use crate::asks::{Ask, Told};
use crate::message::Effect;
use crate::state::State;
use crate::state::answers::AnswerList;
use crate::state::form::RequestForm;
use crate::state::note::Tone;
use crate::state::popup::{Asked, Intent, Popup};
use crate::state::sendable::Item;

/// Runs an action.
pub fn run(state: &mut State, action: Action) -> Vec<Effect> {
    if !work::ready(state) {
        return Vec::new();
    }
    match action {
        Action::NewRequest => act::ask(state, Asked::RequestName { copies: false }, String::new()),
        Action::SaveRequest => save(state),
        Action::ForgetRequest => forget(state),
        Action::AnswerHistory => ask(state, Ask::History),
        Action::CopyCurl => curl(state),
        Action::Trace => follow(state),
        Action::MarkAnswer => {
            if let Some(Popup::Answers(list)) = state.popups.last_mut() {
                list.mark();
            }
            Vec::new()
        }
        Action::DiffAnswers => {
            compare(state);
            Vec::new()
        }
        _ => Vec::new(),
    }
}

fn ask(state: &mut State, ask: Ask) -> Vec<Effect> {
    let Some(blueprint) = state.blueprint().cloned() else { return Vec::new() };
    if let Some(seeks) = ask.seeks() {
        if state.requests.seeks.is_some() {
            return Vec::new();
        }
        state.requests.seeks = Some(seeks);
    }
    vec![Effect::Asks(blueprint, Box::new(ask))]
}

fn say(state: &mut State, tone: Tone, said: impl Into<String>) -> Vec<Effect> {
    state.notes.say(state.now_ms, tone, said);
    Vec::new()
}

/// Keeps the selected request with its edits: one's own as it is, a lab's under another name.
fn save(state: &mut State) -> Vec<Effect> {
    let Some(saved) = state.saved_request() else {
        return say(state, Tone::Info, "no request is selected");
    };
    if saved.own {
        let request = state.requests.current(saved).clone();
        return ask(state, Ask::Save(Box::new(request)));
    }
    let name = format!("my-{}", saved.name);
    act::ask(state, Asked::RequestName { copies: true }, name)
}

/// The name of a new request was typed.
///
/// # Errors
/// What is wrong with the name.
pub fn named(state: &mut State, name: &str, copies: bool) -> Result<Vec<Effect>, String> {
    labdeck_lab::rules::name(name)?;
    let Some(blueprint) = state.blueprint().cloned() else { return Ok(Vec::new()) };
    if let Some(known) = blueprint.requests.iter().find(|known| known.name == name) {
        let whose = if known.own { "you have" } else { "the lab has" };
        return Err(format!("{whose} a request of this name"));
    }
    let selected = state.saved_request().map(|saved| state.requests.current(saved).clone());
    let request = if let Some(selected) = selected.filter(|_| copies) {
        SavedRequest { name: name.to_owned(), own: true, ..selected }
    } else {
        let api = state.saved_request().map(|saved| saved.api.clone());
        let first = || blueprint.apis.first().map(|api| api.name.clone());
        let Some(api) = api.or_else(first) else {
            return Err("this lab has no API to send to".to_owned());
        };
        SavedRequest {
            name: name.to_owned(),
            api,
            method: "GET".to_owned(),
            path: "/".to_owned(),
            own: true,
            ..SavedRequest::default()
        }
    };
    if copies {
        return Ok(ask(state, Ask::Save(Box::new(request))));
    }
    state.popups.push(Popup::Form(RequestForm::new(&request)));
    Ok(Vec::new())
}

/// The form of an own request was taken: it is kept at once.
pub fn keep(state: &mut State, request: SavedRequest) -> Vec<Effect> {
    ask(state, Ask::Save(Box::new(request)))
}

fn forget(state: &mut State) -> Vec<Effect> {
    match state.saved_request() {
        Some(saved) if saved.own => {
            let name = saved.name.clone();
            let question = format!("Forget your request {name}");
            let more = vec!["Its answers stay in the history.".to_owned()];
            let intent = Intent::ForgetRequest(name);
            danger::guarded(state, Act::Forget.danger(), &question, more, intent)
        }
        Some(_) if state.current_lab().is_some_and(|lab| lab.attached) => {
            say(state, Tone::Info, "it comes from the API's definition, and is none of your own")
        }
        Some(_) => say(state, Tone::Info, "it is the lab's own, and stands in its lab.toml"),
        None => say(state, Tone::Info, "no request is selected"),
    }
}

/// Forgets an own request.
pub fn forget_now(state: &mut State, name: String) -> Vec<Effect> {
    ask(state, Ask::Forget(name))
}

fn curl(state: &mut State) -> Vec<Effect> {
    let (Some(saved), Some(to)) = (state.saved_request(), state.destination()) else {
        return say(state, Tone::Info, "curl sends requests, and an event is none");
    };
    if !matches!(to, Destination::Stage(_)) {
        return say(state, Tone::Info, "curl sends to stages; choose one first");
    }
    let request = state.requests.current(saved).clone();
    ask(state, Ask::Curl(Box::new(request), to))
}

/// From an answer to its log lines, from a log line to its answer.
fn follow(state: &mut State) -> Vec<Effect> {
    if state.screen == Screen::Requests {
        let name = state.item().map(Item::label);
        let answer = name.and_then(|name| state.requests.answers.get(&name));
        let Some(exchange) = answer.map(|answer| answer.exchange.clone()) else {
            return say(state, Tone::Info, "there is no answer yet whose lines could be shown");
        };
        return ask(state, Ask::Lines(Box::new(exchange)));
    }
    let event = state.logs.selected_event().cloned();
    let invocation = event.as_ref().and_then(|event| trace::invocation_of(event));
    match (event, invocation) {
        (Some(event), Some(invocation)) => {
            ask(state, Ask::AnswerOf(invocation, event.timestamp_ms))
        }
        _ => say(state, Tone::Info, "this line names no request; choose one that does"),
    }
}

fn compare(state: &mut State) {
    let Some(Popup::Answers(list)) = state.popups.last() else { return };
    if let Some(compared) = list.compared() {
        state.popups.push(Popup::Compared { compared, scroll: 0 });
        return;
    }
    let said = "there is no other answer of this request; mark one to compare with";
    state.notes.say(state.now_ms, Tone::Info, said);
}

/// Opens the selected answer of the history.
pub fn open(state: &mut State, list: Box<AnswerList>) {
    if let Some(past) = list.past.get(list.selected) {
        let title = format!("{} {} · {}", past.name, past.to, crate::text::date(past.at_ms));
        let text = whole(&past.exchange);
        state.popups.push(Popup::Answers(list));
        state.popups.push(Popup::Text { title, text, scroll: 0 });
    }
}

/// An exchange as text: what was sent, what came back, what came with it.
fn whole(exchange: &Exchange) -> String {
    let request = &exchange.request;
    let mut lines = vec![format!("{} {}", request.method, request.url)];
    lines.extend(request.headers.iter().map(|(name, value)| {
        format!("  {name}: {}", labdeck_ops::request::exchange::shown_header(name, value))
    }));
    if let Some(body) = &request.body {
        lines.extend([String::new(), body.clone()]);
    }
    let millis = crate::text::millis(exchange.timings.total_ms);
    lines.extend([String::new(), format!("{} in {millis} ms", exchange.status)]);
    lines.extend(exchange.headers.iter().map(|(name, value)| format!("  {name}: {value}")));
    lines.push(String::new());
    lines.extend(crate::state::requests::pretty(&exchange.body));
    lines.extend(exchange.explanation.iter().map(|why| format!("\n! {why}")));
    if !exchange.log.is_empty() {
        lines.push(String::new());
        lines.extend(exchange.log.iter().map(|line| format!("| {line}")));
    }
    lines.join("\n")
}

/// Asks for the cause of an error answer that the gateway made.
pub fn diagnose(state: &mut State, name: &str) -> Vec<Effect> {
    let answer = state.requests.answers.get(name);
    let answer = answer.filter(|answer| answer.exchange.explanation.is_some());
    let Some(exchange) = answer.map(|answer| answer.exchange.clone()) else { return Vec::new() };
    ask(state, Ask::Diagnose(name.to_owned(), Box::new(exchange)))
}

/// A task tells something.
pub fn told(state: &mut State, told: Told) -> Vec<Effect> {
    if matches!(told, Told::Lines(_) | Told::AnswerOf(_)) {
        state.requests.seeks = None;
    }
    match told {
        Told::Saved(Ok(name)) => {
            state.requests.edits.remove(&name);
            state.requests.select = Some(name.clone());
            say(state, Tone::Good, format!("kept {name} among your own requests"));
            return vec![Effect::LoadLabs];
        }
        Told::Forgotten(Ok(name)) => {
            state.requests.edits.remove(&name);
            say(state, Tone::Good, format!("forgot {name}"));
            return vec![Effect::LoadLabs];
        }
        Told::History(Ok(past)) => {
            let list = AnswerList { past, ..AnswerList::default() };
            state.popups.push(Popup::Answers(Box::new(list)));
        }
        Told::Lines(Ok(trace)) => lines(state, &trace),
        Told::Diagnosed(name, sent_ms, Ok(diagnosis)) => {
            let answer = state.requests.answers.get_mut(&name);
            // Another answer may have come meanwhile.
            if let Some(answer) = answer.filter(|answer| answer.exchange.sent_ms == sent_ms) {
                answer.diagnosis = diagnosis;
            }
        }
        Told::AnswerOf(Ok(past)) => {
            let list = AnswerList { past: vec![*past], ..AnswerList::default() };
            open(state, Box::new(list));
            // Only the answer itself: the list has nothing else.
            let answer = state.popups.pop();
            state.popups.pop();
            state.popups.extend(answer);
        }
        Told::Curl(Ok(line)) => {
            say(state, Tone::Info, "copied as a command line of curl");
            return vec![Effect::Copy(line)];
        }
        Told::Lines(Err(failure)) => cut::cannot(state, "log lines", &failure),
        Told::Diagnosed(name, _, Err(failure)) => {
            cut::cannot(state, &format!("explain the answer of {name}"), &failure);
        }
        Told::Curl(Err(failure)) => cut::cannot(state, "curl", &failure),
        Told::Saved(Err(failure))
        | Told::Forgotten(Err(failure))
        | Told::History(Err(failure))
        | Told::AnswerOf(Err(failure))
        | Told::Broken(failure) => fail(state, &failure),
    }
    Vec::new()
}

fn fail(state: &mut State, failure: &Failure) {
    state.notes.fail(state.now_ms, failure);
}

/// Shows the log lines of an answer.
fn lines(state: &mut State, trace: &Trace) {
    let mut text = vec![format!("  {}", trace.how.says())];
    for (of, id) in [("gateway", &trace.gateway_request_id), ("Lambda", &trace.lambda_request_id)] {
        text.extend(id.iter().map(|id| format!("  {of} request id {id}")));
    }
    text.push(String::new());
    for event in trace.gateway.iter().chain(&trace.lines) {
        let time = crate::text::clock(event.timestamp_ms);
        let version = crate::view::version(&event.version);
        text.push(format!("{time} {} {version} {}", event.function, event.text));
    }
    if trace.gateway.is_empty() && trace.lines.is_empty() {
        text.push("  no line of it is there yet; try again in a moment".to_owned());
    } else if !trace.complete {
        text.push("  not all of it was there yet".to_owned());
    }
    let (title, text) = ("the log lines of this answer".to_owned(), text.join("\n"));
    state.popups.push(Popup::Text { title, text, scroll: 0 });
}

/// Selects the request that was kept, once it is among those that are shown.
pub fn select(state: &mut State) {
    let Some(name) = state.requests.select.clone() else { return };
    let found = state.items().position(|item| item.name() == name);
    if let Some(index) = found {
        state.requests.selected = index;
        state.requests.select = None;
    }
}
