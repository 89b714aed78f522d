//! Batches as they come, made into batches with the table's columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::{DataType, Field, SchemaRef};

use crate::conform::conform;
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
    check(given, wanted, wanted.name())?;
    conform(column, wanted.data_type())
        .map_err(|error| format!("column `{}`: {error}", wanted.name()))
}

/// Refuses what the table's column at `path` would lose or take for something else.
fn check(given: &Field, wanted: &Field, path: &str) -> Result<(), String> {
    match (given.data_type(), wanted.data_type()) {
        (DataType::Struct(given), DataType::Struct(wanted)) => given.iter().try_for_each(|own| {
            let path = format!("{path}.{}", own.name());
            match wanted.find(own.name()) {
                Some((_, field)) => check(own, field, &path),
                None => Err(format!("column `{path}` is not in the table")),
            }
        }),
        (
            DataType::List(given) | DataType::LargeList(given) | DataType::ListView(given),
            DataType::List(wanted),
        ) => check(given, wanted, &format!("{path}.element")),
        (DataType::Map(given, _), DataType::Map(wanted, _)) => {
            match (given.data_type(), wanted.data_type()) {
                (DataType::Struct(given), DataType::Struct(wanted)) => {
                    given.iter().zip(wanted).try_for_each(|(own, field)| {
                        check(own, field, &format!("{path}.{}", field.name()))
                    })
                }
                _ => Err(format!("column `{path}` is a map without entries")),
            }
        }
        _ => {
            let given = type_name(given).map_err(|error| error.to_string())?;
            let wanted = type_name(wanted).map_err(|error| error.to_string())?;
            if given == wanted {
                Ok(())
            } else {
                Err(format!("column `{path}` is {given} and not {wanted}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        Array as _, AsArray as _, Int64Array, StringViewArray, StructArray,
        TimestampNanosecondArray, UInt64Array,
    };
    use arrow::datatypes::{Int64Type, Schema, TimeUnit, TimestampMicrosecondType};

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

    fn inner(fields: Vec<(&str, ArrayRef)>) -> RecordBatch {
        let fields = fields.into_iter().map(|(name, values)| {
            let field = Field::new(name, values.data_type().clone(), true);
            (Arc::new(field), values)
        });
        let record: ArrayRef = Arc::new(StructArray::from(fields.collect::<Vec<_>>()));
        batch(vec![("r", record)])
    }

    #[test]
    fn a_record_lacks_fields_that_came_later_and_has_no_others() {
        let fields = vec![
            Field::new("n", DataType::Int64, true),
            Field::new("later", DataType::Utf8, true),
            Field::new("s", DataType::Utf8, true),
        ];
        let record = Field::new("r", DataType::Struct(fields.into()), true);
        let schema = Arc::new(Schema::new(vec![record]));
        let (number, text): (ArrayRef, ArrayRef) = (
            Arc::new(Int64Array::from(vec![1])),
            Arc::new(StringViewArray::from(vec!["x"])),
        );
        let given = inner(vec![("s", text), ("n", Arc::clone(&number))]);
        let aligned = align("t", &given, &schema).expect("fits");
        let record = aligned.column(0).as_struct();
        assert_eq!(record.column(0).as_primitive::<Int64Type>().value(0), 1);
        assert_eq!(record.column(1).null_count(), 1);
        assert_eq!(record.column(2).as_string::<i32>().value(0), "x");
        for (name, says) in [
            ("new", "`r.new` is not in the table"),
            ("s", "`r.s` is long and not string"),
        ] {
            let given = inner(vec![(name, Arc::clone(&number))]);
            let error = align("t", &given, &schema).expect_err("refused");
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
