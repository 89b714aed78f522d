//! Ranges of offsets, and the name under which a table keeps a partition's.

use std::collections::BTreeMap;
use std::fmt;

/// Offsets from `start` up to but not including `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    /// The first offset.
    pub start: i64,
    /// The offset after the last.
    pub end: i64,
}

impl Range {
    /// The number of offsets.
    pub fn len(self) -> u64 {
        assert!(
            self.start <= self.end,
            "a range ends where it begins or later: {self:?}"
        );
        (self.end - self.start) as u64
    }

    /// Whether it holds no offset.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// The transaction id of a partition's offset: `<cluster id>/<topic>/<partition>/<epoch>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AppId {
    /// Kafka's id of the cluster.
    pub cluster: String,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Counts how often the topic was made anew, from 0.
    pub epoch: i32,
}

impl fmt::Display for AppId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}/{}/{}/{}",
            self.cluster, self.topic, self.partition, self.epoch
        )
    }
}

impl AppId {
    /// Reads one of a table's ids. `None`: it is no partition's, but of somebody else who wrote.
    pub fn parse(id: &str) -> Option<Self> {
        // Neither a topic's name nor a cluster's id holds a slash.
        let mut parts = id.rsplitn(4, '/');
        let epoch = parts.next()?.parse().ok()?;
        let partition = parts.next()?.parse().ok()?;
        let topic = parts.next()?.to_owned();
        let cluster = parts.next()?.to_owned();
        Some(Self {
            cluster,
            topic,
            partition,
            epoch,
        })
    }

    /// The same partition's name once its topic was made anew.
    #[must_use]
    pub fn next_epoch(&self) -> Self {
        Self {
            epoch: self.epoch + 1,
            ..self.clone()
        }
    }

    /// Each partition's latest epoch in a table's numbers, and its next offset.
    pub fn all_latest(
        txns: &BTreeMap<String, i64>,
        cluster: &str,
        topic: &str,
    ) -> BTreeMap<i32, (i32, i64)> {
        let prefix = format!("{cluster}/{topic}/");
        let mut latest = BTreeMap::new();
        let own = txns
            .range(prefix.clone()..)
            .take_while(|(id, _)| id.starts_with(&prefix));
        for (id, next) in own {
            if let Some(id) = Self::parse(id) {
                let newest = latest.entry(id.partition).or_insert((id.epoch, *next));
                *newest = (*newest).max((id.epoch, *next));
            }
        }
        latest
    }

    /// The partition's latest epoch in a table's numbers, and its next offset. `None`: never seen.
    pub fn latest(
        txns: &BTreeMap<String, i64>,
        cluster: &str,
        topic: &str,
        partition: i32,
    ) -> Option<(i32, i64)> {
        let prefix = format!("{cluster}/{topic}/{partition}/");
        txns.range(prefix.clone()..)
            .take_while(|(id, _)| id.starts_with(&prefix))
            .filter_map(|(id, next)| Some((id[prefix.len()..].parse().ok()?, *next)))
            .max_by_key(|(epoch, _)| *epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_epoch_counts_and_other_partitions_do_not() {
        let txns: BTreeMap<String, i64> = [
            ("c/t/1/0", 500),
            ("c/t/1/2", 7),
            ("c/t/1/10", 3),
            ("c/t/10/0", 90),
            ("c/t/11/99", 90),
            ("other/t/1/50", 90),
        ]
        .map(|(id, next)| (id.to_owned(), next))
        .into();
        assert_eq!(AppId::latest(&txns, "c", "t", 1), Some((10, 3)));
        assert_eq!(AppId::latest(&txns, "c", "t", 2), None);
        let id = AppId {
            cluster: "c".into(),
            topic: "t".into(),
            partition: 1,
            epoch: 10,
        };
        assert_eq!(txns.get(&id.to_string()), Some(&3));
    }

    #[test]
    fn an_id_is_read_as_it_was_written_and_those_of_others_are_not() {
        let id = AppId {
            cluster: "MkU3OEVBNTcwNTJENDM2Qk".into(),
            topic: "play_v2.events-eu".into(),
            partition: 11,
            epoch: 2,
        };
        assert_eq!(AppId::parse(&id.to_string()), Some(id));
        for other in [
            "",
            "2",
            "11/2",
            "t/11/2",
            "c/t/11/",
            "c/t/x/2",
            "c/t/11/2/x",
            "c/t/11/2.5",
        ] {
            assert_eq!(AppId::parse(other), None, "{other}");
        }
    }
}
