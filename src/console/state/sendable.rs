//! What can be sent, and where to.

use labdeck_lab::blueprint::{SavedEvent, SavedRequest};
use labdeck_ops::request::destination::{Destination, Sent, event_label};

use super::State;

/// One line of the list of the requests screen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Item<'a> {
    /// A request of the lab.
    Request(&'a SavedRequest),
    /// An event of the lab.
    Event(&'a SavedEvent),
}

impl<'a> Item<'a> {
    /// What tells it from every other, as [`Sent::label`] does.
    pub fn label(self) -> String {
        match self {
            Self::Request(request) => request.name.clone(),
            Self::Event(event) => event_label(event),
        }
    }

    /// Its name.
    pub fn name(self) -> &'a str {
        match self {
            Self::Request(request) => &request.name,
            Self::Event(event) => &event.name,
        }
    }
}

impl State {
    /// What can be sent: the requests of the lab, then its events.
    pub fn items(&self) -> impl Iterator<Item = Item<'_>> {
        let blueprint = self.blueprint();
        let requests = blueprint.into_iter().flat_map(|lab| &lab.requests).map(Item::Request);
        requests.chain(blueprint.into_iter().flat_map(|lab| &lab.events).map(Item::Event))
    }

    /// What is selected.
    pub fn item(&self) -> Option<Item<'_>> {
        self.items().nth(self.requests.selected.min(self.items().count().checked_sub(1)?))
    }

    /// The selected request, where it is one.
    pub fn saved_request(&self) -> Option<&SavedRequest> {
        match self.item()? {
            Item::Request(saved) => Some(saved),
            Item::Event(_) => None,
        }
    }

    /// What is selected, as it will be sent.
    pub fn sent(&self) -> Option<Sent> {
        Some(match self.item()? {
            Item::Request(saved) => Sent::Request(Box::new(self.requests.current(saved).clone())),
            Item::Event(event) => Sent::Event(event.clone()),
        })
    }

    /// The stage that requests go to.
    pub fn stage(&self) -> Option<&str> {
        let stages = &self.blueprint()?.stages;
        let chosen = stages.iter().find(|stage| Some(&stage.name) == self.requests.stage.as_ref());
        chosen.or(stages.first()).map(|stage| stage.name.as_str())
    }

    /// Where what is selected is sent.
    pub fn destination(&self) -> Option<Destination> {
        let chosen = self.requests.to.clone();
        match self.item()? {
            Item::Request(_) => {
                let stages = &self.blueprint()?.stages;
                let there = |name: &str| stages.iter().any(|stage| stage.name == name);
                let chosen = chosen.filter(|to| match to {
                    Destination::Stage(stage) | Destination::MethodTest(stage) => there(stage),
                    Destination::Function(_) | Destination::Url(_) => true,
                });
                chosen.or_else(|| Some(Destination::Stage(self.stage()?.to_owned())))
            }
            Item::Event(_) => {
                let chosen = chosen.filter(|to| matches!(to, Destination::Function(_)));
                Some(chosen.unwrap_or_else(|| Destination::Function("$LATEST".to_owned())))
            }
        }
    }

    /// Where what is selected can be sent: stages, their method tests, and the aliases and versions that
    /// there are of the functions behind it.
    pub fn destinations(&self) -> Vec<Destination> {
        let Some(blueprint) = self.blueprint() else { return Vec::new() };
        let stages = || blueprint.stages.iter().map(|stage| stage.name.clone());
        let mut all = Vec::new();
        let functions: Vec<&str> = match self.item() {
            None => return all,
            Some(Item::Event(event)) => vec![&event.function],
            Some(Item::Request(saved)) => {
                all.extend(stages().map(Destination::Stage));
                all.extend(stages().map(Destination::MethodTest));
                let api = blueprint.apis.iter().find(|api| api.name == saved.api);
                api.into_iter().flat_map(|api| &api.functions).map(String::as_str).collect()
            }
        };
        let live = self.status().into_iter().flat_map(|status| &status.functions);
        let live: Vec<_> = live.filter(|one| functions.contains(&one.name.as_str())).collect();
        if live.iter().any(|function| function.exists) {
            all.push(Destination::Function("$LATEST".to_owned()));
        }
        let aliases = live.iter().flat_map(|function| &function.aliases).map(|alias| &alias.name);
        let versions = live.iter().flat_map(|function| function.versions.iter().rev());
        for qualifier in aliases.chain(versions.map(|version| &version.version)) {
            let to = Destination::Function(qualifier.clone());
            if !all.contains(&to) {
                all.push(to);
            }
        }
        all
    }
}
