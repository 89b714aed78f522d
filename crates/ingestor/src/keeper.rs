//! The thread that keeps one topic's table: makes it, opens partitions in it, writes and commits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::{Fields, SchemaRef};
use crossbeam_channel::{Receiver, Sender};
use goldrecord_lake::{
    Error as LakeError, MetadataChange, Outcome, Proposal, Refusal, Snapshot, Table, TxnStep,
    WriteOptions, Writer,
};
use rdkafka::consumer::Consumer;

use crate::bronze::{self, Others};
use crate::consumer::Probe;
use crate::decode::{Field, Misfit, merge};
use crate::error::{Error, Result};
use crate::memory::Charge;
use crate::protocol::{AppId, Choice, Found, Opening, Range, Settled, Step, open, settle};
use crate::shared::{Backoff, Shared};

/// What the keeper is asked for. Jobs are done in order.
pub(crate) enum Job {
    /// Open these partitions.
    Open(Vec<i32>),
    /// Make room for these fields of the event.
    Evolve(Vec<Field>),
    /// Rows of the flush to come. Those of a generation given up are dropped.
    Push {
        generation: u64,
        batch: RecordBatch,
        charge: Charge,
    },
    /// Close the files and commit.
    Flush { generation: u64, steps: Vec<Step> },
}

/// What the keeper answers.
pub(crate) enum Reply {
    Opened(Vec<Opened>),
    Evolved(Result<SchemaRef, Misfit>),
    Flushed(Flushed),
}

/// Where a partition is to be read from.
pub(crate) struct Opened {
    pub(crate) partition: i32,
    pub(crate) epoch: i32,
    pub(crate) stored: i64,
    pub(crate) lost: Range,
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
    pub(crate) options: WriteOptions,
    pub(crate) jobs: Receiver<Job>,
    pub(crate) replies: Sender<Reply>,
}

/// The files of the flush to come.
#[derive(Default)]
struct Files {
    writer: Option<Writer>,
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
        // Rows of an older generation belong to a flush that was given up.
        let mut generation = 0;
        for job in &self.jobs {
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
                    generation: of,
                    batch,
                    charge,
                } => {
                    if of >= generation {
                        self.push(&snapshot, &mut files, batch, charge)?;
                    }
                    None
                }
                Job::Flush {
                    generation: of,
                    steps,
                } => {
                    assert_eq!(
                        of, generation,
                        "a flush of a generation given up is never asked for"
                    );
                    match self.flush(&mut snapshot, std::mem::take(&mut files), &steps)? {
                        Some(flushed) => {
                            generation += u64::from(matches!(flushed, Flushed::Abandoned { .. }));
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
        if let Some(writer) = files.writer.take() {
            // Rows that will be read again: their files may stay behind when the lake is away.
            let _ = self.shared.runtime.block_on(writer.abort());
        }
        Ok(())
    }

    /// Does `attempt` until the lake answers. `None`: the run ends first.
    fn insist<T>(&self, mut attempt: impl FnMut() -> Result<T, LakeError>) -> Result<Option<T>> {
        let mut backoff = Backoff::new();
        loop {
            match attempt() {
                Ok(done) => {
                    self.shared.wait_ends(&self.topic);
                    return Ok(Some(done));
                }
                Err(error) if error.is_unavailable() => {
                    self.shared.wait_begins(&self.topic, &error.to_string());
                    if !backoff.pause(self.shared) {
                        return Ok(None);
                    }
                }
                Err(source) => return Err(self.lake_error(source)),
            }
        }
    }

    fn lake_error(&self, source: LakeError) -> Error {
        Error::Lake {
            table: self.table.path().to_owned(),
            source: Box::new(source),
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

    fn stored(
        &self,
        snapshot: &Snapshot,
        partitions: impl Iterator<Item = i32>,
    ) -> BTreeMap<i32, (i32, i64)> {
        partitions
            .filter_map(|partition| {
                Some((
                    partition,
                    AppId::latest(&snapshot.txns, &self.cluster, &self.topic, partition)?,
                ))
            })
            .collect()
    }

    fn open(&self, snapshot: &mut Snapshot, partitions: &[i32]) -> Result<Option<Vec<Opened>>> {
        let mut bounds = BTreeMap::new();
        for partition in partitions {
            match self.bounds(*partition) {
                Some(found) => bounds.insert(*partition, found),
                None => return Ok(None),
            };
        }
        loop {
            if self.refresh(snapshot)?.is_none() {
                return Ok(None);
            }
            let stored = self.stored(snapshot, partitions.iter().copied());
            let mut opened = Vec::new();
            let mut begin = Vec::new();
            for (partition, (low, end)) in &bounds {
                let (partition, low, end) = (*partition, *low, *end);
                let topic = || self.topic.clone();
                match open(
                    Found {
                        stored: stored.get(&partition).copied(),
                        low,
                        end,
                    },
                    self.choice,
                ) {
                    Opening::Begin { epoch, at } => begin.push((partition, epoch, at)),
                    Opening::Resume {
                        epoch,
                        stored,
                        lost,
                    } => opened.push(Opened {
                        partition,
                        epoch,
                        stored,
                        lost,
                    }),
                    Opening::LogShorter { stored } => {
                        return Err(Error::LogShorter {
                            topic: topic(),
                            partition,
                            end,
                            stored,
                        });
                    }
                    Opening::OutOfRange { from } => {
                        return Err(Error::OutOfRange {
                            topic: topic(),
                            partition,
                            from,
                            low,
                        });
                    }
                }
            }
            if begin.is_empty() {
                return Ok(Some(opened));
            }
            if self.begin(snapshot, &begin)?.is_none() {
                return Ok(None);
            }
        }
    }

    /// The first and the next offset of a partition's log. `None`: the run ends first.
    fn bounds(&self, partition: i32) -> Option<(i64, i64)> {
        let mut backoff = Backoff::new();
        loop {
            match self
                .probe
                .fetch_watermarks(&self.topic, partition, Duration::from_secs(10))
            {
                Ok(bounds) => {
                    self.shared.wait_ends(&self.topic);
                    return Some(bounds);
                }
                Err(error) => {
                    self.shared
                        .wait_begins(&self.topic, &format!("Kafka at {}: {error}", self.servers));
                    if !backoff.pause(self.shared) {
                        return None;
                    }
                }
            }
        }
    }

    /// Commits where partitions begin, before anything of them is read. Whatever comes of it, the table
    /// is looked at again.
    fn begin(&self, snapshot: &mut Snapshot, partitions: &[(i32, i32, i64)]) -> Result<Option<()>> {
        fail::fail_point!("ingestor::before-begin", |_| Err(Error::Failpoint(
            "ingestor::before-begin"
        )));
        let mut rows = Others::default();
        let mut txns = Vec::new();
        for (partition, epoch, at) in partitions {
            rows.start(*partition, *epoch, *at);
            let app_id = AppId {
                cluster: self.cluster.clone(),
                topic: self.topic.clone(),
                partition: *partition,
                epoch: *epoch,
            };
            txns.push(TxnStep {
                app_id: app_id.to_string(),
                expect: None,
                next: *at,
            });
        }
        let batch = rows
            .finish(now())
            .expect("our own columns are of one length");
        let runtime = &self.shared.runtime;
        let written = self.insist(|| {
            runtime.block_on(
                self.table
                    .write(snapshot, vec![batch.clone()], &self.options),
            )
        })?;
        let Some(adds) = written else { return Ok(None) };
        let proposal = Proposal {
            operation: "START".into(),
            adds,
            txns,
            data_change: true,
            ..Proposal::default()
        };
        // An unknown outcome shows in the numbers that the caller reads next, as any other.
        match runtime.block_on(self.table.commit(snapshot, &proposal)) {
            Ok(Outcome::Committed { version }) => {
                tracing::info!(
                    topic = self.topic,
                    ?partitions,
                    version,
                    "partitions begin (partition, epoch, offset)"
                );
            }
            Ok(Outcome::Refused(refusal)) => {
                tracing::info!(topic = self.topic, %refusal, "another ingestor began partitions");
            }
            Err(error) if error.is_unavailable() => {
                self.shared.wait_begins(&self.topic, &error.to_string());
            }
            Err(source) => return Err(self.lake_error(source)),
        }
        fail::fail_point!("ingestor::after-begin", |_| Err(Error::Failpoint(
            "ingestor::after-begin"
        )));
        Ok(Some(()))
    }

    /// Adds columns. The answer is the schema now there, or what does not fit it.
    fn evolve(
        &self,
        snapshot: &mut Snapshot,
        fields: &[Field],
    ) -> Result<Option<Result<SchemaRef, Misfit>>> {
        fail::fail_point!("ingestor::before-evolve", |_| Err(Error::Failpoint(
            "ingestor::before-evolve"
        )));
        loop {
            if self.refresh(snapshot)?.is_none() {
                return Ok(None);
            }
            let current: Fields = bronze::event_fields(&snapshot.schema);
            let merged = match merge(&current, fields) {
                Ok(Some(merged)) => merged,
                Ok(None) => return Ok(Some(Ok(Arc::clone(&snapshot.schema)))),
                Err(misfit) => return Ok(Some(Err(misfit))),
            };
            let metadata = MetadataChange {
                schema: bronze::with_event_fields(&snapshot.schema, &merged),
                ..MetadataChange::of(snapshot)
            };
            let proposal = Proposal {
                operation: "ADD COLUMNS".into(),
                metadata: Some(metadata),
                ..Proposal::default()
            };
            match self
                .shared
                .runtime
                .block_on(self.table.commit(snapshot, &proposal))
            {
                Ok(Outcome::Committed { version }) => {
                    tracing::info!(
                        topic = self.topic,
                        version,
                        columns = merged.len(),
                        "the table has new columns"
                    );
                }
                // Somebody else's columns: merge with those.
                Ok(Outcome::Refused(Refusal::SchemaMoved)) => {}
                Ok(Outcome::Refused(refusal)) => return Err(self.refused(&refusal)),
                Err(LakeError::TypeChange {
                    column,
                    current,
                    wanted,
                }) => {
                    return Ok(Some(Err(Misfit(format!(
                        "field `{column}`: the table's column is {current}, not {wanted}"
                    )))));
                }
                Err(LakeError::UnsupportedType { column, why }) => {
                    return Ok(Some(Err(Misfit(format!("field `{column}`: {why}")))));
                }
                Err(error) if error.is_unavailable() => {
                    self.shared.wait_begins(&self.topic, &error.to_string());
                    if !Backoff::new().pause(self.shared) {
                        return Ok(None);
                    }
                }
                Err(source) => return Err(self.lake_error(source)),
            }
        }
    }

    fn refused(&self, refusal: &Refusal) -> Error {
        Error::Commit {
            table: self.table.path().to_owned(),
            why: refusal.to_string(),
        }
    }

    fn push(
        &self,
        snapshot: &Snapshot,
        files: &mut Files,
        batch: RecordBatch,
        charge: Charge,
    ) -> Result<()> {
        fail::fail_point!("ingestor::before-write", |_| Err(Error::Failpoint(
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
    fn flush(
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
        fail::fail_point!("ingestor::before-commit", |_| Err(Error::Failpoint(
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
                    fail::fail_point!("ingestor::after-commit", |_| Err(Error::Failpoint(
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
        let prefix = format!("{}/{}/", self.cluster, self.topic);
        let partitions = snapshot
            .txns
            .keys()
            .filter_map(|id| id.strip_prefix(&prefix)?.split('/').next()?.parse().ok());
        let stored = self.stored(snapshot, partitions);
        tracing::debug!(topic = self.topic, steps = steps.len(), "abandoned");
        Ok(Some(Flushed::Abandoned { stored }))
    }
}

/// This machine's clock in µs since 1970.
pub(crate) fn now() -> i64 {
    chrono::Utc::now().timestamp_micros()
}
