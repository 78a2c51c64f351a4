//! Rotating a key: a new one is made and put into every plan of the old one, and the old one is removed
//! only after requests with the new one were answered.
//!
//! The new key carries the old one's id in a tag from the moment it is made, and another tag once it was
//! seen to answer: a rotation that is cut off anywhere is finished by running it again, and a deploy in
//! between leaves both keys alone. From the second tag on requests with the key's name use the new value;
//! the old one is accepted until it is removed, for as long as clients need to change over.

use std::time::{Duration, Instant};

use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::SavedRequest;
use tokio_util::sync::CancellationToken;

use super::edit::Done;
use super::found::{self, api_names};
use super::keys::{self, KeyInfo};
use super::plan::PlanModel;
use crate::attach::STACK_TAG;
use crate::deploy::patiently;
use crate::deploy::{self, leased};
use crate::engine::Engine;
use crate::live::{self, ROTATES_TAG, VERIFIED_TAG, existing};
use crate::progress::{Progress, Reporter};
use crate::request;
use crate::request::exchange::{KeyValue, OutgoingRequest};
use crate::whose;

/// How long the old key is accepted after the new one was seen to answer, unless another time is given.
pub const USUAL_GRACE: Duration = Duration::from_secs(5);
/// How long a new key may take to be accepted: two minutes were seen on AWS.
const ACCEPTED_WITHIN: Duration = Duration::from_mins(3);
/// Answers one after the other that show that a key is accepted.
const ANSWERS: u32 = 3;
/// Between these answers.
const BETWEEN: Duration = Duration::from_millis(100);

/// Rotates a key; finishes a rotation that was cut off. Only where the key with the id `seen` takes part,
/// where that is given.
///
/// # Errors
/// `NotFound` when the lab has no such key; Refused when it is disabled, or when nothing can show that the
/// new one is accepted; Conflict when somebody changes the lab at this moment, or has put another key in the
/// place of the one that was seen. Both keys are there then, and running it again goes on.
pub async fn rotate(
    engine: &Engine,
    blueprint: &Blueprint,
    (name, seen): (&str, Option<&str>),
    grace: Duration,
    reporter: &Reporter,
    cancel: &CancellationToken,
) -> Result<Done> {
    let what = format!("rotating API key {name}");
    let phase = |name: String| reporter.report(Progress::Phase { name });
    let stopped = || {
        Failure::new(FailureKind::Cancelled, &what, "stopped on request; both keys are accepted")
            .next(format!("labdeck keys {} rotate {name} finishes it", blueprint.name))
    };
    let ready = async {
        phase(format!("making a new key {name}"));
        let (old, new) = pair(engine, blueprint, (name, seen), &what).await?;
        let Some(old) = old else { return Ok((None, new)) };
        let plans = join_all(engine, blueprint, (&old, &new)).await?;
        phase(format!("waiting until the new key {name} is accepted"));
        let verified = verify(engine, blueprint, (name, &new), &plans, &what);
        tokio::select! {
            verified = verified => verified?,
            () = cancel.cancelled() => return Err(stopped()),
        }
        tag(engine, &new.id, VERIFIED_TAG, "1").await?;
        Ok((Some((old, plans.len())), new))
    };
    let (old, new) = leased(engine, &whose::lease(blueprint), Box::pin(ready)).await?;
    let plans = match &old {
        Some((_, plans)) => *plans,
        None => 0,
    };
    if let Some((old, _)) = &old {
        phase(format!("the old key {name} is accepted for {} s more", grace.as_secs_f64()));
        tokio::select! {
            () = tokio::time::sleep(grace) => {}
            () = cancel.cancelled() => return Err(stopped()),
        }
        let remove = async {
            // Whoever undid the new one meanwhile must not lose the old one, too.
            let now = live::api_keys(&engine.target).await?;
            let known = keys::assembled(now, blueprint, &[]);
            if !known.iter().any(|key| key.id == new.id && key.enabled) {
                let why =
                    "somebody else removed or disabled the new key meanwhile; the old one stays";
                return Err(Failure::new(FailureKind::Conflict, &what, why));
            }
            phase(format!("removing the old key {name}"));
            remove(engine, &old.id, &what).await
        };
        leased(engine, &whose::lease(blueprint), Box::pin(remove)).await?;
    }
    untag(engine, &new.id).await?;
    let old = old.map_or_else(|| "the old one was gone".to_owned(), |(old, _)| old.id);
    let plans = match plans {
        1 => "1 usage plan".to_owned(),
        plans => format!("{plans} usage plans"),
    };
    Ok(Done::new(format!("API key {name} rotated: {old} → {}", new.id))
        .note(format!("the new key is in {plans} and was seen to answer; the old one is removed"))
        .note("its quota starts full")
        .note(format!("its value: labdeck keys {} show {name}", blueprint.name)))
}

/// The key that goes, and the one that comes; no old one when it is gone already.
async fn pair(
    engine: &Engine,
    blueprint: &Blueprint,
    (name, seen): (&str, Option<&str>),
    what: &str,
) -> Result<(Option<KeyInfo>, KeyInfo)> {
    keys::one(engine, blueprint, name).await?;
    let of_name = || async {
        let all = live::api_keys(&engine.target).await?;
        let own = keys::assembled(all, blueprint, &[]);
        Ok::<_, Failure>(own.into_iter().filter(|key| key.name == name).collect::<Vec<_>>())
    };
    let all = of_name().await?;
    keys::same_key(what, seen, &all)?;
    let old = all.iter().find(|key| key.rotates.is_none()).cloned();
    let new = |all: &[KeyInfo]| all.iter().find(|key| key.rotates.is_some()).cloned();
    if let Some(begun) = new(&all) {
        let old = old.filter(|old| begun.rotates.as_deref() == Some(old.id.as_str()));
        return Ok((old, begun));
    }
    let Some(old) = old else {
        return Err(Failure::new(FailureKind::NotFound, what, "there is no such key"));
    };
    if !old.enabled {
        let why = "the key is disabled: nothing could show that the new one is accepted";
        return Err(Failure::new(FailureKind::Refused, what, why)
            .next(format!("labdeck keys {} enable {name}, then rotate it", blueprint.name)));
    }
    let found = live::api_keys(&engine.target).await?;
    let found = found.iter().find(|key| key.id() == Some(&old.id));
    let mut tags: std::collections::BTreeMap<String, String> = found
        .and_then(|key| key.tags())
        .map(|tags| tags.iter().map(|(k, v)| (k.clone(), v.clone())).collect())
        .unwrap_or_default();
    if let Some(stack) = tags.get(STACK_TAG) {
        let why = format!("the stack {stack} made this key, and would miss it when it is removed");
        return Err(
            Failure::new(FailureKind::Refused, what, why).next("rotate it in the stack's template")
        );
    }
    // Tags of this kind are AWS's own: nobody else can set them.
    tags.retain(|tag, _| !tag.starts_with("aws:"));
    tags.extend([whose::key_tag(blueprint)]);
    tags.insert(ROTATES_TAG.to_owned(), old.id.clone());
    let customer = found.and_then(|key| key.customer_id());
    let made = keys::make(engine, what, (name, &old.description, true, customer), &tags).await;
    match made {
        Err(failure) if !keys::is_lost(&failure) => Err(failure),
        // After a lost answer its tag tells whether it was made.
        made => match new(&of_name().await?) {
            Some(new) => Ok((Some(old), new)),
            None => Err(made.err().unwrap_or_else(|| {
                Failure::new(FailureKind::Service, what, "the new key is not listed")
            })),
        },
    }
}

/// Puts the new key into every plan of the old one; gives these plans.
async fn join_all(
    engine: &Engine,
    blueprint: &Blueprint,
    (old, new): (&KeyInfo, &KeyInfo),
) -> Result<Vec<PlanModel>> {
    let (apis, plans) =
        tokio::try_join!(live::rest_apis(&engine.target), live::usage_plans(&engine.target))?;
    let names = api_names(&apis, blueprint);
    let mut joined = Vec::new();
    for plan in &plans {
        let id = plan.id().unwrap_or_default();
        let members = live::usage_plan_keys(&engine.target, id).await?;
        let has = |key: &KeyInfo| members.iter().any(|known| known.id() == Some(&key.id));
        if !has(old) {
            continue;
        }
        if !has(new) {
            let name = plan.name().unwrap_or_default();
            keys::join(engine, (name, id), (&new.name, &new.id)).await?;
        }
        joined.push(PlanModel::of(plan, &names));
    }
    Ok(joined)
}

/// Waits until the new key is accepted on every stage of the lab that the plans open.
async fn verify(
    engine: &Engine,
    blueprint: &Blueprint,
    (name, new): (&str, &KeyInfo),
    plans: &[PlanModel],
    what: &str,
) -> Result<()> {
    let mut places: Vec<&str> = plans.iter().flat_map(PlanModel::stages).collect();
    places.sort_unstable();
    places.dedup();
    if places.is_empty() {
        return Ok(());
    }
    let value = request::key_value_of(engine, &new.id).await?;
    let mut shown = 0;
    for place in &places {
        // A stage of somebody else's API, or one that the lab does not know, can't be asked.
        let Ok((api, stage)) = found::split_stage(blueprint, place) else { continue };
        let Some(probe) = probe(engine, blueprint, name, (&api, &stage), &value).await? else {
            continue;
        };
        shown += 1;
        accepted(engine, &probe, place, what).await?;
    }
    if shown == 0 {
        let why = format!(
            "nothing can show that the new key is accepted: no saved request is a GET with the key \
             {name}, and no GET without parameters wants a key on {}; both keys stay",
            places.join(", ")
        );
        let lab = &blueprint.name;
        // What is attached has no file to add a request to.
        let next = match &blueprint.attached {
            None => {
                format!(
                    "add such a request to lab.toml, and run labdeck keys {lab} rotate {name} again"
                )
            }
            Some(_) => format!(
                "make another key with labdeck keys {lab} create, let the clients use it, and then \
                 labdeck keys {lab} disable {name}"
            ),
        };
        return Err(Failure::new(FailureKind::Refused, what, why).next(next));
    }
    Ok(())
}

/// A request that reads only and wants the key.
async fn probe(
    engine: &Engine,
    blueprint: &Blueprint,
    key: &str,
    (api, stage): (&str, &str),
    value: &KeyValue,
) -> Result<Option<OutgoingRequest>> {
    let is_read = |saved: &&SavedRequest| {
        saved.api == api
            && saved.key.as_deref() == Some(key)
            && saved.method.eq_ignore_ascii_case("GET")
            && saved.before.is_empty()
            // What is to be refused, or to be made anew, tells nothing of the key.
            && !saved.headers.keys().any(|name| name.eq_ignore_ascii_case("cache-control"))
    };
    let plain = |saved: &&SavedRequest| saved.path.contains('{');
    let mut known: Vec<&SavedRequest> = blueprint.requests.iter().filter(is_read).collect();
    known.sort_by_key(plain);
    let found = match known.first() {
        Some(saved) => Some((*saved).clone()),
        None => guarded(engine, blueprint, api).await?.map(|path| SavedRequest {
            name: format!("GET {path}"),
            api: api.to_owned(),
            method: "GET".to_owned(),
            path,
            ..SavedRequest::default()
        }),
    };
    let Some(mut saved) = found else { return Ok(None) };
    saved.key = None;
    let none = request::Given::default();
    let mut outgoing = request::prepare(engine, blueprint, &saved, stage, &none).await?;
    outgoing.key = Some(value.clone());
    Ok(Some(outgoing))
}

/// The path of a method that is a GET without parameters and wants a key.
async fn guarded(engine: &Engine, blueprint: &Blueprint, api: &str) -> Result<Option<String>> {
    let apis = live::rest_apis(&engine.target).await?;
    let id = found::own_api(&apis, api, blueprint)?.id().unwrap_or_default();
    let resources = live::methods(&engine.target, id).await?;
    let found = resources.iter().find(|resource| {
        let get = resource.resource_methods().and_then(|methods| methods.get("GET"));
        get.is_some_and(|method| method.api_key_required().unwrap_or_default())
            && resource.path().is_some_and(|path| !path.contains('{'))
    });
    Ok(found.and_then(|resource| resource.path()).map(str::to_owned))
}

/// Sends until the gateway lets the key in a few times one after the other.
async fn accepted(engine: &Engine, probe: &OutgoingRequest, place: &str, what: &str) -> Result<()> {
    let begun = Instant::now();
    let (mut answers, mut pause) = (0, Duration::from_millis(200));
    while answers < ANSWERS {
        let exchange = request::send(engine, probe.clone()).await?;
        let refused = exchange.status == 403 && exchange.body.contains("Forbidden");
        if !refused {
            answers += 1;
            if answers < ANSWERS {
                tokio::time::sleep(BETWEEN).await;
            }
            continue;
        }
        answers = 0;
        if begun.elapsed() >= ACCEPTED_WITHIN {
            let why = format!(
                "stage {place} still refuses the new key after {} s; both keys stay",
                ACCEPTED_WITHIN.as_secs()
            );
            return Err(Failure::new(FailureKind::Service, what, why)
                .next("run it again later: it goes on where it stopped"));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
    Ok(())
}

async fn remove(engine: &Engine, id: &str, what: &str) -> Result<()> {
    patiently(|| async {
        let answer = engine.target.apigateway().delete_api_key().api_key(id).send().await;
        existing(answer.map_err(|error| Failure::from_sdk(what, &error))).map(|_| ())
    })
    .await
}

async fn tag(engine: &Engine, id: &str, tag: &str, value: &str) -> Result<()> {
    let place = Box::pin(deploy::place(&engine.target)).await?;
    let arn = place.gateway(&format!("/apikeys/{id}"));
    patiently(|| async {
        let call = engine.target.apigateway().tag_resource().resource_arn(&arn).tags(tag, value);
        let what = format!("tagging API key {id}");
        call.send().await.map(|_| ()).map_err(|error| Failure::from_sdk(what, &error))
    })
    .await
}

async fn untag(engine: &Engine, id: &str) -> Result<()> {
    let place = Box::pin(deploy::place(&engine.target)).await?;
    let arn = place.gateway(&format!("/apikeys/{id}"));
    patiently(|| async {
        let call = engine.target.apigateway().untag_resource().resource_arn(&arn);
        let call = call.tag_keys(ROTATES_TAG).tag_keys(VERIFIED_TAG);
        let what = format!("ending the rotation of API key {id}");
        call.send().await.map(|_| ()).map_err(|error| Failure::from_sdk(what, &error))
    })
    .await
}
