//! A flush of a topic: its rows go to the table's thread, and its outcome comes back.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;

use super::{Ended, Filling, Turn, Worker};
use crate::bronze::{self, Cause, Others};
use crate::consumer::Command;
use crate::error::Error;
use crate::keeper::{Job, now};
use crate::metrics::Rows;
use crate::progress::{Commit, TopicSummary};
use crate::protocol::Step;

/// The flush that flies.
#[derive(Default)]
pub(super) struct Flight {
    pub(super) steps: Vec<Step>,
    pub(super) bytes: u64,
    pub(super) rows: Rows,
}

impl Worker<'_> {
    /// Flushes all that is there and waits until it is in the table, or given up.
    pub(super) fn settle(&mut self) -> Turn {
        loop {
            while self.topic.is_flying() {
                let reply = self.answer()?;
                self.heed(reply)?;
            }
            if self.topic.is_settled() {
                return Ok(());
            }
            self.flush()?;
        }
    }

    pub(super) fn flush(&mut self) -> Turn {
        let steps = self.topic.take();
        let listed = std::mem::take(&mut self.listed);
        for (partition, ranges) in listed {
            if let Some(epoch) = self
                .topic
                .partition(partition)
                .and_then(|state| state.epoch())
            {
                self.others.gaps(partition, epoch, &ranges, Cause::Skipped);
            }
        }
        self.send_events()?;
        self.send_others()?;
        let filling = std::mem::take(&mut self.filling);
        if steps.is_empty() {
            return Ok(());
        }
        self.flying = Flight {
            steps: steps.clone(),
            bytes: filling.bytes,
            rows: filling.rows,
        };
        self.ask(Job::Flush {
            generation: self.topic.generation(),
            steps,
            rows: filling.sent,
        })
    }

    pub(super) fn send_events(&mut self) -> Turn {
        if self.events.is_empty() {
            return Ok(());
        }
        let batch = self.events.finish(now());
        self.items = 0;
        self.held.set(0);
        self.push(batch)
    }

    pub(super) fn send_others(&mut self) -> Turn {
        if self.others.is_empty() {
            return Ok(());
        }
        let batch = self.others.finish(now());
        self.push(batch)
    }

    fn push(&mut self, batch: Result<RecordBatch, ArrowError>) -> Turn {
        match batch {
            Ok(batch) => {
                let time = self.time.index().map(|index| &self.events.fields()[index]);
                let rows = &mut self.filling.rows;
                rows.add(&batch, time.map(|field| field.name().as_str()));
                self.filling.sent += batch.num_rows() as u64;
                let charge = self.budget.charge(batch.get_array_memory_size());
                self.ask(Job::Push {
                    generation: self.topic.generation(),
                    batch,
                    charge,
                })
            }
            Err(error) => self.fail(self.unfit(&error.to_string())),
        }
    }

    pub(super) fn unfit(&self, why: &str) -> Error {
        Error::Commit {
            table: bronze::path(&self.name),
            why: why.to_owned(),
        }
    }

    pub(super) fn committed(&mut self, version: i64, written: u64) -> Turn {
        let offsets = self.topic.committed();
        let flight = std::mem::take(&mut self.flying);
        let mut commit = Commit {
            topic: self.name.clone(),
            version,
            good: 0,
            bad: 0,
            gaps: 0,
            bytes: flight.bytes,
            written,
            offsets,
        };
        for step in &flight.steps {
            commit.good += step.tally.good;
            commit.bad += step.tally.bad;
            commit.gaps += step.tally.gaps;
        }
        {
            let mut summary = self.shared.summary();
            let own: &mut TopicSummary = summary.topics.entry(self.name.clone()).or_default();
            own.good += commit.good;
            own.bad += commit.bad;
            own.gaps += commit.gaps;
            own.bytes += commit.bytes;
            own.commits += 1;
            own.offsets.extend(commit.offsets.iter().copied());
        }
        self.shared.metrics.committed(
            &self.name,
            &flight.rows,
            &commit.offsets,
            commit.bytes,
            written,
            now(),
        );
        self.digest.add(&commit);
        tracing::debug!(
            topic = self.name,
            version,
            good = commit.good,
            bad = commit.bad,
            gaps = commit.gaps,
            "committed"
        );
        fail::fail_point!("ingestor::before-kafka-commit", |_| {
            self.shared
                .fail(Error::Failpoint("ingestor::before-kafka-commit"));
            Err(Ended)
        });
        let (topic, offsets) = (self.name.clone(), commit.offsets.clone());
        self.shared.progress.committed(&commit);
        self.channels
            .commands
            .send(Command::Commit { topic, offsets })
            .map_err(|_| Ended)
    }

    pub(super) fn abandoned(&mut self, stored: &BTreeMap<i32, (i32, i64)>) -> Turn {
        let back = self.topic.abandoned(stored);
        self.events.take_back_all();
        self.items = 0;
        self.others = Others::default();
        self.listed.clear();
        self.held.set(0);
        self.filling = Filling::default();
        self.flying = Flight::default();
        self.shared
            .summary()
            .topics
            .entry(self.name.clone())
            .or_default()
            .abandoned += 1;
        let stored = back
            .positions
            .iter()
            .map(|position| (position.partition, position.at));
        self.shared.metrics.abandoned(&self.name, stored);
        for position in back.positions {
            self.seek(position)?;
        }
        if back.open.is_empty() {
            return Ok(());
        }
        self.ask(Job::Open(back.open))
    }
}
