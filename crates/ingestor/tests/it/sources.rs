//! Topics that patterns find, subjects of each name, and topics that are refused, on a real broker and without a restart.

use std::sync::Arc;
use std::time::Duration;

use goldrecord_ingestor::{
    Error, Ingestor, Metrics, Result, Settings, Silent, Summary, TopicSettings, Until,
};
use goldrecord_registry::{Compatibility, SchemaType};
use goldrecord_service::Shutdown;
use goldrecord_service::config::{Format, Start, Subject};
use goldrecord_service::metrics::Registry;
use goldrecord_testkit::{Kafka, require};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;

use crate::group::{set, wait_until};
use crate::world::{JUNE, SMALL, StopAtEnd, World, framed, long, small, without_failpoints};

/// Settings that look for what is new five times a second.
fn settings(world: &World, group: &str, topics: &[(&str, TopicSettings)]) -> Settings {
    let mut settings = world.settings(topics);
    group.clone_into(&mut settings.group);
    set(&mut settings, "session.timeout.ms", "6000");
    settings.refresh = Duration::from_millis(200);
    settings
}

/// Runs until `meanwhile` is done.
fn run(
    world: &World,
    settings: Settings,
    meanwhile: impl FnOnce(&Registry, &dyn Fn() -> bool),
) -> Result<Summary> {
    let scraped = Arc::new(Registry::new("ingestor"));
    let ingestor = Ingestor::new(settings, world.lake.clone(), world.registry.clone())
        .with_metrics(Metrics::register(&scraped));
    let (handle, shutdown) = (world.runtime.handle(), Shutdown::new());
    std::thread::scope(|scope| {
        let running = scope.spawn(|| ingestor.run(handle, Until::Shutdown, &shutdown, &Silent));
        let stop = StopAtEnd(&shutdown);
        meanwhile(&scraped, &|| !running.is_finished());
        drop(stop);
        running.join().expect("no panic")
    })
}

/// How many offsets of a topic are in its table.
fn stored(world: &World, topic: &str) -> i64 {
    world
        .latest(topic)
        .map_or(0, |snapshot| snapshot.txns.values().sum())
}

fn await_stored(world: &World, topic: &str, offsets: i64) {
    world.acknowledged();
    wait_until(
        &format!("{offsets} records of {topic} are in its table"),
        || stored(world, topic) >= offsets,
    );
}

fn admin(world: &World) -> AdminClient<DefaultClientContext> {
    ClientConfig::new()
        .set("bootstrap.servers", &world.servers)
        .create()
        .expect("an admin")
}

fn make(world: &World, admin: &AdminClient<DefaultClientContext>, topic: &str, partitions: i32) {
    let topic = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    let options = AdminOptions::new();
    let answer = admin.create_topics([&topic], &options);
    world.runtime.block_on(answer).expect("answered")[0]
        .as_ref()
        .expect("made");
}

fn widen(world: &World, admin: &AdminClient<DefaultClientContext>, topic: &str, partitions: usize) {
    let more = NewPartitions::new(topic, partitions);
    let options = AdminOptions::new();
    let answer = admin.create_partitions([&more], &options);
    world.runtime.block_on(answer).expect("answered")[0]
        .as_ref()
        .expect("made");
}

#[test]
fn what_a_pattern_finds_later_is_read_without_a_restart() {
    let Some(kafka) = require(Kafka::shared()) else {
        return;
    };
    let _guard = without_failpoints();
    let world = World::on(kafka, &[("apart", 1)]);
    let admin = admin(&world);
    let make = |topic: &str, partitions| make(&world, &admin, topic, partitions);
    let mut settings = settings(&world, "found", &[]);
    settings.patterns = vec![r"^found\.".to_owned()];
    run(&world, settings, |_, runs| {
        make("found.one", 2);
        let first = world.register("found.one", SchemaType::Avro, SMALL);
        let event = framed(first, &small(JUNE, Some(1), "a"));
        for number in 0..100 {
            world.produce("found.one", number % 2, Some(&event));
        }
        await_stored(&world, "found.one", 100);

        widen(&world, &admin, "found.one", 4);
        for number in 0..100 {
            world.produce("found.one", number % 4, Some(&event));
        }
        await_stored(&world, "found.one", 200);

        let wider = SMALL.replace(
            r#""text","type":"string"}"#,
            r#""text","type":"string"},{"name":"added","type":"double","default":0}"#,
        );
        let second = world.register("found.one", SchemaType::Avro, &wider);
        let mut with_more = small(JUNE, None, "b");
        with_more.extend(2.5_f64.to_le_bytes());
        make("found.two", 1);
        for number in 0..100 {
            world.produce("found.one", number % 4, Some(&framed(second, &with_more)));
            world.produce("found.two", 0, Some(&event));
        }
        await_stored(&world, "found.one", 300);
        await_stored(&world, "found.two", 100);
        assert!(runs(), "one run read it all");
    })
    .expect("runs");
    assert_eq!(world.audit("found.one"), 300);
    assert_eq!(world.audit("found.two"), 100);
    let added = world.rows_of("found.one", "good");
    let added = added.iter().filter(|row| row.contains_key("added"));
    assert_eq!(added.count(), 100);
    assert!(world.latest("apart").is_none(), "no pattern finds it");
}

#[test]
fn what_comes_after_the_start_is_read_from_its_first_record() {
    let Some(kafka) = require(Kafka::shared()) else {
        return;
    };
    let _guard = without_failpoints();
    let world = World::on(kafka, &[("after.old", 2)]);
    let admin = admin(&world);
    let schema = world.register("after.old", SchemaType::Avro, SMALL);
    let event = framed(schema, &small(JUNE, Some(1), "a"));
    let produce = |topic: &str, partition| {
        for _ in 0..10 {
            world.produce(topic, partition, Some(&event));
        }
    };
    produce("after.old", 0);
    world.acknowledged();
    let mut settings = settings(
        &world,
        "after",
        &[
            ("after.old", TopicSettings::default()),
            ("after.named", TopicSettings::default()),
        ],
    );
    settings.patterns = vec![r"^after\.found".to_owned()];
    settings.start = Start::Latest;
    run(&world, settings, |_, _| {
        wait_until("both partitions begin at their ends", || {
            world
                .latest("after.old")
                .is_some_and(|table| table.txns.values().eq(&[10, 0]))
        });
        // Written before the ingestor can know of them.
        for topic in ["after.named", "after.found"] {
            make(&world, &admin, topic, 1);
            world.register(topic, SchemaType::Avro, SMALL);
            produce(topic, 0);
        }
        widen(&world, &admin, "after.old", 3);
        produce("after.old", 2);
        await_stored(&world, "after.old", 20);
        await_stored(&world, "after.named", 10);
        await_stored(&world, "after.found", 10);
    })
    .expect("runs");
    for topic in ["after.old", "after.named", "after.found"] {
        assert_eq!(world.audit(topic), 10, "{topic}");
    }
}

#[test]
fn a_topic_that_is_removed_stops_no_other_and_is_read_when_it_is_back() {
    let Some(kafka) = require(Kafka::shared()) else {
        return;
    };
    let _guard = without_failpoints();
    let world = World::on(kafka, &[("leaves.one", 1), ("leaves.two", 1)]);
    let admin = admin(&world);
    let schema = world.register("leaves.two", SchemaType::Avro, SMALL);
    let event = framed(schema, &small(JUNE, Some(1), "a"));
    let mut settings = settings(&world, "leaves", &[]);
    settings.patterns = vec![r"^leaves\.".to_owned()];
    run(&world, settings, |scraped, runs| {
        let told = |wanted: &str| scraped.render().contains(wanted);
        let waits = "waiting_since_timestamp_seconds{server=\"topic\",topic=\"leaves.one\"}";
        let assigned = "assigned_partitions{topic=\"leaves.one\"} 1\n";
        wait_until("it is read", || told(assigned));
        let removal = ["leaves.one"];
        let options = AdminOptions::new();
        let answer = admin.delete_topics(&removal, &options);
        world.runtime.block_on(answer).expect("answered")[0]
            .as_ref()
            .expect("removed");
        wait_until("it is left", || told(waits) && !told(assigned));
        for _ in 0..10 {
            world.produce("leaves.two", 0, Some(&event));
        }
        await_stored(&world, "leaves.two", 10);

        make(&world, &admin, "leaves.one", 1);
        for _ in 0..10 {
            world.produce("leaves.one", 0, Some(&event));
        }
        await_stored(&world, "leaves.one", 10);
        assert!(!told(waits));
        assert!(runs(), "one run read it all");
    })
    .expect("runs");
    assert_eq!(world.audit("leaves.one"), 10);
    assert_eq!(world.audit("leaves.two"), 10);
}

/// An event of one number.
fn with_field(name: &str, field: &str, kind: &str) -> String {
    format!(
        r#"{{"type":"record","name":"{name}","namespace":"org.music","fields":[
        {{"name":"ts","type":{{"type":"long","logicalType":"timestamp-millis"}}}},{{"name":"{field}","type":"{kind}"}}]}}"#
    )
}

#[test]
fn subjects_are_found_under_each_of_confluents_names() {
    let Some(kafka) = require(Kafka::shared()) else {
        return;
    };
    let _guard = without_failpoints();
    let topics = ["by_topic", "by_record", "by_both"];
    let world = World::on(kafka, &topics.map(|topic| (topic, 1)));
    let subjects = [
        "by_topic-value",
        "org.music.Small",
        "by_both-org.music.Small",
    ];
    for (subject, field) in subjects.iter().zip(topics) {
        let schema = format!(
            r#"{{"title":"org.music.Small","type":"object","properties":{{"ts":{{"type":"integer"}},"of_{field}":{{"type":"integer"}}}}}}"#
        );
        let registered = world.registry.register(subject, SchemaType::Json, &schema);
        world.runtime.block_on(registered).expect("registered");
    }
    let own = |subject, record: Option<&str>| TopicSettings {
        format: Format::JsonUnframed,
        subject,
        record: record.map(str::to_owned),
        ..TopicSettings::default()
    };
    let record = Some("org.music.Small");
    let settings = settings(
        &world,
        "subjects",
        &[
            ("by_topic", own(Subject::Topic, None)),
            ("by_record", own(Subject::Record, record)),
            ("by_both", own(Subject::TopicRecord, record)),
        ],
    );
    for topic in topics {
        let event = format!(r#"{{"ts":{JUNE},"of_{topic}":7}}"#);
        world.produce(topic, 0, Some(event.as_bytes()));
    }
    world.catch_up(settings).expect("runs");
    for topic in topics {
        assert_eq!(world.audit(topic), 1);
        let rows = world.rows_of(topic, "good");
        assert_eq!(rows[0][&format!("of_{topic}")], "7", "{rows:?}");
    }
}

#[test]
fn records_of_several_types_share_a_topic_and_one_that_does_not_fit_is_bad() {
    let Some(kafka) = require(Kafka::shared()) else {
        return;
    };
    let _guard = without_failpoints();
    let world = World::on(kafka, &[("several", 1)]);
    let register = |name: &str, field: &str, kind: &str| {
        let schema = with_field(name, field, kind);
        let subject = format!("org.music.{name}");
        let registered = world.registry.register(&subject, SchemaType::Avro, &schema);
        world.runtime.block_on(registered).expect("registered")
    };
    let started = register("Started", "song", "long");
    let skipped = register("Skipped", "after", "long");
    let renamed = register("Renamed", "song", "string");
    for (id, text) in [
        (started, false),
        (skipped, false),
        (renamed, true),
        (started, false),
    ] {
        let mut event = Vec::new();
        long(JUNE, &mut event);
        long(if text { 1 } else { 7 }, &mut event);
        if text {
            event.push(b'x');
        }
        world.produce("several", 0, Some(&framed(id, &event)));
    }
    let own = TopicSettings {
        subject: Subject::Record,
        record: Some("org.music.Started".to_owned()),
        ..TopicSettings::default()
    };
    world
        .catch_up(settings(&world, "several", &[("several", own)]))
        .expect("runs");
    assert_eq!(world.audit("several"), 3);
    let rows = world.rows_of("several", "good");
    let songs = rows.iter().filter(|row| row.contains_key("song")).count();
    let after = rows.iter().filter(|row| row.contains_key("after")).count();
    assert_eq!((songs, after), (2, 1), "{rows:?}");
    let bad = world.rows_of("several", "bad");
    assert_eq!(bad.len(), 1);
    assert_eq!(bad[0]["_error"], "unsupported_schema");
    assert_eq!(bad[0]["_schema_id"], renamed.to_string());
}

#[test]
fn a_refused_topic_stops_no_other_and_is_read_once_its_schema_is_mended() {
    let Some(kafka) = require(Kafka::shared()) else {
        return;
    };
    let _guard = without_failpoints();
    let world = World::on(kafka, &[("well", 1), ("refused", 1)]);
    let good = world.register("well", SchemaType::Avro, SMALL);
    let wide = SMALL.replace(r#"["null","long"]"#, r#"["null","long","string"]"#);
    let bad = world.register("refused", SchemaType::Avro, &wide);
    let own = TopicSettings::default();
    let mut settings = settings(
        &world,
        "refused",
        &[("well", own.clone()), ("refused", own)],
    );
    // What comes while the topic is refused is not missed even so.
    settings.start = Start::Latest;
    let event = |id| framed(id, &small(JUNE, None, "x"));
    run(&world, settings, |scraped, runs| {
        let waits = "waiting_since_timestamp_seconds{server=\"schema\",topic=\"refused\"}";
        let assigned = |topic: &str| format!("assigned_partitions{{topic=\"{topic}\"}} 1\n");
        wait_until("one topic is read and the other begun and refused", || {
            let text = scraped.render();
            [waits, &assigned("well"), &assigned("refused")]
                .iter()
                .all(|wanted| text.contains(wanted))
        });
        for _ in 0..10 {
            world.produce("refused", 0, Some(&event(bad)));
            world.produce("well", 0, Some(&event(good)));
        }
        await_stored(&world, "well", 10);
        assert_eq!(stored(&world, "refused"), 0);
        assert!(scraped.render().contains(waits));

        let level = world
            .registry
            .set_compatibility("refused-value", Compatibility::None);
        world.runtime.block_on(level).expect("set");
        let mended = world.register("refused", SchemaType::Avro, SMALL);
        world.produce("refused", 0, Some(&event(mended)));
        await_stored(&world, "refused", 11);
        assert!(!scraped.render().contains(waits));
        assert!(runs(), "one run read it all");
    })
    .expect("runs");
    assert_eq!(world.audit("well"), 10);
    assert_eq!(world.audit("refused"), 1);
    let bad_rows = world.rows_of("refused", "bad");
    assert_eq!(bad_rows.len(), 10);
    assert_eq!(bad_rows[0]["_schema_id"], bad.to_string());
}

#[test]
fn a_run_that_is_to_end_reads_what_it_can_and_says_what_it_refused() {
    let Some(kafka) = require(Kafka::shared()) else {
        return;
    };
    let _guard = without_failpoints();
    let world = World::on(kafka, &[("readable", 1), ("unreadable", 1)]);
    let good = world.register("readable", SchemaType::Avro, SMALL);
    let wide = SMALL.replace(r#"["null","long"]"#, r#"["null","long","string"]"#);
    let bad = world.register("unreadable", SchemaType::Avro, &wide);
    let event = |id| framed(id, &small(JUNE, None, "x"));
    world.produce("readable", 0, Some(&event(good)));
    world.produce("unreadable", 0, Some(&event(bad)));
    let own = TopicSettings::default();
    let topics = [("readable", own.clone()), ("unreadable", own)];
    let error = world
        .catch_up(settings(&world, "unreadable", &topics))
        .expect_err("it did not read all");
    assert!(matches!(error, Error::Schema { .. }), "{error}");
    let said = error.to_string();
    for word in [
        "`unreadable`",
        "`unreadable-value`",
        &format!("schema {bad}"),
        "field `number`",
    ] {
        assert!(said.contains(word), "{word} is not in {said}");
    }
    assert_eq!(world.audit("readable"), 1);
}

#[test]
fn unframed_records_are_read_by_the_schema_that_is_latest_now() {
    let Some(kafka) = require(Kafka::shared()) else {
        return;
    };
    let _guard = without_failpoints();
    let world = World::on(kafka, &[("plain", 1)]);
    let schema = |more: &str| {
        format!(r#"{{"type":"object","properties":{{"ts":{{"type":"integer"}}{more}}}}}"#)
    };
    let own = TopicSettings {
        format: Format::JsonUnframed,
        ..TopicSettings::default()
    };
    let settings = settings(&world, "plain", &[("plain", own)]);
    let event = format!(r#"{{"ts":{JUNE},"added":7}}"#);
    let mut sent = 0;
    run(&world, settings, |scraped, _| {
        world.produce("plain", 0, Some(event.as_bytes()));
        let waits = "waiting_since_timestamp_seconds{server=\"schema\",topic=\"plain\"}";
        wait_until("the first record waits for a schema", || {
            scraped.render().contains(waits)
        });
        world.register("plain", SchemaType::Json, &schema(""));
        await_stored(&world, "plain", 1);
        world.register(
            "plain",
            SchemaType::Json,
            &schema(r#","added":{"type":"integer"}"#),
        );
        sent = 1;
        wait_until("the new field has a column", || {
            world.produce("plain", 0, Some(event.as_bytes()));
            sent += 1;
            await_stored(&world, "plain", sent);
            let table = world.latest("plain").expect("there is a table");
            table.schema.index_of("added").is_ok()
        });
    })
    .expect("runs");
    assert_eq!(world.audit("plain") as i64, sent);
    let rows = world.rows_of("plain", "good");
    assert!(!rows[0].contains_key("added"), "{:?}", rows[0]);
}
