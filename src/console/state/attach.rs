//! The picker of what is attached: what the account has, filtered by what is typed, several marked.

use std::collections::BTreeSet;

use labdeck_aws::Failure;
use labdeck_ops::attach::{Offer, Offered, Selection, name_for};
use tui_input::Input;

use super::State;
use crate::action::Action;

/// What is being attached.
#[derive(Debug, Default)]
pub struct AttachPane {
    /// What was picked and has no name yet.
    pub picked: Selection,
    /// Whether what is attached was read.
    pub read: bool,
    /// Whether it is being read again, since the network was gone.
    pub again: bool,
    /// What is being attached or detached at this moment: `attaching shop`.
    pub busy: Option<String>,
}

/// How far the reading of the account is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// On its way.
    Begun,
    /// There; whether the tags of functions were left out.
    Done(bool),
    /// Not to be had.
    Failed(String),
}

/// Something that can be picked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Whether it is a REST API; otherwise it is a function.
    pub api: bool,
    /// What it is.
    pub offered: Offered,
    /// What the words that are typed are looked for in, in small letters.
    words: String,
}

/// The picker.
#[derive(Debug)]
pub struct Picker {
    /// What was typed: words that all must be in a choice.
    pub input: Input,
    /// The selected one of those shown.
    pub selected: usize,
    /// How far the reading is.
    pub reading: Reading,
    choices: Vec<Choice>,
    shown: Vec<usize>,
    marked: BTreeSet<usize>,
}

impl Default for Picker {
    fn default() -> Self {
        Self {
            input: Input::default(),
            selected: 0,
            reading: Reading::Begun,
            choices: Vec::new(),
            shown: Vec::new(),
            marked: BTreeSet::new(),
        }
    }
}

impl Picker {
    /// Takes in what the account has. What is attached already is left out.
    pub fn read(&mut self, result: Result<Offer, Failure>) {
        match result {
            Ok(offer) => {
                self.reading = Reading::Done(offer.untagged);
                let apis = offer.apis.into_iter().map(|one| choice(true, one));
                let functions = offer.functions.into_iter().map(|one| choice(false, one));
                let free = |one: &Choice| one.offered.attached.is_empty();
                self.choices = apis.chain(functions).filter(free).collect();
            }
            Err(failure) => self.reading = Reading::Failed(failure.to_string()),
        }
        self.filter();
    }

    /// Shows what matches the words that were typed.
    pub fn filter(&mut self) {
        let typed = self.input.value().to_lowercase();
        let wanted: Vec<&str> = typed.split_whitespace().collect();
        let matching = self.choices.iter().enumerate();
        self.shown = matching
            .filter(|(_, choice)| wanted.iter().all(|word| choice.words.contains(word)))
            .map(|(index, _)| index)
            .collect();
        self.selected = 0;
    }

    /// How many are shown.
    pub fn count(&self) -> usize {
        self.shown.len()
    }

    /// How many are marked.
    pub fn marked(&self) -> usize {
        self.marked.len()
    }

    /// Those that are shown from the one at `from` on, each with whether it is marked.
    pub fn rows(&self, from: usize) -> impl Iterator<Item = (&Choice, bool)> {
        self.shown.iter().skip(from).filter_map(|index| {
            self.choices.get(*index).map(|choice| (choice, self.marked.contains(index)))
        })
    }

    /// Marks the selected one, or takes its mark away, and goes to the next.
    pub fn mark(&mut self) {
        let Some(index) = self.shown.get(self.selected).copied() else { return };
        if !self.marked.remove(&index) {
            self.marked.insert(index);
        }
        self.selected = (self.selected + 1).min(self.shown.len().saturating_sub(1));
    }

    /// What is marked, else the selected one; with a name that it could have. `None` where there is
    /// nothing.
    pub fn picked(&self) -> Option<(Selection, String)> {
        let selected = self.shown.get(self.selected).copied();
        let indices: Vec<usize> = if self.marked.is_empty() {
            selected.into_iter().collect()
        } else {
            self.marked.iter().copied().collect()
        };
        let choices: Vec<&Choice> = indices.iter().filter_map(|at| self.choices.get(*at)).collect();
        let name = name_for(&choices.first()?.offered.name);
        let mut selection = Selection::default();
        for choice in choices {
            if choice.api {
                selection.apis.push(choice.offered.id.clone());
            } else {
                selection.functions.push(choice.offered.name.clone());
            }
        }
        Some((selection, name))
    }
}

fn choice(api: bool, offered: Offered) -> Choice {
    let tags = offered.tags.iter().map(|(key, value)| format!("{key}={value}"));
    let tags: Vec<String> = tags.collect();
    let kind = if api { "api" } else { "function" };
    let words = format!("{kind} {} {} {}", offered.name, offered.id, tags.join(" "));
    Choice { api, words: words.to_lowercase(), offered }
}

/// Whether an action is for what labdeck deployed alone.
pub fn is_off(state: &State, action: Action) -> bool {
    let own = matches!(
        action,
        Action::Deploy
            | Action::Plan
            | Action::Destroy
            | Action::Variant
            | Action::KeepDrift
            | Action::RunStep
            | Action::Check
            | Action::Prune
            | Action::Chaos
            | Action::EndChaos
    );
    own && state.current_lab().is_some_and(|lab| lab.attached)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;

    fn offered(name: &str, id: &str, team: &str) -> Offered {
        Offered {
            name: name.into(),
            id: id.into(),
            tags: BTreeMap::from([("team".to_owned(), team.to_owned())]),
            ..Offered::default()
        }
    }

    #[test]
    fn what_is_typed_filters_and_several_are_marked() {
        let taken = Offered { attached: vec!["x".into()], ..offered("taken", "t1", "a") };
        let offer = Offer {
            apis: vec![offered("orders", "a1", "shop"), taken],
            functions: vec![offered("orders-get", "", "shop"), offered("mailer", "", "mail")],
            untagged: false,
        };
        let mut picker = Picker::default();
        picker.read(Ok(offer));
        assert_eq!(picker.count(), 3);
        let (one, name) = picker.picked().unwrap();
        assert_eq!((one.apis, one.functions, name), (vec!["a1".into()], vec![], "orders".into()));
        picker.input = "TEAM=shop".into();
        picker.filter();
        assert_eq!(picker.count(), 2);
        picker.mark();
        picker.mark();
        picker.input = "mailer".into();
        picker.filter();
        let (both, _) = picker.picked().unwrap();
        assert_eq!((both.apis, both.functions), (vec!["a1".into()], vec!["orders-get".to_owned()]));
        picker.input = "nothing of that".into();
        picker.filter();
        assert_eq!((picker.count(), picker.marked()), (0, 2));
    }
}
