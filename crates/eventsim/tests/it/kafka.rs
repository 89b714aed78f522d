//! Events to librdkafka's mock broker and the embedded registry.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use goldrecord_contract::Topic;
use goldrecord_eventsim::{
    Config, Delivered, Error, Format, KafkaSink, KafkaSinkOptions, Outstanding, SimulationOptions,
    simulate,
};
use goldrecord_registry::embedded::Embedded;
use goldrecord_registry::{Client, framing};
use goldrecord_service::Shutdown;
use goldrecord_service::kafka::Access;
use rdkafka::Message;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

type Cluster = MockCluster<'static, DefaultProducerContext>;

fn cluster(partitions: i32) -> Cluster {
    let cluster = MockCluster::new(1).expect("a mock cluster");
    for topic in Topic::ALL {
        cluster
            .create_topic(topic.name(), partitions, 1)
            .expect("a topic");
    }
    cluster
}

fn sink_options(
    cluster: &Cluster,
    format: Format,
    outstanding: Option<Outstanding>,
) -> KafkaSinkOptions {
    KafkaSinkOptions {
        access: Access::default(),
        bootstrap_servers: cluster.bootstrap_servers(),
        format,
        outstanding,
    }
}

fn simulation(events: u64) -> SimulationOptions {
    SimulationOptions {
        users: 500,
        days: 10,
        events: Some(events),
        ..SimulationOptions::new(Config::default())
    }
}

async fn produce(
    options: KafkaSinkOptions,
    events: u64,
    shutdown: Shutdown,
) -> Result<Delivered, Error> {
    let registry = Embedded::start(None).await.expect("an embedded registry");
    let client = Client::new(&registry.url()).expect("a client");
    let mut sink = KafkaSink::new(&options, &client, shutdown.clone()).await?;
    let produced = tokio::task::spawn_blocking(move || {
        simulate(&simulation(events), &shutdown, |event| sink.send(event))?;
        sink.finish()
    });
    produced.await.expect("no panic")
}

/// Reads and commits until `events` distinct (topic, partition, offset) were seen.
fn consume(
    servers: &str,
    group: &str,
    events: usize,
    mut each: impl FnMut(&Topic, Option<&[u8]>, &[u8]),
) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .create()
        .expect("a consumer");
    consumer
        .subscribe(&Topic::ALL.map(Topic::name))
        .expect("subscribed");
    let (mut seen, mut last) = (HashSet::new(), Instant::now());
    while seen.len() < events {
        assert!(
            last.elapsed() < Duration::from_secs(30),
            "no record for 30 seconds"
        );
        // A poll may end early, such as when partitions are assigned.
        let Some(message) = consumer.poll(Duration::from_millis(200)) else {
            continue;
        };
        let message = message.expect("a record");
        last = Instant::now();
        let topic = Topic::from_name(message.topic()).expect("one of ours");
        assert!(seen.insert((topic, message.partition(), message.offset())));
        each(&topic, message.key(), message.payload().expect("a value"));
        if seen.len() % 1_000 == 0 || seen.len() == events {
            consumer
                .commit_consumer_state(CommitMode::Sync)
                .expect("committed");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_arrives_framed_and_keyed_by_its_user() {
    let cluster = cluster(2);
    let options = sink_options(&cluster, Format::Json, None);
    let delivered = produce(options, 3_000, Shutdown::new())
        .await
        .expect("delivered");
    assert_eq!(delivered.events, 3_000);
    let mut ids = HashSet::new();
    consume(
        &cluster.bootstrap_servers(),
        "reader",
        3_000,
        |topic, key, value| {
            let (_, json) = framing::split(value).expect("a frame");
            let event: serde_json::Value = serde_json::from_slice(json).expect("JSON");
            let page = event["page"].as_str().expect("a page");
            assert_eq!(Topic::of_page(page), *topic);
            let user = event["userId"]
                .as_i64()
                .map(|user| user.to_string().into_bytes());
            assert_eq!(key, user.as_deref());
            assert!(ids.insert(event["eventId"].as_str().expect("an id").to_owned()));
        },
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_falls_out_of_the_mock_broker_when_its_reader_is_slow() {
    // 13 MB in one partition for each topic, of which the broker keeps 5 MiB.
    let cluster = cluster(1);
    let events = 60_000;
    let options = sink_options(
        &cluster,
        Format::Json,
        Some(Outstanding::for_mock_broker("slow")),
    );
    let servers = cluster.bootstrap_servers();
    let reader = tokio::task::spawn_blocking(move || {
        let mut ids = HashSet::new();
        consume(&servers, "slow", events, |_, _, value| {
            let json = &value[5..];
            let event: serde_json::Value = serde_json::from_slice(json).expect("JSON");
            assert!(ids.insert(event["eventId"].as_str().expect("an id").to_owned()));
        });
        ids.len()
    });
    let shutdown = Shutdown::new();
    let stop = shutdown.clone();
    let reader = tokio::spawn(async move {
        let read = reader.await;
        // Nobody need wait for a reader that failed.
        if read.is_err() {
            stop.request();
        }
        read
    });
    let delivered = produce(options, events as u64, shutdown)
        .await
        .expect("delivered");
    assert!(delivered.bytes > 12_000_000, "{delivered:?}");
    assert_eq!(reader.await.expect("no panic").expect("no panic"), events);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_nobody_reads_waits_until_it_is_told_to_stop() {
    let cluster = cluster(1);
    let outstanding = Outstanding {
        group: "nobody".into(),
        max_bytes: 2 << 20,
        max_records: 100,
    };
    let options = sink_options(&cluster, Format::Avro, Some(outstanding));
    let shutdown = Shutdown::new();
    let stop = shutdown.clone();
    let produced = tokio::spawn(produce(options, 5_000, shutdown));
    let patience = tokio::time::sleep(Duration::from_millis(1_500));
    patience.await;
    assert!(!produced.is_finished());
    stop.request();
    let error = produced.await.expect("no panic").expect_err("stopped");
    assert!(
        matches!(error, Error::Stopped { events } if events <= 400),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_topic_is_named() {
    let cluster = MockCluster::new(1).expect("a mock cluster");
    for topic in [Topic::Listen, Topic::PageView, Topic::Auth] {
        cluster.create_topic(topic.name(), 1, 1).expect("a topic");
    }
    let options = sink_options(&cluster, Format::Avro, None);
    let error = produce(options, 10, Shutdown::new())
        .await
        .expect_err("a refusal")
        .to_string();
    assert!(
        error.contains("has no topic status_change_events: create it"),
        "{error}"
    );
}
