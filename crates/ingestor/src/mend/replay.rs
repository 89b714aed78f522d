//! Replay: what can be decoded by now moves from the bad rows to the events, in one commit.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::RangeInclusive;

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use arrow::datatypes::Schema;
use futures::StreamExt as _;
use goldrecord_lake::{
    AddFile, Lake, MetadataChange, Outcome, Proposal, Snapshot, WriteOptions, Writer,
};
use goldrecord_registry::Client;
use serde::Serialize;
use serde_json::json;

use super::decoder::Decoder;
use super::{Bad, Bytes, Filter, Quarantine};
use crate::bronze::{self, Events};
use crate::decode::{Fault, Misfit};
use crate::error::{Error, Result};
use crate::keeper::now;
use crate::rewrite::{bytes_of, failed, rewrite, rows_of};
use crate::settings::TopicSettings;

/// How often a replay begins anew because others changed the table.
const ATTEMPTS: u32 = 8;
/// Events go to the writer when they hold this many bytes.
const BATCH_BYTES: usize = 16 << 20;

/// What a replay does otherwise than the ingestor did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fixes {
    /// A record without an acceptable time of its own takes its Kafka timestamp: the day that it is filed under.
    pub event_time_from_kafka: bool,
    /// The events' times that are accepted, in µs since 1970, instead of the topic's.
    pub accept_times: Option<RangeInclusive<i64>>,
}

/// What a replay did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// The table's version that holds it. `None`: nothing was committed.
    pub version: Option<i64>,
    /// The bad records that were looked at.
    pub tried: u64,
    /// Those that are events now.
    pub mended: u64,
    /// Those that stay bad, by the reason of now.
    pub still_bad: BTreeMap<&'static str, u64>,
    /// Of each reason of now, the words of one record, and where it is.
    pub examples: BTreeMap<&'static str, String>,
    /// The columns that the table gets.
    pub columns: Vec<String>,
    /// Files with bad rows that go.
    pub files_removed: u64,
    /// Their bytes.
    pub bytes_removed: u64,
    /// Their other rows, which are written anew.
    pub rows_rewritten: u64,
    /// Files that come.
    pub files_added: u64,
    /// Their bytes.
    pub bytes_added: u64,
}

/// Decodes the bad records that `filter` takes again, and commits what became events. A `dry_run` only says what
/// would become of them.
///
/// Each record is in the table once, before and after, whatever happens beside it or ends it early.
pub async fn replay(
    lake: &Lake,
    registry: &Client,
    topic: &str,
    settings: &TopicSettings,
    filter: &Filter,
    fixes: &Fixes,
    dry_run: bool,
) -> Result<Replayed> {
    let mut quarantine = Quarantine::open(lake, topic).await?;
    for _ in 0..ATTEMPTS {
        let (decoder, wanted) =
            survey(&quarantine, topic, settings, filter, fixes, registry).await?;
        let mut attempt = Attempt::new(&quarantine, filter, &decoder, dry_run)?;
        if let Err(error) = attempt.decode(&wanted).await {
            attempt.give_up().await;
            return Err(error);
        }
        let (replayed, proposal) = attempt.finish().await?;
        let Some(proposal) = proposal else {
            return Ok(replayed);
        };
        fail::fail_point!("ingestor::replay-written", |_| Err(Error::Failpoint(
            "ingestor::replay-written"
        )));
        let Quarantine { table, snapshot } = &mut quarantine;
        // After an error the commit may stand all the same: the same command then finds less to do.
        match table
            .commit(snapshot, &proposal)
            .await
            .map_err(failed(table))?
        {
            Outcome::Committed { version } => {
                fail::fail_point!("ingestor::replay-committed", |_| Err(Error::Failpoint(
                    "ingestor::replay-committed"
                )));
                tracing::info!(
                    topic,
                    version,
                    mended = replayed.mended,
                    "bad records replayed"
                );
                return Ok(Replayed {
                    version: Some(version),
                    ..replayed
                });
            }
            Outcome::Refused(refusal) => {
                tracing::info!(topic, %refusal, "the replay begins anew");
                table.discard(&proposal.adds).await.map_err(failed(table))?;
            }
        }
    }
    Err(Error::Contended {
        table: quarantine.table.path().to_owned(),
        action: "replay bad records",
        attempts: ATTEMPTS,
    })
}

/// The files that hold records to be decoded, and a decoder that knows their schemas.
async fn survey(
    quarantine: &Quarantine,
    topic: &str,
    settings: &TopicSettings,
    filter: &Filter,
    fixes: &Fixes,
    registry: &Client,
) -> Result<(Decoder, Vec<AddFile>)> {
    let fields = bronze::event_fields(&quarantine.snapshot.schema);
    let mut decoder = Decoder::new(topic, settings, fixes, registry, fields, now()).await?;
    let (mut taken, mut ids) = (Vec::new(), BTreeSet::new());
    for file in quarantine.files() {
        let mut wanted = false;
        quarantine
            .each_in(file, Bytes::Read, |bad| {
                if filter.takes(bad) {
                    wanted = true;
                    ids.extend(decoder.schema_of(bad));
                }
                Ok(())
            })
            .await?;
        if wanted {
            taken.push(file.clone());
        }
    }
    decoder.learn(topic, settings, registry, &ids).await?;
    Ok((decoder, taken))
}

/// One try: what was decoded of one version of the table.
struct Attempt<'a> {
    quarantine: &'a Quarantine,
    filter: &'a Filter,
    decoder: &'a Decoder,
    /// The definition that the table shall have, where it changes.
    change: Option<MetadataChange>,
    /// The table as it shall be.
    planned: Snapshot,
    events: Events,
    /// `None`: nothing is written.
    writer: Option<Writer>,
    adds: Vec<AddFile>,
    removes: Vec<AddFile>,
    replayed: Replayed,
}

impl<'a> Attempt<'a> {
    fn new(
        quarantine: &'a Quarantine,
        filter: &'a Filter,
        decoder: &'a Decoder,
        dry_run: bool,
    ) -> Result<Self> {
        let snapshot = &quarantine.snapshot;
        let schema = bronze::with_event_fields(&snapshot.schema, decoder.fields());
        let change = (schema != snapshot.schema).then(|| MetadataChange {
            schema,
            ..MetadataChange::of(snapshot)
        });
        let planned = match &change {
            Some(change) => snapshot.planned(change),
            None => snapshot.clone(),
        };
        let events =
            Events::new(decoder.fields().clone()).map_err(|Misfit(why)| Error::Commit {
                table: quarantine.table.path().to_owned(),
                why,
            })?;
        let writer = (!dry_run).then(|| quarantine.table.writer(&planned, WriteOptions::default()));
        let replayed = Replayed {
            columns: new_columns(&snapshot.schema, &planned.schema),
            ..Replayed::default()
        };
        Ok(Self {
            quarantine,
            filter,
            decoder,
            change,
            planned,
            events,
            writer,
            adds: Vec::new(),
            removes: Vec::new(),
            replayed,
        })
    }

    /// Decodes the records of the files. Those that became events are with the writer, the rest of their files is
    /// written anew.
    async fn decode(&mut self, files: &[AddFile]) -> Result<()> {
        for file in files {
            let mended = self.decode_file(file).await?;
            if mended.is_empty() {
                continue;
            }
            let left = file.stats.num_records as u64 - mended.len() as u64;
            self.replayed.rows_rewritten += left;
            self.removes.push(file.clone());
            if self.writer.is_some() && left > 0 {
                let rest = self.rest_of(file, &mended).await?;
                self.adds.extend(rest);
            }
        }
        Ok(())
    }

    /// Decodes a file's records; the places of those that became events.
    async fn decode_file(&mut self, file: &AddFile) -> Result<HashSet<Place>> {
        let mut mended = HashSet::new();
        let table = &self.quarantine.table;
        let mut batches = self.quarantine.batches(file, Bytes::Read).await?;
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(failed(table))?;
            let rows = self.quarantine.rows(&batch)?;
            let bad = (0..batch.num_rows()).filter_map(|row| rows.get(row));
            for bad in bad.filter(|bad| self.filter.takes(bad)) {
                self.replayed.tried += 1;
                match self.decoder.decode(&bad, &mut self.events) {
                    Ok(()) => {
                        self.replayed.mended += 1;
                        mended.insert(place(&bad));
                    }
                    Err(fault) => self.replayed.stays_bad(&bad, &fault),
                }
            }
            if self.events.bytes() >= BATCH_BYTES {
                self.push_events().await?;
            }
        }
        self.push_events().await?;
        Ok(mended)
    }

    /// Hands the events decoded so far to the writer.
    async fn push_events(&mut self) -> Result<()> {
        if self.events.is_empty() {
            return Ok(());
        }
        let table = &self.quarantine.table;
        let batch = self.events.finish(now()).map_err(|error| Error::Commit {
            table: table.path().to_owned(),
            why: error.to_string(),
        })?;
        match &mut self.writer {
            Some(writer) => writer.push(batch).await.map_err(failed(table)),
            None => Ok(()),
        }
    }

    /// A file without the records that became events.
    async fn rest_of(&self, file: &AddFile, mended: &HashSet<Place>) -> Result<Option<AddFile>> {
        let Quarantine { table, snapshot } = self.quarantine;
        let differ = |why: String| Error::RowsDiffer {
            table: table.path().to_owned(),
            why,
        };
        let dropped = mended.len() as u64;
        rewrite(table, snapshot, &self.planned, file, dropped, |batch| {
            let rows = self.quarantine.rows(&batch)?;
            let keep: BooleanArray = (0..batch.num_rows())
                .map(|row| {
                    Some(
                        !rows
                            .get(row)
                            .is_some_and(|bad| mended.contains(&place(&bad))),
                    )
                })
                .collect();
            filter_record_batch(&batch, &keep).map_err(|error| differ(error.to_string()))
        })
        .await
    }

    /// Closes the files: what was done, and the commit that does it, if there is anything to commit.
    async fn finish(mut self) -> Result<(Replayed, Option<Proposal>)> {
        let mut replayed = std::mem::take(&mut self.replayed);
        replayed.files_removed = self.removes.len() as u64;
        replayed.bytes_removed = bytes_of(&self.removes);
        if replayed.mended == 0 {
            replayed.columns.clear();
            self.give_up().await;
            return Ok((replayed, None));
        }
        let Some(writer) = self.writer else {
            return Ok((replayed, None));
        };
        let table = &self.quarantine.table;
        self.adds
            .extend(writer.finish().await.map_err(failed(table))?);
        let (before, after) = (rows_of(&self.removes), rows_of(&self.adds));
        if before != after {
            table.discard(&self.adds).await.map_err(failed(table))?;
            return Err(Error::RowsDiffer {
                table: table.path().to_owned(),
                why: format!("{before} rows were replayed and {after} came of it"),
            });
        }
        replayed.files_added = self.adds.len() as u64;
        replayed.bytes_added = bytes_of(&self.adds);
        let proposal = Proposal {
            operation: "REPLAY".to_owned(),
            adds: self.adds,
            removes: self.removes.into_iter().map(|file| file.path).collect(),
            metadata: self.change,
            data_change: true,
            info: [("mended".to_owned(), json!(replayed.mended))].into(),
            ..Proposal::default()
        };
        Ok((replayed, Some(proposal)))
    }

    /// Deletes what was written. What cannot be deleted is cleaned up in time: no version names it.
    async fn give_up(self) {
        if let Some(writer) = self.writer {
            let _ = writer.abort().await;
        }
        let _ = self.quarantine.table.discard(&self.adds).await;
    }
}

impl Replayed {
    fn stays_bad(&mut self, bad: &Bad<'_>, fault: &Fault) {
        let code = fault.code.name();
        *self.still_bad.entry(code).or_default() += 1;
        self.examples
            .entry(code)
            .or_insert_with(|| format!("{}/{}: {}", bad.partition, bad.offset, fault.text));
    }
}

/// Where a record is: partition, epoch, offset.
type Place = (i32, i32, i64);

fn place(bad: &Bad<'_>) -> Place {
    (bad.partition, bad.epoch, bad.offset)
}

fn new_columns(before: &Schema, after: &Schema) -> Vec<String> {
    let new = after.fields().iter();
    new.filter(|field| before.field_with_name(field.name()).is_err())
        .map(|field| field.name().clone())
        .collect()
}
