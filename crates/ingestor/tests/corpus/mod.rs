//! Records that are bad in every way that we know, each with the code that it gets, and good ones at the
//! edges. The decoders' tests, the test on the real Kafka and the fuzz targets all begin with these.

pub mod avro;
pub mod json;

/// 2024-06-01T00:00:00Z in ms.
pub const JUNE: i64 = 1_717_200_000_000;

/// The ids of the schemas, as a test's registry gave them.
#[derive(Clone, Copy, Debug)]
pub struct Ids {
    /// The topic's.
    pub own: u32,
    /// One of the other language.
    pub foreign: u32,
    /// One that is not registered.
    pub unknown: u32,
}

/// A record and what becomes of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it is about.
    pub name: &'static str,
    /// The record's value.
    pub value: Option<Vec<u8>>,
    /// `None`: it is good. Else the code of its fault.
    pub code: Option<&'static str>,
}

impl Case {
    fn good(name: &'static str, value: Vec<u8>) -> Self {
        Self {
            name,
            value: Some(value),
            code: None,
        }
    }

    fn bad(name: &'static str, code: &'static str, value: Vec<u8>) -> Self {
        Self {
            name,
            value: Some(value),
            code: Some(code),
        }
    }
}

/// A payload behind the framing of the registry.
pub fn framed(id: u32, payload: &[u8]) -> Vec<u8> {
    let mut value = vec![0];
    value.extend_from_slice(&id.to_be_bytes());
    value.extend_from_slice(payload);
    value
}

/// What is bad before anything is decoded. `good` is a payload.
fn framing(ids: Ids, good: &[u8]) -> Vec<Case> {
    let mut magic = framed(ids.own, good);
    magic[0] = 1;
    vec![
        Case {
            name: "no value",
            value: None,
            code: Some("null_value"),
        },
        Case::bad("no bytes", "empty_value", Vec::new()),
        Case::bad("less than a header", "not_framed", vec![0, 0, 0, 1]),
        Case::bad("another magic byte", "not_framed", magic),
        Case::bad("no framing", "not_framed", good.to_vec()),
        Case::bad(
            "an id nobody has",
            "unknown_schema",
            framed(ids.unknown, good),
        ),
        Case::bad("the greatest id", "unknown_schema", framed(u32::MAX, good)),
        Case::bad(
            "a schema of the other language",
            "wrong_schema_type",
            framed(ids.foreign, good),
        ),
    ]
}
