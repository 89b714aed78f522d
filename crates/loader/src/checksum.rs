//! The rows' checksum, the same on both sides and in any order.
//!
//! A row's bytes are its columns' bytes in the table's order: 0 for null, else 1 and the value,
//! numbers in little-endian (integers, days, microseconds and booleans as 64 bits, decimals as 128 bits, floats as they are), text
//! after its length in 64 bits. The row's hash is XXH3-64 of that, and the checksum of many
//! rows the sum of their hashes modulo 2^64. `ClickHouse` computes it by [`sql`].

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::columns::Column;

/// How many rows, and their checksum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// Rows.
    pub rows: u64,
    /// The sum of their hashes.
    pub hashes: u64,
}

impl Sum {
    /// Adds a batch; its columns are of the types that [`crate::columns::columns`] lets through.
    pub fn add(&mut self, batch: &RecordBatch) {
        // The rows' bytes are laid out column by column, so that each column's type is looked at once.
        let mut rows: Vec<Vec<u8>> =
            vec![Vec::with_capacity(batch.num_columns() * 12); batch.num_rows()];
        for column in batch.columns() {
            append(column.as_ref(), &mut rows);
        }
        self.rows += rows.len() as u64;
        self.hashes = rows
            .iter()
            .fold(self.hashes, |sum, row| sum.wrapping_add(xxh3_64(row)));
    }

    /// The sum of two parts.
    pub fn plus(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            hashes: self.hashes.wrapping_add(other.hashes),
        }
    }
}

/// The expression by which `ClickHouse` computes the same checksum.
pub fn sql(columns: &[Column]) -> String {
    let bytes: Vec<String> = columns.iter().map(Column::sql_bytes).collect();
    format!("sum(xxh3(concat('', {})))", bytes.join(", "))
}

fn append(column: &dyn Array, rows: &mut [Vec<u8>]) {
    macro_rules! numbers {
        ($type:ty, $value:ident => $bytes:expr) => {{
            let values = column.as_primitive::<$type>();
            put(column, rows, |row, i| {
                let $value = values.value(i);
                row.extend_from_slice(&$bytes);
            });
        }};
    }
    match column.data_type() {
        DataType::Boolean => {
            let values = column.as_boolean();
            put(column, rows, |row, i| {
                row.extend_from_slice(&i64::from(values.value(i)).to_le_bytes());
            });
        }
        DataType::Int8 => numbers!(Int8Type, v => i64::from(v).to_le_bytes()),
        DataType::Int16 => numbers!(Int16Type, v => i64::from(v).to_le_bytes()),
        DataType::Int32 => numbers!(Int32Type, v => i64::from(v).to_le_bytes()),
        DataType::Int64 => numbers!(Int64Type, v => v.to_le_bytes()),
        DataType::Float32 => numbers!(Float32Type, v => v.to_le_bytes()),
        DataType::Float64 => numbers!(Float64Type, v => v.to_le_bytes()),
        DataType::Date32 => numbers!(Date32Type, v => i64::from(v).to_le_bytes()),
        DataType::Timestamp(..) => numbers!(TimestampMicrosecondType, v => v.to_le_bytes()),
        DataType::Decimal128(..) => numbers!(Decimal128Type, v => v.to_le_bytes()),
        DataType::Utf8 => {
            let values = column.as_string::<i32>();
            put(column, rows, |row, i| {
                let text = values.value(i);
                row.extend_from_slice(&(text.len() as u64).to_le_bytes());
                row.extend_from_slice(text.as_bytes());
            });
        }
        other => unreachable!("columns() lets no {other} through"),
    }
}

fn put(column: &dyn Array, rows: &mut [Vec<u8>], value: impl Fn(&mut Vec<u8>, usize)) {
    for (i, row) in rows.iter_mut().enumerate() {
        if column.is_null(i) {
            row.push(0);
        } else {
            row.push(1);
            value(row, i);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringArray};
    use arrow::datatypes::{Field, Schema};
    use std::sync::Arc;

    fn batch(rows: &[(Option<i64>, Option<&str>)]) -> RecordBatch {
        let schema = Schema::new(vec![
            Field::new("n", DataType::Int64, true),
            Field::new("t", DataType::Utf8, true),
        ]);
        let n: Int64Array = rows.iter().map(|r| r.0).collect();
        let t: StringArray = rows.iter().map(|r| r.1).collect();
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(n), Arc::new(t)]).expect("columns fit")
    }

    fn sum(rows: &[(Option<i64>, Option<&str>)]) -> Sum {
        let mut sum = Sum::default();
        sum.add(&batch(rows));
        sum
    }

    #[test]
    fn the_order_of_rows_and_batches_does_not_matter() {
        let (a, b, c) = ((Some(1), Some("x")), (None, Some("")), (Some(3), None));
        assert_eq!(sum(&[a, b, c]), sum(&[c, a, b]));
        assert_eq!(sum(&[a, b, c]), sum(&[b]).plus(sum(&[c, a])));
    }

    #[test]
    fn values_that_change_places_are_seen() {
        assert_ne!(
            sum(&[(Some(1), Some("x")), (Some(2), Some("y"))]),
            sum(&[(Some(2), Some("x")), (Some(1), Some("y"))])
        );
        assert_ne!(sum(&[(Some(0), None)]), sum(&[(None, None)]));
        assert_ne!(sum(&[(None, Some(""))]), sum(&[(None, None)]));
    }
}
