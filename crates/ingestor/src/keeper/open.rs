//! Opening partitions: where each is read on from, or begins.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use goldrecord_lake::{Outcome, Snapshot};
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::metadata::{MetadataPartition, MetadataTopic};

use super::{Keeper, now};
use crate::bronze::Others;
use crate::consumer::Probe;
use crate::error::{Error, Result};
use crate::metrics::Server;
use crate::protocol::{Beginning, Look, Opened, Opener, Whose};
use crate::shared::Backoff;

/// How long each question waits for the brokers.
const PATIENCE: Duration = Duration::from_secs(10);

impl Keeper<'_> {
    pub(super) fn open(
        &self,
        snapshot: &mut Snapshot,
        partitions: &[i32],
    ) -> Result<Option<Vec<Opened>>> {
        let mut opener = Opener::new(&self.cluster, &self.topic, partitions, self.choice);
        loop {
            match opener.next() {
                Look::Table => {
                    if self.refresh(snapshot)?.is_none() {
                        return Ok(None);
                    }
                    opener.table(&snapshot.txns);
                }
                Look::Bounds(whose) => {
                    let asked: BTreeSet<i32> = match whose {
                        Whose::Ours => partitions.iter().copied().collect(),
                        Whose::All => {
                            let Some(all) = self.partitions() else {
                                return Ok(None);
                            };
                            all.into_iter().chain(partitions.iter().copied()).collect()
                        }
                    };
                    let mut bounds = BTreeMap::new();
                    for partition in asked {
                        let Some(found) = self.bounds(partition) else {
                            return Ok(None);
                        };
                        bounds.insert(partition, found);
                    }
                    opener.bounds(&bounds);
                }
                Look::Begin(beginnings) => {
                    if self.begin(snapshot, &beginnings)?.is_none() {
                        return Ok(None);
                    }
                    opener.begun();
                }
                Look::Done(places) => return Ok(Some(places)),
                Look::LogShorter {
                    partition,
                    stored,
                    end,
                } => {
                    return Err(Error::LogShorter {
                        topic: self.topic.clone(),
                        partition,
                        end,
                        stored,
                    });
                }
                Look::OutOfRange {
                    partition,
                    from,
                    low,
                } => {
                    return Err(Error::OutOfRange {
                        topic: self.topic.clone(),
                        partition,
                        from,
                        low,
                    });
                }
            }
        }
    }

    /// The first and the next offset of a partition's log. `None`: the run ends first.
    fn bounds(&self, partition: i32) -> Option<(i64, i64)> {
        self.ask(|probe| probe.fetch_watermarks(&self.topic, partition, PATIENCE))
    }

    /// The partitions that the topic has. `None`: the run ends first.
    fn partitions(&self) -> Option<Vec<i32>> {
        self.ask(|probe| {
            let metadata = probe.fetch_metadata(Some(&self.topic), PATIENCE)?;
            if let Some(error) = metadata.topics().iter().find_map(MetadataTopic::error) {
                return Err(KafkaError::MetadataFetch(error.into()));
            }
            let partitions = metadata.topics().iter().flat_map(MetadataTopic::partitions);
            Ok(partitions.map(MetadataPartition::id).collect())
        })
    }

    /// Asks the brokers until they answer. `None`: the run ends first.
    fn ask<T>(&self, question: impl Fn(&Probe) -> KafkaResult<T>) -> Option<T> {
        let mut backoff = Backoff::new();
        loop {
            match question(&self.probe) {
                Ok(answer) => {
                    self.shared.wait_ends(Server::Kafka, &self.topic);
                    return Some(answer);
                }
                Err(error) => {
                    self.shared.wait_begins(
                        Server::Kafka,
                        &self.topic,
                        &format!("Kafka at {}: {error}", self.servers),
                    );
                    if !backoff.pause(self.shared) {
                        return None;
                    }
                }
            }
        }
    }

    /// Commits where partitions begin, before anything of them is read. Whatever comes of it, the table
    /// is looked at again.
    fn begin(&self, snapshot: &mut Snapshot, beginnings: &[Beginning]) -> Result<Option<()>> {
        fail::fail_point!("ingestor::before-begin", |_| Err(Error::Failpoint(
            "ingestor::before-begin"
        )));
        let mut rows = Others::default();
        for Beginning { app_id, at } in beginnings {
            rows.start(app_id.partition, app_id.epoch, *at);
        }
        let batch = rows
            .finish(now())
            .expect("our own columns are of one length");
        let runtime = &self.shared.runtime;
        let written = self.insist(|| {
            let options = self.options();
            runtime.block_on(self.table.write(snapshot, vec![batch.clone()], &options))
        })?;
        let Some(adds) = written else { return Ok(None) };
        let proposal = Opener::beginning(beginnings, adds);
        // An unknown outcome shows in the numbers that the caller reads next, as any other.
        match runtime.block_on(self.table.commit(snapshot, &proposal)) {
            Ok(Outcome::Committed { version }) => {
                tracing::info!(topic = self.topic, ?beginnings, version, "partitions begin");
            }
            Ok(Outcome::Refused(refusal)) => {
                tracing::info!(topic = self.topic, %refusal, "another ingestor began partitions");
            }
            Err(error) if error.is_unavailable() => {
                self.shared
                    .wait_begins(Server::Lake, &self.topic, &error.to_string());
            }
            Err(source) => return Err(self.lake_error(source)),
        }
        fail::fail_point!("ingestor::after-begin", |_| Err(Error::Failpoint(
            "ingestor::after-begin"
        )));
        Ok(Some(()))
    }
}
