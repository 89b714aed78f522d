//! The files of a flush, and the commit that brings them into the table.

use std::collections::VecDeque;

use arrow::array::RecordBatch;
use goldrecord_lake::{Error as LakeError, Outcome, Proposal, Refusal, Snapshot, TxnStep, Writer};

use super::{Flushed, Keeper};
use crate::error::Result;
use crate::memory::Charge;
use crate::protocol::{AppId, Settled, Step, settle};
use crate::shared::Backoff;

/// The files of the flush to come.
#[derive(Default)]
pub(super) struct Files {
    pub(super) writer: Option<Writer>,
    /// What waits in the writer, oldest first.
    waiting: VecDeque<Charge>,
    /// What the encoders hold; an estimate.
    encoded: Vec<Charge>,
    /// A write failed: what was pushed is lost and must be read again.
    lost: Option<String>,
}

/// Parquet's encoders hold about this part of what was pushed.
const ENCODED_PART: usize = 4;

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
        if files.lost.is_some() {
            return Ok(());
        }
        let writer = files
            .writer
            .get_or_insert_with(|| self.table.writer(snapshot, self.options.clone()));
        match self.shared.runtime.block_on(writer.push(batch)) {
            Ok(()) => {
                files.waiting.push_back(charge);
                while files.waiting.iter().map(Charge::bytes).sum::<usize>()
                    > self.options.total_buffer_bytes
                    && let Some(mut charge) = files.waiting.pop_front()
                {
                    charge.set(charge.bytes() / ENCODED_PART);
                    files.encoded.push(charge);
                }
            }
            Err(error) if error.is_unavailable() => self.lose(files, &error),
            Err(source) => return Err(self.lake_error(source)),
        }
        Ok(())
    }

    /// What was written so far cannot become a whole file: it is read from Kafka again.
    fn lose(&self, files: &mut Files, error: &LakeError) {
        self.shared.wait_begins(&self.topic, &error.to_string());
        files.lost = Some(error.to_string());
        files.writer = None;
        files.waiting.clear();
        files.encoded.clear();
    }

    /// Commits what was pushed. `None`: the run ends first.
    pub(super) fn flush(
        &self,
        snapshot: &mut Snapshot,
        mut files: Files,
        steps: &[Step],
    ) -> Result<Option<Flushed>> {
        let runtime = &self.shared.runtime;
        let mut adds = Vec::new();
        if let Some(writer) = files.writer.take() {
            match runtime.block_on(writer.finish()) {
                Ok(written) => adds = written,
                Err(error) if error.is_unavailable() => self.lose(&mut files, &error),
                Err(source) => return Err(self.lake_error(source)),
            }
        }
        if files.lost.is_some() {
            return self.abandon(snapshot, steps);
        }
        fail::fail_point!("ingestor::before-commit", |_| Err(crate::Error::Failpoint(
            "ingestor::before-commit"
        )));
        let written = adds.iter().map(|file| file.size as u64).sum();
        let proposal = Proposal {
            operation: "WRITE".into(),
            adds,
            txns: steps
                .iter()
                .map(|step| TxnStep {
                    app_id: step.app_id.to_string(),
                    expect: Some(step.range.start),
                    next: step.range.end,
                })
                .collect(),
            data_change: true,
            ..Proposal::default()
        };
        let mut backoff = Backoff::new();
        // Whether a commit was sent whose outcome is not known: then its files may be in the table.
        let mut unknown = false;
        loop {
            match runtime.block_on(self.table.commit(snapshot, &proposal)) {
                Ok(Outcome::Committed { version }) => {
                    fail::fail_point!("ingestor::after-commit", |_| Err(crate::Error::Failpoint(
                        "ingestor::after-commit"
                    )));
                    self.shared.wait_ends(&self.topic);
                    return Ok(Some(Flushed::Committed { version, written }));
                }
                Ok(Outcome::Refused(refusal @ Refusal::Txn { .. })) => {
                    if unknown && settle(steps, &snapshot.txns) == Settled::Applied {
                        return Ok(Some(Flushed::Committed {
                            version: snapshot.version,
                            written,
                        }));
                    }
                    tracing::warn!(topic = self.topic, %refusal, "the flush is abandoned; reading again from the table's offsets");
                    if !unknown {
                        // Files that no version names cost space only: they may stay when the lake is away.
                        let _ = runtime.block_on(self.table.discard(&proposal.adds));
                    }
                    return self.abandon(snapshot, steps);
                }
                // Columns that others added do not concern our files; the snapshot is the new one.
                Ok(Outcome::Refused(Refusal::SchemaMoved)) => {}
                Ok(Outcome::Refused(refusal)) => return Err(self.refused(&refusal)),
                Err(error) if error.is_unavailable() => {
                    unknown = true;
                    self.shared.wait_begins(&self.topic, &error.to_string());
                    if !backoff.pause(self.shared) || self.refresh(snapshot)?.is_none() {
                        return Ok(None);
                    }
                    match settle(steps, &snapshot.txns) {
                        Settled::Applied => {
                            return Ok(Some(Flushed::Committed {
                                version: snapshot.version,
                                written,
                            }));
                        }
                        Settled::Pending => {}
                        Settled::Lost => return self.abandon(snapshot, steps),
                    }
                }
                Err(source) => return Err(self.lake_error(source)),
            }
        }
    }

    fn abandon(&self, snapshot: &mut Snapshot, steps: &[Step]) -> Result<Option<Flushed>> {
        if self.refresh(snapshot)?.is_none() {
            return Ok(None);
        }
        let partitions = snapshot
            .txns
            .keys()
            .filter_map(|id| AppId::parse(id))
            .filter(|id| id.cluster == self.cluster && id.topic == self.topic)
            .map(|id| id.partition);
        let stored = self.stored(snapshot, partitions);
        tracing::debug!(topic = self.topic, steps = steps.len(), "abandoned");
        Ok(Some(Flushed::Abandoned { stored }))
    }
}
