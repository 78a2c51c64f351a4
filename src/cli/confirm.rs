//! Asking before something is done that can hurt; `--yes` answers beforehand.

use std::io::{self, BufRead, IsTerminal, Write};

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_ops::Engine;
use labdeck_ops::danger::{self, Danger, Wanted};

use crate::context::Context;

/// What is about to be done.
pub struct About<'a> {
    /// In present participle: `promoting the release of shop`.
    pub what: String,
    /// How much it can hurt.
    pub danger: Danger,
    /// The alias that it moves, where it moves one.
    pub alias: Option<&'a str>,
    /// What must be typed where something goes for good.
    pub name: &'a str,
}

/// Whether a person can be asked.
pub fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Writes a question to stderr and reads the line that is typed, trimmed; empty where nothing can be
/// read. A blocked read can't be cancelled; it is left behind when it is dropped.
pub async fn answer(question: String) -> String {
    let asked = tokio::task::spawn_blocking(move || {
        let mut stderr = io::stderr();
        let _ = stderr.write_all(question.as_bytes());
        let _ = stderr.flush();
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map(|_| line)
    });
    let typed = asked.await.ok().and_then(io::Result::ok).unwrap_or_default();
    typed.trim().to_owned()
}

/// What counts as yes.
pub const YES: [&str; 3] = ["y", "Y", "yes"];

/// Refused for want of a yes.
fn unconfirmed(what: &str, why: &str) -> Failure {
    Failure::new(FailureKind::Refused, what, why).next("confirm it with --yes")
}

impl Context<'_> {
    /// [`answer`]; empty when the person stops the command first.
    pub async fn answer(&self, question: String) -> String {
        tokio::select! {
            typed = answer(question) => typed,
            () = self.cancel.cancelled() => String::new(),
        }
    }

    /// Refuses what is asked for wherever it is done, when nobody can be asked: before anything is started
    /// for it.
    ///
    /// # Errors
    /// Refused.
    pub fn can_be_confirmed(&self, what: &str, danger: Danger) -> Result<()> {
        // Nowhere is less wanted than on the local cloud.
        let asked = matches!(danger.wants(true), Wanted::Yes | Wanted::Typed);
        if !asked || self.global.yes || can_ask() {
            return Ok(());
        }
        Err(unconfirmed(what, "it is not confirmed, and there is no terminal to ask on"))
    }

    /// Wants a yes, or a name, before something is done that can hurt; in read-only mode refuses it.
    ///
    /// # Errors
    /// Refused when it is not confirmed, when there is nobody to ask, and in read-only mode.
    pub async fn confirmed(&self, engine: &Engine, about: &About<'_>) -> Result<()> {
        if about.danger.changes() {
            engine.target.may_change(&about.what, None)?;
        }
        let wanted = about.danger.wants(engine.target.is_local());
        if matches!(wanted, Wanted::Nothing | Wanted::Meant) || self.global.yes {
            return Ok(());
        }
        let refused = |why: &str| Err(unconfirmed(&about.what, why));
        let place = danger::place_of(engine, about.alias).await;
        if !can_ask() {
            let why = format!("on {place} it is not confirmed, and there is no terminal to ask on");
            return refused(&why);
        }
        let (question, expected): (_, &[&str]) = match wanted {
            Wanted::Typed => (format!("Type {} to go on: ", about.name), &[about.name]),
            _ => ("Go on? [y/N] ".to_owned(), &YES),
        };
        let typed = self.answer(format!("{}\non {place}\n{question}", about.what)).await;
        if expected.contains(&typed.as_str()) { Ok(()) } else { refused("it was not confirmed") }
    }
}
