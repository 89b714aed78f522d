//! Binary Avro into columns, by the schema of its writer.
//!
//! Here are a schema's fields and the columns they go to.

mod schema;
mod value;

use arrow::datatypes::{DataType, Fields};

use super::column::{Column, width};
use super::cursor::Cursor;
use super::evolve::{place, takes};
use super::fault::{Code, Fault};
use super::shape::{Field, Misfit, Shape};

/// A record's fields in the order in which they are written.
#[derive(Debug)]
pub struct Record {
    members: Vec<Member>,
    /// The table's columns that this schema does not write.
    absent: Vec<usize>,
}

#[derive(Debug)]
struct Member {
    field: Field,
    written: Written,
    /// The place among the table's columns; a field of type null has none.
    column: Option<usize>,
}

/// How a value is written.
#[derive(Debug)]
enum Written {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Text,
    Bytes,
    Fixed(usize),
    Enum(Vec<String>),
    /// Sixteen bytes that are shown as text; true: behind their length.
    Uuid(bool),
    /// Twelve bytes that are shown as text.
    Duration,
    /// Bytes behind their length, or so many.
    Decimal(u8, i8, Option<usize>),
    Date,
    Timestamp(Unit),
    LocalTimestamp(Unit),
    /// A union with null. True: null is its first branch.
    Nullable(bool, Box<Written>),
    /// A union of one branch.
    Only(Box<Written>),
    /// The elements, and how many bytes each takes in the column at least.
    List(Box<Written>, usize),
    /// The same for a map's values, their keys included.
    Map(Box<Written>, usize),
    Record(Record),
}

#[derive(Clone, Copy, Debug)]
enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl Record {
    pub(super) fn fields(&self) -> Vec<Field> {
        self.members
            .iter()
            .filter(|member| !matches!(member.written, Written::Null))
            .map(|member| member.field.clone())
            .collect()
    }

    pub(super) fn bind(&mut self, columns: &Fields) -> Result<(), Misfit> {
        let mut free = vec![true; columns.len()];
        for member in &mut self.members {
            if matches!(member.written, Written::Null) {
                continue;
            }
            let name = &member.field.name;
            let index = place(columns, &member.field)
                .ok_or_else(|| Misfit(format!("field `{name}` has no column")))?;
            if !std::mem::replace(&mut free[index], false) {
                return Err(Misfit(format!(
                    "two fields claim the column `{}`",
                    columns[index].name()
                )));
            }
            member
                .written
                .bind(columns[index].data_type())
                .map_err(|Misfit(why)| Misfit(format!("field `{name}`: {why}")))?;
            member.column = Some(index);
        }
        self.absent = (0..columns.len()).filter(|index| free[*index]).collect();
        Ok(())
    }

    /// One whole datum into the next row.
    pub(super) fn decode(&self, value: &[u8], columns: &mut [Column]) -> Result<usize, Fault> {
        let mut cursor = Cursor::new(value);
        self.row(&mut cursor, columns)?;
        match cursor.left() {
            0 => Ok(cursor.room.spent()),
            left => Err(Fault::new(
                Code::TrailingBytes,
                format!("{left} bytes are left after the last field"),
            )),
        }
    }

    #[inline]
    fn row(&self, cursor: &mut Cursor<'_>, columns: &mut [Column]) -> Result<(), Fault> {
        for member in &self.members {
            if let Some(index) = member.column {
                member
                    .written
                    .read(cursor, &mut columns[index])
                    .map_err(|fault| fault.within(&member.field.name))?;
            }
        }
        for index in &self.absent {
            columns[*index].push_null();
        }
        Ok(())
    }
}

impl Written {
    /// The column that takes any value of this; `None` for null, which needs none.
    fn shape(&self) -> Option<Shape> {
        Some(match self {
            Self::Null => return None,
            Self::Boolean => Shape::Boolean,
            Self::Int | Self::Long => Shape::Long,
            Self::Float | Self::Double => Shape::Double,
            Self::Text
            | Self::Enum(_)
            | Self::Uuid(_)
            | Self::Duration
            | Self::LocalTimestamp(_) => Shape::Text,
            Self::Bytes | Self::Fixed(_) => Shape::Bytes,
            Self::Decimal(precision, scale, _) => Shape::Decimal(*precision, *scale),
            Self::Date => Shape::Date,
            Self::Timestamp(_) => Shape::Timestamp,
            Self::Nullable(_, inner) | Self::Only(inner) => return inner.shape(),
            Self::List(element, _) => Shape::List(Box::new(element.shape()?)),
            Self::Map(value, _) => Shape::Map(Box::new(value.shape()?)),
            Self::Record(record) => Shape::Record(record.fields()),
        })
    }

    fn bind(&mut self, column: &DataType) -> Result<(), Misfit> {
        match (&mut *self, column) {
            (Self::Nullable(_, inner) | Self::Only(inner), column) => inner.bind(column),
            (Self::Record(record), DataType::Struct(fields)) => record.bind(fields),
            (Self::List(element, taken), DataType::List(field)) => {
                *taken = width(field.data_type());
                element.bind(field.data_type())
            }
            (Self::Map(value, taken), DataType::Map(entries, _)) => match entries.data_type() {
                DataType::Struct(pair) => {
                    *taken = width(entries.data_type());
                    value.bind(pair[1].data_type())
                }
                _ => Err(Misfit("the table's map has no entries".into())),
            },
            // Bytes and strings are written alike.
            (Self::Bytes, DataType::Utf8) => {
                *self = Self::Text;
                Ok(())
            }
            (Self::Fixed(_), DataType::Utf8) => Err(Misfit(
                "the table's column is text, which fixed bytes are not promoted to".into(),
            )),
            (Self::Timestamp(_), DataType::Int64) => {
                *self = Self::Long;
                Ok(())
            }
            (Self::Date, DataType::Int64) => {
                *self = Self::Int;
                Ok(())
            }
            (written, column) if written.shape().is_some_and(|shape| takes(column, &shape)) => {
                Ok(())
            }
            (_, column) => Err(Misfit(format!("the table's column is {column}"))),
        }
    }
}
