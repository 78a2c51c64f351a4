//! The console in a pseudo-terminal: type keys, wait for what the screen shows.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use super::{Sandbox, binary, repository};

/// How long the screen may take to show something. Generous: two loaded cores, and a deploy in a new
/// checkout.
const PATIENCE: Duration = Duration::from_secs(45);

struct Shared {
    parser: vt100::Parser,
    ended: bool,
    bytes: u64,
    /// Whether a frame has begun that is not whole yet.
    drawing: bool,
    /// The last bytes: the mark of a frame may come in two parts.
    last: Vec<u8>,
}

/// Marks of a frame's begin and end: synchronized output.
const FRAME_BEGINS: &[u8] = b"\x1b[?2026h";
const FRAME_ENDS: &[u8] = b"\x1b[?2026l";

impl Shared {
    fn take(&mut self, bytes: &[u8]) {
        self.parser.process(bytes);
        self.bytes += bytes.len() as u64;
        self.last.extend_from_slice(bytes);
        let mark = |mark: &[u8]| self.last.windows(mark.len()).rposition(|part| part == mark);
        match (mark(FRAME_BEGINS), mark(FRAME_ENDS)) {
            (None, None) => {}
            (begins, ends) => self.drawing = begins > ends,
        }
        let kept = self.last.len().saturating_sub(FRAME_ENDS.len() - 1);
        self.last.drain(..kept);
    }
}

/// A size that a terminal can have.
fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).expect("a terminal has at least one cell")
}

/// A program in a pseudo-terminal.
pub struct Console {
    shared: Arc<(Mutex<Shared>, Condvar)>,
    master: Box<dyn MasterPty + Send>,
    writer: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    patience: Duration,
}

impl Console {
    /// Opens the console of `sandbox` on a screen of `columns` × `rows`.
    pub fn open(sandbox: &Sandbox, columns: u16, rows: u16, args: &[&str]) -> Self {
        let mut command = CommandBuilder::new(binary());
        command.args(args);
        command.arg("--state-dir");
        command.arg(sandbox.state_dir());
        Self::spawn(sandbox, columns, rows, command)
    }

    /// Runs any program, such as a shell with job control, in the pseudo-terminal.
    pub fn spawn(sandbox: &Sandbox, columns: u16, rows: u16, mut command: CommandBuilder) -> Self {
        let pair = native_pty_system()
            .openpty(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 })
            .unwrap();
        command.cwd(repository());
        for (name, value) in sandbox.environment() {
            if value.is_empty() {
                command.env_remove(&name);
            } else {
                command.env(name, value);
            }
        }
        for name in ["AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"] {
            command.env_remove(name);
        }
        command.env("TERM", "xterm-256color");
        command.env("COLORTERM", "truecolor");
        command.env("LANG", "C.UTF-8");
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let shared = Arc::new((
            Mutex::new(Shared {
                parser: vt100::Parser::new(cells(rows), cells(columns), 0),
                ended: false,
                bytes: 0,
                drawing: false,
                last: Vec::new(),
            }),
            Condvar::new(),
        ));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let sink = Arc::clone(&shared);
        std::thread::spawn(move || {
            let mut buffer = vec![0_u8; 65536];
            loop {
                let read = reader.read(&mut buffer).unwrap_or(0);
                let (lock, changed) = &*sink;
                let mut shared = lock.lock().unwrap();
                if read == 0 {
                    shared.ended = true;
                    changed.notify_all();
                    return;
                }
                shared.take(&buffer[..read]);
                changed.notify_all();
            }
        });
        let writer = pair.master.take_writer().unwrap();
        Self { shared, master: pair.master, writer, child, patience: PATIENCE }
    }

    /// How long the screen may take to show something from now on.
    pub fn patient(&mut self, patience: Duration) -> &mut Self {
        self.patience = patience;
        self
    }

    /// Types text; `\r` is Enter, `\x1b` Escape, `\x03` Ctrl-C.
    pub fn keys(&mut self, keys: &str) -> &mut Self {
        self.writer.write_all(keys.as_bytes()).unwrap();
        self.writer.flush().unwrap();
        self
    }

    /// Waits until the screen contains `text`.
    #[track_caller]
    pub fn shows(&mut self, text: &str) -> &mut Self {
        self.until(&format!("the screen shows {text:?}"), |screen| screen.contents().contains(text))
    }

    /// Waits until the screen contains none of `text`.
    #[track_caller]
    pub fn shows_no(&mut self, text: &str) -> &mut Self {
        self.until(&format!("the screen shows no {text:?}"), |screen| {
            !screen.contents().contains(text)
        })
    }

    /// Waits until `condition` holds of the screen.
    #[track_caller]
    pub fn until(&mut self, what: &str, condition: impl Fn(&vt100::Screen) -> bool) -> &mut Self {
        let (lock, changed) = &*self.shared;
        let start = Instant::now();
        let mut shared = lock.lock().unwrap();
        loop {
            if !shared.drawing && condition(shared.parser.screen()) {
                drop(shared);
                return self;
            }
            let ended = shared.ended;
            if ended || start.elapsed() >= self.patience {
                let text = shared.parser.screen().contents();
                // The thread that reads must not find a lock that a panic has poisoned.
                drop(shared);
                let why = if ended { "the program ended" } else { "not in time" };
                panic!("{what}: {why}; the screen:\n{text}");
            }
            shared = changed.wait_timeout(shared, Duration::from_secs(1)).unwrap().0;
        }
    }

    /// The screen's text now.
    pub fn text(&self) -> String {
        self.look(vt100::Screen::contents)
    }

    /// Looks at the screen now: at a whole frame.
    pub fn look<T>(&self, at: impl FnOnce(&vt100::Screen) -> T) -> T {
        let (lock, changed) = &*self.shared;
        let shared = lock.lock().unwrap();
        let shared = changed.wait_while(shared, |shared| shared.drawing && !shared.ended).unwrap();
        at(shared.parser.screen())
    }

    /// Bytes the program wrote so far.
    pub fn bytes(&self) -> u64 {
        self.shared.0.lock().unwrap().bytes
    }

    /// Gives the terminal another size.
    pub fn resize(&mut self, columns: u16, rows: u16) -> &mut Self {
        {
            let mut shared = self.shared.0.lock().unwrap();
            shared.parser.screen_mut().set_size(cells(rows), cells(columns));
        }
        self.master
            .resize(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 })
            .unwrap();
        self
    }

    /// The process id of the program.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.process_id().unwrap()).unwrap()
    }

    /// Waits for the program's end and gives its exit status.
    #[track_caller]
    pub fn ends(&mut self) -> u32 {
        let start = Instant::now();
        let (lock, changed) = &*self.shared;
        let mut shared = lock.lock().unwrap();
        while !shared.ended {
            if start.elapsed() >= self.patience {
                let text = shared.parser.screen().contents();
                drop(shared);
                panic!("the program did not end; the screen:\n{text}");
            }
            shared = changed.wait_timeout(shared, Duration::from_secs(1)).unwrap().0;
        }
        drop(shared);
        self.child.wait().unwrap().exit_code()
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether one line of the screen holds all of `words`, in this order.
pub fn line(screen: &vt100::Screen, words: &[&str]) -> bool {
    screen.contents().lines().any(|line| {
        words.iter().try_fold(line, |rest, word| Some(rest.split_once(word)?.1)).is_some()
    })
}

/// Waits until one line of the screen holds all of `words`, in this order.
#[track_caller]
pub fn shows_line(console: &mut Console, words: &[&str]) {
    console.until(&format!("a line with {words:?}"), |screen| line(screen, words));
}
