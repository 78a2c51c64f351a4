//! What every command needs: the flags, the output, the engine when it is asked for.

use std::path::PathBuf;

use labdeck_aws::{
    Failure, FailureKind, LocalCloud, Result, Target, TargetChoice, default_state_dir,
};
use labdeck_lab::Blueprint;
use labdeck_ops::{Engine, attach, chaos, whose};
use labdeck_telemetry::clean;
use tokio_util::sync::CancellationToken;

use crate::args::{Command, Global};
use crate::commands::show;
use crate::output::{Output, exit, status_of};
use crate::{commands, interrupt, logging};

/// A command that runs.
pub struct Context<'a> {
    /// The global flags.
    pub global: Global,
    /// Where it writes.
    pub output: &'a Output,
    /// Cancelled by the first Ctrl-C.
    pub cancel: CancellationToken,
}

/// Runs a command; answers the exit status.
pub async fn run(global: Global, command: Command, output: &Output) -> u8 {
    let _log = match state_dir(&global).map(|dir| logging::start(&dir)) {
        Ok(Ok(guard)) => guard,
        Ok(Err(why)) => {
            output.remark(format!("no log is written: {why}"));
            None
        }
        Err(_) => None,
    };
    let context = Context { cancel: interrupt::watch(global.json), global, output };
    let ends_itself = commands::ends_itself(&command);
    let work = commands::run(&context, command);
    let result = if ends_itself {
        work.await
    } else {
        tokio::select! {
            result = work => result,
            () = context.cancel.cancelled() => Err(interrupted()),
        }
    };
    match result {
        Ok(status) => status,
        // Nobody reads any more: not worth a word.
        Err(_) if output.closed() => exit::DONE,
        Err(failure) => {
            output.failure(&failure);
            status_of(&failure)
        }
    }
}

fn interrupted() -> Failure {
    Failure::new(FailureKind::Cancelled, "running the command", "stopped on request")
        .next("a call that was on its way may have taken effect; look at the lab's state")
}

/// The state directory of the local cloud.
pub fn state_dir(global: &Global) -> Result<PathBuf> {
    let dir = match &global.state_dir {
        Some(dir) => dir.clone(),
        None => default_state_dir()?,
    };
    std::path::absolute(&dir).map_err(|error| {
        let what = format!("using the state directory {}", dir.display());
        Failure::new(FailureKind::Invalid, what, error.to_string())
    })
}

impl Context<'_> {
    /// The engine on the chosen target. The local cloud is started when it does not run, and stays.
    pub async fn engine(&self) -> Result<Engine> {
        let options = self.global.target_options();
        let local = options.choice == TargetChoice::Local;
        let state_dir = state_dir(&self.global)?;
        let ran = local && LocalCloud::find(&state_dir).await?.is_some();
        let target = Target::connect(options).await?;
        if local && !ran {
            if let Some(cloud) = LocalCloud::find(&state_dir).await? {
                for notice in &cloud.status.notices {
                    self.output.remark(format!("note: {notice}"));
                }
            }
            let flag = match &self.global.state_dir {
                Some(dir) => format!(" --state-dir {}", dir.display()),
                None => String::new(),
            };
            self.output.remark(format!(
                "started the local cloud at {}; it stays, ends by itself after 10 idle minutes, \
                 and at once with: labdeck cloud stop{flag}",
                target.endpoint().unwrap_or_default()
            ));
        }
        Ok(Engine::new(target, self.global.labs.clone()))
    }

    /// The engine and the blueprint of a lab, after chaos whose time is over was ended. The files are
    /// read first, so that a mistake in a name starts nothing.
    pub async fn lab(&self, name: &str) -> Result<(Engine, Blueprint)> {
        let (engine, blueprint) = self.lab_at_once(name).await?;
        self.end_overdue(&engine, &blueprint).await;
        Ok((engine, blueprint))
    }

    /// The same for what must not wait for anything else.
    pub async fn lab_at_once(&self, name: &str) -> Result<(Engine, Blueprint)> {
        let failure = match self.blueprint(name) {
            Ok(blueprint) => return Ok((Box::pin(self.engine()).await?, blueprint)),
            Err(failure) => failure,
        };
        // A mistake in a name starts nothing, unless something is attached by it.
        if failure.kind != FailureKind::NotFound || !attach::is_known(name)? {
            return Err(failure);
        }
        let engine = Box::pin(self.engine()).await?;
        let blueprint = Box::pin(attach::blueprint(&engine, name)).await?;
        Ok((engine, blueprint))
    }

    /// The blueprint of a lab from its files alone, or of what is attached by the name from what is live.
    pub async fn described(&self, name: &str) -> Result<Blueprint> {
        match self.blueprint(name) {
            Err(failure) if failure.kind == FailureKind::NotFound => {
                Box::pin(self.lab_at_once(name)).await.map(|(_, blueprint)| blueprint)
            }
            found => found,
        }
    }

    /// The blueprint of a lab that is deployed, planned or destroyed; needs no target.
    ///
    /// # Errors
    /// Refused for what is attached.
    pub fn own_blueprint(&self, name: &str, doing: &str) -> Result<Blueprint> {
        match self.blueprint(name) {
            Err(failure) if failure.kind == FailureKind::NotFound && attach::is_known(name)? => {
                Err(whose::refusal(name, &format!("{doing} {name}")))
            }
            found => found,
        }
    }

    /// Ends chaos whose time is over and which the cloud could not end, and says so. What was asked for
    /// goes on in any case.
    pub async fn end_overdue(&self, engine: &Engine, blueprint: &Blueprint) {
        let tell = |said: String| {
            if self.output.json {
                self.output.notice(&serde_json::json!({ "notice": said }));
            } else {
                self.output.remark(clean(&said));
            }
        };
        // Where it can't be looked for, what was asked for meets the same, and says so.
        if let Ok(ended) = Box::pin(chaos::end_overdue(engine, blueprint)).await {
            ended.iter().map(show::ended).for_each(tell);
        }
    }

    /// The name that a lab has on the target: behind the prefix, where there is one.
    pub fn full_name(&self, lab: &str) -> String {
        match &self.global.prefix {
            Some(prefix) if !lab.starts_with(prefix.as_str()) && !self.is_attached(lab) => {
                format!("{prefix}{lab}")
            }
            _ => lab.to_owned(),
        }
    }

    /// Whether the name is that of something attached, and of no lab.
    fn is_attached(&self, name: &str) -> bool {
        let is_lab = self.lab_names().is_ok_and(|labs| labs.iter().any(|lab| lab == name));
        !is_lab && attach::is_known(name).unwrap_or_default()
    }

    /// The blueprint of a lab; needs no target.
    pub fn blueprint(&self, name: &str) -> Result<Blueprint> {
        labdeck_ops::engine::blueprint(&self.global.labs, name, self.global.prefix.as_deref())
    }

    /// Every lab's name; needs no target.
    pub fn lab_names(&self) -> Result<Vec<String>> {
        labdeck_ops::engine::lab_names(&self.global.labs)
    }
}
