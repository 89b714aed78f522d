//! What comes in as Avro or JSON is in the table as it came.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use goldrecord_contract::{Event, Topic, avro_schema, json_schema};
use goldrecord_ingestor::{EventTime, Ingestor, Progress, TopicSettings, Until};
use goldrecord_registry::SchemaType;
use goldrecord_service::Shutdown;
use goldrecord_service::config::Format;

use crate::world::{JUNE, JUNE_DAY, SMALL, World, framed, long, small, without_failpoints};

fn event(number: i64) -> Event<'static> {
    Event {
        event_id: "e",
        ts: JUNE + number,
        user_id: (number % 3 != 0).then_some(number),
        session_id: number,
        page: "NextSong",
        auth: "Logged In",
        method: "PUT",
        status: 200,
        level: "paid",
        item_in_session: number,
        city: Some("Zürich \"West\""),
        lat: Some(47.375),
        registration: Some(JUNE - 5),
        song: Some("Song"),
        duration: Some(1.5),
        ..Event::default()
    }
}

#[test]
fn events_of_the_contract_are_the_same_from_avro_and_json() {
    let _guard = without_failpoints();
    let world = World::new(&[("avro", 2), ("json", 2), ("plain", 1)]);
    let avro = world.register("avro", SchemaType::Avro, &avro_schema(Topic::Listen));
    let json = world.register("json", SchemaType::Json, &json_schema(Topic::Listen));
    world.register("plain", SchemaType::Json, &json_schema(Topic::Listen));
    for number in 0..500 {
        let mut value = Vec::new();
        event(number).encode_avro(&mut value);
        world.produce("avro", (number % 2) as i32, Some(&framed(avro, &value)));
        value.clear();
        event(number).encode_json(&mut value);
        world.produce("json", (number % 2) as i32, Some(&framed(json, &value)));
        world.produce("plain", 0, Some(&value));
    }
    let of = |format| TopicSettings {
        format,
        ..TopicSettings::default()
    };
    let topics = [
        ("avro", of(Format::Avro)),
        ("json", of(Format::Json)),
        ("plain", of(Format::JsonUnframed)),
    ];
    let summary = world.catch_up(world.settings(&topics)).expect("runs");
    let by_session = |topic: &str| {
        assert_eq!(world.audit(topic), 500);
        assert_eq!(summary.topics[topic].good, 500);
        let mut rows = world.rows_of(topic, "good");
        rows.sort_by_key(|row| row["sessionId"].parse::<i64>().expect("a number"));
        for row in &mut rows {
            for own in [
                "_offset",
                "_partition",
                "_timestamp",
                "_schema_id",
                "_ingested_at",
            ] {
                assert!(row.remove(own).is_some(), "{own} is set");
            }
        }
        rows
    };
    let rows = by_session("avro");
    assert_eq!(rows[7]["ts"], ((JUNE + 7) * 1000).to_string());
    assert_eq!(rows[7]["event_date"], JUNE_DAY.to_string());
    assert_eq!(rows[7]["city"], "Zürich \"West\"");
    assert_eq!(rows[7]["lat"], "47.375");
    assert_eq!(rows[7]["userId"], "7");
    assert!(!rows[6].contains_key("userId"), "null stays null");
    assert_eq!(rows, by_session("json"));
    assert_eq!(rows, by_session("plain"));
}

const EVERYTHING: &str = r#"{"type":"record","name":"Everything","fields":[
    {"name":"when","type":"long"},
    {"name":"int","type":"int"},
    {"name":"float","type":"float"},
    {"name":"enumeration","type":{"type":"enum","name":"E","symbols":["A","B"]}},
    {"name":"again","type":["null","E"]},
    {"name":"fixed","type":{"type":"fixed","name":"F","size":2}},
    {"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}},
    {"name":"day","type":{"type":"int","logicalType":"date"}},
    {"name":"clock","type":{"type":"int","logicalType":"time-millis"}},
    {"name":"micros","type":{"type":"long","logicalType":"timestamp-micros"}},
    {"name":"local","type":{"type":"long","logicalType":"local-timestamp-millis"}},
    {"name":"list","type":{"type":"array","items":"long"}},
    {"name":"map","type":{"type":"map","values":["null","double"]}},
    {"name":"inner","type":{"type":"record","name":"I","fields":[{"name":"flag","type":["boolean","null"]},{"name":"nothing","type":"null"}]}}]}"#;

#[test]
fn every_type_of_avro_has_its_column() {
    let _guard = without_failpoints();
    let world = World::new(&[("t", 1)]);
    let id = world.register("t", SchemaType::Avro, EVERYTHING);
    let mut value = Vec::new();
    long(JUNE, &mut value);
    long(-7, &mut value);
    value.extend(1.5_f32.to_le_bytes());
    long(1, &mut value);
    long(1, &mut value);
    long(0, &mut value);
    value.extend([0xca, 0xfe]);
    long(2, &mut value);
    value.extend((-12345_i16).to_be_bytes());
    long(19_000, &mut value);
    long(1234, &mut value);
    long(JUNE * 1000, &mut value);
    long(JUNE, &mut value);
    // A block of two with its size, then one of one.
    long(-2, &mut value);
    long(2, &mut value);
    long(1, &mut value);
    long(2, &mut value);
    long(1, &mut value);
    long(3, &mut value);
    long(0, &mut value);
    long(1, &mut value);
    long(1, &mut value);
    value.push(b'k');
    long(0, &mut value);
    long(0, &mut value);
    long(0, &mut value);
    value.push(1);
    world.produce("t", 0, Some(&framed(id, &value)));
    let own = TopicSettings {
        event_time: EventTime::Field("when".into()),
        ..TopicSettings::default()
    };
    world.catch_up(world.settings(&[("t", own)])).expect("runs");
    let rows = world.rows_of("t", "good");
    let row = rows
        .first()
        .unwrap_or_else(|| panic!("{:?}", world.rows("t")));
    let wanted = [
        ("int", "-7"),
        ("float", "1.5"),
        ("enumeration", "B"),
        ("again", "A"),
        ("fixed", "cafe"),
        ("price", "-123.45"),
        ("day", "19000"),
        ("clock", "1234"),
        ("local", "2024-06-01T00:00:00.000000"),
        ("list", "[1, 2, 3]"),
        ("map", "{k: }"),
        ("inner", "{flag: true}"),
    ];
    for (name, value) in wanted {
        assert_eq!(row[name], value, "{name}");
    }
    assert_eq!(row["micros"], (JUNE * 1000).to_string());
    assert_eq!(row["event_date"], JUNE_DAY.to_string());
}

#[test]
fn a_new_version_adds_columns_in_flight_and_what_does_not_fit_is_bad() {
    let _guard = without_failpoints();
    let world = World::new(&[("t", 1)]);
    let first = world.register("t", SchemaType::Avro, SMALL);
    world.produce("t", 0, Some(&framed(first, &small(JUNE, Some(1), "a"))));
    world
        .catch_up(world.settings(&[("t", TopicSettings::default())]))
        .expect("runs");
    assert!(world.snapshot("t").schema.index_of("added").is_err());

    let wider = SMALL.replace(
        r#""text","type":"string"}"#,
        r#""text","type":"string"},{"name":"added","type":"double","default":0}"#,
    );
    let second = world.register("t", SchemaType::Avro, &wider);
    let lying = SMALL.replace(r#""text","type":"string""#, r#""text","type":"long""#);
    let third = world.register("lies", SchemaType::Avro, &lying);
    let mut with_more = small(JUNE, None, "b");
    with_more.extend(2.5_f64.to_le_bytes());
    let mut lie = small(JUNE, None, "");
    lie.push(0);
    for value in [
        framed(first, &small(JUNE, Some(2), "c")),
        framed(second, &with_more),
        framed(third, &lie[..lie.len() - 1]),
        framed(first, &small(JUNE, Some(3), "d")),
    ] {
        world.produce("t", 0, Some(&value));
    }
    world
        .catch_up(world.settings(&[("t", TopicSettings::default())]))
        .expect("runs");
    assert_eq!(world.audit("t"), 4);
    let rows = world.rows_of("t", "good");
    let added: Vec<Option<&String>> = rows.iter().map(|row| row.get("added")).collect();
    assert_eq!(added, [None, None, Some(&"2.5".to_owned()), None]);
    let bad = world.rows_of("t", "bad");
    assert_eq!(bad[0]["_error"], "unsupported_schema");
    assert_eq!(bad[0]["_schema_id"], third.to_string());
    assert!(
        bad[0]["_error_text"].contains("`text`"),
        "{}",
        bad[0]["_error_text"]
    );
}

/// Asks the run to stop once so many records came.
struct StopAfter {
    left: AtomicI64,
    shutdown: Shutdown,
}

impl Progress for StopAfter {
    fn received(&self, _topic: &str, records: u64, _bytes: u64) {
        if self.left.fetch_sub(records as i64, Ordering::Relaxed) <= records as i64 {
            self.shutdown.request();
        }
    }
}

#[test]
fn columns_may_come_in_the_middle_of_a_flush() {
    let _guard = without_failpoints();
    let world = World::new(&[("t", 1)]);
    let first = world.register("t", SchemaType::Avro, SMALL);
    let wider = SMALL.replace(
        r#""text","type":"string"}"#,
        r#""text","type":"string"},{"name":"added","type":"double","default":0}"#,
    );
    // Of another subject: the table learns of it by its records.
    let second = world.register("elsewhere", SchemaType::Avro, &wider);
    // More than a batch, so that a file for the former columns is begun.
    for number in 0..20_000 {
        let value = framed(first, &small(JUNE, Some(number), "a"));
        world.produce("t", 0, Some(&value));
    }
    let mut with_more = small(JUNE, None, "b");
    with_more.extend(2.5_f64.to_le_bytes());
    world.produce("t", 0, Some(&framed(second, &with_more)));
    world.acknowledged();
    let mut settings = world.settings(&[("t", TopicSettings::default())]);
    settings.flush.interval = Duration::from_hours(1);
    let stop = StopAfter {
        left: AtomicI64::new(20_001),
        shutdown: Shutdown::new(),
    };
    let ingestor = Ingestor::new(settings, world.lake.clone(), world.registry.clone());
    let runtime = world.runtime.handle();
    let summary = ingestor
        .run(runtime, Until::Shutdown, &stop.shutdown, &stop)
        .expect("new columns end nothing");
    assert_eq!(summary.topics["t"].commits, 1, "all came in one flush");
    assert_eq!(world.audit("t"), 20_001);
    let rows = world.rows_of("t", "good");
    let added: Vec<&String> = rows.iter().filter_map(|row| row.get("added")).collect();
    assert_eq!(added, ["2.5"]);
}

#[test]
fn a_table_is_made_before_any_schema_is_registered() {
    let _guard = without_failpoints();
    let world = World::new(&[("t", 1), ("later", 1)]);
    world
        .catch_up(world.settings(&[("t", TopicSettings::default())]))
        .expect("runs");
    assert_eq!(world.rows_of("t", "start").len(), 1);
    // Registered under another subject: the records' id is what counts.
    let id = world.register("elsewhere", SchemaType::Avro, SMALL);
    world.produce("t", 0, Some(&framed(id, &small(JUNE, None, "x"))));
    world
        .catch_up(world.settings(&[("t", TopicSettings::default())]))
        .expect("runs");
    assert_eq!(world.audit("t"), 1);
}
