//! How a table's columns take in the fields of the next schema.
//!
//! Columns are only added, at the end of their record: of the event, or of one in a column, a list or a map of it.
//! A column's type never changes otherwise, but takes what Avro promotes to it. A renamed field keeps the column
//! that it had first: what a field was called otherwise, before or after, is written down in the column's metadata,
//! so that any schema's name for it finds it, whichever schema came first and whether or not the aliases are still
//! there.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field as ArrowField, Fields};

use super::shape::{Field, Misfit, Shape};

/// The key of a column's metadata under which the other names of its field stand, commas between.
pub const NAMES: &str = "goldrecord.names";

/// What no column's name has, for the sake of readers.
const FORBIDDEN: &[char] = &[' ', ',', ';', '{', '}', '(', ')', '\n', '\t', '='];

/// The table's fields with those of a schema added where they are new, and their names where those are.
/// `None`: nothing is new. What the columns there cannot hold is refused by the field's path.
pub fn merge(table: &Fields, fields: &[Field]) -> Result<Option<Fields>, Misfit> {
    merge_record(table, fields, &Path(None))
}

/// Where a field stands: its name behind those of the records around it.
struct Path<'a>(Option<(&'a Path<'a>, &'a str)>);

impl Path<'_> {
    fn misfit(&self, why: impl std::fmt::Display) -> Misfit {
        Misfit(format!("field `{self}`: {why}"))
    }
}

impl std::fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            None => Ok(()),
            Some((Path(None), name)) => f.write_str(name),
            Some((around, name @ ("[]" | "{}"))) => write!(f, "{around}{name}"),
            Some((around, name)) => write!(f, "{around}.{name}"),
        }
    }
}

fn merge_record(
    table: &Fields,
    fields: &[Field],
    around: &Path<'_>,
) -> Result<Option<Fields>, Misfit> {
    let mut merged: Vec<Arc<ArrowField>> = table.iter().cloned().collect();
    let mut changed = false;
    // The column of each field so far.
    let mut claimed: BTreeMap<usize, &str> = BTreeMap::new();
    for field in fields {
        let path = Path(Some((around, &field.name)));
        let index = if let Some(index) = place(&merged, field) {
            let column = &merged[index];
            if let Some(data_type) = merge_type(column.data_type(), &field.shape, &path)? {
                merged[index] = Arc::new(column.as_ref().clone().with_data_type(data_type));
                changed = true;
            }
            index
        } else {
            check_name(&merged, field, &path)?;
            let hollow = hollow(&field.shape).arrow();
            let whole = merge_type(&hollow, &field.shape, &path)?.unwrap_or(hollow);
            merged.push(Arc::new(field.arrow().with_data_type(whole)));
            changed = true;
            merged.len() - 1
        };
        if let Some(other) = claimed.insert(index, &field.name) {
            return Err(path.misfit(format!(
                "by its aliases, here or in another schema, it is the field `{other}`, whose column is `{}`; give it another name",
                merged[index].name()
            )));
        }
        changed |= remember(&mut merged, index, field);
    }
    Ok(changed.then(|| merged.into()))
}

/// A shape whose records have no fields yet: a new column's are merged into it like those of an old one.
fn hollow(shape: &Shape) -> Shape {
    match shape {
        Shape::Record(_) => Shape::Record(Vec::new()),
        Shape::List(element) => Shape::List(Box::new(hollow(element))),
        Shape::Map(value) => Shape::Map(Box::new(hollow(value))),
        other => other.clone(),
    }
}

/// The place of a field among a table's `columns`: the one of its name, else one whose field was ever
/// called so, else one that a name it had before leads to.
///
/// Once [`merge`] took a field in, its place stays the same whatever else is merged.
pub(super) fn place<'a>(
    columns: impl IntoIterator<Item = &'a Arc<ArrowField>, IntoIter: Clone>,
    field: &Field,
) -> Option<usize> {
    let columns = columns.into_iter();
    let called = |name: &str| {
        let mut own = columns.clone();
        let mut others = columns.clone();
        own.position(|column| column.name() == name)
            .or_else(|| others.position(|column| names(column).any(|other| other == name)))
    };
    called(&field.name).or_else(|| field.aliases.iter().find_map(|alias| called(alias)))
}

fn names(column: &ArrowField) -> impl Iterator<Item = &str> {
    let names = column.metadata().get(NAMES);
    names.into_iter().flat_map(|names| names.split(','))
}

/// Writes a field's names down with its column, those that lead nowhere yet. True: there were some.
fn remember(columns: &mut [Arc<ArrowField>], index: usize, field: &Field) -> bool {
    let is_known = |name: &str| {
        columns
            .iter()
            .any(|column| column.name() == name || names(column).any(|other| other == name))
    };
    let new: Vec<&str> = std::iter::once(&field.name)
        .chain(&field.aliases)
        .map(String::as_str)
        .filter(|name| !is_known(name))
        .collect();
    if new.is_empty() {
        return false;
    }
    let column = &columns[index];
    let all: Vec<&str> = names(column).chain(new).collect();
    let mut metadata = column.metadata().clone();
    metadata.insert(NAMES.to_owned(), all.join(","));
    columns[index] = Arc::new(column.as_ref().clone().with_metadata(metadata));
    true
}

/// A name that every reader of the table can tell from the others.
fn check_name(columns: &[Arc<ArrowField>], field: &Field, path: &Path<'_>) -> Result<(), Misfit> {
    if field.name.is_empty() || field.name.contains(FORBIDDEN) {
        return Err(path.misfit(
            "a column's name is not empty and has neither spaces nor any of `,;{}()=`; rename it",
        ));
    }
    let lower = field.name.to_lowercase();
    match columns
        .iter()
        .find(|column| column.name().to_lowercase() == lower)
    {
        Some(column) => Err(path.misfit(format!(
            "the table has `{}`, which to many readers is the same name; rename it",
            column.name()
        ))),
        None => Ok(()),
    }
}

/// The column's type with what is new in `shape`; `None`: nothing is.
fn merge_type(
    column: &DataType,
    shape: &Shape,
    path: &Path<'_>,
) -> Result<Option<DataType>, Misfit> {
    match (column, shape) {
        (DataType::Struct(table), Shape::Record(fields)) => {
            Ok(merge_record(table, fields, path)?.map(DataType::Struct))
        }
        (DataType::List(element), Shape::List(shape)) => {
            let path = Path(Some((path, "[]")));
            Ok(merge_type(element.data_type(), shape, &path)?.map(|held| {
                DataType::List(Arc::new(element.as_ref().clone().with_data_type(held)))
            }))
        }
        (DataType::Map(entries, sorted), Shape::Map(shape)) => {
            let path = Path(Some((path, "{}")));
            let DataType::Struct(pair) = entries.data_type() else {
                return Err(path.misfit("the table's map has no entries"));
            };
            let value = &pair[1];
            Ok(merge_type(value.data_type(), shape, &path)?.map(|held| {
                let value = Arc::new(value.as_ref().clone().with_data_type(held));
                let pair = Fields::from(vec![Arc::clone(&pair[0]), value]);
                let entries = entries
                    .as_ref()
                    .clone()
                    .with_data_type(DataType::Struct(pair));
                DataType::Map(Arc::new(entries), *sorted)
            }))
        }
        (held, shape) if takes(held, shape) => Ok(None),
        (held, shape) => Err(path.misfit(format!(
            "the table's column is {held} and cannot hold {}; give the field another name",
            shape.arrow()
        ))),
    }
}

/// Whether a column without parts holds all values of a shape: its own, and what Avro promotes to it.
pub(super) fn takes(column: &DataType, shape: &Shape) -> bool {
    match (column, shape) {
        (DataType::Float64, Shape::Long)
        | (DataType::Binary, Shape::Text)
        // Bytes that are no UTF-8 are then bad.
        | (DataType::Utf8, Shape::Bytes)
        // A logical type that was added to a number: the column goes on with the number.
        | (DataType::Int64, Shape::Timestamp | Shape::Date) => true,
        (DataType::Decimal128(digits, scale), Shape::Decimal(own_digits, own_scale)) => {
            own_digits <= digits && own_scale == scale
        }
        (held, shape) => Shape::of(held).as_ref() == Some(shape),
    }
}
