//! What becomes of a batch of stream records that a function failed with: pure arithmetic.
//!
//! Source: Lambda Developer Guide, "Retain discarded records for a DynamoDB event source" and
//! "Configuring partial batch response with DynamoDB and Lambda".

/// A run of records of a batch that is to be tried: `from..to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Its first record.
    pub from: usize,
    /// Behind its last record.
    pub to: usize,
    /// How often the function failed with it, splits not counted.
    pub failures: u32,
    /// How often the function ran with it, as a whole or as part of a larger batch.
    pub invocations: u32,
}

/// What to do after a failure.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Try these, in order, the first one first.
    Split(Vec<Piece>),
    /// Try it again after a pause.
    Again(Piece),
    /// Give its records up.
    GiveUp(Piece),
}

/// How a mapping deals with failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Whether a batch is tried again in halves.
    pub bisect: bool,
    /// How often it is tried again; none for without end.
    pub retries: Option<u32>,
}

impl Piece {
    /// A batch of so many records that was not tried yet.
    pub fn whole(records: usize) -> Self {
        Self { from: 0, to: records, failures: 0, invocations: 0 }
    }

    /// How many records it has.
    pub fn len(&self) -> usize {
        self.to - self.from
    }

    /// What to do after the function failed with it. Where the function said so, the records
    /// before `first_failed` are done with.
    pub fn after_failure(mut self, first_failed: Option<usize>, rules: Rules) -> Next {
        self.invocations += 1;
        let progress = first_failed.filter(|first| *first > self.from && *first < self.to);
        if let Some(first) = progress {
            self.from = first;
        }
        if rules.bisect {
            // Splitting does not use up tries.
            if progress.is_some() {
                return Next::Split(vec![self]);
            }
            if self.len() > 1 {
                let middle = self.from + self.len() / 2;
                return Next::Split(vec![
                    Self { to: middle, ..self },
                    Self { from: middle, ..self },
                ]);
            }
        }
        self.failures += 1;
        match rules.retries {
            Some(retries) if self.failures > retries => Next::GiveUp(self),
            _ => Next::Again(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a batch of `records` against a function that always fails with the record `poison`;
    /// gives the invocations as ranges, and what was given up.
    fn run(
        records: usize,
        poison: usize,
        reports: bool,
        rules: Rules,
    ) -> (Vec<String>, Vec<String>) {
        let (mut tried, mut given_up) = (Vec::new(), Vec::new());
        let mut stack = vec![Piece::whole(records)];
        while let Some(piece) = stack.pop() {
            tried.push(format!("{}..{}", piece.from, piece.to));
            if !(piece.from..piece.to).contains(&poison) {
                continue;
            }
            match piece.after_failure(reports.then_some(poison), rules) {
                Next::Split(pieces) => stack.extend(pieces.into_iter().rev()),
                Next::Again(piece) => stack.push(piece),
                Next::GiveUp(piece) => {
                    given_up.push(format!("{}..{} {}", piece.from, piece.to, piece.invocations));
                }
            }
        }
        (tried, given_up)
    }

    #[test]
    fn halves_find_the_record_that_fails() {
        let rules = Rules { bisect: true, retries: Some(1) };
        let (tried, given_up) = run(4, 2, false, rules);
        assert_eq!(tried, ["0..4", "0..2", "2..4", "2..3", "2..3", "3..4"]);
        assert_eq!(given_up, ["2..3 4"]);
    }

    #[test]
    fn without_halves_the_whole_batch_is_tried_again_and_given_up() {
        let rules = Rules { bisect: false, retries: Some(2) };
        let (tried, given_up) = run(4, 2, false, rules);
        assert_eq!(tried, ["0..4", "0..4", "0..4"]);
        assert_eq!(given_up, ["0..4 3"]);
    }

    #[test]
    fn what_the_function_did_before_the_failure_is_not_done_again() {
        let rules = Rules { bisect: false, retries: Some(1) };
        let (tried, given_up) = run(4, 2, true, rules);
        assert_eq!((tried, given_up), (vec!["0..4".into(), "2..4".into()], vec!["2..4 2".into()]));
        let rules = Rules { bisect: true, retries: Some(0) };
        let (tried, given_up) = run(4, 2, true, rules);
        assert_eq!(tried, ["0..4", "2..4", "2..3", "3..4"]);
        assert_eq!(given_up, ["2..3 3"]);
    }
}
