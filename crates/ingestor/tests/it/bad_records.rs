//! Every way in which a record can be bad, among good ones.

use goldrecord_ingestor::TopicSettings;
use goldrecord_registry::SchemaType;
use goldrecord_service::config::Format;

use crate::world::{JUNE, SMALL, World, framed, hex, small, without_failpoints};

/// Sends each value between two good ones and returns the codes in their order.
fn codes(
    world: &World,
    own: TopicSettings,
    good: &[u8],
    values: &[Option<Vec<u8>>],
) -> Vec<String> {
    for value in values {
        world.produce("t", 0, Some(good));
        world.produce("t", 0, value.as_deref());
    }
    world.produce("t", 0, Some(good));
    world.catch_up(world.settings(&[("t", own)])).expect("runs");
    assert_eq!(
        world.audit("t"),
        values.len() + 1,
        "the good ones are all there"
    );
    let bad = world.rows_of("t", "bad");
    assert_eq!(bad.len(), values.len());
    for (row, value) in bad.iter().zip(values) {
        let bytes = value.as_deref().map(hex);
        assert_eq!(
            row.get("_raw_value"),
            bytes.as_ref(),
            "a bad record keeps its bytes"
        );
        assert_eq!(row["_raw_key"], "6b6579");
        assert!(!row["_error_text"].is_empty());
        assert!(!row.contains_key("ts"), "a bad record has no field");
    }
    bad.into_iter().map(|row| row["_error"].clone()).collect()
}

#[test]
fn avro_records_are_bad_for_their_own_reasons_and_alone() {
    let _guard = without_failpoints();
    let world = World::new(&[("t", 1)]);
    let id = world.register("t", SchemaType::Avro, SMALL);
    let json = world.register(
        "other",
        SchemaType::Json,
        r#"{"type":"object","properties":{"ts":{"type":"integer"}}}"#,
    );
    let good = framed(id, &small(JUNE, Some(1), "x"));
    let cut = |bytes: usize| good[..good.len() - bytes].to_vec();
    let mut magic = good.clone();
    magic[0] = 1;
    let mut utf8 = good.clone();
    *utf8.last_mut().expect("not empty") = 0xff;
    let mut branch = framed(id, &small(JUNE, None, ""));
    let last = branch.len() - 2;
    branch[last] = 8;
    let mut trailing = good.clone();
    trailing.push(0);
    let mut endless = framed(id, &[0xff; 40]);
    endless.extend([0xff; 40]);
    let negative = {
        let mut value = framed(id, &small(JUNE, None, ""));
        *value.last_mut().expect("not empty") = 1;
        value
    };
    let huge = {
        let mut value = framed(id, &small(JUNE, None, ""));
        value.pop();
        crate::world::long(i64::MAX, &mut value);
        value
    };
    let values = [
        (None, "null_value"),
        (Some(Vec::new()), "empty_value"),
        (Some(vec![0, 0]), "not_framed"),
        (Some(magic), "not_framed"),
        (
            Some(framed(4_000_000, &small(JUNE, None, ""))),
            "unknown_schema",
        ),
        (
            Some(framed(json, &small(JUNE, None, ""))),
            "wrong_schema_type",
        ),
        (Some(cut(1)), "truncated"),
        (Some(framed(id, &[])), "truncated"),
        (Some(huge), "truncated"),
        (Some(trailing), "trailing_bytes"),
        (Some(branch), "malformed"),
        (Some(endless), "malformed"),
        (Some(negative), "malformed"),
        (Some(utf8), "bad_utf8"),
        (
            Some(framed(id, &small(i64::MAX, None, ""))),
            "number_out_of_range",
        ),
        (
            Some(framed(id, &small(1, None, ""))),
            "event_time_out_of_range",
        ),
        (
            Some(framed(id, &small(JUNE * 3, None, ""))),
            "event_time_out_of_range",
        ),
    ];
    let (sent, wanted): (Vec<_>, Vec<_>) = values.into_iter().unzip();
    assert_eq!(
        codes(&world, TopicSettings::default(), &good, &sent),
        wanted
    );
}

const JSON: &str = r#"{"type":"object","required":["ts","text"],"properties":{
    "ts":{"type":"integer","format":"timestamp-millis"},
    "text":{"type":"string"},
    "number":{"type":["integer","null"]},
    "ratio":{"anyOf":[{"type":"number"},{"type":"null"}]},
    "flag":{"type":"boolean"},
    "inner":{"type":"object","additionalProperties":false,"properties":{"list":{"type":"array","items":{"type":"integer"}}}}}}"#;

#[test]
fn json_records_that_contradict_their_schema_are_bad() {
    let _guard = without_failpoints();
    let world = World::new(&[("t", 1)]);
    let id = world.register("t", SchemaType::Json, JSON);
    let json = |text: &str| Some(framed(id, text.replace("TS", &JUNE.to_string()).as_bytes()));
    let good = json(
        r#" {"text":"a\u00e9\n", "ts":TS, "extra":[1,{"x":null}], "inner":{"list":[1,2]}, "ratio":1e3, "number":2.0} "#,
    );
    let deep = format!(
        r#"{{"ts":TS,"text":"","x":{}{}}}"#,
        "[".repeat(100),
        "]".repeat(100)
    );
    let values = [
        (json(r#"{"ts":TS,"text":1}"#), "type_mismatch"),
        (json(r#"{"ts":"TS","text":""}"#), "type_mismatch"),
        (json(r#"{"ts":TS,"text":"","number":"1"}"#), "type_mismatch"),
        (json(r#"{"ts":TS,"text":"","number":1.5}"#), "type_mismatch"),
        (json(r#"{"ts":TS,"text":null}"#), "type_mismatch"),
        (
            json(r#"{"ts":TS,"text":"","flag":"true"}"#),
            "type_mismatch",
        ),
        (json(r"[1]"), "type_mismatch"),
        (json(r#"{"ts":TS}"#), "missing_field"),
        (
            json(r#"{"ts":TS,"text":"","inner":{"more":1}}"#),
            "extra_field",
        ),
        (json(r#"{"ts":TS,"text":"","text":""}"#), "malformed"),
        (json(r#"{"ts":TS,"text":"",}"#), "malformed"),
        (json(r#"{"ts":NaN,"text":""}"#), "malformed"),
        (json(r#"{"ts":01,"text":""}"#), "malformed"),
        (json(r#"{"ts":TS,"text":"#), "truncated"),
        (json(r#"{"ts":TS,"text":"x"#), "truncated"),
        (json(r#"{"ts":TS,"text":""} {}"#), "trailing_bytes"),
        (json(r#"{"ts":TS,"text":"\ud800"}"#), "bad_utf8"),
        (
            Some([framed(id, b"{\"text\":\"").as_slice(), &[0xff], b"\"}"].concat()),
            "bad_utf8",
        ),
        (
            json(r#"{"ts":TS,"text":"","number":99999999999999999999}"#),
            "number_out_of_range",
        ),
        (
            json(r#"{"ts":TS,"text":"","ratio":1e999}"#),
            "number_out_of_range",
        ),
        (json(r#"{"ts":5,"text":""}"#), "event_time_out_of_range"),
        (json(&deep), "too_deep"),
    ];
    let (sent, wanted): (Vec<_>, Vec<_>) = values.into_iter().unzip();
    let own = TopicSettings {
        format: Format::Json,
        ..TopicSettings::default()
    };
    assert_eq!(codes(&world, own, &good.expect("given"), &sent), wanted);
    let row = &world.rows_of("t", "good")[0];
    assert_eq!(row["text"], "aé\n");
    assert_eq!(row["number"], "2");
    assert_eq!(row["ratio"], "1000");
    assert_eq!(row["inner"], "{list: [1, 2]}");
}
