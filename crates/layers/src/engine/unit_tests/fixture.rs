//! The rows of a unit test, with the types of the table that they stand for.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StringArray, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::Value;

use super::difference::Cells;
use crate::Result;
use crate::diagnostics::Diagnostic;
use crate::manifest::Fixture;

/// Rows as they are written: cells by column.
type Written = [Vec<(String, Value)>];

/// The places in the table of the columns that `rows` name, in order of first mention; where they name none, of all.
pub fn columns(
    what: &str,
    fixture: &Fixture,
    rows: &Written,
    schema: &Schema,
) -> Result<Vec<usize>> {
    if rows.is_empty() {
        return Ok((0..schema.fields().len()).collect());
    }
    let names: Vec<&str> = rows
        .iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    known(what, fixture, &names, schema)
}

/// The places in the table of columns of these names, each once.
pub fn known(what: &str, fixture: &Fixture, names: &[&str], schema: &Schema) -> Result<Vec<usize>> {
    let mut found = Vec::new();
    for name in names {
        let place = schema
            .fields()
            .iter()
            .position(|field| field.name().eq_ignore_ascii_case(name));
        match place {
            Some(place) if found.contains(&place) => {}
            Some(place) => found.push(place),
            None => {
                let wrong = Diagnostic::new(format!("{what} has no column `{name}`"));
                let known: Vec<&str> = schema
                    .fields()
                    .iter()
                    .map(|field| field.name().as_str())
                    .collect();
                let wrong = wrong.at(fixture.at.clone());
                let near = wrong.clone().nearest(name, known.iter().copied());
                return Err(match near.help {
                    Some(_) => near,
                    None => wrong.help(format!("its columns are {}", known.join(", "))),
                }
                .into());
            }
        }
    }
    Ok(found)
}

/// The rows as a table's, columns that they leave out null.
pub fn batch(
    what: &str,
    fixture: &Fixture,
    rows: &Written,
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    columns(what, fixture, rows, schema)?;
    let mut arrays = Vec::new();
    for field in schema.fields() {
        let cells: Vec<&Value> = rows
            .iter()
            .map(|row| {
                let cell = row
                    .iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case(field.name()));
                cell.map_or(&Value::Null, |(_, value)| value)
            })
            .collect();
        let array = typed(&cells, field).map_err(|error| {
            // The first cell that does not convert alone is the one to show.
            let wrong = cells.iter().find(|cell| typed(&[cell], field).is_err());
            let shown = wrong.map(|cell| text(cell, field.data_type()).unwrap_or_default());
            let message = format!(
                "{what}: `{}` in column `{}` is no {}",
                shown.unwrap_or_default(),
                field.name(),
                field.data_type()
            );
            Diagnostic::new(message)
                .at(fixture.at.clone())
                .help(error.to_string())
        })?;
        arrays.push(array);
    }
    let nullable: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| Field::new(field.name(), field.data_type().clone(), true))
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(nullable)), arrays, &options).map_err(
        |error| {
            Diagnostic::new(format!("{what}: {error}"))
                .at(fixture.at.clone())
                .into()
        },
    )
}

/// A query's columns in the order and with the types of the table that they are compared with.
pub fn conformed(
    what: &str,
    fixture: &Fixture,
    rows: &RecordBatch,
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let wrong = |error: ArrowError| {
        let message = format!("{what}: {error}");
        crate::Error::from(Diagnostic::new(message).at(fixture.at.clone()))
    };
    let mut arrays = Vec::new();
    for (array, field) in rows.columns().iter().zip(schema.fields()) {
        arrays.push(strictly(array, field.data_type()).map_err(wrong)?);
    }
    RecordBatch::try_new(schema.clone(), arrays).map_err(wrong)
}

/// The rows with the types by which a scan shows a table's.
pub fn scanned(rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let schema = rows.schema();
    let mut fields = Vec::new();
    let mut arrays = Vec::new();
    for (field, array) in schema.fields().iter().zip(rows.columns()) {
        let wanted = match field.data_type() {
            DataType::Utf8 => DataType::Utf8View,
            other => other.clone(),
        };
        arrays.push(strictly(array, &wanted)?);
        fields.push(Field::new(field.name(), wanted, true));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
}

/// Rows as texts, to be compared and shown.
pub fn cells(batch: &RecordBatch) -> Result<Vec<Cells>, ArrowError> {
    let options = FormatOptions::default();
    let columns = batch.columns().iter();
    let columns: Vec<(&ArrayRef, ArrayFormatter<'_>)> = columns
        .map(|column| Ok((column, ArrayFormatter::try_new(column, &options)?)))
        .collect::<Result<_, ArrowError>>()?;
    let row = |row: usize| {
        let cells = columns.iter();
        cells
            .map(|(column, texts)| column.is_valid(row).then(|| texts.value(row).to_string()))
            .collect()
    };
    Ok((0..batch.num_rows()).map(row).collect())
}

fn typed(cells: &[&Value], field: &Field) -> Result<ArrayRef, ArrowError> {
    let wanted = field.data_type();
    if cells.iter().all(|cell| cell.is_null()) {
        return Ok(new_null_array(wanted, cells.len()));
    }
    if wanted.is_nested() {
        return nested(cells, field);
    }
    let texts: StringArray = cells.iter().map(|cell| text(cell, wanted)).collect();
    strictly(&(Arc::new(texts) as ArrayRef), wanted)
}

/// Lists and records, written as such or as JSON.
fn nested(cells: &[&Value], field: &Field) -> Result<ArrayRef, ArrowError> {
    let schema = Schema::new(vec![Field::new("cell", field.data_type().clone(), true)]);
    let mut lines = String::new();
    for cell in cells {
        let cell = match cell {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{{\"cell\": {cell}}}");
    }
    let mut decoder = ReaderBuilder::new(Arc::new(schema))
        .with_batch_size(cells.len().max(1))
        .build_decoder()?;
    decoder.decode(lines.as_bytes())?;
    let batch = decoder.flush()?;
    let batch = batch.ok_or_else(|| ArrowError::JsonError("there is no value".to_owned()))?;
    Ok(Arc::clone(batch.column(0)))
}

/// A cell as the text that becomes a value of the type.
fn text(cell: &Value, wanted: &DataType) -> Option<String> {
    Some(match cell {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        Value::Bool(truth) if wanted.is_numeric() => u8::from(*truth).to_string(),
        Value::Number(number) => match number.as_f64() {
            // `1.0` is a whole number.
            Some(value) if wanted.is_integer() && number.is_f64() && value.fract() == 0.0 => {
                format!("{value:.0}")
            }
            _ => number.to_string(),
        },
        other => other.to_string(),
    })
}

fn strictly(array: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, ArrowError> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(array, wanted, &options)
}
