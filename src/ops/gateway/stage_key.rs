//! The settings of a stage by name, as they are typed and shown, and the path of each in `UpdateStage`.
//!
//! Names are those of `lab.toml` where it has the setting. A setting of methods holds for all of them, or
//! with `/path/METHOD:` before it for one.

use std::fmt;

use super::patch::escaped;
use super::rules;

/// A setting of a stage.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum StageKey {
    /// `deployment`: the deployment that it serves.
    Deployment,
    /// `description`.
    Description,
    /// `tracing`: whether requests are traced.
    Tracing,
    /// `variables.NAME`.
    Variable(String),
    /// `cache.cluster`: whether it has a cache. Billed by the hour.
    CacheCluster,
    /// `cache.size_gb`.
    CacheSize,
    /// `access_log.destination`: an ARN.
    AccessLog,
    /// `access_log.format`.
    AccessFormat,
    /// `canary`: `none` removes it.
    Canary,
    /// `canary.percent`: the share of traffic.
    CanaryPercent,
    /// `canary.deployment`.
    CanaryDeployment,
    /// `canary.use_stage_cache`.
    CanaryCache,
    /// `canary.variables.NAME`.
    CanaryVariable(String),
    /// A setting of all methods (`None`), or of one, as `(path, VERB)`.
    Method(Option<(String, String)>, MethodKey),
}

/// A setting of methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MethodKey {
    /// `throttle.rate`: requests per second.
    Rate,
    /// `throttle.burst`: requests at once.
    Burst,
    /// `cache.enabled`: whether answers are kept.
    CacheEnabled,
    /// `cache.ttl_s`.
    CacheTtl,
    /// `cache.encrypted`.
    CacheEncrypted,
    /// `cache.guarded`: whether a client needs a permission to have an answer made anew.
    CacheGuarded,
    /// `cache.unguarded_answer`: what a client without it gets.
    CacheAnswer,
    /// `log_level`: what the execution log holds.
    LogLevel,
    /// `data_trace`: whether the execution log holds requests and answers in full.
    DataTrace,
    /// `detailed_metrics`: whether each method has metrics of its own.
    Metrics,
    /// `settings`: `none` removes the method's own settings.
    All,
}

const METHOD_KEYS: [(MethodKey, &str, &str); 10] = [
    (MethodKey::Rate, "throttle.rate", "throttling/rateLimit"),
    (MethodKey::Burst, "throttle.burst", "throttling/burstLimit"),
    (MethodKey::CacheEnabled, "cache.enabled", "caching/enabled"),
    (MethodKey::CacheTtl, "cache.ttl_s", "caching/ttlInSeconds"),
    (MethodKey::CacheEncrypted, "cache.encrypted", "caching/dataEncrypted"),
    (MethodKey::CacheGuarded, "cache.guarded", "caching/requireAuthorizationForCacheControl"),
    (
        MethodKey::CacheAnswer,
        "cache.unguarded_answer",
        "caching/unauthorizedCacheControlHeaderStrategy",
    ),
    (MethodKey::LogLevel, "log_level", "logging/loglevel"),
    (MethodKey::DataTrace, "data_trace", "logging/dataTrace"),
    (MethodKey::Metrics, "detailed_metrics", "metrics/enabled"),
];

const STAGE_KEYS: [(StageKey, &str, &str); 11] = [
    (StageKey::Deployment, "deployment", "/deploymentId"),
    (StageKey::Description, "description", "/description"),
    (StageKey::Tracing, "tracing", "/tracingEnabled"),
    (StageKey::CacheCluster, "cache.cluster", "/cacheClusterEnabled"),
    (StageKey::CacheSize, "cache.size_gb", "/cacheClusterSize"),
    (StageKey::AccessLog, "access_log.destination", "/accessLogSettings/destinationArn"),
    (StageKey::AccessFormat, "access_log.format", "/accessLogSettings/format"),
    (StageKey::Canary, "canary", "/canarySettings"),
    (StageKey::CanaryPercent, "canary.percent", "/canarySettings/percentTraffic"),
    (StageKey::CanaryDeployment, "canary.deployment", "/canarySettings/deploymentId"),
    (StageKey::CanaryCache, "canary.use_stage_cache", "/canarySettings/useStageCache"),
];

const VARIABLE: &str = "variables.";
const CANARY_VARIABLE: &str = "canary.variables.";
/// What takes something away that has no empty value.
pub const NONE: &str = "none";
/// What a log level can be.
const LEVELS: [&str; 3] = ["OFF", "ERROR", "INFO"];
/// What a client gets that may not have an answer made anew.
const ANSWERS: [&str; 3] =
    ["FAIL_WITH_403", "SUCCEED_WITH_RESPONSE_HEADER", "SUCCEED_WITHOUT_RESPONSE_HEADER"];
/// Methods of HTTP as API Gateway knows them.
pub(super) const VERBS: [&str; 8] =
    ["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY"];

impl StageKey {
    /// Reads a name.
    ///
    /// # Errors
    /// What is wrong, with the nearest name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some(name) = text.strip_prefix(CANARY_VARIABLE) {
            rules::variable_name(name)?;
            return Ok(Self::CanaryVariable(name.to_owned()));
        }
        if let Some(name) = text.strip_prefix(VARIABLE) {
            rules::variable_name(name)?;
            return Ok(Self::Variable(name.to_owned()));
        }
        if text.starts_with('/') {
            let (place, setting) = split_place(text)?;
            return Ok(Self::Method(Some(place), method_key(setting, true)?));
        }
        if let Some((key, ..)) = STAGE_KEYS.iter().find(|(_, name, _)| *name == text) {
            return Ok(key.clone());
        }
        method_key(text, false).map(|key| Self::Method(None, key))
    }

    /// Its path in a patch.
    pub fn path(&self) -> String {
        match self {
            Self::Variable(name) => format!("/variables/{name}"),
            Self::CanaryVariable(name) => format!("/canarySettings/stageVariableOverrides/{name}"),
            Self::Method(place, key) => {
                let place = match place {
                    None => "/*/*".to_owned(),
                    Some((path, verb)) => format!("/{}/{verb}", escaped(path)),
                };
                let known = METHOD_KEYS.iter().find(|(known, ..)| known == key);
                known.map_or(place.clone(), |(.., path)| format!("{place}/{path}"))
            }
            other => {
                let known = STAGE_KEYS.iter().find(|(known, ..)| known == other);
                known.map_or_else(String::new, |(.., path)| (*path).to_owned())
            }
        }
    }

    /// The value as AWS takes it; an empty one (or `none`) takes away what can be taken away.
    ///
    /// # Errors
    /// AWS's rule.
    pub fn check(&self, value: &str) -> Result<String, String> {
        let value = value.trim();
        let stays = || Err(format!("{self} can be changed, but not be taken away"));
        match self {
            Self::Description => Ok(value.to_owned()),
            Self::Variable(_) => rules::variable_value(value).map(|()| value.to_owned()),
            Self::CanaryVariable(_) if value.is_empty() => Err(
                "a single override of a canary can't be taken away; canary=none removes the canary"
                    .to_owned(),
            ),
            Self::CanaryVariable(_) => rules::variable_value(value).map(|()| value.to_owned()),
            Self::AccessLog if value.is_empty() => Ok(String::new()),
            Self::AccessLog => rules::log_destination(value).map(|()| value.to_owned()),
            Self::AccessFormat if value.is_empty() => {
                Err("access_log.destination= takes the access log away, with its format".to_owned())
            }
            Self::AccessFormat => rules::log_format(value).map(|()| value.to_owned()),
            Self::Canary | Self::Method(Some(_), MethodKey::All) => match value {
                "" | NONE => Ok(String::new()),
                _ => Err(format!("{self} takes only {NONE}, which removes all of it")),
            },
            _ if value.is_empty() => stays(),
            Self::Deployment | Self::CanaryDeployment => {
                let allowed = value.len() <= 64 && value.chars().all(|c| c.is_ascii_alphanumeric());
                if allowed {
                    Ok(value.to_owned())
                } else {
                    Err(format!("{value:?} is no deployment's id"))
                }
            }
            Self::Tracing | Self::CacheCluster | Self::CanaryCache => rules::flag(value),
            Self::CacheSize => rules::word(value, &rules::CACHE_SIZES)
                .map_err(|why| format!("a cache has one of AWS's sizes in GB: {why}")),
            Self::CanaryPercent => rules::percent(value),
            Self::Method(_, key) => key.check(value),
        }
    }

    /// What it takes, in a few words.
    pub fn takes(&self) -> &'static str {
        match self {
            Self::Deployment | Self::CanaryDeployment => "a deployment's id",
            Self::Description => "text",
            Self::Variable(_) | Self::CanaryVariable(_) => {
                "letters, digits and - . _ ~ : / ? # & = , up to 512; empty takes it away"
            }
            Self::Tracing | Self::CanaryCache => "on, off",
            Self::CacheCluster => "on, off; billed by the hour",
            Self::CacheSize => "0.5 1.6 6.1 13.5 28.4 58.2 118 237",
            Self::AccessLog => "ARN of a log group; empty takes it away",
            Self::AccessFormat => "one line with $context.requestId",
            Self::Canary => "none removes it",
            Self::CanaryPercent => "0 to 100",
            Self::Method(_, key) => match key {
                MethodKey::Rate => "requests per second, 0 or more",
                MethodKey::Burst => "requests at once, 0 or more",
                MethodKey::CacheTtl => "seconds, 0 to 3600",
                MethodKey::LogLevel => "OFF, ERROR, INFO",
                MethodKey::CacheAnswer => {
                    "FAIL_WITH_403, SUCCEED_WITH_RESPONSE_HEADER, SUCCEED_WITHOUT_RESPONSE_HEADER"
                }
                MethodKey::All => "none removes the method's own settings",
                _ => "on, off",
            },
        }
    }

    /// The key of `lab.toml` that the next deploy reads it from, inside `[stages.NAME]`; `None` for what
    /// a deploy leaves as it is.
    pub fn in_lab_toml(&self) -> Option<String> {
        match self {
            Self::Tracing => Some("tracing".to_owned()),
            Self::Variable(name) if name == "lambdaAlias" => Some("alias".to_owned()),
            Self::Variable(name) => Some(format!("{VARIABLE}{name}")),
            Self::CacheCluster | Self::Method(None, MethodKey::CacheEnabled) => {
                Some("cache".to_owned())
            }
            Self::CacheSize => Some("cache.size_gb".to_owned()),
            Self::AccessLog | Self::AccessFormat => Some("access_log".to_owned()),
            Self::Method(None, key) if *key != MethodKey::DataTrace => Some(key.name().to_owned()),
            _ => None,
        }
    }
}

impl MethodKey {
    fn name(self) -> &'static str {
        let known = METHOD_KEYS.iter().find(|(key, ..)| *key == self);
        known.map_or("settings", |(_, name, _)| name)
    }

    fn check(self, value: &str) -> Result<String, String> {
        match self {
            Self::Rate => rules::rate(value),
            Self::Burst => rules::burst(value),
            Self::CacheTtl => rules::ttl(value),
            Self::LogLevel => rules::word(value, &LEVELS),
            Self::CacheAnswer => rules::word(value, &ANSWERS),
            _ => rules::flag(value),
        }
    }
}

impl fmt::Display for StageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "{VARIABLE}{name}"),
            Self::CanaryVariable(name) => write!(f, "{CANARY_VARIABLE}{name}"),
            Self::Method(None, key) => f.write_str(key.name()),
            Self::Method(Some((path, verb)), key) => write!(f, "{path}/{verb}:{}", key.name()),
            other => {
                let known = STAGE_KEYS.iter().find(|(known, ..)| known == other);
                f.write_str(known.map_or("", |(_, name, _)| name))
            }
        }
    }
}

/// `/path/METHOD:rest`.
pub(super) fn split_place(text: &str) -> Result<((String, String), &str), String> {
    let usage = || format!("{text:?} is not /path/METHOD:setting, such as /pets/GET:throttle.rate");
    let (place, setting) = text.rsplit_once(':').ok_or_else(usage)?;
    let (path, verb) = place.rsplit_once('/').ok_or_else(usage)?;
    let verb = rules::word(verb, &VERBS)?;
    let path = if path.is_empty() { "/" } else { path };
    Ok(((path.to_owned(), verb), setting))
}

fn method_key(text: &str, of_one: bool) -> Result<MethodKey, String> {
    if of_one && text == "settings" {
        return Ok(MethodKey::All);
    }
    if let Some((key, ..)) = METHOD_KEYS.iter().find(|(_, name, _)| *name == text) {
        return Ok(*key);
    }
    let methods = METHOD_KEYS.iter().map(|(_, name, _)| *name);
    let stages = STAGE_KEYS.iter().map(|(_, name, _)| *name).filter(|_| !of_one);
    let known: Vec<&str> = stages.chain(methods).chain([VARIABLE, CANARY_VARIABLE]).collect();
    let near = rules::meant(text, known.iter().copied());
    let of = if of_one { "a method" } else { "a stage" };
    if near.is_empty() {
        return Err(format!("{of} has no setting {text:?}; it has {}", known.join(", ")));
    }
    Err(format!("{of} has no setting {text:?}{near}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_read_and_written_and_have_awss_paths() {
        for (name, path) in [
            ("throttle.rate", "/*/*/throttling/rateLimit"),
            ("/items/{ID}/GET:cache.ttl_s", "/~1items~1{ID}/GET/caching/ttlInSeconds"),
            ("//GET:log_level", "/~1/GET/logging/loglevel"),
            ("/items/GET:settings", "/~1items/GET"),
            ("variables.colour", "/variables/colour"),
            ("canary.variables.colour", "/canarySettings/stageVariableOverrides/colour"),
            ("canary", "/canarySettings"),
            ("cache.cluster", "/cacheClusterEnabled"),
            ("deployment", "/deploymentId"),
        ] {
            let key = StageKey::parse(name).unwrap();
            assert_eq!(key.path(), path);
            assert_eq!(key.to_string(), name);
        }
    }

    #[test]
    fn mistakes_name_the_nearest_right_one() {
        let near = |name: &str| StageKey::parse(name).unwrap_err();
        assert!(near("throtle.rate").ends_with("did you mean \"throttle.rate\"?"));
        assert!(near("cache.tll").contains("\"cache.ttl_s\"?"), "{}", near("cache.tll"));
        assert!(near("variables.a-b").contains("letters, digits and underscores"));
        assert!(near("/items/GTE:throttle.rate").contains("\"GET\"?"));
        assert!(near("/items/GET").contains("/path/METHOD:setting"));
        assert!(near("nonsense").contains("it has deployment"));
    }

    #[test]
    fn values_are_checked_by_awss_rules() {
        let check = |name: &str, value: &str| StageKey::parse(name).unwrap().check(value);
        assert_eq!(check("tracing", "on"), Ok("true".to_owned()));
        assert_eq!(check("log_level", "info"), Ok("INFO".to_owned()));
        assert_eq!(check("variables.a", ""), Ok(String::new()));
        assert!(check("throttle.rate", "").unwrap_err().contains("not be taken away"));
        assert!(check("cache.size_gb", "2").unwrap_err().contains("1.6"));
        assert!(check("canary.percent", "101").unwrap_err().contains("0 to 100"));
        assert!(check("canary", "yes").unwrap_err().contains("none"));
    }
}
