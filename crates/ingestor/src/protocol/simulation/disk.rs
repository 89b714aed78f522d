//! HDFS: data files that come to be bit by bit, and a log's folder with renames that get lost or come late.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use goldrecord_lake::commit::{Actions, Event, Machine, Step, Verdict, creation, validate};
use goldrecord_lake::{AddFile, Outcome, Proposal, Snapshot, Stats, TableSpec};

use super::{Broken, World};

pub(super) const TABLE: &str = "bronze/t";

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The id of the record.
    Good(u32),
    Bad(u32),
    /// Lost to retention.
    Lost,
    /// Without a record.
    Skipped,
    Start,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) partition: i32,
    pub(super) epoch: i32,
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) kind: Kind,
}

/// A data file: not whole while it is written, nor ever if its writer dies.
#[derive(Default)]
pub(super) struct File {
    pub(super) rows: Vec<Row>,
    pub(super) whole: bool,
}

pub(super) struct Disk {
    pub(super) files: BTreeMap<String, File>,
    temporary: BTreeMap<String, Arc<Actions>>,
    pub(super) log: Vec<Arc<Actions>>,
    delayed: Vec<(String, i64)>,
    /// Nobody reaches it before this time.
    pub(super) away_until: u64,
    names: u64,
}

impl Disk {
    pub(super) fn new() -> Self {
        let creation =
            creation(&spec(), "id".to_owned(), "creation", 0).expect("a table of plain columns");
        Self {
            files: BTreeMap::new(),
            temporary: BTreeMap::new(),
            log: vec![Arc::new(creation)],
            delayed: Vec::new(),
            away_until: 0,
            names: 0,
        }
    }

    pub(super) fn first_snapshot(&self) -> Snapshot {
        Snapshot::begin(TABLE, 0, &self.log[0]).expect("the first commit is whole")
    }

    /// A name that nobody has.
    pub(super) fn name(&mut self, what: &str) -> String {
        self.names += 1;
        format!("{what}{}", self.names)
    }

    /// As HDFS does it: atomic, and never over a file.
    fn rename(&mut self, from: &str, to: i64) -> bool {
        let to = to as usize;
        assert!(to <= self.log.len(), "version {to} would leave a gap");
        if to < self.log.len() {
            return false;
        }
        match self.temporary.remove(from) {
            Some(actions) => {
                self.log.push(actions);
                true
            }
            None => false,
        }
    }

    /// A rename that hung somewhere takes place.
    pub(super) fn rename_late(&mut self, index: usize) -> bool {
        let (from, to) = self.delayed.swap_remove(index);
        self.rename(&from, to)
    }

    pub(super) fn late_renames(&self) -> usize {
        self.delayed.len()
    }

    pub(super) fn catch_up(&self, snapshot: &mut Snapshot) {
        for version in snapshot.version + 1..self.log.len() as i64 {
            snapshot
                .advance(TABLE, version, &self.log[version as usize])
                .expect("commits are whole");
        }
    }
}

fn spec() -> TableSpec {
    TableSpec {
        schema: Arc::new(Schema::new(vec![Field::new("_kind", DataType::Utf8, true)])),
        partition_columns: Vec::new(),
        properties: BTreeMap::new(),
        description: None,
    }
}

/// How many fields of the event the table has.
pub(super) fn fields(snapshot: &Snapshot) -> usize {
    snapshot.schema.fields().len() - 1
}

/// The action that names a data file.
pub(super) fn add(path: &str, rows: usize) -> AddFile {
    AddFile {
        path: path.to_owned(),
        partition_values: BTreeMap::new(),
        size: 1,
        modification_time: 0,
        data_change: true,
        stats: Stats {
            num_records: rows as i64,
            ..Stats::default()
        },
    }
}

/// A commit on its way: production's machine over this disk.
pub(super) struct Commit {
    uuid: String,
    machine: Machine<'static, Rc<Proposal>>,
}

/// What became of a commit, as production tells it; `None`: an error that waiting may mend.
pub(super) type Told = Option<Outcome>;

impl Commit {
    pub(super) fn new(world: &mut World, snapshot: &Snapshot, proposal: Proposal) -> Self {
        validate(TABLE, snapshot, &proposal).expect("nobody proposes nonsense");
        let uuid = world.disk.name("commit ");
        let now = world.now as i64;
        let machine = Machine::new(
            TABLE,
            Rc::new(proposal),
            snapshot.clone(),
            uuid.clone(),
            now,
        );
        Self {
            uuid,
            machine: machine.expect("the log is whole"),
        }
    }

    /// How long the next step waits, in ms.
    pub(super) fn pause(&self) -> u64 {
        self.machine.step().1.as_millis() as u64
    }

    /// Does one step. When it is over: what the writer is told. `snapshot` moves as production's does.
    pub(super) fn step(&mut self, world: &mut World, snapshot: &mut Snapshot) -> Option<Told> {
        let (step, _) = self.machine.step();
        if let Step::Done(verdict) = step {
            world.note(|| format!("{} ends: {verdict:?}", self.uuid));
            world.count(match &verdict {
                Verdict::Committed { .. } => "commits",
                Verdict::Refused(_) => "commits refused",
                Verdict::Failed => "commits failed",
                Verdict::Unknown { .. } => "commits unknown",
            });
            return Some(match verdict {
                Verdict::Committed { version } => {
                    *snapshot = self.machine.head().clone();
                    Some(Outcome::Committed { version })
                }
                Verdict::Refused(refusal) => {
                    *snapshot = self.machine.head().clone();
                    Some(Outcome::Refused(refusal))
                }
                Verdict::Failed | Verdict::Unknown { .. } => None,
            });
        }
        let event = self.carry_out(world, step);
        self.machine.on(event).expect("the log is whole");
        None
    }

    /// The process dies: the call may have gone out all the same.
    pub(super) fn die(&self, world: &mut World) {
        let (step, _) = self.machine.step();
        if world.dice.chance(50) && !matches!(step, Step::Done(_)) {
            self.carry_out(world, step);
        }
    }

    fn carry_out(&self, world: &mut World, step: Step) -> Event {
        let fails = world.fails();
        let uuid = &self.uuid;
        match step {
            Step::Write(actions) => {
                if !fails || world.dice.chance(50) {
                    world.disk.temporary.insert(uuid.clone(), actions);
                }
                if fails {
                    Event::WriteFailed
                } else {
                    Event::Written
                }
            }
            Step::Rename { to } if !fails => {
                let done = world.disk.rename(uuid, to);
                world.note(|| format!("{uuid} renamed to version {to}: {done}"));
                if done {
                    Event::Renamed
                } else {
                    Event::RenameUnclear
                }
            }
            Step::Rename { to } => {
                let way = world.dice.below(4);
                match way {
                    // The call was lost.
                    0 => {}
                    // The answer was lost.
                    1 => {
                        world.disk.rename(uuid, to);
                    }
                    // The client repeated the call, and the second answer is "not found".
                    2 => {
                        world.disk.rename(uuid, to);
                        world.disk.rename(uuid, to);
                    }
                    // The call hangs somewhere and takes place later.
                    _ => world.disk.delayed.push((uuid.clone(), to)),
                }
                let how = ["lost", "done, unanswered", "done twice", "on its way"][way];
                world.note(|| format!("{uuid} renamed to version {to}: unclear ({how})"));
                if world.broken == Broken::ReadBack {
                    Event::Renamed
                } else {
                    Event::RenameUnclear
                }
            }
            Step::Read { .. } if fails => Event::ReadFailed,
            Step::Read { version } => match world.disk.log.get(version as usize) {
                Some(actions) => Event::Found(Arc::clone(actions)),
                None => Event::Missing,
            },
            Step::Delete => {
                if !fails {
                    world.disk.temporary.remove(uuid);
                }
                Event::Deleted
            }
            Step::Done(_) => unreachable!("nothing is left to do"),
        }
    }
}
