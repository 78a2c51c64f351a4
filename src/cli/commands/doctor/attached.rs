//! Whether the file of what is attached can be read, and whether what it names is there.

use std::os::unix::fs::PermissionsExt;

use labdeck_aws::Failure;
use labdeck_ops::Engine;
use labdeck_ops::attach::{self, Standing};

use super::{Look, fail, ok, warn};

const NAME: &str = "attached";

/// Nothing where nothing is attached.
pub(super) async fn look(engine: &Engine) -> Option<Look> {
    let unreadable = |failure: Failure| {
        let next = failure.next.clone().unwrap_or_else(|| "see docs/attach.md".to_owned());
        fail(NAME, failure.to_string(), next)
    };
    let file = match attach::path() {
        Ok(file) => file,
        Err(failure) => return Some(unreadable(failure)),
    };
    let all = match attach::standing(engine).await {
        Ok(all) => all,
        Err(failure) => return Some(unreadable(failure)),
    };
    let mode = std::fs::metadata(&file).ok()?.permissions().mode();
    if mode & 0o077 != 0 {
        let seen = format!("{} can be read by others ({:o})", file.display(), mode & 0o777);
        return Some(warn(NAME, seen, format!("chmod 600 {}", file.display())));
    }
    if all.is_empty() {
        return Some(ok(NAME, format!("nothing on this target, in {}", file.display())));
    }
    let wrong = all.iter().find_map(wrong);
    let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
    Some(wrong.unwrap_or_else(|| ok(NAME, names.join(", "))))
}

/// What is wrong with an attachment, and what to do.
fn wrong(one: &Standing) -> Option<Look> {
    let name = &one.name;
    if let Some(failure) = &one.failure {
        let next = failure.next.clone().unwrap_or_else(|| "see docs/attach.md".to_owned());
        return Some(fail(NAME, format!("{name} can't be looked at: {}", failure.why), next));
    }
    if !one.gone.is_empty() {
        let seen = format!("{name} names what is not there: {}", one.gone.join(", "));
        let next = format!("attach what takes its place, or labdeck detach {name}");
        return Some(warn(NAME, seen, next));
    }
    if one.shadowed {
        let seen = format!("a lab has the name {name} by now, and comes first");
        let next = format!("labdeck detach {name}, and attach it again by another name");
        return Some(warn(NAME, seen, next));
    }
    None
}
