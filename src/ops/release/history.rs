//! What happened to a lab's releases: from its versions, from what its aliases keep, and from the audit
//! of this machine, which knows who and when.

use labdeck_aws::Result;
use labdeck_lab::Blueprint;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::moves::Scope;
use super::pointer::version_name;
use crate::audit::{self, short_name};
use crate::engine::Engine;
use crate::status::{self, FunctionStatus, LabStatus};

/// Where something is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The published version.
    Version,
    /// What the alias keeps.
    Alias,
    /// The audit of this machine.
    Audit,
}

/// Something that happened to a function's release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Happening {
    /// When, in ms since the epoch.
    pub at_ms: i64,
    /// The function.
    pub function: String,
    /// What: `published v3`, `v2 → v3 80% · v4 20%`.
    pub what: String,
    /// Who, where that is known.
    pub who: Option<String>,
    /// A word more: the version's description, the operation.
    pub note: String,
    /// Where it is known from.
    pub source: Source,
}

/// The release history of a lab, the oldest first.
///
/// # Errors
/// What reading live state, and the audit, end with.
pub async fn history(engine: &Engine, blueprint: &Blueprint) -> Result<Vec<Happening>> {
    let status = status::read_releases(engine, blueprint).await?;
    let scope = Scope::of(blueprint)?;
    let target = &engine.target;
    let audited = audit::alias_moves(&blueprint.name, target.name(), target.region())?;
    let audited = audited.into_iter().filter(|one| one.alias == scope.alias).filter_map(|one| {
        Some(Happening {
            at_ms: milliseconds(&one.time)?,
            function: one.function,
            what: format!("{} → {}", one.from, one.to),
            who: Some(short_name(&one.who).to_owned()),
            note: String::new(),
            source: Source::Audit,
        })
    });
    Ok(assembled(&status, &scope.alias, audited.collect()))
}

fn assembled(status: &LabStatus, alias: &str, audited: Vec<Happening>) -> Vec<Happening> {
    let mut all = audited;
    for function in &status.functions {
        all.extend(published(function));
        let kept = kept(function, alias);
        // The audit knows the same move better.
        let known: Vec<_> = kept
            .into_iter()
            .filter(|one| {
                !all.iter().any(|other| {
                    other.source == Source::Audit
                        && other.function == one.function
                        && (other.at_ms - one.at_ms).abs() < 5_000
                })
            })
            .collect();
        all.extend(known);
    }
    all.sort_by(|a, b| a.at_ms.cmp(&b.at_ms).then_with(|| a.function.cmp(&b.function)));
    all
}

fn published(function: &FunctionStatus) -> impl Iterator<Item = Happening> + '_ {
    function.versions.iter().filter_map(|version| {
        let differs = version.differs.join(", ");
        let note = match (version.description.as_str(), differs.as_str()) {
            ("", differs) => differs.to_owned(),
            (description, "") => description.to_owned(),
            (description, differs) => format!("{description} ({differs})"),
        };
        Some(Happening {
            at_ms: milliseconds(&version.published)?,
            function: function.name.clone(),
            what: format!("published {}", version_name(&version.version)),
            who: None,
            note,
            source: Source::Version,
        })
    })
}

/// The moves that the alias keeps: the last one, and each that replaced a release.
fn kept(function: &FunctionStatus, alias: &str) -> Vec<Happening> {
    let Some(pointer) = function.alias(alias).and_then(|one| one.pointer.as_ref()) else {
        return Vec::new();
    };
    let ms = |at: u64| i64::try_from(at).unwrap_or(i64::MAX);
    let who = Some(pointer.by.clone()).filter(|by| !by.is_empty());
    let mut all = vec![Happening {
        at_ms: ms(pointer.at_ms),
        function: function.name.clone(),
        what: format!("{} → {}", pointer.was, pointer.now),
        who,
        note: pointer.operation.clone(),
        source: Source::Alias,
    }];
    let replaced = pointer.history.iter().filter(|earlier| earlier.replaced_ms != pointer.at_ms);
    all.extend(replaced.map(|earlier| Happening {
        at_ms: ms(earlier.replaced_ms),
        function: function.name.clone(),
        what: format!("{} was replaced", version_name(&earlier.version)),
        who: None,
        note: String::new(),
        source: Source::Alias,
    }));
    all
}

/// Lambda writes `2026-11-20T12:03:43.120+0000`, the audit RFC 3339.
pub(super) fn milliseconds(text: &str) -> Option<i64> {
    let colon = match text.len().checked_sub(5).map(|at| text.split_at(at)) {
        Some((head, zone)) if zone.starts_with(['+', '-']) && !zone.contains(':') => {
            format!("{head}{}:{}", &zone[..3], &zone[3..])
        }
        _ => text.to_owned(),
    };
    let at = OffsetDateTime::parse(&colon, &Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_lambda_and_of_the_audit_are_read() {
        assert_eq!(milliseconds("2026-11-20T12:03:43.120+0000"), Some(1_795_176_223_120));
        assert_eq!(milliseconds("2026-11-20T12:03:43.120Z"), Some(1_795_176_223_120));
        assert_eq!(milliseconds("2026-11-20T14:03:43.120+02:00"), Some(1_795_176_223_120));
        for text in ["", "soon", "é", "+0000", "ééé+0000"] {
            assert_eq!(milliseconds(text), None, "{text}");
        }
    }
}
