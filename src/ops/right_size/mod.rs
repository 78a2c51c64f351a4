//! Trying a function with several memory sizes: what each takes and costs.
//!
//! The function itself is never touched: its code and settings go into a copy, `FUNCTION-right-size`, with
//! the same role, which is invoked directly and removed at the end. Nothing points to the copy, so neither
//! `dev` nor `prod` notice. That there is one is written into the function's tag `labdeck:right-size` before it is
//! made: what a run leaves that was killed is removed by the next one, by a deploy and by a destroy.

mod copy;
mod payload;

use std::time::Duration;

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::Architecture;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::deploy::leased;
use crate::engine::Engine;
use crate::prices;
use crate::progress::{Progress, Reporter};

pub(crate) use copy::{COPY_TAG, copy_of, end as end_copy};
use copy::{Copy, Run};

/// Sizes that are tried when none are given, in MB.
pub const SIZES: [i32; 5] = [128, 256, 512, 1024, 1769];
/// Most invocations with one size.
pub const MOST_RUNS: u32 = 1000;
/// How much dearer than the cheapest a faster size may be to be the best choice.
const WORTH: f64 = 1.05;

/// What is tried.
#[derive(Debug, Clone, Default)]
pub struct Trial {
    /// Sizes in MB; none stands for [`SIZES`].
    pub sizes: Vec<i32>,
    /// Invocations with each, beside the first, which starts the environment.
    pub runs: u32,
    /// A saved event of the function or a saved request that reaches it; without one it is chosen.
    pub with: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RightSize {
    /// The lab.
    pub lab: String,
    /// The function.
    pub function: String,
    /// What it was invoked with: `event NAME` or `request NAME`.
    pub with: String,
    /// Its memory now, in MB.
    pub memory_mb: i32,
    /// Whether durations depend on memory where it was tried: on the local cloud they do not.
    pub representative: bool,
    /// Each size, in the order in which they were tried.
    pub sizes: Vec<Size>,
    /// The size to choose: of those that cost at most 5 % more than the cheapest the fastest. `None` when
    /// the function failed with all of them.
    pub best_mb: Option<i32>,
    /// Whether it was stopped before every size was tried.
    pub stopped: bool,
}

/// A memory size.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Size {
    /// MB.
    pub memory_mb: i32,
    /// Invocations in a started environment.
    pub runs: usize,
    /// How many of all failed.
    pub failed: usize,
    /// Start of the environment in ms.
    pub init_ms: Option<f64>,
    /// Duration on average in ms, starts left aside.
    pub mean_ms: f64,
    /// Duration that nineteen of twenty stayed within, in ms.
    pub p95_ms: f64,
    /// Billed duration on average in ms.
    pub billed_ms: f64,
    /// Most memory that was used, in MB.
    pub used_mb: u32,
    /// Dollars for a million invocations in started environments.
    pub million: f64,
}

/// Tries the function with each size, under the lab's lease. The function really runs: what it writes
/// stays.
///
/// # Errors
/// `NotFound` when the lab has no such function, it is not deployed, or there is nothing to invoke it with;
/// `Conflict` when somebody else changes the lab; `Refused` when the copy's name is somebody else's
/// function.
pub async fn right_size(
    engine: &Engine,
    blueprint: &Blueprint,
    function: &str,
    trial: &Trial,
    reporter: &Reporter,
    cancel: &CancellationToken,
) -> Result<RightSize> {
    // It makes a copy of the function beside it.
    crate::whose::refuse_attached(blueprint, &format!("trying sizes of {function}"))?;
    let Some(known) = blueprint.functions.iter().find(|known| known.name == function) else {
        let names: Vec<&str> = blueprint.functions.iter().map(|f| f.name.as_str()).collect();
        let why = format!("lab {} has {}", blueprint.name, names.join(", "));
        let what = format!("trying sizes of {function}");
        return Err(Failure::new(FailureKind::NotFound, what, why));
    };
    engine.target.may_change(format!("trying sizes of {function}"), None)?;
    let payload = payload::find(engine, blueprint, function, trial.with.as_deref()).await?;
    let sizes = if trial.sizes.is_empty() { SIZES.to_vec() } else { trial.sizes.clone() };
    let work = async {
        let copy = Copy::make(engine, &blueprint.name, function, sizes[0]).await?;
        let measuring = async {
            let mut measured = Vec::new();
            for memory_mb in &sizes {
                if cancel.is_cancelled() {
                    break;
                }
                let name = format!("{function} with {memory_mb} MB");
                reporter.report(Progress::Phase { name });
                copy.resize(*memory_mb).await?;
                let mut runs = Vec::new();
                for _ in 0..=trial.runs {
                    if cancel.is_cancelled() {
                        break;
                    }
                    runs.push(copy.run(&payload.event).await?);
                }
                measured.extend(size(*memory_mb, &runs, known.architecture));
            }
            Ok(measured)
        };
        let measured = measuring.await;
        // Also after a failure: the copy never stays.
        let ended = copy.end().await;
        let measured = measured?;
        ended?;
        Ok((copy.memory_mb, measured))
    };
    let (memory_mb, measured) = leased(engine, &blueprint.name, Box::pin(work)).await?;
    Ok(RightSize {
        lab: blueprint.name.clone(),
        function: function.to_owned(),
        with: payload.called,
        memory_mb,
        representative: !engine.target.is_local(),
        best_mb: best(&measured),
        stopped: measured.len() < sizes.len(),
        sizes: measured,
    })
}

/// What invocations with one size came to; the first of them started the environment.
fn size(memory_mb: i32, runs: &[Run], architecture: Architecture) -> Option<Size> {
    let warm = runs.get(1..).filter(|warm| !warm.is_empty())?;
    let count = warm.len() as f64;
    let mut durations: Vec<f64> = warm.iter().map(|run| run.report.duration_ms).collect();
    durations.sort_unstable_by(f64::total_cmp);
    let billed_ms = warm.iter().map(|run| run.report.billed_ms).sum::<f64>() / count;
    let nineteen = (durations.len() * 19).div_ceil(20).saturating_sub(1);
    Some(Size {
        memory_mb,
        runs: warm.len(),
        failed: runs.iter().filter(|run| run.failed).count(),
        init_ms: runs.first().and_then(|run| run.report.init_ms),
        mean_ms: durations.iter().sum::<f64>() / count,
        p95_ms: durations.get(nineteen).copied().unwrap_or_default(),
        billed_ms,
        used_mb: runs.iter().map(|run| run.report.max_memory_mb).max().unwrap_or_default(),
        million: prices::million(architecture, f64::from(memory_mb), billed_ms),
    })
}

/// Of the sizes that cost hardly more than the cheapest the fastest.
fn best(sizes: &[Size]) -> Option<i32> {
    let good = || sizes.iter().filter(|size| size.failed == 0);
    let cheapest = good().map(|size| size.million).min_by(f64::total_cmp)?;
    good()
        .filter(|size| size.million <= cheapest * WORTH)
        .min_by(|a, b| a.mean_ms.total_cmp(&b.mean_ms))
        .map(|size| size.memory_mb)
}

/// How long a copy may take until it can be used.
const SETTLE: Duration = Duration::from_mins(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_size_is_the_fastest_of_the_cheap_ones() {
        let size = |memory_mb, million, mean_ms, failed| Size {
            memory_mb,
            failed,
            mean_ms,
            million,
            ..Size::default()
        };
        let sizes = [
            size(128, 1.00, 100.0, 0),
            size(256, 1.04, 50.0, 0),
            size(512, 1.40, 25.0, 0),
            size(1024, 0.50, 1.0, 3),
        ];
        assert_eq!(best(&sizes), Some(256));
        assert_eq!(best(&sizes[3..]), None, "what fails is no choice");
    }
}
