//! Opening partitions: where each is read on from, or begins.

use std::collections::BTreeMap;
use std::time::Duration;

use goldrecord_lake::{Outcome, Proposal, Snapshot, TxnStep};
use rdkafka::consumer::Consumer;

use super::{Keeper, Opened, now};
use crate::bronze::Others;
use crate::error::{Error, Result};
use crate::protocol::{AppId, Found, Opening, open};
use crate::shared::Backoff;

impl Keeper<'_> {
    pub(super) fn open(
        &self,
        snapshot: &mut Snapshot,
        partitions: &[i32],
    ) -> Result<Option<Vec<Opened>>> {
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
}
