//! Looking at a lab on a target: what is live, and which values its parameters have.

use std::collections::BTreeMap;

use labdeck_aws::{Failure, FailureKind, Result, Target};
use labdeck_lab::Blueprint;
use labdeck_lab::references::{Reference, resolve_text};

use super::kinds::{function, subscription};
use super::observe::{Live, observe};
use super::options::Options;
use super::resolve::Resolver;
use super::wanted::{CodeId, Place, Wanted};
use crate::live::existing;

/// Begins the path of the local cloud's inbox.
const INBOX: &str = "/_labdeck/inbox";

/// A lab on a target.
#[derive(Debug)]
pub(super) struct Look {
    blueprint: Blueprint,
    place: Place,
    role: Option<String>,
    queues: String,
    parameters: BTreeMap<String, String>,
    /// What is live.
    pub live: Live,
}

impl Look {
    /// Reads what is live, and settles the parameters by it.
    pub async fn new(target: &Target, blueprint: &Blueprint, options: &Options) -> Result<Self> {
        let mut look = Self::blind(target, blueprint, options).await?;
        look.live = look.now(target).await?;
        look.keep_live_parameters(options);
        Ok(look)
    }

    /// Without looking at what is live.
    async fn blind(target: &Target, blueprint: &Blueprint, options: &Options) -> Result<Self> {
        check_names(blueprint, options)?;
        let place = place(target).await?;
        let role = match target.role() {
            Some(role) => Some(given_role(target, &place, role).await?),
            None => None,
        };
        let queues = match target.endpoint() {
            Some(endpoint) => format!("{endpoint}/{}", place.account),
            None => format!("https://sqs.{}.amazonaws.com/{}", place.region, place.account),
        };
        Ok(Self {
            blueprint: blueprint.clone(),
            place,
            role,
            queues,
            parameters: given_parameters(target, blueprint, options),
            live: Live::default(),
        })
    }

    /// Reads what is live now.
    pub async fn now(&self, target: &Target) -> Result<Live> {
        read(target, &self.wanted(&BTreeMap::new())?).await
    }

    /// What is wanted, with the built code.
    pub fn wanted(&self, code: &BTreeMap<String, CodeId>) -> Result<Wanted> {
        let resolver = Resolver {
            blueprint: &self.blueprint,
            place: self.place.clone(),
            role: self.role.clone(),
            parameters: self.parameters.clone(),
            queues: self.queues.clone(),
        };
        Wanted::new(&resolver, code)
    }

    /// A parameter that was not given keeps what is live. An inbox of the local cloud is the one that
    /// it has now: its port may have changed.
    fn keep_live_parameters(&mut self, options: &Options) {
        let mut live = function::live_parameters(&self.blueprint, &self.live);
        live.extend(subscription::live_parameters(&self.blueprint, &self.live));
        for (name, value) in live {
            if options.set.contains_key(&name) {
                continue;
            }
            let Some(value) = value else {
                self.parameters.remove(&name);
                continue;
            };
            let default = self.parameters.get(&name);
            let inbox = value.contains(INBOX) && default.is_some_and(|own| own.contains(INBOX));
            if !inbox {
                self.parameters.insert(name, value);
            }
        }
    }
}

/// What a blueprint wants on a target, its code and what only live state tells left aside.
pub(crate) async fn wanted_of(target: &Target, blueprint: &Blueprint) -> Result<Wanted> {
    let look = Look::blind(target, blueprint, &Options::default()).await?;
    look.wanted(&BTreeMap::new())
}

/// What is live; boxed, since it is many futures side by side.
async fn read(target: &Target, wanted: &Wanted) -> Result<Live> {
    Box::pin(observe(target, wanted)).await
}

fn check_names(blueprint: &Blueprint, options: &Options) -> Result<()> {
    let known: Vec<&str> = blueprint.parameters.iter().map(|p| p.name.as_str()).collect();
    let Some(wrong) = options.set.keys().find(|name| !known.contains(&name.as_str())) else {
        return Ok(());
    };
    let why = match known.as_slice() {
        [] => format!("lab {} has no parameters", blueprint.name),
        known => format!("lab {} has {}", blueprint.name, known.join(", ")),
    };
    Err(Failure::new(FailureKind::Invalid, format!("setting parameter {wrong}"), why))
}

/// The values that were given, and the defaults of the others.
fn given_parameters(
    target: &Target,
    blueprint: &Blueprint,
    options: &Options,
) -> BTreeMap<String, String> {
    let of_target = |reference: &Reference<'_>| match reference {
        Reference::Inbox => target.inbox(&blueprint.name),
        Reference::Mailbox => target.mailbox(&blueprint.name),
        _ => None,
    };
    let parameters = blueprint.parameters.iter();
    parameters
        .filter_map(|parameter| {
            let value = match options.set.get(&parameter.name) {
                Some(given) => Some(given.clone()),
                // A default that the target does not have is none.
                None => resolve_text(parameter.default.as_deref()?, &of_target).ok(),
            };
            Some((parameter.name.clone(), value.filter(|value| !value.is_empty())?))
        })
        .collect()
}

/// Where the target is.
pub async fn place(target: &Target) -> Result<Place> {
    let account = target.account().await?.to_owned();
    let partition = target.caller_arn().await?.split(':').nth(1).unwrap_or("aws").to_owned();
    Ok(Place { partition, region: target.region().to_owned(), account })
}

/// The ARN of the role that was given by name or ARN. That it exists is checked where that is allowed.
async fn given_role(target: &Target, place: &Place, role: &str) -> Result<String> {
    if role.starts_with("arn:") {
        return Ok(role.to_owned());
    }
    let answer = target.iam().get_role().role_name(role).send().await;
    let what = format!("looking for the role {role}");
    match existing(answer.map_err(|e| Failure::from_sdk(&what, &e))) {
        Ok(Some(answer)) => Ok(answer.role.map_or_else(|| place.role(role), |role| role.arn)),
        Ok(None) => Err(Failure::new(FailureKind::NotFound, what, "there is no such role")
            .next("give the name or ARN of a role that Lambda may assume")),
        // Learner accounts may not read roles, and may pass theirs all the same.
        Err(failure) if failure.kind == FailureKind::Denied => Ok(place.role(role)),
        Err(failure) => Err(failure),
    }
}
