//! What marks a blueprint of resources that somebody else deployed.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

/// Resources that labdeck did not deploy and operates all the same: found by their ids and names, not
/// by labdeck's tag.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Attached {
    /// Ids of the REST APIs by the names that the blueprint gives them.
    pub apis: BTreeMap<String, String>,
    /// The alias that releases move, where one is known.
    pub alias: Option<String>,
    /// Log groups of functions that have another one than `/aws/lambda/FUNCTION`, by function.
    pub log_groups: BTreeMap<String, String>,
    /// Ids of the API keys of the usage plans that are bound to a stage of the APIs.
    pub keys: BTreeSet<String>,
    /// Labs of labdeck that some of the resources belong to.
    pub labs: BTreeSet<String>,
    /// `CloudFormation` stacks that some of the resources belong to.
    pub stacks: BTreeSet<String>,
    /// What was left out, and what does not work as one may expect: one line each.
    pub remarks: Vec<String>,
}
