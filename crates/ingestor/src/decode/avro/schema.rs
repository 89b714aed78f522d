//! An Avro schema as the fields it writes; what no column can hold is refused.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{
    FixedSchema, InnerDecimalSchema, Name, RecordField, RecordSchema, UuidSchema,
};

use super::{Member, Record, Unit, Written};
use crate::decode::shape::{Field, MAX_FIELDS, Misfit, Shape};

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
            path: Vec::new(),
            fields: 0,
        }
        .record(record)
    }
}

/// Named types by their full name. Avro defines a name once, at its first use.
fn collect_names<'a>(schema: &'a Schema, names: &mut HashMap<&'a Name, &'a Schema>) {
    match schema {
        Schema::Ref { .. } => return,
        Schema::Record(record) => {
            for field in &record.fields {
                collect_names(&field.schema, names);
            }
        }
        Schema::Array(inner) => collect_names(&inner.items, names),
        Schema::Map(inner) => collect_names(&inner.types, names),
        Schema::Union(inner) => inner
            .variants()
            .iter()
            .for_each(|branch| collect_names(branch, names)),
        _ => {}
    }
    if let Some(name) = schema.name() {
        names.insert(name, schema);
    }
}

struct Reader<'a> {
    names: HashMap<&'a Name, &'a Schema>,
    /// The records around, outermost first.
    within: Vec<&'a Name>,
    /// Where we are, for people: names of fields, `[]` for elements, `{}` for a map's values.
    path: Vec<&'a str>,
    /// Fields read so far.
    fields: usize,
}

impl<'a> Reader<'a> {
    fn misfit(&self, why: impl std::fmt::Display) -> Misfit {
        let mut path = String::new();
        for part in &self.path {
            if !path.is_empty() && !matches!(*part, "[]" | "{}") {
                path.push('.');
            }
            path.push_str(part);
        }
        Misfit(format!("field `{path}`: {why}"))
    }

    fn record(&mut self, record: &'a RecordSchema) -> Result<Record, Misfit> {
        if self.within.contains(&&record.name) {
            return Err(self.misfit(format!(
                "record `{}` contains itself; a table has no place for recursion",
                record.name
            )));
        }
        if self.within.len() >= MAX_DEPTH {
            return Err(self.misfit(format!(
                "record `{}` is nested deeper than {MAX_DEPTH}",
                record.name
            )));
        }
        self.within.push(&record.name);
        let members = record
            .fields
            .iter()
            .map(|field| {
                self.path.push(&field.name);
                let member = self.member(field);
                self.path.pop();
                member
            })
            .collect::<Result<_, _>>()?;
        self.within.pop();
        Ok(Record {
            members,
            absent: Vec::new(),
        })
    }

    fn member(&mut self, field: &'a RecordField) -> Result<Member, Misfit> {
        self.fields += 1;
        if self.fields > MAX_FIELDS {
            return Err(self.misfit(format!(
                "the schema has more than {MAX_FIELDS} fields, those of records counted wherever they stand"
            )));
        }
        let written = self.written(&field.schema)?;
        let comment = match (&field.doc, unit_of_time(&field.schema)) {
            (Some(doc), Some(unit)) => Some(format!("{doc} ({unit})")),
            (None, Some(unit)) => Some(unit.to_owned()),
            (doc, None) => doc.clone(),
        };
        Ok(Member {
            field: Field {
                name: field.name.clone(),
                aliases: field.aliases.clone(),
                // A field of nothing but nulls has no column.
                shape: written.shape().unwrap_or(Shape::Boolean),
                comment,
            },
            written,
            column: None,
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
            Schema::Uuid(UuidSchema::Fixed(_)) => Written::Uuid(false),
            Schema::Uuid(UuidSchema::Bytes) => Written::Uuid(true),
            Schema::Duration(_) => Written::Duration,
            Schema::Fixed(fixed) => Written::Fixed(self.size(fixed)?),
            Schema::Enum(inner) => Written::Enum(inner.symbols.clone()),
            Schema::Decimal(decimal) => {
                let (precision, scale) =
                    (u8::try_from(decimal.precision), i8::try_from(decimal.scale));
                let (Ok(precision @ 1..=38), Ok(scale)) = (precision, scale) else {
                    return Err(self.misfit(format!(
                        "a decimal of {} digits; 38 is the most",
                        decimal.precision
                    )));
                };
                let size = match &decimal.inner {
                    InnerDecimalSchema::Bytes => None,
                    InnerDecimalSchema::Fixed(fixed) => Some(self.size(fixed)?),
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
            Schema::Array(inner) => Written::List(Box::new(self.item("[]", &inner.items)?), 0),
            Schema::Map(inner) => Written::Map(Box::new(self.item("{}", &inner.types)?), 0),
            Schema::Record(record) => {
                let record = self.record(record)?;
                if record.fields().is_empty() {
                    return Err(self
                        .misfit("a record without fields, or of nulls alone; no column holds it"));
                }
                Written::Record(record)
            }
            Schema::Union(union) => match union.variants() {
                [only] => Written::Only(Box::new(self.something(only)?)),
                [Schema::Null, inner] => Written::Nullable(true, Box::new(self.something(inner)?)),
                [inner, Schema::Null] => Written::Nullable(false, Box::new(self.something(inner)?)),
                branches => {
                    return Err(self.misfit(format!(
                        "a union of {} types; only one type, nullable or not, fits a column",
                        branches.len()
                    )));
                }
            },
            Schema::Ref { name } => match self.names.get(name).copied() {
                Some(named) => self.written(named)?,
                None => return Err(self.misfit(format!("the type `{name}` is not defined"))),
            },
            Schema::BigDecimal => {
                return Err(self.misfit(
                    "a decimal whose scale is in its value; give it a precision and a scale (`decimal`)",
                ));
            }
        })
    }

    /// The size of fixed bytes. Without any, a list of them could be of any length.
    fn size(&self, fixed: &FixedSchema) -> Result<usize, Misfit> {
        match fixed.size {
            0 => Err(self.misfit("fixed bytes of size 0; no value is there to be kept")),
            size => Ok(size),
        }
    }

    fn item(&mut self, part: &'a str, schema: &'a Schema) -> Result<Written, Misfit> {
        self.path.push(part);
        let written = self.something(schema);
        self.path.pop();
        written
    }

    /// A value that is not always null.
    fn something(&mut self, schema: &'a Schema) -> Result<Written, Misfit> {
        match self.written(schema)? {
            Written::Null => Err(self.misfit("nothing but nulls; give it a type")),
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
