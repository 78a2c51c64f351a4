//! The event loop: input first, then messages, then at most one draw.

use std::io;
use std::time::{Duration, Instant};

use color_eyre::eyre::{WrapErr, eyre};
use crossterm::event::Event;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::backend::Backend;
use crate::editor::{self, Gate};
use crate::message::{Effect, Message};
use crate::state::State;
use crate::terminal::{self, Screen};
use crate::{update, view};

/// Least time between two draws that nobody waits for: about 60 a second.
const FRAME: Duration = Duration::from_millis(16);
/// What is shown from the cloud is refreshed this often.
const REFRESH: Duration = Duration::from_secs(5);
/// Messages taken in before input is looked at again.
const BATCH: usize = 8;
/// Messages that may wait; tasks wait for room beyond that.
pub const MESSAGES: usize = 64;
/// How long a stopped program waits to see whether it was stopped.
const STOP_PATIENCE: Duration = Duration::from_millis(300);

/// Signals that end the program.
struct Ends {
    terminate: Signal,
    hangup: Signal,
    interrupt: Signal,
}

impl Ends {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Forgets what came from the keyboard while another program had the terminal.
    fn forget_interrupts(&mut self) -> io::Result<()> {
        self.interrupt = signal(SignalKind::interrupt())?;
        Ok(())
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// SIGCONT: somebody continued the program, by `fg` or by hand.
fn continued() -> io::Result<Signal> {
    signal(SignalKind::from_raw(nix::sys::signal::Signal::SIGCONT as i32))
}

/// Reads terminal events on a thread of its own: a terminal that went away may keep the reader busy
/// for ever, and that must not be the thread that leaves.
fn read_input(gate: Gate) -> mpsc::Receiver<io::Result<Event>> {
    let (sender, receiver) = mpsc::channel(256);
    std::thread::spawn(move || {
        loop {
            gate.pass();
            let event = crossterm::event::read();
            let failed = event.is_err();
            if sender.blocking_send(event).is_err() || failed {
                return;
            }
        }
    });
    receiver
}

/// Draws the first frame, then starts the backend and runs until the person leaves.
///
/// # Errors
/// When the terminal does not do as told, or a task panicked.
pub async fn run(
    mut state: State,
    make_backend: impl FnOnce(mpsc::Sender<Message>) -> Backend,
) -> color_eyre::Result<()> {
    let mut ends = Ends::new().wrap_err("listening for signals")?;
    let mut proceed = continued().wrap_err("listening for signals")?;
    state.size = terminal::size();
    state.now_ms = now_ms();
    let mut screen = Screen::take().wrap_err("taking the terminal over")?;
    // The first frame comes before anything that could take time.
    screen.draw(|frame| view::draw(frame, &state)).wrap_err("drawing")?;
    let (sender, messages) = mpsc::channel(MESSAGES);
    let mut backend = make_backend(sender);
    backend.run(Effect::Connect);
    let gate = Gate::default();
    let input = read_input(gate.clone());
    let mut running = Loop {
        state,
        screen,
        gate,
        lent: false,
        dirty: false,
        urgent: false,
        drawn: Instant::now(),
        leaving: false,
    };
    let result = running.run((&mut ends, &mut proceed), input, messages, &mut backend).await;
    // The terminal is given back before anything that could take time.
    drop(running);
    backend.shut_down().await;
    if terminal::has_panicked() {
        return Err(eyre!("a task panicked; the message is above"));
    }
    result
}

/// The loop's own state beside what the screen shows.
struct Loop {
    state: State,
    screen: Screen,
    /// Keeps the reader of keys aside while an editor has the terminal.
    gate: Gate,
    /// Whether an editor has had the terminal.
    lent: bool,
    /// Whether something changed since the last draw.
    dirty: bool,
    /// Whether a key changed it, or what somebody waits for: drawn without waiting.
    urgent: bool,
    drawn: Instant,
    leaving: bool,
}

impl Loop {
    async fn run(
        &mut self,
        (ends, proceed): (&mut Ends, &mut Signal),
        mut input: mpsc::Receiver<io::Result<Event>>,
        mut messages: mpsc::Receiver<Message>,
        backend: &mut Backend,
    ) -> color_eyre::Result<()> {
        let mut refresh = tokio::time::interval_at(tokio::time::Instant::now() + REFRESH, REFRESH);
        refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.leaving {
            if std::mem::take(&mut self.lent) {
                ends.forget_interrupts().wrap_err("listening for signals")?;
            }
            let frame_due = tokio::time::Instant::from_std(self.drawn + FRAME);
            let beat_due = self.beat_due();
            tokio::select! {
                biased;
                () = ends.next() => return Ok(()),
                _ = proceed.recv() => {
                    self.screen.resume().wrap_err("taking the terminal over again")?;
                    self.resized();
                }
                event = input.recv() => {
                    let Some(event) = event else { return Ok(()) };
                    self.take_input(event.wrap_err("reading the terminal")?, proceed, backend).await?;
                }
                message = messages.recv() => {
                    let Some(message) = message else { return Ok(()) };
                    self.take_message(message, proceed, backend).await?;
                    for _ in 1..BATCH {
                        match messages.try_recv() {
                            Ok(message) => self.take_message(message, proceed, backend).await?,
                            Err(_) => break,
                        }
                    }
                }
                _ = refresh.tick() => {
                    if terminal::is_gone() {
                        return Ok(());
                    }
                    self.take_message(Message::Tick, proceed, backend).await?;
                }
                () = sleep_until(beat_due), if beat_due.is_some() => {
                    self.take_message(Message::Beat, proceed, backend).await?;
                }
                () = tokio::time::sleep_until(frame_due), if self.dirty => {}
            }
            while let Ok(event) = input.try_recv() {
                self.take_input(event.wrap_err("reading the terminal")?, proceed, backend).await?;
            }
            if terminal::has_panicked() {
                return Ok(());
            }
            if self.dirty && (self.urgent || self.drawn.elapsed() >= FRAME) {
                self.draw()?;
            }
        }
        Ok(())
    }

    /// When the next beat is due.
    fn beat_due(&self) -> Option<tokio::time::Instant> {
        let wait = update::wake_at(&self.state)? - now_ms();
        let wait = Duration::from_millis(u64::try_from(wait).unwrap_or(0));
        Some(tokio::time::Instant::now() + wait)
    }

    async fn take_input(
        &mut self,
        event: Event,
        proceed: &mut Signal,
        backend: &mut Backend,
    ) -> color_eyre::Result<()> {
        self.state.now_ms = now_ms();
        self.dirty = true;
        self.urgent = true;
        let effects = update::input(&mut self.state, &event);
        self.run_effects(effects, proceed, backend).await
    }

    async fn take_message(
        &mut self,
        message: Message,
        proceed: &mut Signal,
        backend: &mut Backend,
    ) -> color_eyre::Result<()> {
        self.state.now_ms = now_ms();
        // What somebody waits for is drawn as it comes.
        self.urgent |= matches!(
            message,
            Message::Released { .. } | Message::Finished { .. } | Message::Answered { .. }
        );
        let effects = update::message(&mut self.state, message);
        self.dirty |= !self.state.still;
        self.run_effects(effects, proceed, backend).await
    }

    async fn run_effects(
        &mut self,
        effects: Vec<Effect>,
        proceed: &mut Signal,
        backend: &mut Backend,
    ) -> color_eyre::Result<()> {
        for effect in effects {
            match effect {
                Effect::Quit => self.leaving = true,
                Effect::Redraw => self.screen.clear().wrap_err("clearing the screen")?,
                Effect::Copy(text) => self.screen.copy(&text).wrap_err("copying")?,
                Effect::CopySecret(value) => {
                    self.screen.copy(value.reveal()).wrap_err("copying")?;
                }
                Effect::Suspend => self.suspend(proceed).await?,
                Effect::EditOutside(text) => self.edit_outside(&text).await?,
                other => backend.run(other),
            }
        }
        Ok(())
    }

    /// Stops until the shell continues the program.
    async fn suspend(&mut self, proceed: &mut Signal) -> color_eyre::Result<()> {
        self.screen.stop().wrap_err("suspending")?;
        // The signal stops every thread within this wait; what comes after it is `fg`.
        let _ = tokio::time::timeout(STOP_PATIENCE, proceed.recv()).await;
        self.screen.resume().wrap_err("taking the terminal over again")?;
        self.resized();
        Ok(())
    }

    /// Gives the terminal to the person's editor, and takes back what it made of the text.
    async fn edit_outside(&mut self, text: &str) -> color_eyre::Result<()> {
        let result = match editor::command() {
            Err(why) => Err(why),
            Ok(_) if !self.gate.close() => {
                Err("the terminal is busy; try again in a moment".to_owned())
            }
            Ok(command) => {
                self.screen.lend();
                self.lent = true;
                let edited = editor::edit(&command, text).await;
                self.screen.resume().wrap_err("taking the terminal over again")?;
                self.gate.open();
                self.resized();
                edited
            }
        };
        update::edited_outside(&mut self.state, result);
        self.dirty = true;
        self.urgent = true;
        Ok(())
    }

    fn resized(&mut self) {
        self.state.size = terminal::size();
        self.state.now_ms = now_ms();
        self.dirty = true;
        self.urgent = true;
    }

    fn draw(&mut self) -> color_eyre::Result<()> {
        let state = &self.state;
        self.screen.draw(|frame| view::draw(frame, state)).wrap_err("drawing")?;
        self.dirty = false;
        self.urgent = false;
        self.drawn = Instant::now();
        self.state.drawn_ms = self.state.now_ms;
        Ok(())
    }
}

async fn sleep_until(due: Option<tokio::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// The moment, in ms since the epoch.
pub fn now_ms() -> i64 {
    let now = time::OffsetDateTime::now_utc();
    i64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}
