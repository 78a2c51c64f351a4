//! One live session: opens it, hands on what it tells, opens it again when it ends.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::schedule::Pace;
use super::source::{Ended, Live, Source, SourceError, Update};

/// Log groups that one session takes.
pub const MOST_GROUPS: usize = 10;
/// Time until a refused live tail is tried again: permissions can change.
const REFUSED_AGAIN: Duration = Duration::from_mins(5);

/// What a session tells the engine.
#[derive(Debug)]
pub enum Signal {
    /// It is open, over these groups.
    Up(usize, Vec<Arc<str>>),
    /// An update.
    Update(usize, Update),
    /// It is closed; `None` when nothing is wrong.
    Down(usize, Option<String>),
    /// These groups do not exist; it is not open.
    Missing(usize, Vec<Arc<str>>),
    /// A live tail is not to be had; it is not open.
    Refused(usize, String),
}

/// The groups of a session; a change, also to the same groups, opens it anew.
pub type Groups = watch::Receiver<Vec<Arc<str>>>;

enum After {
    /// The groups changed.
    Changed,
    /// It ended, for a reason or not.
    Ended(Option<String>),
}

/// Keeps a session open until the receiver of the signals, or the sender of the groups, is gone.
pub async fn run<S: Source>(
    source: Arc<S>,
    number: usize,
    pace: Pace,
    mut groups: Groups,
    signals: mpsc::Sender<Signal>,
) {
    let mut wait = pace.first_wait;
    loop {
        let wanted = groups.borrow_and_update().clone();
        if wanted.is_empty() {
            if groups.changed().await.is_err() {
                return;
            }
            continue;
        }
        let opened = tokio::select! {
            opened = source.open(&wanted) => opened,
            changed = groups.changed() => {
                if changed.is_err() { return; }
                // Marked as seen; the next round reads the groups anew.
                continue;
            }
        };
        let (signal, pause) = match opened {
            Ok(live) => {
                if signals.send(Signal::Up(number, wanted)).await.is_err() {
                    return;
                }
                wait = pace.first_wait;
                let Some(after) = hand_on(live, number, &pace, &mut groups, &signals).await else {
                    return;
                };
                match after {
                    After::Changed | After::Ended(None) => {
                        (Signal::Down(number, None), Duration::ZERO)
                    }
                    After::Ended(reason) => (Signal::Down(number, reason), pace.first_wait),
                }
            }
            Err(SourceError::Missing) => {
                let missing = find_missing(source.as_ref(), &wanted).await;
                (Signal::Missing(number, missing), pace.missing)
            }
            Err(SourceError::Refused(reason)) => (Signal::Refused(number, reason), REFUSED_AGAIN),
            Err(SourceError::Throttled) => {
                wait = (wait * 2).min(pace.most_wait);
                (Signal::Down(number, Some("too many calls".to_owned())), wait)
            }
            Err(SourceError::Trouble(reason)) => {
                let now = wait;
                wait = (wait * 2).min(pace.most_wait);
                (Signal::Down(number, Some(reason)), now)
            }
        };
        let troubled = matches!(signal, Signal::Down(_, Some(_)));
        if signals.send(signal).await.is_err() {
            return;
        }
        if !pause.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                changed = groups.changed() => {
                    if changed.is_err() { return; }
                    groups.mark_changed();
                }
            }
        }
        if troubled {
            source.revive().await;
        }
    }
}

/// Hands on updates until the session ends, or `None` when nobody listens any more.
async fn hand_on<L: Live>(
    mut live: L,
    number: usize,
    pace: &Pace,
    groups: &mut Groups,
    signals: &mpsc::Sender<Signal>,
) -> Option<After> {
    loop {
        let update = tokio::select! {
            update = tokio::time::timeout(pace.silence, live.next()) => update,
            changed = groups.changed() => {
                groups.mark_changed();
                return changed.is_ok().then_some(After::Changed);
            }
        };
        match update {
            Ok(Ok(update)) => {
                if update.events.is_empty() && !update.sampled {
                    continue;
                }
                signals.send(Signal::Update(number, update)).await.ok()?;
            }
            Ok(Err(Ended::Timeout)) => return Some(After::Ended(None)),
            Ok(Err(Ended::Broken(reason))) => return Some(After::Ended(Some(reason))),
            Err(_) => {
                return Some(After::Ended(Some("the live tail fell silent".to_owned())));
            }
        }
    }
}

/// Which of the groups do not exist; all, when that can't be told.
async fn find_missing<S: Source>(source: &S, groups: &[Arc<str>]) -> Vec<Arc<str>> {
    let mut missing = Vec::new();
    for group in groups {
        if !matches!(source.exists(group).await, Ok(true)) {
            missing.push(Arc::clone(group));
        }
    }
    missing
}
