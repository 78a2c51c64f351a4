//! The terminal: taken over, given back in every way out, suspended and resumed.

use std::io::{self, BufWriter, Stdout, Write};
use std::mem::ManuallyDrop;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgrp};
use ratatui::Frame;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;

/// Whether the terminal is taken over now. The panic hook needs it, so it is global.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Whether a thread has panicked.
static PANICKED: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// Longest text that is put on the clipboard, in bytes: terminals drop longer OSC 52 sequences.
const CLIPBOARD_BYTES: usize = 74_000;

/// The terminal while it is taken over; dropping it gives the terminal back.
pub struct Screen {
    /// Never dropped: ratatui would show the cursor then, and where the terminal is gone complain on
    /// a standard error that is gone too, which panics. [`leave`] does what there is to do.
    terminal: ManuallyDrop<ratatui::Terminal<CrosstermBackend<BufWriter<Stdout>>>>,
}

impl Screen {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// When standard output is no terminal or does not do as told; it is given back then.
    pub fn take() -> io::Result<Self> {
        install_hook();
        enter()?;
        let writer = BufWriter::with_capacity(64 * 1024, io::stdout());
        match ratatui::Terminal::new(CrosstermBackend::new(writer)) {
            Ok(terminal) => Ok(Self { terminal: ManuallyDrop::new(terminal) }),
            Err(error) => {
                leave();
                Err(error)
            }
        }
    }

    /// Draws a frame; terminals that know synchronized output show it at once.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn draw(&mut self, render: impl FnOnce(&mut Frame)) -> io::Result<()> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(render)?;
        queue!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        io::Write::flush(self.terminal.backend_mut())
    }

    /// Forgets what is on the screen, so that the next frame is drawn whole.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn clear(&mut self) -> io::Result<()> {
        // Not ratatui's own `clear`: it asks the terminal where the cursor is, and the answer would
        // go to the thread that reads keys.
        let (columns, rows) = size();
        self.terminal.resize(Rect::new(0, 0, columns, rows))
    }

    /// Gives the terminal back and stops, as Ctrl-Z does elsewhere; the shell's `fg` goes on.
    ///
    /// The leader of the process group stops too, where it is another: it is the program that
    /// started this one and that the shell waits for. Not the whole group: a child that stopped between
    /// its birth and its program would hold the thread that waits for it, and with it this program,
    /// half stopped for ever. Where nothing stops (a session leader's group has nobody to continue
    /// it), it goes on by itself.
    ///
    /// # Errors
    /// When the signal can't be sent.
    #[allow(clippy::unused_self, reason = "only who holds the terminal may give it back")]
    pub fn stop(&mut self) -> io::Result<()> {
        leave();
        let leader = getpgrp();
        if leader != Pid::this() {
            // It may have ended before the others of its group.
            let _ = kill(leader, Signal::SIGTSTP);
        }
        kill(Pid::this(), Signal::SIGTSTP).map_err(io::Error::from)
    }

    /// Gives the terminal to another program; [`Screen::resume`] takes it back.
    #[allow(clippy::unused_self, reason = "only who holds the terminal may give it away")]
    pub fn lend(&mut self) {
        leave();
    }

    /// Takes the terminal over again after a stop, and draws everything anew.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn resume(&mut self) -> io::Result<()> {
        TAKEN.store(false, Ordering::SeqCst);
        enter()?;
        self.clear()
    }

    /// Puts text on the clipboard by OSC 52.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn copy(&mut self, text: &str) -> io::Result<()> {
        let mut end = text.len().min(CLIPBOARD_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        execute!(self.terminal.backend_mut(), CopyToClipboard::to_clipboard_from(&text[..end]))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

/// Columns and rows of the terminal.
pub fn size() -> (u16, u16) {
    crossterm::terminal::size().unwrap_or((80, 24))
}

/// Whether the terminal is gone: its other end was closed.
pub fn is_gone() -> bool {
    let stdin = io::stdin();
    let fd = std::os::fd::AsFd::as_fd(&stdin);
    let mut fds = [PollFd::new(fd, PollFlags::empty())];
    matches!(poll(&mut fds, PollTimeout::ZERO), Ok(1..))
        && fds[0].revents().is_some_and(|events| {
            events.intersects(PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL)
        })
}

/// Whether a thread has panicked; the terminal was given back then.
pub fn has_panicked() -> bool {
    PANICKED.load(Ordering::SeqCst)
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let entered = execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide);
    if entered.is_err() {
        leave();
    }
    entered
}

/// Gives the terminal back, once. Its errors have nowhere to go: the terminal may be gone.
fn leave() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let mut out = io::stdout();
        let _ = execute!(
            out,
            EndSynchronizedUpdate,
            DisableBracketedPaste,
            LeaveAlternateScreen,
            cursor::Show
        );
        let _ = disable_raw_mode();
        let _ = out.flush();
    }
}

/// A panic anywhere gives the terminal back before it is reported.
fn install_hook() {
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICKED.store(true, Ordering::SeqCst);
            leave();
            previous(info);
        }));
    });
}
