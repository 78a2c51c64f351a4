//! A job's progress on its way to the state: never blocking the job, never flooding the screen.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use labdeck_ops::progress::{Progress, Reporter};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::message::Message;

/// Progress on its way to the state: as much as fits, counters only as they are now.
#[derive(Default)]
struct Waiting {
    /// Each with the index of the lab that it is about.
    events: Mutex<Vec<(usize, Progress)>>,
    more: Notify,
    done: CancellationToken,
}

/// The way of a job's progress to the state.
pub struct Forward {
    waiting: Arc<Waiting>,
    task: JoinHandle<()>,
}

impl Forward {
    /// Waits until all progress was told.
    pub async fn finish(self) {
        self.waiting.done.cancel();
        let _ = self.task.await;
    }
}

impl Forward {
    /// A way for job `id` to `sender`.
    pub fn new(id: u64, sender: mpsc::Sender<Message>) -> Self {
        let waiting = Arc::new(Waiting::default());
        let source = Arc::clone(&waiting);
        let task = tokio::spawn(async move {
            loop {
                let ended = tokio::select! {
                    () = source.more.notified() => false,
                    () = source.done.cancelled() => true,
                };
                let events = std::mem::take(
                    &mut *source.events.lock().unwrap_or_else(PoisonError::into_inner),
                );
                if !events.is_empty()
                    && sender.send(Message::Progress { id, events }).await.is_err()
                {
                    return;
                }
                if ended {
                    return;
                }
                // Thousands of requests a second are a handful of messages.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        Self { waiting, task }
    }

    /// A reporter for one of the job's labs. It never blocks: what it is told waits here, and counters
    /// replace each other.
    pub fn reporter(&self, part: usize) -> Reporter {
        let sink = Arc::clone(&self.waiting);
        Reporter::new(move |event| {
            let mut events = sink.events.lock().unwrap_or_else(PoisonError::into_inner);
            match (events.last_mut(), &event) {
                (Some((of, last @ Progress::Burst(_))), Progress::Burst(_))
                | (Some((of, last @ Progress::Building { .. })), Progress::Building { .. })
                    if *of == part =>
                {
                    *last = event;
                }
                _ => events.push((part, event)),
            }
            drop(events);
            sink.more.notify_one();
        })
    }
}
