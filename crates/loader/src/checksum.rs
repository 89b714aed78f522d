//! The rows' checksum, the same on both sides and in any order.
//!
//! A row's bytes are its columns' bytes in the table's order: 0 for null, else 1 and the value,
//! numbers in little-endian (integers, days, microseconds and booleans as 64 bits, decimals as 128 bits, floats as they are), text
//! after its length in 64 bits. The row's hash is XXH3-64 of that, and the checksum of many
//! rows the sum of their hashes modulo 2^64. `ClickHouse` computes it by [`sql`].

use arrow::array::{
    Array, AsArray, BooleanArray, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int16Array, RecordBatch, StringArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Date32Type, Int32Type, Int64Type, TimestampMicrosecondType};
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
        let columns: Vec<Values<'_>> = batch
            .columns()
            .iter()
            .map(|c| Values::of(c.as_ref()))
            .collect();
        let mut bytes = Vec::with_capacity(256);
        for row in 0..batch.num_rows() {
            bytes.clear();
            for column in &columns {
                column.append(row, &mut bytes);
            }
            self.hashes = self.hashes.wrapping_add(xxh3_64(&bytes));
        }
        self.rows += batch.num_rows() as u64;
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

/// A column's values, its type looked at once.
enum Values<'a> {
    Bool(&'a BooleanArray),
    Int8(&'a Int8Array),
    Int16(&'a Int16Array),
    /// Days too.
    Int32(&'a [i32], Option<&'a NullBuffer>),
    /// Microseconds too.
    Int64(&'a [i64], Option<&'a NullBuffer>),
    Float32(&'a Float32Array),
    Float64(&'a Float64Array),
    Decimal(&'a Decimal128Array),
    Text(&'a StringArray),
}

impl<'a> Values<'a> {
    fn of(column: &'a dyn Array) -> Self {
        let nulls = column.nulls();
        match column.data_type() {
            DataType::Boolean => Self::Bool(column.as_boolean()),
            DataType::Int8 => Self::Int8(column.as_primitive()),
            DataType::Int16 => Self::Int16(column.as_primitive()),
            DataType::Int32 => Self::Int32(column.as_primitive::<Int32Type>().values(), nulls),
            DataType::Date32 => Self::Int32(column.as_primitive::<Date32Type>().values(), nulls),
            DataType::Int64 => Self::Int64(column.as_primitive::<Int64Type>().values(), nulls),
            DataType::Timestamp(..) => Self::Int64(
                column.as_primitive::<TimestampMicrosecondType>().values(),
                nulls,
            ),
            DataType::Float32 => Self::Float32(column.as_primitive()),
            DataType::Float64 => Self::Float64(column.as_primitive()),
            DataType::Decimal128(..) => Self::Decimal(column.as_primitive()),
            DataType::Utf8 => Self::Text(column.as_string()),
            other => unreachable!("columns() lets no {other} through"),
        }
    }

    fn append(&self, row: usize, bytes: &mut Vec<u8>) {
        let null = match self {
            Self::Bool(a) => a.is_null(row),
            Self::Int8(a) => a.is_null(row),
            Self::Int16(a) => a.is_null(row),
            Self::Int32(_, nulls) | Self::Int64(_, nulls) => nulls.is_some_and(|n| n.is_null(row)),
            Self::Float32(a) => a.is_null(row),
            Self::Float64(a) => a.is_null(row),
            Self::Decimal(a) => a.is_null(row),
            Self::Text(a) => a.is_null(row),
        };
        if null {
            return bytes.push(0);
        }
        bytes.push(1);
        match self {
            Self::Bool(a) => bytes.extend_from_slice(&i64::from(a.value(row)).to_le_bytes()),
            Self::Int8(a) => bytes.extend_from_slice(&i64::from(a.value(row)).to_le_bytes()),
            Self::Int16(a) => bytes.extend_from_slice(&i64::from(a.value(row)).to_le_bytes()),
            Self::Int32(values, _) => {
                bytes.extend_from_slice(&i64::from(values[row]).to_le_bytes());
            }
            Self::Int64(values, _) => bytes.extend_from_slice(&values[row].to_le_bytes()),
            Self::Float32(a) => bytes.extend_from_slice(&a.value(row).to_le_bytes()),
            Self::Float64(a) => bytes.extend_from_slice(&a.value(row).to_le_bytes()),
            Self::Decimal(a) => bytes.extend_from_slice(&a.value(row).to_le_bytes()),
            Self::Text(a) => {
                let text = a.value(row);
                bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int64Array;
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
