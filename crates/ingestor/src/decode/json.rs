//! JSON into columns, by a JSON Schema.
//!
//! Strict: a value of another type than its schema says is a fault, numbers in quotation marks and null
//! for a type that does not list it included; so is a required property that is missing, and a property
//! given twice. So is text that is none of its enumeration's. Limits of length, size and pattern are not
//! looked at. A property that the schema does not know is skipped, unless the schema closes the object.

mod quick;
mod schema;
mod text;

use std::cell::Cell;
use std::collections::HashMap;

use arrow::datatypes::{DataType, Fields};

use self::text::Text;
use super::column::{Column, Values, width};
use super::evolve::{place, takes};
use super::fault::{Code, Fault};
use super::shape::{Field, Misfit, Shape};

/// Values nested deeper than this are refused, in schemas and in records.
const MAX_DEPTH: usize = 64;

/// An object of known properties.
#[derive(Debug)]
pub struct Object {
    properties: Vec<Property>,
    by_name: HashMap<String, usize>,
    /// No other properties are allowed.
    closed: bool,
    /// The table's columns that this schema does not know.
    absent: Vec<usize>,
    /// The property that records began with, the last time.
    first: Cell<usize>,
}

#[derive(Debug)]
struct Property {
    field: Field,
    kind: Kind,
    required: bool,
    column: usize,
    /// The name and the colon as producers write them; empty where the name holds what must be escaped.
    written: String,
    /// The property that came after this one, the last time: producers keep to an order.
    follower: Cell<usize>,
}

/// What a value must be.
#[derive(Debug)]
struct Kind {
    want: Want,
    nullable: bool,
}

#[derive(Debug)]
enum Want {
    Boolean,
    Long,
    Double,
    Text,
    /// One of these texts.
    Enum(Vec<String>),
    /// An integer, and how many microseconds one of it is.
    Timestamp(i64),
    /// The elements, and how many bytes each takes in the column at least.
    List(Box<Kind>, usize),
    /// The same for a map's values, their keys included.
    Map(Box<Kind>, usize),
    Object(Object),
}

impl Object {
    pub(super) fn fields(&self) -> Vec<Field> {
        self.properties
            .iter()
            .map(|property| property.field.clone())
            .collect()
    }

    pub(super) fn bind(&mut self, columns: &Fields) -> Result<(), Misfit> {
        let mut free = vec![true; columns.len()];
        for property in &mut self.properties {
            let name = &property.field.name;
            let index = place(columns, &property.field)
                .ok_or_else(|| Misfit(format!("property `{name}` has no column")))?;
            if !std::mem::replace(&mut free[index], false) {
                return Err(Misfit(format!(
                    "two properties claim the column `{}`",
                    columns[index].name()
                )));
            }
            property
                .kind
                .bind(columns[index].data_type())
                .map_err(|Misfit(why)| Misfit(format!("property `{name}`: {why}")))?;
            property.column = index;
            let plain = quick::plain_length(name.as_bytes()).is_none();
            property.written = if plain {
                format!("\"{name}\":")
            } else {
                String::new()
            };
        }
        self.absent = (0..columns.len()).filter(|index| free[*index]).collect();
        Ok(())
    }

    /// One whole document into the next row.
    pub(super) fn decode(&self, value: &[u8], columns: &mut [Column]) -> Result<usize, Fault> {
        let mut text = Text::new(value)?;
        text.skip_space();
        self.read(&mut text, columns, 0)?;
        text.end()
    }

    fn read(&self, text: &mut Text<'_>, columns: &mut [Column], depth: usize) -> Result<(), Fault> {
        let row = self
            .properties
            .first()
            .map(|property| columns[property.column].len())
            .or_else(|| self.absent.first().map(|index| columns[*index].len()))
            .unwrap_or(0);
        text.object_begins()?;
        let mut guess = &self.first;
        let mut seen = 0;
        let mut more = text.first_item(b'}')?;
        while more {
            let guessed = self.properties.get(guess.get());
            let known = if guessed.is_some_and(|property| text.takes(&property.written)) {
                Some(guess.get())
            } else {
                self.find(guess, text.key()?.as_ref())?
            };
            match known {
                Some(index) => {
                    let property = &self.properties[index];
                    guess = &property.follower;
                    let column = &mut columns[property.column];
                    if column.len() > row {
                        return Err(Fault::new(
                            Code::Malformed,
                            format!("`{}` is there twice", property.field.name),
                        ));
                    }
                    property
                        .kind
                        .read(text, column, depth + 1)
                        .map_err(|fault| fault.within(&property.field.name))?;
                    seen += 1;
                }
                None => text.skip_value(depth + 1)?,
            }
            more = text.next_item(b'}')?;
        }
        if seen < self.properties.len() {
            for property in &self.properties {
                let column = &mut columns[property.column];
                if column.len() == row {
                    if property.required {
                        return Err(Fault::new(
                            Code::MissingField,
                            format!("`{}` is required and missing", property.field.name),
                        ));
                    }
                    column.push_null();
                }
            }
        }
        for index in &self.absent {
            columns[*index].push_null();
        }
        Ok(())
    }
}

impl Object {
    /// The property called `key`: the guessed one, or looked up and guessed the next time.
    #[inline]
    fn find(&self, guess: &Cell<usize>, key: &str) -> Result<Option<usize>, Fault> {
        if self
            .properties
            .get(guess.get())
            .is_some_and(|property| property.field.name == key)
        {
            return Ok(Some(guess.get()));
        }
        match self.by_name.get(key) {
            Some(index) => {
                guess.set(*index);
                Ok(Some(*index))
            }
            None if self.closed => Err(Fault::new(
                Code::ExtraField,
                format!("`{key}` is not in the schema, which allows no other"),
            )),
            None => Ok(None),
        }
    }
}

impl Kind {
    #[inline]
    fn read(&self, text: &mut Text<'_>, column: &mut Column, depth: usize) -> Result<(), Fault> {
        if depth > MAX_DEPTH {
            return Err(text::too_deep());
        }
        if text.null()? {
            return if self.nullable {
                column.push_null();
                Ok(())
            } else {
                Err(Fault::new(
                    Code::TypeMismatch,
                    "null where the schema does not allow it",
                ))
            };
        }
        match (&self.want, &mut column.values) {
            (Want::Text, Values::Bytes(runs)) => {
                // Straight into the column, escapes undone.
                text.string_into(runs.open())?;
                runs.close();
            }
            (Want::Enum(symbols), Values::Bytes(runs)) => {
                let start = runs.open().len();
                text.string_into(runs.open())?;
                let found = &runs.open()[start..];
                if !symbols.iter().any(|symbol| symbol.as_bytes() == found) {
                    return Err(Fault::new(
                        Code::TypeMismatch,
                        "a text that the schema's enumeration does not have",
                    ));
                }
                runs.close();
            }
            (Want::Long, Values::Long(values)) => values.push(text.integer()?),
            (Want::Long, Values::Double(values)) => values.push(text.integer()? as f64),
            (Want::Double, Values::Double(values)) => values.push(text.number()?),
            (Want::Timestamp(micros), Values::Long(values)) => {
                let value = text.integer()?.checked_mul(*micros);
                values.push(value.ok_or_else(|| {
                    Fault::new(
                        Code::NumberOutOfRange,
                        "a timestamp beyond what microseconds can say",
                    )
                })?);
            }
            (Want::Boolean, Values::Boolean(values)) => values.append(text.boolean()?),
            (Want::List(element, width), Values::List(_, child)) => {
                text.array_begins()?;
                let mut more = text.first_item(b']')?;
                while more {
                    text.room.spend(*width)?;
                    element.read(text, child, depth + 1)?;
                    more = text.next_item(b']')?;
                }
                column.values.close_row();
            }
            (Want::Map(value, width), Values::Map(_, keys, child)) => {
                text.object_begins()?;
                let mut more = text.first_item(b'}')?;
                while more {
                    text.room.spend(*width)?;
                    keys.push(text.key()?.as_bytes());
                    value.read(text, child, depth + 1)?;
                    more = text.next_item(b'}')?;
                }
                column.values.close_row();
            }
            (Want::Object(object), Values::Record(columns)) => object.read(text, columns, depth)?,
            _ => unreachable!("a bound schema's values have a column of their type"),
        }
        column.set();
        Ok(())
    }

    fn shape(&self) -> Shape {
        match &self.want {
            Want::Boolean => Shape::Boolean,
            Want::Long => Shape::Long,
            Want::Double => Shape::Double,
            Want::Text | Want::Enum(_) => Shape::Text,
            Want::Timestamp(_) => Shape::Timestamp,
            Want::List(element, _) => Shape::List(Box::new(element.shape())),
            Want::Map(value, _) => Shape::Map(Box::new(value.shape())),
            Want::Object(object) => Shape::Record(object.fields()),
        }
    }

    fn bind(&mut self, column: &DataType) -> Result<(), Misfit> {
        let shape = self.shape();
        match (&mut self.want, column) {
            (Want::Object(object), DataType::Struct(fields)) => object.bind(fields),
            (Want::List(element, taken), DataType::List(field)) => {
                *taken = width(field.data_type());
                element.bind(field.data_type())
            }
            (Want::Map(value, taken), DataType::Map(entries, _)) => match entries.data_type() {
                DataType::Struct(pair) => {
                    *taken = width(entries.data_type());
                    value.bind(pair[1].data_type())
                }
                _ => Err(Misfit("the table's map has no entries".into())),
            },
            (want @ Want::Timestamp(_), DataType::Int64) => {
                *want = Want::Long;
                Ok(())
            }
            _ if takes(column, &shape) => Ok(()),
            _ => Err(Misfit(format!("the table's column is {column}"))),
        }
    }
}
