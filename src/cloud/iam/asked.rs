//! What an operator with a policy has asked to do: the permissions that its work needs.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

/// Different pairs of action and resource that are kept; more are not noted.
const MOST: usize = 20_000;

/// Each action with each resource that it was asked for, once, whether it was allowed or not.
#[derive(Debug, Default)]
pub struct Asked {
    pairs: Mutex<BTreeSet<(String, String)>>,
}

impl Asked {
    pub(super) fn note(&self, action: &str, resource: &str) {
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        if pairs.len() < MOST {
            pairs.insert((action.to_owned(), resource.to_owned()));
        }
    }

    /// `{"asked": [{"action": …, "resource": …}, …]}`, sorted.
    pub fn told(&self) -> Value {
        let pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        let list: Vec<Value> = pairs
            .iter()
            .map(|(action, resource)| json!({ "action": action, "resource": resource }))
            .collect();
        json!({ "asked": list })
    }
}
