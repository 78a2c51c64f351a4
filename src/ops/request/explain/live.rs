//! Why the gateway refused a request or failed, checked against what is live.

use labdeck_aws::Result;
use labdeck_lab::Blueprint;
use serde::Serialize;

use super::fix::with_command;
use super::{Fix, behind, body, keys, limits, message, route};
use crate::engine::Engine;
use crate::request::exchange::{Exchange, Origin};

/// What an error answer comes from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diagnosis {
    /// The cause in a sentence or two.
    pub explanation: String,
    /// What was looked at, in the order in which it was.
    pub checked: Vec<Finding>,
    /// What mends it, where something does.
    #[serde(serialize_with = "with_command")]
    pub fix: Option<Fix>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What must hold.
    pub what: String,
    /// Whether it does.
    pub holds: bool,
    /// What was found.
    pub detail: String,
}

impl Finding {
    pub(super) fn new(what: impl Into<String>, holds: bool, detail: impl Into<String>) -> Self {
        Self { what: what.into(), holds, detail: detail.into() }
    }
}

/// What a diagnosis looks at.
pub(super) struct Case<'a> {
    pub(super) engine: &'a Engine,
    pub(super) blueprint: &'a Blueprint,
    pub(super) exchange: &'a Exchange,
    pub(super) origin: &'a Origin,
}

impl Case<'_> {
    pub(super) fn lab(&self) -> String {
        self.blueprint.name.clone()
    }

    /// `API/STAGE`.
    pub(super) fn stage(&self) -> String {
        format!("{}/{}", self.origin.api, self.origin.stage)
    }

    /// The path below the stage, without its query.
    pub(super) fn path(&self) -> &str {
        let url = &self.exchange.request.url;
        let path = url.strip_prefix(&self.origin.base_url).unwrap_or(url);
        path.split('?').next().unwrap_or(path)
    }

    pub(super) fn deploy(&self) -> Fix {
        Fix::Deploy { lab: self.lab() }
    }
}

/// Looks for the cause of an error answer that the gateway made: reads what is live, changes nothing.
/// `None` for answers of a function, and where there is nothing to look at.
///
/// # Errors
/// Those of the calls.
pub async fn diagnose(
    engine: &Engine,
    blueprint: &Blueprint,
    exchange: &Exchange,
) -> Result<Option<Diagnosis>> {
    let Some(origin) = &exchange.request.origin else { return Ok(None) };
    // Only what went through a stage was refused by one.
    if exchange.explanation.is_none() || origin.api_id.is_empty() {
        return Ok(None);
    }
    let Some(said) = message(&exchange.body) else { return Ok(None) };
    let said = said.to_ascii_lowercase();
    let case = Case { engine, blueprint, exchange, origin };
    let found = match (exchange.status, said.as_str()) {
        (403, "forbidden") => Some(keys::diagnose(&case).await?),
        (403, "missing authentication token") => Some(route::diagnose(&case).await?),
        (429, "limit exceeded") => Some(limits::quota(&case).await?),
        (429, _) => Some(limits::rate(&case).await?),
        (500, _) => Some(behind::unreachable(&case).await?),
        (502 | 504, _) => Some(behind::failed(&case).await?),
        (400, "invalid request body") => Some(body::invalid(&case).await?),
        (413, _) => Some(body::too_large(&case)),
        (415, _) => Some(body::unsupported(&case).await?),
        _ => None,
    };
    // What is attached is not deployed from here.
    let offered = |fix: &Fix| blueprint.attached.is_none() || !matches!(fix, Fix::Deploy { .. });
    Ok(found.map(|found| Diagnosis { fix: found.fix.filter(offered), ..found }))
}
