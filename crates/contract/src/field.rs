//! The kinds of fields, and how each is held and written.

use crate::encode;

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A moment: milliseconds since 1970, UTC. Microseconds in Arrow.
    Timestamp,
    /// A signed 64-bit integer.
    Long,
    /// A 64-bit floating point number.
    Double,
    /// UTF-8 text.
    Text,
    /// True or false.
    Boolean,
}

/// One field of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name in Avro, JSON and bronze.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether an event may lack it. Bronze columns may all be null.
    pub nullable: bool,
    /// What it means.
    pub doc: &'static str,
}

/// A type in the table of fields: how a value is held in an event and written.
pub trait FieldType {
    /// A value as [`crate::Event`] holds it.
    type Value<'a>: Copy;
    /// What the schemas call it.
    const KIND: Kind;
    /// Whether a value may be absent.
    const NULLABLE: bool = false;
    /// Write the Avro datum.
    fn avro(value: Self::Value<'_>, out: &mut Vec<u8>);
    /// Write `key` (a comma, the quoted name and a colon) and the value, or nothing if it is absent.
    fn json(key: &str, value: Self::Value<'_>, out: &mut Vec<u8>);
}

/// See [`Kind::Timestamp`].
pub struct Timestamp;
/// See [`Kind::Long`].
pub struct Long;
/// See [`Kind::Double`].
pub struct Double;
/// See [`Kind::Text`].
pub struct Text;
/// See [`Kind::Boolean`].
pub struct Boolean;
/// A field that an event may lack: in Avro a union with null, in JSON a key left out.
pub struct Optional<T>(std::marker::PhantomData<T>);

impl FieldType for Timestamp {
    type Value<'a> = i64;
    const KIND: Kind = Kind::Timestamp;
    // Written as the number it is.
    fn avro(value: i64, out: &mut Vec<u8>) {
        Long::avro(value, out);
    }
    fn json(key: &str, value: i64, out: &mut Vec<u8>) {
        Long::json(key, value, out);
    }
}

impl FieldType for Long {
    type Value<'a> = i64;
    const KIND: Kind = Kind::Long;
    fn avro(value: i64, out: &mut Vec<u8>) {
        encode::avro_long(value, out);
    }
    fn json(key: &str, value: i64, out: &mut Vec<u8>) {
        out.extend_from_slice(key.as_bytes());
        encode::json_long(value, out);
    }
}

impl FieldType for Double {
    type Value<'a> = f64;
    const KIND: Kind = Kind::Double;
    fn avro(value: f64, out: &mut Vec<u8>) {
        out.extend_from_slice(&value.to_le_bytes());
    }
    fn json(key: &str, value: f64, out: &mut Vec<u8>) {
        // JSON has no word for infinity or "not a number": such a value is absent.
        if value.is_finite() {
            out.extend_from_slice(key.as_bytes());
            encode::json_double(value, out);
        }
    }
}

impl FieldType for Text {
    type Value<'a> = &'a str;
    const KIND: Kind = Kind::Text;
    fn avro(value: &str, out: &mut Vec<u8>) {
        encode::avro_long(value.len() as i64, out);
        out.extend_from_slice(value.as_bytes());
    }
    fn json(key: &str, value: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(key.as_bytes());
        encode::json_text(value, out);
    }
}

impl FieldType for Boolean {
    type Value<'a> = bool;
    const KIND: Kind = Kind::Boolean;
    fn avro(value: bool, out: &mut Vec<u8>) {
        out.push(u8::from(value));
    }
    fn json(key: &str, value: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(if value { b"true" } else { b"false" });
    }
}

impl<T: FieldType> FieldType for Optional<T> {
    type Value<'a> = Option<T::Value<'a>>;
    const KIND: Kind = T::KIND;
    const NULLABLE: bool = true;
    fn avro(value: Self::Value<'_>, out: &mut Vec<u8>) {
        // The branch of the union ["null", T] as a zigzag number: 0 or 1.
        match value {
            None => out.push(0),
            Some(value) => {
                out.push(2);
                T::avro(value, out);
            }
        }
    }
    fn json(key: &str, value: Self::Value<'_>, out: &mut Vec<u8>) {
        if let Some(value) = value {
            T::json(key, value, out);
        }
    }
}
