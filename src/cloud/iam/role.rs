//! A role: what is stored of it, and its policies ready for decisions.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::context::Context;
use super::managed::{self, PolicyDocument};
use super::policy::{Decision, Kind, Policy};

/// A role as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RoleDocument {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) id: String,
    pub(super) arn: String,
    /// Seconds since the epoch.
    pub(super) created: i64,
    pub(super) description: Option<String>,
    pub(super) max_session_duration: u32,
    pub(super) trust_policy: String,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
    /// Inline policies by name.
    #[serde(default)]
    pub(super) inline: BTreeMap<String, String>,
    /// ARNs of attached managed policies.
    #[serde(default)]
    pub(super) attached: BTreeSet<String>,
}

/// A role with its policies read.
#[derive(Debug)]
pub(super) struct Role {
    pub(super) document: RoleDocument,
    pub(super) trust: Policy,
    policies: Vec<Policy>,
    /// A stored policy could not be read: nothing is allowed until it is put again.
    damaged: bool,
}

impl Role {
    /// Reads the policies of a role; `managed` are the account's own.
    pub(super) fn new(document: RoleDocument, managed: &BTreeMap<String, PolicyDocument>) -> Self {
        let inline = document.inline.values().map(String::as_str);
        let attached = document.attached.iter().filter_map(|arn| match managed::of_aws(arn) {
            Some(policy) => Some(policy.document),
            None => managed.get(arn).map(PolicyDocument::document),
        });
        let parsed: Vec<_> =
            inline.chain(attached).map(|text| Policy::parse(text, Kind::Identity)).collect();
        let damaged = parsed.iter().any(Result::is_err);
        let policies = parsed.into_iter().flatten().collect();
        let trust = Policy::parse(&document.trust_policy, Kind::Trust).unwrap_or_default();
        Self { document, trust, policies, damaged }
    }

    /// What all policies of the role together say about a call.
    pub(super) fn decide(&self, action: &str, resource: &str, context: &Context) -> Decision {
        let mut decision = Decision::ImplicitDeny;
        for policy in &self.policies {
            match policy.decide(action, resource, context) {
                Decision::ExplicitDeny => return Decision::ExplicitDeny,
                Decision::Allow => decision = Decision::Allow,
                Decision::ImplicitDeny => {}
            }
        }
        if self.damaged { Decision::ImplicitDeny } else { decision }
    }
}
