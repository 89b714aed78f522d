//! The types that an event's fields may have, whatever language their schema is written in.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field as ArrowField, Fields, TimeUnit};

/// A type. No promotion of Avro changes it: int and long are one, float and double are one.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// True or false.
    Boolean,
    /// 64-bit integers, and times of day in the unit that the field's comment names.
    Long,
    /// 64-bit floats.
    Double,
    /// UTF-8: strings, enums, UUIDs, local timestamps, durations.
    Text,
    /// Bytes, fixed or not.
    Bytes,
    /// Days since 1970.
    Date,
    /// Microseconds since 1970, UTC.
    Timestamp,
    /// An unscaled number of at most 38 digits, and how many stand after the point.
    Decimal(u8, i8),
    /// A list; an element may be null.
    List(Box<Shape>),
    /// A map from text; a value may be null.
    Map(Box<Shape>),
    /// Fields.
    Record(Vec<Field>),
}

/// A field of an event or of a record in it. All may be null.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// The name.
    pub name: String,
    /// Names that it had before.
    pub aliases: Vec<String>,
    /// The type.
    pub shape: Shape,
    /// What it means, for the table's column.
    pub comment: Option<String>,
}

/// Why a schema cannot become, or join, a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit(pub String);

/// Fields that a schema has at most, those of records in records counted each time: a few lines that name
/// one record twice, which names another twice, would stand for more columns than a machine can hold.
pub(super) const MAX_FIELDS: usize = 10_000;

impl Shape {
    /// The column's type.
    pub fn arrow(&self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Long => DataType::Int64,
            Self::Double => DataType::Float64,
            Self::Text => DataType::Utf8,
            Self::Bytes => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Timestamp => timestamp(),
            Self::Decimal(precision, scale) => DataType::Decimal128(*precision, *scale),
            Self::List(element) => {
                DataType::List(Arc::new(ArrowField::new("element", element.arrow(), true)))
            }
            Self::Map(value) => DataType::Map(
                Arc::new(ArrowField::new(
                    "key_value",
                    DataType::Struct(Fields::from(vec![
                        ArrowField::new("key", DataType::Utf8, false),
                        ArrowField::new("value", value.arrow(), true),
                    ])),
                    false,
                )),
                false,
            ),
            Self::Record(fields) => DataType::Struct(fields.iter().map(Field::arrow).collect()),
        }
    }

    /// The shape of a table's column; `None` for types that we never write.
    pub fn of(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Boolean => Self::Boolean,
            DataType::Int64 => Self::Long,
            DataType::Float64 => Self::Double,
            DataType::Utf8 => Self::Text,
            DataType::Binary => Self::Bytes,
            DataType::Date32 => Self::Date,
            DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => Self::Timestamp,
            DataType::Decimal128(precision, scale) => Self::Decimal(*precision, *scale),
            DataType::List(element) => Self::List(Box::new(Self::of(element.data_type())?)),
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(fields) => {
                    Self::Map(Box::new(Self::of(fields.get(1)?.data_type())?))
                }
                _ => return None,
            },
            DataType::Struct(fields) => Self::Record(
                fields
                    .iter()
                    .map(|field| {
                        Some(Field {
                            name: field.name().clone(),
                            aliases: Vec::new(),
                            shape: Self::of(field.data_type())?,
                            comment: None,
                        })
                    })
                    .collect::<Option<_>>()?,
            ),
            _ => return None,
        })
    }
}

impl Field {
    /// The table's column.
    pub fn arrow(&self) -> ArrowField {
        let field = ArrowField::new(&self.name, self.shape.arrow(), true);
        match &self.comment {
            Some(comment) => field.with_metadata([("comment".to_owned(), comment.clone())].into()),
            None => field,
        }
    }
}

/// Moments in µs, UTC: what every Delta reader can read.
pub fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}
