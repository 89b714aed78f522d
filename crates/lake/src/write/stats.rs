//! A file's statistics for the log, from those that Parquet's writer has gathered.

use arrow::datatypes::{DataType, Field, Fields, Schema};
use chrono::{DateTime, Duration, NaiveDate, SecondsFormat};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;
use serde_json::{Map, Number, Value};

use crate::snapshot::Stats;

/// Delta keeps statistics of this many leaf columns.
const COLUMNS: usize = 32;
/// Text is cut to this many bytes; the greatest value is then one that is greater than all that begin so.
pub(crate) const TEXT_BYTES: usize = 32;
/// What cannot be cut and is longer than this is left out.
const LONGEST_TEXT: usize = 64;
/// Decimals up to this many digits are the same number in JSON.
const EXACT_DECIMAL: i128 = 1_000_000_000_000_000;

/// The statistics of a closed file. `schema` is the file's.
pub(crate) fn gather(metadata: &ParquetMetaData, schema: &Schema) -> Stats {
    let mut stats = Stats {
        num_records: metadata.file_metadata().num_rows(),
        ..Stats::default()
    };
    let columns = metadata.file_metadata().schema_descr();
    let simple =
        (0..columns.num_columns()).filter(|index| columns.column(*index).max_rep_level() == 0);
    for index in simple.take(COLUMNS) {
        let descriptor = columns.column(index);
        let path = descriptor.path().parts();
        let Some(field) = leaf(schema.fields(), path) else {
            continue;
        };
        let chunks = metadata
            .row_groups()
            .iter()
            .map(|group| group.column(index));
        let chunks = chunks.map(|chunk| (chunk.num_values(), chunk.statistics()));
        let Some(bounds) = Bounds::of(chunks, field.data_type()) else {
            continue;
        };
        insert(&mut stats.null_count, path, Value::from(bounds.nulls));
        if let Some((min, max)) = bounds.min_max
            && let Some((min, max)) = min
                .as_min(field.data_type())
                .zip(max.as_max(field.data_type()))
        {
            insert(&mut stats.min_values, path, min);
            insert(&mut stats.max_values, path, max);
        }
    }
    stats
}

fn leaf<'a>(fields: &'a Fields, path: &[String]) -> Option<&'a Field> {
    let (first, rest) = path.split_first()?;
    let field = fields.iter().find(|field| field.name() == first)?;
    match field.data_type() {
        DataType::Struct(inner) => leaf(inner, rest),
        _ => Some(field),
    }
}

fn insert(into: &mut Map<String, Value>, path: &[String], value: Value) {
    match path {
        [] => {}
        [name] => {
            into.insert(name.clone(), value);
        }
        [name, rest @ ..] => {
            let inner = into
                .entry(name.clone())
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// A value that can be compared with others of its column.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
enum Bound {
    Whole(i128),
    Float(f64),
    Text(String),
}

/// What is known of a column over all row groups.
struct Bounds {
    nulls: u64,
    min_max: Option<(Bound, Bound)>,
}

impl Bounds {
    /// `None` where not even the nulls are counted.
    fn of<'a>(
        chunks: impl Iterator<Item = (i64, Option<&'a Statistics>)>,
        data_type: &DataType,
    ) -> Option<Self> {
        let (mut nulls, mut min_max, mut known) = (0, None, true);
        for (values, statistics) in chunks {
            let statistics = statistics?;
            let chunk_nulls = statistics.null_count_opt()?;
            nulls += chunk_nulls;
            if i64::try_from(chunk_nulls).is_ok_and(|nulls| nulls == values) {
                continue;
            }
            match bounds(statistics, data_type) {
                Some((min, max)) => {
                    min_max = Some(match min_max {
                        None => (min, max),
                        Some((least, greatest)) => (
                            if min < least { min } else { least },
                            if max > greatest { max } else { greatest },
                        ),
                    });
                }
                None => known = false,
            }
        }
        Some(Self {
            nulls,
            min_max: min_max.filter(|_| known),
        })
    }
}

fn bounds(statistics: &Statistics, data_type: &DataType) -> Option<(Bound, Bound)> {
    match (data_type, statistics) {
        (DataType::Decimal128(..), _) => {
            let number = |bytes: &[u8]| decimal(statistics, bytes);
            Some((
                number(statistics.min_bytes_opt()?)?,
                number(statistics.max_bytes_opt()?)?,
            ))
        }
        (DataType::Utf8, Statistics::ByteArray(s)) => {
            let text = |bytes: &[u8]| {
                let text = std::str::from_utf8(bytes).ok()?;
                (text.len() <= LONGEST_TEXT).then(|| Bound::Text(text.to_owned()))
            };
            Some((text(s.min_opt()?.data())?, text(s.max_opt()?.data())?))
        }
        (_, Statistics::Int32(s)) => Some((
            Bound::Whole((*s.min_opt()?).into()),
            Bound::Whole((*s.max_opt()?).into()),
        )),
        (_, Statistics::Int64(s)) => Some((
            Bound::Whole((*s.min_opt()?).into()),
            Bound::Whole((*s.max_opt()?).into()),
        )),
        (_, Statistics::Float(s)) => Some((
            Bound::Float((*s.min_opt()?).into()),
            Bound::Float((*s.max_opt()?).into()),
        )),
        (_, Statistics::Double(s)) => {
            Some((Bound::Float(*s.min_opt()?), Bound::Float(*s.max_opt()?)))
        }
        // Booleans, bytes: Delta keeps no bounds of them.
        _ => None,
    }
}

/// Parquet keeps a decimal as a little-endian integer or as big-endian bytes of any length.
fn decimal(statistics: &Statistics, bytes: &[u8]) -> Option<Bound> {
    let number = match statistics {
        Statistics::Int32(_) => i32::from_le_bytes(bytes.try_into().ok()?).into(),
        Statistics::Int64(_) => i64::from_le_bytes(bytes.try_into().ok()?).into(),
        _ => {
            let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
            let mut wide = [if negative { 0xff } else { 0 }; 16];
            wide.get_mut(16usize.checked_sub(bytes.len())?..)?
                .copy_from_slice(bytes);
            i128::from_be_bytes(wide)
        }
    };
    (number.abs() < EXACT_DECIMAL).then_some(Bound::Whole(number))
}

impl Bound {
    fn as_min(&self, data_type: &DataType) -> Option<Value> {
        self.as_json(data_type, 0)
    }

    /// Times are kept in milliseconds: what lies between two is rounded up.
    fn as_max(&self, data_type: &DataType) -> Option<Value> {
        self.as_json(data_type, 999)
    }

    fn as_json(&self, data_type: &DataType, round_up_micros: i64) -> Option<Value> {
        match (self, data_type) {
            (Self::Whole(days), DataType::Date32) => {
                let day = NaiveDate::default()
                    .checked_add_signed(Duration::try_days(i64::try_from(*days).ok()?)?)?;
                Some(Value::from(day.format("%Y-%m-%d").to_string()))
            }
            (Self::Whole(micros), DataType::Timestamp(..)) => {
                let micros = i64::try_from(*micros).ok()?.checked_add(round_up_micros)?;
                let time = DateTime::from_timestamp_millis(micros.div_euclid(1000))?;
                Some(Value::from(
                    time.to_rfc3339_opts(SecondsFormat::Millis, true),
                ))
            }
            (Self::Whole(unscaled), DataType::Decimal128(_, scale)) => {
                let number = *unscaled as f64 / 10f64.powi(i32::from(*scale));
                Number::from_f64(number).map(Value::Number)
            }
            (Self::Whole(number), _) => i64::try_from(*number).ok().map(Value::from),
            // Infinity has no JSON; nothing then is said of the column.
            (Self::Float(number), _) => Number::from_f64(*number).map(Value::Number),
            (Self::Text(text), _) => Some(Value::from(text.as_str())),
        }
    }
}
