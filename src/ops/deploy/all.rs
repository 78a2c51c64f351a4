//! Several labs with one command: their handlers are built once, then all are changed side by side,
//! within the rates that they share.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use labdeck_aws::Result;
use labdeck_lab::Blueprint;
use tokio_util::sync::CancellationToken;

use super::built::{Built, build_and_pack};
use super::plan::Summary;
use super::{Options, deploy_built, destroy};
use crate::engine::Engine;
use crate::progress::Reporter;

/// One of several labs.
#[derive(Debug)]
pub struct One {
    /// The lab, in the variant to be deployed.
    pub blueprint: Blueprint,
    /// How.
    pub options: Options,
    /// Who is told of its progress.
    pub reporter: Reporter,
}

/// Deploys labs, all at once. Each comes to its own end: one that fails does not stop the others.
pub async fn deploy_all(
    engine: &Engine,
    labs: &[One],
    cancel: &CancellationToken,
) -> Vec<Result<Summary>> {
    let together = match labs {
        [first, _, ..] if are_built_together(labs) => {
            match Box::pin(build_and_pack(engine, &merged(labs), &first.reporter, cancel)).await {
                Ok(built) => Some(built),
                // Each lab says by itself what is wrong with it, and the others go on.
                Err(failure) if cancel.is_cancelled() => return vec![Err(failure); labs.len()],
                Err(_) => None,
            }
        }
        _ => None,
    };
    let building = together.as_ref().map_or(0.0, |all| all.seconds);
    join_all(labs.iter().map(async |lab| {
        let built = together.as_ref().map(|all: &Built| all.part(&lab.blueprint));
        let deployed =
            deploy_built(engine, &lab.blueprint, &lab.options, built, &lab.reporter, cancel).await;
        // Building was before, and is part of what each says that it took.
        deployed.map(|summary| Summary { seconds: summary.seconds + building, ..summary })
    }))
    .await
}

/// Destroys labs, all at once.
pub async fn destroy_all(
    engine: &Engine,
    labs: &[One],
    cancel: &CancellationToken,
) -> Vec<Result<Summary>> {
    join_all(labs.iter().map(|lab| destroy(engine, &lab.blueprint, &lab.reporter, cancel.clone())))
        .await
}

/// Whether one build can be that of all: the labs are folders of one directory, and so most likely of
/// one workspace, and no two functions have the same name.
fn are_built_together(labs: &[One]) -> bool {
    let folders: BTreeSet<_> = labs.iter().map(|lab| lab.blueprint.dir.parent()).collect();
    let functions = || labs.iter().flat_map(|lab| &lab.blueprint.functions);
    let names: BTreeSet<_> = functions().map(|function| &function.name).collect();
    folders.len() == 1 && names.len() == functions().count()
}

/// A lab that has the functions of all, in the folder around them: in a lab's own folder cargo knows
/// no default members but that lab's package, and would build the others with other features.
fn merged(labs: &[One]) -> Blueprint {
    let folder = labs.first().and_then(|lab| lab.blueprint.dir.parent());
    Blueprint {
        dir: folder.map(std::path::Path::to_path_buf).unwrap_or_default(),
        functions: labs.iter().flat_map(|lab| lab.blueprint.functions.clone()).collect(),
        ..Blueprint::default()
    }
}
