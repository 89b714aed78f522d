//! Where a topic's partitions stand in its table.

use goldrecord_lake::Lake;
use serde::Serialize;

use super::found::starts;
use crate::bronze;
use crate::error::Result;
use crate::protocol::AppId;
use crate::rewrite::failed;

/// A partition's epoch in a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Position {
    /// Kafka's id of the cluster.
    pub cluster: String,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Its epoch.
    pub epoch: i32,
    /// Whether it is the partition's latest: the one that is read.
    pub is_latest: bool,
    /// Where it began, if a row says so.
    pub start: Option<i64>,
    /// The offset to be read next; of a former epoch, where it ended.
    pub next: i64,
}

/// Every partition's epochs in the table of a topic, in order; none, where there is no table.
pub async fn positions(lake: &Lake, topic: &str) -> Result<Vec<Position>> {
    let table = lake.table(&bronze::path(topic));
    let Some(snapshot) = table.latest().await.map_err(failed(&table))? else {
        return Ok(Vec::new());
    };
    let starts = starts(&table, &snapshot).await?;
    let ids = snapshot.txns.iter();
    let mut positions: Vec<Position> = ids
        .filter_map(|(id, next)| {
            let id = AppId::parse(id).filter(|id| id.topic == topic)?;
            Some(Position {
                start: starts.get(&(id.partition, id.epoch)).copied(),
                is_latest: snapshot.txn(&id.next_epoch().to_string()).is_none(),
                cluster: id.cluster,
                topic: id.topic,
                partition: id.partition,
                epoch: id.epoch,
                next: *next,
            })
        })
        .collect();
    positions.sort_by(|a, b| {
        let of = |position: &Position| (position.partition, position.epoch);
        (&a.cluster, of(a)).cmp(&(&b.cluster, of(b)))
    });
    Ok(positions)
}
