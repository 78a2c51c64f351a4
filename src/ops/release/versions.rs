//! What differs between versions, and which of them nothing needs any more.

use aws_sdk_lambda::types::FunctionConfiguration;
use futures_util::future::join_all;
use labdeck_aws::{Failure, FailureKind, Result, Target, changing};
use labdeck_lab::Blueprint;
use serde::Serialize;

use super::pointer::{Split, version_name};
use crate::engine::Engine;
use crate::status::{self, FunctionStatus, LabStatus};
use crate::whose;

/// What a version has otherwise than the one before it: `code`, `memory 128 → 256 MB`,
/// `environment GREETING`. The values of environment variables are left out: they may be secrets.
pub(crate) fn differences(
    before: &FunctionConfiguration,
    this: &FunctionConfiguration,
) -> Vec<String> {
    let mut differs = Vec::new();
    if before.code_sha256() != this.code_sha256() {
        differs.push("code".to_owned());
    }
    let number = |value: Option<i32>| value.map_or_else(|| "-".to_owned(), |n| n.to_string());
    if before.memory_size() != this.memory_size() {
        let (from, to) = (number(before.memory_size()), number(this.memory_size()));
        differs.push(format!("memory {from} → {to} MB"));
    }
    if before.timeout() != this.timeout() {
        let (from, to) = (number(before.timeout()), number(this.timeout()));
        differs.push(format!("timeout {from} → {to} s"));
    }
    if before.architectures() != this.architectures() {
        differs.push("architecture".to_owned());
    }
    if before.runtime() != this.runtime() {
        differs.push("runtime".to_owned());
    }
    let short = |role: Option<&str>| {
        role.and_then(|role| role.rsplit('/').next()).unwrap_or("-").to_owned()
    };
    if before.role() != this.role() {
        differs.push(format!("role {} → {}", short(before.role()), short(this.role())));
    }
    if dead_letter(before) != dead_letter(this) {
        differs.push("dead-letter queue".to_owned());
    }
    let mode = |one: &FunctionConfiguration| one.tracing_config().and_then(|t| t.mode()).cloned();
    if mode(before) != mode(this) {
        differs.push("tracing".to_owned());
    }
    let layers = |one: &FunctionConfiguration| {
        one.layers().iter().filter_map(|layer| layer.arn().map(str::to_owned)).collect::<Vec<_>>()
    };
    if layers(before) != layers(this) {
        differs.push("layers".to_owned());
    }
    differs.extend(variables(before, this));
    differs
}

fn dead_letter(one: &FunctionConfiguration) -> Option<&str> {
    one.dead_letter_config().and_then(|config| config.target_arn())
}

fn variables(before: &FunctionConfiguration, this: &FunctionConfiguration) -> Option<String> {
    let of = |one: &FunctionConfiguration| {
        one.environment()
            .and_then(|environment| environment.variables())
            .cloned()
            .unwrap_or_default()
    };
    let (from, to) = (of(before), of(this));
    let mut names: Vec<&String> = from.keys().chain(to.keys()).collect();
    names.sort();
    names.dedup();
    names.retain(|name| from.get(*name) != to.get(*name));
    let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    (!names.is_empty()).then(|| format!("environment {}", names.join(", ")))
}

/// A version that nothing points to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Unneeded {
    /// The function.
    pub function: String,
    /// The version.
    pub version: String,
}

/// What became of the versions that nothing points to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pruned {
    /// The lab.
    pub lab: String,
    /// Deleted.
    pub deleted: Vec<Unneeded>,
    /// Not deleted, and why.
    pub failed: Vec<(Unneeded, Failure)>,
    /// Whether nothing was deleted because it was only asked what would be.
    pub dry_run: bool,
}

/// Versions that no alias serves, that neither rollback nor undo may need, and that are not the newest
/// of their function, beyond the newest `keep` of such.
pub fn unneeded(status: &LabStatus, keep: usize) -> Vec<Unneeded> {
    status.functions.iter().flat_map(|function| of_function(function, keep)).collect()
}

fn of_function(function: &FunctionStatus, keep: usize) -> Vec<Unneeded> {
    let mut needed: Vec<String> = Vec::new();
    let mut need = |split: &Split| needed.extend(split.versions().map(str::to_owned));
    for alias in &function.aliases {
        need(&alias.split());
        // Also what a stale pointer names: somebody may put the alias back by hand.
        let Some(pointer) = &alias.pointer else { continue };
        need(&pointer.now);
        need(&pointer.was);
    }
    for alias in &function.aliases {
        needed.extend(alias.rollback.iter().map(|target| target.version.clone()));
        let Some(pointer) = &alias.pointer else { continue };
        let history = pointer.history.iter().chain(&pointer.was_history);
        needed.extend(history.map(|earlier| earlier.version.clone()));
    }
    let number = |version: &str| version.parse::<u64>().unwrap_or(u64::MAX);
    let mut versions: Vec<&str> = function.versions.iter().map(|v| v.version.as_str()).collect();
    versions.sort_by_key(|version| std::cmp::Reverse(number(version)));
    let free = versions.iter().skip(1).filter(|version| !needed.iter().any(|n| n == *version));
    let mut free: Vec<Unneeded> = free
        .skip(keep)
        .map(|version| Unneeded { function: function.name.clone(), version: (*version).to_owned() })
        .collect();
    free.reverse();
    free
}

/// Deletes the versions that nothing points to, but the newest `keep` of each function.
///
/// # Errors
/// Refused in read-only mode; what reading live state ends with. A version that could not be deleted is
/// told in the answer.
pub async fn prune(
    engine: &Engine,
    blueprint: &Blueprint,
    keep: usize,
    dry_run: bool,
) -> Result<Pruned> {
    let lab = blueprint.name.clone();
    // Nobody can tell what else in the account calls one of these by its number.
    whose::refuse_attached(blueprint, &format!("deleting old versions of {lab}"))?;
    if !dry_run && engine.target.read_only() {
        let what = format!("deleting old versions of lab {lab}");
        return Err(Failure::new(FailureKind::Refused, what, "the target is read-only"));
    }
    let status = status::read_releases(engine, blueprint).await?;
    let unneeded = unneeded(&status, keep);
    if dry_run {
        return Ok(Pruned { lab, deleted: unneeded, failed: Vec::new(), dry_run });
    }
    let delete = |one: Unneeded| async {
        let result = delete(&engine.target, &one).await;
        (one, result)
    };
    let (mut deleted, mut failed) = (Vec::new(), Vec::new());
    for (one, result) in join_all(unneeded.into_iter().map(delete)).await {
        match result {
            Ok(()) => deleted.push(one),
            Err(failure) => failed.push((one, failure)),
        }
    }
    Ok(Pruned { lab, deleted, failed, dry_run })
}

/// Lambda itself refuses to delete a version that an alias serves meanwhile.
async fn delete(target: &Target, one: &Unneeded) -> Result<()> {
    let call = target.lambda().delete_function();
    let call = call.function_name(&one.function).qualifier(&one.version).send();
    let answer = changing(version_name(&one.version), "deleted", call).await;
    match answer {
        Ok(_) => Ok(()),
        Err(error) => {
            let what = format!("deleting {} of {}", version_name(&one.version), one.function);
            let failure = Failure::from_sdk(what, &error);
            // An attempt whose answer was lost.
            if failure.kind == FailureKind::NotFound { Ok(()) } else { Err(failure) }
        }
    }
}
