//! The terminal: what the console leaves behind, how it stops and comes back, small screens, strange
//! keys, and a keymap file that cannot be used.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use labdeck_aws::{TargetChoice, TargetOptions};
use labdeck_console::bench_support::run_with_a_panic;
use labdeck_console::{Options, ThemeChoice};
use nix::sys::signal::Signal;
use portable_pty::CommandBuilder;
use support::console::Console;
use support::{Sandbox, binary, eventually, processes_naming, signal};

/// A shell with job control; its prompt is `$ ` and nothing of the person's own is read.
fn shell(sandbox: &Sandbox) -> Console {
    let mut command = CommandBuilder::new("bash");
    command.args(["--norc", "--noprofile", "-i"]);
    command.env("PS1", "ready$ ");
    let mut shell = Console::spawn(sandbox, 100, 30, command);
    shell.shows("ready$ ");
    shell
}

fn start_in_shell(sandbox: &Sandbox, shell: &mut Console) {
    let line = format!("{} --state-dir {}\r", binary().display(), sandbox.state_dir().display());
    shell.keys(&line).shows("Overview");
}

/// The shell waits at a new, empty prompt. What is typed before that, the program that ends would read.
fn at_prompt(screen: &vt100::Screen) -> bool {
    let (row, column) = screen.cursor_position();
    let (_, columns) = screen.size();
    screen.rows(0, columns.get()).nth(usize::from(row)).is_some_and(|line| line.trim() == "ready$")
        && column > 0
}

/// The shell has its terminal back: not the alternate screen, cursor shown, no bracketed paste left
/// on, echo and line editing on.
fn restored(shell: &mut Console) {
    shell.until("the shell has its screen back", |screen| {
        !screen.alternate_screen() && !screen.hide_cursor() && at_prompt(screen)
    });
    shell.keys("stty -a | tr ' ;' '\\n\\n' | grep -xE -- '-?(echo|icanon|isig)' | tr '\\n' ' '; echo done=$?\r");
    shell.shows("done=0");
    let text = shell.text();
    let modes = text.lines().rev().find(|line| line.contains("done=0")).unwrap().to_owned();
    for mode in ["echo", "icanon", "isig"] {
        assert!(
            modes.split_whitespace().any(|word| word == mode),
            "{mode} is on after the console: {modes:?}"
        );
    }
    // Nothing of this is taken for the next time.
    shell
        .keys("clear\r")
        .until("a cleared screen", |screen| at_prompt(screen) && screen.cursor_position().0 == 0);
}

/// Opens the help and closes it. Escape is alone until it has worked: Escape and a letter that arrive
/// together are Alt and the letter, for every program in a terminal.
fn help_and_back(console: &mut Console) {
    console.keys("?").shows("keys on ").keys("\x1b").shows_no("keys on ");
}

#[test]
fn the_terminal_is_as_before_after_quitting_and_after_every_signal() {
    let sandbox = Sandbox::new();
    let mut shell = shell(&sandbox);
    start_in_shell(&sandbox, &mut shell);
    shell.keys("q");
    restored(&mut shell);
    for end in [Signal::SIGTERM, Signal::SIGHUP] {
        start_in_shell(&sandbox, &mut shell);
        let console = child_named(shell.pid(), "labdeck");
        signal(console, end);
        restored(&mut shell);
    }
}

/// Names the state directory of the console that [`a_panic_gives_the_terminal_back`] starts.
const PANICS_IN: &str = "LABDECK_TEST_PANICS_IN";

#[test]
fn a_panic_gives_the_terminal_back() {
    if let Some(state_dir) = std::env::var_os(PANICS_IN) {
        // This process is the console.
        let target = TargetOptions {
            choice: TargetChoice::Local,
            state_dir: Some(state_dir.into()),
            program: Some(binary().to_owned()),
            ..TargetOptions::default()
        };
        let ended = run_with_a_panic(Options {
            target,
            labs_dir: "handlers".into(),
            keymap: None,
            theme: ThemeChoice::default(),
            initial_lab: None,
        });
        let Err(error) = ended else { panic!("it ended well") };
        eprintln!("it ended: {error}");
        std::process::exit(1);
    }
    let sandbox = Sandbox::new();
    let mut shell = shell(&sandbox);
    let itself = std::env::current_exe().unwrap();
    let directory = sandbox.state_dir();
    shell.keys(&format!(
        "RUST_BACKTRACE=0 {PANICS_IN}={} {} --exact a_panic_gives_the_terminal_back --nocapture\r",
        directory.display(),
        itself.display(),
    ));
    shell.shows("a task broke").shows("it ended: a task panicked");
    restored(&mut shell);
    eventually("no cloud is left", || processes_naming(&directory).is_empty().then_some(()));
}

#[test]
fn ctrl_z_gives_the_shell_back_and_fg_the_console() {
    let sandbox = Sandbox::new();
    let mut shell = shell(&sandbox);
    start_in_shell(&sandbox, &mut shell);
    shell.keys("\x1a");
    shell.shows("Stopped");
    restored(&mut shell);
    shell.keys("fg\r").until("the console is back, whole", |screen| {
        screen.alternate_screen() && screen.contents().contains("Overview")
    });
    help_and_back(&mut shell);
    shell.keys("q");
    restored(&mut shell);
}

/// A direct child of `parent` whose program is called `name`.
fn child_named(parent: i32, name: &str) -> i32 {
    eventually("the console runs in the shell", || {
        let children =
            std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
        children.split_whitespace().filter_map(|pid| pid.parse().ok()).find(|pid: &i32| {
            std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|c| c.trim() == name)
        })
    })
}

#[test]
fn a_small_screen_says_so_and_a_larger_one_shows_everything_again() {
    let sandbox = Sandbox::new();
    let mut console = Console::open(&sandbox, 80, 24, &[]);
    console.shows("Overview").shows("Metrics");
    console.resize(50, 12);
    console.shows("50x12: too small, 80x24 needed").shows("roll back").shows_no("Metrics");
    console.resize(200, 60);
    console.shows("Overview").shows("Metrics").shows_no("too small");
    console.keys("q");
    assert_eq!(console.ends(), 0);
}

#[test]
fn strange_keys_do_nothing() {
    let sandbox = Sandbox::new();
    let mut console = Console::open(&sandbox, 100, 30, &[]);
    console.shows("Overview");
    // Unknown function keys, a broken escape sequence, a paste, unmapped letters, invalid UTF-8.
    console.keys("\x1b[25~\x1b[99;99~\x1b[200~pasted q text\x1b[201~ÿ\u{1F980}NVJK");
    help_and_back(&mut console);
    console.keys("q");
    assert_eq!(console.ends(), 0);
}

#[test]
fn every_screen_opens_at_80_by_24_and_200_by_60() {
    let sandbox = Sandbox::new();
    for (columns, rows) in [(80, 24), (200, 60)] {
        let mut console = Console::open(&sandbox, columns, rows, &[]);
        console.shows("Overview").shows("greet");
        let names = ["Overview", "Deploy", "Release", "Gateway", "Requests", "Logs", "Metrics"];
        for (key, name) in ["1", "2", "3", "4", "5", "6", "7"].into_iter().zip(names) {
            console.keys(key).keys("?").shows(&format!("keys on {name}"));
            console.keys("\x1b").shows_no("keys on ");
        }
        console.keys("q");
        assert_eq!(console.ends(), 0);
    }
}

#[test]
fn a_keymap_that_cannot_be_used_is_said_before_the_screen_is_taken() {
    let sandbox = Sandbox::new();
    for (text, expected) in [
        ("[global]\nbind = [\n  { on = \"R\", run = \"rolback\" },\n]\n", vec![":3", "rollback"]),
        (
            "[global]\nbind = [\n  { on = \"F5\", run = \"refresh\" },\n  { on = \"F5\", run = \"quit\" },\n]\n",
            vec![":4", "line 3", "F5", "twice"],
        ),
        ("[global]\nbind = [\n  { on = \"entre\", run = \"open\" },\n]\n", vec![":3", "enter"]),
        ("[global\nbind = [\n", vec![":1"]),
    ] {
        let file = sandbox.path().join("keys.toml");
        std::fs::write(&file, text).unwrap();
        let finished = sandbox.run(&["--keymap", file.to_str().unwrap()]);
        let said = finished.stderr();
        assert_eq!(finished.code(), 64, "{text}: {said}");
        assert!(said.contains("keys.toml"), "{said}");
        for word in expected {
            assert!(said.to_lowercase().contains(&word.to_lowercase()), "{word:?} in {said}");
        }
        assert!(!finished.stdout().contains('\x1b'), "the screen was not touched");
    }
}

#[test]
fn a_person_s_own_keys_go_over_the_defaults() {
    let sandbox = Sandbox::new();
    let directory = sandbox.path().join("config/labdeck");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(
        directory.join("keymap.toml"),
        "[global]\nbind = [\n  { on = \"Q\", run = \"quit\" },\n  { on = \"q\", run = \"none\" },\n]\n",
    )
    .unwrap();
    let mut console = Console::open(&sandbox, 100, 30, &[]);
    console.shows("Overview");
    console.keys("q");
    help_and_back(&mut console);
    console.keys("Q");
    assert_eq!(console.ends(), 0);
}
