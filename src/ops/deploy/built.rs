//! The handlers of a lab, built and packed.

use std::collections::BTreeMap;

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::Architecture;
use tokio_util::sync::CancellationToken;

use super::pack::Code;
use super::wanted::CodeId;
use super::{build, pack};
use crate::engine::Engine;
use crate::progress::{Progress, Reporter};

/// Code by function name, and how long building it took.
pub(super) struct Built {
    pub code: BTreeMap<String, Code>,
    pub seconds: f64,
}

impl Built {
    /// What tells the code of each function from another.
    pub fn ids(&self) -> BTreeMap<String, CodeId> {
        let id =
            |code: &Code| CodeId { sha256: code.sha256.clone(), architecture: code.architecture };
        self.code.iter().map(|(name, code)| (name.clone(), id(code))).collect()
    }

    /// The part of it that these functions are.
    pub fn part(&self, blueprint: &Blueprint) -> Self {
        let named = |name: &String| blueprint.functions.iter().any(|f| f.name == *name);
        let code = self.code.iter().filter(|(name, _)| named(name));
        Self {
            code: code.map(|(name, code)| (name.clone(), code.clone())).collect(),
            seconds: self.seconds,
        }
    }
}

/// Builds and packs the handlers of a lab.
pub(super) async fn build_and_pack(
    engine: &Engine,
    blueprint: &Blueprint,
    reporter: &Reporter,
    cancel: &CancellationToken,
) -> Result<Built> {
    let for_aws = !engine.target.is_local();
    reporter.report(Progress::Phase { name: "building".to_owned() });
    let build = build::build(blueprint, !for_aws, reporter, cancel).await?;
    reporter.report(Progress::Phase { name: "packing".to_owned() });
    let cache = build.target_directory.join("labdeck").join(build::profile(!for_aws));
    let mut packing = tokio::task::JoinSet::new();
    for (function, program) in build.programs {
        let wanted = blueprint.functions.iter().find(|f| f.name == function);
        let architecture = wanted.map_or_else(Architecture::default, |f| f.architecture);
        let cache = if for_aws { cache.join(architecture.as_str()) } else { cache.clone() };
        packing.spawn_blocking(move || {
            let code = pack::pack(&program, &cache, for_aws)?;
            if for_aws && code.architecture != architecture.as_str() {
                let why = format!(
                    "{} is a program for {}, and lab.toml says {}",
                    program.display(),
                    code.architecture,
                    architecture.as_str()
                );
                return Err(Failure::new(FailureKind::Build, format!("packing {function}"), why)
                    .next("take `build.target` out of cargo's configuration, or change `architecture`"));
            }
            Ok((function, code))
        });
    }
    let mut code = BTreeMap::new();
    while let Some(packed) = packing.join_next().await {
        let (function, packed) = packed.map_err(|e| {
            Failure::new(FailureKind::Internal, "packing the handlers", e.to_string())
        })??;
        code.insert(function, packed);
    }
    Ok(Built { code, seconds: build.seconds })
}
