//! What the keys of conditions and the variables of policies stand for in one call.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::core::{ACCOUNT_ID, REGION};

/// The name of the user that the owner of the cloud's credentials is, when a policy holds for them.
pub(super) const OPERATOR: &str = "operator";
/// That user's id.
pub(super) const OPERATOR_ID: &str = "AIDA2LABDECKOPERATOR2";

/// What the keys stand for in one call.
#[derive(Debug, Clone)]
pub struct Context {
    now: OffsetDateTime,
    principal_arn: String,
    is_user: bool,
    /// On whose behalf a service acts; none for identities.
    source_arn: Option<String>,
    /// Keys that only some calls have, such as `iam:PassedToService`.
    more: Vec<(&'static str, String)>,
}

/// What a key stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Value(String),
    Absent,
    UnknownKey,
}

/// Keys that are known, though only some calls have them.
const SOMETIMES: [&str; 4] =
    ["iam:passedtoservice", "iam:policyarn", "lambda:functionarn", "iam:associatedresourcearn"];

impl Context {
    /// The context of a call now by a role's session.
    pub fn now(role_arn: &str) -> Self {
        Self {
            now: OffsetDateTime::now_utc(),
            principal_arn: role_arn.to_owned(),
            is_user: false,
            source_arn: None,
            more: Vec::new(),
        }
    }

    /// The context of a call now by the operator as a user.
    pub fn operator() -> Self {
        Self { is_user: true, ..Self::now(&format!("arn:aws:iam::{ACCOUNT_ID}:user/{OPERATOR}")) }
    }

    /// The context of a call now by a service, on behalf of the resource `source_arn`.
    pub fn of_service(source_arn: &str) -> Self {
        Self { source_arn: Some(source_arn.to_owned()), ..Self::now("") }
    }

    /// The same with keys that only this call has.
    #[must_use]
    pub fn with(mut self, keys: &[(&'static str, &str)]) -> Self {
        self.more.extend(keys.iter().map(|(key, value)| (*key, (*value).to_owned())));
        self
    }

    #[cfg(test)]
    pub fn at(seconds: i64, principal_arn: &str) -> Self {
        let now =
            OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        Self { now, ..Self::now(principal_arn) }
    }

    pub(super) fn value(&self, key: &str) -> Found {
        let key = key.to_ascii_lowercase();
        if let Some((_, value)) = self.more.iter().find(|(name, _)| name.eq_ignore_ascii_case(&key))
        {
            return Found::Value(value.clone());
        }
        Found::Value(match key.as_str() {
            "aws:currenttime" => match self.now.format(&Rfc3339) {
                Ok(text) => text,
                Err(_) => return Found::Absent,
            },
            "aws:epochtime" => self.now.unix_timestamp().to_string(),
            "aws:principalarn" => self.principal_arn.clone(),
            "aws:principalaccount" | "aws:resourceaccount" => ACCOUNT_ID.to_owned(),
            "aws:sourcearn" => match &self.source_arn {
                Some(arn) => arn.clone(),
                None => return Found::Absent,
            },
            "aws:sourceaccount" | "aws:sourceowner" => match &self.source_arn {
                Some(arn) => arn.split(':').nth(4).unwrap_or("").to_owned(),
                None => return Found::Absent,
            },
            "aws:principaltype" => (if self.is_user { "User" } else { "AssumedRole" }).to_owned(),
            "aws:username" if self.is_user => OPERATOR.to_owned(),
            "aws:userid" if self.is_user => OPERATOR_ID.to_owned(),
            "aws:requestedregion" => REGION.to_owned(),
            "aws:securetransport" | "aws:viaawsservice" => "false".to_owned(),
            // The cloud listens on loopback only.
            "aws:sourceip" => "127.0.0.1".to_owned(),
            // Credentials of the local cloud never carry these.
            "aws:username"
            | "aws:multifactorauthpresent"
            | "aws:multifactorauthage"
            | "aws:sourcevpc"
            | "aws:sourcevpce"
            | "aws:principalorgid"
            | "aws:vpcsourceip" => return Found::Absent,
            key if SOMETIMES.contains(&key) => return Found::Absent,
            _ => return Found::UnknownKey,
        })
    }

    /// A pattern with its variables (`${aws:username}`) replaced; `None` when one has no value, and
    /// the pattern covers nothing.
    pub(super) fn substitute(&self, pattern: &str) -> Option<String> {
        let mut text = String::with_capacity(pattern.len());
        let mut rest = pattern;
        while let Some(start) = rest.find("${") {
            text.push_str(&rest[..start]);
            let behind = &rest[start + 2..];
            let end = behind.find('}')?;
            let (key, default) = match behind[..end].split_once(',') {
                Some((key, default)) => (key, Some(default.trim().trim_matches('\''))),
                None => (&behind[..end], None),
            };
            match self.value(key.trim()) {
                Found::Value(value) => text.push_str(&value),
                Found::Absent | Found::UnknownKey => text.push_str(default?),
            }
            rest = &behind[end + 1..];
        }
        text.push_str(rest);
        Some(text)
    }
}
