//! Progress on stderr: one line that changes on a terminal, plain lines elsewhere, nothing with
//! JSON.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use labdeck_ops::deploy::plan::{Plan, Verb};
use labdeck_ops::progress::{BurstProgress, Progress, Reporter};

use crate::output::Output;

/// How often the line on a terminal changes at most.
const DRAW_EVERY: Duration = Duration::from_millis(80);

/// Progress of one command. Dropping it clears the line.
pub struct Display {
    state: Option<Arc<Mutex<State>>>,
}

/// Progress of one of the labs that a command is about.
#[derive(Default)]
struct Part {
    /// Begins each of its lines, where there are several.
    prefix: String,
    plan: Option<Plan>,
    running: Vec<usize>,
    done: usize,
}

struct State {
    terminal: bool,
    parts: Vec<Part>,
    drawn: Option<Instant>,
    shown: bool,
    told_tenth: u64,
}

impl Display {
    /// Shows progress unless the output is JSON.
    pub fn new(output: &Output) -> Self {
        let state = State {
            terminal: Output::interactive(),
            parts: Vec::new(),
            drawn: None,
            shown: false,
            told_tenth: 0,
        };
        Self { state: (!output.json).then(|| Arc::new(Mutex::new(state))) }
    }

    /// What an operation reports to.
    pub fn reporter(&self) -> Reporter {
        self.reporter_of(None)
    }

    /// What the operation on one of several labs reports to: its lines begin with the lab's name.
    pub fn reporter_of(&self, lab: Option<&str>) -> Reporter {
        let Some(state) = &self.state else { return Reporter::silent() };
        let prefix = lab.map(|lab| format!("{lab}: ")).unwrap_or_default();
        let Ok(part) = state.lock().map(|mut state| {
            state.parts.push(Part { prefix, ..Part::default() });
            state.parts.len() - 1
        }) else {
            return Reporter::silent();
        };
        let state = Arc::clone(state);
        Reporter::new(move |event| {
            if let Ok(mut state) = state.lock() {
                state.take(part, event);
            }
        })
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
    fn take(&mut self, part: usize, event: Progress) {
        let prefix = self.parts.get(part).map(|part| part.prefix.clone()).unwrap_or_default();
        match event {
            Progress::Phase { name } => self.tell(&format!("{prefix}{name}"), true),
            Progress::Building { done, total, unit } => {
                // Every crate is a line too many in a log.
                if self.terminal {
                    self.tell(&format!("{prefix}building {done}/{total} {unit}"), false);
                }
            }
            Progress::Built { seconds, compiled } => {
                let text = format!("built in {seconds:.1} s, {compiled} compiled anew");
                self.tell(&format!("{prefix}{text}"), true);
            }
            Progress::Planned { plan } => {
                let steps = plan.steps.len();
                for warning in plan.warnings() {
                    self.permanent(&format!("! {prefix}{warning}"));
                }
                if let Some(part) = self.parts.get_mut(part) {
                    part.plan = Some(plan);
                }
                self.tell(&format!("{prefix}{steps} steps to do"), true);
            }
            Progress::StepStarted { index } => {
                if let Some(part) = self.parts.get_mut(part) {
                    part.running.push(index);
                }
                self.draw_steps(false);
            }
            Progress::StepWaiting { index, reason, seconds } => {
                let within = seconds.map(|s| format!(", at most {s:.0} s")).unwrap_or_default();
                let text = format!("{} waits for {reason}{within}", self.step(part, index));
                self.tell(&text, true);
            }
            Progress::StepDone { index, seconds, failure } => {
                if let Some(part) = self.parts.get_mut(part) {
                    part.running.retain(|running| *running != index);
                    part.done += 1;
                }
                let step = self.step(part, index);
                match failure {
                    None => self.permanent(&format!("  {step} ({seconds:.1} s)")),
                    Some(failure) => self.permanent(&format!("  {step} failed: {}", failure.why)),
                }
                self.draw_steps(true);
            }
            Progress::Burst(burst) => self.burst(&burst),
        }
    }

    fn burst(&mut self, burst: &BurstProgress) {
        let so_far = &burst.so_far;
        let sent = so_far.answered + so_far.failed;
        let of = burst.load.count.map(|count| format!(" of {count}")).unwrap_or_default();
        let text = format!(
            "{sent}{of} sent · {:.0} s · {:.0}/s · p50 {:.1} ms · p99 {:.1} ms",
            so_far.seconds, so_far.per_second, so_far.p50_ms, so_far.p99_ms
        );
        let over = burst.share >= 1.0;
        if self.terminal {
            self.tell(&text, over);
            return;
        }
        // In a log, every tenth is enough.
        let tenth = (burst.share * 10.0) as u64;
        if over || tenth > self.told_tenth {
            self.told_tenth = tenth;
            self.tell(&text, true);
        }
    }

    /// What a step does: `create table visits`, behind the lab where there are several.
    fn step(&self, part: usize, index: usize) -> String {
        let Some(part) = self.parts.get(part) else { return format!("step {}", index + 1) };
        let Some(step) = part.plan.as_ref().and_then(|plan| plan.steps.get(index)) else {
            return format!("{}step {}", part.prefix, index + 1);
        };
        format!("{}{} {} {}", part.prefix, verb(step.verb), step.resource, step.name)
    }

    fn draw_steps(&mut self, now: bool) {
        if !self.terminal {
            return;
        }
        let steps = |part: &Part| part.plan.as_ref().map_or(0, |plan| plan.steps.len());
        let total: usize = self.parts.iter().map(steps).sum();
        let done: usize = self.parts.iter().map(|part| part.done).sum();
        let running = self.parts.iter().enumerate();
        let running = running.flat_map(|(at, part)| part.running.iter().map(move |i| (at, *i)));
        let running: Vec<String> = running.take(2).map(|(at, i)| self.step(at, i)).collect();
        self.tell(&format!("{done}/{total} {}", running.join(", ")), now);
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
