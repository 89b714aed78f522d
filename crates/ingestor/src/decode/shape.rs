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
    /// UTF-8: strings, enums, UUIDs, local timestamps.
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

    /// Whether this field is the one that a table calls `name`.
    pub(super) fn answers_to(&self, name: &str) -> bool {
        self.name == name || self.aliases.iter().any(|alias| alias == name)
    }
}

/// The place among a table's `columns` of a field: by its name, else by a name it had before.
pub(super) fn place<'a>(
    mut columns: impl Iterator<Item = &'a str> + Clone,
    field: &Field,
) -> Option<usize> {
    columns
        .clone()
        .position(|column| column == field.name)
        .or_else(|| columns.position(|column| field.answers_to(column)))
}

/// The table's fields with those of a schema added where they are new. `None`: nothing is new.
/// A type that has changed in a way that the old column cannot hold is refused by name.
pub fn merge(table: &Fields, fields: &[Field]) -> Result<Option<Fields>, Misfit> {
    let mut merged: Vec<Arc<ArrowField>> = table.iter().cloned().collect();
    let mut changed = false;
    for field in fields {
        match place(merged.iter().map(|column| column.name().as_str()), field) {
            None => {
                merged.push(Arc::new(field.arrow()));
                changed = true;
            }
            Some(index) => {
                let column = &merged[index];
                let held = merge_type(column.data_type(), &field.shape)
                    .map_err(|Misfit(why)| Misfit(format!("field `{}`: {why}", field.name)))?;
                if let Some(data_type) = held {
                    merged[index] = Arc::new(column.as_ref().clone().with_data_type(data_type));
                    changed = true;
                }
            }
        }
    }
    Ok(changed.then(|| merged.into()))
}

/// The column's type with what is new in `shape`; `None`: nothing is.
fn merge_type(column: &DataType, shape: &Shape) -> Result<Option<DataType>, Misfit> {
    match (column, shape) {
        (DataType::Struct(table), Shape::Record(fields)) => {
            Ok(merge(table, fields)?.map(DataType::Struct))
        }
        (DataType::List(element), Shape::List(shape)) => {
            Ok(merge_type(element.data_type(), shape)?.map(|held| {
                DataType::List(Arc::new(element.as_ref().clone().with_data_type(held)))
            }))
        }
        (DataType::Map(entries, sorted), Shape::Map(shape)) => {
            let DataType::Struct(pair) = entries.data_type() else {
                return Err(Misfit("the table's map has no entries".into()));
            };
            let value = &pair[1];
            Ok(merge_type(value.data_type(), shape)?.map(|held| {
                let value = Arc::new(value.as_ref().clone().with_data_type(held));
                let pair = Fields::from(vec![Arc::clone(&pair[0]), value]);
                let entries = entries
                    .as_ref()
                    .clone()
                    .with_data_type(DataType::Struct(pair));
                DataType::Map(Arc::new(entries), *sorted)
            }))
        }
        // Avro's promotions that a column of the wider type takes.
        (DataType::Float64, Shape::Long) | (DataType::Binary, Shape::Text) => Ok(None),
        (held, shape) if Shape::of(held).as_ref() == Some(shape) => Ok(None),
        (held, shape) => Err(Misfit(format!(
            "the table's column is {held} and cannot hold {}; give the field another name",
            shape.arrow()
        ))),
    }
}

/// Moments in µs, UTC: what every Delta reader can read.
pub fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, shape: Shape) -> Field {
        Field {
            name: name.into(),
            aliases: Vec::new(),
            shape,
            comment: None,
        }
    }

    #[test]
    fn a_table_of_the_same_fields_does_not_change() {
        let fields = vec![
            field(
                "a",
                Shape::List(Box::new(Shape::Map(Box::new(Shape::Decimal(10, 2))))),
            ),
            field("b", Shape::Record(vec![field("c", Shape::Timestamp)])),
        ];
        let table: Fields = fields.iter().map(Field::arrow).collect();
        assert_eq!(merge(&table, &fields), Ok(None));
        assert_eq!(
            Shape::of(&DataType::Struct(table)),
            Some(Shape::Record(fields))
        );
    }

    #[test]
    fn new_fields_come_last_and_nested_ones_inside() {
        let table: Fields = [field("b", Shape::Record(vec![field("c", Shape::Long)]))]
            .iter()
            .map(Field::arrow)
            .collect();
        let wanted = [
            field("new", Shape::Text),
            field(
                "b",
                Shape::Record(vec![field("d", Shape::Date), field("c", Shape::Long)]),
            ),
        ];
        let merged = merge(&table, &wanted).expect("fits").expect("changes");
        let names: Vec<_> = merged.iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["b", "new"]);
        assert_eq!(
            merged[0].data_type(),
            &Shape::Record(vec![field("c", Shape::Long), field("d", Shape::Date)]).arrow()
        );
    }

    #[test]
    fn a_renamed_field_keeps_its_column() {
        let table: Fields = [field("old", Shape::Long)]
            .iter()
            .map(Field::arrow)
            .collect();
        let renamed = Field {
            aliases: vec!["old".into()],
            ..field("new", Shape::Long)
        };
        assert_eq!(merge(&table, &[renamed]), Ok(None));
    }

    #[test]
    fn a_type_that_changed_is_refused_by_name() {
        let table: Fields = [field("a", Shape::Long)].iter().map(Field::arrow).collect();
        let Misfit(why) = merge(&table, &[field("a", Shape::Text)]).expect_err("refused");
        assert!(why.contains("field `a`") && why.contains("Int64"), "{why}");
    }
}
