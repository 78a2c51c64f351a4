//! Decides what becomes of a canary. Does nothing itself and knows no clock but what it is told.

use std::collections::BTreeMap;

use labdeck_lab::blueprint::Canary;
use labdeck_telemetry::LogEvent;
use labdeck_telemetry::compare::{Judge, Verdict, overall};

use super::{CanaryView, Command, End, Phase, terms};

/// Invocations of the canary within a step before the next one follows.
const STEP_SAMPLES: u64 = 10;
/// How long the tail may take to connect before telemetry counts as lost, in ms.
const CONNECTS_MS: i64 = 15_000;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Give the canary the share of this step (from 0).
    Step(usize),
    /// Give it everything.
    Promote,
    /// Take it back, and why.
    RollBack(String),
    /// Take it back, since the person says so.
    Abort,
    /// Stop guarding.
    Leave,
}

/// Where log events come from, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Telemetry {
    /// They come.
    Flows,
    /// Not yet, since this time (ms since the epoch).
    Connecting(i64),
    /// They don't, and why.
    Lost(String),
}

/// The guard of one lab's canary.
#[derive(Debug)]
pub struct Guard {
    lab: String,
    plan: Canary,
    judge: Judge,
    step: usize,
    phase: Phase,
    telemetry: Telemetry,
    /// What the alarms are, by name; empty while that is not known.
    alarms: BTreeMap<String, String>,
    /// How long the step was held, in ms.
    held_ms: i64,
    last_tick_ms: i64,
    /// Invocations of each function's canary as the step began.
    step_began_with: BTreeMap<String, u64>,
    sent: (u64, u64),
    /// A person's command that is still to be carried out.
    command: Option<Command>,
}

impl Guard {
    /// Guards the canary of `lab` at this step (from 0) of `plan`.
    pub fn new(lab: &str, plan: Canary, step: usize, now_ms: i64) -> Self {
        let judge = Judge::new(terms(&plan));
        Self {
            lab: lab.to_owned(),
            plan,
            judge,
            step,
            phase: Phase::Moving { what: "begins".to_owned() },
            telemetry: Telemetry::Connecting(now_ms),
            alarms: BTreeMap::new(),
            held_ms: 0,
            last_tick_ms: now_ms,
            step_began_with: BTreeMap::new(),
            sent: (0, 0),
            command: None,
        }
    }

    /// The share of a step (from 0), in percent; 100 behind the last.
    pub(super) fn percent(&self, step: usize) -> f64 {
        self.plan.steps.get(step).copied().unwrap_or(100.0)
    }

    /// The splits that are live now: function, stable version, canary, its share (0.0–1.0).
    pub fn watch<'a>(
        &mut self,
        splits: impl Iterator<Item = (&'a str, &'a str, &'a str, f64)>,
        now_ms: i64,
    ) {
        for (function, stable, canary, share) in splits {
            self.judge.watch(function, stable, canary, share, now_ms);
        }
    }

    /// A step (from 0) is live: it holds from now on.
    pub fn arrived(&mut self, step: usize, now_ms: i64) {
        self.step = step;
        self.held_ms = 0;
        self.last_tick_ms = now_ms;
        self.phase = Phase::Holding;
        let assessments = self.judge.assess();
        self.step_began_with = assessments
            .into_iter()
            .map(|one| (one.function.to_string(), one.canary.requests))
            .collect();
    }

    /// Takes log events in.
    pub fn events(&mut self, events: &[LogEvent]) {
        for event in events {
            self.judge.ingest(event);
        }
    }

    /// How log events come.
    pub fn telemetry(&mut self, telemetry: Telemetry) {
        // A tail that goes on connecting does so since the first time.
        if matches!(
            (&self.telemetry, &telemetry),
            (Telemetry::Connecting(_), Telemetry::Connecting(_))
        ) {
            return;
        }
        self.telemetry = telemetry;
    }

    /// The states of the alarms, by name.
    pub fn alarms(&mut self, states: BTreeMap<String, String>) {
        self.alarms = states;
    }

    /// How many requests it has sent itself, and how many of them failed.
    pub fn sent(&mut self, sent: (u64, u64)) {
        self.sent = sent;
    }

    /// A person's command.
    pub fn command(&mut self, command: Command) {
        match command {
            Command::Pause => {
                if !matches!(self.phase, Phase::Ended(_)) {
                    let reason = "on request".to_owned();
                    self.phase = Phase::Paused { reason, by_person: true };
                }
            }
            Command::Resume => {
                if matches!(self.phase, Phase::Paused { .. }) {
                    self.phase = Phase::Holding;
                }
            }
            Command::Skip | Command::Promote | Command::Abort | Command::Leave => {
                self.command = Some(command);
            }
        }
    }

    /// It waits for a person, for this reason.
    pub fn paused(&mut self, reason: String) {
        self.phase = Phase::Paused { reason, by_person: true };
    }

    /// It is over.
    pub fn ended(&mut self, end: End) {
        self.phase = Phase::Ended(end);
    }

    /// Traffic is being moved.
    pub fn moving(&mut self, what: impl Into<String>) {
        self.phase = Phase::Moving { what: what.into() };
    }

    /// What is to be done now.
    ///
    /// A breach is found in every phase but the last: a canary that waits serves its share too.
    pub fn decide(&mut self, now_ms: i64) -> Option<Decision> {
        let passed = (now_ms - self.last_tick_ms).max(0);
        self.last_tick_ms = now_ms;
        if matches!(self.phase, Phase::Ended(_)) {
            return None;
        }
        match self.command.take() {
            Some(Command::Abort) => return Some(Decision::Abort),
            Some(Command::Leave) => return Some(Decision::Leave),
            Some(Command::Skip) => return Some(self.next()),
            Some(Command::Promote) => return Some(Decision::Promote),
            _ => {}
        }
        if let Some(reason) = self.breach() {
            return Some(Decision::RollBack(reason));
        }
        match &self.phase {
            Phase::Holding | Phase::Paused { by_person: false, .. } => {}
            Phase::Paused { by_person: true, .. } | Phase::Moving { .. } | Phase::Ended(_) => {
                return None;
            }
        }
        if let Some(reason) = self.blind(now_ms) {
            self.phase = Phase::Paused { reason, by_person: false };
            return None;
        }
        let holds_ms = i64::from(self.plan.hold_s) * 1000;
        self.held_ms = (self.held_ms + passed).min(holds_ms);
        if self.held_ms < holds_ms {
            self.phase = Phase::Holding;
            return None;
        }
        if let Some(reason) = self.too_little() {
            self.phase = Phase::Paused { reason, by_person: false };
            return None;
        }
        Some(self.next())
    }

    fn next(&self) -> Decision {
        if self.step + 1 < self.plan.steps.len() {
            Decision::Step(self.step + 1)
        } else {
            Decision::Promote
        }
    }

    /// Why the canary has to go back.
    fn breach(&self) -> Option<String> {
        if let Some((function, version, reason)) = self.judge.worse() {
            return Some(format!("v{version} of {function} is worse: {reason}"));
        }
        let off = self.alarms.iter().find(|(_, state)| *state == "ALARM")?;
        Some(format!("alarm {} went off", off.0))
    }

    /// Why nothing can be seen.
    fn blind(&self, now_ms: i64) -> Option<String> {
        match &self.telemetry {
            Telemetry::Flows => None,
            Telemetry::Connecting(since) if now_ms - since < CONNECTS_MS => None,
            Telemetry::Connecting(_) => Some("telemetry: the tail does not connect".to_owned()),
            Telemetry::Lost(reason) => Some(format!("telemetry is lost: {reason}")),
        }
    }

    /// What is missing before the next step may follow.
    fn too_little(&self) -> Option<String> {
        if !self.plan.alarms.iter().all(|alarm| self.alarms.contains_key(alarm)) {
            return Some("the alarms could not be read".to_owned());
        }
        let assessments = self.judge.assess();
        if overall(&assessments) == Verdict::TooLittleData {
            let undecided = assessments
                .iter()
                .filter(|one| one.verdict == Verdict::TooLittleData)
                .max_by_key(|one| one.canary.requests + one.stable.requests);
            let reason = undecided
                .map_or_else(String::new, |one| format!(": {}: {}", one.function, one.reason));
            return Some(format!("too little data{reason}"));
        }
        let in_step = assessments.iter().map(|one| {
            let before = self.step_began_with.get(&*one.function).copied().unwrap_or_default();
            one.canary.requests - before.min(one.canary.requests)
        });
        let most = in_step.max().unwrap_or_default();
        (most < STEP_SAMPLES)
            .then(|| format!("too little data: {most} of {STEP_SAMPLES} invocations in this step"))
    }

    /// What it does, and at which step (from 0).
    pub fn phase(&self) -> (&Phase, usize) {
        (&self.phase, self.step)
    }

    /// As it is shown.
    pub fn view(&self) -> CanaryView {
        let functions = self.judge.assess();
        CanaryView {
            lab: self.lab.clone(),
            phase: self.phase.clone(),
            step: self.step,
            steps: self.plan.steps.clone(),
            held_s: self.held_ms as f64 / 1000.0,
            hold_s: self.plan.hold_s,
            verdict: overall(&functions),
            functions,
            confidence: self.plan.confidence,
            sent: self.sent,
        }
    }

    /// Where it goes next, in words.
    pub fn words(&self, decision: &Decision) -> String {
        match decision {
            Decision::Step(step) => format!("to {}%", self.percent(*step)),
            Decision::Promote => "everything to the canary".to_owned(),
            Decision::RollBack(reason) => format!("back: {reason}"),
            Decision::Abort => "back, on request".to_owned(),
            Decision::Leave => "guarded no longer".to_owned(),
        }
    }
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
