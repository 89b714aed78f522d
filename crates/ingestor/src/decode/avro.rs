//! Binary Avro into columns, by the schema of its writer.

use std::collections::HashMap;
use std::fmt::Write as _;

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, Name, RecordSchema, UuidSchema};
use arrow::datatypes::{DataType, Fields};
use chrono::DateTime;

use super::column::{Column, Values};
use super::cursor::Cursor;
use super::fault::{Code, Fault};
use super::shape::{Field, Misfit, Shape, place};

/// Records within records deeper than this are refused with the schema.
const MAX_DEPTH: usize = 32;

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
    /// Sixteen bytes that are shown as text.
    Uuid,
    /// Bytes behind their length, or so many.
    Decimal(u8, i8, Option<usize>),
    Date,
    Timestamp(Unit),
    LocalTimestamp(Unit),
    /// A union with null. True: null is its first branch.
    Nullable(bool, Box<Written>),
    /// A union of one branch.
    Only(Box<Written>),
    List(Box<Written>),
    Map(Box<Written>),
    Record(Record),
}

#[derive(Clone, Copy, Debug)]
enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl Record {
    /// Reads a schema, whose top must be a record.
    pub(super) fn parse(text: &str) -> Result<Self, Misfit> {
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
            let index = place(
                columns.iter().map(|column| column.name().as_str()),
                &member.field,
            )
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
    pub(super) fn decode(&self, value: &[u8], columns: &mut [Column]) -> Result<(), Fault> {
        let mut cursor = Cursor::new(value);
        self.row(&mut cursor, columns)?;
        match cursor.left() {
            0 => Ok(()),
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
            Self::Text | Self::Enum(_) | Self::Uuid | Self::LocalTimestamp(_) => Shape::Text,
            Self::Bytes | Self::Fixed(_) => Shape::Bytes,
            Self::Decimal(precision, scale, _) => Shape::Decimal(*precision, *scale),
            Self::Date => Shape::Date,
            Self::Timestamp(_) => Shape::Timestamp,
            Self::Nullable(_, inner) | Self::Only(inner) => return inner.shape(),
            Self::List(element) => Shape::List(Box::new(element.shape()?)),
            Self::Map(value) => Shape::Map(Box::new(value.shape()?)),
            Self::Record(record) => Shape::Record(record.fields()),
        })
    }

    fn bind(&mut self, column: &DataType) -> Result<(), Misfit> {
        match (self, column) {
            (Self::Nullable(_, inner) | Self::Only(inner), column) => inner.bind(column),
            (Self::Record(record), DataType::Struct(fields)) => record.bind(fields),
            (Self::List(element), DataType::List(field)) => element.bind(field.data_type()),
            (Self::Map(value), DataType::Map(entries, _)) => match entries.data_type() {
                DataType::Struct(pair) => value.bind(pair[1].data_type()),
                _ => Err(Misfit("the table's map has no entries".into())),
            },
            (Self::Int | Self::Long, DataType::Float64)
            | (Self::Text | Self::Enum(_), DataType::Binary) => Ok(()),
            (written, column) if written.shape() == Shape::of(column) => Ok(()),
            (_, column) => Err(Misfit(format!("the table's column is {column}"))),
        }
    }

    /// One value into the next row of its column.
    #[inline]
    fn read(&self, cursor: &mut Cursor<'_>, column: &mut Column) -> Result<(), Fault> {
        match (self, &mut column.values) {
            (Self::Nullable(null_first, inner), _) => {
                return match cursor.long()? {
                    branch @ (0 | 1) if (branch == 0) == *null_first => {
                        column.push_null();
                        Ok(())
                    }
                    0 | 1 => inner.read(cursor, column),
                    branch => Err(Fault::new(
                        Code::Malformed,
                        format!("branch {branch} of a union of two"),
                    )),
                };
            }
            (Self::Only(inner), _) => {
                return match cursor.long()? {
                    0 => inner.read(cursor, column),
                    branch => Err(Fault::new(
                        Code::Malformed,
                        format!("branch {branch} of a union of one"),
                    )),
                };
            }
            (Self::Text, Values::Bytes(runs)) => runs.push(text(cursor.bytes()?)?.as_bytes()),
            (Self::Long, Values::Long(values)) => values.push(cursor.long()?),
            (Self::Int, Values::Long(values)) => values.push(i64::from(cursor.int()?)),
            (Self::Timestamp(unit), Values::Long(values)) => {
                values.push(unit.micros(cursor.long()?)?);
            }
            (Self::Double, Values::Double(values)) => {
                values.push(f64::from_le_bytes(cursor.array()?));
            }
            (Self::Float, Values::Double(values)) => {
                values.push(f64::from(f32::from_le_bytes(cursor.array()?)));
            }
            (Self::Int, Values::Double(values)) => values.push(f64::from(cursor.int()?)),
            (Self::Long, Values::Double(values)) => values.push(cursor.long()? as f64),
            (Self::Boolean, Values::Boolean(values)) => match cursor.array()? {
                [0] => values.append(false),
                [1] => values.append(true),
                [other] => {
                    return Err(Fault::new(Code::Malformed, format!("a boolean of {other}")));
                }
            },
            (Self::Bytes, Values::Bytes(runs)) => runs.push(cursor.bytes()?),
            (Self::Fixed(size), Values::Bytes(runs)) => runs.push(cursor.take(*size)?),
            (Self::Enum(symbols), Values::Bytes(runs)) => {
                runs.push(symbol(symbols, cursor.long()?)?.as_bytes());
            }
            (Self::Uuid, Values::Bytes(runs)) => {
                runs.push(uuid(cursor.array()?).as_bytes());
            }
            (Self::LocalTimestamp(unit), Values::Bytes(runs)) => {
                let moment = DateTime::from_timestamp_micros(unit.micros(cursor.long()?)?)
                    .ok_or_else(out_of_range)?;
                runs.push(
                    moment
                        .naive_utc()
                        .format("%Y-%m-%dT%H:%M:%S%.6f")
                        .to_string()
                        .as_bytes(),
                );
            }
            (Self::Decimal(.., size), Values::Decimal(values, precision, _)) => {
                let bytes = match size {
                    Some(size) => cursor.take(*size)?,
                    None => cursor.bytes()?,
                };
                values.push(decimal(bytes, *precision)?);
            }
            (Self::Date, Values::Date(values)) => values.push(cursor.int()?),
            (Self::List(element), Values::List(_, child)) => {
                blocks(cursor, |cursor| element.read(cursor, child))?;
                column.values.close_row();
            }
            (Self::Map(value), Values::Map(_, keys, child)) => {
                blocks(cursor, |cursor| {
                    keys.push(text(cursor.bytes()?)?.as_bytes());
                    value.read(cursor, child)
                })?;
                column.values.close_row();
            }
            (Self::Record(record), Values::Record(columns)) => record.row(cursor, columns)?,
            _ => unreachable!("a bound schema's values have a column of their type"),
        }
        column.set();
        Ok(())
    }
}

impl Unit {
    fn micros(self, value: i64) -> Result<i64, Fault> {
        match self {
            Self::Millis => value.checked_mul(1_000).ok_or_else(out_of_range),
            Self::Micros => Ok(value),
            Self::Nanos => Ok(value.div_euclid(1_000)),
        }
    }
}

fn out_of_range() -> Fault {
    Fault::new(
        Code::NumberOutOfRange,
        "a timestamp beyond what microseconds can say",
    )
}

#[inline]
fn text(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|error| Fault::new(Code::BadUtf8, error.to_string()))
}

fn symbol(symbols: &[String], index: i64) -> Result<&str, Fault> {
    usize::try_from(index)
        .ok()
        .and_then(|index| symbols.get(index))
        .map(String::as_str)
        .ok_or_else(|| {
            let text = format!("symbol {index} of an enum of {}", symbols.len());
            Fault::new(Code::Malformed, text)
        })
}

/// A UUID as people write it.
fn uuid(bytes: [u8; 16]) -> String {
    let mut shown = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            shown.push('-');
        }
        let _ = write!(shown, "{byte:02x}");
    }
    shown
}

/// A big-endian two's complement number of at most `precision` digits.
fn decimal(bytes: &[u8], precision: u8) -> Result<i128, Fault> {
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let sign = if negative { 0xff } else { 0 };
    let (high, low) = bytes.split_at(bytes.len().saturating_sub(16));
    if high.iter().any(|byte| *byte != sign)
        || (!high.is_empty() && (low[0] & 0x80 != 0) != negative)
    {
        return Err(Fault::new(
            Code::NumberOutOfRange,
            "a decimal of more than 128 bits",
        ));
    }
    let mut number = [sign; 16];
    number[16 - low.len()..].copy_from_slice(low);
    let number = i128::from_be_bytes(number);
    let limit = 10_i128.pow(u32::from(precision));
    if number.abs() >= limit {
        return Err(Fault::new(
            Code::NumberOutOfRange,
            format!("a decimal of more than {precision} digits"),
        ));
    }
    Ok(number)
}

/// The blocks of an array or map: counts, each followed by so many items, until a count of 0.
fn blocks<'a>(
    cursor: &mut Cursor<'a>,
    mut item: impl FnMut(&mut Cursor<'a>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut free = 0_usize;
    loop {
        let count = cursor.long()?;
        if count == 0 {
            return Ok(());
        }
        if count < 0 {
            // A negative count is followed by the block's size in bytes, which we do not need.
            cursor.long()?;
        }
        for _ in 0..count.unsigned_abs() {
            let before = cursor.left();
            item(cursor)?;
            // Items that take no bytes would let a few bytes ask for any amount of memory.
            if cursor.left() == before {
                free += 1;
                if free > 4096 {
                    return Err(Fault::new(
                        Code::Malformed,
                        "more than 4096 list items of no bytes",
                    ));
                }
            }
        }
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
