//! Query results, row by row and by column name.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::prelude::SessionContext;

use crate::{Error, Result};

/// Every row of a query's result.
#[derive(Debug)]
pub struct Rows {
    batches: Vec<RecordBatch>,
}

/// One row of it.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    batch: &'a RecordBatch,
    index: usize,
}

/// Run a query and hold its rows.
pub async fn query(context: &SessionContext, sql: &str) -> Result<Rows> {
    Ok(Rows {
        batches: context.sql(sql).await?.collect().await?,
    })
}

impl Rows {
    /// In the order of the result.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        self.batches
            .iter()
            .flat_map(|batch| (0..batch.num_rows()).map(move |index| Row { batch, index }))
    }
}

impl Row<'_> {
    /// A whole number; `None` where it is null.
    pub fn integer(&self, column: &str) -> Result<Option<i64>> {
        let value = self.value(column, &DataType::Int64)?;
        Ok(value
            .is_valid(0)
            .then(|| value.as_primitive::<Int64Type>().value(0)))
    }

    /// A number; `None` where it is null.
    pub fn number(&self, column: &str) -> Result<Option<f64>> {
        let value = self.value(column, &DataType::Float64)?;
        Ok(value
            .is_valid(0)
            .then(|| value.as_primitive::<Float64Type>().value(0)))
    }

    /// Text; `None` where it is null.
    pub fn text(&self, column: &str) -> Result<Option<String>> {
        let value = self.value(column, &DataType::Utf8)?;
        Ok(value
            .is_valid(0)
            .then(|| value.as_string::<i32>().value(0).to_owned()))
    }

    fn value(&self, column: &str, data_type: &DataType) -> Result<ArrayRef> {
        let array = self
            .batch
            .column_by_name(column)
            .ok_or_else(|| Error::Query(format!("the result has no column `{column}`")))?;
        cast(&array.slice(self.index, 1), data_type).map_err(Error::Render)
    }
}
