//! Partition folders: which rows go where, how values are written in the log and in folder names.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray as _, RecordBatch, StringArray, UInt32Array};
use arrow::compute::{CastOptions, cast_with_options, take, take_record_batch};
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use chrono::DateTime;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Delta's name for the folder of null.
const NULL_FOLDER: &str = "__HIVE_DEFAULT_PARTITION__";
/// The longest value in a folder's name, in bytes. The log is what tells a file's values; folders are for people.
const LONGEST_FOLDER_VALUE: usize = 160;

/// What stays as it is in a folder's name.
const FOLDER: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');
/// What stays as it is in a path of the log.
const LOGGED: &AsciiSet = &FOLDER.remove(b'/').remove(b'=');

/// The values of a file's partition columns, in their order.
pub(crate) type Key = Vec<Option<String>>;

/// Splits a batch by the columns at `indexes`. Rows keep their order.
pub(crate) fn split(
    batch: &RecordBatch,
    indexes: &[usize],
) -> Result<Vec<(Key, RecordBatch)>, ArrowError> {
    if batch.num_rows() == 0 {
        return Ok(Vec::new());
    }
    if indexes.is_empty() {
        return Ok(vec![(Vec::new(), batch.clone())]);
    }
    let columns: Vec<ArrayRef> = indexes
        .iter()
        .map(|i| Arc::clone(batch.column(*i)))
        .collect();
    let fields = columns
        .iter()
        .map(|c| SortField::new(c.data_type().clone()))
        .collect();
    let rows = RowConverter::new(fields)?.convert_columns(&columns)?;
    let mut group_of = HashMap::new();
    let mut groups: Vec<Vec<u32>> = Vec::new();
    let mut last = None;
    for index in 0..batch.num_rows() {
        let row = rows.row(index);
        // Neighbours mostly share a partition.
        let group = match last {
            Some((previous, group)) if previous == row => group,
            _ => *group_of.entry(row).or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            }),
        };
        last = Some((row, group));
        groups[group]
            .push(u32::try_from(index).map_err(|_| ArrowError::OffsetOverflowError(index))?);
    }
    let only_one = groups.len() == 1;
    groups
        .into_iter()
        .map(|group| {
            let first = group[0] as usize;
            let key = columns
                .iter()
                .map(|c| value(c, first))
                .collect::<Result<Key, _>>()?;
            let rows = if only_one {
                batch.clone()
            } else {
                take_record_batch(batch, &UInt32Array::from(group))?
            };
            Ok((key, rows))
        })
        .collect()
}

/// A value as Delta writes it; the empty string is null to Delta.
fn value(column: &ArrayRef, row: usize) -> Result<Option<String>, ArrowError> {
    if column.is_null(row) {
        return Ok(None);
    }
    if let DataType::Timestamp(TimeUnit::Microsecond, _) = column.data_type() {
        let micros = column.as_primitive::<TimestampMicrosecondType>().value(row);
        let time = DateTime::from_timestamp_micros(micros).ok_or_else(|| {
            ArrowError::CastError(format!("{micros} µs is no time of the calendar"))
        })?;
        return Ok(Some(time.format("%Y-%m-%d %H:%M:%S%.6f").to_string()));
    }
    let text = cast_with_options(&column.slice(row, 1), &DataType::Utf8, &strict())?;
    let text = text.as_string::<i32>().value(0);
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// A column that holds one value `rows` times.
pub(crate) fn column(
    value: Option<&str>,
    data_type: &DataType,
    rows: usize,
) -> Result<ArrayRef, ArrowError> {
    let one = StringArray::from(vec![value]);
    let one = cast_with_options(&one, data_type, &strict())?;
    take(&one, &UInt32Array::from(vec![0; rows]), None)
}

fn strict() -> CastOptions<'static> {
    CastOptions {
        safe: false,
        ..CastOptions::default()
    }
}

/// The folder of a key, relative to the table, with a trailing slash; empty without partition columns.
pub(crate) fn folder(columns: &[String], key: &Key) -> String {
    let mut folder = String::new();
    for (column, value) in columns.iter().zip(key) {
        let mut value = value.as_deref().map_or_else(
            || NULL_FOLDER.to_owned(),
            |value| utf8_percent_encode(value, FOLDER).to_string(),
        );
        value.truncate(LONGEST_FOLDER_VALUE);
        folder.extend(utf8_percent_encode(column, FOLDER));
        folder.extend(["=", value.as_str(), "/"]);
    }
    folder
}

/// A file's path as the log names it.
pub(crate) fn logged(physical: &str) -> String {
    utf8_percent_encode(physical, LOGGED).to_string()
}

/// A path of the log as the file system names it.
pub(crate) fn physical(logged: &str) -> Result<String, std::str::Utf8Error> {
    Ok(percent_decode_str(logged).decode_utf8()?.into_owned())
}

#[cfg(test)]
mod tests {
    use arrow::array::{Date32Array, Int64Array};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_are_neither_lost_nor_moved(days in prop::collection::vec(prop::option::of(0i32..4), 0..200)) {
            let numbers = Int64Array::from_iter_values(0..days.len() as i64);
            let batch = RecordBatch::try_from_iter(vec![
                ("day", Arc::new(Date32Array::from(days.clone())) as ArrayRef),
                ("n", Arc::new(numbers) as ArrayRef),
            ]).expect("a batch");
            let mut seen = 0;
            for (key, rows) in split(&batch, &[0]).expect("splits") {
                let column = column(key[0].as_deref(), &DataType::Date32, rows.num_rows()).expect("a day");
                prop_assert_eq!(&column, rows.column(0));
                let ordered = rows.column(1).as_primitive::<arrow::datatypes::Int64Type>().values().windows(2).all(|w| w[0] < w[1]);
                prop_assert!(ordered);
                seen += rows.num_rows();
            }
            prop_assert_eq!(seen, days.len());
        }

        #[test]
        fn a_path_is_read_back_from_the_log(value in ".{0,40}") {
            let path = format!("{}part-0.parquet", folder(&["a b".to_owned()], &vec![Some(value)]));
            prop_assert_eq!(physical(&logged(&path)).expect("utf-8"), path);
        }
    }

    #[test]
    fn folders_are_named_as_hive_does() {
        let columns = ["day".to_owned(), "place".to_owned()];
        let key = vec![Some("2026-10-01".to_owned()), Some("a/b c%".to_owned())];
        assert_eq!(folder(&columns, &key), "day=2026-10-01/place=a%2Fb%20c%25/");
        assert_eq!(logged("place=a%2Fb/x"), "place=a%252Fb/x");
        assert_eq!(
            folder(&columns[..1], &vec![None]),
            "day=__HIVE_DEFAULT_PARTITION__/"
        );
    }

    #[test]
    fn times_and_empty_strings_are_written_as_delta_wants_them() {
        let times: ArrayRef = Arc::new(
            arrow::array::TimestampMicrosecondArray::from(vec![1_500_000]).with_timezone("UTC"),
        );
        let text = value(&times, 0).expect("a value");
        assert_eq!(text.as_deref(), Some("1970-01-01 00:00:01.500000"));
        assert_eq!(
            &column(text.as_deref(), times.data_type(), 1).expect("a column"),
            &times
        );
        let empty: ArrayRef = Arc::new(StringArray::from(vec![""]));
        assert_eq!(value(&empty, 0).expect("a value"), None);
    }
}
