//! Thousands of histories: polls, flushes, refusals, ambiguous commits, rebalances, zombies and crashes.

use std::collections::{BTreeMap, BTreeSet};

use goldrecord_service::config::{OnOutOfRange, Start};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use super::*;
use crate::protocol::{Choice, Found, Offered, Opening, open};

const PARTITIONS: i32 = 3;
const CHOICE: Choice = Choice {
    start: Start::Earliest,
    on_out_of_range: OnOutOfRange::RecordGap,
};

/// What an implementation could leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    Nothing,
    /// Rows are committed whatever the table's number is.
    CompareAndSet,
    /// Records of an earlier positioning are taken.
    Lease,
}

/// The table: its numbers, and the rows of every partition.
#[derive(Default)]
struct Table {
    txns: BTreeMap<String, i64>,
    records: BTreeMap<(i32, i64), u32>,
    gaps: BTreeMap<i32, u64>,
    starts: BTreeMap<i32, i64>,
}

/// Rows on their way.
#[derive(Clone, Default)]
struct Rows {
    records: Vec<(i32, i64)>,
    gaps: Vec<(i32, u64)>,
}

impl Table {
    fn commit(&mut self, steps: &[Step], rows: &Rows, broken: Broken) -> bool {
        let fits = settle(steps, &self.txns) == Settled::Pending;
        if !fits && broken != Broken::CompareAndSet {
            return false;
        }
        for step in steps {
            self.txns.insert(step.app_id.to_string(), step.range.end);
        }
        for record in &rows.records {
            *self.records.entry(*record).or_default() += 1;
        }
        for (partition, length) in &rows.gaps {
            *self.gaps.entry(*partition).or_default() += length;
        }
        true
    }

    fn stored(&self, partition: i32) -> Option<(i32, i64)> {
        AppId::latest(&self.txns, "c", "t", partition)
    }
}

/// One ingestor: the protocol, the consumer's positions, the rows of its two buffers.
struct Ingestor {
    topic: Topic,
    /// Where the consumer reads and under which lease; what it fetched before a seek is still coming.
    reading: BTreeMap<i32, (i64, Lease)>,
    filling: Rows,
    flying: Option<(Vec<Step>, Rows)>,
}

impl Ingestor {
    fn new() -> Self {
        Self {
            topic: Topic::new("c", "t"),
            reading: BTreeMap::new(),
            filling: Rows::default(),
            flying: None,
        }
    }

    fn assign(&mut self, partition: i32, table: &mut Table, log: &[BTreeSet<i64>], end: i64) {
        self.topic.assign(partition);
        self.reading.remove(&partition);
        let low = log[partition as usize]
            .first()
            .copied()
            .unwrap_or(0)
            .min(end);
        loop {
            match open(
                Found {
                    stored: table.stored(partition),
                    low,
                    end,
                },
                CHOICE,
            ) {
                Opening::Begin { epoch, at } => {
                    let app_id = AppId {
                        cluster: "c".into(),
                        topic: "t".into(),
                        partition,
                        epoch,
                    };
                    table.txns.insert(app_id.to_string(), at);
                    table.starts.insert(partition, at);
                }
                Opening::Resume {
                    epoch,
                    stored,
                    lost,
                } => {
                    if !lost.is_empty() {
                        self.filling.gaps.push((partition, lost.len()));
                    }
                    let position = self
                        .topic
                        .resume(partition, epoch, stored, lost)
                        .expect("just assigned");
                    self.seek(position);
                    return;
                }
                refused => panic!("{refused:?}"),
            }
        }
    }

    fn seek(&mut self, position: Position) {
        self.reading
            .insert(position.partition, (position.at, position.lease));
        self.topic.positioned(position.partition, position.lease);
    }

    /// Takes up to `count` records of a partition. `stale`: they were fetched before the last seek.
    fn poll(
        &mut self,
        partition: i32,
        count: usize,
        log: &[BTreeSet<i64>],
        stale: Option<i64>,
        broken: Broken,
    ) {
        let Some((at, lease)) = self.reading.get_mut(&partition) else {
            return;
        };
        let from = stale.unwrap_or(*at);
        let Some(owned) = self.topic.partitions.get_mut(&partition) else {
            return;
        };
        for offset in log[partition as usize].range(from..).take(count) {
            if stale.is_some() && broken != Broken::Lease {
                // The consumer's thread names the lease under which it fetched; an old one never counts.
                assert!(*lease >= owned.lease());
                continue;
            }
            if let Offered::Next { gap } = owned.offer(*offset) {
                owned.count(offset % 7 != 0);
                self.filling.records.push((partition, *offset));
                if !gap.is_empty() {
                    self.filling.gaps.push((partition, gap.len()));
                }
                *at = offset + 1;
            }
        }
    }

    fn flush(&mut self) {
        if !self.topic.is_flying() {
            let steps = self.topic.take();
            if !steps.is_empty() {
                self.flying = Some((steps, std::mem::take(&mut self.filling)));
            }
        }
    }

    /// The commit of what flies lands. `silent`: the answer is lost on the way.
    fn land(&mut self, table: &mut Table, silent: bool, broken: Broken) {
        let Some((steps, rows)) = self.flying.take() else {
            return;
        };
        let landed = table.commit(&steps, &rows, broken);
        let applied = if silent {
            settle(&steps, &table.txns) == Settled::Applied
        } else {
            landed
        };
        if applied {
            self.topic.committed();
        } else {
            self.filling = Rows::default();
            let stored = (0..PARTITIONS)
                .filter_map(|partition| Some((partition, table.stored(partition)?)))
                .collect();
            for position in self.topic.abandoned(&stored) {
                self.seek(position);
            }
        }
    }

    fn revoke(&mut self, partition: i32, table: &mut Table, flush_first: bool, broken: Broken) {
        // Rows of the revoked partition sit in the same buffer: flushed with the rest, or all dropped.
        self.land(table, false, broken);
        if flush_first {
            self.flush();
            self.land(table, false, broken);
        }
        self.topic.revoke(partition);
        self.reading.remove(&partition);
        if !flush_first {
            self.filling = Rows::default();
            let stored = (0..PARTITIONS)
                .filter_map(|partition| Some((partition, table.stored(partition)?)))
                .collect();
            for position in self.topic.abandoned(&stored) {
                self.seek(position);
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Action {
    Poll {
        who: usize,
        partition: i32,
        count: usize,
    },
    Stale {
        who: usize,
        partition: i32,
        from: i64,
    },
    Flush {
        who: usize,
    },
    Land {
        who: usize,
        silent: bool,
    },
    Crash {
        who: usize,
    },
    /// The group gives a partition to an ingestor. The other one learns of it now, or is a zombie and never does.
    Assign {
        who: usize,
        partition: i32,
        told: bool,
        flush_first: bool,
    },
}

fn action() -> impl Strategy<Value = Action> {
    let who = 0..2_usize;
    let partition = 0..PARTITIONS;
    prop_oneof![
        6 => (who.clone(), partition.clone(), 1..9_usize).prop_map(|(who, partition, count)| Action::Poll { who, partition, count }),
        1 => (who.clone(), partition.clone(), 0..40_i64).prop_map(|(who, partition, from)| Action::Stale { who, partition, from }),
        3 => who.clone().prop_map(|who| Action::Flush { who }),
        3 => (who.clone(), any::<bool>()).prop_map(|(who, silent)| Action::Land { who, silent }),
        1 => who.clone().prop_map(|who| Action::Crash { who }),
        2 => (who, partition, any::<bool>(), any::<bool>())
            .prop_map(|(who, partition, told, flush_first)| Action::Assign { who, partition, told, flush_first }),
    ]
}

/// Runs a history and reads everything to the end. The error says what was lost or doubled.
fn run(actions: &[Action], log: &[BTreeSet<i64>], broken: Broken) -> Result<(), String> {
    let end = 60;
    let mut table = Table::default();
    let mut ingestors = [Ingestor::new(), Ingestor::new()];
    for action in actions {
        match *action {
            Action::Poll {
                who,
                partition,
                count,
            } => ingestors[who].poll(partition, count, log, None, broken),
            Action::Stale {
                who,
                partition,
                from,
            } => ingestors[who].poll(partition, 3, log, Some(from), broken),
            Action::Flush { who } => ingestors[who].flush(),
            Action::Land { who, silent } => ingestors[who].land(&mut table, silent, broken),
            Action::Crash { who } => ingestors[who] = Ingestor::new(),
            Action::Assign {
                who,
                partition,
                told,
                flush_first,
            } => {
                if told {
                    ingestors[1 - who].revoke(partition, &mut table, flush_first, broken);
                }
                ingestors[who].land(&mut table, false, broken);
                ingestors[who].flush();
                ingestors[who].land(&mut table, false, broken);
                ingestors[who].assign(partition, &mut table, log, end);
            }
        }
    }
    // The zombie wakes once more, then one ingestor reads everything that is left.
    for ingestor in &mut ingestors {
        ingestor.land(&mut table, false, broken);
    }
    let mut last = Ingestor::new();
    for partition in 0..PARTITIONS {
        last.assign(partition, &mut table, log, end);
        last.poll(partition, usize::MAX, log, None, broken);
    }
    last.flush();
    last.land(&mut table, false, broken);

    for partition in 0..PARTITIONS {
        let records = &log[partition as usize];
        for offset in records {
            match table.records.get(&(partition, *offset)) {
                Some(1) => {}
                Some(times) => return Err(format!("{partition}/{offset} is there {times} times")),
                None => return Err(format!("{partition}/{offset} is lost")),
            }
        }
        let (_, next) = table.stored(partition).ok_or("never begun")?;
        let rows = table
            .records
            .keys()
            .filter(|(owner, _)| *owner == partition)
            .count() as u64;
        let gaps = table.gaps.get(&partition).copied().unwrap_or(0);
        if (next - table.starts[&partition]) as u64 != rows + gaps {
            return Err(format!(
                "{partition} is out of balance: {next} - start != {rows} + {gaps}"
            ));
        }
    }
    Ok(())
}

fn logs() -> impl Strategy<Value = Vec<BTreeSet<i64>>> {
    prop::collection::vec(
        prop::collection::btree_set(0..60_i64, 0..40),
        PARTITIONS as usize,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_or_doubled_whatever_happens(
        actions in prop::collection::vec(action(), 0..60),
        log in logs(),
    ) {
        prop_assert_eq!(run(&actions, &log, Broken::Nothing), Ok(()));
    }
}

/// Whether some history shows what was left out.
fn is_caught(broken: Broken) -> bool {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = (prop::collection::vec(action(), 0..60), logs());
    (0..2000).any(|_| {
        let (actions, log) = strategy.new_tree(&mut runner).expect("generates").current();
        std::panic::catch_unwind(|| run(&actions, &log, broken))
            .map_or(true, |outcome| outcome.is_err())
    })
}

#[test]
fn a_commit_without_the_comparison_is_caught() {
    assert!(is_caught(Broken::CompareAndSet));
}

#[test]
fn records_of_an_earlier_positioning_are_caught() {
    assert!(is_caught(Broken::Lease));
}
