//! The audit, as people ask of it: what changed which lab, who did it, and what it came to.
//!
//! It is this person's own file on this machine: what others do stands in theirs.

use std::path::PathBuf;
use std::time::Duration;

use labdeck_aws::{
    AuditEntry, AuditLine, AuditReader, Damaged, Failure, FailureKind, Result, audit_path,
};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Which entries are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Of this lab, by its name with the prefix; `None` for all.
    pub lab: Option<String>,
    /// Not older than this moment.
    pub since: Option<OffsetDateTime>,
    /// Whose operation's name contains this, in whatever case.
    pub operation: Option<String>,
    /// Only what did not do what it was asked.
    pub failed: bool,
}

impl Query {
    /// Entries of the last `age`.
    #[must_use]
    pub fn within(self, age: Duration) -> Self {
        Self { since: Some(OffsetDateTime::now_utc() - age), ..self }
    }

    /// Whether the entry is one of those. One whose time can't be read is never too old.
    pub fn matches(&self, entry: &AuditEntry) -> bool {
        let contains = |text: &str| entry.operation.to_lowercase().contains(&text.to_lowercase());
        let old = |since: OffsetDateTime| at(entry).is_some_and(|at| at < since);
        self.lab.as_ref().is_none_or(|lab| *lab == entry.lab)
            && !self.since.is_some_and(old)
            && self.operation.as_deref().is_none_or(contains)
            && (!self.failed || entry.failed())
    }
}

/// When the call of an entry ended.
pub fn at(entry: &AuditEntry) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(&entry.time, &Rfc3339).ok()
}

/// What a reading found, the newest last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The entries that were asked for.
    pub entries: Vec<AuditEntry>,
    /// Lines that could not be read.
    pub damaged: Vec<Damaged>,
}

/// The audit, read from its begin and then as it grows.
#[derive(Debug)]
pub struct Trail {
    reader: AuditReader,
    path: PathBuf,
    query: Query,
}

impl Trail {
    /// The audit of this person on this machine. There need not be one yet.
    ///
    /// # Errors
    /// `NotFound` when the home directory is not known.
    pub fn open(query: Query) -> Result<Self> {
        let path = audit_path().ok_or_else(|| {
            let why = "the home directory is not known";
            Failure::new(FailureKind::NotFound, "reading the audit", why)
                .next("set HOME, or XDG_STATE_HOME")
        })?;
        Ok(Self::at(path, query))
    }

    /// The audit at `path`.
    pub fn at(path: PathBuf, query: Query) -> Self {
        Self { reader: AuditReader::new(path.clone()), path, query }
    }

    /// Where it is.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// What has been written since the last call; with the first call everything.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn more(&mut self) -> Result<Found> {
        let mut found = Found::default();
        let query = &self.query;
        let read = self.reader.read(&mut |line| found.take(query, line));
        read.map_err(|error| {
            let what = format!("reading the audit {}", self.path.display());
            Failure::new(FailureKind::Internal, what, error.to_string())
                .next("look at the file's permissions")
        })?;
        Ok(found)
    }

    /// Everything there is, a last line without an end included.
    ///
    /// # Errors
    /// As [`Trail::more`].
    pub fn all(mut self) -> Result<Found> {
        let mut found = self.more()?;
        self.reader.finish(&mut |line| found.take(&self.query, line));
        Ok(found)
    }
}

impl Found {
    fn take(&mut self, query: &Query, line: AuditLine) {
        match line {
            AuditLine::Entry(entry) if query.matches(&entry) => self.entries.push(*entry),
            AuditLine::Entry(_) => {}
            AuditLine::Damaged(damaged) => self.damaged.push(damaged),
        }
    }
}

/// An alias that was moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AliasMove {
    /// When, RFC 3339 in UTC.
    pub time: String,
    /// Who, as the audit knows it.
    pub who: String,
    /// The function.
    pub function: String,
    /// The alias.
    pub alias: String,
    /// Before: `v3` or `v3 80% · v4 20%`.
    pub from: String,
    /// After, in the same form.
    pub to: String,
}

/// The moves of a lab's aliases on a target that the audit has, the oldest first: those that were done,
/// from this machine. Nothing where there is no audit.
///
/// # Errors
/// As [`Trail::all`].
pub fn alias_moves(lab: &str, target: &str, region: &str) -> Result<Vec<AliasMove>> {
    let query = Query {
        lab: Some(lab.to_owned()),
        operation: Some("UpdateAlias".to_owned()),
        ..Query::default()
    };
    let found = Trail::open(query)?.all()?;
    let there = |entry: &&AuditEntry| {
        !entry.failed() && entry.target == target && entry.region == region && !entry.to.is_empty()
    };
    Ok(found.entries.iter().filter(there).filter_map(alias_move).collect())
}

/// The move that an entry tells of.
fn alias_move(entry: &AuditEntry) -> Option<AliasMove> {
    // `/2015-03-31/functions/NAME/aliases/ALIAS`
    let mut parts = entry.resource.trim_start_matches('/').split('/');
    let (_, functions) = (parts.next()?, parts.next()?);
    let (function, aliases, alias) = (parts.next()?, parts.next()?, parts.next()?);
    let plain = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into();
    (functions == "functions" && aliases == "aliases").then(|| AliasMove {
        time: entry.time.clone(),
        who: entry.who.clone(),
        function: plain(function),
        alias: plain(alias),
        from: entry.from.clone(),
        to: entry.to.clone(),
    })
}

/// The name at the end of a caller's ARN, which is what people know: `ada` of
/// `arn:aws:iam::111122223333:user/ada`. Anything else stays as it is.
pub fn short_name(who: &str) -> &str {
    if who.starts_with("arn:") { who.rsplit(['/', ':']).next().unwrap_or(who) } else { who }
}

/// What a call was about, without the version of the API that begins a path.
pub fn short_resource(resource: &str) -> &str {
    let rest = resource.trim_start_matches('/');
    match rest.split_once('/') {
        Some((first, rest)) if first.len() == 10 && first.starts_with("20") => rest,
        _ => rest,
    }
}

/// From what to what, in one text; empty where nothing was said.
pub fn change(entry: &AuditEntry) -> String {
    match (entry.from.as_str(), entry.to.as_str()) {
        ("", to) => to.to_owned(),
        (from, "") => from.to_owned(),
        (from, to) => format!("{from} → {to}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> AuditEntry {
        AuditEntry {
            time: "2026-11-20T10:00:00Z".to_owned(),
            lab: "shop".to_owned(),
            operation: "UpdateAlias".to_owned(),
            resource: "/2015-03-31/functions/shop-items/aliases/prod".to_owned(),
            from: "v1".to_owned(),
            to: "v2".to_owned(),
            result: "ok".to_owned(),
            ..AuditEntry::default()
        }
    }

    #[test]
    fn entries_are_found_by_lab_age_operation_and_result() {
        let query = Query::default;
        let asked = |lab: &str| Query { lab: Some(lab.to_owned()), ..query() };
        let named = |name: &str| Query { operation: Some(name.to_owned()), ..query() };
        assert!(query().matches(&entry()));
        assert!(asked("shop").matches(&entry()) && !asked("sho").matches(&entry()));
        assert!(named("alias").matches(&entry()) && !named("stage").matches(&entry()));
        let failed = Query { failed: true, ..query() };
        assert!(!failed.matches(&entry()));
        assert!(failed.matches(&AuditEntry { result: "Conflict".to_owned(), ..entry() }));
        assert!(!query().within(Duration::from_secs(1)).matches(&entry()));
        let broken = AuditEntry { time: "yesterday".to_owned(), ..entry() };
        assert!(query().within(Duration::from_secs(1)).matches(&broken));
    }

    #[test]
    fn a_move_names_function_and_alias() {
        let told = alias_move(&entry());
        let told = told.as_ref().map(|told| (told.function.as_str(), told.alias.as_str()));
        assert_eq!(told, Some(("shop-items", "prod")));
        assert!(alias_move(&AuditEntry { resource: "/x".to_owned(), ..entry() }).is_none());
    }

    #[test]
    fn names_are_short_for_people() {
        assert_eq!(short_name("arn:aws:iam::1:user/ada"), "ada");
        assert_eq!(short_name("arn:aws:iam::000000000000:root"), "root");
        assert_eq!(short_name("AKIDX"), "AKIDX");
        assert_eq!(short_resource("/2015-03-31/functions/a"), "functions/a");
        assert_eq!(short_resource("/restapis/a/stages/prod"), "restapis/a/stages/prod");
        assert_eq!(short_resource("visits"), "visits");
        assert_eq!(change(&entry()), "v1 → v2");
    }
}
