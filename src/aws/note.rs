//! What the audit says of a call beside the call itself: the lab, and what was changed from what to
//! what. Whoever makes the call sets it around the call; the interceptor picks it up.

use std::future::Future;
use std::sync::Arc;

tokio::task_local! {
    static NOTE: Note;
}

/// What is noted for the calls of a task.
#[derive(Debug, Clone, Default)]
pub(crate) struct Note {
    /// The lab that is worked on.
    pub(crate) lab: Option<Arc<str>>,
    /// The change that the calls make.
    pub(crate) change: Option<Arc<Change>>,
}

/// A change, in a few words for people.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// What it was.
    pub(crate) from: String,
    /// What it becomes.
    pub(crate) to: String,
}

/// The note of the running task; an empty one where none was set.
pub(crate) fn current() -> Note {
    NOTE.try_with(Clone::clone).unwrap_or_default()
}

/// `work` with this note: for a task of its own.
pub(crate) fn with<F: Future>(note: Note, work: F) -> impl Future<Output = F::Output> {
    NOTE.scope(note, work)
}

/// Runs `work` for a lab: whatever it changes is written down with the lab's name.
///
/// Tasks that `work` spawns keep the name when they are spawned through [`crate::same_count`].
pub fn for_lab<F: Future>(lab: &str, work: F) -> impl Future<Output = F::Output> + use<F> {
    with(Note { lab: Some(lab.into()), ..current() }, work)
}

/// Runs `work`, whose calls change something `from` what it was `to` what it becomes: short words for
/// people, such as `v3` and `v3 80% · v4 20%`. Never a secret: both are written to the audit file.
pub fn changing<F: Future>(
    from: impl Into<String>,
    to: impl Into<String>,
    work: F,
) -> impl Future<Output = F::Output> {
    let change = Change { from: from.into(), to: to.into() };
    with(Note { change: Some(Arc::new(change)), ..current() }, work)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::same_count;

    #[expect(clippy::unused_async, reason = "a task is made of it")]
    async fn noted() -> (String, String) {
        let note = current();
        let change = note.change.map_or_else(String::new, |c| format!("{} → {}", c.from, c.to));
        (note.lab.map_or_else(String::new, |lab| lab.to_string()), change)
    }

    #[tokio::test]
    async fn a_call_knows_its_lab_and_its_change_also_in_a_task_of_its_own() {
        let inner = async {
            assert_eq!(noted().await, ("shop".to_owned(), String::new()));
            let both = changing("v1", "v2", async {
                let spawned = tokio::spawn(same_count(noted())).await.unwrap();
                assert_eq!(spawned, noted().await);
                noted().await
            });
            assert_eq!(both.await, ("shop".to_owned(), "v1 → v2".to_owned()));
            // What is spawned plainly is nobody's.
            assert_eq!(tokio::spawn(noted()).await.unwrap(), (String::new(), String::new()));
            noted().await
        };
        assert_eq!(for_lab("shop", inner).await.1, "");
        assert_eq!(noted().await, (String::new(), String::new()));
    }
}
