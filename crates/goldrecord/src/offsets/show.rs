//! Where each partition is read.

use comfy_table::{CellAlignment, Table, presets};
use goldrecord_ingestor::offsets::{Broker, Position, positions};
use goldrecord_lake::Lake;
use serde::Serialize;

use crate::Result;
use crate::quarantine::topics_of;

/// Every partition's epochs; the shape of `--json`.
#[derive(Debug, Serialize)]
pub struct Offsets {
    partitions: Vec<Partition>,
    /// Why Kafka's side is not known, if it is not.
    kafka: Option<String>,
}

#[derive(Debug, Serialize)]
struct Partition {
    #[serde(flatten)]
    position: Position,
    /// The first offset that Kafka has, and the one after the last.
    low: Option<i64>,
    end: Option<i64>,
    /// What Kafka has from the next offset on.
    lag: Option<i64>,
}

/// Ask the tables and Kafka. A Kafka that is away is no error: the tables know where they are.
pub async fn ask(lake: &Lake, broker: &Broker, topics: &[String]) -> Result<Offsets> {
    let mut offsets = Offsets {
        partitions: Vec::new(),
        kafka: None,
    };
    let topics = match topics {
        [] => topics_of(lake).await?,
        named => named.to_vec(),
    };
    for topic in topics {
        for position in positions(lake, &topic).await? {
            let mut partition = Partition {
                low: None,
                end: None,
                lag: None,
                position,
            };
            if partition.position.is_latest && offsets.kafka.is_none() {
                match broker.bounds(&topic, partition.position.partition).await {
                    Ok((low, end)) => {
                        let lag = end - partition.position.next.max(low);
                        (partition.low, partition.end) = (Some(low), Some(end));
                        partition.lag = Some(lag.max(0));
                    }
                    Err(error) => offsets.kafka = Some(error.to_string()),
                }
            }
            offsets.partitions.push(partition);
        }
    }
    Ok(offsets)
}

impl Offsets {
    /// For a terminal.
    pub fn text(&self) -> String {
        let mut table = Table::new();
        table
            .load_preset(presets::UTF8_HORIZONTAL_ONLY)
            .set_header([
                "topic",
                "partition",
                "epoch",
                "start",
                "next",
                "Kafka from",
                "Kafka to",
                "lag",
            ]);
        let or_dash =
            |number: Option<i64>| number.map_or("–".to_owned(), |number| number.to_string());
        for partition in &self.partitions {
            let position = &partition.position;
            table.add_row([
                position.topic.clone(),
                position.partition.to_string(),
                position.epoch.to_string(),
                or_dash(position.start),
                position.next.to_string(),
                or_dash(partition.low),
                or_dash(partition.end),
                or_dash(partition.lag),
            ]);
        }
        for index in 1..8 {
            if let Some(column) = table.column_mut(index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        match &self.kafka {
            Some(why) => format!("{table}\n{why}"),
            None => table.to_string(),
        }
    }
}
