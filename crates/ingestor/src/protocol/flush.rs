//! One flush's way into the table.
//!
//! ```text
//!                        lost: a write failed
//!   Closing ─────────────────────────────────────────────────────┐
//!      │ closed: every file is whole                              │
//!      ▼                in the log                                ▼
//!   Committing ───────────────────────▶ Committed              Leaving ──▶ Abandoned, with where
//!    │    ▲  │                           ▲    ▲                 ▲   ▲      the table is now
//!    │    │  │ refused: a number is elsewhere │                 │   │
//!    │    │  ├─ an earlier try was unclear ───┤ all at ends     │   │
//!    │    │  ├─ an earlier try was unclear ───┼─────────────────┘   │ not so
//!    │    │  └─ none was ──▶ Discarding ──────┼─────────────────────┘
//!    │    │                 deletes the files │
//!    │    │ all numbers at their starts       │
//!    │    └────────── Asking ─────────────────┘ all at their ends
//!    └─ unclear ────▶ reads the table ────────▶ Abandoned, where neither is so
//! ```
//!
//! A commit whose outcome is unclear may be in the table, may come into it later, or never. The numbers tell: a
//! try that comes late finds them moved and is refused, whoever moved them. So it is safe to try again while they
//! stand at their starts, and the files of such a flush are never deleted by us.
//!
//! A column that somebody else added ("schema moved") does not concern the files: the commit is tried again on
//! top of it.

use std::collections::BTreeMap;

use goldrecord_lake::{AddFile, Proposal, Refusal, TxnStep};

use super::offsets::AppId;
use super::topic::Step;

/// What a table's numbers say about a commit whose outcome was not learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is in the table: ours, or another owner's of the very same records.
    Applied,
    /// It is not there yet; it may be tried again.
    Pending,
    /// Somebody else has moved a partition: it must be abandoned.
    Lost,
}

/// Compares a flush with a table's numbers.
pub fn settle(steps: &[Step], txns: &BTreeMap<String, i64>) -> Settled {
    let all = |wanted: fn(&Step) -> i64| {
        steps
            .iter()
            .all(|step| txns.get(&step.app_id.to_string()) == Some(&wanted(step)))
    };
    let ended = |step: &Step| txns.contains_key(&step.app_id.next_epoch().to_string());
    if all(|step| step.range.end) {
        Settled::Applied
    } else if all(|step| step.range.start) && !steps.iter().any(ended) {
        Settled::Pending
    } else {
        Settled::Lost
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Finish the files; then [`Flush::closed`] or [`Flush::lost`].
    Close,
    /// Commit the [`Flush::proposal`]; then [`Flush::committed`], [`Flush::refused`] or [`Flush::unclear`].
    Commit,
    /// Delete the files; then [`Flush::discarded`].
    Discard,
    /// Read the table; then [`Flush::refreshed`].
    Refresh,
    /// Nothing: it is over.
    Done(Ending),
}

/// What became of a flush.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The table holds its rows.
    Committed,
    /// It is given up, and with it everything read after it.
    Abandoned {
        /// Where the table is now, by partition: epoch and next offset.
        stored: BTreeMap<i32, (i32, i64)>,
    },
}

#[derive(Clone, Debug)]
enum State {
    Closing,
    Committing,
    Discarding,
    Asking,
    Leaving,
    Done(Ending),
}

/// A flush on its way into the table.
#[derive(Clone, Debug)]
pub struct Flush {
    steps: Vec<Step>,
    rows: u64,
    /// Whether a commit was sent whose outcome was not learnt: then its files may be in the table.
    unclear: bool,
    state: State,
}

impl Flush {
    /// A flush of these steps, for which `rows` rows were sent.
    pub fn new(steps: Vec<Step>, rows: u64) -> Self {
        assert!(!steps.is_empty(), "a flush moves a partition");
        Self {
            steps,
            rows,
            unclear: false,
            state: State::Closing,
        }
    }

    /// What to do next.
    pub fn next(&self) -> Next {
        match &self.state {
            State::Closing => Next::Close,
            State::Committing => Next::Commit,
            State::Discarding => Next::Discard,
            State::Asking | State::Leaving => Next::Refresh,
            State::Done(ending) => Next::Done(ending.clone()),
        }
    }

    /// The commit: the files, and each partition's number from the start of its range to the end.
    pub fn proposal(&self, adds: Vec<AddFile>) -> Proposal {
        Proposal {
            operation: "WRITE".into(),
            adds,
            txns: self
                .steps
                .iter()
                .map(|step| TxnStep {
                    app_id: step.app_id.to_string(),
                    expect: Some(step.range.start),
                    next: step.range.end,
                })
                .collect(),
            // Once a topic made anew is accepted, nothing is added to its former life.
            unset: self
                .steps
                .iter()
                .map(|step| step.app_id.next_epoch().to_string())
                .collect(),
            data_change: true,
            ..Proposal::default()
        }
    }

    /// Every file is whole. Together they hold `rows` rows.
    pub fn closed(&mut self, rows: u64) {
        self.expect("closed", |state| matches!(state, State::Closing));
        assert_eq!(
            rows, self.rows,
            "the files of a flush hold the rows that were read for it"
        );
        self.state = State::Committing;
    }

    /// A file could not be written: what it held must be read again.
    pub fn lost(&mut self) {
        self.expect("lost", |state| matches!(state, State::Closing));
        self.state = State::Leaving;
    }

    /// The commit is in the log.
    pub fn committed(&mut self) {
        self.expect("committed", |state| matches!(state, State::Committing));
        self.state = State::Done(Ending::Committed);
    }

    /// The commit was refused by a table with these numbers. The refusal comes back where no other ingestor
    /// explains it.
    pub fn refused<'r>(
        &mut self,
        refusal: &'r Refusal,
        txns: &BTreeMap<String, i64>,
    ) -> Result<(), &'r Refusal> {
        self.expect("refused", |state| matches!(state, State::Committing));
        match refusal {
            Refusal::Txn { .. } if !self.unclear => self.state = State::Discarding,
            Refusal::Txn { .. } if settle(&self.steps, txns) == Settled::Applied => {
                self.state = State::Done(Ending::Committed);
            }
            Refusal::Txn { .. } => self.state = State::Leaving,
            Refusal::SchemaMoved => {}
            Refusal::FileGone { .. } | Refusal::FileLive { .. } | Refusal::Fenced { .. } => {
                return Err(refusal);
            }
        }
        Ok(())
    }

    /// What became of the commit was not learnt.
    pub fn unclear(&mut self) {
        self.expect("unclear", |state| matches!(state, State::Committing));
        self.unclear = true;
        self.state = State::Asking;
    }

    /// The files are deleted, or may stay behind.
    pub fn discarded(&mut self) {
        self.expect("discarded", |state| matches!(state, State::Discarding));
        self.state = State::Leaving;
    }

    /// The table's numbers as they are now.
    pub fn refreshed(&mut self, txns: &BTreeMap<String, i64>) {
        let asking = matches!(self.state, State::Asking);
        self.expect("refreshed", |state| {
            matches!(state, State::Asking | State::Leaving)
        });
        self.state = match settle(&self.steps, txns) {
            Settled::Applied if asking => State::Done(Ending::Committed),
            Settled::Pending if asking => State::Committing,
            _ => State::Done(Ending::Abandoned {
                stored: AppId::all_latest(
                    txns,
                    &self.steps[0].app_id.cluster,
                    &self.steps[0].app_id.topic,
                ),
            }),
        };
    }

    fn expect(&self, event: &str, is_expected: fn(&State) -> bool) {
        assert!(
            is_expected(&self.state),
            "a flush cannot be {event} while it is {:?}",
            self.state
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::offsets::Range;
    use super::super::partition::Tally;
    use super::*;

    fn step(partition: i32, start: i64, end: i64) -> Step {
        Step {
            app_id: AppId {
                cluster: "c".into(),
                topic: "t".into(),
                partition,
                epoch: 0,
            },
            range: Range { start, end },
            tally: Tally::default(),
        }
    }

    fn numbers(numbers: &[(&str, i64)]) -> BTreeMap<String, i64> {
        numbers
            .iter()
            .map(|(id, next)| ((*id).to_owned(), *next))
            .collect()
    }

    fn moved() -> Refusal {
        Refusal::Txn {
            app_id: "c/t/0/0".into(),
            expected: Some(5),
            found: Some(9),
        }
    }

    fn committing() -> Flush {
        let mut flush = Flush::new(vec![step(0, 5, 9), step(1, 2, 3)], 5);
        assert_eq!(flush.next(), Next::Close);
        flush.closed(5);
        assert_eq!(flush.next(), Next::Commit);
        flush
    }

    #[test]
    fn the_numbers_tell_what_became_of_a_commit() {
        let steps = [step(0, 5, 9), step(1, 2, 3)];
        let settled = |numbers_now: &[(&str, i64)]| settle(&steps, &numbers(numbers_now));
        assert_eq!(settled(&[("c/t/0/0", 9), ("c/t/1/0", 3)]), Settled::Applied);
        assert_eq!(settled(&[("c/t/0/0", 5), ("c/t/1/0", 2)]), Settled::Pending);
        for elsewhere in [
            &[("c/t/0/0", 9), ("c/t/1/0", 2)][..],
            &[("c/t/0/0", 9), ("c/t/1/0", 4)],
            &[("c/t/0/0", 5)],
            &[("c/t/0/0", 5), ("c/t/1/0", 2), ("c/t/1/1", 0)],
        ] {
            assert_eq!(settled(elsewhere), Settled::Lost, "{elsewhere:?}");
        }
    }

    #[test]
    fn a_refused_flush_is_deleted_and_given_up() {
        let mut flush = committing();
        let now = numbers(&[
            ("c/t/0/0", 9),
            ("c/t/1/0", 3),
            ("c/t/2/1", 7),
            ("c/u/0/0", 1),
        ]);
        assert_eq!(flush.refused(&moved(), &now), Ok(()));
        assert_eq!(flush.next(), Next::Discard);
        flush.discarded();
        assert_eq!(flush.next(), Next::Refresh);
        flush.refreshed(&now);
        let stored = [(0, (0, 9)), (1, (0, 3)), (2, (1, 7))].into();
        assert_eq!(flush.next(), Next::Done(Ending::Abandoned { stored }));
    }

    #[test]
    fn a_flush_that_may_be_in_the_table_keeps_its_files() {
        let mut flush = committing();
        flush.unclear();
        flush.refreshed(&numbers(&[("c/t/0/0", 5), ("c/t/1/0", 2)]));
        assert_eq!(flush.next(), Next::Commit, "it is not there yet");
        let mut late = flush.clone();
        let there = numbers(&[("c/t/0/0", 9), ("c/t/1/0", 3)]);
        assert_eq!(late.refused(&moved(), &there), Ok(()));
        assert_eq!(late.next(), Next::Done(Ending::Committed), "it came late");
        let other = numbers(&[("c/t/0/0", 7), ("c/t/1/0", 2)]);
        assert_eq!(flush.refused(&moved(), &other), Ok(()));
        assert_eq!(flush.next(), Next::Refresh, "given up, and nothing deleted");
    }

    #[test]
    fn new_columns_do_not_stop_a_flush_and_what_nobody_explains_does() {
        let mut flush = committing();
        assert_eq!(
            flush.refused(&Refusal::SchemaMoved, &BTreeMap::new()),
            Ok(())
        );
        assert_eq!(flush.next(), Next::Commit);
        let gone = Refusal::FileLive { path: "f".into() };
        assert_eq!(flush.refused(&gone, &BTreeMap::new()), Err(&gone));
    }

    #[test]
    #[should_panic(expected = "hold the rows that were read for it")]
    fn a_row_too_few_is_not_committed() {
        Flush::new(vec![step(0, 5, 9)], 4).closed(3);
    }
}
