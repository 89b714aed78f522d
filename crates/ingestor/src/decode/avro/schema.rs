//! An Avro schema as the fields it writes; what no column can hold is refused.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, Name, RecordSchema, UuidSchema};

use super::{Member, Record, Unit, Written};
use crate::decode::shape::{Field, Misfit, Shape};

/// Records within records deeper than this are refused with the schema.
const MAX_DEPTH: usize = 32;

impl Record {
    /// Reads a schema, whose top must be a record.
    pub(in crate::decode) fn parse(text: &str) -> Result<Self, Misfit> {
        let schema =
            Schema::parse_str(text).map_err(|error| Misfit(format!("no Avro schema: {error}")))?;
        let Schema::Record(record) = &schema else {
            return Err(Misfit(
                "the schema's top is no record; wrap the value in one".into(),
            ));
        };
        let mut names = HashMap::new();
        collect_names(&schema, &mut names);
        Reader {
            names,
            within: Vec::new(),
        }
        .record(record)
    }
}

/// Named types by their full name. Avro defines a name once, at its first use.
fn collect_names<'a>(schema: &'a Schema, names: &mut HashMap<&'a Name, &'a Schema>) {
    match schema {
        Schema::Record(record) => {
            names.insert(&record.name, schema);
            for field in &record.fields {
                collect_names(&field.schema, names);
            }
        }
        Schema::Enum(inner) => {
            names.insert(&inner.name, schema);
        }
        Schema::Fixed(inner) => {
            names.insert(&inner.name, schema);
        }
        Schema::Array(inner) => collect_names(&inner.items, names),
        Schema::Map(inner) => collect_names(&inner.types, names),
        Schema::Union(inner) => inner
            .variants()
            .iter()
            .for_each(|branch| collect_names(branch, names)),
        _ => {}
    }
}

struct Reader<'a> {
    names: HashMap<&'a Name, &'a Schema>,
    /// The records around, outermost first.
    within: Vec<&'a Name>,
}

impl<'a> Reader<'a> {
    fn record(&mut self, record: &'a RecordSchema) -> Result<Record, Misfit> {
        if self.within.contains(&&record.name) {
            return Err(Misfit(format!(
                "record `{}` contains itself; a table has no place for recursion",
                record.name
            )));
        }
        if self.within.len() >= MAX_DEPTH {
            return Err(Misfit(format!(
                "record `{}` is nested deeper than {MAX_DEPTH}",
                record.name
            )));
        }
        self.within.push(&record.name);
        let members = record
            .fields
            .iter()
            .map(|field| {
                let written = self
                    .written(&field.schema)
                    .map_err(|Misfit(why)| Misfit(format!("field `{}`: {why}", field.name)))?;
                let comment = match (&field.doc, unit_of_time(&field.schema)) {
                    (Some(doc), Some(unit)) => Some(format!("{doc} ({unit})")),
                    (None, Some(unit)) => Some(unit.to_owned()),
                    (doc, None) => doc.clone(),
                };
                let shape = match written.shape() {
                    Some(shape) => shape,
                    None if matches!(written, Written::Null) => Shape::Boolean,
                    None => {
                        return Err(Misfit(format!(
                            "field `{}` holds nothing but nulls",
                            field.name
                        )));
                    }
                };
                Ok(Member {
                    field: Field {
                        name: field.name.clone(),
                        aliases: field.aliases.clone(),
                        shape,
                        comment,
                    },
                    written,
                    column: None,
                })
            })
            .collect::<Result<_, _>>()?;
        self.within.pop();
        Ok(Record {
            members,
            absent: Vec::new(),
        })
    }

    fn written(&mut self, schema: &'a Schema) -> Result<Written, Misfit> {
        Ok(match schema {
            Schema::Null => Written::Null,
            Schema::Boolean => Written::Boolean,
            Schema::Int | Schema::TimeMillis => Written::Int,
            Schema::Long | Schema::TimeMicros => Written::Long,
            Schema::Float => Written::Float,
            Schema::Double => Written::Double,
            Schema::Bytes => Written::Bytes,
            Schema::String | Schema::Uuid(UuidSchema::String) => Written::Text,
            Schema::Uuid(UuidSchema::Fixed(_)) => Written::Uuid,
            Schema::Fixed(fixed) => Written::Fixed(fixed.size),
            Schema::Enum(inner) => Written::Enum(inner.symbols.clone()),
            Schema::Decimal(decimal) => {
                let (precision, scale) =
                    (u8::try_from(decimal.precision), i8::try_from(decimal.scale));
                let (Ok(precision @ 1..=38), Ok(scale)) = (precision, scale) else {
                    return Err(Misfit(format!(
                        "a decimal of {} digits; 38 is the most",
                        decimal.precision
                    )));
                };
                let size = match &decimal.inner {
                    InnerDecimalSchema::Bytes => None,
                    InnerDecimalSchema::Fixed(fixed) => Some(fixed.size),
                };
                Written::Decimal(precision, scale, size)
            }
            Schema::Date => Written::Date,
            Schema::TimestampMillis => Written::Timestamp(Unit::Millis),
            Schema::TimestampMicros => Written::Timestamp(Unit::Micros),
            Schema::TimestampNanos => Written::Timestamp(Unit::Nanos),
            Schema::LocalTimestampMillis => Written::LocalTimestamp(Unit::Millis),
            Schema::LocalTimestampMicros => Written::LocalTimestamp(Unit::Micros),
            Schema::LocalTimestampNanos => Written::LocalTimestamp(Unit::Nanos),
            Schema::Array(inner) => Written::List(Box::new(self.something(&inner.items)?)),
            Schema::Map(inner) => Written::Map(Box::new(self.something(&inner.types)?)),
            Schema::Record(record) => Written::Record(self.record(record)?),
            Schema::Union(union) => match union.variants() {
                [only] => Written::Only(Box::new(self.something(only)?)),
                [Schema::Null, inner] => Written::Nullable(true, Box::new(self.something(inner)?)),
                [inner, Schema::Null] => Written::Nullable(false, Box::new(self.something(inner)?)),
                branches => {
                    return Err(Misfit(format!(
                        "a union of {} types; only one type, nullable or not, fits a column",
                        branches.len()
                    )));
                }
            },
            Schema::Ref { name } => match self.names.get(name).copied() {
                Some(named) => self.written(named)?,
                None => return Err(Misfit(format!("the type `{name}` is not defined"))),
            },
            Schema::BigDecimal | Schema::Duration(_) | Schema::Uuid(_) => {
                return Err(Misfit(
                    "a type of this logical kind is not supported; use decimal, long or string"
                        .into(),
                ));
            }
        })
    }

    /// A value that is not always null.
    fn something(&mut self, schema: &'a Schema) -> Result<Written, Misfit> {
        match self.written(schema)? {
            Written::Null => Err(Misfit("nothing but nulls".into())),
            written => Ok(written),
        }
    }
}

fn unit_of_time(schema: &Schema) -> Option<&'static str> {
    match schema {
        Schema::TimeMillis => Some("milliseconds of the day"),
        Schema::TimeMicros => Some("microseconds of the day"),
        Schema::Union(union) => union.variants().iter().find_map(unit_of_time),
        _ => None,
    }
}
