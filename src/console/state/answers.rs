//! What was sent before: the list, one marked to be compared with another, a comparison.

use labdeck_ops::request::diff::{AnswerDiff, diff};
use labdeck_ops::request::history::Past;

/// The history, open over the screen.
#[derive(Debug, Default)]
pub struct AnswerList {
    /// What was sent before, the newest first.
    pub past: Vec<Past>,
    /// The selected one.
    pub selected: usize,
    /// The one that is marked, by its number.
    pub marked: Option<u64>,
}

impl AnswerList {
    /// Marks the selected one, or takes the mark away.
    pub fn mark(&mut self) {
        let id = self.past.get(self.selected).map(|past| past.id);
        self.marked = if self.marked == id { None } else { id };
    }

    /// The two that are compared, the older first: the marked one and the selected one; without a mark
    /// the selected one and the one before it of the same request.
    pub fn pair(&self) -> Option<(&Past, &Past)> {
        let selected = self.past.get(self.selected)?;
        let marked = self.marked.filter(|id| *id != selected.id);
        let other = match marked {
            Some(id) => self.past.iter().find(|past| past.id == id)?,
            None => {
                self.past[self.selected + 1..].iter().find(|past| past.name == selected.name)?
            }
        };
        Some(if other.id < selected.id { (other, selected) } else { (selected, other) })
    }

    /// Their comparison.
    pub fn compared(&self) -> Option<Compared> {
        let (before, after) = self.pair()?;
        let title = |past: &Past| format!("{} {} {}", past.name, past.to, past.status);
        Some(Compared {
            before: title(before),
            after: title(after),
            diff: diff(&before.exchange, &after.exchange),
        })
    }
}

/// Two answers, compared.
#[derive(Debug)]
pub struct Compared {
    /// What the older one is.
    pub before: String,
    /// What the newer one is.
    pub after: String,
    /// What differs.
    pub diff: AnswerDiff,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use labdeck_ops::request::exchange::Exchange;

    use super::*;

    fn past(id: u64, name: &str) -> Past {
        Past {
            id,
            at_ms: 0,
            name: name.to_owned(),
            to: "dev".to_owned(),
            method: "GET".to_owned(),
            url: String::new(),
            status: 200,
            ms: 1.0,
            exchange: Exchange { body: id.to_string(), ..Exchange::default() },
        }
    }

    #[test]
    fn what_is_compared_is_marked_or_the_one_before() {
        let past = vec![past(4, "a"), past(3, "b"), past(2, "a"), past(1, "b")];
        let mut list = AnswerList { past, ..AnswerList::default() };
        let ids = |list: &AnswerList| list.pair().map(|(before, after)| (before.id, after.id));
        assert_eq!(ids(&list), Some((2, 4)));
        list.selected = 3;
        assert_eq!(ids(&list), None, "nothing was sent before it");
        list.mark();
        list.selected = 0;
        assert_eq!(ids(&list), Some((1, 4)));
        list.selected = 3;
        list.mark();
        assert_eq!(list.marked, None);
    }
}
