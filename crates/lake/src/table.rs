//! One table: made, read, written, committed to.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::stream::BoxStream;

use crate::error::Result;
use crate::proposal::{Outcome, Proposal};
use crate::snapshot::{AddFile, Changes, Snapshot};

/// How a new table shall be.
#[derive(Debug, Clone, PartialEq)]
pub struct TableSpec {
    /// All columns, partition columns included.
    pub schema: SchemaRef,
    /// The names of the partition columns, outermost folder first.
    pub partition_columns: Vec<String>,
    /// The table's properties.
    pub properties: BTreeMap<String, String>,
    /// What the table is for.
    pub description: Option<String>,
}

/// How files are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteOptions {
    /// A file that reaches this many bytes is closed and the next one begun.
    pub target_file_bytes: usize,
    /// The most rows in a row group.
    pub row_group_rows: usize,
    /// The level of zstd, 1 to 22.
    pub zstd_level: i32,
}

/// A table of a lake, whether it exists or not. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Table {}

impl Table {
    /// The path from the lake's root, such as `bronze/listen_events`.
    pub fn path(&self) -> &str {
        unimplemented!()
    }

    /// Makes the table: version 0 holds protocol and definition, no data. Already there: its latest
    /// snapshot, whatever its definition.
    pub async fn create(&self, spec: &TableSpec) -> Result<Snapshot> {
        let _ = spec;
        unimplemented!()
    }

    /// The latest version; `None` where there is no such table.
    pub async fn latest(&self) -> Result<Option<Snapshot>> {
        unimplemented!()
    }

    /// The table at one version.
    pub async fn at(&self, version: i64) -> Result<Snapshot> {
        let _ = version;
        unimplemented!()
    }

    /// The latest version, from a snapshot: reads the commits since by name and lists nothing.
    pub async fn refresh(&self, snapshot: &Snapshot) -> Result<Snapshot> {
        let _ = snapshot;
        unimplemented!()
    }

    /// Which files came and went after version `since`, up to version `until`. Commits that only
    /// rearranged rows are skipped.
    pub async fn changes(&self, since: i64, until: i64) -> Result<Changes> {
        let _ = (since, until);
        unimplemented!()
    }

    /// Writes rows as Parquet files, split by partition. Nothing is visible until the files are committed.
    /// Columns are found by name; a table's column that the batches lack is null when read.
    pub async fn write(&self, snapshot: &Snapshot, batches: Vec<RecordBatch>, options: &WriteOptions) -> Result<Vec<AddFile>> {
        let _ = (snapshot, batches, options);
        unimplemented!()
    }

    /// The same for rows that come one batch after the other.
    pub fn writer(&self, snapshot: &Snapshot, options: WriteOptions) -> Writer {
        let _ = (snapshot, options);
        unimplemented!()
    }

    /// Commits a proposal. `snapshot` becomes the version committed, or the newer one that refused.
    pub async fn commit(&self, snapshot: &mut Snapshot, proposal: &Proposal) -> Result<Outcome> {
        let _ = (snapshot, proposal);
        unimplemented!()
    }

    /// Reads a file's rows with the table's columns (or those named, in that order): partition columns filled
    /// in, columns that the file lacks null.
    pub async fn read(&self, file: &AddFile, snapshot: &Snapshot, columns: Option<&[&str]>) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let _ = (file, snapshot, columns);
        unimplemented!()
    }

    /// Deletes files that were written and will not be committed.
    pub async fn discard(&self, files: &[AddFile]) -> Result<()> {
        let _ = files;
        unimplemented!()
    }
}

/// Writes rows that come one batch after the other.
#[derive(Debug)]
pub struct Writer {}

impl Writer {
    /// Takes rows; returns once there is room for more.
    pub async fn push(&mut self, batch: RecordBatch) -> Result<()> {
        let _ = batch;
        unimplemented!()
    }

    /// Closes the files and tells which they are.
    pub async fn finish(self) -> Result<Vec<AddFile>> {
        unimplemented!()
    }

    /// Deletes what was written.
    pub async fn abort(self) -> Result<()> {
        unimplemented!()
    }
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            target_file_bytes: 128 << 20,
            row_group_rows: 1 << 18,
            zstd_level: 1,
        }
    }
}
