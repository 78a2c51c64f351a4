//! From data points to a state: pure.
//!
//! Source: "Alarm evaluation" and "Configuring how `CloudWatch` alarms treat missing data" of the
//! user guide; the tests below are the tables of that chapter.

use super::model::{Missing, State};

/// Periods that are looked at beside the evaluation periods: with 3 of them the range is 5, as in
/// the tables.
pub(super) const MORE: i64 = 2;

/// What an evaluation says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The new state; `None` keeps the one there is.
    pub state: Option<State>,
    /// Which points count, as places in the range, newest first.
    pub used: Vec<usize>,
    /// How many missing ones were filled in.
    pub filled: usize,
}

/// Evaluates `range`, oldest first: whether each period breaches, `None` where it has no data. Of
/// `periods` points `needed` have to breach.
pub(super) fn evaluate(
    range: &[Option<bool>],
    periods: usize,
    needed: usize,
    missing: Missing,
) -> Verdict {
    let real: Vec<usize> = (0..range.len()).rev().filter(|i| range[*i].is_some()).collect();
    let breaching = |places: &[usize]| places.iter().filter(|i| range[**i] == Some(true)).count();
    let decide = |count: usize| if count >= needed { State::Alarm } else { State::Ok };
    if real.len() >= periods {
        let used = real[..periods].to_vec();
        let state = Some(decide(breaching(&used)));
        return Verdict { state, used, filled: 0 };
    }
    let filled = periods - real.len();
    let count = breaching(&real);
    let state = match missing {
        Missing::Breaching => Some(decide(count + filled)),
        Missing::NotBreaching => Some(decide(count)),
        Missing::Missing | Missing::Ignore if count >= needed => Some(State::Alarm),
        // Something is known, and it is fine.
        Missing::Missing | Missing::Ignore if count < real.len() => Some(State::Ok),
        Missing::Ignore => None,
        Missing::Missing => match real.last() {
            None => Some(State::InsufficientData),
            // Whatever comes later, the oldest breaching point is as old as it takes.
            Some(oldest) if range.len() - oldest >= needed => Some(State::Alarm),
            Some(_) => None,
        },
    };
    Verdict { state, used: real, filled }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The states for missing, ignore, breaching and not breaching; `R` retains.
    fn states(range: &str, needed: usize) -> String {
        let range: Vec<Option<bool>> =
            range.split(' ').map(|c| (c != "-").then_some(c == "X")).collect();
        [Missing::Missing, Missing::Ignore, Missing::Breaching, Missing::NotBreaching]
            .map(|missing| match evaluate(&range, 3, needed, missing).state {
                Some(State::Ok) => 'O',
                Some(State::Alarm) => 'A',
                Some(State::InsufficientData) => 'I',
                None => 'R',
            })
            .iter()
            .collect()
    }

    #[test]
    fn three_of_three_as_the_guide_has_it() {
        assert_eq!(states("0 - X - X", 3), "OOOO");
        assert_eq!(states("- - - - 0", 3), "OOOO");
        assert_eq!(states("- - - - -", 3), "IRAO");
        assert_eq!(states("0 X X - X", 3), "AAAA");
        assert_eq!(states("- - X - -", 3), "ARAO");
        // Not before the others are missing for long enough.
        assert_eq!(states("- - - - X", 3), "RRAO");
        assert_eq!(states("- - - X -", 3), "RRAO");
    }

    #[test]
    fn two_of_three_as_the_guide_has_it() {
        assert_eq!(states("0 - X - X", 2), "AAAA");
        assert_eq!(states("0 0 X 0 X", 2), "AAAA");
        assert_eq!(states("0 - X - -", 2), "OOAO");
        assert_eq!(states("- - - - 0", 2), "OOAO");
        assert_eq!(states("- - - X -", 2), "ARAO");
    }
}
