//! The switches on a function's variables: what they change, until when, and how it is taken back.
//!
//! The moment at which a switch is to end stands in a variable beside the one that it changes, written in
//! the same call.

use std::collections::HashMap;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{MISSING_SUFFIX, UNTIL_PREFIX, WAS_PREFIX};

/// A change of a function's variables that can be taken back.
pub(super) enum Edit<'a> {
    /// The variable's value gets a suffix.
    Missing { variable: &'a str },
    /// The variable has another value, and the one it had is kept beside it.
    Value { variable: &'a str, value: &'a str },
}

impl Edit<'_> {
    pub(super) fn variable(&self) -> &str {
        match self {
            Self::Missing { variable } | Self::Value { variable, .. } => variable,
        }
    }

    pub(super) fn is_on(&self, variables: &HashMap<String, String>) -> bool {
        match self {
            Self::Missing { variable } => {
                variables.get(*variable).is_some_and(|value| value.ends_with(MISSING_SUFFIX))
            }
            Self::Value { variable, .. } => variables.contains_key(&was(variable)),
        }
    }

    /// When it is to end, in ms since the epoch, where that is known.
    pub(super) fn until_ms(&self, variables: &HashMap<String, String>) -> Option<i64> {
        let until = variables.get(&until(self.variable()))?;
        Some(OffsetDateTime::parse(until, &Rfc3339).ok()?.unix_timestamp() * 1000)
    }

    /// The variables as they must become: on until a moment, or off without one. `None` when they are
    /// that way. The variable must be there.
    pub(super) fn applied(
        &self,
        mut variables: HashMap<String, String>,
        on_until: Option<OffsetDateTime>,
    ) -> Option<HashMap<String, String>> {
        let before = variables.clone();
        let is_on = self.is_on(&variables);
        match self {
            Self::Missing { variable } if on_until.is_some() != is_on => {
                let value = variables.get_mut(*variable)?;
                *value = match value.strip_suffix(MISSING_SUFFIX) {
                    Some(original) => original.to_owned(),
                    None => format!("{value}{MISSING_SUFFIX}"),
                };
            }
            Self::Value { variable, value } if on_until.is_some() && !is_on => {
                let was_value = variables.insert((*variable).to_owned(), (*value).to_owned())?;
                variables.insert(was(variable), was_value);
            }
            Self::Value { variable, .. } if on_until.is_none() && is_on => {
                let was_value = variables.remove(&was(variable))?;
                variables.insert((*variable).to_owned(), was_value);
            }
            _ => {}
        }
        match on_until.and_then(|until| until.format(&Rfc3339).ok()) {
            Some(text) => variables.insert(until(self.variable()), text),
            None => variables.remove(&until(self.variable())),
        };
        (variables != before).then_some(variables)
    }
}

/// Where the value is kept that a variable had.
fn was(variable: &str) -> String {
    format!("{WAS_PREFIX}{variable}")
}

/// Where it is kept until when a variable is changed.
fn until(variable: &str) -> String {
    format!("{UNTIL_PREFIX}{variable}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn at(seconds: i64) -> Option<OffsetDateTime> {
        OffsetDateTime::from_unix_timestamp(seconds).ok()
    }

    #[test]
    fn a_variable_is_changed_and_is_what_it_was_again() {
        let plain = HashMap::from([("MODE".to_owned(), "plain".to_owned())]);
        for (edit, value) in [
            (Edit::Value { variable: "MODE", value: "other" }, "other"),
            (Edit::Missing { variable: "MODE" }, "plain-labdeck-chaos-missing"),
        ] {
            let on = edit.applied(plain.clone(), at(60)).unwrap();
            assert_eq!(on["MODE"], value);
            assert!(edit.is_on(&on) && !edit.is_on(&plain));
            assert_eq!((edit.until_ms(&on), edit.until_ms(&plain)), (Some(60_000), None));
            // Twice is once: what it was is not lost, and its time begins anew.
            assert_eq!(edit.applied(on.clone(), at(60)), None);
            let longer = edit.applied(on.clone(), at(90)).unwrap();
            assert_eq!((longer["MODE"].as_str(), edit.until_ms(&longer)), (value, Some(90_000)));
            assert_eq!(edit.applied(longer, None), Some(plain.clone()));
            assert_eq!(edit.applied(plain.clone(), None), None);
            // One from before there were ends is taken back as well.
            let mut endless = on;
            endless.remove("LABDECK_CHAOS_UNTIL_MODE");
            assert_eq!(edit.until_ms(&endless), None);
            assert_eq!(edit.applied(endless, None), Some(plain.clone()));
        }
    }
}
