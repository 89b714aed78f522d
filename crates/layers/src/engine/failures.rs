//! The rows that a test finds, kept as a table.
//!
//! Such a table stands beside the project's: no build's closing row names it, so that it is written
//! whether or not what it tests is committed, and nobody loads it. A build's fence holds for it all the same.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use goldrecord_lake::{
    AddFile, Fence, Lake, MetadataChange, Outcome, Proposal, Snapshot, Table, TableSpec,
    WriteOptions, Writer,
};
use serde_json::json;

use super::state::{BUILD, same_columns};
use crate::manifest::Node;
use crate::{Error, Result};

/// The property that says of which test a table keeps the failures.
pub const FAILURES_OF: &str = "goldrecord.failures_of";
/// So often a table is read again when another command wrote it at the same moment.
const ATTEMPTS: usize = 5;

/// A test's failing rows on their way into its table.
pub struct Failures {
    table: Table,
    live: Snapshot,
    change: MetadataChange,
    writer: Writer,
    has_rows: bool,
}

impl Failures {
    /// Rows of these columns for the test's table, which is made where it is not there.
    pub async fn open(lake: &Lake, test: &Node, schema: &SchemaRef) -> Result<Option<Self>> {
        let Some(relation) = &test.relation else {
            return Ok(None);
        };
        let table = lake.table(&relation.table_path());
        let properties = BTreeMap::from([(FAILURES_OF.to_owned(), test.unique_id.clone())]);
        let description = Some(format!("Rows that {} found", test.name));
        let live = if let Some(live) = table.latest().await? {
            live
        } else {
            let spec = TableSpec {
                schema: schema.clone(),
                partition_columns: Vec::new(),
                properties: properties.clone(),
                description: description.clone(),
            };
            table.create(&spec).await?
        };
        let mut change = MetadataChange::of(&live);
        if !same_columns(&live.schema, schema) {
            change.schema = schema.clone();
        }
        change.partition_columns.clear();
        change.properties.extend(properties);
        change.description = description;
        let writer = table.writer(&live.planned(&change), WriteOptions::default());
        Ok(Some(Self {
            table,
            live,
            change,
            writer,
            has_rows: false,
        }))
    }

    /// More of them.
    pub async fn push(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.has_rows = true;
        Ok(self.writer.push(batch).await?)
    }

    /// There is no more to come, since the test could not be run.
    pub async fn abort(self) -> Result<()> {
        Ok(self.writer.abort().await?)
    }

    /// These are all of them.
    pub async fn finish(self) -> Result<Kept> {
        Ok(Kept {
            adds: self.writer.finish().await?,
            table: self.table,
            live: self.live,
            change: self.change,
        })
    }
}

/// All of a test's failing rows, written and not yet committed.
#[derive(Debug)]
pub struct Kept {
    table: Table,
    live: Snapshot,
    change: MetadataChange,
    adds: Vec<AddFile>,
}

impl Kept {
    /// Put them in place of those that were there. `build` is the fence of the build that is open, if one is.
    pub async fn commit(mut self, build: Option<i64>) -> Result<()> {
        for attempt in 1.. {
            let metadata = (self.change != MetadataChange::of(&self.live)).then_some(&self.change);
            if self.adds.is_empty() && self.live.files.is_empty() && metadata.is_none() {
                return Ok(());
            }
            let fence = |number| Fence {
                app_id: BUILD.to_owned(),
                value: number,
            };
            let mut proposal = Proposal {
                operation: "STORE FAILURES".to_owned(),
                adds: self.adds.clone(),
                removes: self.live.files.keys().cloned().collect(),
                metadata: metadata.cloned(),
                data_change: true,
                fences: build.map(fence).into_iter().collect(),
                ..Proposal::default()
            };
            if let Some(number) = build {
                proposal.info.insert("build".to_owned(), json!(number));
            }
            let refusal = match self.table.commit(&mut self.live, &proposal).await? {
                Outcome::Committed { .. } => return Ok(()),
                Outcome::Refused(refusal) => refusal,
            };
            let refused = super::build::refused(self.table.path(), build.unwrap_or(0), &refusal);
            if attempt == ATTEMPTS || matches!(refused, Error::Superseded { .. }) {
                self.table.discard(&self.adds).await?;
                return Err(refused);
            }
        }
        unreachable!("the last attempt returns")
    }
}
