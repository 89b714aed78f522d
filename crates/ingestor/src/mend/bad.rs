//! A topic's bad records, read from its table.

use std::ops::ControlFlow;

use arrow::array::{
    Array, BinaryArray, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use goldrecord_lake::{AddFile, Lake, Snapshot, Table};

use super::Filter;
use crate::bronze::{self, EVENT_DATE, Kind};
use crate::error::{Error, Result};
use crate::rewrite::{column, failed};

/// A bad record. Moments are in µs since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bad<'a> {
    /// The Kafka partition.
    pub partition: i32,
    /// Its epoch.
    pub epoch: i32,
    /// The Kafka offset.
    pub offset: i64,
    /// The record's own timestamp.
    pub timestamp: Option<i64>,
    /// When it was read.
    pub ingested_at: Option<i64>,
    /// Its schema's id, where it names one.
    pub schema_id: Option<i32>,
    /// Why it is bad, as the table says it.
    pub error: &'a str,
    /// The same for people.
    pub error_text: &'a str,
    /// Its key, where the bytes were asked for.
    pub key: Option<&'a [u8]>,
    /// Its value, where the bytes were asked for.
    pub value: Option<&'a [u8]>,
    /// Its headers as JSON pairs of name and hexadecimal value, where the bytes were asked for.
    pub headers: Option<&'a str>,
}

impl Bad<'_> {
    /// When it was produced; if it does not say, when it was read.
    pub fn time(&self) -> Option<i64> {
        self.timestamp.or(self.ingested_at)
    }
}

/// Whether a record's key, value and headers are read too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bytes {
    /// They are.
    Read,
    /// They are not: they are most of what a bad record takes.
    Left,
}

const HEAD: [&str; 9] = [
    "_kind",
    "_partition",
    "_epoch",
    "_offset",
    "_timestamp",
    "_ingested_at",
    "_schema_id",
    "_error",
    "_error_text",
];
const WHOLE: [&str; 12] = [
    HEAD[0],
    HEAD[1],
    HEAD[2],
    HEAD[3],
    HEAD[4],
    HEAD[5],
    HEAD[6],
    HEAD[7],
    HEAD[8],
    "_raw_key",
    "_raw_value",
    "_raw_headers",
];

/// A topic's bad records at one version of its table.
#[derive(Clone, Debug)]
pub struct Quarantine {
    pub(super) table: Table,
    pub(super) snapshot: Snapshot,
}

impl Quarantine {
    /// The bad records of now. A topic without a table is an error.
    pub async fn open(lake: &Lake, topic: &str) -> Result<Self> {
        let table = lake.table(&bronze::path(topic));
        let snapshot = table.latest().await.map_err(failed(&table))?;
        let snapshot = snapshot.ok_or_else(|| {
            failed(&table)(goldrecord_lake::Error::NoTable {
                table: table.path().to_owned(),
                lake: lake.url().to_owned(),
            })
        })?;
        Ok(Self { table, snapshot })
    }

    /// Hands over every bad record that `filter` takes, until `visit` breaks off.
    pub async fn each(
        &self,
        filter: &Filter,
        bytes: Bytes,
        mut visit: impl FnMut(&Bad<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        for file in self.files() {
            let mut broken_off = false;
            self.each_in(file, bytes, |bad| {
                if !broken_off && filter.takes(bad) {
                    broken_off = visit(bad).is_break();
                }
                Ok(())
            })
            .await?;
            if broken_off {
                break;
            }
        }
        Ok(())
    }

    /// The files that can hold bad records.
    pub(super) fn files(&self) -> impl Iterator<Item = &AddFile> {
        self.snapshot
            .files
            .values()
            .filter(|file| may_hold_bad(file))
    }

    /// Hands over every bad record of a file.
    pub(super) async fn each_in(
        &self,
        file: &AddFile,
        bytes: Bytes,
        mut visit: impl FnMut(&Bad<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut batches = self.batches(file, bytes).await?;
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(failed(&self.table))?;
            let rows = self.rows(&batch)?;
            for row in 0..batch.num_rows() {
                if let Some(bad) = rows.get(row) {
                    visit(&bad)?;
                }
            }
        }
        Ok(())
    }

    /// A file's rows, with the columns that [`Quarantine::rows`] wants.
    pub(super) async fn batches(
        &self,
        file: &AddFile,
        bytes: Bytes,
    ) -> Result<BoxStream<'static, goldrecord_lake::Result<RecordBatch>>> {
        let columns: &[&str] = match bytes {
            Bytes::Read => &WHOLE,
            Bytes::Left => &HEAD,
        };
        let batches = self.table.read(file, &self.snapshot, Some(columns)).await;
        batches.map_err(failed(&self.table))
    }

    /// The rows of a batch.
    pub(super) fn rows<'a>(&self, batch: &'a RecordBatch) -> Result<Rows<'a>> {
        Rows::of(batch).map_err(|column| Error::RowsDiffer {
            table: self.table.path().to_owned(),
            why: format!("column `{column}` is not of the type that every bronze table has"),
        })
    }
}

/// Bad rows have no day, and their kind comes before all others that have none.
fn may_hold_bad(file: &AddFile) -> bool {
    let has_day = matches!(file.partition_values.get(EVENT_DATE), Some(Some(_)));
    let least = file.stats.min_values.get("_kind");
    let least = least.and_then(serde_json::Value::as_str);
    !has_day && least.is_none_or(|least| least <= Kind::Bad.name())
}

/// A batch's columns.
pub(super) struct Rows<'a> {
    kind: &'a StringArray,
    partition: &'a Int32Array,
    epoch: &'a Int32Array,
    offset: &'a Int64Array,
    timestamp: &'a TimestampMicrosecondArray,
    ingested_at: &'a TimestampMicrosecondArray,
    schema_id: &'a Int32Array,
    error: &'a StringArray,
    error_text: &'a StringArray,
    key: Option<&'a BinaryArray>,
    value: Option<&'a BinaryArray>,
    headers: Option<&'a StringArray>,
}

impl<'a> Rows<'a> {
    /// The error names a column of another type.
    fn of(batch: &'a RecordBatch) -> Result<Self, &'static str> {
        Ok(Self {
            kind: column(batch, "_kind")?,
            partition: column(batch, "_partition")?,
            epoch: column(batch, "_epoch")?,
            offset: column(batch, "_offset")?,
            timestamp: column(batch, "_timestamp")?,
            ingested_at: column(batch, "_ingested_at")?,
            schema_id: column(batch, "_schema_id")?,
            error: column(batch, "_error")?,
            error_text: column(batch, "_error_text")?,
            key: column(batch, "_raw_key").ok(),
            value: column(batch, "_raw_value").ok(),
            headers: column(batch, "_raw_headers").ok(),
        })
    }

    /// The row, if it is a bad record.
    pub(super) fn get(&self, row: usize) -> Option<Bad<'a>> {
        fn text(column: &StringArray, row: usize) -> Option<&str> {
            column.is_valid(row).then(|| column.value(row))
        }
        fn bytes(column: Option<&BinaryArray>, row: usize) -> Option<&[u8]> {
            let column = column?;
            column.is_valid(row).then(|| column.value(row))
        }
        if text(self.kind, row) != Some(Kind::Bad.name()) {
            return None;
        }
        let moment =
            |column: &TimestampMicrosecondArray| column.is_valid(row).then(|| column.value(row));
        Some(Bad {
            partition: self.partition.value(row),
            epoch: self.epoch.value(row),
            offset: self.offset.value(row),
            timestamp: moment(self.timestamp),
            ingested_at: moment(self.ingested_at),
            schema_id: (self.schema_id.is_valid(row)).then(|| self.schema_id.value(row)),
            error: text(self.error, row).unwrap_or_default(),
            error_text: text(self.error_text, row).unwrap_or_default(),
            key: bytes(self.key, row),
            value: bytes(self.value, row),
            headers: self.headers.and_then(|headers| text(headers, row)),
        })
    }
}
