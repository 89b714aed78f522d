//! The same on the real Kafka and HDFS.

use goldrecord_contract::{Event, Topic, avro_schema};
use goldrecord_ingestor::{Ingestor, Settings, Silent, TopicSettings, bronze};
use goldrecord_lake::Lake;
use goldrecord_registry::embedded::Embedded;
use goldrecord_registry::{Client, SchemaType};
use goldrecord_service::{Config, Shutdown};
use goldrecord_testkit::{Hdfs, Kafka, require};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::time::Duration;
use tokio::runtime::Runtime;

use crate::world::{JUNE, drained, framed, without_failpoints};

const EVENTS: i64 = 20_000;

#[test]
fn events_go_from_kafka_to_hdfs_once() {
    let (Some(kafka), Some(hdfs)) = (require(Kafka::shared()), require(Hdfs::shared())) else {
        return;
    };
    let _guard = without_failpoints();
    let runtime = Runtime::new().expect("a runtime");
    let registry = runtime.block_on(Embedded::start(None)).expect("a registry");
    let client = Client::new(&registry.url()).expect("a client");
    let topic = format!("ingestor_{}", std::process::id());
    let id = runtime
        .block_on(client.register(
            &format!("{topic}-value"),
            SchemaType::Avro,
            &avro_schema(Topic::Listen),
        ))
        .expect("registered");
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", kafka.bootstrap_servers())
        .create()
        .expect("an admin");
    let wanted = NewTopic::new(&topic, 3, TopicReplication::Fixed(1));
    runtime
        .block_on(admin.create_topics([&wanted], &AdminOptions::new()))
        .expect("made");
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", kafka.bootstrap_servers())
        .set("linger.ms", "5")
        .create()
        .expect("a producer");
    for number in 0..EVENTS {
        let mut value = Vec::new();
        Event {
            page: "NextSong",
            event_id: "e",
            ts: JUNE + number,
            session_id: number,
            ..Event::default()
        }
        .encode_avro(&mut value);
        let value = framed(id, &value);
        let record = || {
            BaseRecord::<[u8], [u8]>::to(&topic)
                .partition((number % 3) as i32)
                .payload(value.as_slice())
        };
        while producer.send(record()).is_err() {
            producer.poll(Duration::from_millis(10));
        }
    }
    producer
        .flush(Duration::from_secs(30))
        .expect("acknowledged");

    let lake = Lake::open(&format!("{}/{topic}", hdfs.url())).expect("a lake");
    let settings = Settings {
        bootstrap_servers: kafka.bootstrap_servers(),
        group: topic.clone(),
        topics: [(topic.clone(), TopicSettings::default())].into(),
        ..Settings::from(&Config::default())
    };
    for _ in 0..2 {
        Ingestor::new(settings.clone(), lake.clone(), client.clone())
            .run(runtime.handle(), drained(), &Shutdown::new(), &Silent)
            .expect("runs");
        let snapshot = runtime
            .block_on(lake.table(&bronze::path(&topic)).latest())
            .expect("read")
            .expect("there");
        assert_eq!(
            snapshot.rows(),
            EVENTS + 3,
            "every event, and where three partitions begin"
        );
        assert_eq!(snapshot.txns.values().sum::<i64>(), EVENTS);
    }
}
