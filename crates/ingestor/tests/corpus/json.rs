//! The corpus of JSON.

use super::{Case, Ids, JUNE, framed, framing};

/// The schema of the corpus.
pub const SCHEMA: &str = r##"{"type":"object","required":["ts","text"],
    "definitions":{"pair":{"type":"object","additionalProperties":false,"required":["key"],"properties":{
        "key":{"type":"string"},"value":{"type":["number","null"]},"inner":{"type":"array","items":{"enum":["A","B"]}}}}},
    "properties":{
    "ts":{"type":"integer","format":"timestamp-millis"},
    "text":{"type":"string"},
    "number":{"type":["integer","null"]},
    "ratio":{"anyOf":[{"type":"number"},{"type":"null"}]},
    "flag":{"type":"boolean"},
    "choice":{"type":"string","enum":["A","B"]},
    "moment":{"type":"integer","format":"timestamp-micros"},
    "list":{"type":"array","items":{"oneOf":[{"type":"null"},{"type":"integer"}]}},
    "map":{"type":"object","additionalProperties":{"type":"string"}},
    "pairs":{"type":"array","items":{"$ref":"#/definitions/pair"}}}}"##;

/// A good record.
pub fn good() -> Vec<u8> {
    with("")
}

/// A record with the required properties, and then `more`.
fn with(more: &str) -> Vec<u8> {
    let comma = if more.is_empty() { "" } else { "," };
    format!(r#"{{"ts":{JUNE},"text":"text"{comma}{more}}}"#).into_bytes()
}

/// A record of which `TS` is a good time.
fn document(text: &str) -> Vec<u8> {
    text.replace("TS", &JUNE.to_string()).into_bytes()
}

/// Every case but the ones of megabytes, framed or not.
pub fn cases(ids: Ids, is_framed: bool) -> Vec<Case> {
    let value = |payload: Vec<u8>| {
        if is_framed {
            framed(ids.own, &payload)
        } else {
            payload
        }
    };
    let mut cases = if is_framed {
        framing(ids, &good())
    } else {
        vec![
            Case {
                name: "no value",
                value: None,
                code: Some("null_value"),
            },
            Case::bad("no bytes", "empty_value", Vec::new()),
            Case::bad(
                "framing where there should be none",
                "malformed",
                framed(ids.own, &good()),
            ),
        ]
    };
    cases.push(Case::good("a good one", value(everything())));
    for (name, payload) in good_ones() {
        cases.push(Case::good(name, value(payload)));
    }
    for (name, code, payload) in bad_ones() {
        cases.push(Case::bad(name, code, value(payload)));
    }
    for cut in 1..everything().len() {
        let payload = everything()[..cut].to_vec();
        cases.push(Case::bad("cut short", "truncated", value(payload)));
    }
    cases
}

/// A good record of all properties, in ASCII.
fn everything() -> Vec<u8> {
    with(
        r#""number":-7,"ratio":0.5,"flag":true,"choice":"B","moment":5,"list":[1,null],"map":{"k":"v"},"pairs":[{"key":"\u00e9","value":1e3,"inner":["A"]}],"more":[{}]"#,
    )
}

fn good_ones() -> Vec<(&'static str, Vec<u8>)> {
    let deep = format!(r#""more":{}1{}"#, "[".repeat(60), "]".repeat(60));
    vec![
        ("only what is required", good()),
        (
            "white space",
            document(" \n{\t\"ts\" : TS , \"text\" : \"\" }\r\n "),
        ),
        (
            "null where it may be",
            with(r#""number":null,"ratio":null"#),
        ),
        (
            "a whole number with a fraction of nothing",
            with(r#""number":2.0"#),
        ),
        ("a whole number with an exponent", with(r#""number":2e3"#)),
        ("the least number", with(r#""number":-9223372036854775808"#)),
        ("minus nothing", with(r#""number":-0"#)),
        (
            "a number too small to tell from 0",
            with(r#""ratio":1e-999"#),
        ),
        (
            "many digits",
            with(&format!(r#""ratio":0.{}"#, "1".repeat(2000))),
        ),
        ("empty brackets", with(r#""list":[],"map":{},"pairs":[]"#)),
        (
            "a character of two escapes",
            document(r#"{"ts":TS,"text":"\ud83c\udfb5"}"#),
        ),
        ("a null character", document(r#"{"ts":TS,"text":"\u0000"}"#)),
        ("an escaped name", document(r#"{"t\u0073":TS,"text":""}"#)),
        ("deep, where nobody looks", with(&deep)),
        ("one key twice", with(r#""map":{"k":"","k":"w"}"#)),
    ]
}

#[expect(clippy::too_many_lines, reason = "one table of cases")]
fn bad_ones() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let deep = |open: &str, close: &str| {
        with(&format!(
            r#""more":{}1{}"#,
            open.repeat(1000),
            close.repeat(1000)
        ))
    };
    let raw = |bytes: &[u8]| [br#"{"text":""#.as_slice(), bytes, br#""}"#].concat();
    let mut bom = vec![0xef, 0xbb, 0xbf];
    bom.extend(good());
    vec![
        (
            "a number for text",
            "type_mismatch",
            document(r#"{"ts":TS,"text":1}"#),
        ),
        (
            "text for a number",
            "type_mismatch",
            with(r#""number":"1""#),
        ),
        (
            "text for a time",
            "type_mismatch",
            document(r#"{"ts":"TS","text":""}"#),
        ),
        ("text for true", "type_mismatch", with(r#""flag":"true""#)),
        (
            "a fraction for an integer",
            "type_mismatch",
            with(r#""number":1.5"#),
        ),
        (
            "an object for a list",
            "type_mismatch",
            with(r#""list":{}"#),
        ),
        ("a list for an object", "type_mismatch", with(r#""map":[]"#)),
        (
            "null where it may not be",
            "type_mismatch",
            with(r#""flag":null"#),
        ),
        (
            "null for a map's value",
            "type_mismatch",
            with(r#""map":{"k":null}"#),
        ),
        (
            "a symbol that is not there",
            "type_mismatch",
            with(r#""choice":"C""#),
        ),
        (
            "the beginning of a symbol",
            "type_mismatch",
            with(r#""choice":"""#),
        ),
        ("no object at all", "type_mismatch", b"[1]".to_vec()),
        ("a bare number", "type_mismatch", b"1".to_vec()),
        ("a bare null", "type_mismatch", b"null".to_vec()),
        (
            "a required property missing",
            "missing_field",
            document(r#"{"ts":TS}"#),
        ),
        ("no property", "missing_field", b"{}".to_vec()),
        (
            "one missing inside",
            "missing_field",
            with(r#""pairs":[{}]"#),
        ),
        (
            "one too many inside",
            "extra_field",
            with(r#""pairs":[{"key":"","other":1}]"#),
        ),
        (
            "a property twice",
            "malformed",
            document(r#"{"ts":TS,"text":"","text":""}"#),
        ),
        (
            "a comma too many",
            "malformed",
            document(r#"{"ts":TS,"text":"",}"#),
        ),
        (
            "a comma too few",
            "malformed",
            document(r#"{"ts":TS "text":""}"#),
        ),
        ("NaN", "malformed", with(r#""ratio":NaN"#)),
        ("infinity", "malformed", with(r#""ratio":-Infinity"#)),
        (
            "a number that begins with 0",
            "malformed",
            with(r#""number":01"#),
        ),
        (
            "a number that begins with +",
            "malformed",
            with(r#""number":+1"#),
        ),
        (
            "a number without digits",
            "malformed",
            with(r#""number":-"#),
        ),
        (
            "a point without digits",
            "malformed",
            with(r#""ratio":1.e5"#),
        ),
        (
            "a hexadecimal number",
            "malformed",
            with(r#""number":0x10"#),
        ),
        (
            "single quotes",
            "malformed",
            document("{'ts':TS,'text':''}"),
        ),
        (
            "a name without quotes",
            "malformed",
            document(r#"{ts:TS,"text":""}"#),
        ),
        ("a comment", "malformed", with(r#"/**/"number":1"#)),
        (
            "an escape that is none",
            "malformed",
            document(r#"{"ts":TS,"text":"\x41"}"#),
        ),
        (
            "a line break in text",
            "malformed",
            document("{\"ts\":TS,\"text\":\"\n\"}"),
        ),
        ("a byte order mark", "malformed", bom),
        ("Avro where JSON should stand", "malformed", vec![2, 4, 8]),
        (
            "a second document",
            "trailing_bytes",
            document(r#"{"ts":TS,"text":""} {}"#),
        ),
        (
            "half a character, escaped",
            "bad_utf8",
            document(r#"{"ts":TS,"text":"\ud800"}"#),
        ),
        (
            "its other half",
            "bad_utf8",
            document(r#"{"ts":TS,"text":"\udc00"}"#),
        ),
        (
            "two first halves",
            "bad_utf8",
            document(r#"{"ts":TS,"text":"\ud800\ud800"}"#),
        ),
        ("bad UTF-8", "bad_utf8", raw(&[0xff])),
        ("an overlong character", "bad_utf8", raw(&[0xc0, 0x80])),
        ("UTF-16", "bad_utf8", vec![0xff, 0xfe, b'{', 0]),
        (
            "a number of 20 digits",
            "number_out_of_range",
            with(r#""number":99999999999999999999"#),
        ),
        (
            "a number one too large",
            "number_out_of_range",
            with(r#""number":9223372036854775808"#),
        ),
        (
            "a whole number that no double tells",
            "number_out_of_range",
            with(r#""number":1e18"#),
        ),
        (
            "a number beyond all doubles",
            "number_out_of_range",
            with(r#""ratio":1e999"#),
        ),
        (
            "a time that overflows",
            "number_out_of_range",
            document(r#"{"ts":9223372036854775807,"text":""}"#),
        ),
        (
            "before all events",
            "event_time_out_of_range",
            document(r#"{"ts":5,"text":""}"#),
        ),
        (
            "an event of the year 5000",
            "event_time_out_of_range",
            document(r#"{"ts":95000000000000,"text":""}"#),
        ),
        ("a thousand lists", "too_deep", deep("[", "]")),
        ("a thousand objects", "too_deep", deep(r#"{"x":"#, "}")),
        (
            "a thousand brackets never closed",
            "too_deep",
            deep("[", ""),
        ),
    ]
}

/// Cases of megabytes: `bytes` each.
pub fn large(ids: Ids, is_framed: bool, bytes: usize) -> Vec<Case> {
    let value = |payload: Vec<u8>| {
        if is_framed {
            framed(ids.own, &payload)
        } else {
            payload
        }
    };
    let open = [good()[..good().len() - 1].to_vec(), vec![b' '; bytes]].concat();
    vec![
        Case::good(
            "much text",
            value(with(&format!(r#""more":"{}""#, "x".repeat(bytes)))),
        ),
        Case::good(
            "much white space",
            value([vec![b' '; bytes], good()].concat()),
        ),
        Case::bad("much white space, cut short", "truncated", value(open)),
        Case::bad(
            "one very long number",
            "number_out_of_range",
            value(with(&format!(r#""number":1{}"#, "0".repeat(bytes)))),
        ),
        Case::bad("brackets alone", "type_mismatch", value(vec![b'['; bytes])),
        Case::good("a million numbers", value(ones(1_000_000))),
    ]
}

/// More numbers than a record may hold.
pub fn too_many(ids: Ids) -> Case {
    Case::bad(
        "too many numbers",
        "too_large",
        framed(ids.own, &ones(9_000_000)),
    )
}

/// A record with a list of so many numbers.
fn ones(count: usize) -> Vec<u8> {
    with(&format!(r#""list":[{}1]"#, "1,".repeat(count - 1)))
}
