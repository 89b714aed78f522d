//! Schemas that change inside their records: in one of a field, in those of a list, and in those of a map's lists.

use goldrecord_ingestor::TopicSettings;
use goldrecord_registry::SchemaType;
use goldrecord_service::config::Format;
use serde_json::{Value, json};

use crate::corpus::framed;
use crate::outside::Outside;
use crate::types::encoded;
use crate::world::{JUNE, without_failpoints};

/// An event whose records have these fields.
fn avro(fields: &str) -> String {
    // A name is given once.
    let record = |name: &str| {
        let fields = fields.replace("NAME", name);
        format!(r#"{{"type":"record","name":"{name}","fields":[{fields}]}}"#)
    };
    format!(
        r#"{{"type":"record","name":"Outer","fields":[
            {{"name":"ts","type":{{"type":"long","logicalType":"timestamp-millis"}}}},
            {{"name":"one","type":{}}},
            {{"name":"many","type":{{"type":"array","items":{}}}}},
            {{"name":"named","type":{{"type":"map","values":{{"type":"array","items":["null",{}]}}}}}}]}}"#,
        record("One"),
        record("Item"),
        record("Value")
    )
}

const FIRST: &str = r#"{"name":"number","type":"int"},{"name":"old","type":"string","default":""},
    {"name":"gone","type":"string","default":""}"#;
/// Added, removed, widened, renamed and reordered.
const SECOND: &str = r#"{"name":"added","type":"boolean","default":false},
    {"name":"new","aliases":["old"],"type":"string","default":""},{"name":"number","type":"long"}"#;
/// The alias is no longer told, and a record comes into the record.
const THIRD: &str = r#"{"name":"number","type":"long"},{"name":"new","type":"string","default":""},
    {"name":"deep","type":{"type":"record","name":"DeepNAME","fields":[{"name":"x","type":["null","int"],"default":null}]},"default":{}}"#;
/// Nothing can be both text and a number; its other field is not to be added.
const WRONG: &str =
    r#"{"name":"never","type":"long","default":0},{"name":"number","type":"string"}"#;

/// The same in JSON, which knows no aliases.
fn json_schema(properties: &str) -> String {
    let object = format!(r#"{{"type":"object","properties":{{{properties}}}}}"#);
    format!(
        r#"{{"type":"object","properties":{{"ts":{{"type":"integer","format":"timestamp-millis"}},"one":{object},
            "many":{{"type":"array","items":{object}}},
            "named":{{"type":"object","additionalProperties":{{"type":"array","items":{{"oneOf":[{{"type":"null"}},{object}]}}}}}}}}}}"#
    )
}

const JSON_FIRST: &str = r#""number":{"type":"integer"},"old":{"type":"string"}"#;
const JSON_SECOND: &str = r#""added":{"type":"boolean"},"deep":{"type":"object","properties":{"x":{"type":"integer"}}},
    "number":{"type":"integer"}"#;
const JSON_WRONG: &str = r#""number":{"type":"string"},"never":{"type":"string"}"#;

/// An event of such a record everywhere.
fn event(inner: &Value) -> Value {
    json!({"ts": JUNE, "one": inner, "many": [inner, inner], "named": {"k": [null, inner]}})
}

/// The ids of a topic's schemas: both, and the one that does not fit. The others are of other subjects, as a
/// producer may register them that asks nobody.
fn registered(outside: &Outside, topic: &str, language: SchemaType, texts: &[String]) -> Vec<u32> {
    let texts = texts.iter().enumerate();
    let ids = texts.map(|(index, text)| {
        let subject = match index {
            0 => format!("{topic}-value"),
            _ => format!("{topic}-other-{index}"),
        };
        outside.register(&subject, language, text)
    });
    ids.collect()
}

/// What each record came to: the fields of its records, or why it is bad.
fn outcomes(outside: &Outside, topic: &str) -> Vec<Value> {
    let rows = outside.rows(topic);
    let records = rows.iter().filter(|row| row["_kind"] != "start");
    let outcome = |(offset, row): (usize, &Value)| {
        assert_eq!(row["_offset"], offset, "each once");
        if row["_kind"] == "bad" {
            return json!({"bad": row["_schema_id"], "error": row["_error"], "text": row["_error_text"]});
        }
        let inner = row["one"].clone();
        assert_eq!(row["many"], json!([inner, inner]));
        assert_eq!(row["named"], json!([["k", [null, inner]]]));
        inner
    };
    records.enumerate().map(outcome).collect()
}

#[test]
fn fields_inside_records_evolve_in_flight_and_what_does_not_fit_is_bad_with_its_schema() {
    let Some(outside) = Outside::new() else {
        return;
    };
    let _guard = without_failpoints();
    let process = std::process::id();
    let (topic, json_topic) = (
        format!("nested_avro_{process}"),
        format!("nested_json_{process}"),
    );
    let of = |format| TopicSettings {
        format,
        ..TopicSettings::default()
    };
    let topics = [
        (topic.as_str(), of(Format::Avro)),
        (json_topic.as_str(), of(Format::Json)),
    ];
    for (topic, _) in &topics {
        outside.topic(topic);
    }
    let schemas = [FIRST, SECOND, THIRD, WRONG].map(avro);
    let ids = registered(&outside, &topic, SchemaType::Avro, &schemas);
    let record =
        |index: usize, inner: Value| framed(ids[index], &encoded(&schemas[index], event(&inner)));
    let json_schemas = [JSON_FIRST, JSON_SECOND, JSON_WRONG].map(json_schema);
    let json_ids = registered(&outside, &json_topic, SchemaType::Json, &json_schemas);
    let document =
        |index: usize, inner: Value| framed(json_ids[index], event(&inner).to_string().as_bytes());
    let send = |topic: &str, values: &[Vec<u8>]| {
        outside.produce(topic, values.iter().map(|value| Some(value.as_slice())));
    };

    let first = || record(0, json!({"number": 1, "old": "o", "gone": "g"}));
    let json_first = || document(0, json!({"number": 1, "old": "o"}));
    // Files of the table's first columns.
    send(&topic, &[first()]);
    send(&json_topic, &[json_first()]);
    outside.catch_up(&topics);
    let second = || record(1, json!({"added": true, "new": "n", "number": 1_i64 << 40}));
    let third = record(2, json!({"number": 3, "new": "t", "deep": {"x": 7}}));
    let wrong = record(3, json!({"never": 1, "number": "no number"}));
    send(
        &topic,
        &[first(), second(), wrong, first(), third, second(), first()],
    );
    let json_second = document(1, json!({"number": 2, "added": true, "deep": {"x": 7}}));
    let json_wrong = document(2, json!({"number": "no number"}));
    send(
        &json_topic,
        &[json_first(), json_second, json_wrong, json_first()],
    );
    outside.catch_up(&topics);

    let bad = |id: u32| {
        json!({"bad": id, "error": "unsupported_schema",
            "text": "field `one.number`: the table's column is Int64 and cannot hold Utf8; give the field another name"})
    };
    let before = json!({"number": 1, "old": "o", "gone": "g", "added": null, "deep": null});
    let after =
        json!({"number": 1_i64 << 40, "old": "n", "gone": null, "added": true, "deep": null});
    let last = json!({"number": 3, "old": "t", "gone": null, "added": null, "deep": {"x": 7}});
    assert_eq!(
        outcomes(&outside, &topic),
        [
            before.clone(),
            before.clone(),
            after.clone(),
            bad(ids[3]),
            before.clone(),
            last,
            after,
            before
        ]
    );
    let before = json!({"number": 1, "old": "o", "added": null, "deep": null});
    let after = json!({"number": 2, "old": null, "added": true, "deep": {"x": 7}});
    assert_eq!(
        outcomes(&outside, &json_topic),
        [
            before.clone(),
            before.clone(),
            after,
            bad(json_ids[2]),
            before
        ]
    );
}
