//! The thread that keeps the table, as `keeper/` has it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use goldrecord_lake::{AddFile, MetadataChange, Outcome, Proposal, Refusal, Snapshot};
use goldrecord_service::config::{OnOutOfRange, Start};

use super::disk::{Commit, File, Row, Told, add, fields as columns};
use super::wires::{Failed, Job, Reply, Wires, start_rows};
use super::{Broken, World};
use crate::protocol::{Beginning, Choice, Ending, Flush, Gate, Look, Next, Opener};

/// How long to wait before trying again what failed, in ms.
const PAUSE: u64 = 200;
pub(super) const CHOICE: Choice = Choice {
    start: Start::Earliest,
    on_out_of_range: OnOutOfRange::RecordGap,
};

/// The files of the flush to come.
#[derive(Default)]
struct Files {
    /// Being written, and how many fields its columns are for.
    open: Option<(String, usize)>,
    closed: Vec<String>,
    lost: bool,
}

impl Files {
    /// Closes what is being written.
    fn close(&mut self, world: &mut World) {
        let Some((name, _)) = self.open.take() else {
            return;
        };
        if world.fails() {
            // Maybe whole, maybe not: nobody will name it.
            self.lost = true;
            return;
        }
        let file = world.disk.files.get_mut(&name);
        file.expect("it is being written").whole = true;
        self.closed.push(name);
    }

    fn rows(&self, world: &World) -> u64 {
        let files = self.closed.iter().map(|name| &world.disk.files[name]);
        files.map(|file| file.rows.len() as u64).sum()
    }

    fn adds(&self, world: &World) -> Vec<AddFile> {
        let names = self.closed.iter();
        names
            .map(|name| {
                let file = world.disk.files.get(name);
                add(name, file.map_or(0, |file| file.rows.len()))
            })
            .collect()
    }
}

enum Task {
    Open(Opener),
    Evolve(usize),
    Flush { flush: Flush, files: Files },
}

pub(super) struct Keeper {
    snapshot: Snapshot,
    files: Files,
    gate: Gate,
    /// How many fields the table had when the flush that flies was begun: what is written ahead is for those.
    columns: usize,
    task: Option<Task>,
    commit: Option<Commit>,
    /// Nothing is done before this time.
    wake: u64,
    /// What Kafka said too early.
    early: Option<BTreeMap<i32, (i64, i64)>>,
}

impl Keeper {
    pub(super) fn new(world: &World) -> Self {
        let mut snapshot = world.disk.first_snapshot();
        world.disk.catch_up(&mut snapshot);
        Self {
            snapshot,
            files: Files::default(),
            gate: Gate::default(),
            columns: 0,
            task: None,
            commit: None,
            wake: 0,
            early: None,
        }
    }

    /// The process dies in the middle of what it does.
    pub(super) fn die(&self, world: &mut World) {
        if let Some(commit) = &self.commit {
            commit.die(world);
        }
    }

    pub(super) fn step(
        &mut self,
        who: usize,
        world: &mut World,
        wires: &mut Wires,
    ) -> Result<(), Failed> {
        let flying = matches!(self.task, Some(Task::Flush { .. }));
        let ahead = matches!(wires.jobs.front(), Some(Job::Push { .. }));
        if flying && ahead && world.dice.chance(30) {
            world.count("batches written ahead");
            let job = wires.jobs.pop_front().expect("it was there");
            self.begin(job, world);
            return Ok(());
        }
        if world.now < self.wake {
            return Ok(());
        }
        let told = match &mut self.commit {
            None => None,
            Some(commit) => {
                let Some(told) = commit.step(world, &mut self.snapshot) else {
                    self.wake = world.now + commit.pause();
                    return Ok(());
                };
                self.commit = None;
                Some(told)
            }
        };
        match self.task.take() {
            None => {
                if let Some(job) = wires.jobs.pop_front() {
                    self.begin(job, world);
                }
                Ok(())
            }
            Some(Task::Open(opener)) => self.open(who, opener, told.is_some(), world, wires),
            Some(Task::Evolve(wanted)) => {
                self.evolve(wanted, told, world, wires);
                Ok(())
            }
            Some(Task::Flush { flush, files }) => {
                self.flush(flush, files, told, world, wires);
                Ok(())
            }
        }
    }

    fn begin(&mut self, job: Job, world: &mut World) {
        match job {
            Job::Open(partitions) => {
                self.task = Some(Task::Open(Opener::new("c", "t", &partitions, CHOICE)));
            }
            Job::Evolve(wanted) => self.task = Some(Task::Evolve(wanted)),
            Job::Push {
                generation,
                rows,
                fields,
            } => {
                let admitted = self.gate.admits(generation) || world.broken == Broken::Generation;
                if !admitted {
                    world.count("batches shut out");
                } else if !self.files.lost {
                    let columns = match self.task {
                        Some(_) => self.columns,
                        None => columns(&self.snapshot),
                    };
                    self.push(rows, fields, columns, world);
                }
            }
            Job::Flush {
                generation,
                steps,
                rows,
            } => {
                self.gate.flush(generation);
                self.columns = columns(&self.snapshot);
                self.task = Some(Task::Flush {
                    flush: Flush::new(steps, rows),
                    files: std::mem::take(&mut self.files),
                });
            }
        }
    }

    /// Rows with `wanted` fields into a file for `own`.
    fn push(&mut self, rows: Vec<Row>, wanted: usize, own: usize, world: &mut World) {
        if self.files.open.as_ref().is_some_and(|(_, of)| *of != own) {
            // Columns came meanwhile: the file for the former ones is closed first.
            self.files.close(world);
        }
        let name = match &self.files.open {
            Some((name, _)) => name.clone(),
            None => world.disk.name("file "),
        };
        assert!(wanted <= own, "rows have a column that their file lacks");
        let file = world.disk.files.entry(name.clone()).or_default();
        file.rows.extend(rows);
        self.files.open = Some((name, own));
        if world.fails() {
            self.files.lost = true;
        }
    }

    /// Reads the table's newest version, or learns nothing.
    fn refresh(&mut self, world: &mut World) -> bool {
        if world.fails() {
            self.wake = world.now + PAUSE;
            return false;
        }
        world.disk.catch_up(&mut self.snapshot);
        true
    }

    fn open(
        &mut self,
        who: usize,
        mut opener: Opener,
        told: bool,
        world: &mut World,
        wires: &mut Wires,
    ) -> Result<(), Failed> {
        if told {
            opener.begun();
        }
        match opener.next() {
            Look::Table => {
                if world.broken == Broken::TableFirst {
                    self.early.get_or_insert_with(|| bounds(world));
                }
                if self.refresh(world) {
                    opener.table(&self.snapshot.txns);
                }
            }
            Look::Bounds(_) => {
                if world.fails() {
                    self.wake = world.now + PAUSE;
                } else {
                    opener.bounds(&self.early.take().unwrap_or_else(|| bounds(world)));
                }
            }
            Look::Begin(beginnings) => self.start(&beginnings, world),
            Look::Done(places) => {
                wires.replies.push_back(Reply::Opened(places));
                return Ok(());
            }
            Look::LogShorter {
                partition,
                stored,
                end,
            } => {
                assert!(
                    world.broker.logs[partition as usize].len() > 1,
                    "{who} holds that {partition} ends at {end} before {stored}, and nobody made it anew"
                );
                return Err(Failed);
            }
            Look::OutOfRange { .. } => unreachable!("a loss is written down"),
        }
        self.task = Some(Task::Open(opener));
        Ok(())
    }

    /// Writes the rows with which partitions begin, and sends the commit.
    fn start(&mut self, beginnings: &[Beginning], world: &mut World) {
        let rows = start_rows(beginnings);
        let name = world.disk.name("file ");
        let whole = !world.fails();
        let adds = vec![add(&name, rows.len())];
        world.disk.files.insert(name, File { rows, whole });
        if whole {
            let proposal = Opener::beginning(beginnings, adds);
            self.commit = Some(Commit::new(world, &self.snapshot, proposal));
        } else {
            self.wake = world.now + PAUSE;
        }
    }

    fn evolve(&mut self, wanted: usize, told: Option<Told>, world: &mut World, wires: &mut Wires) {
        match told {
            None
            | Some(
                None | Some(Outcome::Committed { .. } | Outcome::Refused(Refusal::SchemaMoved)),
            ) => {}
            Some(Some(Outcome::Refused(refusal))) => panic!("new columns were refused: {refusal}"),
        }
        self.task = Some(Task::Evolve(wanted));
        if !self.refresh(world) {
            return;
        }
        if columns(&self.snapshot) >= wanted {
            let now = columns(&self.snapshot);
            wires.replies.push_back(Reply::Evolved(now));
            self.task = None;
            return;
        }
        let mut all: Vec<_> = self.snapshot.schema.fields().iter().cloned().collect();
        for number in all.len()..=wanted {
            let field = Field::new(format!("field {number}"), DataType::Int64, true);
            all.push(Arc::new(field));
        }
        let proposal = Proposal {
            operation: "ADD COLUMNS".into(),
            metadata: Some(MetadataChange {
                schema: Arc::new(Schema::new(all)),
                ..MetadataChange::of(&self.snapshot)
            }),
            ..Proposal::default()
        };
        self.commit = Some(Commit::new(world, &self.snapshot, proposal));
    }

    fn flush(
        &mut self,
        mut flush: Flush,
        mut files: Files,
        told: Option<Told>,
        world: &mut World,
        wires: &mut Wires,
    ) {
        match told {
            None => {}
            Some(Some(Outcome::Committed { .. })) => flush.committed(),
            Some(Some(Outcome::Refused(Refusal::Txn { .. })))
                if world.broken == Broken::CompareAndSet => {}
            Some(Some(Outcome::Refused(refusal))) => flush
                .refused(&refusal, &self.snapshot.txns)
                .expect("only owners and new columns get in the way of a flush"),
            Some(None) => {
                if world.broken == Broken::Keep {
                    for name in &files.closed {
                        world.delete(name);
                    }
                }
                flush.unclear();
                self.wake = world.now + PAUSE;
            }
        }
        match flush.next() {
            Next::Close if world.broken == Broken::FilesFirst => {
                files.closed.extend(files.open.take().map(|(name, _)| name));
                flush.closed(files.rows(world));
            }
            Next::Close => {
                files.close(world);
                if files.lost {
                    flush.lost();
                } else {
                    flush.closed(files.rows(world));
                }
            }
            Next::Commit => {
                let mut proposal = flush.proposal(files.adds(world));
                if world.broken == Broken::CompareAndSet {
                    for step in &mut proposal.txns {
                        step.expect = self.snapshot.txn(&step.app_id);
                    }
                }
                if world.broken == Broken::Epoch {
                    proposal.unset.clear();
                }
                self.commit = Some(Commit::new(world, &self.snapshot, proposal));
            }
            Next::Discard => {
                for name in &files.closed {
                    if !world.fails() {
                        world.delete(name);
                    }
                }
                flush.discarded();
            }
            Next::Refresh => {
                if self.refresh(world) {
                    flush.refreshed(&self.snapshot.txns);
                }
            }
            Next::Done(ending) => {
                if matches!(ending, Ending::Abandoned { .. }) {
                    self.gate.give_up();
                    if world.broken != Broken::Ahead {
                        self.files = Files::default();
                    }
                }
                wires.replies.push_back(Reply::Flushed(ending));
                return;
            }
        }
        self.task = Some(Task::Flush { flush, files });
    }
}

/// The first and the next offset of each partition.
fn bounds(world: &World) -> BTreeMap<i32, (i64, i64)> {
    let partitions = 0..world.broker.logs.len() as i32;
    partitions
        .map(|partition| {
            let log = world.broker.log(partition);
            (partition, (log.low, log.end()))
        })
        .collect()
}
