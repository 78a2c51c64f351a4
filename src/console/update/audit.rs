//! The audit's popup: opened, filled, filtered, one entry opened whole.

use crate::message::Effect;
use crate::state::State;
use crate::state::audit::{AuditList, whole};
use crate::state::popup::Popup;
use labdeck_aws::Failure;
use labdeck_ops::audit::Found;

/// Opens the list, and asks for what it lists.
pub fn open(state: &mut State) -> Vec<Effect> {
    state.popups.push(Popup::Audit(Box::default()));
    vec![Effect::ReadAudit]
}

/// The audit was read.
pub fn read(state: &mut State, result: Result<Found, Failure>) {
    let list = state.popups.iter_mut().find_map(|popup| match popup {
        Popup::Audit(list) => Some(list),
        _ => None,
    });
    if let Some(list) = list {
        list.read(result);
    }
}

/// Opens the selected entry over the list.
pub fn accept(state: &mut State, list: Box<AuditList>) {
    let whole = list.selected().map(|entry| (entry.operation.clone(), whole(entry)));
    state.popups.push(Popup::Audit(list));
    if let Some((title, text)) = whole {
        let title = crate::text::harmless(&title).into_owned();
        state.popups.push(Popup::Text { title, text, scroll: 0 });
    }
}
