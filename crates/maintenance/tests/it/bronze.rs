//! Bronze tables: kind, partition, offset, end, epoch, day.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, Date32Array, Int32Array, Int64Array, RecordBatch,
    StringArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema, TimeUnit};
use chrono::{Datelike as _, NaiveDate, Utc};
use futures::StreamExt as _;
use goldrecord_lake::{Lake, Snapshot, Table, TableSpec};

pub const PATH: &str = "bronze/listen_events";

/// As days since 1970.
pub fn today() -> i32 {
    let epoch = NaiveDate::default().num_days_from_ce();
    Utc::now().date_naive().num_days_from_ce() - epoch
}

pub async fn bronze(lake: &Lake) -> (Table, Snapshot) {
    let column = |name: &str, data_type| Field::new(name, data_type, true);
    let spec = TableSpec {
        schema: Arc::new(Schema::new(vec![
            column("_kind", DataType::Utf8),
            column("_partition", DataType::Int32),
            column("_offset", DataType::Int64),
            column("_offset_end", DataType::Int64),
            column("_epoch", DataType::Int32),
            column(
                "_ingested_at",
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            ),
            column("_error_text", DataType::Utf8),
            column("event_date", DataType::Date32),
        ])),
        partition_columns: vec!["event_date".to_owned()],
        properties: BTreeMap::new(),
        description: None,
    };
    let table = lake.table(PATH);
    let snapshot = table.create(&spec).await.expect("creates");
    (table, snapshot)
}

/// Rows of one kind: of partition 0 and its epoch 0, unless the offset is odd: then of partition 1.
pub fn of_kind(kind: &str, day: Option<i32>, offsets: std::ops::Range<i64>) -> RecordBatch {
    let rows = (offsets.end - offsets.start) as usize;
    let partitions = offsets.clone().map(|offset| (offset % 2) as i32);
    RecordBatch::try_from_iter_with_nullable([
        (
            "_kind",
            Arc::new(StringArray::from(vec![kind; rows])) as ArrayRef,
            true,
        ),
        (
            "_partition",
            Arc::new(Int32Array::from_iter_values(partitions)),
            true,
        ),
        (
            "_offset",
            Arc::new(Int64Array::from_iter_values(offsets)),
            true,
        ),
        ("_epoch", Arc::new(Int32Array::from(vec![0; rows])), true),
        (
            "event_date",
            Arc::new(Date32Array::from(vec![day; rows])),
            true,
        ),
    ])
    .expect("a batch")
}

/// How many offsets rows of each kind stand for, by Kafka partition.
pub async fn balance(table: &Table, snapshot: &Snapshot) -> BTreeMap<(String, i32), i64> {
    let mut sums = BTreeMap::new();
    let columns = ["_kind", "_partition", "_offset", "_offset_end"];
    for file in snapshot.files.values() {
        let mut batches = table
            .read(file, snapshot, Some(&columns))
            .await
            .expect("opens");
        while let Some(batch) = batches.next().await {
            let batch = batch.expect("reads");
            let (kinds, partitions) = (
                batch.column(0).as_string::<i32>(),
                batch.column(1).as_primitive::<Int32Type>(),
            );
            let numbers = |column: usize| batch.column(column).as_primitive::<Int64Type>();
            let (offsets, ends) = (numbers(2), numbers(3));
            for row in 0..batch.num_rows() {
                let stands_for = if ends.is_valid(row) {
                    ends.value(row) - offsets.value(row)
                } else {
                    1
                };
                *sums
                    .entry((kinds.value(row).to_owned(), partitions.value(row)))
                    .or_default() += stands_for;
            }
        }
    }
    sums
}
