//! Every saved request of a lab, one after the other.

use labdeck_aws::{Failure, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::SavedRequest;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::exchange::Exchange;
use super::{Given, answers_of, prepare, send, variables_of};
use crate::engine::Engine;

/// What became of one of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The saved request's name.
    pub name: String,
    /// Its method.
    pub method: String,
    /// Its path, as it was saved.
    pub path: String,
    /// Whether it was answered, and as expected where something was; also when it was left out.
    pub holds: bool,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// How a request of several ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// With an answer.
    Exchange(Box<Exchange>),
    /// Without one: it could not be sent, or nobody answered.
    Failure(Failure),
    /// It was not sent, because variables have no value.
    LeftOut(String),
}

/// Sends every saved request of `blueprint` to a stage in the order of the lab, and tells each as it ends.
///
/// A request that needs a variable without a value is left out; one that takes values from the answer of
/// an earlier one gets those of this very run before those of `given`. Ends early when it is cancelled.
///
/// # Errors
/// None of its own: what goes wrong with one request is in its row.
pub async fn all(
    engine: &Engine,
    blueprint: &Blueprint,
    stage: &str,
    given: &Given,
    cancel: &CancellationToken,
    mut each: impl FnMut(&Row),
) -> Vec<Row> {
    let mut given = given.clone();
    let mut rows = Vec::new();
    for saved in &blueprint.requests {
        let work = one(engine, blueprint, saved, stage, &given);
        let outcome = tokio::select! {
            outcome = work => outcome,
            () = cancel.cancelled() => break,
        };
        let holds = match &outcome {
            Outcome::Exchange(exchange) => exchange.holds(),
            Outcome::Failure(_) => false,
            Outcome::LeftOut(_) => true,
        };
        if let Outcome::Exchange(exchange) = &outcome {
            given.answers.insert(saved.name.clone(), (**exchange).clone());
        }
        let (name, method, path) = (saved.name.clone(), saved.method.clone(), saved.path.clone());
        let row = Row { name, method, path, holds, outcome };
        each(&row);
        rows.push(row);
    }
    rows
}

async fn one(
    engine: &Engine,
    blueprint: &Blueprint,
    saved: &SavedRequest,
    stage: &str,
    given: &Given,
) -> Outcome {
    let missing = missing(blueprint, saved, given);
    if !missing.is_empty() {
        return Outcome::LeftOut(format!("without a value: {}", missing.join(", ")));
    }
    // What is given for one request need not be a variable of every other.
    let own = |(name, _): &(&String, &String)| {
        variables_of(saved).contains(name.as_str()) || name.contains('.')
    };
    let variables = given.variables.iter().filter(own);
    let variables = variables.map(|(name, value)| (name.clone(), value.clone())).collect();
    let given = Given { variables, answers: given.answers.clone() };
    let sent: Result<Exchange> = async {
        let outgoing = prepare(engine, blueprint, saved, stage, &given).await?;
        send(engine, outgoing).await
    }
    .await;
    match sent {
        Ok(exchange) => Outcome::Exchange(Box::new(exchange)),
        Err(failure) => Outcome::Failure(failure),
    }
}

/// The variables of a request that nothing gives a value.
fn missing(blueprint: &Blueprint, saved: &SavedRequest, given: &Given) -> Vec<String> {
    let before = super::before::in_order(blueprint, saved).unwrap_or_default();
    let captured = |name: &str| before.iter().any(|earlier| earlier.capture.contains_key(name));
    let plain = variables_of(saved).into_iter().filter(|name| {
        !saved.variables.contains_key(*name)
            && !given.variables.contains_key(*name)
            && !captured(name)
    });
    let answers = answers_of(saved).into_iter().filter(|of| {
        !given.answers.contains_key(*of) && !before.iter().any(|earlier| earlier.name == **of)
    });
    let answers = answers.map(|of| format!("the answer of {of}"));
    plain.map(str::to_owned).chain(answers).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn what_has_no_value_is_named() {
        let request = |name: &str, path: &str| SavedRequest {
            name: name.into(),
            path: path.into(),
            ..SavedRequest::default()
        };
        let mut add = request("add", "/pets");
        add.capture = BTreeMap::from([("id".to_owned(), "$.id".to_owned())]);
        let lab = Blueprint { requests: vec![add.clone()], ..Blueprint::default() };
        let mut get = request("get", "/{{id}}/{{add.id}}/{{user}}");
        let mut given = Given::default();
        assert_eq!(missing(&lab, &get, &given), ["id", "user", "the answer of add"]);
        get.variables = BTreeMap::from([("user".to_owned(), "ada".to_owned())]);
        given.answers.insert("add".into(), Exchange::default());
        assert_eq!(missing(&lab, &get, &given), ["id"]);
        get.before = vec!["add".into()];
        assert_eq!(missing(&lab, &get, &Given::default()), Vec::<String>::new());
    }
}
