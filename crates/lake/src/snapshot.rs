//! A table at one version: its schema, its live files, its transaction numbers.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use serde_json::{Map, Value};

use crate::tombstones::Tombstones;

/// The transaction id under which retention keeps the first day that it has left, in days since 1970-01-01.
pub const EXPIRED_BEFORE: &str = "maintenance/expired-before";

/// A table at one version. Cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The version read.
    pub version: i64,
    /// The table's id, given when it was made.
    pub table_id: String,
    /// All columns, partition columns included, in the table's order.
    pub schema: SchemaRef,
    /// The names of the partition columns, in the order of the folders.
    pub partition_columns: Vec<String>,
    /// The table's properties.
    pub properties: BTreeMap<String, String>,
    /// What the table is for.
    pub description: Option<String>,
    /// When the table was made, in milliseconds since 1970.
    pub created_ms: Option<i64>,
    /// The live files, by their path in the log.
    pub files: Arc<BTreeMap<String, AddFile>>,
    /// The last number of each transaction id (Kafka offsets, fences, versions consumed).
    pub txns: Arc<BTreeMap<String, i64>>,
    /// When this version was committed, in milliseconds since 1970 by the committer's clock.
    pub timestamp_ms: i64,
    /// Files removed, for the checkpoints; they drop those that went longer ago than the retention time.
    pub(crate) tombstones: Tombstones,
}

impl Snapshot {
    /// The number of live rows.
    pub fn rows(&self) -> i64 {
        self.files.values().map(|file| file.stats.num_records).sum()
    }

    /// The size of the live files in bytes.
    pub fn bytes(&self) -> i64 {
        self.files.values().map(|file| file.size).sum()
    }

    /// The number of a transaction id, if it was ever set.
    pub fn txn(&self, app_id: &str) -> Option<i64> {
        self.txns.get(app_id).copied()
    }

    /// The first day of events that retention has left, in days since 1970-01-01. `None`: it never removed any.
    pub fn expired_before(&self) -> Option<i64> {
        self.txn(EXPIRED_BEFORE)
    }

    /// This snapshot as it will be once `change` is committed: to write files for a commit that also
    /// changes the schema.
    #[must_use]
    pub fn planned(&self, change: &crate::MetadataChange) -> Self {
        Self {
            schema: Arc::clone(&change.schema),
            partition_columns: change.partition_columns.clone(),
            properties: change.properties.clone(),
            description: change.description.clone(),
            ..self.clone()
        }
    }
}

/// One data file of a table, as the log names it.
#[derive(Debug, Clone, PartialEq)]
pub struct AddFile {
    /// Relative to the table, percent-encoded as in the log.
    pub path: String,
    /// The value of each partition column as Delta writes it; null is `None`.
    pub partition_values: BTreeMap<String, Option<String>>,
    /// In bytes.
    pub size: i64,
    /// In milliseconds since 1970.
    pub modification_time: i64,
    /// In a commit: false where the file only rearranges rows that were there before. In a snapshot: false.
    pub data_change: bool,
    /// How many rows, and their least and greatest values.
    pub stats: Stats,
}

/// What a file's rows are like, by column name; nested columns nest.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stats {
    /// The number of rows.
    pub num_records: i64,
    /// The least value of a column, or something less (strings are cut, timestamps rounded down).
    pub min_values: Map<String, Value>,
    /// The greatest value of a column, or something greater.
    pub max_values: Map<String, Value>,
    /// The number of nulls of a column.
    pub null_count: Map<String, Value>,
}

/// Which files came and went between two versions.
#[derive(Debug, Clone, PartialEq)]
pub enum Changes {
    /// The log tells.
    Known {
        /// Files whose rows came and were not taken away again. Compaction may have rewritten them since: they
        /// are readable all the same until their time is over.
        added: Vec<AddFile>,
        /// Files that were there and are gone, with their partition values.
        removed: Vec<AddFile>,
        /// Whether a column was added or the table defined anew.
        schema_changed: bool,
    },
    /// The log no longer reaches back so far, or the table is not the same one.
    Unknown {
        /// Why.
        why: String,
    },
}
