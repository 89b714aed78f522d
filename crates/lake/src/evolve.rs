//! How a table's schema may change.

use arrow::datatypes::{Schema, SchemaRef};

use crate::error::Result;

/// The table's columns and after them those of `wanted` that it lacks, as nullable ones; `None` where nothing
/// is to be added. A column of another type is refused by name.
pub fn merge_schema(current: &Schema, wanted: &Schema) -> Result<Option<SchemaRef>> {
    let _ = (current, wanted);
    unimplemented!()
}
