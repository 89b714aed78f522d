//! Writers at work: they drive the real machine against the simulated disk.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use goldrecord_testkit::Dice;

use super::disk::Disk;
use super::{TABLE, TURNS};
use crate::commit::check;
use crate::commit::machine::{Event, Machine, Step, Verdict};
use crate::log::actions::Actions;
use crate::proposal::{Fence, MetadataChange, Proposal, TxnStep};
use crate::snapshot::{AddFile, Snapshot, Stats};
use crate::table::TableSpec;

/// A process that commits one proposal after the other.
struct Writer {
    /// Whose Kafka partition it believes to own. Several writers may believe the same.
    partition: usize,
    /// In how many of a hundred turns it moves.
    speed: u64,
    snapshot: Snapshot,
    at_work: Option<Work>,
    /// How many of its next calls fail: the network is away.
    outage: u32,
}

struct Work {
    uuid: String,
    proposal: Rc<Proposal>,
    machine: Machine<'static, Rc<Proposal>>,
}

/// What a writer was told, or `None` where it died before.
pub struct Told {
    pub proposal: Rc<Proposal>,
    pub verdict: Option<Verdict>,
    pub head: Option<Snapshot>,
}

/// A table, who writes to it, and what they were told.
pub struct World {
    dice: Dice,
    pub disk: Disk,
    writers: Vec<Writer>,
    pub told: BTreeMap<String, Told>,
    proposals: u64,
    /// The rows of every file that was ever written.
    pub rows: BTreeMap<String, Vec<u64>>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let disk = Disk::new(first_commit());
        let snapshot = disk.replay(0);
        let partitions = 1 + dice.below(3);
        let writers = (0..2 + dice.below(4))
            .map(|_| Writer {
                partition: dice.below(partitions),
                speed: [5, 40, 100][dice.below(3)],
                snapshot: snapshot.clone(),
                at_work: None,
                outage: 0,
            })
            .collect();
        Self {
            dice,
            disk,
            writers,
            told: BTreeMap::new(),
            proposals: 0,
            rows: BTreeMap::new(),
        }
    }

    pub fn run(&mut self) {
        for turn in 0.. {
            assert!(turn < TURNS * 100, "the writers do not come to an end");
            self.disk.turn = turn;
            let over = turn >= TURNS;
            if over && self.writers.iter().all(|writer| writer.at_work.is_none()) {
                break;
            }
            if !self.disk.delayed.is_empty() && self.dice.chance(3) {
                let index = self.dice.below(self.disk.delayed.len());
                let (from, to) = self.disk.delayed.swap_remove(index);
                self.disk.rename(&from, to);
            }
            if self.dice.chance(25) {
                self.disk.maintain(&mut self.dice);
            }
            let index = self.dice.below(self.writers.len());
            if !self.dice.chance(self.writers[index].speed) {
                continue;
            }
            match self.writers[index].at_work.take() {
                None if over => {}
                None => self.propose(index),
                Some(work) => self.go_on(index, work),
            }
        }
        for (from, to) in std::mem::take(&mut self.disk.delayed) {
            self.disk.rename(&from, to);
        }
    }

    /// Begins a proposal, from a new snapshot or the one that the writer has.
    fn propose(&mut self, index: usize) {
        if self.dice.chance(50) {
            self.writers[index].snapshot = self.disk.replay(self.disk.newest());
        }
        self.proposals += 1;
        let uuid = format!("proposal {}", self.proposals);
        let snapshot = self.writers[index].snapshot.clone();
        let proposal = Rc::new(self.proposal(&snapshot, self.writers[index].partition));
        check::validate(TABLE, &snapshot, &proposal).expect("writers propose sense");
        let machine = Machine::new(TABLE, Rc::clone(&proposal), snapshot, uuid.clone(), 1)
            .expect("actions can be made");
        self.writers[index].at_work = Some(Work {
            uuid,
            proposal,
            machine,
        });
    }

    fn proposal(&mut self, snapshot: &Snapshot, partition: usize) -> Proposal {
        let path = format!("file {}", self.proposals);
        let mut proposal = Proposal {
            operation: "SIMULATED".to_owned(),
            adds: vec![file(&path)],
            data_change: true,
            ..Proposal::default()
        };
        if self.dice.chance(15) {
            // Compaction: the rows of some files in one.
            proposal.removes = self.some_files(snapshot, 4);
            proposal.data_change = false;
            let rows = proposal.removes.iter().flat_map(|path| &self.rows[path]);
            let rows = rows.copied().collect();
            self.rows.insert(path, rows);
            return proposal;
        }
        let first = self.proposals * 10;
        let count = 1 + self.dice.below(3) as u64;
        self.rows.insert(path, (first..first + count).collect());
        let kind = self.dice.below(100);
        if kind < 70 {
            let app_id = format!("topic/{partition}");
            let expect = snapshot.txn(&app_id);
            let next = expect.unwrap_or(0) + 1 + self.dice.below(9) as i64;
            proposal.txns.push(TxnStep {
                app_id,
                expect,
                next,
            });
        }
        if kind >= 60 {
            proposal.removes = self.some_files(snapshot, 2);
        }
        if kind >= 85 {
            let held = snapshot.txn("build").unwrap_or(0);
            proposal.fences.push(Fence {
                app_id: "build".to_owned(),
                value: (held + self.dice.below(3) as i64 - 1).max(0),
            });
        }
        if kind >= 97 {
            let mut fields: Vec<_> = snapshot.schema.fields().iter().cloned().collect();
            fields.push(Arc::new(Field::new(
                format!("column {}", self.proposals),
                DataType::Int64,
                true,
            )));
            proposal.metadata = Some(MetadataChange {
                schema: Arc::new(Schema::new(fields)),
                ..MetadataChange::of(snapshot)
            });
        }
        proposal
    }

    /// Up to `most` live files that lie side by side.
    fn some_files(&mut self, snapshot: &Snapshot, most: usize) -> Vec<String> {
        let wanted = 1 + self.dice.below(most);
        let first = self.dice.below(snapshot.files.len().max(1));
        let files = snapshot.files.keys().skip(first).take(wanted);
        files.cloned().collect()
    }

    /// Does a writer's next step, or kills it.
    fn go_on(&mut self, index: usize, mut work: Work) {
        let (step, _) = work.machine.step();
        if let Step::Done(verdict) = step {
            let head = work.machine.into_head();
            if matches!(verdict, Verdict::Committed { .. } | Verdict::Refused(_)) {
                self.writers[index].snapshot = head.clone();
            }
            self.tell(work.uuid, work.proposal, Some(verdict), Some(head));
            return;
        }
        if self.dice.chance(1) {
            // Dead: the call may have gone out and nobody hears the answer.
            if self.dice.chance(50) {
                self.carry_out(index, &work.uuid, step);
            }
            self.tell(work.uuid, work.proposal, None, None);
            return;
        }
        let event = self.carry_out(index, &work.uuid, step);
        work.machine.on(event).expect("the log is whole");
        self.writers[index].at_work = Some(work);
    }

    fn tell(
        &mut self,
        uuid: String,
        proposal: Rc<Proposal>,
        verdict: Option<Verdict>,
        head: Option<Snapshot>,
    ) {
        let told = Told {
            proposal,
            verdict,
            head,
        };
        assert!(
            self.told.insert(uuid, told).is_none(),
            "a proposal ends once"
        );
    }

    fn carry_out(&mut self, index: usize, uuid: &str, step: Step) -> Event {
        if self.dice.chance(1) {
            self.writers[index].outage = self.dice.below(20) as u32;
        }
        let away = self.writers[index].outage > 0;
        self.writers[index].outage = self.writers[index].outage.saturating_sub(1);
        let fails = away || self.dice.chance(8);
        match step {
            Step::Write(actions) => {
                if !fails || self.dice.chance(50) {
                    self.disk.write(uuid, actions);
                }
                if fails {
                    Event::WriteFailed
                } else {
                    Event::Written
                }
            }
            Step::Rename { to } if !fails => {
                if self.disk.rename(uuid, to) {
                    Event::Renamed
                } else {
                    Event::RenameUnclear
                }
            }
            Step::Rename { to } => {
                match self.dice.below(4) {
                    // The call was lost.
                    0 => {}
                    // The answer was lost.
                    1 => {
                        self.disk.rename(uuid, to);
                    }
                    // The client repeated the call, and the second answer is "not found".
                    2 => {
                        self.disk.rename(uuid, to);
                        self.disk.rename(uuid, to);
                    }
                    // The call hangs somewhere and takes place later.
                    _ => self.disk.delayed.push((uuid.to_owned(), to)),
                }
                Event::RenameUnclear
            }
            Step::Read { .. } if fails => Event::ReadFailed,
            Step::Read { version } => match self.disk.read(version) {
                Some(actions) => Event::Found(Arc::clone(actions)),
                None if self.disk.read(version - 1).is_some() => Event::Missing,
                None => Event::Cut(Box::new(self.disk.replay(self.disk.newest()))),
            },
            Step::Delete => {
                if !fails {
                    self.disk.delete(uuid);
                }
                Event::Deleted
            }
            Step::Done(_) => unreachable!("nothing is left to do"),
        }
    }
}

fn first_commit() -> Actions {
    let spec = TableSpec {
        schema: Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)])),
        partition_columns: Vec::new(),
        properties: BTreeMap::new(),
        description: None,
    };
    check::creation(&spec, "id".to_owned(), "creation", 0).expect("a plain schema")
}

fn file(path: &str) -> AddFile {
    AddFile {
        path: path.to_owned(),
        partition_values: BTreeMap::new(),
        size: 1,
        modification_time: 0,
        data_change: true,
        stats: Stats::default(),
    }
}
