//! Which columns of a file a dictionary is of use to.
//!
//! Parquet's writer begins every column with one and gives up once it is too large: for ids, times and offsets
//! that costs more time and memory than all the rest, for nothing. A look at a file's first rows tells.

use std::collections::HashSet;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use parquet::basic::Encoding;
use parquet::file::properties::WriterPropertiesBuilder;
use parquet::schema::types::ColumnPath;

/// So many rows are looked at.
const SAMPLE: usize = 2048;
/// With fewer than these nothing is said.
const LEAST: usize = 256;

/// How the columns of a file that begins with these rows are best encoded. Nested columns stay as they are.
pub(crate) fn choose(
    mut properties: WriterPropertiesBuilder,
    rows: &RecordBatch,
) -> Result<WriterPropertiesBuilder, ArrowError> {
    if rows.num_rows() < LEAST {
        return Ok(properties);
    }
    for (field, column) in rows.schema_ref().fields().iter().zip(rows.columns()) {
        if field.data_type().is_nested() || repeats(column)? {
            continue;
        }
        let path = ColumnPath::from(field.name().as_str());
        properties = properties.set_column_dictionary_enabled(path.clone(), false);
        if is_counted(field.data_type()) {
            properties = properties.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        }
    }
    Ok(properties)
}

/// Whether values come more than once in the first rows: one in twenty at least.
fn repeats(column: &ArrayRef) -> Result<bool, ArrowError> {
    let sample = column.slice(0, column.len().min(SAMPLE));
    let there = sample.len() - sample.null_count();
    let converter = RowConverter::new(vec![SortField::new(sample.data_type().clone())])?;
    let nulls = usize::from(there < sample.len());
    let rows = converter.convert_columns(&[sample])?;
    let distinct = rows.iter().collect::<HashSet<_>>().len() - nulls;
    Ok(distinct * 20 <= there * 19)
}

/// Whether differences say a column's values in fewer bits.
fn is_counted(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Int32 | DataType::Int64 | DataType::Timestamp(..) | DataType::Date32
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    #[test]
    fn ids_and_offsets_have_no_dictionary_and_repeated_or_missing_values_have() {
        let numbers = 0..3000_i64;
        let columns: [(&str, ArrayRef); 4] = [
            (
                "offset",
                Arc::new(Int64Array::from_iter_values(numbers.clone())),
            ),
            (
                "id",
                Arc::new(StringArray::from_iter_values(
                    numbers.clone().map(|n| format!("id {n}")),
                )),
            ),
            (
                "page",
                Arc::new(StringArray::from_iter_values(
                    numbers.clone().map(|n| format!("{}", n % 7)),
                )),
            ),
            ("nothing", Arc::new(Int64Array::from(vec![None; 3000]))),
        ];
        let rows = RecordBatch::try_from_iter(columns).expect("a batch");
        let chosen = |rows: &RecordBatch| {
            let builder = parquet::file::properties::WriterProperties::builder();
            let properties = choose(builder, rows).expect("chosen").build();
            ["offset", "id", "page", "nothing"].map(|name| {
                let path = ColumnPath::from(name);
                (
                    properties.dictionary_enabled(&path),
                    properties.encoding(&path),
                )
            })
        };
        let delta = Some(Encoding::DELTA_BINARY_PACKED);
        assert_eq!(
            chosen(&rows),
            [(false, delta), (false, None), (true, None), (true, None)]
        );
        assert_eq!(
            chosen(&rows.slice(0, 100)),
            [(true, None); 4],
            "too few to say"
        );
    }
}
