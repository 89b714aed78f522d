//! How far bronze is behind each topic.

use std::collections::BTreeMap;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use goldrecord_ingestor::protocol::AppId;
use goldrecord_lake::Lake;
use goldrecord_service::Config;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::metadata::MetadataTopic;
use serde::Serialize;

use super::Topics;
use crate::clients::Brokers;
use crate::output::thousands;
use crate::{Error, Result};

/// How long the brokers have to answer each question.
const PATIENCE: Duration = Duration::from_secs(5);

/// A topic's lag: what the brokers hold and bronze does not yet.
#[derive(Debug, Serialize)]
pub struct TopicLag {
    /// The topic.
    pub topic: String,
    /// Per partition, in order.
    pub partitions: Vec<PartitionLag>,
}

/// A partition's lag.
#[derive(Debug, Serialize)]
pub struct PartitionLag {
    /// The partition.
    pub partition: i32,
    /// The end of the broker's log.
    pub end: i64,
    /// The next offset that bronze will read, if it has begun.
    pub next: Option<i64>,
    /// Records between both; all that the broker still has, if bronze has not begun.
    pub lag: i64,
}

/// Ask the brokers for every configured topic. Brokers that do not answer are not an error: the
/// tables are there all the same.
pub async fn of_topics(lake: &Lake, config: &Config) -> Result<Topics> {
    let mut offsets = BTreeMap::new();
    for topic in &config.ingestor.topics {
        offsets.insert(topic.clone(), next_offsets(lake, topic).await?);
    }
    let brokers = Brokers::of(&config.kafka)?;
    let asked = tokio::task::spawn_blocking(move || ask(&brokers, &offsets)).await;
    Ok(
        match asked
            .map_err(|error| Error::Refused(error.to_string()))
            .flatten()
        {
            Ok(topics) => Topics::Known(topics),
            Err(error) => Topics::Unknown(error.to_string()),
        },
    )
}

/// The next offset of each partition's newest epoch.
async fn next_offsets(lake: &Lake, topic: &str) -> Result<BTreeMap<i32, i64>> {
    let Some(snapshot) = lake.table(&format!("bronze/{topic}")).latest().await? else {
        return Ok(BTreeMap::new());
    };
    let mut newest: BTreeMap<i32, (i32, i64)> = BTreeMap::new();
    for (id, next) in snapshot.txns.iter() {
        if let Some(id) = AppId::parse(id) {
            let entry = newest.entry(id.partition).or_insert((id.epoch, *next));
            if id.epoch >= entry.0 {
                *entry = (id.epoch, *next);
            }
        }
    }
    Ok(newest
        .into_iter()
        .map(|(partition, (_, next))| (partition, next))
        .collect())
}

fn ask(brokers: &Brokers, offsets: &BTreeMap<String, BTreeMap<i32, i64>>) -> Result<Vec<TopicLag>> {
    let failed = |error: rdkafka::error::KafkaError| {
        brokers.failed(&format!(
            "{error}; is the broker running and [kafka] bootstrap_servers right?"
        ))
    };
    let consumer: BaseConsumer = brokers
        .client()
        .set("group.id", "goldrecord-status")
        .set("log_level", "0")
        .create()
        .map_err(failed)?;
    let mut topics = Vec::new();
    for (topic, next) in offsets {
        let metadata = consumer
            .fetch_metadata(Some(topic), PATIENCE)
            .map_err(failed)?;
        let mut partitions = Vec::new();
        for partition in metadata.topics().iter().flat_map(MetadataTopic::partitions) {
            let (low, end) = consumer
                .fetch_watermarks(topic, partition.id(), PATIENCE)
                .map_err(failed)?;
            let next = next.get(&partition.id()).copied();
            partitions.push(PartitionLag {
                partition: partition.id(),
                end,
                next,
                lag: (end - next.unwrap_or(low)).max(0),
            });
        }
        partitions.sort_by_key(|partition| partition.partition);
        topics.push(TopicLag {
            topic: topic.clone(),
            partitions,
        });
    }
    Ok(topics)
}

/// One line a topic.
pub fn table(topics: &[TopicLag]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .set_header(["topic", "partitions", "records sent", "lag"]);
    for topic in topics {
        let end: i64 = topic.partitions.iter().map(|partition| partition.end).sum();
        let lag: i64 = topic.partitions.iter().map(|partition| partition.lag).sum();
        table.add_row([
            topic.topic.clone(),
            topic.partitions.len().to_string(),
            thousands(end.max(0) as u64),
            thousands(lag.max(0) as u64),
        ]);
    }
    for index in 1..4 {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
