//! What Kafka is asked before offsets move. The answers never move one by themselves.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::metadata::{MetadataPartition, MetadataTopic};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::consumer::{self, Probe};
use crate::error::{Error, Result};
use crate::reading::existing;
use crate::settings::Settings;

/// How long the brokers have to answer each question.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client of the brokers that is in no group. Cheap to clone.
#[derive(Clone)]
pub struct Broker {
    probe: Arc<Probe>,
    servers: Arc<str>,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker")
            .field("servers", &self.servers)
            .finish_non_exhaustive()
    }
}

impl Broker {
    /// A client of the settings' brokers. Nothing is asked yet.
    pub fn new(settings: &Settings) -> Result<Self> {
        Ok(Self {
            probe: Arc::new(consumer::probe(settings)?),
            servers: settings.bootstrap_servers.as_str().into(),
        })
    }

    /// Kafka's id of the cluster.
    pub async fn cluster(&self) -> Result<String> {
        self.ask("learn the cluster's id", |probe| {
            let id = probe.client().fetch_cluster_id(PATIENCE);
            id.ok_or(KafkaError::Canceled)
        })
        .await
    }

    /// The names of all topics.
    pub async fn topics(&self) -> Result<Vec<String>> {
        self.ask("list the topics", |probe| {
            let metadata = probe.fetch_metadata(None, PATIENCE)?;
            Ok(existing(metadata.topics()).map(str::to_owned).collect())
        })
        .await
    }

    /// The partitions of a topic; none, where there is no such topic.
    pub async fn partitions(&self, topic: &str) -> Result<Vec<i32>> {
        let topic = topic.to_owned();
        self.ask("list a topic's partitions", move |probe| {
            let metadata = probe.fetch_metadata(Some(&topic), PATIENCE)?;
            let partitions = metadata.topics().iter().flat_map(MetadataTopic::partitions);
            let mut ids: Vec<i32> = partitions.map(MetadataPartition::id).collect();
            ids.sort_unstable();
            Ok(ids)
        })
        .await
    }

    /// The first offset that Kafka has of a partition, and the one after the last.
    pub async fn bounds(&self, topic: &str, partition: i32) -> Result<(i64, i64)> {
        let topic = topic.to_owned();
        self.ask("ask for a partition's offsets", move |probe| {
            probe.fetch_watermarks(&topic, partition, PATIENCE)
        })
        .await
    }

    /// The offset of the first record produced at or after a moment, in ms since 1970. `None`: there is none.
    pub async fn at_time(&self, topic: &str, partition: i32, moment: i64) -> Result<Option<i64>> {
        let topic = topic.to_owned();
        self.ask("look an offset up by time", move |probe| {
            let mut wanted = TopicPartitionList::new();
            wanted.add_partition_offset(&topic, partition, Offset::Offset(moment))?;
            let found = probe.offsets_for_times(wanted, PATIENCE)?;
            let found = found.elements_for_topic(&topic);
            let Some(element) = found.first() else {
                return Ok(None);
            };
            element.error()?;
            Ok(match element.offset() {
                Offset::Offset(offset) if offset >= 0 => Some(offset),
                _ => None,
            })
        })
        .await
    }

    /// Asks on a thread that may wait.
    async fn ask<T: Send + 'static>(
        &self,
        action: &'static str,
        question: impl FnOnce(&Probe) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T> {
        let probe = Arc::clone(&self.probe);
        let asked = tokio::task::spawn_blocking(move || {
            let answer = question(&probe);
            answer.map_err(|error| (error, consumer::complaint(&probe)))
        });
        match asked.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err((source, complaint))) => Err(Error::NoAnswer {
                servers: self.servers.to_string(),
                action,
                why: complaint.unwrap_or_else(|| source.to_string()),
            }),
            Err(panic) => Err(Error::Thread(panic.to_string())),
        }
    }
}
