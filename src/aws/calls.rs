//! Counting the AWS calls of one operation, whatever else the program asks at the same time.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::note;

tokio::task_local! {
    static COUNT: Arc<AtomicU64>;
}

/// Counts a call for the operation that makes it, where one counts.
pub(crate) fn count_one() {
    let _ = COUNT.try_with(|count| count.fetch_add(1, Ordering::Relaxed));
}

/// Runs `work`; answers what it came to and how many AWS calls it made, every attempt counted.
///
/// Tasks that `work` spawns count when they are spawned through [`same_count`]. A count within a
/// count has its calls for itself.
pub async fn counted<T>(work: impl Future<Output = T>) -> (T, u64) {
    let count = Arc::new(AtomicU64::new(0));
    let done = COUNT.scope(Arc::clone(&count), work).await;
    (done, count.load(Ordering::Relaxed))
}

/// `work` for a task of its own, whose calls count for the operation that spawns it, and are written to
/// the audit with its lab and its change.
pub fn same_count<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let count = COUNT.try_with(Arc::clone).unwrap_or_default();
    COUNT.scope(count, note::with(note::current(), work))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn each_operation_counts_its_own_calls() {
        let operation = |calls: usize| async move {
            count_one();
            let spawned = tokio::spawn(same_count(async move {
                for _ in 1..calls {
                    count_one();
                    tokio::task::yield_now().await;
                }
            }));
            tokio::spawn(async { count_one() }).await.unwrap();
            spawned.await.unwrap();
        };
        let (((), three), ((), five)) = tokio::join!(counted(operation(3)), counted(operation(5)));
        assert_eq!((three, five), (3, 5));
    }
}
