//! Durations and sizes as people write them: `500ms`, `10s`, `2m`, `64MiB`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// A span of time, written `250ms`, `10s`, `5m`, `1h` or `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// A number of bytes, written `4096`, `512KiB`, `128MiB` or `1GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

const SPANS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];
const SIZES: [(&str, u64); 4] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("B", 1),
];

/// `text` as a whole number and one of the `units`, multiplied out.
fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '_')
        .unwrap_or(text.len());
    let number: u64 = text[..digits].replace('_', "").parse().ok()?;
    let unit = text[digits..].trim();
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*factor)
}

/// `value` in the largest of the `units` that leaves a whole number.
fn render(value: u64, units: &[(&str, u64)]) -> String {
    let (name, factor) = units
        .iter()
        .filter(|(_, factor)| value.is_multiple_of(*factor))
        .max_by_key(|(_, factor)| *factor)
        .expect("one unit has the factor 1");
    format!("{}{name}", value / factor)
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&render(self.0.as_millis() as u64, &SPANS))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&render(self.0, &SIZES))
    }
}

impl FromStr for Span {
    type Err = String;

    /// As in the file, for a command line.
    fn from_str(text: &str) -> Result<Self, String> {
        parse(text, &SPANS)
            .map(|milliseconds| Self(Duration::from_millis(milliseconds)))
            .ok_or_else(|| "write a duration such as 500ms, 10s, 5m, 1h or 7d".to_owned())
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

struct UnitVisitor<T> {
    expecting: &'static str,
    units: &'static [(&'static str, u64)],
    /// Whether a bare number is meant, as bytes are.
    bare: bool,
    build: fn(u64) -> T,
}

impl<T> Visitor<'_> for UnitVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        parse(text, self.units)
            .map(self.build)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        if self.bare {
            Ok((self.build)(number))
        } else {
            Err(E::invalid_value(de::Unexpected::Unsigned(number), &self))
        }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        let positive = u64::try_from(number)
            .map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))?;
        self.visit_u64(positive)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UnitVisitor {
            expecting: "a duration such as \"500ms\", \"10s\", \"5m\", \"1h\" or \"7d\"",
            units: &SPANS,
            bare: false,
            build: |milliseconds| Span(Duration::from_millis(milliseconds)),
        })
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UnitVisitor {
            expecting: "a size such as 4096, \"512KiB\", \"128MiB\" or \"1GiB\"",
            units: &SIZES,
            bare: true,
            build: Bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes_read_back_as_they_were_written() {
        for text in ["0ms", "250ms", "10s", "90s", "5m", "1h", "7d"] {
            let milliseconds = parse(text, &SPANS).expect(text);
            assert_eq!(
                parse(&render(milliseconds, &SPANS), &SPANS),
                Some(milliseconds)
            );
        }
        assert_eq!(parse("128MiB", &SIZES), Some(128 << 20));
        assert_eq!(render(128 << 20, &SIZES), "128MiB");
        assert_eq!(render(3, &SIZES), "3B");
    }

    #[test]
    fn a_number_without_a_unit_is_no_span() {
        assert_eq!(parse("10", &SPANS), None);
        assert_eq!(parse("10 parsecs", &SPANS), None);
        assert_eq!(parse("", &SPANS), None);
        assert_eq!(parse("99999999999999999999d", &SPANS), None);
    }
}
