//! Where a partition is to be read from.

use goldrecord_service::config::{OnOutOfRange, Start};

use super::offsets::Range;

/// What is known of a partition that is being opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its epoch and next offset in the table, if it was ever begun.
    pub stored: Option<(i32, i64)>,
    /// The first offset that Kafka still has.
    pub low: i64,
    /// The offset after the last one that Kafka has.
    pub end: i64,
}

/// The operator's choices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Where a partition never seen begins.
    pub start: Start,
    /// What to do about deleted records.
    pub on_out_of_range: OnOutOfRange,
}

/// What opening a partition takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Never seen: commit that it begins at `at`, then look again.
    Begin {
        /// The epoch to begin.
        epoch: i32,
        /// Its first offset.
        at: i64,
    },
    /// Read on.
    Resume {
        /// The epoch.
        epoch: i32,
        /// The table's next offset: the buffer's start.
        stored: i64,
        /// Offsets from there that are lost, to be written down as a gap. Empty mostly.
        lost: Range,
    },
    /// Kafka's log ends before the table's next offset: it is another log.
    LogShorter {
        /// The table's next offset.
        stored: i64,
    },
    /// Records were deleted, and the operator wants to hear of it.
    OutOfRange {
        /// The first one lost.
        from: i64,
    },
}

/// Decides where a partition is read from. The table alone says; Kafka's committed offsets never do.
pub fn open(found: Found, choice: Choice) -> Opening {
    let Some((epoch, stored)) = found.stored else {
        return Opening::Begin {
            epoch: 0,
            at: match choice.start {
                Start::Earliest => found.low,
                Start::Latest => found.end,
            },
        };
    };
    if found.end < stored {
        return Opening::LogShorter { stored };
    }
    if stored < found.low && choice.on_out_of_range == OnOutOfRange::Fail {
        return Opening::OutOfRange { from: stored };
    }
    Opening::Resume {
        epoch,
        stored,
        lost: Range {
            start: stored,
            end: stored.max(found.low),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHOICE: Choice = Choice {
        start: Start::Earliest,
        on_out_of_range: OnOutOfRange::RecordGap,
    };

    fn found(stored: Option<i64>, low: i64, end: i64) -> Found {
        Found {
            stored: stored.map(|next| (0, next)),
            low,
            end,
        }
    }

    #[test]
    fn a_partition_never_seen_begins_where_the_operator_says() {
        let latest = Choice {
            start: Start::Latest,
            ..CHOICE
        };
        assert_eq!(
            open(found(None, 5, 9), CHOICE),
            Opening::Begin { epoch: 0, at: 5 }
        );
        assert_eq!(
            open(found(None, 5, 9), latest),
            Opening::Begin { epoch: 0, at: 9 }
        );
    }

    #[test]
    fn a_partition_goes_on_from_the_table() {
        let lost = Range { start: 7, end: 7 };
        assert_eq!(
            open(found(Some(7), 5, 9), CHOICE),
            Opening::Resume {
                epoch: 0,
                stored: 7,
                lost
            }
        );
        let lost = Range { start: 9, end: 9 };
        assert_eq!(
            open(found(Some(9), 5, 9), CHOICE),
            Opening::Resume {
                epoch: 0,
                stored: 9,
                lost
            }
        );
    }

    #[test]
    fn a_log_that_ends_before_the_table_is_refused() {
        assert_eq!(
            open(found(Some(10), 0, 9), CHOICE),
            Opening::LogShorter { stored: 10 }
        );
    }

    #[test]
    fn deleted_records_are_a_gap_or_a_failure() {
        let lost = Range { start: 3, end: 5 };
        assert_eq!(
            open(found(Some(3), 5, 9), CHOICE),
            Opening::Resume {
                epoch: 0,
                stored: 3,
                lost
            }
        );
        let fail = Choice {
            on_out_of_range: OnOutOfRange::Fail,
            ..CHOICE
        };
        assert_eq!(
            open(found(Some(3), 5, 9), fail),
            Opening::OutOfRange { from: 3 }
        );
    }
}
