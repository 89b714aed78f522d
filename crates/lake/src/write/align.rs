//! Batches as they come, made into batches with the table's columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Field, SchemaRef};

use crate::error::{Error, Result};
use crate::log::schema::type_name;

/// The batch with the columns of `schema`, in its order and of its types. Columns are found by name; those that
/// the batch lacks are null; those that the table lacks are refused.
pub(crate) fn align(table: &str, batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let unfit = |why: String| Error::Unfit {
        table: table.to_owned(),
        why,
    };
    let given = batch.schema();
    if Arc::ptr_eq(&given, schema) {
        return Ok(batch.clone());
    }
    if let Some(extra) = given
        .fields()
        .iter()
        .find(|f| schema.index_of(f.name()).is_err())
    {
        return Err(unfit(format!(
            "column `{}` is not in the table",
            extra.name()
        )));
    }
    let columns = schema
        .fields()
        .iter()
        .map(|field| match given.index_of(field.name()) {
            Ok(index) => fit(batch.column(index), given.field(index), field).map_err(unfit),
            Err(_) if field.is_nullable() => {
                Ok(new_null_array(field.data_type(), batch.num_rows()))
            }
            Err(_) => Err(unfit(format!(
                "column `{}` is missing and cannot be null",
                field.name()
            ))),
        })
        .collect::<Result<Vec<_>>>()?;
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &rows)
        .map_err(|error| unfit(error.to_string()))
}

/// Another way to hold the same Delta type is converted; another type is refused.
fn fit(column: &ArrayRef, given: &Field, wanted: &Field) -> Result<ArrayRef, String> {
    if given.data_type() == wanted.data_type() {
        return Ok(Arc::clone(column));
    }
    let given_type = type_name(given).map_err(|error| error.to_string())?;
    let wanted_type = type_name(wanted).map_err(|error| error.to_string())?;
    if given_type != wanted_type && !wanted.data_type().is_nested() {
        return Err(format!(
            "column `{}` is {given_type} and not {wanted_type}",
            wanted.name()
        ));
    }
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(column, wanted.data_type(), &strict)
        .map_err(|error| format!("column `{}`: {error}", wanted.name()))
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        AsArray as _, Int64Array, StringViewArray, TimestampNanosecondArray, UInt64Array,
    };
    use arrow::datatypes::{DataType, Int64Type, Schema, TimeUnit, TimestampMicrosecondType};

    use super::*;

    fn table() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("n", DataType::Int64, false),
            Field::new("s", DataType::Utf8, true),
            Field::new(
                "t",
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
                true,
            ),
            Field::new("later", DataType::Float64, true),
        ]))
    }

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter(columns).expect("a batch")
    }

    #[test]
    fn columns_are_found_by_name_and_converted() {
        let given = batch(vec![
            ("s", Arc::new(StringViewArray::from(vec!["x"]))),
            ("t", Arc::new(TimestampNanosecondArray::from(vec![1_500]))),
            ("n", Arc::new(UInt64Array::from(vec![7]))),
        ]);
        let aligned = align("t", &given, &table()).expect("fits");
        assert_eq!(aligned.column(0).as_primitive::<Int64Type>().value(0), 7);
        assert_eq!(aligned.column(1).as_string::<i32>().value(0), "x");
        assert_eq!(
            aligned
                .column(2)
                .as_primitive::<TimestampMicrosecondType>()
                .value(0),
            1
        );
        assert_eq!(aligned.column(3).null_count(), 1);
    }

    #[test]
    fn what_does_not_fit_is_refused_by_the_columns_name() {
        let number: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let cases = [
            (
                vec![("n", Arc::clone(&number)), ("new", Arc::clone(&number))],
                "`new` is not in the table",
            ),
            (
                vec![("n", Arc::clone(&number)), ("s", Arc::clone(&number))],
                "`s` is long and not string",
            ),
            (vec![("later", number)], "`n` is missing"),
        ];
        for (columns, says) in cases {
            let columns = columns
                .into_iter()
                .filter(|(name, _)| *name != "later")
                .collect::<Vec<_>>();
            let given = if columns.is_empty() {
                batch(vec![("s", Arc::new(StringViewArray::from(vec!["x"])))])
            } else {
                batch(columns)
            };
            let error = align("t", &given, &table())
                .expect_err("refused")
                .to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
