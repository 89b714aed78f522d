//! Who else commits to the table: maintenance, and the operator.

use goldrecord_lake::{Outcome, Proposal, Refusal, Snapshot, TxnStep};

use super::World;
use super::disk::{Commit, File, Kind, Row, add};
use super::judge::id;

/// Makes one file of several, and gives up when it is refused.
pub(super) struct Maintenance {
    snapshot: Snapshot,
    commit: Option<Commit>,
    /// Nothing is done before this time.
    wake: u64,
}

impl Maintenance {
    pub(super) fn new(world: &World) -> Self {
        Self {
            snapshot: world.disk.first_snapshot(),
            commit: None,
            wake: 0,
        }
    }

    pub(super) fn step(&mut self, world: &mut World) {
        if world.now < self.wake {
            return;
        }
        if let Some(commit) = &mut self.commit {
            if let Some(told) = commit.step(world, &mut self.snapshot) {
                if matches!(told, Some(Outcome::Committed { .. })) {
                    world.count("compactions");
                }
                self.commit = None;
                self.wake = world.now + 500;
            }
            return;
        }
        if world.fails() {
            return;
        }
        world.disk.catch_up(&mut self.snapshot);
        let live = self.snapshot.files.len();
        if live < 4 {
            return;
        }
        let (first, most) = (world.dice.below(live - 1), 2 + world.dice.below(4));
        let removes: Vec<String> = self
            .snapshot
            .files
            .keys()
            .skip(first)
            .take(most)
            .cloned()
            .collect();
        let rows: Vec<Row> = removes
            .iter()
            .flat_map(|path| world.disk.files[path].rows.clone())
            .collect();
        let name = world.disk.name("compact ");
        let whole = !world.fails();
        let adds = vec![add(&name, rows.len())];
        world.disk.files.insert(name, File { rows, whole });
        if whole {
            let proposal = Proposal {
                operation: "COMPACT".into(),
                adds,
                removes,
                data_change: false,
                ..Proposal::default()
            };
            self.commit = Some(Commit::new(world, &self.snapshot, proposal));
        }
    }
}

/// Says that a topic was made anew: its next epoch begins. Does it again until it is done.
pub(super) struct Operator {
    snapshot: Snapshot,
    commit: Option<Commit>,
}

impl Operator {
    pub(super) fn new(world: &World) -> Self {
        Self {
            snapshot: world.disk.first_snapshot(),
            commit: None,
        }
    }

    pub(super) fn step(&mut self, world: &mut World) {
        if !world.broker.frozen {
            return;
        }
        if let Some(commit) = &mut self.commit {
            if let Some(told) = commit.step(world, &mut self.snapshot) {
                if let Some(Outcome::Refused(refusal)) = &told {
                    // Another has moved something: it is looked at anew.
                    assert!(
                        matches!(refusal, Refusal::Txn { .. } | Refusal::SchemaMoved),
                        "an epoch could not begin: {refusal}"
                    );
                }
                self.commit = None;
            }
            return;
        }
        if world.fails() {
            return;
        }
        world.disk.catch_up(&mut self.snapshot);
        let epoch = world.broker.logs[0].len() as i32 - 1;
        let partitions = 0..world.broker.logs.len() as i32;
        let ids: Vec<_> = partitions.map(|partition| id(partition, epoch)).collect();
        if ids
            .iter()
            .all(|id| self.snapshot.txn(&id.to_string()).is_some())
        {
            world.note(|| format!("epoch {epoch} has begun"));
            world.broker.frozen = false;
            return;
        }
        let rows: Vec<Row> = ids
            .iter()
            .map(|id| Row {
                partition: id.partition,
                epoch: id.epoch,
                start: 0,
                end: 0,
                kind: Kind::Start,
            })
            .collect();
        let name = world.disk.name("file ");
        let adds = vec![add(&name, rows.len())];
        world.disk.files.insert(name, File { rows, whole: true });
        let proposal = Proposal {
            operation: "ACCEPT".into(),
            adds,
            txns: ids
                .iter()
                .map(|id| TxnStep {
                    app_id: id.to_string(),
                    expect: None,
                    next: 0,
                })
                .collect(),
            data_change: true,
            ..Proposal::default()
        };
        self.commit = Some(Commit::new(world, &self.snapshot, proposal));
    }
}
