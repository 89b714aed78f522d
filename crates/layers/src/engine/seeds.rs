//! Seeds: CSV files of the project as rows with types.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::prelude::SessionContext;
use sha2::{Digest, Sha256};

use super::introspect::sql_name;
use crate::diagnostics::{Diagnostic, place};
use crate::manifest::Node;
use crate::{Error, Result};

/// A seed as read.
#[derive(Clone, Debug)]
pub struct Seed {
    /// Its rows.
    pub rows: RecordBatch,
    /// A hash of the file and of what decides its types and layout.
    pub fingerprint: String,
}

impl Seed {
    /// Read a seed's file. `session` knows the SQL types that `column_types` may name.
    pub async fn read(root: &Path, node: &Node, session: &SessionContext) -> Result<Self> {
        let path = root.join(&node.original_file_path);
        let bytes = std::fs::read(&path).map_err(|error| Error::file(&path, error))?;
        let hash = Sha256::new()
            .chain_update(&node.fingerprint)
            .chain_update(&bytes)
            .finalize();
        let text = Text::parse(node, &bytes)?;
        text.check_named_columns(node)?;
        let mut fields = Vec::new();
        let mut columns = Vec::new();
        for (index, name) in text.names.iter().enumerate() {
            let wanted = match node.config.column_types.get(name) {
                Some(sql) => sql_type(node, name, sql, session).await?,
                None => inferred(&text.columns[index]),
            };
            columns.push(text.typed(node, index, &wanted)?);
            fields.push(Field::new(name, wanted, true));
        }
        let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
            .map_err(|error| Error::engine(format!("read seed {}", node.name))(error.into()))?;
        Ok(Self {
            rows,
            fingerprint: format!("{hash:x}"),
        })
    }

    /// Its columns.
    pub fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }
}

/// A CSV file's cells; empty ones are null.
struct Text {
    content: String,
    names: Vec<String>,
    columns: Vec<StringArray>,
    /// The line that each row begins on.
    lines: Vec<usize>,
}

impl Text {
    fn parse(node: &Node, bytes: &[u8]) -> Result<Self> {
        let file = &node.original_file_path;
        let content = String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes))
            .into_owned();
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(node.config.delimiter)
            .from_reader(content.as_bytes());
        let wrong = |error: &csv::Error| {
            let line = error
                .position()
                .map_or(1, |position| position.line() as usize);
            let what = match error.kind() {
                csv::ErrorKind::UnequalLengths {
                    expected_len, len, ..
                } => {
                    format!("the line has {len} fields where the header has {expected_len}")
                }
                _ => error.to_string(),
            };
            Error::from(
                Diagnostic::new(format!("{}: {what}", node.name))
                    .at(place(file, &content, line, None)),
            )
        };
        let names: Vec<String> = reader
            .headers()
            .map_err(|error| wrong(&error))?
            .iter()
            .map(|name| name.trim().to_owned())
            .collect();
        let mut cells: Vec<Vec<Option<String>>> = vec![Vec::new(); names.len()];
        let mut lines = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| wrong(&error))?;
            lines.push(
                record
                    .position()
                    .map_or(0, |position| position.line() as usize),
            );
            for (column, cell) in cells.iter_mut().zip(&record) {
                column.push((!cell.is_empty()).then(|| cell.to_owned()));
            }
        }
        if names.is_empty() {
            return Err(Diagnostic::new(format!("{} is empty", node.name))
                .in_file(file)
                .help("its first line names the columns; remove the file if there are none")
                .into());
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = names.iter().find(|name| !seen.insert(name.as_str())) {
            return Err(
                Diagnostic::new(format!("{}: two columns are named `{twice}`", node.name))
                    .at(place(file, &content, 1, None))
                    .into(),
            );
        }
        let columns = cells.into_iter().map(StringArray::from).collect();
        Ok(Self {
            content,
            names,
            columns,
            lines,
        })
    }

    fn check_named_columns(&self, node: &Node) -> Result<()> {
        for name in node.config.column_types.keys() {
            if !self.names.contains(name) {
                let wrong = Diagnostic::new(format!(
                    "`column_types` names `{name}`, which is no column of {}",
                    node.name
                ))
                .at(place(&node.original_file_path, &self.content, 1, None));
                let known = self.names.iter().map(String::as_str);
                return Err(wrong.nearest(name, known).into());
            }
        }
        Ok(())
    }

    fn typed(&self, node: &Node, index: usize, wanted: &DataType) -> Result<ArrayRef> {
        let column = &self.columns[index];
        if let Ok(column) = convert(column, wanted) {
            return Ok(column);
        }
        // The first cell that does not convert alone is the one to show.
        let row = (0..column.len())
            .find(|row| convert(&column.slice(*row, 1), wanted).is_err())
            .unwrap_or_default();
        let cell = if column.is_valid(row) {
            column.value(row)
        } else {
            ""
        };
        Err(Diagnostic::new(format!(
            "{}: `{cell}` in column `{}` of row {} is no {}",
            node.name,
            self.names[index],
            row + 1,
            sql_name(wanted)
        ))
        .at(place(
            &node.original_file_path,
            &self.content,
            self.lines.get(row).copied().unwrap_or(1),
            None,
        ))
        .help(format!(
            "mend the cell, or give `{}` another type in the seed's `column_types`",
            self.names[index]
        ))
        .into())
    }
}

fn convert(column: &StringArray, wanted: &DataType) -> Result<ArrayRef, arrow::error::ArrowError> {
    let with_seconds: StringArray;
    let column = if matches!(wanted, DataType::Timestamp(..)) {
        with_seconds = column.iter().map(|cell| cell.map(full_time)).collect();
        &with_seconds
    } else {
        column
    };
    cast_with_options(
        column,
        wanted,
        &CastOptions {
            safe: false,
            ..CastOptions::default()
        },
    )
}

/// A time that ends with its minutes, `2021-01-01 00:00`, with seconds.
fn full_time(cell: &str) -> Cow<'_, str> {
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    match cell.trim_end().rsplit_once(':') {
        Some((before, minutes))
            if digits(minutes) && !before.contains(':') && !before.contains('+') =>
        {
            Cow::Owned(format!("{before}:{minutes}:00"))
        }
        _ => Cow::Borrowed(cell),
    }
}

/// The stored type of a SQL type's name.
async fn sql_type(
    node: &Node,
    column: &str,
    sql: &str,
    session: &SessionContext,
) -> Result<DataType> {
    let plan = session
        .state()
        .create_logical_plan(&format!("select cast(null as {sql}) as c"))
        .await;
    let plan = plan.map_err(|_| {
        Error::from(
            Diagnostic::new(format!(
                "{}: `column_types` gives `{column}` the type `{sql}`, which does not exist",
                node.name
            ))
            .in_file(&node.original_file_path)
            .help(
                "use varchar, bigint, integer, double, decimal(p, s), boolean, date or timestamp",
            ),
        )
    })?;
    let plan = super::plan::storable(node, plan)?;
    Ok(plan.schema().field(0).data_type().clone())
}

/// The narrowest of these types that every cell has: boolean, whole number, number, date, time, text.
fn inferred(column: &StringArray) -> DataType {
    if column.null_count() == column.len() {
        return DataType::Utf8;
    }
    let leading_zero = column.iter().flatten().any(|cell| {
        cell.len() > 1 && cell.starts_with('0') && cell.bytes().all(|byte| byte.is_ascii_digit())
    });
    let is_boolean = column
        .iter()
        .flatten()
        .all(|cell| cell.eq_ignore_ascii_case("true") || cell.eq_ignore_ascii_case("false"));
    if is_boolean {
        return DataType::Boolean;
    }
    let numbers = if leading_zero {
        &[][..]
    } else {
        &[DataType::Int64, DataType::Float64][..]
    };
    let times = [
        DataType::Date32,
        DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    ];
    numbers
        .iter()
        .chain(&times)
        .find(|candidate| {
            let has_time = column.iter().flatten().any(|cell| cell.contains(':'));
            !(has_time && **candidate == DataType::Date32) && convert(column, candidate).is_ok()
        })
        .cloned()
        .unwrap_or(DataType::Utf8)
}
