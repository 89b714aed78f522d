//! The thread that keeps one topic's table: makes it, opens partitions in it, writes and commits.
//!
//! Here are its jobs, and what all of them need of the table.

mod evolve;
mod flight;
mod flush;
mod open;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use crossbeam_channel::{Receiver, Sender};
use goldrecord_lake::{Error as LakeError, Refusal, Snapshot, Table, WriteOptions};

use self::flush::Files;
use crate::bronze;
use crate::consumer::Probe;
use crate::decode::{Field, Misfit};
use crate::error::{Error, Result};
use crate::memory::{Budget, Charge};
use crate::metrics::Server;
use crate::protocol::{Choice, Flush, Gate, Generation, Opened, Step};
use crate::rewrite::failed;
use crate::shared::{Backoff, Shared};

/// What the keeper is asked for. Jobs are done in order.
pub(crate) enum Job {
    /// Open these partitions.
    Open(Vec<i32>),
    /// Make room for these fields of the event.
    Evolve(Vec<Field>),
    /// Rows of the flush to come. Those of a generation given up are dropped.
    Push {
        generation: Generation,
        batch: RecordBatch,
        charge: Charge,
    },
    /// Close the files, which hold so many rows, and commit.
    Flush {
        generation: Generation,
        steps: Vec<Step>,
        rows: u64,
    },
}

/// What the keeper answers.
pub(crate) enum Reply {
    Opened(Vec<Opened>),
    Evolved(Result<SchemaRef, Misfit>),
    Flushed(Flushed),
}

/// What became of a flush.
pub(crate) enum Flushed {
    Committed {
        version: i64,
        written: u64,
    },
    /// Where the table is now, by partition: epoch and next offset.
    Abandoned {
        stored: BTreeMap<i32, (i32, i64)>,
    },
}

pub(crate) struct Keeper<'a> {
    pub(crate) shared: &'a Shared<'a>,
    pub(crate) topic: String,
    pub(crate) cluster: String,
    pub(crate) servers: String,
    pub(crate) table: Table,
    pub(crate) choice: Choice,
    pub(crate) probe: Arc<Probe>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) jobs: Receiver<Job>,
    pub(crate) replies: Sender<Reply>,
}

impl Keeper<'_> {
    pub(crate) fn run(self) {
        if let Err(error) = self.work() {
            self.shared.fail(error);
        }
    }

    fn work(&self) -> Result<()> {
        let Some(mut snapshot) = self.make()? else {
            return Ok(());
        };
        let mut files = Files::default();
        let mut gate = Gate::default();
        // A job that waits for the end of a flush.
        let mut next = None;
        while let Some(job) = next.take().or_else(|| self.jobs.recv().ok()) {
            if self.shared.is_aborted() {
                break;
            }
            let reply = match job {
                Job::Open(partitions) => match self.open(&mut snapshot, &partitions)? {
                    Some(opened) => Some(Reply::Opened(opened)),
                    None => break,
                },
                Job::Evolve(fields) => match self.evolve(&mut snapshot, &fields)? {
                    Some(evolved) => Some(Reply::Evolved(evolved)),
                    None => break,
                },
                Job::Push {
                    generation,
                    batch,
                    charge,
                } => {
                    if gate.admits(generation) {
                        self.push(&snapshot, &mut files, batch, charge)?;
                    }
                    None
                }
                Job::Flush {
                    generation,
                    steps,
                    rows,
                } => {
                    gate.flush(generation);
                    let flush = Flush::new(steps, rows);
                    match self.fly(&mut snapshot, &mut files, flush, &gate, &mut next)? {
                        Some(flushed) => {
                            if matches!(flushed, Flushed::Abandoned { .. }) {
                                gate.give_up();
                                self.give_up(std::mem::take(&mut files));
                            }
                            Some(Reply::Flushed(flushed))
                        }
                        None => break,
                    }
                }
            };
            if let Some(reply) = reply
                && self.replies.send(reply).is_err()
            {
                break;
            }
        }
        self.give_up(files);
        Ok(())
    }

    /// Does `attempt` until the lake answers. `None`: the run ends first.
    fn insist<T>(&self, mut attempt: impl FnMut() -> Result<T, LakeError>) -> Result<Option<T>> {
        let mut backoff = Backoff::new();
        loop {
            match attempt() {
                Ok(done) => {
                    self.shared.wait_ends(Server::Lake, &self.topic);
                    return Ok(Some(done));
                }
                Err(error) if error.is_unavailable() => {
                    self.shared
                        .wait_begins(Server::Lake, &self.topic, &error.to_string());
                    if !backoff.pause(self.shared) {
                        return Ok(None);
                    }
                }
                Err(source) => return Err(self.lake_error(source)),
            }
        }
    }

    /// Rows wait in a writer for long runs of one day, within the topic's share of the memory.
    fn options(&self) -> WriteOptions {
        let share = self.budget.limit() / self.shared.topics() / 3;
        WriteOptions {
            total_buffer_bytes: share,
            folder_buffer_bytes: share / 2,
            ..WriteOptions::default()
        }
    }

    fn lake_error(&self, source: LakeError) -> Error {
        failed(&self.table)(source)
    }

    fn refused(&self, refusal: &Refusal) -> Error {
        Error::Commit {
            table: self.table.path().to_owned(),
            why: refusal.to_string(),
        }
    }

    /// The table, made without an event's field if it is not there.
    fn make(&self) -> Result<Option<Snapshot>> {
        let runtime = &self.shared.runtime;
        self.insist(|| runtime.block_on(self.table.create(&bronze::spec(&self.topic))))
    }

    /// The table's newest version.
    fn refresh(&self, snapshot: &mut Snapshot) -> Result<Option<()>> {
        let newest = self.insist(|| self.shared.runtime.block_on(self.table.refresh(snapshot)))?;
        Ok(newest.map(|newest| *snapshot = newest))
    }
}

/// This machine's clock in µs since 1970.
pub(crate) fn now() -> i64 {
    chrono::Utc::now().timestamp_micros()
}
