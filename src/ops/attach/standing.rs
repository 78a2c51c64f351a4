//! Whether what is remembered as attached is still there.

use labdeck_aws::{Failure, Result};

use super::facts::{self, Facts};
use super::store::Attachment;
use super::{labs, list};
use crate::engine::Engine;

/// How an attachment stands.
#[derive(Debug)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// Whether a lab has the name by now, which comes first.
    pub shadowed: bool,
    /// What it names and what is not there: `API shop (a1b2c3)`, `function mailer`, `tag team=shop`.
    pub gone: Vec<String>,
    /// Why it could not be looked at, where it could not.
    pub failure: Option<Failure>,
}

/// How everything stands that is attached on the target.
///
/// # Errors
/// When the file of attachments can't be read.
pub async fn standing(engine: &Engine) -> Result<Vec<Standing>> {
    let labs = labs(engine);
    let mut all = Vec::new();
    for attachment in list(engine).await? {
        let shadowed = labs.contains(&attachment.name);
        let (gone, failure) = match Box::pin(facts::read(engine, &attachment)).await {
            Ok(facts) => (gone(&attachment, &facts), None),
            Err(failure) => (Vec::new(), Some(failure)),
        };
        all.push(Standing { name: attachment.name, shadowed, gone, failure });
    }
    Ok(all)
}

fn gone(attachment: &Attachment, facts: &Facts) -> Vec<String> {
    let apis = facts.apis.iter().filter(|api| api.live.is_none());
    let apis = apis.map(|api| format!("API {} ({})", api.name, api.id));
    let functions = facts.functions.iter().filter(|function| function.live.is_none());
    let mut gone: Vec<String> =
        apis.chain(functions.map(|function| format!("function {}", function.name))).collect();
    // Whether each tag finds something is not told apart from what was picked by name.
    if !attachment.tags.is_empty() && facts.apis.is_empty() && facts.functions.is_empty() {
        gone.extend(attachment.tags.iter().map(|tag| format!("anything with the tag {tag}")));
    }
    if let Some(alias) = &attachment.alias
        && !facts.functions.iter().any(|function| function.aliases.contains(alias))
    {
        gone.push(format!("the alias {alias}"));
    }
    gone
}
