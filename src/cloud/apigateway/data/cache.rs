//! The caches of stages: answers of back ends, kept for the methods whose settings say so.
//!
//! What is cached follows "Cache settings for REST APIs" in the developer guide: answers of any
//! status up to 1 MB, for `GET` unless a method has settings of its own, told apart only by the
//! parameters that the integration lists in `cacheKeyParameters`. Answers of all stages share a
//! bounded memory, where the least used ones make room; a stage whose cache is flushed, recreated
//! or switched off gets a new id, so that its old answers are never found again. Nothing is kept
//! when the cloud ends. Encryption at rest has no meaning for what is only in memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderValue, WARNING};
use http::{HeaderMap, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use sha2::{Digest as _, Sha256};

use super::failure::Failure;
use super::live::{LiveStage, Rules, Serving};
use super::request::Context;
use super::tree::{KeyPart, Matched, Place};
use super::variables::View;
use crate::core::{ACCOUNT_ID, REGION};
use crate::wire::{Answer, full};

/// The longest body that is cached, in bytes (developer guide).
const LONGEST: u64 = 1_048_576;

/// Memory of all caches together, in bytes.
const CAPACITY: u64 = 128 * 1024 * 1024;

/// The cached answers of all stages.
pub(super) struct Caches {
    entries: Cache<Key, Arc<Entry>, Weight>,
}

/// A digest of everything that tells requests apart.
type Key = [u8; 32];

struct Entry {
    until: Instant,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Arc<Entry>> for Weight {
    fn weight(&self, _: &Key, entry: &Arc<Entry>) -> u64 {
        let headers: usize =
            entry.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 64).sum();
        (entry.body.len() + headers + 256) as u64
    }
}

impl std::fmt::Debug for Caches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caches").field("weight", &self.entries.weight()).finish_non_exhaustive()
    }
}

impl Default for Caches {
    fn default() -> Self {
        // Few shards, so that the largest answer fits into each.
        let options = OptionsBuilder::new()
            .estimated_items_capacity(10_000)
            .weight_capacity(CAPACITY)
            .shards(4)
            .build();
        let entries = match options {
            Ok(options) => Cache::with_options(
                options,
                Weight,
                DefaultHashBuilder::default(),
                quick_cache::sync::DefaultLifecycle::default(),
            ),
            Err(_) => Cache::with_weighter(10_000, CAPACITY, Weight),
        };
        Self { entries }
    }
}

/// How a request uses its stage's cache.
pub(super) struct Use {
    key: Key,
    lives: Duration,
    /// The client has the entry replaced.
    refresh: bool,
    /// The client wanted to, but may not, and is told so.
    warns: bool,
}

/// How a request uses the cache of `stage`; nothing when it does not. `rules` are those of its
/// method, `canary` says whether the stage's canary serves it.
pub(super) fn used_by(
    context: &Context<'_>,
    matched: &Matched<'_>,
    stage: &LiveStage,
    canary: bool,
    rules: Option<&Rules>,
) -> Result<Option<Use>, Failure> {
    let (Some(cluster), Some(rules)) = (&stage.cluster, rules) else { return Ok(None) };
    let setting = &rules.setting;
    let lives = u64::try_from(setting.cache_ttl_in_seconds).unwrap_or(0);
    let verb = context.request.method.as_str();
    let on = setting.caching_enabled && lives > 0 && (rules.own || verb == "GET");
    if !on || context.now < cluster.ready_at {
        return Ok(None);
    }
    let serving = match &stage.canary {
        Some((_, serving)) if canary => serving,
        _ => &stage.stable,
    };
    let own = (cluster.id, canary && !cluster.shared_with_canary);
    let mut using = Use {
        key: key(context, matched, own, serving),
        lives: Duration::from_secs(lives),
        refresh: wants_refresh(context),
        warns: false,
    };
    if using.refresh && setting.require_authorization_for_cache_control {
        // Only a method with IAM authorization knows its caller, and the local cloud has none.
        using.refresh = false;
        match setting.unauthorized_cache_control_header_strategy.as_str() {
            "FAIL_WITH_403" => return Err(may_not_invalidate(context, matched)),
            "SUCCEED_WITH_RESPONSE_HEADER" => using.warns = true,
            _ => {}
        }
    }
    Ok(Some(using))
}

impl Caches {
    /// The cached answer, unless it is too old or to be replaced.
    pub fn find(&self, using: &Use) -> Option<Answer> {
        if using.refresh {
            return None;
        }
        let entry = self.entries.get(&using.key)?;
        if entry.until <= Instant::now() {
            self.entries.remove_if(&using.key, |kept| kept.until <= Instant::now());
            return None;
        }
        let mut answer = Response::new(full(entry.body.clone()));
        *answer.status_mut() = entry.status;
        answer.headers_mut().clone_from(&entry.headers);
        Some(using.told(answer))
    }

    /// Keeps a back end's answer and passes it on.
    pub async fn keep(&self, using: &Use, answer: Answer) -> Answer {
        let (parts, body) = answer.into_parts();
        if body.size_hint().exact().is_none_or(|length| length > LONGEST) {
            return using.told(Response::from_parts(parts, body));
        }
        let body = match body.collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(never) => match never {},
        };
        let mut headers = parts.headers.clone();
        // What belongs to one request alone.
        headers.remove("x-amzn-trace-id");
        let entry = Entry {
            until: Instant::now() + using.lives,
            status: parts.status,
            headers,
            body: body.clone(),
        };
        self.entries.insert(using.key, Arc::new(entry));
        using.told(Response::from_parts(parts, full(body)))
    }
}

impl Use {
    /// The answer with the warning for a client that may not invalidate. AWS documents that there
    /// is one, not its text.
    fn told(&self, mut answer: Answer) -> Answer {
        if self.warns {
            let text = "199 - \"The Cache-Control header was ignored: not authorized to invalidate \
                        the cache\"";
            answer.headers_mut().insert(WARNING, HeaderValue::from_static(text));
        }
        answer
    }
}

/// `Cache-Control: max-age=0`, the one way to invalidate an entry.
fn wants_refresh(context: &Context<'_>) -> bool {
    let values = context.request.headers.get_all(CACHE_CONTROL).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|directive| directive.trim().eq_ignore_ascii_case("max-age=0"))
}

fn may_not_invalidate(context: &Context<'_>, matched: &Matched<'_>) -> Failure {
    Failure::access_denied(format!(
        "User: anonymous is not authorized to perform: execute-api:InvalidateCache on resource: \
         arn:aws:execute-api:{REGION}:{ACCOUNT_ID}:{}/{}/{}{}",
        context.request.api_id, context.stage, context.request.method, matched.route.path
    ))
}

/// Stage, namespace, verb and the listed parameters, each with its length.
fn key(
    context: &Context<'_>,
    matched: &Matched<'_>,
    (cluster, canary): (u64, bool),
    serving: &Serving,
) -> Key {
    let mut key = Digest::default();
    key.add(context.request.api_id.as_bytes());
    key.add(context.stage.as_bytes());
    key.add(&cluster.to_le_bytes());
    key.add(&[u8::from(canary)]);
    key.add(context.request.method.as_str().as_bytes());
    key.add(matched.method.cache.namespace.as_bytes());
    let mut view = None;
    for part in &matched.method.cache.parts {
        match part {
            KeyPart::Parameter(Place::Path, name) => {
                if let Some(value) = matched.parameter(name) {
                    key.add(value.as_bytes());
                }
            }
            KeyPart::Parameter(Place::Query, name) => {
                for value in context.query.get(name.as_str()).into_iter().flatten() {
                    key.add(value.as_bytes());
                }
            }
            KeyPart::Parameter(Place::Header, name) => {
                for value in context.request.headers.get_all(name) {
                    key.add(value.as_bytes());
                }
            }
            KeyPart::Mapped(expression) => {
                let view = view.get_or_insert_with(|| View::new(context, matched, serving));
                if let Ok(Some(value)) = view.expression(expression) {
                    key.add(value.as_bytes());
                }
            }
        }
        key.end();
    }
    key.0.finalize().into()
}

/// A digest of lists of values, so written that no two of them look the same.
#[derive(Default)]
struct Digest(Sha256);

impl Digest {
    /// One more value.
    fn add(&mut self, value: &[u8]) {
        self.0.update((value.len() as u64).to_le_bytes());
        self.0.update(value);
    }

    /// The end of a list: a length that no value has.
    fn end(&mut self) {
        self.0.update(u64::MAX.to_le_bytes());
    }
}
