//! The files of a flush, and the commit that brings them into the table.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use goldrecord_lake::{AddFile, Error as LakeError, Outcome, Snapshot, Writer};

use super::{Flushed, Keeper};
use crate::error::Result;
use crate::memory::Charge;
use crate::metrics::Server;
use crate::protocol::{Ending, Flush, Next};
use crate::shared::{Backoff, lock};

/// The files of the flush to come.
#[derive(Default)]
pub(super) struct Files {
    /// For the table's columns as they were when the first row came.
    writer: Option<(SchemaRef, Writer)>,
    /// Whole, and in no version yet.
    closed: Vec<AddFile>,
    /// A write failed: what was pushed is lost and must be read again.
    lost: bool,
}

impl Keeper<'_> {
    pub(super) fn push(
        &self,
        snapshot: &Snapshot,
        files: &mut Files,
        batch: RecordBatch,
        charge: Charge,
    ) -> Result<()> {
        fail::fail_point!("ingestor::before-write", |_| Err(crate::Error::Failpoint(
            "ingestor::before-write"
        )));
        let other = |(columns, _): &(SchemaRef, Writer)| *columns != snapshot.schema;
        if files.writer.as_ref().is_some_and(other) {
            // Columns came meanwhile: the files for the former ones are closed.
            self.close(files)?;
        }
        if files.lost {
            return Ok(());
        }
        let (_, writer) = files.writer.get_or_insert_with(|| {
            let (metrics, topic) = (Arc::clone(&self.shared.metrics), self.topic.clone());
            let charge = Mutex::new(self.budget.charge(0));
            let writer = (self.table.writer(snapshot, self.options()))
                .watched(Arc::new(move |took| metrics.encoded(&topic, took)))
                .metered(Arc::new(move |by| lock(&charge).change(by)));
            (Arc::clone(&snapshot.schema), writer)
        });
        match self.shared.runtime.block_on(writer.push(batch)) {
            // The writer tells by itself what it holds.
            Ok(()) => drop(charge),
            Err(error) if error.is_unavailable() => self.lose(files, &error),
            Err(source) => return Err(self.lake_error(source)),
        }
        Ok(())
    }

    /// What was written so far cannot become a whole file: it is read from Kafka again.
    fn lose(&self, files: &mut Files, error: &LakeError) {
        self.shared
            .wait_begins(Server::Lake, &self.topic, &error.to_string());
        files.lost = true;
        files.writer = None;
        files.closed.clear();
    }

    /// Throws away what was written of rows that will be read again.
    pub(super) fn give_up(&self, files: Files) {
        if let Some((_, writer)) = files.writer {
            // The files may stay behind when the lake is away.
            let _ = self.shared.runtime.block_on(writer.abort());
        }
    }

    /// Closes the files that are being written.
    fn close(&self, files: &mut Files) -> Result<()> {
        let Some((_, writer)) = files.writer.take() else {
            return Ok(());
        };
        let began = Instant::now();
        match self.shared.runtime.block_on(writer.finish()) {
            Ok(written) => {
                let sizes = written.iter().map(|file| file.size as u64);
                let metrics = &self.shared.metrics;
                metrics.wrote(&self.topic, began.elapsed(), sizes);
                files.closed.extend(written);
            }
            Err(error) if error.is_unavailable() => self.lose(files, &error),
            Err(source) => return Err(self.lake_error(source)),
        }
        Ok(())
    }

    /// Brings what was pushed into the table. `None`: the run ends first.
    pub(super) fn flush(
        &self,
        snapshot: &mut Snapshot,
        mut files: Files,
        mut flush: Flush,
    ) -> Result<Option<Flushed>> {
        let runtime = &self.shared.runtime;
        let mut backoff = Backoff::new();
        loop {
            match flush.next() {
                Next::Close => {
                    self.close(&mut files)?;
                    if files.lost {
                        flush.lost();
                    } else {
                        let rows = files.closed.iter().map(|file| file.stats.num_records);
                        flush.closed(rows.sum::<i64>() as u64);
                    }
                    fail::fail_point!("ingestor::before-commit", |_| Err(crate::Error::Failpoint(
                        "ingestor::before-commit"
                    )));
                }
                Next::Commit => {
                    let proposal = flush.proposal(files.closed.clone());
                    let (began, before) = (Instant::now(), snapshot.version);
                    let tried = runtime.block_on(self.table.commit(snapshot, &proposal));
                    // The snapshot is the newest version now: ours, if it was committed.
                    let ours = i64::from(matches!(tried, Ok(Outcome::Committed { .. })));
                    let foreign = (snapshot.version - before - ours).max(0) as u64;
                    let metrics = &self.shared.metrics;
                    metrics.tried_to_commit(&self.topic, began.elapsed(), foreign);
                    match tried {
                        Ok(Outcome::Committed { .. }) => {
                            fail::fail_point!("ingestor::after-commit", |_| Err(
                                crate::Error::Failpoint("ingestor::after-commit")
                            ));
                            self.shared.wait_ends(Server::Lake, &self.topic);
                            if let Some(before) = snapshot.expired_before() {
                                metrics.expired(&self.topic, before);
                            }
                            flush.committed();
                        }
                        Ok(Outcome::Refused(refusal)) => {
                            tracing::info!(topic = self.topic, %refusal, "a commit was refused");
                            flush
                                .refused(&refusal, &snapshot.txns)
                                .map_err(|refusal| self.refused(refusal))?;
                        }
                        Err(error) if error.is_unavailable() => {
                            flush.unclear();
                            self.shared
                                .wait_begins(Server::Lake, &self.topic, &error.to_string());
                            if !backoff.pause(self.shared) {
                                return Ok(None);
                            }
                        }
                        Err(source) => return Err(self.lake_error(source)),
                    }
                }
                Next::Discard => {
                    // Files that no version names cost space only: they may stay when the lake is away.
                    let _ = runtime.block_on(self.table.discard(&files.closed));
                    flush.discarded();
                }
                Next::Refresh => {
                    if self.refresh(snapshot)?.is_none() {
                        return Ok(None);
                    }
                    flush.refreshed(&snapshot.txns);
                }
                Next::Done(Ending::Committed) => {
                    return Ok(Some(Flushed::Committed {
                        version: snapshot.version,
                        written: files.closed.iter().map(|file| file.size as u64).sum(),
                    }));
                }
                Next::Done(Ending::Abandoned { stored }) => {
                    tracing::warn!(
                        topic = self.topic,
                        "the flush is given up; reading again from the table's offsets"
                    );
                    return Ok(Some(Flushed::Abandoned { stored }));
                }
            }
        }
    }
}
