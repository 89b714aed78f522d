//! Values as Avro writes them, into their columns.

use std::fmt::Write as _;

use chrono::DateTime;

use super::{Unit, Written};
use crate::decode::column::{Column, Values};
use crate::decode::cursor::Cursor;
use crate::decode::fault::{Code, Fault};

impl Written {
    /// One value into the next row of its column.
    #[inline]
    pub(super) fn read(&self, cursor: &mut Cursor<'_>, column: &mut Column) -> Result<(), Fault> {
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
            (Self::Uuid(behind_length), Values::Bytes(runs)) => {
                let bytes = if *behind_length {
                    sixteen(cursor.bytes()?)?
                } else {
                    cursor.array()?
                };
                runs.push(uuid(bytes).as_bytes());
            }
            (Self::Duration, Values::Bytes(runs)) => {
                runs.push(duration(cursor.array()?).as_bytes());
            }
            (Self::LocalTimestamp(unit), Values::Bytes(runs)) => {
                runs.push(unit.local(cursor.long()?)?.as_bytes());
            }
            (Self::Decimal(precision, _, size), Values::Decimal(values, ..)) => {
                let bytes = match size {
                    Some(size) => cursor.take(*size)?,
                    None => cursor.bytes()?,
                };
                values.push(decimal(bytes, *precision)?);
            }
            (Self::Date, Values::Date(values)) => values.push(cursor.int()?),
            (Self::List(element, width), Values::List(_, child)) => {
                blocks(cursor, *width, |cursor| element.read(cursor, child))?;
                column.values.close_row();
            }
            (Self::Map(value, width), Values::Map(_, keys, child)) => {
                blocks(cursor, *width, |cursor| {
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

    /// A local time as people write it, to the microsecond or, where it is written so, to the nanosecond.
    fn local(self, value: i64) -> Result<String, Fault> {
        let (moment, shown) = match self {
            Self::Nanos => (
                Some(DateTime::from_timestamp_nanos(value)),
                "%Y-%m-%dT%H:%M:%S%.9f",
            ),
            _ => (
                DateTime::from_timestamp_micros(self.micros(value)?),
                "%Y-%m-%dT%H:%M:%S%.6f",
            ),
        };
        let moment = moment.ok_or_else(out_of_range)?.naive_utc();
        Ok(moment.format(shown).to_string())
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

fn sixteen(bytes: &[u8]) -> Result<[u8; 16], Fault> {
    bytes
        .try_into()
        .map_err(|_| Fault::new(Code::Malformed, format!("a UUID of {} bytes", bytes.len())))
}

/// Months, days and milliseconds, each a little-endian number of 32 bits, as ISO 8601 writes them.
fn duration(bytes: [u8; 12]) -> String {
    let part =
        |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let (months, days, millis) = (part(0), part(4), part(8));
    format!("P{months}M{days}DT{}.{:03}S", millis / 1000, millis % 1000)
}

/// A big-endian two's complement number of at most `precision` digits.
fn decimal(bytes: &[u8], precision: u8) -> Result<i128, Fault> {
    let Some(first) = bytes.first() else {
        return Err(Fault::new(Code::Malformed, "a decimal of no bytes"));
    };
    let negative = first & 0x80 != 0;
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
    let limit = 10_u128.pow(u32::from(precision));
    if number.unsigned_abs() >= limit {
        return Err(Fault::new(
            Code::NumberOutOfRange,
            format!("a decimal of more than {precision} digits"),
        ));
    }
    Ok(number)
}

/// The blocks of an array or map: counts, each followed by so many items, until a count of 0.
/// An item takes a byte at least, so that no count asks for more than there is.
fn blocks<'a>(
    cursor: &mut Cursor<'a>,
    width: usize,
    mut item: impl FnMut(&mut Cursor<'a>) -> Result<(), Fault>,
) -> Result<(), Fault> {
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
            cursor.room.spend(width)?;
            item(cursor)?;
        }
    }
}
