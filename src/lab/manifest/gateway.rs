//! APIs, stages, API keys and usage plans of `lab.toml`.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::{plain, small};
use crate::blueprint::{
    Api, Cache, Follows, Key, LogLevel, Period, Quota, Stage, Throttle, UsagePlan, Variant,
};
use crate::links::Kind;
use crate::names;
use crate::problem::Position;
use crate::section::{Need, Section, Shape, Text};

/// Most variables of a stage, `lambdaAlias` included.
const MOST_STAGE_VARIABLES: usize = 100;
/// API Gateway: `CreateStage`, `cacheClusterSize`.
const CACHE_SIZES: &[&str] = &["0.5", "1.6", "6.1", "13.5", "28.4", "58.2", "118", "237"];
/// Largest burst of requests, and largest quota: what AWS's 32-bit numbers hold.
const MOST_REQUESTS: i64 = i32::MAX as i64;

/// A document that an API names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document {
    /// Which API of the blueprint.
    pub(crate) api: usize,
    /// The file (absolute); empty when it was already reported.
    pub(crate) file: PathBuf,
    /// The variants that it is for; empty when the lab has none.
    pub(crate) variants: Vec<String>,
    /// Where it is named.
    pub(crate) named_at: Position,
}

pub(super) fn apis(
    section: &Section<'_, '_, '_>,
    dir: &Path,
    variants: &[Variant],
) -> (Vec<Api>, Vec<Document>) {
    let (mut apis, mut documents) = (Vec::new(), Vec::new());
    for (index, (name, api)) in section.named("apis", names::API).into_iter().enumerate() {
        let expected =
            "the OpenAPI file, relative to the lab's folder; or a table of variants and files";
        let value = api.get("document", true, Shape::Any);
        let mut add = |text: Text, of: Vec<String>| {
            documents.push(Document {
                api: index,
                file: document_file(&api, dir, &text),
                variants: of,
                named_at: api.context.position(text.at),
            });
        };
        if value.is_some_and(|value| value.get_ref().as_table().is_some()) {
            let files = api.text_map("document", None);
            for variant in variants.iter().filter(|variant| !files.contains_key(&variant.name)) {
                let message = format!(
                    "`document` in {} has no file for variant `{}`",
                    api.called, variant.name
                );
                if !api.context.damaged() {
                    api.context.problem(api.at_of("document"), message, |problem| {
                        problem.expected("a file for each variant of the lab");
                    });
                }
            }
            for (variant, text) in files {
                api.context.link(Kind::Variant, &variant, text.at);
                add(text, vec![variant]);
            }
        } else {
            let text = api.text("document", expected);
            add(text, variants.iter().map(|variant| variant.name.clone()).collect());
        }
        api.finish();
        apis.push(Api { name, ..Api::default() });
    }
    (apis, documents)
}

fn document_file(section: &Section<'_, '_, '_>, dir: &Path, text: &Text) -> PathBuf {
    let file = PathBuf::from(&text.value);
    let inside =
        file.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !inside {
        let message = format!("`{}` is outside of the lab's folder", text.value);
        section.context.problem(text.at, message, |problem| {
            problem.expected("a path below the folder of `lab.toml`");
        });
    }
    // An empty path was reported, and must not be read as the folder.
    if inside && !text.value.trim().is_empty() { dir.join(file) } else { PathBuf::new() }
}

pub(super) fn stages(section: &Section<'_, '_, '_>) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for (name, section) in section.named("stages", names::STAGE) {
        let stage = stage(name, &section, &stages);
        stages.push(stage);
    }
    stages
}

fn stage(name: String, section: &Section<'_, '_, '_>, earlier: &[Stage]) -> Stage {
    let choices = [("latest", Follows::Latest), ("release", Follows::Release)];
    let levels =
        [LogLevel::Off, LogLevel::Error, LogLevel::Info].map(|level| (level.as_str(), level));
    let alias = section.ruled("alias", names::ALIAS);
    let follows = section.choice("follows", &choices).unwrap_or(Follows::Latest);
    check_same_alias(section, &alias, follows, earlier);
    let variables = section.text_map("variables", Some(names::STAGE_VARIABLE));
    for value in variables.values() {
        section.context.check(names::STAGE_VALUE, &value.value, value.at);
    }
    if variables.len() >= MOST_STAGE_VARIABLES {
        let message = format!("too many variables in {}", section.called);
        section.context.problem(section.at, message, |problem| {
            problem.expected(format!("at most {}", MOST_STAGE_VARIABLES - 1));
        });
    }
    let stage = Stage {
        name,
        alias: alias.value,
        follows,
        variables: plain(variables),
        cache: cache(section),
        throttle: throttle(section),
        log_level: section.optional_choice("log_level", &levels).unwrap_or_default(),
        access_log: section.optional_flag("access_log", false),
        detailed_metrics: section.optional_flag("detailed_metrics", false),
        tracing: section.optional_flag("tracing", false),
    };
    section.finish();
    stage
}

/// API Gateway: `CacheClusterSize` and the cache's part of `MethodSetting`; defaults are AWS's own.
fn cache(section: &Section<'_, '_, '_>) -> Option<Cache> {
    let inner = section.section("cache")?;
    let answers =
        ["FAIL_WITH_403", "SUCCEED_WITH_RESPONSE_HEADER", "SUCCEED_WITHOUT_RESPONSE_HEADER"];
    let size = inner.required_real("size_gb", None);
    let size_gb = CACHE_SIZES.iter().find(|known| known.parse() == Ok(size));
    if size_gb.is_none() && inner.has("size_gb") {
        let message = format!("API Gateway has no cache of {size} GB");
        inner.context.problem(inner.at_of("size_gb"), message, |problem| {
            problem.expected(format!("one of {}", CACHE_SIZES.join(", ")));
        });
    }
    let cache = Cache {
        size_gb: (*size_gb.unwrap_or(&"0.5")).to_owned(),
        ttl_s: small(inner.number("ttl_s", &(0..=3600), "seconds", 300)),
        encrypted: inner.optional_flag("encrypted", false),
        guarded: inner.optional_flag("guarded", true),
        unguarded_answer: inner
            .optional_choice("unguarded_answer", &answers.map(|word| (word, word)))
            .unwrap_or("SUCCEED_WITH_RESPONSE_HEADER")
            .to_owned(),
    };
    inner.finish();
    Some(cache)
}

fn throttle(section: &Section<'_, '_, '_>) -> Option<Throttle> {
    let inner = section.section("throttle")?;
    Some(rate(&inner))
}

fn rate(section: &Section<'_, '_, '_>) -> Throttle {
    let throttle = Throttle {
        rate: section.required_real("rate", Some(0.0)),
        burst: small(section.required_number("burst", &(1..=MOST_REQUESTS), "requests")),
    };
    section.finish();
    throttle
}

/// Two stages may share an alias, but not disagree about what it follows.
fn check_same_alias(
    section: &Section<'_, '_, '_>,
    alias: &Text,
    follows: Follows,
    earlier: &[Stage],
) {
    let other = earlier.iter().find(|stage| stage.alias == alias.value && stage.follows != follows);
    if let Some(other) = other {
        let message =
            format!("alias `{}` follows something else in [stages.{}]", alias.value, other.name);
        section.context.problem(alias.at, message, |problem| {
            problem.expected("an alias of its own, or the same `follows`");
        });
    }
}

pub(super) fn keys(section: &Section<'_, '_, '_>) -> Vec<Key> {
    let read = |(name, section): (String, Section<'_, '_, '_>)| {
        let key = Key {
            name,
            description: section.text("description", "whose key it is, in one line").value,
            enabled: section.optional_flag("enabled", true),
        };
        section.finish();
        key
    };
    section.named("keys", names::KEY).into_iter().map(read).collect()
}

/// The plans of all variants, and the variants that each is in.
pub(super) fn plans(section: &Section<'_, '_, '_>) -> (Vec<UsagePlan>, Vec<Vec<String>>) {
    let named = section.named("plans", names::KEY);
    named.into_iter().map(|(name, section)| plan(name, &section)).unzip()
}

fn plan(name: String, section: &Section<'_, '_, '_>) -> (UsagePlan, Vec<String>) {
    let description = section.text("description", "one line").value;
    let apis = section.links("apis", &Kind::Api);
    let stages = section.links("stages", &Kind::Stage);
    let keys = section.optional_links("keys", &Kind::Key);
    let quota = quota(section);
    let throttle = throttle(section);
    let methods = methods(section, &apis);
    let variants = section.optional_links("variants", &Kind::Variant);
    section.finish();
    (UsagePlan { name, description, apis, stages, keys, quota, throttle, methods }, variants)
}

/// API Gateway: `QuotaSettings`. The offset is below the period's days: 0 for a day, 0 to 6 for a week,
/// 0 to 27 for a month.
fn quota(section: &Section<'_, '_, '_>) -> Option<Quota> {
    let inner = section.section("quota")?;
    let periods =
        [Period::Day, Period::Week, Period::Month].map(|period| (period.as_str(), period));
    let limit = inner.required_number("limit", &(1..=MOST_REQUESTS), "requests");
    let period = inner.choice("period", &periods);
    let most = match period {
        Some(Period::Day) => 0,
        Some(Period::Week) => 6,
        _ => 27,
    };
    let offset = inner.number("offset", &(0..=27), "", 0);
    if offset > most {
        let message = format!("`offset` in {} is {offset}", inner.called);
        inner.context.problem(inner.at_of("offset"), message, |problem| {
            problem.expected(format!("at most {most} with this period"));
        });
    }
    inner.finish();
    Some(Quota { limit: small(limit), offset: small(offset), period: period? })
}

fn methods(section: &Section<'_, '_, '_>, apis: &[String]) -> BTreeMap<String, Throttle> {
    let mut methods = BTreeMap::new();
    for (name, inner) in section.named("methods", names::PLAN_METHOD) {
        if let Some((path, method)) = name.rsplit_once('/').filter(|_| !apis.is_empty()) {
            let path = if path.is_empty() { "/" } else { path }.to_owned();
            let need = Need::Method { apis: apis.to_vec(), path, method: method.to_owned() };
            inner.context.need(need, inner.at);
        }
        methods.insert(name, rate(&inner));
    }
    methods
}
