//! How far the tables are: the offsets that their logs hold, and what they still lack.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use goldrecord_lake::{Lake, Snapshot, Table};
use tokio::runtime::Handle;

use crate::error::{Error, Result};

/// The next offset of each topic's partition.
pub type Offsets = BTreeMap<(String, i32), i64>;

/// A partition that is not where it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The table's next offset; none before the partition was ever opened.
    pub stored: Option<i64>,
    /// The offset that it should have reached.
    pub wanted: i64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            topic,
            partition,
            stored,
            wanted,
        } = self;
        match stored {
            Some(stored) => write!(f, "{topic}/{partition} is at {stored} of {wanted}"),
            None => write!(f, "{topic}/{partition} was never opened ({wanted} wanted)"),
        }
    }
}

/// Which partitions have not reached what is wanted.
pub fn behind(stored: &Offsets, wanted: &Offsets) -> Vec<Place> {
    wanted
        .iter()
        .filter_map(|((topic, partition), wanted)| {
            let found = stored.get(&(topic.clone(), *partition)).copied();
            (found < Some(*wanted)).then(|| Place {
                topic: topic.clone(),
                partition: *partition,
                stored: found,
                wanted: *wanted,
            })
        })
        .collect()
}

/// The partition that a transaction's id `<cluster>/<topic>/<partition>/<epoch>` stands for.
fn partition_of(id: &str) -> Option<(String, i32)> {
    let mut parts = id.rsplitn(4, '/').skip(1);
    let partition = parts.next()?.parse().ok()?;
    let topic = parts.next()?.to_owned();
    parts.next().map(|_cluster| (topic, partition))
}

/// A reader of the tables' logs.
pub struct Watch {
    runtime: Handle,
    tables: Vec<(Table, Option<Snapshot>)>,
}

/// How long one look at a table may take: HDFS may be down or frozen.
const LOOK: Duration = Duration::from_secs(10);

impl Watch {
    /// A reader of the topics' tables in the lake at `url`.
    pub fn new(runtime: Handle, url: &str, topics: &[&str]) -> Result<Self> {
        let lake = Lake::open(url).map_err(|source| Error::Lake {
            url: url.to_owned(),
            source: Box::new(source),
        })?;
        let tables = topics
            .iter()
            .map(|topic| (lake.table(&format!("bronze/{topic}")), None))
            .collect();
        Ok(Self { runtime, tables })
    }

    /// The offsets as the tables have them now, or had them when HDFS last answered.
    pub fn look(&mut self) -> Offsets {
        for (table, snapshot) in &mut self.tables {
            let latest = async {
                match &*snapshot {
                    Some(known) => table.refresh(known).await.map(Some),
                    None => table.latest().await,
                }
            };
            // What keeps HDFS from answering is a fault of ours; the next look tells.
            let looked = self
                .runtime
                .block_on(async { tokio::time::timeout(LOOK, latest).await });
            if let Ok(Ok(Some(found))) = looked {
                *snapshot = Some(found);
            }
        }
        let snapshots = self.tables.iter().filter_map(|(_, found)| found.as_ref());
        snapshots
            .flat_map(|snapshot| snapshot.txns.iter())
            .filter_map(|(id, next)| Some((partition_of(id)?, *next)))
            .collect()
    }

    /// How many commits the tables have, as of the last look.
    pub fn commits(&self) -> i64 {
        let snapshots = self.tables.iter().filter_map(|(_, found)| found.as_ref());
        snapshots.map(|snapshot| snapshot.version + 1).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(list: &[(i32, i64)]) -> Offsets {
        list.iter()
            .map(|(partition, next)| (("t".to_owned(), *partition), *next))
            .collect()
    }

    #[test]
    fn a_partition_is_behind_until_it_has_all() {
        let wanted = offsets(&[(0, 5), (1, 5), (2, 5)]);
        let behind = behind(&offsets(&[(0, 5), (1, 4)]), &wanted);
        let text: Vec<String> = behind.iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            ["t/1 is at 4 of 5", "t/2 was never opened (5 wanted)"]
        );
    }

    #[test]
    fn ids_that_are_no_partitions_are_passed_over() {
        assert_eq!(
            partition_of("MkU3OEVBNTcwNTJENDM2Qk/listen_events/7/0"),
            Some(("listen_events".to_owned(), 7))
        );
        assert_eq!(partition_of("layers/build"), None);
        assert_eq!(partition_of("listen_events/7/0"), None);
    }
}
