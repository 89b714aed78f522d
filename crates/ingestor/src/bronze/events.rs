//! Events on their way into the table, column by column.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::datatypes::{DataType, Fields, Schema};
use arrow::error::ArrowError;

use super::{Kind, Origin, own_columns, with_event_fields};
use crate::decode::column::Column;
use crate::decode::{Misfit, Shape};

/// Events of one schema of the table, being filled.
#[derive(Debug)]
pub struct Events {
    fields: Fields,
    /// One a field of the event.
    pub columns: Vec<Column>,
    partition: Vec<i32>,
    offset: Vec<i64>,
    epoch: Vec<i32>,
    timestamp: Vec<Option<i64>>,
    schema_id: Vec<i32>,
    event_date: Vec<i32>,
}

const MICROS_PER_DAY: i64 = 86_400_000_000;

impl Events {
    /// No rows yet. `None`: a column of the table is of a type that we do not write; its name.
    pub fn new(fields: Fields) -> Result<Self, Misfit> {
        let columns = fields
            .iter()
            .map(|field| {
                Shape::of(field.data_type())
                    .map(|shape| Column::new(&shape))
                    .ok_or_else(|| {
                        Misfit(format!(
                            "the table's column `{}` is of type {}, which no event has",
                            field.name(),
                            field.data_type()
                        ))
                    })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            fields,
            columns,
            partition: Vec::new(),
            offset: Vec::new(),
            epoch: Vec::new(),
            timestamp: Vec::new(),
            schema_id: Vec::new(),
            event_date: Vec::new(),
        })
    }

    /// The event's fields.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The number of events.
    pub fn len(&self) -> usize {
        self.offset.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.offset.is_empty()
    }

    /// Bytes held, roughly.
    pub fn bytes(&self) -> usize {
        self.len() * 44 + self.columns.iter().map(Column::bytes).sum::<usize>()
    }

    /// The event whose fields were just decoded is good.
    #[inline]
    pub fn close(&mut self, origin: Origin, schema_id: u32, event_time: i64) {
        self.partition.push(origin.partition);
        self.offset.push(origin.offset);
        self.epoch.push(origin.epoch);
        self.timestamp.push(origin.timestamp());
        self.schema_id.push(schema_id as i32);
        self.event_date
            .push(event_time.div_euclid(MICROS_PER_DAY) as i32);
    }

    /// The event whose fields were just decoded is not: takes it back.
    pub fn take_back(&mut self) {
        let rows = self.len();
        self.columns
            .iter_mut()
            .for_each(|column| column.truncate(rows));
    }

    /// Takes all events back.
    pub fn take_back_all(&mut self) {
        self.columns
            .iter_mut()
            .for_each(|column| column.truncate(0));
        self.partition.clear();
        self.offset.clear();
        self.epoch.clear();
        self.timestamp.clear();
        self.schema_id.clear();
        self.event_date.clear();
    }

    /// The rows as a batch of the table's columns. Begins anew.
    pub fn finish(&mut self, now: i64) -> Result<RecordBatch, ArrowError> {
        let rows = self.len();
        let nothing = |data_type: &DataType| new_null_array(data_type, rows);
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(std::iter::repeat_n(
                Kind::Good.name(),
                rows,
            ))),
            Arc::new(Int32Array::from(std::mem::take(&mut self.partition))),
            Arc::new(Int64Array::from(std::mem::take(&mut self.offset))),
            nothing(&DataType::Int64),
            Arc::new(Int32Array::from(std::mem::take(&mut self.epoch))),
            Arc::new(
                TimestampMicrosecondArray::from(std::mem::take(&mut self.timestamp))
                    .with_timezone("UTC"),
            ),
            Arc::new(Int32Array::from(std::mem::take(&mut self.schema_id))),
            Arc::new(TimestampMicrosecondArray::from(vec![now; rows]).with_timezone("UTC")),
            nothing(&DataType::Utf8),
            nothing(&DataType::Utf8),
            nothing(&DataType::Binary),
            nothing(&DataType::Binary),
            nothing(&DataType::Utf8),
            Arc::new(Date32Array::from(std::mem::take(&mut self.event_date))),
        ];
        for (column, field) in self.columns.iter_mut().zip(&self.fields) {
            columns.push(column.finish(field.data_type())?);
        }
        let own = Schema::new(own_columns());
        RecordBatch::try_new(with_event_fields(&own, &self.fields), columns)
    }
}
