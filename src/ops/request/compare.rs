//! The same load to several, side by side.

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use tokio_util::sync::CancellationToken;

use super::Given;
use super::burst::Load;
use super::destination::{Destination, Sent, burst_to};
use super::exchange::BurstSummary;
use crate::engine::Engine;
use crate::progress::{Progress, Reporter};

/// One to compare with others.
#[derive(Debug, Clone, PartialEq)]
pub struct Contender {
    /// What is sent.
    pub what: Sent,
    /// Where to.
    pub to: Destination,
}

/// The same load to each of `contenders`, one after the other. Each summary is named by what tells it
/// from the others: the request, the destination, or both.
///
/// # Errors
/// As [`burst_to`]; Cancelled when it was cancelled before the last one was complete.
pub async fn compare(
    engine: &Engine,
    blueprint: &Blueprint,
    contenders: &[Contender],
    load: &Load,
    reporter: &Reporter,
    cancel: CancellationToken,
) -> Result<Vec<BurstSummary>> {
    let differ = |of: &dyn Fn(&Contender) -> String| {
        contenders.windows(2).any(|pair| of(&pair[0]) != of(&pair[1]))
    };
    let names = differ(&|one| one.what.name().to_owned());
    let places = differ(&|one| one.to.to_string());
    let mut summaries = Vec::with_capacity(contenders.len());
    for one in contenders {
        let name = match (names, places) {
            (false, true) => one.to.to_string(),
            (true, true) => format!("{} {}", one.what.name(), one.to),
            _ => one.what.name().to_owned(),
        };
        reporter.report(Progress::Phase { name: format!("sending {name}") });
        let (none, cancel) = (Given::default(), cancel.clone());
        let sent =
            burst_to(engine, blueprint, &one.what, &one.to, &none, load, reporter, cancel).await?;
        if sent.stopped.as_deref() == Some("cancelled") {
            let what = "comparing requests";
            return Err(Failure::new(FailureKind::Cancelled, what, "stopped on request"));
        }
        summaries.push(BurstSummary { request: name, ..sent });
    }
    Ok(summaries)
}
