//! The person's own editor: text goes there in a file of its own and comes back changed.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Most that is read back, in bytes: API Gateway takes 10 MB.
const READ_AT_MOST: u64 = 10 * 1024 * 1024;
/// How long the reader of keys may take to stand aside.
const ASIDE_WITHIN: Duration = Duration::from_secs(2);

/// Keeps the thread that reads keys aside while another program has the terminal.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<(Mutex<Closed>, Condvar)>);

#[derive(Debug, Default)]
struct Closed {
    /// Whether the reader is to stand aside.
    asked: bool,
    /// Whether it does.
    aside: bool,
}

impl Gate {
    /// Called by the reader between two reads: waits here as long as the gate is closed.
    pub fn pass(&self) {
        let (closed, changed) = &*self.0;
        let mut state = closed.lock().unwrap_or_else(PoisonError::into_inner);
        while state.asked {
            state.aside = true;
            changed.notify_all();
            state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.aside = false;
    }

    /// Closes the gate and waits until the reader stands aside; whether it does.
    ///
    /// The reader is inside a read that only an event ends: a change of the terminal's size is one, and
    /// this tells the program of one that did not happen.
    pub fn close(&self) -> bool {
        let (closed, changed) = &*self.0;
        let mut state = closed.lock().unwrap_or_else(PoisonError::into_inner);
        state.asked = true;
        if kill(Pid::this(), Signal::SIGWINCH).is_err() {
            state.asked = false;
            return false;
        }
        let (mut state, late) = changed
            .wait_timeout_while(state, ASIDE_WITHIN, |state| !state.aside)
            .unwrap_or_else(PoisonError::into_inner);
        if late.timed_out() {
            state.asked = false;
            changed.notify_all();
        }
        !late.timed_out()
    }

    /// Opens it again.
    pub fn open(&self) {
        let (closed, changed) = &*self.0;
        closed.lock().unwrap_or_else(PoisonError::into_inner).asked = false;
        changed.notify_all();
    }
}

/// The person's editor: `VISUAL`, else `EDITOR`.
///
/// # Errors
/// When neither is set, with what to do.
pub fn command() -> Result<String, String> {
    ["VISUAL", "EDITOR"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.trim().is_empty())
        .ok_or_else(|| "no editor is set; export EDITOR=… and start labdeck again".to_owned())
}

/// Lets `command` edit `text` in a file that nobody else can read, and waits until it ends. The file is
/// removed in any case.
///
/// # Errors
/// Why there is no text: the file, the editor, what it wrote.
pub async fn edit(command: &str, text: &str) -> Result<String, String> {
    let failed = |error: io::Error| format!("the text could not be handed over: {error}");
    let mut file =
        tempfile::Builder::new().prefix("labdeck-").suffix(".json").tempfile().map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.flush()).map_err(failed)?;
    // The variable may hold flags, which is why a shell takes it apart; the file's name is none of its
    // business.
    let status = tokio::process::Command::new("sh")
        .args(["-c", &format!("exec {command} \"$1\""), "sh"])
        .arg(file.path())
        .status()
        .await
        .map_err(|error| format!("{command} could not be started: {error}"))?;
    if !status.success() {
        return Err(format!("{command} ended with {status}; the text is as it was"));
    }
    // Many editors write a new file and put it in place of the old one.
    let mut read = String::new();
    let written = std::fs::File::open(file.path())
        .and_then(|mut written| {
            written.seek(SeekFrom::Start(0))?;
            written.take(READ_AT_MOST + 1).read_to_string(&mut read)
        })
        .map_err(|error| format!("what {command} wrote could not be read: {error}"))?;
    if written as u64 > READ_AT_MOST {
        return Err("what was written is larger than the 10 MB that a gateway takes".to_owned());
    }
    // Editors end a file with a line break, which nobody typed.
    Ok(read.strip_suffix('\n').map(str::to_owned).unwrap_or(read))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn what_the_editor_writes_comes_back() {
        let shouts = "sh -c 'tr a-z A-Z < \"$1\" > \"$1.new\" && mv \"$1.new\" \"$1\"' sh";
        assert_eq!(edit(shouts, "{\n}x").await.unwrap(), "{\n}X");
        let said = edit("false", "x").await.unwrap_err();
        assert!(said.contains("the text is as it was"), "{said}");
        let said = edit("no-such-editor-here", "x").await.unwrap_err();
        assert!(said.contains("127"), "{said}");
    }
}
