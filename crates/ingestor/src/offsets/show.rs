//! Where a topic's partitions stand in its table.

use std::collections::BTreeMap;

use goldrecord_lake::{Lake, Snapshot};
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
    let mut positions = known(&snapshot, topic);
    for position in &mut positions {
        let epoch = (position.partition, position.epoch);
        position.start = starts.get(&epoch).copied();
    }
    Ok(positions)
}

/// The offset to be read next of each partition in the table of a topic; none, where there is no table. Reads the log
/// alone, and no rows.
pub async fn next_offsets(lake: &Lake, topic: &str) -> Result<BTreeMap<i32, i64>> {
    let table = lake.table(&bronze::path(topic));
    let snapshot = table.latest().await.map_err(failed(&table))?;
    let known = snapshot.map(|snapshot| known(&snapshot, topic));
    let latest = known.into_iter().flatten().filter(|known| known.is_latest);
    Ok(latest
        .map(|position| (position.partition, position.next))
        .collect())
}

/// What the log says of each partition's epochs, in order: not where they began.
fn known(snapshot: &Snapshot, topic: &str) -> Vec<Position> {
    let ids = snapshot.txns.iter();
    let mut positions: Vec<Position> = ids
        .filter_map(|(id, next)| {
            let id = AppId::parse(id).filter(|id| id.topic == topic)?;
            Some(Position {
                start: None,
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
    positions
}
