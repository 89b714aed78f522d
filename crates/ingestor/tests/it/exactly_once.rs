//! Nothing is lost or doubled, whatever dies and when.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use goldrecord_ingestor::{Error, Ingestor, Progress, Silent, TopicSettings, Until, bronze};
use goldrecord_lake::{Outcome, Proposal, TxnStep};
use goldrecord_registry::SchemaType;
use goldrecord_service::Shutdown;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::world::{
    JUNE, SMALL, World, drained, framed, small, with_failpoints, without_failpoints,
};

/// Counts the records read.
#[derive(Default)]
struct Received(AtomicU64);

impl Progress for Received {
    fn received(&self, _topic: &str, records: u64, _bytes: u64) {
        self.0.fetch_add(records, Ordering::Relaxed);
    }
}

fn send(world: &World, id: u32, partitions: i32, numbers: std::ops::Range<i64>) {
    for number in numbers {
        let value = framed(id, &small(JUNE, Some(number), "x"));
        world.produce("t", (number % i64::from(partitions)) as i32, Some(&value));
    }
    world.acknowledged();
}

/// The numbers in the table are these, each once.
fn assert_numbers(world: &World, numbers: std::ops::Range<i64>) {
    world.audit("t");
    let mut found: Vec<i64> = world
        .rows_of("t", "good")
        .iter()
        .map(|row| row["number"].parse().expect("a number"))
        .collect();
    found.sort_unstable();
    assert_eq!(found, numbers.collect::<Vec<_>>());
}

#[test]
fn a_restart_goes_on_where_the_table_is() {
    let _guard = without_failpoints();
    let world = World::new(&[("t", 3)]);
    let id = world.register("t", SchemaType::Avro, SMALL);
    for round in 0..4 {
        send(&world, id, 3, round * 100..round * 100 + 100);
        let summary = world
            .catch_up(world.settings(&[("t", TopicSettings::default())]))
            .expect("runs");
        assert_eq!(summary.topics["t"].good, 100, "only what is new is read");
        assert_numbers(&world, 0..round * 100 + 100);
    }
    assert_eq!(world.rows_of("t", "start").len(), 3);
}

#[test]
fn kafka_is_told_what_the_table_has() {
    let _guard = without_failpoints();
    let world = World::new(&[("t", 2)]);
    let id = world.register("t", SchemaType::Avro, SMALL);
    send(&world, id, 2, 0..100);
    let settings = world.settings(&[("t", TopicSettings::default())]);
    let observer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &world.servers)
        .set("group.id", &settings.group)
        .create()
        .expect("a consumer");
    world.catch_up(settings).expect("runs");
    let mut asked = TopicPartitionList::new();
    asked.add_partition_range("t", 0, 1);
    let told = observer
        .committed_offsets(asked, Duration::from_secs(10))
        .expect("answered");
    for element in told.elements() {
        assert_eq!(element.offset(), Offset::Offset(50));
    }
}

#[test]
fn a_crash_at_any_step_loses_and_doubles_nothing() {
    const STEPS: [&str; 7] = [
        "ingestor::before-begin",
        "ingestor::after-begin",
        "ingestor::before-evolve",
        "ingestor::before-write",
        "ingestor::before-commit",
        "ingestor::after-commit",
        "ingestor::before-kafka-commit",
    ];
    let _guard = with_failpoints();
    for step in STEPS {
        // At its first and at its third time.
        for action in ["return", "2*off->return"] {
            let world = World::new(&[("t", 2)]);
            let id = world.register("t", SchemaType::Avro, SMALL);
            send(&world, id, 2, 0..300);
            let mut settings = world.settings(&[("t", TopicSettings::default())]);
            settings.flush.rows = 50;
            fail::cfg(step, action).expect("a failpoint");
            let ended = world.run(settings.clone(), drained());
            fail::remove(step);
            match ended {
                Err(Error::Failpoint(at)) => assert_eq!(at, step),
                Ok(_) => assert_ne!(action, "return", "{step} is passed at least once"),
                Err(error) => panic!("{step}: {error}"),
            }
            send(&world, id, 2, 300..400);
            world
                .run(settings, drained())
                .unwrap_or_else(|error| panic!("{step} {action}: {error}"));
            assert_numbers(&world, 0..400);
        }
    }
}

#[test]
fn a_flush_that_another_owner_overtook_is_dropped_whole() {
    let _guard = with_failpoints();
    let world = World::new(&[("t", 2)]);
    let id = world.register("t", SchemaType::Avro, SMALL);
    send(&world, id, 2, 0..100);
    let settings = world.settings(&[("t", TopicSettings::default())]);
    fail::cfg("ingestor::before-commit", "pause").expect("a failpoint");
    let shutdown = Shutdown::new();
    let received = Received::default();
    let table = world.lake.table(&bronze::path("t"));
    std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            Ingestor::new(settings, world.lake.clone(), world.registry.clone()).run(
                world.runtime.handle(),
                Until::Offsets(BTreeMap::from([
                    (("t".to_owned(), 0), 50),
                    (("t".to_owned(), 1), 50),
                ])),
                &shutdown,
                &received,
            )
        });
        // Once all records are read, so that both partitions were opened at 0, another owner commits the
        // first ten offsets of one.
        let deadline = Instant::now() + Duration::from_mins(1);
        while received.0.load(Ordering::Relaxed) < 100 {
            assert!(Instant::now() < deadline, "the records are read");
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut snapshot = world.snapshot("t");
        let app_id = snapshot
            .txns
            .keys()
            .find(|id| id.contains("/t/1/"))
            .expect("begun")
            .clone();
        let proposal = Proposal {
            operation: "WRITE".into(),
            txns: vec![TxnStep {
                app_id,
                expect: Some(0),
                next: 10,
            }],
            data_change: true,
            ..Proposal::default()
        };
        let outcome = world
            .runtime
            .block_on(table.commit(&mut snapshot, &proposal))
            .expect("committed");
        assert!(matches!(outcome, Outcome::Committed { .. }));
        fail::remove("ingestor::before-commit");
        let summary = run.join().expect("no panic").expect("runs");
        assert_eq!(summary.topics["t"].abandoned, 1);
    });
    let rows = world.rows_of("t", "good");
    let of = |partition: &str| -> Vec<i64> {
        rows.iter()
            .filter(|row| row["_partition"] == partition)
            .map(|row| row["_offset"].parse().expect("a number"))
            .collect()
    };
    assert_eq!(
        of("0"),
        (0..50).collect::<Vec<_>>(),
        "the other partition is read again, once"
    );
    assert_eq!(
        of("1"),
        (10..50).collect::<Vec<_>>(),
        "what the other owner had is not there twice"
    );
}

#[test]
fn two_ingestors_share_a_group_while_one_comes_and_goes() {
    let _guard = without_failpoints();
    let world = World::new(&[("t", 4)]);
    let id = world.register("t", SchemaType::Avro, SMALL);
    let settings = world.settings(&[("t", TopicSettings::default())]);
    let steady = Shutdown::new();
    std::thread::scope(|scope| {
        let run = |shutdown: Shutdown| {
            let ingestor =
                Ingestor::new(settings.clone(), world.lake.clone(), world.registry.clone());
            let runtime = world.runtime.handle().clone();
            move || ingestor.run(&runtime, Until::Shutdown, &shutdown, &Silent)
        };
        let first = scope.spawn(run(steady.clone()));
        for round in 0..3_i64 {
            let passing = Shutdown::new();
            let second = scope.spawn(run(passing.clone()));
            for part in 0..10 {
                let start = round * 1000 + part * 100;
                send(&world, id, 4, start..start + 100);
                std::thread::sleep(Duration::from_millis(200));
            }
            passing.request();
            second.join().expect("no panic").expect("runs");
        }
        steady.request();
        first.join().expect("no panic").expect("runs");
    });
    world.run(settings, drained()).expect("runs");
    assert_numbers(&world, 0..3000);
}
