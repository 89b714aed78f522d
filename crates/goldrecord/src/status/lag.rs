//! How far bronze is behind each topic.

use std::collections::BTreeMap;

use comfy_table::{CellAlignment, Table, presets};
use goldrecord_ingestor::offsets::{Broker, next_offsets};
use goldrecord_ingestor::{Finder, Settings};
use goldrecord_lake::Lake;
use goldrecord_service::Config;
use serde::Serialize;

use super::Topics;
use crate::Result;
use crate::output::thousands;

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

/// Ask the brokers for every topic that the configuration names or finds. Brokers that do not answer are not an
/// error: the tables are there all the same.
pub async fn of_topics(lake: &Lake, config: &Config) -> Result<Topics> {
    let settings = Settings::load(config)?;
    let (finder, broker) = (Finder::new(&settings)?, Broker::new(&settings)?);
    let there = if finder.has_patterns() {
        match broker.topics().await {
            Ok(there) => there,
            Err(error) => return Ok(Topics::Unknown(error.to_string())),
        }
    } else {
        Vec::new()
    };
    let mut topics = Vec::new();
    for topic in finder.among(&there).into_keys() {
        let next = next_offsets(lake, &topic).await?;
        match partitions(&broker, &topic, &next).await {
            Ok(partitions) => topics.push(TopicLag { topic, partitions }),
            Err(error) => return Ok(Topics::Unknown(error.to_string())),
        }
    }
    Ok(Topics::Known(topics))
}

async fn partitions(
    broker: &Broker,
    topic: &str,
    next: &BTreeMap<i32, i64>,
) -> Result<Vec<PartitionLag>> {
    let mut partitions = Vec::new();
    for partition in broker.partitions(topic).await? {
        let (low, end) = broker.bounds(topic, partition).await?;
        let next = next.get(&partition).copied();
        partitions.push(PartitionLag {
            partition,
            end,
            next,
            lag: (end - next.unwrap_or(low)).max(0),
        });
    }
    Ok(partitions)
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
