//! The rows that stand for those that went: one for each Kafka partition and epoch.
//!
//! `_offset` is the least offset that went and `_offset_end - _offset` the number of rows, so that the balance
//! (next − start = good + bad + gaps + expired) is one sum for rows of every kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use arrow::error::ArrowError;

/// What went of a Kafka partition's epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// How many rows.
    pub rows: i64,
    /// The least of their offsets.
    pub first: i64,
}

/// What went, by Kafka partition and epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<(i32, i32), Held>);

impl Tally {
    /// Counts the rows of a batch of `_partition`, `_epoch` and `_offset`.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let whole = |index: usize, data_type: &DataType| {
            let column = cast(batch.column(index), data_type)?;
            if column.null_count() > 0 {
                return Err(ArrowError::InvalidArgumentError(format!(
                    "column `{}` of an event is null",
                    batch.schema().field(index).name()
                )));
            }
            Ok(column)
        };
        let (partitions, epochs, offsets) = (
            whole(0, &DataType::Int32)?,
            whole(1, &DataType::Int32)?,
            whole(2, &DataType::Int64)?,
        );
        let partitions = partitions.as_primitive::<Int32Type>().values();
        let epochs = epochs.as_primitive::<Int32Type>().values();
        let offsets = offsets.as_primitive::<Int64Type>().values();
        for ((partition, epoch), offset) in partitions.iter().zip(epochs).zip(offsets) {
            let held = self.0.entry((*partition, *epoch)).or_insert(Held {
                rows: 0,
                first: *offset,
            });
            held.rows += 1;
            held.first = held.first.min(*offset);
        }
        Ok(())
    }

    /// The number of rows.
    pub fn rows(&self) -> i64 {
        self.0.values().map(|held| held.rows).sum()
    }

    /// The rows to be written in their place.
    pub fn to_batch(&self, days: &str, now_ms: i64) -> Result<RecordBatch, ArrowError> {
        let rows = self.0.len();
        let text = |text: &str| Arc::new(StringArray::from(vec![text; rows])) as ArrayRef;
        let keys = self.0.keys();
        let (partitions, epochs): (Vec<i32>, Vec<i32>) = keys.copied().unzip();
        let firsts = self.0.values().map(|held| held.first);
        let ends = self.0.values().map(|held| held.first + held.rows);
        let at = TimestampMicrosecondArray::from(vec![now_ms * 1000; rows]).with_timezone("UTC");
        RecordBatch::try_from_iter_with_nullable([
            ("_kind", text("expired"), true),
            (
                "_partition",
                Arc::new(Int32Array::from(partitions)) as ArrayRef,
                true,
            ),
            (
                "_offset",
                Arc::new(Int64Array::from_iter_values(firsts)),
                true,
            ),
            (
                "_offset_end",
                Arc::new(Int64Array::from_iter_values(ends)),
                true,
            ),
            ("_epoch", Arc::new(Int32Array::from(epochs)), true),
            ("_ingested_at", Arc::new(at), true),
            ("_error_text", text(days), true),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_by_partition_and_epoch() {
        let numbers = |values: &[i64]| {
            let column: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
            cast(&column, &DataType::Int32).expect("small numbers")
        };
        let batch = RecordBatch::try_from_iter([
            ("_partition", numbers(&[0, 1, 0, 0])),
            ("_epoch", numbers(&[0, 0, 0, 1])),
            (
                "_offset",
                Arc::new(Int64Array::from(vec![9, 5, 7, 0])) as ArrayRef,
            ),
        ])
        .expect("a batch");
        let mut tally = Tally::default();
        tally.add(&batch).expect("counts");
        tally.add(&batch.slice(0, 1)).expect("counts");
        assert_eq!(tally.rows(), 5);
        let rows = tally.to_batch("2026-10-01", 1).expect("a batch");
        let column = |name: &str| {
            let column = rows.column_by_name(name).expect("is there");
            let column = cast(column, &DataType::Int64).expect("numbers");
            column.as_primitive::<Int64Type>().values().to_vec()
        };
        assert_eq!(column("_partition"), [0, 0, 1]);
        assert_eq!(column("_epoch"), [0, 1, 0]);
        assert_eq!(column("_offset"), [7, 0, 5]);
        assert_eq!(column("_offset_end"), [10, 1, 6]);
    }
}
