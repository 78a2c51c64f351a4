//! Progress on stderr: one line that changes on a terminal, plain lines elsewhere, nothing with
//! JSON.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use labdeck_ops::deploy::plan::{Plan, Verb};
use labdeck_ops::progress::{Progress, Reporter};

use crate::output::Output;

/// How often the line on a terminal changes at most.
const DRAW_EVERY: Duration = Duration::from_millis(80);

/// Progress of one command. Dropping it clears the line.
pub struct Display {
    state: Option<Arc<Mutex<State>>>,
}

struct State {
    terminal: bool,
    plan: Option<Plan>,
    running: Vec<usize>,
    done: usize,
    drawn: Option<Instant>,
    shown: bool,
    told_requests: u64,
}

impl Display {
    /// Shows progress unless the output is JSON.
    pub fn new(output: &Output) -> Self {
        let state = State {
            terminal: Output::interactive(),
            plan: None,
            running: Vec::new(),
            done: 0,
            drawn: None,
            shown: false,
            told_requests: 0,
        };
        Self { state: (!output.json).then(|| Arc::new(Mutex::new(state))) }
    }

    /// What an operation reports to.
    pub fn reporter(&self) -> Reporter {
        match &self.state {
            None => Reporter::silent(),
            Some(state) => {
                let state = Arc::clone(state);
                Reporter::new(move |event| {
                    if let Ok(mut state) = state.lock() {
                        state.take(event);
                    }
                })
            }
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Some(state) = &self.state
            && let Ok(mut state) = state.lock()
        {
            state.clear();
        }
    }
}

impl State {
    fn take(&mut self, event: Progress) {
        match event {
            Progress::Phase { name } => self.tell(&name, true),
            Progress::Building { done, total, unit } => {
                // Every crate is a line too many in a log.
                if self.terminal {
                    self.tell(&format!("building {done}/{total} {unit}"), false);
                }
            }
            Progress::Built { seconds, compiled } => {
                self.tell(&format!("built in {seconds:.1} s, {compiled} compiled anew"), true);
            }
            Progress::Planned { plan } => {
                let steps = plan.steps.len();
                for warning in plan.warnings() {
                    self.permanent(&format!("! {warning}"));
                }
                self.plan = Some(plan);
                self.tell(&format!("{steps} steps to do"), true);
            }
            Progress::StepStarted { index } => {
                self.running.push(index);
                self.draw_steps(false);
            }
            Progress::StepWaiting { index, reason, seconds } => {
                let within = seconds.map(|s| format!(", at most {s:.0} s")).unwrap_or_default();
                let text = format!("{} waits for {reason}{within}", self.step(index));
                self.tell(&text, true);
            }
            Progress::StepDone { index, seconds, failure } => {
                self.running.retain(|running| *running != index);
                self.done += 1;
                let step = self.step(index);
                match failure {
                    None => self.permanent(&format!("  {step} ({seconds:.1} s)")),
                    Some(failure) => self.permanent(&format!("  {step} failed: {}", failure.why)),
                }
                self.draw_steps(true);
            }
            Progress::Requests { done, total } => self.requests(done, total),
        }
    }

    fn requests(&mut self, done: u64, total: u64) {
        let text = format!("{done} of {total} answered");
        if self.terminal {
            self.tell(&text, done == total);
            return;
        }
        // In a log, every tenth is enough.
        if done == total || done - self.told_requests.min(done) >= total.div_ceil(10) {
            self.told_requests = done;
            self.tell(&text, true);
        }
    }

    /// What a step does: `create table visits: missing`.
    fn step(&self, index: usize) -> String {
        let Some(step) = self.plan.as_ref().and_then(|plan| plan.steps.get(index)) else {
            return format!("step {}", index + 1);
        };
        format!("{} {} {}", verb(step.verb), step.resource, step.name)
    }

    fn draw_steps(&mut self, now: bool) {
        if !self.terminal {
            return;
        }
        let total = self.plan.as_ref().map_or(0, |plan| plan.steps.len());
        let running: Vec<String> = self.running.iter().take(2).map(|i| self.step(*i)).collect();
        let text = format!("{}/{total} {}", self.done, running.join(", "));
        self.tell(&text, now);
    }

    /// The line of a terminal, or a plain line elsewhere.
    fn tell(&mut self, text: &str, now: bool) {
        if !self.terminal {
            let _ = writeln!(io::stderr().lock(), "{text}");
            return;
        }
        let fresh = self.drawn.is_some_and(|drawn| drawn.elapsed() < DRAW_EVERY);
        if fresh && !now {
            return;
        }
        self.drawn = Some(Instant::now());
        self.shown = true;
        // One line whatever the terminal's width: no wrapping while it is drawn.
        let _ = write!(io::stderr().lock(), "\r\x1b[2K\x1b[?7l{text}\x1b[?7h");
        let _ = io::stderr().flush();
    }

    /// A line that stays.
    fn permanent(&mut self, text: &str) {
        self.clear();
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    fn clear(&mut self) {
        if self.shown {
            let _ = write!(io::stderr().lock(), "\r\x1b[2K");
            let _ = io::stderr().flush();
            self.shown = false;
        }
    }
}

/// The verb as people say it.
pub fn verb(verb: Verb) -> &'static str {
    match verb {
        Verb::Create => "create",
        Verb::Update => "update",
        Verb::Replace => "REPLACE",
        Verb::Delete => "delete",
    }
}
