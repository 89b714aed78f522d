//! How the records of one schema fill the columns of one table.

use arrow::datatypes::Fields;
use goldrecord_registry::{Schema, SchemaType};

use super::avro;
use super::column::Column;
use super::fault::Fault;
use super::json;
use super::shape::{Field, Misfit};

/// A schema that was read: its fields are known, its columns not yet.
#[derive(Debug)]
pub enum Plan {
    /// Binary Avro.
    Avro(avro::Record),
    /// JSON by a JSON Schema.
    Json(json::Object),
}

impl Plan {
    /// Reads a schema. What we cannot hold in a table is refused by name.
    pub fn read(schema: &Schema) -> Result<Self, Misfit> {
        match schema.schema_type {
            SchemaType::Avro => avro::Record::parse(&schema.text).map(Self::Avro),
            SchemaType::Json => json::Object::parse(&schema.text).map(Self::Json),
        }
    }

    /// The event's fields.
    pub fn fields(&self) -> Vec<Field> {
        match self {
            Self::Avro(record) => record.fields(),
            Self::Json(object) => object.fields(),
        }
    }

    /// Finds the table's column of each field. `columns` must have been merged with [`Plan::fields`].
    pub fn bind(&mut self, columns: &Fields) -> Result<(), Misfit> {
        match self {
            Self::Avro(record) => record.bind(columns),
            Self::Json(object) => object.bind(columns),
        }
    }

    /// Decodes one record into the next row of the columns, and tells how many bytes the items of its lists
    /// and maps took there. After a fault the columns are as before.
    #[inline]
    pub fn decode(&self, value: &[u8], columns: &mut [Column]) -> Result<usize, Fault> {
        let row = columns.first().map_or(0, Column::len);
        let decoded = match self {
            Self::Avro(record) => record.decode(value, columns),
            Self::Json(object) => object.decode(value, columns),
        };
        if decoded.is_err() {
            for column in columns {
                column.truncate(row);
            }
        }
        decoded
    }
}
