//! Which invocation a handler's own error count belongs to.
//!
//! A handler tells of an error in its EMF document, Lambda of the invocation's end in its REPORT line.
//! Mostly the document comes first; with the same millisecond on both the order may be the other one.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use crate::emf::NAMESPACE;
use crate::event::Emf;

/// Invocations that are remembered on either side.
const REMEMBERED: usize = 4096;

/// A set of the newest [`REMEMBERED`] names.
#[derive(Debug, Clone, Default)]
struct Recent {
    order: VecDeque<Arc<str>>,
    names: HashSet<Arc<str>>,
}

impl Recent {
    fn put(&mut self, name: &str) {
        let name: Arc<str> = name.into();
        if self.names.insert(Arc::clone(&name)) {
            self.order.push_back(name);
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.names.remove(&oldest);
        }
    }

    /// Takes it out; whether it was there.
    fn take(&mut self, name: &str) -> bool {
        // Its place in the order is left: it falls out in its turn.
        self.names.remove(name)
    }
}

/// Brings the two lines of an invocation together.
#[derive(Debug, Clone, Default)]
pub(super) struct Pairing {
    /// Errors whose REPORT line has not come.
    errors: Recent,
    /// Invocations that ended without an error so far.
    succeeded: Recent,
}

impl Pairing {
    /// An EMF document in the log stream `stream`; whether it makes a failure of an invocation that was
    /// taken for a success.
    pub(super) fn document(&mut self, emf: &Emf, stream: &str) -> bool {
        if !tells_an_error(emf) {
            return false;
        }
        let id = request_id(emf).unwrap_or(stream);
        if self.succeeded.take(id) {
            return true;
        }
        self.errors.put(id);
        false
    }

    /// A REPORT line; whether the invocation failed, by its own status or by its handler's count.
    pub(super) fn report(&mut self, id: &str, stream: &str, failed: bool) -> bool {
        // A handler that names no request is paired by its environment, which has one call at a time.
        let told = self.errors.take(id) | self.errors.take(stream);
        if !failed && !told {
            self.succeeded.put(id);
        }
        failed || told
    }
}

fn tells_an_error(emf: &Emf) -> bool {
    emf.namespace == NAMESPACE
        && emf
            .metrics
            .iter()
            .any(|metric| metric.name == "Errors" && metric.values.iter().any(|value| *value > 0.0))
}

fn request_id(emf: &Emf) -> Option<&str> {
    let found = emf.properties.iter().find(|(name, _)| name == "requestId");
    found.map(|(_, id)| id.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EmfMetric;

    fn document(errors: f64, id: Option<&str>) -> Emf {
        let metric =
            EmfMetric { name: "Errors".into(), unit: "Count".into(), values: vec![errors] };
        Emf {
            namespace: NAMESPACE.into(),
            metrics: vec![metric],
            dimensions: Vec::new(),
            properties: id.map(|id| ("requestId".to_owned(), id.to_owned())).into_iter().collect(),
        }
    }

    #[test]
    fn an_error_counts_once_in_either_order() {
        let mut pairing = Pairing::default();
        assert!(!pairing.document(&document(1.0, Some("a")), "s"));
        assert!(pairing.report("a", "s", false));
        assert!(!pairing.report("b", "s", false));
        assert!(pairing.document(&document(1.0, Some("b")), "s"), "the later document mends it");
        assert!(!pairing.document(&document(0.0, Some("c")), "s"));
        assert!(!pairing.report("c", "s", false));
        assert!(!pairing.document(&document(1.0, None), "s"));
        assert!(pairing.report("d", "s", true), "both tell of the same failure");
        assert!(!pairing.report("e", "s", false));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut pairing = Pairing::default();
        for id in 0..3 * REMEMBERED {
            pairing.report(&id.to_string(), "s", false);
        }
        assert!(pairing.succeeded.names.len() <= REMEMBERED);
        assert!(pairing.succeeded.order.len() <= REMEMBERED);
    }
}
