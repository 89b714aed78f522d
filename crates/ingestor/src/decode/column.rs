//! Column builders that can be cut back to an earlier row.
//!
//! Arrow's own builders only grow. A record that turns out bad at its last field has already filled the
//! columns of the fields before: [`Column::truncate`] takes them back.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, BooleanBufferBuilder, Date32Array, Decimal128Array,
    Float64Array, Int64Array, ListArray, MapArray, StringArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::error::ArrowError;

use super::shape::Shape;

/// One column being filled.
#[derive(Debug)]
pub struct Column {
    valid: BooleanBufferBuilder,
    nulls: usize,
    pub(super) values: Values,
}

/// The values of a column; a null's place holds a zero or nothing.
#[derive(Debug)]
pub(super) enum Values {
    Boolean(BooleanBufferBuilder),
    /// Longs, and timestamps in µs.
    Long(Vec<i64>),
    Double(Vec<f64>),
    Date(Vec<i32>),
    Decimal(Vec<i128>, u8, i8),
    /// Text (checked by who pushes) and bytes.
    Bytes(Runs),
    List(Vec<i32>, Box<Column>),
    Map(Vec<i32>, Runs, Box<Column>),
    Record(Vec<Column>),
}

/// Byte strings one behind the other. Offsets begin with 0.
#[derive(Debug)]
pub(super) struct Runs {
    offsets: Vec<i32>,
    data: Vec<u8>,
}

impl Runs {
    fn new() -> Self {
        Self {
            offsets: vec![0],
            data: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.data.extend_from_slice(bytes);
        self.close();
    }

    /// The open end: what is appended here belongs to the run that [`Runs::close`] ends.
    #[inline]
    pub(super) fn open(&mut self) -> &mut Vec<u8> {
        &mut self.data
    }

    #[inline]
    pub(super) fn close(&mut self) {
        self.offsets.push(self.data.len() as i32);
    }

    fn truncate(&mut self, runs: usize) {
        self.offsets.truncate(runs + 1);
        let end = self.offsets.last().map_or(0, |end| *end as usize);
        self.data.truncate(end);
    }

    fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    fn take(&mut self) -> (OffsetBuffer<i32>, Buffer) {
        let fresh = Vec::with_capacity(self.data.len());
        let data = std::mem::replace(&mut self.data, fresh);
        (take_offsets(&mut self.offsets), Buffer::from_vec(data))
    }
}

impl Column {
    /// An empty column.
    pub fn new(shape: &Shape) -> Self {
        let values = match shape {
            Shape::Boolean => Values::Boolean(BooleanBufferBuilder::new(0)),
            Shape::Long | Shape::Timestamp => Values::Long(Vec::new()),
            Shape::Double => Values::Double(Vec::new()),
            Shape::Date => Values::Date(Vec::new()),
            Shape::Decimal(precision, scale) => Values::Decimal(Vec::new(), *precision, *scale),
            Shape::Text | Shape::Bytes => Values::Bytes(Runs::new()),
            Shape::List(element) => Values::List(vec![0], Box::new(Self::new(element))),
            Shape::Map(value) => Values::Map(vec![0], Runs::new(), Box::new(Self::new(value))),
            Shape::Record(fields) => {
                Values::Record(fields.iter().map(|field| Self::new(&field.shape)).collect())
            }
        };
        Self {
            valid: BooleanBufferBuilder::new(0),
            nulls: 0,
            values,
        }
    }

    /// The number of rows.
    #[inline]
    pub fn len(&self) -> usize {
        self.valid.len()
    }

    /// Whether there is no row yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Marks the row whose value was just pushed as there.
    #[inline]
    pub(super) fn set(&mut self) {
        self.valid.append(true);
    }

    /// A row without a value.
    #[inline]
    pub fn push_null(&mut self) {
        self.valid.append(false);
        self.nulls += 1;
        match &mut self.values {
            Values::Boolean(values) => values.append(false),
            Values::Long(values) => values.push(0),
            Values::Double(values) => values.push(0.0),
            Values::Date(values) => values.push(0),
            Values::Decimal(values, ..) => values.push(0),
            Values::Bytes(runs) => runs.close(),
            Values::List(offsets, _) | Values::Map(offsets, ..) => {
                let end = *offsets.last().expect("offsets begin with 0");
                offsets.push(end);
            }
            Values::Record(columns) => columns.iter_mut().for_each(Self::push_null),
        }
    }

    /// The number of a row of longs, dates not included; `None` for null.
    pub fn long(&self, row: usize) -> Option<i64> {
        match &self.values {
            Values::Long(values) if self.valid.get_bit(row) => Some(values[row]),
            _ => None,
        }
    }

    /// The number of a row of doubles; `None` for null.
    pub fn double(&self, row: usize) -> Option<f64> {
        match &self.values {
            Values::Double(values) if self.valid.get_bit(row) => Some(values[row]),
            _ => None,
        }
    }

    /// Takes back the rows from `rows` on, and values pushed for a row not yet marked.
    pub fn truncate(&mut self, rows: usize) {
        for row in rows..self.valid.len() {
            self.nulls -= usize::from(!self.valid.get_bit(row));
        }
        self.valid.truncate(rows);
        match &mut self.values {
            Values::Boolean(values) => values.truncate(rows),
            Values::Long(values) => values.truncate(rows),
            Values::Double(values) => values.truncate(rows),
            Values::Date(values) => values.truncate(rows),
            Values::Decimal(values, ..) => values.truncate(rows),
            Values::Bytes(runs) => runs.truncate(rows),
            Values::List(offsets, child) => {
                offsets.truncate(rows + 1);
                child.truncate(last(offsets));
            }
            Values::Map(offsets, keys, child) => {
                offsets.truncate(rows + 1);
                keys.truncate(last(offsets));
                child.truncate(last(offsets));
            }
            Values::Record(columns) => columns.iter_mut().for_each(|column| column.truncate(rows)),
        }
    }

    /// Bytes held, roughly.
    pub fn bytes(&self) -> usize {
        self.valid.len() / 8
            + match &self.values {
                Values::Boolean(values) => values.len() / 8,
                Values::Long(values) => values.len() * 8,
                Values::Double(values) => values.len() * 8,
                Values::Date(values) => values.len() * 4,
                Values::Decimal(values, ..) => values.len() * 16,
                Values::Bytes(runs) => runs.data.len() + runs.offsets.len() * 4,
                Values::List(offsets, child) => offsets.len() * 4 + child.bytes(),
                Values::Map(offsets, keys, child) => {
                    offsets.len() * 4 + keys.data.len() + keys.offsets.len() * 4 + child.bytes()
                }
                Values::Record(columns) => columns.iter().map(Self::bytes).sum(),
            }
    }

    /// The column as an array of `data_type`, which must be of the column's shape. Begins anew.
    pub fn finish(&mut self, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
        let rows = self.valid.len();
        let valid = self.valid.finish();
        let nulls = (self.nulls > 0).then(|| NullBuffer::new(valid));
        self.nulls = 0;
        let array: ArrayRef = match (&mut self.values, data_type) {
            (Values::Boolean(values), _) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            (Values::Long(values), DataType::Timestamp(_, zone)) => Arc::new(
                TimestampMicrosecondArray::try_new(take(values), nulls)?
                    .with_timezone_opt(zone.clone()),
            ),
            (Values::Long(values), _) => Arc::new(Int64Array::try_new(take(values), nulls)?),
            (Values::Double(values), _) => Arc::new(Float64Array::try_new(take(values), nulls)?),
            (Values::Date(values), _) => Arc::new(Date32Array::try_new(take(values), nulls)?),
            (Values::Decimal(values, precision, scale), _) => Arc::new(
                Decimal128Array::try_new(take(values), nulls)?
                    .with_precision_and_scale(*precision, *scale)?,
            ),
            (Values::Bytes(runs), DataType::Utf8) => {
                let (offsets, data) = runs.take();
                Arc::new(StringArray::try_new(offsets, data, nulls)?)
            }
            (Values::Bytes(runs), _) => {
                let (offsets, data) = runs.take();
                Arc::new(BinaryArray::try_new(offsets, data, nulls)?)
            }
            (Values::List(offsets, child), DataType::List(element)) => {
                let values = child.finish(element.data_type())?;
                Arc::new(ListArray::try_new(
                    Arc::clone(element),
                    take_offsets(offsets),
                    values,
                    nulls,
                )?)
            }
            (Values::Map(offsets, keys, child), DataType::Map(entries, sorted)) => {
                let DataType::Struct(pair) = entries.data_type() else {
                    return Err(mismatch(data_type));
                };
                let (key_offsets, key_data) = keys.take();
                let keys: ArrayRef = Arc::new(StringArray::try_new(key_offsets, key_data, None)?);
                let values = child.finish(pair[1].data_type())?;
                let pairs = StructArray::try_new(pair.clone(), vec![keys, values], None)?;
                Arc::new(MapArray::try_new(
                    Arc::clone(entries),
                    take_offsets(offsets),
                    pairs,
                    nulls,
                    *sorted,
                )?)
            }
            (Values::Record(columns), DataType::Struct(fields)) => {
                let children = columns
                    .iter_mut()
                    .zip(fields)
                    .map(|(column, field): (&mut Self, &FieldRef)| {
                        column.finish(Field::data_type(field))
                    })
                    .collect::<Result<Vec<_>, _>>()?;
                Arc::new(StructArray::try_new_with_length(
                    fields.clone(),
                    children,
                    nulls,
                    rows,
                )?)
            }
            _ => return Err(mismatch(data_type)),
        };
        assert_eq!(array.len(), rows, "a column holds one value a row");
        Ok(array)
    }
}

/// Bytes that a row of a column takes at least, roughly.
pub(super) fn width(data_type: &DataType) -> usize {
    match data_type {
        DataType::Boolean => 1,
        DataType::Int64 | DataType::Float64 | DataType::Timestamp(..) => 8,
        DataType::Decimal128(..) => 16,
        DataType::Struct(fields) => {
            1 + fields
                .iter()
                .map(|field| width(field.data_type()))
                .sum::<usize>()
        }
        // Days, and the offsets of text, bytes, lists and maps.
        _ => 4,
    }
}

fn mismatch(data_type: &DataType) -> ArrowError {
    ArrowError::SchemaError(format!("the column's values are not of type {data_type}"))
}

fn last(offsets: &[i32]) -> usize {
    *offsets.last().expect("offsets begin with 0") as usize
}

/// The values, leaving room for as many again.
fn take<T: arrow::datatypes::ArrowNativeType>(values: &mut Vec<T>) -> ScalarBuffer<T> {
    let capacity = values.len();
    ScalarBuffer::from(std::mem::replace(values, Vec::with_capacity(capacity)))
}

fn take_offsets(offsets: &mut Vec<i32>) -> OffsetBuffer<i32> {
    let mut fresh = Vec::with_capacity(offsets.len());
    fresh.push(0);
    OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(offsets, fresh)))
}

impl Values {
    /// The runs of a map's keys end one behind the other; its rows by [`Values::close_row`].
    pub(super) fn close_row(&mut self) {
        match self {
            Self::List(offsets, child) => offsets.push(child.len() as i32),
            Self::Map(offsets, keys, child) => {
                assert_eq!(keys.len(), child.len(), "a map has a value for each key");
                offsets.push(child.len() as i32);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push_long(column: &mut Column, value: i64) {
        let Values::Long(values) = &mut column.values else {
            unreachable!("a column of longs")
        };
        values.push(value);
        column.set();
    }

    #[test]
    fn a_row_cut_back_leaves_no_trace() {
        let shape = Shape::List(Box::new(Shape::Long));
        let mut column = Column::new(&shape);
        for row in [vec![1, 2], vec![3]] {
            let Values::List(_, child) = &mut column.values else {
                unreachable!("a column of lists")
            };
            for value in row {
                push_long(child, value);
            }
            column.values.close_row();
            column.set();
        }
        column.push_null();
        column.truncate(1);
        // A value pushed for a row that was never marked goes as well.
        if let Values::List(_, child) = &mut column.values {
            push_long(child, 9);
        }
        column.truncate(1);
        column.push_null();
        let array = column.finish(&shape.arrow()).expect("builds");
        let lists = array.as_any().downcast_ref::<ListArray>().expect("lists");
        assert_eq!(lists.len(), 2);
        assert_eq!(lists.values().len(), 2);
        assert!(lists.is_null(1));
        assert!(column.is_empty(), "the column begins anew");
    }
}
