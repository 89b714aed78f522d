//! How a table's schema may change.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};

use crate::error::{Error, Result};
use crate::log::schema::{table_schema, type_name};

/// The table's columns and after them those of `wanted` that it lacks, as nullable ones, and in the same way the
/// fields of records in columns; `None` where nothing is to be added. What is of another type is refused by name.
/// Comments and other notes stay the table's.
pub fn merge_schema(current: &Schema, wanted: &Schema) -> Result<Option<SchemaRef>> {
    let wanted = table_schema(wanted)?;
    let merged = merge_fields(current.fields(), wanted.fields(), None)?;
    Ok(merged.map(|fields| {
        Arc::new(Schema::new_with_metadata(
            fields,
            current.metadata().clone(),
        ))
    }))
}

/// Whether files that were written for `before` have what `after` wants of them: everything is still there, and
/// what is new may be null.
pub(crate) fn only_adds(before: &Schema, after: &Schema) -> bool {
    let is_new = |field: &&FieldRef| before.field_with_name(field.name()).is_err();
    let mut new = after.fields().iter().filter(is_new);
    if new.any(|field| !field.is_nullable()) {
        return false;
    }
    let (Ok(before), Ok(after)) = (table_schema(before), table_schema(after)) else {
        return false;
    };
    let all = match merge_schema(&before, &after) {
        Ok(Some(merged)) => merged,
        Ok(None) => before,
        Err(_) => return false,
    };
    matches!(merge_schema(&after, &all), Ok(None))
}

/// The fields of a table, or of the records at `around` in it.
fn merge_fields(current: &Fields, wanted: &Fields, around: Option<&str>) -> Result<Option<Fields>> {
    let mut merged: Vec<FieldRef> = current.iter().cloned().collect();
    let mut changed = false;
    for field in wanted {
        let path = match around {
            None => field.name().clone(),
            Some(around) => format!("{around}.{}", field.name()),
        };
        match current.iter().position(|own| own.name() == field.name()) {
            None => {
                merged.push(Arc::new(field.as_ref().clone().with_nullable(true)));
                changed = true;
            }
            Some(index) => {
                if around.is_some() && current[index].is_nullable() != field.is_nullable() {
                    let (own, other) = (nullability(&current[index]), nullability(field));
                    return Err(type_change(&path, own, other));
                }
                if let Some(whole) = merge_type(&current[index], field, &path)? {
                    merged[index] = whole;
                    changed = true;
                }
            }
        }
    }
    Ok(changed.then(|| merged.into()))
}

/// The field with what `wanted` has in addition; `None`: nothing.
fn merge_type(current: &FieldRef, wanted: &FieldRef, path: &str) -> Result<Option<FieldRef>> {
    let merged = match (current.data_type(), wanted.data_type()) {
        (DataType::Struct(own), DataType::Struct(fields)) => {
            merge_fields(own, fields, Some(path))?.map(DataType::Struct)
        }
        (DataType::List(own), DataType::List(element))
            if own.is_nullable() == element.is_nullable() =>
        {
            merge_type(own, element, &format!("{path}.element"))?.map(DataType::List)
        }
        // Their entries are records of a key and a value.
        (DataType::Map(own, sorted), DataType::Map(entries, _)) => {
            merge_type(own, entries, path)?.map(|entries| DataType::Map(entries, *sorted))
        }
        _ => {
            let (own, other) = (type_name(current)?, type_name(wanted)?);
            if own != other {
                return Err(type_change(path, own, other));
            }
            None
        }
    };
    Ok(merged.map(|merged| Arc::new(current.as_ref().clone().with_data_type(merged))))
}

fn type_change(path: &str, current: String, wanted: String) -> Error {
    Error::TypeChange {
        column: path.to_owned(),
        current,
        wanted,
    }
}

/// What a table says of null inside its columns holds for all of its files.
fn nullability(field: &Field) -> String {
    let kind = if field.is_nullable() {
        "nullable"
    } else {
        "never null"
    };
    kind.to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn field(name: &str, data_type: DataType) -> Field {
        Field::new(name, data_type, true)
    }

    fn schema(columns: &[(&str, DataType)]) -> Schema {
        let columns = columns.iter();
        let column = |(name, data_type): &(&str, DataType)| {
            field(name, data_type.clone()).with_nullable(false)
        };
        Schema::new(columns.map(column).collect::<Vec<_>>())
    }

    fn record(fields: Vec<Field>) -> DataType {
        DataType::Struct(fields.into())
    }

    fn list(element: DataType) -> DataType {
        DataType::List(Arc::new(field("element", element)))
    }

    fn map(value: DataType) -> DataType {
        let pair = vec![
            Field::new("key", DataType::Utf8, false),
            field("value", value),
        ];
        DataType::Map(
            Arc::new(Field::new("key_value", record(pair), false)),
            false,
        )
    }

    /// Records of these fields within a record, a list and a map of lists.
    fn everywhere(fields: &[Field]) -> Schema {
        let inner = || record(fields.to_vec());
        Schema::new(vec![
            field("r", record(vec![field("inner", inner())])),
            field("l", list(inner())),
            field("m", map(list(inner()))),
        ])
    }

    #[test]
    fn columns_are_only_added_and_may_be_null() {
        let current = schema(&[("a", DataType::Int64), ("b", DataType::Utf8)]);
        let wanted = schema(&[("c", DataType::Utf8View), ("a", DataType::Int64)]);
        let merged = merge_schema(&current, &wanted)
            .expect("fits")
            .expect("one is new");
        let names: Vec<_> = merged.fields().iter().map(|f| f.name().as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert!(merged.field(2).is_nullable());
        assert_eq!(merged.field(2).data_type(), &DataType::Utf8);
        assert_eq!(merge_schema(&merged, &wanted).expect("fits"), None);
    }

    #[test]
    fn so_are_the_fields_of_records_wherever_they_stand() {
        let (a, b) = (field("a", DataType::Int64), field("b", DataType::Utf8));
        let note = HashMap::from([("comment".to_owned(), "more of it".to_owned())]);
        let (noted, strict) = (
            a.clone().with_metadata(note),
            b.clone().with_nullable(false),
        );
        let current = everywhere(std::slice::from_ref(&a));
        let merged = merge_schema(&current, &everywhere(&[strict.clone(), noted.clone()]));
        let merged = merged.expect("fits").expect("one is new");
        assert_eq!(*merged, everywhere(&[a.clone(), b.clone()]));
        assert_eq!(merge_schema(&merged, &current).expect("fits"), None);
        for (after, fits) in [
            (everywhere(&[a.clone(), b.clone()]), true),
            (everywhere(&[b.clone(), noted]), true),
            (everywhere(&[a.clone(), strict]), false),
            (everywhere(&[b]), false),
            (everywhere(&[a.with_nullable(false)]), false),
        ] {
            assert_eq!(only_adds(&current, &after), fits, "{after}");
        }
    }

    #[test]
    fn another_type_is_refused_by_the_columns_name() {
        let current = schema(&[("a", DataType::Int64)]);
        let error = merge_schema(&current, &schema(&[("a", DataType::Utf8)])).expect_err("refused");
        assert_eq!(
            error.to_string(),
            "column `a` is long in the table and cannot become string; give the new column another name, or rebuild the table"
        );
        let of = |x: Field| Schema::new(vec![field("m", map(list(record(vec![x]))))]);
        let current = of(field("x", DataType::Int64));
        for (other, says) in [
            (
                field("x", DataType::Utf8),
                "`m.value.element.x` is long in the table and cannot become string",
            ),
            (
                field("x", DataType::Int64).with_nullable(false),
                "`m.value.element.x` is nullable in the table and cannot become never null",
            ),
            (
                field("x", list(DataType::Int64)),
                "`m.value.element.x` is long",
            ),
        ] {
            let error = merge_schema(&current, &of(other)).expect_err("refused");
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
