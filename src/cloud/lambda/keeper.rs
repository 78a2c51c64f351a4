//! Keeps as many execution environments ready as versions and aliases ask for: starts them ahead,
//! puts new ones in the place of those that end, and gives them up when nobody asks any more.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Notify;

use super::Lambda;
use super::environment::{Ahead, Initialization, Spec};
use super::unpoisoned;

/// AWS's reason for provisioned concurrency that failed since the function did not start.
const INIT_FAILURE: &str = "FUNCTION_ERROR_INIT_FAILURE";
/// How many environments are started at once.
const AT_ONCE: u32 = 4;
/// How long an end is answered with nothing: a function that ends at every invocation must not keep
/// the machine busy with starts.
const PAUSE: Duration = Duration::from_millis(200);
/// How long room for an environment is waited for before it is asked for again.
const ROOM_PATIENCE: Duration = Duration::from_secs(1);

/// What is kept ready, by instance.
#[derive(Debug, Default)]
pub struct Keeper {
    kept: Mutex<HashMap<String, Arc<Kept>>>,
}

/// One instance of a function's code.
#[derive(Debug)]
struct Kept {
    function: String,
    /// Environments; 0 once nobody asks any more.
    wanted: AtomicU32,
    /// Why no more are started, until something changes.
    failed: Mutex<Option<String>>,
    /// Told when more or fewer are wanted.
    changed: Arc<Notify>,
}

impl Keeper {
    /// Why the environments of an instance are not there, where their start failed.
    pub fn failure(&self, instance: &str) -> Option<String> {
        let kept = unpoisoned(self.kept.lock()).get(instance).cloned()?;
        unpoisoned(kept.failed.lock()).clone()
    }
}

impl Lambda {
    /// Makes what is kept ready for a function what it asks for now. To be called after every change
    /// of its provisioned concurrency, aliases or versions, and when it is gone.
    pub(super) fn keep_ready(self: &Arc<Self>, function: &str) {
        let mut all = unpoisoned(self.keeper.kept.lock());
        // Read under the lock: of two changes at once the later call sees both.
        let wanted =
            self.registry.find(function).map(|function| function.kept_ready()).unwrap_or_default();
        all.retain(|instance, kept| {
            let gone = kept.function == function && !wanted.contains_key(instance);
            if gone {
                kept.wanted.store(0, Ordering::Relaxed);
                self.pool.keep(instance, 0, None);
                kept.changed.notify_one();
            }
            !gone
        });
        for (instance, count) in wanted {
            let known = all.get(&instance).map(Arc::clone);
            let new = known.is_none();
            let kept = known.unwrap_or_else(|| {
                let kept = Arc::new(Kept {
                    function: function.to_owned(),
                    wanted: AtomicU32::new(0),
                    failed: Mutex::default(),
                    changed: Arc::default(),
                });
                all.insert(instance.clone(), Arc::clone(&kept));
                kept
            });
            if kept.wanted.swap(count, Ordering::Relaxed) != count {
                *unpoisoned(kept.failed.lock()) = None;
            }
            self.pool.keep(&instance, count, Some(Arc::clone(&kept.changed)));
            kept.changed.notify_one();
            if new {
                tokio::spawn(keep(Arc::downgrade(self), kept, instance));
            }
        }
    }

    /// What is kept ready again after a start of the cloud.
    pub(super) fn keep_all_ready(self: &Arc<Self>) {
        for function in self.registry.all() {
            if !function.provisioned.is_empty() {
                self.keep_ready(&function.name);
            }
        }
    }

    /// What an environment that is started ahead runs; `None` when its version is gone.
    fn spec_ahead(&self, function: &str, instance: &str) -> Option<Spec> {
        let function = self.registry.find(function)?;
        let configuration = function.versions.values().find(|c| c.instance == instance)?;
        let spec = self.spec(&function, configuration);
        Some(Spec { initialization: Initialization::Provisioned, ..spec })
    }
}

/// Looks after one instance until nobody asks for it any more.
async fn keep(lambda: Weak<Lambda>, kept: Arc<Kept>, instance: String) {
    let Some(time) = lambda.upgrade().map(|lambda| lambda.core.timing.provisioning) else { return };
    tokio::time::sleep(time).await;
    loop {
        let wanted = kept.wanted.load(Ordering::Relaxed);
        if wanted == 0 {
            return;
        }
        {
            let Some(lambda) = lambda.upgrade() else { return };
            let missing = wanted.saturating_sub(lambda.pool.started_ahead(&instance));
            let failed = unpoisoned(kept.failed.lock()).is_some();
            if missing > 0 && !failed {
                let starts = (0..missing.min(AT_ONCE)).map(|_| async {
                    let Some(spec) = lambda.spec_ahead(&kept.function, &instance) else {
                        return Ahead::Stopping;
                    };
                    lambda.pool.start_ahead(spec).await
                });
                let ends = join_all(starts).await;
                if ends.iter().any(|end| matches!(end, Ahead::Stopping)) {
                    return;
                }
                if ends.iter().any(|end| matches!(end, Ahead::Failed)) {
                    *unpoisoned(kept.failed.lock()) = Some(INIT_FAILURE.to_owned());
                }
                let full = ends.iter().any(|end| matches!(end, Ahead::Full));
                drop(lambda);
                if full {
                    tokio::time::sleep(ROOM_PATIENCE).await;
                }
                continue;
            }
        }
        kept.changed.notified().await;
        tokio::time::sleep(PAUSE).await;
    }
}
