//! Opening partitions: what is looked at, in which order, and what is committed before the first record.
//!
//! ```text
//!                ┌──────────────────────────────────────────────────┐
//!                ▼                                                  │
//!          ReadTable ──▶ ReadBounds ──▶ never seen: Begin commits ──┘ whatever comes of the commit,
//!                                  │                                  the table is looked at again
//!                                  ├──▶ Done: every partition is read on
//!                                  └──▶ LogShorter, OutOfRange: the operator is asked
//! ```
//!
//! `start = "latest"` leaves out what was there when the topic was first seen, and nothing that comes later. So the
//! first to open any of its partitions begins all of them, also those of others, at their ends; and a partition that
//! the table does not know beside some that it knows was added since, and begins at its first record.
//!
//! The table comes before Kafka: an owner that is still at work moves the table up to offsets which Kafka had
//! before. Asked the other way round, Kafka's log may seem to end before the table's offset.

use std::collections::BTreeMap;

use goldrecord_lake::{AddFile, Proposal, TxnStep};
use goldrecord_service::config::Start;

use super::offsets::{AppId, Range};
use super::open::{Choice, Found, Opening, open};

/// Where a partition is to be read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The partition.
    pub partition: i32,
    /// Its epoch.
    pub epoch: i32,
    /// The table's next offset.
    pub stored: i64,
    /// Offsets from there that Kafka deleted.
    pub lost: Range,
}

/// A partition's first commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// The table's name for it.
    pub app_id: AppId,
    /// Its first offset.
    pub at: i64,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// Read the table; then [`Opener::table`].
    Table,
    /// Ask Kafka for each partition's first and next offset; then [`Opener::bounds`].
    Bounds(Whose),
    /// Try to commit the [`Opener::beginning`]; then [`Opener::begun`], whatever came of it.
    Begin(Vec<Beginning>),
    /// All are open.
    Done(Vec<Opened>),
    /// Kafka's log ends before the table's next offset: it is another log.
    LogShorter {
        /// The partition.
        partition: i32,
        /// The table's next offset.
        stored: i64,
        /// The next offset that Kafka has.
        end: i64,
    },
    /// Records were deleted, and the operator wants to hear of it.
    OutOfRange {
        /// The partition.
        partition: i32,
        /// The first offset lost.
        from: i64,
        /// The first that Kafka has.
        low: i64,
    },
}

/// Which partitions Kafka is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Those that are being opened.
    Ours,
    /// Every one that the topic has.
    All,
}

#[derive(Clone, Debug)]
enum State {
    ReadTable,
    ReadBounds {
        /// What the table has of the topic's partitions, ours or not.
        stored: BTreeMap<i32, (i32, i64)>,
    },
    Told(Look),
}

/// Partitions of a topic that are being opened.
#[derive(Clone, Debug)]
pub struct Opener {
    cluster: String,
    topic: String,
    partitions: Vec<i32>,
    choice: Choice,
    state: State,
}

impl Opener {
    /// Opens these partitions.
    pub fn new(cluster: &str, topic: &str, partitions: &[i32], choice: Choice) -> Self {
        Self {
            cluster: cluster.to_owned(),
            topic: topic.to_owned(),
            partitions: partitions.to_vec(),
            choice,
            state: State::ReadTable,
        }
    }

    /// What to do next.
    pub fn next(&self) -> Look {
        match &self.state {
            State::ReadTable => Look::Table,
            State::ReadBounds { stored } if self.is_first(stored) => Look::Bounds(Whose::All),
            State::ReadBounds { .. } => Look::Bounds(Whose::Ours),
            State::Told(look) => look.clone(),
        }
    }

    /// The table's numbers as they are now.
    pub fn table(&mut self, txns: &BTreeMap<String, i64>) {
        assert!(
            matches!(self.state, State::ReadTable),
            "the table is read when it is asked for"
        );
        let stored = AppId::all_latest(txns, &self.cluster, &self.topic);
        self.state = State::ReadBounds { stored };
    }

    /// Whether what is there now is to be left out.
    fn is_first(&self, stored: &BTreeMap<i32, (i32, i64)>) -> bool {
        self.choice.start == Start::Latest && stored.is_empty()
    }

    /// The first and the next offset that Kafka has of each partition that was asked for.
    pub fn bounds(&mut self, bounds: &BTreeMap<i32, (i64, i64)>) {
        let State::ReadBounds { stored } = &self.state else {
            panic!("Kafka is asked after the table");
        };
        let first = self.is_first(stored);
        let choice = Choice {
            start: if first {
                Start::Latest
            } else {
                Start::Earliest
            },
            ..self.choice
        };
        let asked: Vec<i32> = if first {
            bounds.keys().copied().collect()
        } else {
            self.partitions.clone()
        };
        let (mut opened, mut begin) = (Vec::new(), Vec::new());
        for partition in &asked {
            let (low, end) = bounds[partition];
            let found = Found {
                stored: stored.get(partition).copied(),
                low,
                end,
            };
            match open(found, choice) {
                Opening::Begin { epoch, at } => begin.push(Beginning {
                    app_id: AppId {
                        cluster: self.cluster.clone(),
                        topic: self.topic.clone(),
                        partition: *partition,
                        epoch,
                    },
                    at,
                }),
                Opening::Resume {
                    epoch,
                    stored,
                    lost,
                } => opened.push(Opened {
                    partition: *partition,
                    epoch,
                    stored,
                    lost,
                }),
                Opening::LogShorter { stored } => {
                    self.state = State::Told(Look::LogShorter {
                        partition: *partition,
                        stored,
                        end,
                    });
                    return;
                }
                Opening::OutOfRange { from } => {
                    self.state = State::Told(Look::OutOfRange {
                        partition: *partition,
                        from,
                        low,
                    });
                    return;
                }
            }
        }
        self.state = State::Told(if begin.is_empty() {
            Look::Done(opened)
        } else {
            Look::Begin(begin)
        });
    }

    /// The commit that begins partitions, `adds` holding their `start` rows.
    pub fn beginning(beginnings: &[Beginning], adds: Vec<AddFile>) -> Proposal {
        Proposal {
            operation: "START".into(),
            adds,
            txns: beginnings
                .iter()
                .map(|beginning| TxnStep {
                    app_id: beginning.app_id.to_string(),
                    expect: None,
                    next: beginning.at,
                })
                .collect(),
            data_change: true,
            ..Proposal::default()
        }
    }

    /// The beginning was committed, refused, or nobody knows: the table tells.
    pub fn begun(&mut self) {
        assert!(
            matches!(self.state, State::Told(Look::Begin(_))),
            "only what is never seen begins"
        );
        self.state = State::ReadTable;
    }
}

#[cfg(test)]
mod tests {
    use goldrecord_service::config::{OnOutOfRange, Start};

    use super::*;

    #[test]
    fn partitions_never_seen_begin_and_then_all_are_open() {
        let choice = Choice {
            start: Start::Earliest,
            on_out_of_range: OnOutOfRange::Fail,
        };
        let bounds = [(0, (5, 9)), (1, (3, 8))].into();
        let mut opener = Opener::new("c", "t", &[0, 1], choice);
        assert_eq!(opener.next(), Look::Table);
        opener.table(&[("c/t/1/2".to_owned(), 4)].into());
        assert_eq!(opener.next(), Look::Bounds(Whose::Ours));
        opener.bounds(&bounds);
        let Look::Begin(beginnings) = opener.next() else {
            panic!("partition 0 was never seen");
        };
        let proposal = Opener::beginning(&beginnings, Vec::new());
        assert_eq!(proposal.txns.len(), 1);
        assert_eq!(proposal.txns[0].app_id, "c/t/0/0");
        assert_eq!((proposal.txns[0].expect, proposal.txns[0].next), (None, 5));
        opener.begun();
        // Another ingestor began it elsewhere.
        opener.table(&[("c/t/0/0".to_owned(), 7), ("c/t/1/2".to_owned(), 4)].into());
        opener.bounds(&bounds);
        let place = |partition, epoch, stored| Opened {
            partition,
            epoch,
            stored,
            lost: Range {
                start: stored,
                end: stored,
            },
        };
        assert_eq!(
            opener.next(),
            Look::Done(vec![place(0, 0, 7), place(1, 2, 4)])
        );
    }

    const LATEST: Choice = Choice {
        start: Start::Latest,
        on_out_of_range: OnOutOfRange::Fail,
    };

    fn begun_at(opener: &Opener) -> Vec<(i32, i64)> {
        let Look::Begin(beginnings) = opener.next() else {
            panic!("something was never seen");
        };
        let places = beginnings.iter();
        places.map(|own| (own.app_id.partition, own.at)).collect()
    }

    #[test]
    fn the_first_that_begins_at_the_end_begins_the_partitions_of_others_too() {
        let mut opener = Opener::new("c", "t", &[1], LATEST);
        opener.table(&[("c/other/1/0".to_owned(), 4)].into());
        assert_eq!(opener.next(), Look::Bounds(Whose::All));
        opener.bounds(&[(0, (5, 9)), (1, (3, 8)), (2, (0, 0))].into());
        assert_eq!(begun_at(&opener), [(0, 9), (1, 8), (2, 0)]);
    }

    #[test]
    fn a_partition_added_later_begins_at_its_first_record() {
        let mut opener = Opener::new("c", "t", &[1, 2], LATEST);
        opener.table(&[("c/t/0/0".to_owned(), 9), ("c/t/1/0".to_owned(), 8)].into());
        assert_eq!(opener.next(), Look::Bounds(Whose::Ours));
        opener.bounds(&[(1, (3, 8)), (2, (0, 7))].into());
        assert_eq!(begun_at(&opener), [(2, 0)]);
    }
}
