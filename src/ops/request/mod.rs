//! Requests: one, or many.

mod all;
mod allowed;
mod before;
pub mod burst;
pub mod check;
pub mod compare;
pub mod curl;
pub mod destination;
pub mod diff;
mod earlier;
pub mod exchange;
pub mod expect;
pub mod explain;
pub mod history;
mod key;
pub mod own;
mod prepare;
mod proxy;
pub mod qualifier;
mod secrets;
mod send;
pub mod trace;
mod wire;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_apigateway::types::RestApi;
use labdeck_aws::{Failure, FailureKind, Result, changing};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::{SavedRequest, Stage};
use tokio_util::sync::CancellationToken;

pub use all::{Outcome, Row, all};
pub use allowed::may_change;
pub use burst::Load;
pub use earlier::answers_of;
pub(crate) use earlier::text_of;
pub use key::value as key_value;
pub(crate) use key::value_of as key_value_of;
pub use prepare::variables_of;

use exchange::{BurstSummary, Exchange, Origin, OutgoingRequest};

use crate::engine::Engine;
use crate::gateway::sent::Counter;
use crate::live;
use crate::progress::Reporter;
use crate::whose;

/// What is at a URL, as it is, up to Lambda's limit of a function's code.
pub(crate) async fn download(url: &str) -> Result<bytes::Bytes> {
    send::download(url).await
}

/// Resolves `saved` for a stage: its URL, its variables, its encoding, the value of its key.
///
/// The requests that come before it are sent, in their order, and what they capture fills its variables;
/// what is given comes first. A request before is left out when everything that it captures was given.
///
/// # Errors
/// Invalid when a variable has no value or is not used, when an answer that one is taken from is not
/// there, when a part can't be sent, or when a request before is not answered as it must be; `NotFound`
/// when the API, the stage or the key is not deployed.
pub async fn prepare(
    engine: &Engine,
    blueprint: &Blueprint,
    saved: &SavedRequest,
    stage: &str,
    given: &Given,
) -> Result<OutgoingRequest> {
    let before = before::in_order(blueprint, saved)?;
    prepare::check_known(saved, &before, &given.variables)?;
    let place = Place::of(engine, blueprint, stage, &saved.name).await?;
    let mut values = BTreeMap::new();
    let mut answers = Vec::new();
    for earlier in before {
        if !before::is_needed(earlier, &given.variables) {
            continue;
        }
        let filled = earlier::filled(blueprint, earlier, &values, given, &answers)?;
        let request = place.outgoing(earlier, &filled).await?;
        let exchange = send(engine, request).await?;
        before::capture(saved, earlier, &exchange, &mut values)?;
        answers.push(exchange);
    }
    let filled = earlier::filled(blueprint, saved, &values, given, &answers)?;
    place.outgoing(saved, &filled).await
}

/// The same without sending anything: what requests before it capture is taken from their last answers.
///
/// # Errors
/// As [`prepare`]; Invalid when such an answer is not in `given`.
pub async fn prepare_unsent(
    engine: &Engine,
    blueprint: &Blueprint,
    saved: &SavedRequest,
    stage: &str,
    given: &Given,
) -> Result<OutgoingRequest> {
    let before = before::in_order(blueprint, saved)?;
    prepare::check_known(saved, &before, &given.variables)?;
    let mut values = BTreeMap::new();
    for earlier in before {
        if earlier.capture.is_empty() || !before::is_needed(earlier, &given.variables) {
            continue;
        }
        let Some(exchange) = given.answers.get(&earlier.name) else {
            let (lab, name) = (&blueprint.name, &earlier.name);
            let what = format!("preparing request {}", saved.name);
            let why = format!("it needs what the answer of {name} has, and there is none");
            return Err(Failure::new(FailureKind::Invalid, what, why)
                .next(format!("send it first: labdeck request {lab} {name}")));
        };
        before::capture(saved, earlier, exchange, &mut values)?;
    }
    let filled = earlier::filled(blueprint, saved, &values, given, &[])?;
    Place::of(engine, blueprint, stage, &saved.name).await?.outgoing(saved, &filled).await
}

/// Names of the requests whose last answers may be needed for `saved`: those that it or a request before
/// it takes values from, and those before it themselves.
pub fn answers_needed<'r>(blueprint: &'r Blueprint, saved: &'r SavedRequest) -> BTreeSet<&'r str> {
    let before = before::in_order(blueprint, saved).unwrap_or_default();
    let taken = before.iter().copied().chain([saved]).flat_map(answers_of);
    before.iter().map(|earlier| earlier.name.as_str()).chain(taken).collect()
}

/// What fills the variables of a request beside its own defaults and what requests before it capture.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// Values by variable; they come before all others.
    pub variables: BTreeMap<String, String>,
    /// The last answers by the name of their request, for variables such as `{{pet.id}}`;
    /// [`answers_of`] says which are needed.
    pub answers: BTreeMap<String, Exchange>,
}

/// A lab on a target, for one stage.
struct Place<'a> {
    engine: &'a Engine,
    blueprint: &'a Blueprint,
    stage: &'a Stage,
    apis: Vec<RestApi>,
    what: String,
}

impl<'a> Place<'a> {
    async fn of(
        engine: &'a Engine,
        blueprint: &'a Blueprint,
        stage: &str,
        request: &str,
    ) -> Result<Self> {
        let what = format!("preparing request {request} for stage {stage}");
        let Some(stage) = blueprint.stages.iter().find(|known| known.name == stage) else {
            let known: Vec<&str> =
                blueprint.stages.iter().map(|stage| stage.name.as_str()).collect();
            let why = format!("the lab has no such stage; it has {}", known.join(", "));
            return Err(Failure::new(FailureKind::NotFound, what, why));
        };
        let apis = live::rest_apis(&engine.target).await?;
        Ok(Self { engine, blueprint, stage, apis, what })
    }

    async fn outgoing(
        &self,
        saved: &SavedRequest,
        variables: &BTreeMap<String, String>,
    ) -> Result<OutgoingRequest> {
        let lab = &self.blueprint.name;
        let found = whose::api(&self.apis, &saved.api, self.blueprint);
        let Some(id) = found.and_then(|api| api.id()) else {
            let why = format!("API {} is not deployed", saved.api);
            return Err(Failure::new(FailureKind::NotFound, &self.what, why)
                .next(whose::when_missing(self.blueprint)));
        };
        let api = self.blueprint.apis.iter().find(|api| api.name == saved.api);
        let origin = Origin {
            lab: lab.clone(),
            api: saved.api.clone(),
            api_id: id.to_owned(),
            stage: self.stage.name.clone(),
            alias: self.stage.alias.clone(),
            base_url: self.engine.target.stage_url(id, &self.stage.name),
            routes: api.map(prepare::routes).unwrap_or_default(),
            functions: api.map(|api| api.functions.clone()).unwrap_or_default(),
            attached: self.blueprint.attached.is_some(),
        };
        let key = match &saved.key {
            Some(name) => Some(key::value(self.engine, self.blueprint, name).await?),
            None => None,
        };
        prepare::outgoing(saved, origin, key, variables)
    }
}

/// Sends `request` once, on a connection of its own.
///
/// Connecting is measured apart: name lookup, TCP and TLS. The first byte counts as received when the
/// head of the answer is complete. A local cloud that has ended meanwhile is started again.
///
/// # Errors
/// Network when there is no answer; an answer with an error status is no failure.
/// Refused in read-only mode, unless it is a GET, HEAD or OPTIONS.
pub async fn send(engine: &Engine, request: OutgoingRequest) -> Result<Exchange> {
    let record = allowed::begun(engine, &request).await?;
    let result = sent(engine, request).await;
    allowed::sent(record, &result);
    result
}

async fn sent(engine: &Engine, request: OutgoingRequest) -> Result<Exchange> {
    let counter = Counter::of(&request);
    let answer = match send::send_once(request.clone()).await {
        Err(error) if error.refused && engine.target.is_local() => {
            engine.target.reconnect().await?;
            send::send_once(request).await
        }
        answer => answer,
    };
    let mut exchange = answer.map_err(|error| error.failure)?;
    if let Some(expect) = &exchange.request.expect {
        exchange.verdicts = expect::judge(expect, &exchange);
    }
    counter.note(exchange.status);
    Ok(exchange)
}

/// Sends `request` as `load` says, and measures.
///
/// A cancelled burst, and one that nobody answers, ends early with what it has; `stopped` says why.
///
/// # Errors
/// Invalid when a bound is not kept or the request can't be sent; Refused in read-only mode, unless the
/// request is a GET, HEAD or OPTIONS.
pub async fn burst(
    engine: &Engine,
    name: &str,
    request: OutgoingRequest,
    load: &Load,
    reporter: &Reporter,
    cancel: CancellationToken,
) -> Result<BurstSummary> {
    load.checked(name)?;
    let prepared = wire::Prepared::new(&request)?;
    let record = changing("", load.to_string(), allowed::begun(engine, &request)).await?;
    if engine.target.is_local() {
        engine.target.reconnect().await?;
    }
    let sender = burst::Sender::http(prepared, &request.url);
    let counter = Counter::of(&request);
    let result = burst::run(name, sender, counter, load, reporter, &cancel).await;
    allowed::burst(record, &result);
    result
}

/// The `Date` that the server of `url` answers with, whatever else it says: for comparing clocks.
pub async fn date_of(url: &str) -> Option<String> {
    let request = OutgoingRequest {
        method: "GET".to_owned(),
        url: url.to_owned(),
        ..OutgoingRequest::default()
    };
    let exchange = send::send_once(request).await.ok()?;
    exchange.headers.into_iter().find(|(name, _)| name == "date").map(|(_, value)| value)
}
