//! Every type of Avro and of JSON Schema, through the real servers into a table that others read.

use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use goldrecord_ingestor::{EventTime, TopicSettings};
use goldrecord_registry::SchemaType;
use goldrecord_service::config::Format;
use serde_json::{Value, json};

use crate::corpus::framed;
use crate::outside::Outside;
use crate::world::{JUNE, JUNE_DAY, without_failpoints};

const AVRO: &str = r#"{"type":"record","name":"Everything","namespace":"test","fields":[
    {"name":"when","type":{"type":"long","logicalType":"timestamp-micros"}},
    {"name":"nothing","type":"null"},
    {"name":"boolean","type":"boolean"},
    {"name":"int","type":"int"},
    {"name":"long","type":"long"},
    {"name":"float","type":"float"},
    {"name":"double","type":"double"},
    {"name":"bytes","type":"bytes"},
    {"name":"string","type":"string"},
    {"name":"enum","type":{"type":"enum","name":"Suit","symbols":["SPADES","HEARTS"]}},
    {"name":"fixed","type":{"type":"fixed","name":"Three","size":3}},
    {"name":"decimal","type":{"type":"bytes","logicalType":"decimal","precision":38,"scale":10}},
    {"name":"decimal_fixed","type":{"type":"fixed","name":"Money","size":8,"logicalType":"decimal","precision":18,"scale":2}},
    {"name":"date","type":{"type":"int","logicalType":"date"}},
    {"name":"time_millis","type":{"type":"int","logicalType":"time-millis"}},
    {"name":"time_micros","type":{"type":"long","logicalType":"time-micros"}},
    {"name":"timestamp_millis","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"timestamp_micros","type":{"type":"long","logicalType":"timestamp-micros"}},
    {"name":"timestamp_nanos","type":{"type":"long","logicalType":"timestamp-nanos"}},
    {"name":"local_millis","type":{"type":"long","logicalType":"local-timestamp-millis"}},
    {"name":"local_micros","type":{"type":"long","logicalType":"local-timestamp-micros"}},
    {"name":"local_nanos","type":{"type":"long","logicalType":"local-timestamp-nanos"}},
    {"name":"uuid","type":{"type":"string","logicalType":"uuid"}},
    {"name":"uuid_fixed","type":{"type":"fixed","name":"Sixteen","size":16,"logicalType":"uuid"}},
    {"name":"duration","type":{"type":"fixed","name":"Twelve","size":12,"logicalType":"duration"}},
    {"name":"nullable","type":["null","string"]},
    {"name":"nullable_last","type":["Suit","null"]},
    {"name":"alone","type":["long"]},
    {"name":"array","type":{"type":"array","items":["null","Money"]}},
    {"name":"map","type":{"type":"map","values":{"type":"array","items":"int"}}},
    {"name":"record","type":{"type":"record","name":"Inner","fields":[
        {"name":"list","type":{"type":"array","items":{"type":"record","name":"Item","fields":[{"name":"day","type":["null",{"type":"int","logicalType":"date"}]},{"name":"inner","type":["null",{"type":"map","values":"Suit"}]}]}}},
        {"name":"name","type":"string"}]}},
    {"name":"odd","type":{"type":"string","logicalType":"nobody-knows-this"}}]}"#;

/// A record of it, by an encoder that is not ours.
fn avro() -> Vec<u8> {
    let schema = apache_avro::Schema::parse_str(AVRO).expect("a schema");
    let text = |text: &str| Avro::String(text.to_owned());
    let some = |branch: u32, value: Avro| Avro::Union(branch, Box::new(value));
    let record = |fields: Vec<(&str, Avro)>| {
        let fields = fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        Avro::Record(fields.collect())
    };
    let map = |key: &str, value: Avro| Avro::Map([(key.to_owned(), value)].into());
    let id = apache_avro::Uuid::from_bytes([0xab; 16]);
    let hearts = || Avro::Enum(1, "HEARTS".to_owned());
    let wait = apache_avro::Duration::new(
        apache_avro::Months::new(14),
        apache_avro::Days::new(3),
        apache_avro::Millis::new(5_250),
    );
    let money = |units: i64| Avro::Decimal(units.to_be_bytes().to_vec().into());
    let item = record(vec![
        ("day", some(1, Avro::Date(-1))),
        ("inner", some(1, map("k", hearts()))),
    ]);
    let empty = record(vec![
        ("day", some(0, Avro::Null)),
        ("inner", some(0, Avro::Null)),
    ]);
    let values = record(vec![
        ("when", Avro::TimestampMicros(JUNE * 1000 + 1)),
        ("nothing", Avro::Null),
        ("boolean", Avro::Boolean(true)),
        ("int", Avro::Int(i32::MIN)),
        ("long", Avro::Long(i64::MAX)),
        ("float", Avro::Float(0.5)),
        ("double", Avro::Double(-1e300)),
        ("bytes", Avro::Bytes(vec![0, 0xff])),
        ("string", text("Zürich 🎵")),
        ("enum", hearts()),
        ("fixed", Avro::Fixed(3, vec![1, 2, 3])),
        (
            "decimal",
            Avro::Decimal(
                (-12_345_678_901_234_567_890_i128)
                    .to_be_bytes()
                    .to_vec()
                    .into(),
            ),
        ),
        ("decimal_fixed", money(1999)),
        ("date", Avro::Date(19_000)),
        ("time_millis", Avro::TimeMillis(1_234)),
        ("time_micros", Avro::TimeMicros(5_678)),
        ("timestamp_millis", Avro::TimestampMillis(JUNE + 1)),
        ("timestamp_micros", Avro::TimestampMicros(-1)),
        (
            "timestamp_nanos",
            Avro::TimestampNanos(JUNE * 1_000_000 + 1_999),
        ),
        ("local_millis", Avro::LocalTimestampMillis(JUNE)),
        ("local_micros", Avro::LocalTimestampMicros(JUNE * 1000 + 7)),
        (
            "local_nanos",
            Avro::LocalTimestampNanos(JUNE * 1_000_000 + 7),
        ),
        ("uuid", Avro::Uuid(id)),
        ("uuid_fixed", Avro::Uuid(id)),
        ("duration", Avro::Duration(wait)),
        ("nullable", some(0, Avro::Null)),
        ("nullable_last", some(0, hearts())),
        ("alone", some(0, Avro::Long(7))),
        (
            "array",
            Avro::Array(vec![some(1, money(-1)), some(0, Avro::Null)]),
        ),
        (
            "map",
            map("k", Avro::Array(vec![Avro::Int(1), Avro::Int(2)])),
        ),
        (
            "record",
            record(vec![
                ("list", Avro::Array(vec![item, empty])),
                ("name", text("n")),
            ]),
        ),
        ("odd", text("o")),
    ]);
    let writer = GenericDatumWriter::builder(&schema)
        .build()
        .expect("a writer");
    writer.write_value_to_vec(values).expect("written")
}

fn avro_as_read() -> Value {
    let id = "abababab-abab-abab-abab-abababababab";
    json!({
        "when": JUNE * 1000 + 1, "boolean": true, "int": i32::MIN, "long": i64::MAX, "float": 0.5, "double": -1e300,
        "bytes": "00ff", "string": "Zürich 🎵", "enum": "HEARTS", "fixed": "010203",
        "decimal": "-1234567890.1234567890", "decimal_fixed": "19.99", "date": 19_000,
        "time_millis": 1_234, "time_micros": 5_678,
        "timestamp_millis": (JUNE + 1) * 1000, "timestamp_micros": -1, "timestamp_nanos": JUNE * 1000 + 1,
        "local_millis": "2024-06-01T00:00:00.000000", "local_micros": "2024-06-01T00:00:00.000007",
        "local_nanos": "2024-06-01T00:00:00.000000007",
        "uuid": id, "uuid_fixed": id, "duration": "P14M3DT5.250S",
        "nullable_last": "HEARTS", "alone": 7, "array": ["-0.01", null], "map": [["k", [1, 2]]],
        "record": {"list": [{"day": -1, "inner": [["k", "HEARTS"]]}, {"day": null, "inner": null}], "name": "n"},
        "odd": "o",
    })
}

const JSON: &str = r##"{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","required":["when"],
    "definitions":{"item":{"type":"object","properties":{"day":{"type":["string","null"],"format":"date"},"price":{"type":"number"}}}},
    "properties":{
    "when":{"type":"integer","format":"timestamp-micros"},
    "boolean":{"type":"boolean"},
    "integer":{"type":"integer"},
    "number":{"type":"number"},
    "string":{"type":"string"},
    "enum":{"type":"string","enum":["SPADES","HEARTS"]},
    "date":{"type":"string","format":"date"},
    "time":{"type":"string","format":"time"},
    "date_time":{"type":"string","format":"date-time"},
    "uuid":{"type":"string","format":"uuid"},
    "duration":{"type":"string","format":"duration"},
    "millis":{"type":"integer","format":"timestamp-millis"},
    "nullable":{"type":["null","string"]},
    "any_of":{"anyOf":[{"type":"null"},{"type":"integer"}]},
    "array":{"type":"array","items":{"type":["integer","null"]}},
    "map":{"type":"object","additionalProperties":{"type":"array","items":{"type":"number"}}},
    "record":{"type":"object","properties":{"items":{"type":"array","items":{"$ref":"#/definitions/item"}}}}}}"##;

fn json_sent() -> Value {
    json!({
        "when": JUNE * 1000 + 1, "boolean": false, "integer": i64::MIN, "number": 0.1, "string": "Zürich 🎵",
        "enum": "SPADES", "date": "2024-06-01", "time": "00:00:00Z", "date_time": "2024-06-01T00:00:00+02:00",
        "uuid": "abababab-abab-abab-abab-abababababab", "duration": "P3D", "millis": JUNE,
        "nullable": null, "any_of": 5, "array": [1, null], "map": {"k": [1.5]},
        "record": {"items": [{"day": "2024-06-01", "price": 1}, {}]}, "unknown": {"more": [1]},
    })
}

fn json_as_read() -> Value {
    let mut read = json_sent();
    let fields = read.as_object_mut().expect("an object");
    for name in ["nullable", "unknown"] {
        fields.remove(name);
    }
    fields["millis"] = (JUNE * 1000).into();
    fields["map"] = json!([["k", [1.5]]]);
    fields["record"] =
        json!({"items": [{"day": "2024-06-01", "price": 1.0}, {"day": null, "price": null}]});
    read
}

#[test]
fn every_type_is_in_the_table_as_other_readers_see_it() {
    let Some(outside) = Outside::new() else {
        return;
    };
    let _guard = without_failpoints();
    let process = std::process::id();
    let (avro_topic, json_topic) = (
        format!("types_avro_{process}"),
        format!("types_json_{process}"),
    );
    let of = |format| TopicSettings {
        format,
        event_time: EventTime::Field("when".into()),
        ..TopicSettings::default()
    };
    for topic in [&avro_topic, &json_topic] {
        outside.topic(topic);
    }
    let id = outside.register(&format!("{avro_topic}-value"), SchemaType::Avro, AVRO);
    outside.produce(&avro_topic, [Some(framed(id, &avro()).as_slice())]);
    let id = outside.register(&format!("{json_topic}-value"), SchemaType::Json, JSON);
    let sent = json_sent().to_string();
    outside.produce(&json_topic, [Some(framed(id, sent.as_bytes()).as_slice())]);
    outside.catch_up(&[
        (&avro_topic, of(Format::Avro)),
        (&json_topic, of(Format::Json)),
    ]);
    for (topic, wanted) in [(&avro_topic, avro_as_read()), (&json_topic, json_as_read())] {
        let rows = outside.rows(topic);
        let [good, start] = rows.as_slice() else {
            panic!("one event, and where the partition begins: {rows:#?}")
        };
        assert_eq!(
            (&good["_kind"], &start["_kind"]),
            (&json!("good"), &json!("start")),
            "{good:#}"
        );
        assert_eq!(good["event_date"], JUNE_DAY);
        let fields = good.as_object().expect("a row").iter();
        let fields: serde_json::Map<String, Value> = fields
            .filter(|(name, _)| !name.starts_with('_') && *name != "event_date")
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        for (name, value) in wanted.as_object().expect("fields") {
            assert_eq!(fields.get(name), Some(value), "{name}");
        }
        assert_eq!(
            fields.len(),
            wanted.as_object().expect("fields").len(),
            "{fields:?}"
        );
    }
}

const FIRST: &str = r#"{"type":"record","name":"Small","fields":[
    {"name":"ts","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"number","type":"int"},
    {"name":"gone","type":"string","default":""},
    {"name":"inner","type":{"type":"record","name":"Inner","fields":[{"name":"a","type":"float"},{"name":"old","type":"string","default":""}]}}]}"#;

/// Added, removed, widened, renamed and reordered, the last three inside too; the registry finds it compatible.
const SECOND: &str = r#"{"type":"record","name":"Small","fields":[
    {"name":"inner","type":{"type":"record","name":"Inner","fields":[{"name":"new","aliases":["old"],"type":"string","default":""},{"name":"a","type":"double"}]}},
    {"name":"amount","aliases":["number"],"type":"long","default":0},
    {"name":"ts","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"added","type":"boolean","default":false}]}"#;

/// A value without a schema yet.
fn plain(value: Value) -> Avro {
    match value {
        Value::Null => Avro::Null,
        Value::Bool(value) => Avro::Boolean(value),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Avro::Long(number),
            None => Avro::Double(number.as_f64().expect("a number")),
        },
        Value::String(text) => Avro::String(text),
        Value::Array(items) => Avro::Array(items.into_iter().map(plain).collect()),
        Value::Object(fields) => Avro::Map(
            fields
                .into_iter()
                .map(|(name, value)| (name, plain(value)))
                .collect(),
        ),
    }
}

/// A record as an encoder writes it that is not ours.
pub(crate) fn encoded(schema: &str, value: Value) -> Vec<u8> {
    let schema = apache_avro::Schema::parse_str(schema).expect("a schema");
    let value = plain(value).resolve(&schema).expect("a record");
    let writer = GenericDatumWriter::builder(&schema)
        .build()
        .expect("a writer");
    writer.write_value_to_vec(value).expect("written")
}

#[test]
fn schemas_evolve_in_flight_and_what_does_not_fit_is_bad_with_its_schema() {
    let Some(outside) = Outside::new() else {
        return;
    };
    let _guard = without_failpoints();
    let topic = format!("evolution_{}", std::process::id());
    outside.topic(&topic);
    let subject = format!("{topic}-value");
    let first = outside.register(&subject, SchemaType::Avro, FIRST);
    let old = |number: i32| {
        let value =
            json!({"ts": JUNE, "number": number, "gone": "g", "inner": {"a": 0.5, "old": "o"}});
        framed(first, &encoded(FIRST, value))
    };
    let own = TopicSettings::default();
    outside.produce(&topic, [Some(old(0).as_slice())]);
    outside.catch_up(&[(&topic, own.clone())]);
    let second = outside.register(&subject, SchemaType::Avro, SECOND);
    let value =
        json!({"ts": JUNE, "amount": 1_i64 << 40, "added": true, "inner": {"new": "n", "a": 0.25}});
    let new = framed(second, &encoded(SECOND, value));
    // Of another subject, as a producer may register it that asks nobody.
    let wrong = FIRST.replace(
        r#""name":"a","type":"float""#,
        r#""name":"a","type":"string""#,
    );
    let wrong_id = outside.register(&format!("{topic}-wrong"), SchemaType::Avro, &wrong);
    let value = json!({"ts": JUNE, "number": 9, "gone": "", "inner": {"a": "text", "old": ""}});
    let misfit = framed(wrong_id, &encoded(&wrong, value));
    let values = [
        old(1),
        new.clone(),
        misfit.clone(),
        new,
        old(4),
        misfit,
        old(6),
    ];
    outside.produce(&topic, values.iter().map(|value| Some(value.as_slice())));
    outside.catch_up(&[(&topic, own)]);

    let rows = outside.rows(&topic);
    let kinds: Vec<&str> = rows
        .iter()
        .filter_map(|row| row["_kind"].as_str())
        .collect();
    assert_eq!(
        kinds,
        [
            "good", "start", "good", "good", "bad", "good", "good", "bad", "good"
        ]
    );
    for (offset, row) in (0..).zip(rows.iter().filter(|row| row["_kind"] != "start")) {
        assert_eq!(row["_offset"], offset);
        match row["_schema_id"].as_u64().map(|id| id as u32) {
            Some(id) if id == first => {
                assert_eq!(row["gone"], "g");
                assert_eq!(row["inner"], json!({"a": 0.5, "old": "o"}));
                assert!(row["number"].as_i64().is_some_and(|number| number < 9));
            }
            Some(id) if id == second => {
                assert_eq!(
                    row["number"],
                    1_i64 << 40,
                    "a renamed field keeps its column"
                );
                assert_eq!(row["inner"], json!({"a": 0.25, "old": "n"}));
                assert_eq!((row.get("gone"), &row["added"]), (None, &json!(true)));
                assert_eq!(row.get("amount"), None);
            }
            id => {
                assert_eq!(id, Some(wrong_id));
                assert_eq!(row["_error"], "unsupported_schema");
                let text = row["_error_text"].as_str().expect("text");
                assert!(text.contains("field `inner.a`"), "{text}");
            }
        }
    }
}
