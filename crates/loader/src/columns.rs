//! A gold table's columns in `ClickHouse`: their types, and their bytes for the checksum.

use arrow::datatypes::{DataType, Schema, TimeUnit};

use crate::error::{Error, Result};
use crate::names::quoted;

/// The column that holds a row's slice.
pub const SLICE: &str = "_slice";
/// The column that holds the load attempt that brought a row.
pub const VERSION: &str = "_version";

/// One column of a gold table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, the same in lake and `ClickHouse`.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be null.
    pub nullable: bool,
}

/// What a column holds, as far as loading goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// True or false.
    Bool,
    /// A signed integer of so many bits.
    Int(u8),
    /// Single precision.
    Float32,
    /// Double precision.
    Float64,
    /// A day.
    Date,
    /// A moment, in microseconds; UTC.
    Timestamp,
    /// Precision and scale.
    Decimal(u8, i8),
    /// Text.
    Text,
}

impl Column {
    /// The type in `ClickHouse`.
    pub fn sql_type(&self) -> String {
        let plain = match self.kind {
            Kind::Bool => "Bool".to_owned(),
            Kind::Int(bits) => format!("Int{bits}"),
            Kind::Float32 => "Float32".to_owned(),
            Kind::Float64 => "Float64".to_owned(),
            Kind::Date => "Date32".to_owned(),
            Kind::Timestamp => "DateTime64(6, 'UTC')".to_owned(),
            Kind::Decimal(precision, scale) => format!("Decimal({precision}, {scale})"),
            Kind::Text => "String".to_owned(),
        };
        if self.nullable {
            format!("Nullable({plain})")
        } else {
            plain
        }
    }

    /// An expression for the value's bytes, the same as [`crate::checksum`] makes of the lake's value:
    /// one byte 0 for null, or one byte 1 and the value in little-endian; text after its length.
    pub fn sql_bytes(&self) -> String {
        let name = quoted(&self.name);
        let value = if self.nullable {
            format!("assumeNotNull({name})")
        } else {
            name.clone()
        };
        let bytes = match self.kind {
            Kind::Bool | Kind::Int(_) => format!("reinterpretAsFixedString(toInt64({value}))"),
            Kind::Date => format!("reinterpretAsFixedString(toInt64(toInt32({value})))"),
            Kind::Timestamp => format!("reinterpretAsFixedString(toUnixTimestamp64Micro({value}))"),
            Kind::Float32 | Kind::Float64 => format!("reinterpretAsFixedString({value})"),
            Kind::Decimal(_, scale) => {
                format!("reinterpretAsFixedString(toDecimal128({value}, {scale}))")
            }
            Kind::Text => format!("reinterpretAsFixedString(toUInt64(length({value}))), {value}"),
        };
        if self.nullable {
            format!("if(isNull({name}), '\\0', concat('\\x01', {bytes}))")
        } else {
            format!("'\\x01', {bytes}")
        }
    }
}

/// The columns of a gold table, or which of them cannot be loaded.
pub fn columns(table: &str, schema: &Schema) -> Result<Vec<Column>> {
    schema
        .fields()
        .iter()
        .map(|field| {
            let name = field.name().clone();
            if name == SLICE || name == VERSION {
                return Err(Error::ReservedColumn {
                    table: table.to_owned(),
                    column: name,
                });
            }
            let kind = kind(field.data_type()).ok_or_else(|| Error::UnsupportedType {
                table: table.to_owned(),
                column: name.clone(),
                arrow: field.data_type().to_string(),
            })?;
            Ok(Column {
                name,
                kind,
                nullable: field.is_nullable(),
            })
        })
        .collect()
}

fn kind(arrow: &DataType) -> Option<Kind> {
    Some(match arrow {
        DataType::Boolean => Kind::Bool,
        DataType::Int8 => Kind::Int(8),
        DataType::Int16 => Kind::Int(16),
        DataType::Int32 => Kind::Int(32),
        DataType::Int64 => Kind::Int(64),
        DataType::Float32 => Kind::Float32,
        DataType::Float64 => Kind::Float64,
        DataType::Date32 => Kind::Date,
        DataType::Timestamp(TimeUnit::Microsecond, _) => Kind::Timestamp,
        DataType::Decimal128(precision, scale) if *scale >= 0 => Kind::Decimal(*precision, *scale),
        DataType::Utf8 => Kind::Text,
        _ => return None,
    })
}

/// The key a table is sorted by: its partition columns, then its other days, moments and texts in the table's
/// order, four in all. Readers filter by day first, and then by what a row is about.
pub fn sorting(columns: &[Column], partition_columns: &[String]) -> Vec<String> {
    let first = columns
        .iter()
        .filter(|c| partition_columns.contains(&c.name));
    let then = columns.iter().filter(|c| {
        !partition_columns.contains(&c.name)
            && matches!(c.kind, Kind::Date | Kind::Timestamp | Kind::Text)
    });
    first.chain(then).take(4).map(|c| c.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::Field;

    fn schema() -> Schema {
        Schema::new(vec![
            Field::new("listens", DataType::Int64, false),
            Field::new("song", DataType::Utf8, true),
            Field::new("date", DataType::Date32, true),
            Field::new("seconds", DataType::Decimal128(18, 3), true),
            Field::new(
                "hour",
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
                false,
            ),
        ])
    }

    #[test]
    fn types_follow_the_lake() {
        let columns = columns("t", &schema()).expect("all of them load");
        let types: Vec<String> = columns.iter().map(Column::sql_type).collect();
        assert_eq!(
            types,
            [
                "Int64",
                "Nullable(String)",
                "Nullable(Date32)",
                "Nullable(Decimal(18, 3))",
                "DateTime64(6, 'UTC')"
            ]
        );
        assert_eq!(
            sorting(&columns, &["date".to_owned()]),
            ["date", "song", "hour"]
        );
    }

    #[test]
    fn what_cannot_be_loaded_is_named() {
        let list = DataType::new_list(DataType::Int64, true);
        let error =
            columns("t", &Schema::new(vec![Field::new("ids", list, true)])).expect_err("a list");
        assert!(
            error.to_string().contains("column `ids` of gold table `t`"),
            "{error}"
        );
        let ours = columns(
            "t",
            &Schema::new(vec![Field::new("_version", DataType::Int64, true)]),
        )
        .expect_err("ours");
        assert!(matches!(ours, Error::ReservedColumn { .. }));
    }
}
