//! What a run tells while it goes, and at its end.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Told by the threads of a run; must return quickly.
pub trait Progress: Sync {
    /// Records came in from Kafka.
    fn received(&self, topic: &str, records: u64, bytes: u64) {
        let _ = (topic, records, bytes);
    }

    /// A flush is in the table.
    fn committed(&self, commit: &Commit) {
        let _ = commit;
    }

    /// A topic waits for something that is away, or (`None`) no longer does.
    fn waiting(&self, topic: &str, why: Option<&str>) {
        let _ = (topic, why);
    }
}

/// Nobody listens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {}

/// A flush that is in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The topic.
    pub topic: String,
    /// The table's version.
    pub version: i64,
    /// Events.
    pub good: u64,
    /// Records that are none.
    pub bad: u64,
    /// Offsets without a record.
    pub gaps: u64,
    /// Bytes of keys and values as they came from Kafka.
    pub bytes: u64,
    /// Bytes of the files written.
    pub written: u64,
    /// The partitions' next offsets.
    pub offsets: Vec<(i32, i64)>,
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// By topic.
    pub topics: BTreeMap<String, TopicSummary>,
    /// The most that the buffers held together, in bytes.
    pub peak_memory: usize,
}

/// What a run did for one topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicSummary {
    /// Events.
    pub good: u64,
    /// Records that are none.
    pub bad: u64,
    /// Offsets without a record.
    pub gaps: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
    /// Commits of rows.
    pub commits: u64,
    /// Flushes that were given up because another owner had committed, or files were lost.
    pub abandoned: u64,
    /// The partitions' next offsets in the table.
    pub offsets: BTreeMap<i32, i64>,
}

/// When a run ends by itself.
#[derive(Clone)]
pub enum Until {
    /// Never: only when asked to.
    Shutdown,
    /// When the table has each of these partitions up to this next offset. Partitions must be of the topics read.
    Offsets(BTreeMap<(String, i32), i64>),
    /// Once this is true: when the table has everything that Kafka then holds.
    Drained(Arc<dyn Fn() -> bool + Send + Sync>),
}
