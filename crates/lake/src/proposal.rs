//! What a writer proposes to do to a table, and what becomes of it.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;
use serde_json::Value;

use crate::snapshot::{AddFile, Snapshot};

/// One commit as its writer wants it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Proposal {
    /// What is done, for people: `WRITE`, `REPLACE`, `COMPACT`.
    pub operation: String,
    /// Files that come.
    pub adds: Vec<AddFile>,
    /// Files that go, by their path in the log; each must be live in the version superseded.
    pub removes: Vec<String>,
    /// Numbers that move, each compared with the version superseded.
    pub txns: Vec<TxnStep>,
    /// Numbers that the version superseded must not have: whoever sets one of them ends what we do.
    pub unset: Vec<String>,
    /// Numbers that may not be smaller than the table's.
    pub fences: Vec<Fence>,
    /// Whether numbers may go back. They do so only where an operator wants rows read again, which go in this commit.
    pub rewinds: bool,
    /// A new definition of the table. Only adds columns, unless every live file goes.
    pub metadata: Option<MetadataChange>,
    /// False for a commit that only rearranges rows: "what changed" skips it.
    pub data_change: bool,
    /// Anything else worth keeping in the log.
    pub info: BTreeMap<String, Value>,
}

/// A table's definition as it shall be. Begin with [`MetadataChange::of`] and alter it.
#[derive(Debug, Clone, PartialEq)]
pub struct MetadataChange {
    /// All columns, partition columns included.
    pub schema: SchemaRef,
    /// The partition columns. Other than now only where every live file goes.
    pub partition_columns: Vec<String>,
    /// All properties.
    pub properties: BTreeMap<String, String>,
    /// What the table is for.
    pub description: Option<String>,
}

impl MetadataChange {
    /// The definition that the table has now.
    pub fn of(snapshot: &Snapshot) -> Self {
        Self {
            schema: snapshot.schema.clone(),
            partition_columns: snapshot.partition_columns.clone(),
            properties: snapshot.properties.clone(),
            description: snapshot.description.clone(),
        }
    }
}

/// A number that moves from one value to the next, compared and set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxnStep {
    /// Whose number.
    pub app_id: String,
    /// What the table must hold now; `None`: nothing.
    pub expect: Option<i64>,
    /// What it holds afterwards.
    pub next: i64,
}

/// A number that only the holder of the greatest may write under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// Whose number.
    pub app_id: String,
    /// Refused where the table holds a larger one; the table holds this one afterwards.
    pub value: i64,
}

/// What became of a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the log.
    Committed {
        /// As this version.
        version: i64,
    },
    /// It is not and never will be in the log.
    Refused(Refusal),
}

/// Why a proposal does not fit the table any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Somebody else moved the number: another owner is at work.
    #[error("`{app_id}` is at {found:?} and not at {expected:?}: another writer moved it")]
    Txn {
        /// Whose number.
        app_id: String,
        /// What we expected.
        expected: Option<i64>,
        /// What the table holds.
        found: Option<i64>,
    },
    /// A file to be removed is no longer live.
    #[error("file `{path}` is no longer live: another writer removed it")]
    FileGone {
        /// The file's path in the log.
        path: String,
    },
    /// A file to be added is live already: the same proposal was committed before.
    #[error("file `{path}` is live already: the same proposal was committed before")]
    FileLive {
        /// The file's path in the log.
        path: String,
    },
    /// A newer holder of the fence has written.
    #[error("`{app_id}` is fenced at {found}, ours is {ours}: a newer writer took over")]
    Fenced {
        /// Whose fence.
        app_id: String,
        /// Ours.
        ours: i64,
        /// The table's.
        found: i64,
    },
    /// The table's definition is no longer the one that the files were written for.
    #[error("the table's definition has changed; merge into the one now there")]
    SchemaMoved,
}
