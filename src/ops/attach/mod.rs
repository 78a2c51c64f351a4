//! Attaching: operating what labdeck did not deploy.
//!
//! An attachment is a name and a selection of REST APIs and functions, remembered per target. From it
//! and what is live comes a [`Blueprint`] that says that it is attached; everything else works on it as
//! on a lab's, but for what makes or removes resources.

mod account;
mod facts;
mod shape;
mod standing;
mod store;
mod uri;

use std::collections::BTreeSet;

use aws_sdk_apigateway::types::RestApi;
use futures_util::future::join_all;
use labdeck_aws::{Failure, FailureKind, Result};
use labdeck_lab::Blueprint;

pub use account::{Offer, Offered, STACK_TAG, offer};
pub use standing::{Standing, standing};
pub use store::{Attachment, PickedApi, is_known, path};

use crate::engine::{self, Engine};
use crate::gateway::meant;
use crate::live;

/// Longest name of an attachment, in characters.
const LONGEST_NAME: usize = 64;

/// What is to be attached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// REST APIs, by id or by name.
    pub apis: Vec<String>,
    /// Functions, by name or ARN.
    pub functions: Vec<String>,
    /// `KEY=VALUE` that REST APIs and functions carry.
    pub tags: Vec<String>,
    /// The alias that releases move.
    pub alias: Option<String>,
}

impl Selection {
    /// Whether it picks nothing.
    pub fn is_empty(&self) -> bool {
        self.apis.is_empty() && self.functions.is_empty() && self.tags.is_empty()
    }
}

/// Checks the name of an attachment as it is typed.
///
/// # Errors
/// The rule.
pub fn check_name(name: &str) -> Result<(), String> {
    let mut letters = name.chars();
    let begins = letters.next().is_some_and(|first| first.is_ascii_alphanumeric());
    let goes_on = letters.all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if begins && goes_on && name.len() <= LONGEST_NAME {
        return Ok(());
    }
    Err(format!(
        "a name has 1 to {LONGEST_NAME} letters, digits, hyphens, dots and underscores, and begins with \
         a letter or a digit"
    ))
}

/// A name for an attachment, made of an API's or a function's: what can't be in one is left out.
pub fn name_for(text: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = text.chars().map(allowed).take(LONGEST_NAME).collect();
    name.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
}

/// Attaches a selection, beside what is attached by this name already, and remembers it. Changes nothing
/// in the account.
///
/// # Errors
/// Invalid for a name or a tag that can't be, an ambiguous name of an API, an alias that no function has;
/// Refused for the name of a lab; `NotFound` for an API or function that is not there, and for a
/// selection of nothing. When the file of attachments can't be read or written.
pub async fn attach(engine: &Engine, name: &str, selection: &Selection) -> Result<Blueprint> {
    let what = format!("attaching {name}");
    let bad = |why: String| Failure::new(FailureKind::Invalid, &what, why);
    check_name(name).map_err(&bad)?;
    refuse_lab(engine, name, &what)?;
    let target = store::target_key(&engine.target).await?;
    let known = store::on(&target)?.into_iter().find(|one| one.name == name);
    if selection.is_empty() && (known.is_none() || selection.alias.is_none()) {
        return Err(bad("nothing is picked".to_owned())
            .next("pick with --api, --function or --tag; labdeck attach lists what there is"));
    }
    let mut attachment = known.unwrap_or_else(|| Attachment {
        name: name.to_owned(),
        target,
        ..Attachment::default()
    });
    for tag in &selection.tags {
        let (key, _) = tag.split_once('=').unwrap_or_default();
        if key.is_empty() {
            return Err(bad(format!("{tag:?} is no tag")).next("write it as KEY=VALUE"));
        }
        add(&mut attachment.tags, tag.clone());
    }
    if !selection.apis.is_empty() {
        let all = live::rest_apis(&engine.target).await?;
        for wanted in &selection.apis {
            let api = picked_api(&all, wanted, &what)?;
            if !attachment.apis.iter().any(|known| known.id == api.id) {
                attachment.apis.push(api);
            }
        }
    }
    for function in &selection.functions {
        add(&mut attachment.functions, checked_function(engine, function, &what).await?);
    }
    if let Some(alias) = &selection.alias {
        attachment.alias = Some(alias.clone());
    }
    let blueprint = shaped(engine, &attachment).await?;
    if blueprint.apis.is_empty() && blueprint.functions.is_empty() {
        let why = format!("nothing in the account carries {}", attachment.tags.join(" or "));
        return Err(Failure::new(FailureKind::NotFound, what, why)
            .next("labdeck attach lists the APIs and functions with their tags"));
    }
    if let Some(alias) = &selection.alias {
        check_alias(engine, &blueprint, alias, &what).await?;
    }
    store::remember(attachment)?;
    Ok(blueprint)
}

/// Forgets an attachment. Changes nothing in the account.
///
/// # Errors
/// `NotFound`, with those that there are; when the file of attachments can't be read or written.
pub async fn detach(engine: &Engine, name: &str) -> Result<Attachment> {
    let target = store::target_key(&engine.target).await?;
    match store::forget(&target, name)? {
        Some(forgotten) => Ok(forgotten),
        None => Err(unknown(&target, name, format!("detaching {name}"))?),
    }
}

/// What is attached on the target.
///
/// # Errors
/// When the file of attachments can't be read.
pub async fn list(engine: &Engine) -> Result<Vec<Attachment>> {
    store::on(&store::target_key(&engine.target).await?)
}

/// The blueprint of what is attached by this name, from what is live now.
///
/// # Errors
/// `NotFound` when nothing is attached by this name; those of reading what is live.
pub async fn blueprint(engine: &Engine, name: &str) -> Result<Blueprint> {
    let target = store::target_key(&engine.target).await?;
    let found = store::on(&target)?.into_iter().find(|one| one.name == name);
    match found {
        Some(attachment) => shaped(engine, &attachment).await,
        None => Err(unknown(&target, name, format!("reading what is attached as {name}"))?),
    }
}

/// Every attachment of the target with its blueprint, or with why it can't be had. One that has the name
/// of a lab by now is left out: the lab is what is meant.
///
/// # Errors
/// When the file of attachments can't be read.
pub async fn all(engine: &Engine) -> Result<Vec<(String, Result<Blueprint>)>> {
    let attachments = list(engine).await?;
    let labs = labs(engine);
    let attachments = attachments.into_iter().filter(|one| !labs.contains(&one.name));
    let read = attachments.map(|one| async move {
        let blueprint = shaped(engine, &one).await;
        (one.name, blueprint)
    });
    Ok(join_all(read).await)
}

async fn shaped(engine: &Engine, attachment: &Attachment) -> Result<Blueprint> {
    let facts = Box::pin(facts::read(engine, attachment)).await?;
    Ok(shape::blueprint(attachment, &facts))
}

fn add(list: &mut Vec<String>, one: String) {
    if !list.contains(&one) {
        list.push(one);
        list.sort_unstable();
    }
}

fn unknown(target: &str, name: &str, what: String) -> Result<Failure> {
    let known = store::on(target)?;
    let names: Vec<&str> = known.iter().map(|one| one.name.as_str()).collect();
    let why = match names.as_slice() {
        [] => "nothing is attached on this target".to_owned(),
        names => format!(
            "nothing is attached by this name on this target, only {}{}",
            names.join(", "),
            meant(name, names.iter().copied())
        ),
    };
    Ok(Failure::new(FailureKind::NotFound, what, why))
}

/// Names that labs have, with the prefix and without; none where there is no folder of labs.
fn labs(engine: &Engine) -> BTreeSet<String> {
    let prefix = engine.target.prefix().unwrap_or_default();
    let names = engine::lab_names(engine.labs_dir()).unwrap_or_default();
    names.into_iter().flat_map(|name| [format!("{prefix}{name}"), name]).collect()
}

fn refuse_lab(engine: &Engine, name: &str, what: &str) -> Result<()> {
    if !labs(engine).contains(name) {
        return Ok(());
    }
    let why = format!("there is a lab of this name below {}", engine.labs_dir().display());
    Err(Failure::new(FailureKind::Refused, what, why).next("give another name"))
}

/// The API that an id or a name means.
fn picked_api(all: &[RestApi], wanted: &str, what: &str) -> Result<PickedApi> {
    let by_id = all.iter().find(|api| api.id() == Some(wanted));
    let by_name: Vec<&RestApi> = all.iter().filter(|api| api.name() == Some(wanted)).collect();
    let api = match (by_id, by_name.as_slice()) {
        (Some(api), _) => api,
        (None, [api]) => *api,
        (None, []) => {
            let names: Vec<&str> = all.iter().filter_map(RestApi::name).collect();
            let near = meant(wanted, names.iter().copied());
            let why = format!("there is no REST API with the id or name {wanted:?}{near}");
            return Err(Failure::new(FailureKind::NotFound, what, why)
                .next("labdeck attach lists the APIs of the account and region"));
        }
        (None, several) => {
            let ids: Vec<&str> = several.iter().filter_map(|api| api.id()).collect();
            let why = format!("{} REST APIs have the name {wanted}: {}", ids.len(), ids.join(", "));
            return Err(Failure::new(FailureKind::Invalid, what, why)
                .next(format!("choose one by its id: --api {}", ids.first().unwrap_or(&"ID"))));
        }
    };
    Ok(PickedApi {
        id: api.id().unwrap_or_default().to_owned(),
        name: api.name().unwrap_or_default().to_owned(),
    })
}

/// The name of a function of the account and region that exists.
async fn checked_function(engine: &Engine, wanted: &str, what: &str) -> Result<String> {
    let target = &engine.target;
    let name = match wanted.split(':').collect::<Vec<_>>().as_slice() {
        ["arn", _, "lambda", region, account, "function", name] => {
            let own = target.account().await?;
            if *region != target.region() || *account != own {
                let why = format!(
                    "{wanted} is in account {account} and region {region}, the target is account {own} \
                     and region {}",
                    target.region()
                );
                return Err(Failure::new(FailureKind::Invalid, what, why));
            }
            (*name).to_owned()
        }
        [name] => (*name).to_owned(),
        _ => {
            let why = format!("{wanted:?} is no function's name or ARN");
            return Err(Failure::new(FailureKind::Invalid, what, why)
                .next("name the function without a version or alias"));
        }
    };
    if live::function(target, &name).await?.is_some() {
        return Ok(name);
    }
    let all = account::functions(target).await?;
    let near = meant(&name, all.iter().filter_map(|one| one.function_name()));
    let why = format!("there is no function {name:?}{near}");
    Err(Failure::new(FailureKind::NotFound, what, why)
        .next("labdeck attach lists the functions of the account and region"))
}

/// An alias that no function has would let releases do nothing.
async fn check_alias(engine: &Engine, lab: &Blueprint, alias: &str, what: &str) -> Result<()> {
    let status = crate::status::read_releases(engine, lab).await?;
    let aliases = || status.functions.iter().flat_map(|function| &function.aliases);
    if aliases().any(|known| known.name == alias) {
        return Ok(());
    }
    let names: BTreeSet<&str> = aliases().map(|alias| alias.name.as_str()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let there = if names.is_empty() {
        "none of them has an alias".to_owned()
    } else {
        format!("they have {}{}", names.join(", "), meant(alias, names.iter().copied()))
    };
    let why = format!("no function has the alias {alias}; {there}");
    Err(Failure::new(FailureKind::Invalid, what, why))
}
