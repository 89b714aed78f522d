//! JSON into columns, by a JSON Schema.
//!
//! Strict: a value of another type than its schema says is a fault, numbers in quotation marks and null
//! for a type that does not list it included; so is a required property that is missing, and a property
//! given twice. A property that the schema does not know is skipped, unless the schema closes the object.

mod text;

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;

use arrow::datatypes::{DataType, Fields};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use self::text::Text;
use super::column::{Column, Values};
use super::fault::{Code, Fault};
use super::shape::{Field, Misfit, Shape, place};

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
    /// An integer, and how many microseconds one of it is.
    Timestamp(i64),
    List(Box<Kind>),
    Map(Box<Kind>),
    Object(Object),
}

impl Object {
    /// Reads a schema, whose top must be an object.
    pub(super) fn parse(text: &str) -> Result<Self, Misfit> {
        let schema: Value = serde_json::from_str(text)
            .map_err(|error| Misfit(format!("no JSON Schema: {error}")))?;
        match Kind::parse(&schema, 0)?.want {
            Want::Object(mut object) => {
                object.sort_as_written(text);
                Ok(object)
            }
            _ => Err(Misfit(
                "the schema's top is no object with properties; wrap the value in one".into(),
            )),
        }
    }

    /// Puts the properties into the order of the schema's text, which becomes the table's.
    fn sort_as_written(&mut self, text: &str) {
        let written: Written = serde_json::from_str(text).unwrap_or_default();
        let rank = |name: &str| written.properties.0.iter().position(|other| other == name);
        self.properties
            .sort_by_key(|property| rank(&property.field.name));
        self.by_name = self
            .properties
            .iter()
            .enumerate()
            .map(|(index, property)| (property.field.name.clone(), index))
            .collect();
    }

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
            let index = place(
                columns.iter().map(|column| column.name().as_str()),
                &property.field,
            )
            .ok_or_else(|| Misfit(format!("property `{name}` has no column")))?;
            free[index] = false;
            property
                .kind
                .bind(columns[index].data_type())
                .map_err(|Misfit(why)| Misfit(format!("property `{name}`: {why}")))?;
            property.column = index;
        }
        self.absent = (0..columns.len()).filter(|index| free[*index]).collect();
        Ok(())
    }

    /// One whole document into the next row.
    pub(super) fn decode(&self, value: &[u8], columns: &mut [Column]) -> Result<(), Fault> {
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
            let known = self.find(guess, text.key()?.as_ref())?;
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
            (Want::List(element), Values::List(_, child)) => {
                text.array_begins()?;
                let mut more = text.first_item(b']')?;
                while more {
                    element.read(text, child, depth + 1)?;
                    more = text.next_item(b']')?;
                }
                column.values.close_row();
            }
            (Want::Map(value), Values::Map(_, keys, child)) => {
                text.object_begins()?;
                let mut more = text.first_item(b'}')?;
                while more {
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
            Want::Text => Shape::Text,
            Want::Timestamp(_) => Shape::Timestamp,
            Want::List(element) => Shape::List(Box::new(element.shape())),
            Want::Map(value) => Shape::Map(Box::new(value.shape())),
            Want::Object(object) => Shape::Record(object.fields()),
        }
    }

    fn bind(&mut self, column: &DataType) -> Result<(), Misfit> {
        let shape = self.shape();
        match (&mut self.want, column) {
            (Want::Object(object), DataType::Struct(fields)) => object.bind(fields),
            (Want::List(element), DataType::List(field)) => element.bind(field.data_type()),
            (Want::Map(value), DataType::Map(entries, _)) => match entries.data_type() {
                DataType::Struct(pair) => value.bind(pair[1].data_type()),
                _ => Err(Misfit("the table's map has no entries".into())),
            },
            (Want::Long, DataType::Float64) => Ok(()),
            _ if Some(shape) == Shape::of(column) => Ok(()),
            _ => Err(Misfit(format!("the table's column is {column}"))),
        }
    }

    fn parse(schema: &Value, depth: usize) -> Result<Self, Misfit> {
        if depth > MAX_DEPTH {
            return Err(Misfit(format!("nested deeper than {MAX_DEPTH}")));
        }
        if schema.get("$ref").is_some() {
            return Err(Misfit("`$ref` is not supported; write the type out".into()));
        }
        for word in ["anyOf", "oneOf"] {
            if let Some(branches) = schema.get(word) {
                return Self::of_branches(word, branches, depth);
            }
        }
        let (name, nullable) = match schema.get("type") {
            Some(Value::String(name)) => (name.as_str(), false),
            Some(Value::Array(names)) => {
                let nullable = names.iter().any(|name| name == "null");
                let others: Vec<&str> = names
                    .iter()
                    .filter_map(Value::as_str)
                    .filter(|name| *name != "null")
                    .collect();
                match others.as_slice() {
                    [one] => (*one, nullable),
                    // Every integer is a number.
                    ["integer", "number"] | ["number", "integer"] => ("number", nullable),
                    _ => {
                        return Err(Misfit(format!(
                            "a type of {}; only one, nullable or not, fits a column",
                            others.join(" or ")
                        )));
                    }
                }
            }
            _ if schema.get("properties").is_some() => ("object", false),
            _ => return Err(Misfit("no `type`; a column needs one".into())),
        };
        let format = schema.get("format").and_then(Value::as_str);
        let want = match (name, format) {
            ("boolean", _) => Want::Boolean,
            ("integer", Some("timestamp-millis")) => Want::Timestamp(1_000),
            ("integer", Some("timestamp-micros")) => Want::Timestamp(1),
            ("integer", _) => Want::Long,
            ("number", _) => Want::Double,
            ("string", _) => Want::Text,
            ("array", _) => match schema.get("items") {
                Some(items @ Value::Object(_)) => Want::List(Box::new(
                    Self::parse(items, depth + 1)
                        .map_err(|Misfit(why)| Misfit(format!("items: {why}")))?,
                )),
                _ => return Err(Misfit("an array whose `items` are not of one type".into())),
            },
            ("object", _) => Self::object(schema, depth)?,
            (other, _) => return Err(Misfit(format!("a type `{other}`"))),
        };
        Ok(Self { want, nullable })
    }

    fn of_branches(word: &str, branches: &Value, depth: usize) -> Result<Self, Misfit> {
        let branches = branches.as_array().map(Vec::as_slice).unwrap_or_default();
        let is_null = |branch: &&Value| branch.get("type").is_some_and(|name| name == "null");
        let others: Vec<&Value> = branches.iter().filter(|branch| !is_null(branch)).collect();
        match others.as_slice() {
            [one] => {
                let kind = Self::parse(one, depth + 1)?;
                Ok(Self {
                    nullable: kind.nullable || others.len() < branches.len(),
                    ..kind
                })
            }
            _ => Err(Misfit(format!(
                "`{word}` of {} types; only one, nullable or not, fits a column",
                others.len()
            ))),
        }
    }

    fn object(schema: &Value, depth: usize) -> Result<Want, Misfit> {
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            return match schema.get("additionalProperties") {
                Some(values @ Value::Object(_)) => {
                    Ok(Want::Map(Box::new(Self::parse(values, depth + 1)?)))
                }
                _ => Err(Misfit(
                    "an object of unknown properties; list them under `properties`".into(),
                )),
            };
        };
        let properties = properties
            .iter()
            .map(|(name, schema)| {
                let kind = Self::parse(schema, depth + 1)
                    .map_err(|Misfit(why)| Misfit(format!("property `{name}`: {why}")))?;
                Ok(Property {
                    field: Field {
                        name: name.clone(),
                        aliases: Vec::new(),
                        shape: kind.shape(),
                        comment: schema
                            .get("description")
                            .and_then(Value::as_str)
                            .map(str::to_owned),
                    },
                    required: required.contains(&name.as_str()),
                    kind,
                    column: 0,
                    follower: Cell::new(0),
                })
            })
            .collect::<Result<Vec<_>, Misfit>>()?;
        Ok(Want::Object(Object {
            by_name: properties
                .iter()
                .enumerate()
                .map(|(index, property)| (property.field.name.clone(), index))
                .collect(),
            properties,
            closed: schema.get("additionalProperties") == Some(&Value::Bool(false)),
            absent: Vec::new(),
            first: Cell::new(0),
        }))
    }
}

/// The names of an object's properties in the order of the text.
#[derive(Default, serde::Deserialize)]
struct Written {
    #[serde(default)]
    properties: Names,
}

#[derive(Default)]
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Names;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Names, M::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}
