//! The terminal console: the only room that knows ratatui or crossterm.
//!
//! A key goes through the keymap to an action, `update` changes the state and gives effects, the
//! backend runs them as tasks, their messages go through `update` again, and the view draws what
//! changed. Nothing that could take time runs on the thread that draws.

pub mod action;
pub mod asks;
pub mod attach;
mod backend;
pub mod bench_support;
mod editor;
mod forward;
pub mod gateway;
mod jobs;
pub mod keymap;
pub mod message;
mod meter;
mod runtime;
pub mod state;
mod terminal;
pub mod text;
pub mod theme;
pub mod update;
pub mod view;

use std::path::PathBuf;
use std::sync::Arc;

use color_eyre::eyre::WrapErr;
use labdeck_aws::{TargetChoice, TargetOptions};

pub use keymap::KeymapError;
pub use theme::ThemeChoice;

/// What the console is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The target.
    pub target: TargetOptions,
    /// Folder of the labs.
    pub labs_dir: PathBuf,
    /// The person's keymap, instead of the one in the configuration directory.
    pub keymap: Option<PathBuf>,
    /// The colours.
    pub theme: ThemeChoice,
    /// The lab to begin with.
    pub initial_lab: Option<String>,
}

/// Runs the console until the person leaves it.
///
/// # Errors
/// A [`KeymapError`] (a usage error: exit status 64) before the terminal is touched; otherwise when
/// the terminal does not do as told or a task panicked. The terminal is given back in any case.
pub fn run(options: Options) -> color_eyre::Result<()> {
    start(options, || {})
}

/// Runs the console; `begin` is called in its runtime once the first frame is drawn.
fn start(options: Options, begin: impl FnOnce()) -> color_eyre::Result<()> {
    let keymap = Arc::new(keymap::Keymap::load(options.keymap.as_deref())?);
    let theme = theme::Theme::resolve(options.theme, |name| std::env::var(name).ok());
    let target_name = match options.target.choice {
        TargetChoice::Local => "local".to_owned(),
        TargetChoice::Aws => options
            .target
            .endpoint_url
            .clone()
            .or_else(|| options.target.profile.clone())
            .unwrap_or_else(|| "aws".to_owned()),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .wrap_err("starting the runtime")?;
    let labs_dir = options.labs_dir.clone();
    let state = state::State::new(keymap, theme, labs_dir, target_name, options.initial_lab);
    let result = runtime.block_on(runtime::run(state, |sender| {
        begin();
        backend::Backend::new(sender, options.target, options.labs_dir)
    }));
    // Tasks that wait for the network must not hold the way out.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    result
}
