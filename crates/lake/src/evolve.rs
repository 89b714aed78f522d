//! How a table's schema may change.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};

use crate::error::{Error, Result};
use crate::log::schema::{table_schema, type_name};

/// The table's columns and after them those of `wanted` that it lacks, as nullable ones; `None` where nothing
/// is to be added. A column of another type is refused by name.
pub fn merge_schema(current: &Schema, wanted: &Schema) -> Result<Option<SchemaRef>> {
    let wanted = table_schema(wanted)?;
    let mut added: Vec<Arc<Field>> = Vec::new();
    for field in wanted.fields() {
        let Ok(present) = current.field_with_name(field.name()) else {
            added.push(Arc::new(field.as_ref().clone().with_nullable(true)));
            continue;
        };
        let (present, wanted) = (type_name(present)?, type_name(field)?);
        if present != wanted {
            return Err(Error::TypeChange {
                column: field.name().clone(),
                current: present,
                wanted,
            });
        }
    }
    if added.is_empty() {
        return Ok(None);
    }
    let fields: Vec<_> = current.fields().iter().cloned().chain(added).collect();
    Ok(Some(Arc::new(Schema::new_with_metadata(
        fields,
        current.metadata().clone(),
    ))))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;

    use super::*;

    fn schema(columns: &[(&str, DataType)]) -> Schema {
        let field =
            |(name, data_type): &(&str, DataType)| Field::new(*name, data_type.clone(), false);
        Schema::new(columns.iter().map(field).collect::<Vec<_>>())
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
    fn another_type_is_refused_by_the_columns_name() {
        let current = schema(&[("a", DataType::Int64)]);
        let error = merge_schema(&current, &schema(&[("a", DataType::Utf8)])).expect_err("refused");
        assert_eq!(
            error.to_string(),
            "column `a` is long in the table and cannot become string; give the new column another name, or rebuild the table"
        );
    }
}
