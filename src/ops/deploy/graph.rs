//! Collecting the steps of a plan and what each must wait for.

use super::Action;
use super::observe::Live;
use super::plan::{Change, Plan, Step, Verb, reason};
use super::settings::{Found, Settings, Spec, changes};
use super::wanted::Wanted;

/// What a resource's tag says that is not what the blueprint says, though everything is live.
const BEHIND: &str = "it does not remember yet what it was given";

/// A plan while it is made: each kind adds its steps, those that others wait for first.
#[derive(Debug)]
pub struct Planner<'a> {
    /// What is wanted.
    pub wanted: &'a Wanted,
    /// What is live.
    pub live: &'a Live,
    steps: Vec<Step>,
    notes: Vec<String>,
}

impl<'a> Planner<'a> {
    /// Without steps.
    pub fn new(wanted: &'a Wanted, live: &'a Live) -> Self {
        Self { wanted, live, steps: Vec::new(), notes: Vec::new() }
    }

    /// The plan of what was collected.
    pub fn into_plan(self) -> Plan {
        Plan { lab: self.wanted.lab.clone(), steps: self.steps, notes: self.notes }
    }

    /// Says something beside the steps.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Adds a step; answers its index.
    pub fn step(
        &mut self,
        verb: Verb,
        resource: &str,
        name: impl Into<String>,
        reason: impl Into<String>,
        after: &[usize],
        action: impl Into<Action>,
    ) -> usize {
        let mut after = after.to_vec();
        after.sort_unstable();
        after.dedup();
        self.steps.push(Step {
            verb,
            resource: resource.to_owned(),
            name: name.into(),
            reason: reason.into(),
            changes: Vec::new(),
            drift: false,
            warning: None,
            after,
            action: action.into(),
        });
        self.steps.len() - 1
    }

    /// Adds the creation of something that is missing.
    pub fn create(
        &mut self,
        resource: &str,
        name: impl Into<String>,
        after: &[usize],
        action: impl Into<Action>,
    ) -> usize {
        self.step(Verb::Create, resource, name, "missing", after, action)
    }

    /// Adds the removal of something that the blueprint names no more.
    pub fn removed(
        &mut self,
        resource: &str,
        name: impl Into<String>,
        after: &[usize],
        action: impl Into<Action>,
    ) -> usize {
        self.step(Verb::Delete, resource, name, "not in lab.toml any more", after, action)
    }

    /// Every step so far.
    pub fn all(&self) -> Vec<usize> {
        (0..self.steps.len()).collect()
    }

    /// Adds an update that some changes need.
    pub fn change(
        &mut self,
        resource: &str,
        name: impl Into<String>,
        changes: Vec<Change>,
        after: &[usize],
        action: impl Into<Action>,
    ) -> usize {
        let index = self.step(Verb::Update, resource, name, reason(&changes), after, action);
        self.steps[index].drift = changes.iter().all(|change| change.drift);
        self.steps[index].changes = changes;
        index
    }

    /// Adds the update that brings `live` to `wanted`, when one is needed: settings, or only what the
    /// resource remembers of them.
    pub fn update<S: Settings>(
        &mut self,
        resource: &str,
        name: impl Into<String>,
        (wanted, live): (&Spec<S>, &Found<S>),
        after: &[usize],
        action: impl Into<Action>,
    ) -> Option<usize> {
        let changes = changes(wanted, live);
        if !changes.is_empty() {
            return Some(self.change(resource, name, changes, after, action));
        }
        (wanted.record != live.record)
            .then(|| self.step(Verb::Update, resource, name, BEHIND, after, action))
    }

    /// Adds a step that writes down what a resource was given and nothing else.
    pub fn remember(
        &mut self,
        resource: &str,
        name: impl Into<String>,
        after: &[usize],
        action: impl Into<Action>,
    ) -> usize {
        self.step(Verb::Update, resource, name, BEHIND, after, action)
    }

    /// Says something loudly about a step.
    pub fn warn(&mut self, index: usize, warning: impl Into<String>) {
        if let Some(step) = self.steps.get_mut(index) {
            step.warning = Some(match step.warning.take() {
                Some(before) => format!("{before}; {}", warning.into()),
                None => warning.into(),
            });
        }
    }

    /// The steps on a resource so far.
    pub fn of(&self, resource: &str, name: &str) -> Vec<usize> {
        self.matching(|step| step.resource == resource && step.name == name)
    }

    /// The steps on a kind of resource so far.
    pub fn of_kind(&self, resource: &str) -> Vec<usize> {
        self.matching(|step| step.resource == resource)
    }

    fn matching(&self, wanted: impl Fn(&Step) -> bool) -> Vec<usize> {
        let found = self.steps.iter().enumerate().filter(|(_, step)| wanted(step));
        found.map(|(index, _)| index).collect()
    }
}
