//! The corpus of Avro.

use super::{Case, Ids, JUNE, framed, framing};

/// The schema of the corpus.
pub const SCHEMA: &str = r#"{"type":"record","name":"Corpus","namespace":"gold","fields":[
    {"name":"ts","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"text","type":"string"},
    {"name":"number","type":["null","long"],"default":null},
    {"name":"small","type":"int"},
    {"name":"ratio","type":"double"},
    {"name":"single","type":"float"},
    {"name":"flag","type":"boolean"},
    {"name":"bytes","type":"bytes"},
    {"name":"choice","type":{"type":"enum","name":"Choice","symbols":["A","B"]}},
    {"name":"fixed","type":{"type":"fixed","name":"Two","size":2}},
    {"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}},
    {"name":"total","type":{"type":"fixed","name":"Wide","size":20,"logicalType":"decimal","precision":38,"scale":0}},
    {"name":"day","type":{"type":"int","logicalType":"date"}},
    {"name":"moment","type":{"type":"long","logicalType":"timestamp-nanos"}},
    {"name":"local","type":{"type":"long","logicalType":"local-timestamp-millis"}},
    {"name":"id","type":{"type":"bytes","logicalType":"uuid"}},
    {"name":"list","type":{"type":"array","items":["null","long"]}},
    {"name":"map","type":{"type":"map","values":"string"}},
    {"name":"pairs","type":{"type":"array","items":{"type":"record","name":"Pair","fields":[
        {"name":"key","type":"string"},{"name":"value","type":["double","null"]},
        {"name":"inner","type":["null",{"type":"array","items":"Choice"}],"default":null}]}}}]}"#;

/// A field's bytes.
type Part = (&'static str, Vec<u8>);

/// A good record, field by field.
fn parts() -> Vec<Part> {
    vec![
        ("ts", long(JUNE)),
        ("text", text("text")),
        ("number", [long(1), long(7)].concat()),
        ("small", long(-3)),
        ("ratio", 1.5_f64.to_le_bytes().to_vec()),
        ("single", 0.25_f32.to_le_bytes().to_vec()),
        ("flag", vec![1]),
        ("bytes", bytes(&[0xff, 0x00])),
        ("choice", long(1)),
        ("fixed", vec![0xca, 0xfe]),
        ("price", bytes(&(-12345_i16).to_be_bytes())),
        ("total", wide(1)),
        ("day", long(19_000)),
        ("moment", long(JUNE * 1_000_000)),
        ("local", long(JUNE)),
        ("id", bytes(&[0xab; 16])),
        (
            "list",
            [long(2), long(1), long(5), long(0), long(0)].concat(),
        ),
        ("map", [long(1), text("k"), text("v"), long(0)].concat()),
        ("pairs", [long(1), pair(), long(0)].concat()),
    ]
}

fn pair() -> Vec<u8> {
    [text("k"), long(1), long(1), long(1), long(0), long(0)].concat()
}

/// A good record.
pub fn good() -> Vec<u8> {
    record(parts())
}

fn record(parts: Vec<Part>) -> Vec<u8> {
    parts.into_iter().flat_map(|(_, part)| part).collect()
}

/// A good record but for one field.
fn with(field: &str, bytes: Vec<u8>) -> Vec<u8> {
    let mut parts = parts();
    let part = parts.iter_mut().find(|(name, _)| *name == field);
    part.expect("the corpus has the field").1 = bytes;
    record(parts)
}

/// A record that ends with the bytes of this field.
fn up_to(field: &str, bytes: Vec<u8>) -> Vec<u8> {
    let mut parts = parts();
    let index = parts.iter().position(|(name, _)| *name == field);
    parts.truncate(index.expect("the corpus has the field"));
    [record(parts), bytes].concat()
}

/// Every case but the ones of megabytes.
pub fn cases(ids: Ids) -> Vec<Case> {
    let mut cases = framing(ids, &good());
    cases.push(Case::good("a good one", framed(ids.own, &good())));
    for (name, payload) in good_ones() {
        cases.push(Case::good(name, framed(ids.own, &payload)));
    }
    for (name, code, payload) in bad_ones() {
        cases.push(Case::bad(name, code, framed(ids.own, &payload)));
    }
    for cut in 0..good().len() {
        let payload = &good()[..cut];
        cases.push(Case::bad(
            "cut short",
            "truncated",
            framed(ids.own, payload),
        ));
    }
    cases
}

fn good_ones() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("NaN", with("ratio", f64::NAN.to_le_bytes().to_vec())),
        (
            "a float's NaN",
            with("single", f32::NAN.to_le_bytes().to_vec()),
        ),
        (
            "infinity",
            with("ratio", f64::INFINITY.to_le_bytes().to_vec()),
        ),
        (
            "minus zero",
            with("ratio", (-0.0_f64).to_le_bytes().to_vec()),
        ),
        ("the last day", with("day", long(i32::MAX.into()))),
        ("the first day", with("day", long(i32::MIN.into()))),
        ("a day of the year 200000", with("day", long(72_000_000))),
        ("the last moment", with("moment", long(i64::MAX))),
        ("the first moment", with("moment", long(i64::MIN))),
        (
            "a local time of the year 200000",
            with("local", long(6_000_000_000_000_000)),
        ),
        (
            "the least number",
            with("number", [long(1), long(i64::MIN)].concat()),
        ),
        (
            "a number in ten bytes that fits one",
            with("small", [vec![0x85], vec![0x80; 8], vec![0]].concat()),
        ),
        ("no elements", with("list", long(0))),
        (
            "blocks that tell their size",
            with(
                "list",
                [long(-1), long(2), long(1), long(5), long(0)].concat(),
            ),
        ),
        (
            "a block size that lies",
            with(
                "list",
                [long(-1), long(i64::MIN), long(1), long(5), long(0)].concat(),
            ),
        ),
        (
            "one key twice",
            with(
                "map",
                [long(2), text("k"), text(""), text("k"), text("w"), long(0)].concat(),
            ),
        ),
        (
            "the greatest decimal",
            with("price", bytes(&9_999_999_999_i64.to_be_bytes())),
        ),
        (
            "a decimal in more bytes than it needs",
            with("price", bytes(&[[0xff; 30].as_slice(), &[0xfe]].concat())),
        ),
        ("text of a null character", with("text", text("\0"))),
        ("text of four bytes a character", with("text", text("🎵🎵"))),
    ]
}

#[expect(clippy::too_many_lines, reason = "one table of cases")]
fn bad_ones() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let mut trailing = good();
    trailing.push(0);
    let list = |count: i64| up_to("list", long(count));
    vec![
        ("a byte too many", "trailing_bytes", trailing),
        ("bad UTF-8", "bad_utf8", with("text", bytes(&[0xff]))),
        (
            "an overlong character",
            "bad_utf8",
            with("text", bytes(&[0xc0, 0x80])),
        ),
        (
            "half a character",
            "bad_utf8",
            with("text", bytes(&[0xed, 0xa0, 0x80])),
        ),
        (
            "a key of bad UTF-8",
            "bad_utf8",
            with("map", [long(1), bytes(&[0xfe]), text(""), long(0)].concat()),
        ),
        (
            "text of a negative length",
            "malformed",
            with("text", long(-1)),
        ),
        (
            "text of the least length",
            "malformed",
            with("text", long(i64::MIN)),
        ),
        (
            "text longer than memory",
            "truncated",
            up_to("text", long(i64::MAX)),
        ),
        ("a number that never ends", "malformed", vec![0xff; 64]),
        (
            "a number of 65 bits",
            "malformed",
            with("small", [vec![0xff; 9], vec![0x02]].concat()),
        ),
        (
            "an int of 33 bits",
            "number_out_of_range",
            with("small", long(1 << 32)),
        ),
        (
            "a day of 33 bits",
            "number_out_of_range",
            with("day", long(1 << 40)),
        ),
        (
            "a branch that is not there",
            "malformed",
            with("number", long(2)),
        ),
        ("a negative branch", "malformed", with("number", long(-1))),
        ("a boolean of 2", "malformed", with("flag", vec![2])),
        (
            "a symbol that is not there",
            "malformed",
            with("choice", long(2)),
        ),
        ("a negative symbol", "malformed", with("choice", long(-1))),
        (
            "a decimal of too many digits",
            "number_out_of_range",
            with("price", bytes(&10_000_000_000_i64.to_be_bytes())),
        ),
        ("a decimal of no bytes", "malformed", with("price", long(0))),
        (
            "the least of 128 bits",
            "number_out_of_range",
            with("price", bytes(&i128::MIN.to_be_bytes())),
        ),
        (
            "the least of 128 bits, fixed",
            "number_out_of_range",
            with("total", wide(i128::MIN)),
        ),
        (
            "a decimal of 160 bits",
            "number_out_of_range",
            with("total", vec![0x7f; 20]),
        ),
        (
            "a local time after the last year",
            "number_out_of_range",
            with("local", long(i64::MAX)),
        ),
        (
            "a UUID of fifteen bytes",
            "malformed",
            with("id", bytes(&[1; 15])),
        ),
        ("a list longer than memory", "truncated", list(i64::MAX)),
        ("a list of the least length", "truncated", list(i64::MIN)),
        (
            "a list that does not end",
            "truncated",
            up_to("list", [long(1), long(0)].concat()),
        ),
        (
            "a time that overflows",
            "number_out_of_range",
            with("ts", long(i64::MAX)),
        ),
        (
            "before all events",
            "event_time_out_of_range",
            with("ts", long(0)),
        ),
        (
            "long before all events",
            "event_time_out_of_range",
            with("ts", long(i64::MIN / 1000)),
        ),
        (
            "an event of the year 5000",
            "event_time_out_of_range",
            with("ts", long(95_000_000_000_000)),
        ),
        (
            "JSON where Avro should stand",
            "malformed",
            br#"{"ts":1717200000000,"text":"text"}"#.to_vec(),
        ),
    ]
}

/// Cases of megabytes: `bytes` each.
pub fn large(ids: Ids, bytes: usize) -> Vec<Case> {
    let own = |payload: Vec<u8>| framed(ids.own, &payload);
    let zeros = |count: usize| [long(count as i64), vec![0; count], long(0)].concat();
    vec![
        Case::good("much text", own(with("text", text(&"x".repeat(bytes))))),
        Case::bad(
            "much bad text",
            "bad_utf8",
            own(with("text", self::bytes(&vec![0xff; bytes]))),
        ),
        Case::bad(
            "much that nobody asked for",
            "trailing_bytes",
            own([good(), vec![0; bytes]].concat()),
        ),
        Case::bad(
            "much, cut short",
            "truncated",
            own(up_to(
                "text",
                [long(i64::from(u32::MAX)), vec![b'x'; bytes]].concat(),
            )),
        ),
        Case::bad("nothing but 0xff", "not_framed", vec![0xff; bytes]),
        // Each null takes a byte here and nine in memory.
        Case::good("a million nulls", own(with("list", zeros(1_000_000)))),
        Case::bad(
            "more nulls than a record may hold",
            "too_large",
            own(with("list", zeros(bytes))),
        ),
    ]
}

/// A number as Avro writes it.
pub fn long(value: i64) -> Vec<u8> {
    let mut out = Vec::new();
    let mut zigzag = ((value << 1) ^ (value >> 63)) as u64;
    while zigzag >= 0x80 {
        out.push(zigzag as u8 | 0x80);
        zigzag >>= 7;
    }
    out.push(zigzag as u8);
    out
}

/// Bytes behind their length.
pub fn bytes(bytes: &[u8]) -> Vec<u8> {
    [long(bytes.len() as i64), bytes.to_vec()].concat()
}

/// Text behind its length.
pub fn text(text: &str) -> Vec<u8> {
    bytes(text.as_bytes())
}

/// A number of 20 bytes.
fn wide(value: i128) -> Vec<u8> {
    let sign = if value < 0 { 0xff } else { 0 };
    [[sign; 4].as_slice(), &value.to_be_bytes()].concat()
}
