//! A broker, a registry and a lake, and what a test asks of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use futures::TryStreamExt;
use goldrecord_ingestor::{
    FlushPolicy, Ingestor, Result, Settings, Silent, Summary, TopicSettings, Until, bronze,
};
use goldrecord_lake::{Lake, Snapshot};
use goldrecord_registry::embedded::Embedded;
use goldrecord_registry::{Client, SchemaType, framing};
use goldrecord_service::config::{OnOutOfRange, Start};
use goldrecord_service::{Config, Shutdown, logs};
use goldrecord_testkit::Kafka;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Failpoints belong to the process: who sets one runs alone.
static FAILPOINTS: RwLock<()> = RwLock::new(());

pub(crate) fn without_failpoints() -> RwLockReadGuard<'static, ()> {
    FAILPOINTS
        .read()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

pub(crate) fn with_failpoints() -> RwLockWriteGuard<'static, ()> {
    FAILPOINTS
        .write()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

pub(crate) struct World {
    pub(crate) runtime: Runtime,
    _broker: Option<MockCluster<'static, DefaultProducerContext>>,
    pub(crate) servers: String,
    embedded: Embedded,
    pub(crate) registry: Client,
    folder: TempDir,
    pub(crate) lake: Lake,
    producer: BaseProducer,
}

/// A row of a bronze table, by column name; nulls are left out.
pub(crate) type Row = BTreeMap<String, String>;

impl World {
    pub(crate) fn new(topics: &[(&str, i32)]) -> Self {
        let broker = MockCluster::new(1).expect("a mock broker");
        for (topic, partitions) in topics {
            broker.create_topic(topic, *partitions, 1).expect("a topic");
        }
        let servers = broker.bootstrap_servers();
        Self::around(servers, Some(broker))
    }

    /// The same with a real broker.
    pub(crate) fn on(kafka: &Kafka, topics: &[(&str, i32)]) -> Self {
        let world = Self::around(kafka.bootstrap_servers(), None);
        let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
            .set("bootstrap.servers", &world.servers)
            .create()
            .expect("an admin");
        let topics: Vec<NewTopic<'_>> = topics
            .iter()
            .map(|(name, partitions)| NewTopic::new(name, *partitions, TopicReplication::Fixed(1)))
            .collect();
        let made = admin.create_topics(&topics, &AdminOptions::new());
        for topic in world.runtime.block_on(made).expect("answered") {
            topic.expect("a topic");
        }
        world
    }

    fn around(
        servers: String,
        broker: Option<MockCluster<'static, DefaultProducerContext>>,
    ) -> Self {
        logs::init(logs::Format::Text, "off");
        let runtime = Runtime::new().expect("a runtime");
        let embedded = runtime.block_on(Embedded::start(None)).expect("a registry");
        let registry = Client::new(&embedded.url()).expect("a client");
        let folder = TempDir::new().expect("a folder");
        let lake = Lake::open(folder.path().to_str().expect("a path of text")).expect("a lake");
        let producer = ClientConfig::new()
            .set("bootstrap.servers", &servers)
            .set("linger.ms", "0")
            // New partitions can be sent to at once.
            .set("topic.metadata.refresh.interval.ms", "200")
            .set("message.max.bytes", "4000000")
            .create()
            .expect("a producer");
        Self {
            runtime,
            _broker: broker,
            servers,
            embedded,
            registry,
            folder,
            lake,
            producer,
        }
    }

    /// A folder of this world's own, in which the lake lies.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(crate) fn registry_url(&self) -> String {
        self.embedded.url()
    }

    pub(crate) fn settings(&self, topics: &[(&str, TopicSettings)]) -> Settings {
        let defaults = Settings::from(&Config::default());
        // The mock broker lets a group begin after 3 s, and begin again a second before a session ends.
        let quick = [
            ("session.timeout.ms", "4000"),
            ("heartbeat.interval.ms", "100"),
        ];
        let quick = quick.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Settings {
            bootstrap_servers: self.servers.clone(),
            topics: topics
                .iter()
                .map(|(name, own)| ((*name).to_owned(), own.clone()))
                .collect(),
            start: Start::Earliest,
            on_out_of_range: OnOutOfRange::Fail,
            flush: FlushPolicy {
                interval: Duration::from_millis(200),
                rows: 1_000_000,
                bytes: 64 << 20,
            },
            memory: 64 << 20,
            kafka: defaults.kafka.clone().into_iter().chain(quick).collect(),
            ..defaults
        }
    }

    pub(crate) fn register(&self, topic: &str, language: SchemaType, text: &str) -> u32 {
        let subject = format!("{topic}-value");
        self.runtime
            .block_on(self.registry.register(&subject, language, text))
            .expect("registered")
    }

    pub(crate) fn produce(&self, topic: &str, partition: i32, value: Option<&[u8]>) {
        loop {
            let mut record = BaseRecord::<[u8], [u8]>::to(topic)
                .partition(partition)
                .key(b"key");
            if let Some(value) = value {
                record = record.payload(value);
            }
            match self.producer.send(record) {
                Ok(()) => return,
                Err(_) => {
                    self.producer.poll(Duration::from_millis(10));
                }
            }
        }
    }

    pub(crate) fn acknowledged(&self) {
        self.producer
            .flush(Duration::from_secs(30))
            .expect("acknowledged");
    }

    pub(crate) fn run(&self, settings: Settings, until: Until) -> Result<Summary> {
        Ingestor::new(settings, self.lake.clone(), self.registry.clone()).run(
            self.runtime.handle(),
            until,
            &Shutdown::new(),
            &Silent,
        )
    }

    /// Runs until the table has everything produced so far.
    pub(crate) fn catch_up(&self, settings: Settings) -> Result<Summary> {
        self.acknowledged();
        self.run(settings, drained())
    }

    pub(crate) fn snapshot(&self, topic: &str) -> Snapshot {
        self.latest(topic).expect("there is a table")
    }

    /// The same, where there is a table.
    pub(crate) fn latest(&self, topic: &str) -> Option<Snapshot> {
        let table = self.lake.table(&bronze::path(topic));
        self.runtime.block_on(table.latest()).expect("read")
    }

    /// All rows of a topic's table, by partition and offset.
    pub(crate) fn rows(&self, topic: &str) -> Vec<Row> {
        let snapshot = self.snapshot(topic);
        let table = self.lake.table(&bronze::path(topic));
        let mut rows = Vec::new();
        for file in snapshot.files.values() {
            let batches: Vec<RecordBatch> = self.runtime.block_on(async {
                table
                    .read(file, &snapshot, None)
                    .await
                    .expect("opened")
                    .try_collect()
                    .await
                    .expect("read")
            });
            for batch in &batches {
                for row in 0..batch.num_rows() {
                    let columns = batch.schema_ref().fields().iter().zip(batch.columns());
                    rows.push(
                        columns
                            .filter_map(|(field, array)| {
                                Some((field.name().clone(), show(array, row)?))
                            })
                            .collect(),
                    );
                }
            }
        }
        rows.sort_by_key(|row: &Row| {
            let number = |name: &str| {
                row.get(name)
                    .map_or(0, |text| text.parse::<i64>().expect("a number"))
            };
            (
                number("_partition"),
                number("_offset"),
                row["_kind"].clone(),
            )
        });
        rows
    }

    pub(crate) fn rows_of(&self, topic: &str, kind: &str) -> Vec<Row> {
        self.rows(topic)
            .into_iter()
            .filter(|row| row["_kind"] == kind)
            .collect()
    }

    /// The balance of every partition, and no offset twice. Returns the number of events.
    pub(crate) fn audit(&self, topic: &str) -> usize {
        let rows = self.rows(topic);
        let snapshot = self.snapshot(topic);
        let mut good = 0;
        for (id, next) in snapshot.txns.iter() {
            let parts: Vec<&str> = id.split('/').collect();
            let [_, name, partition, _] = parts.as_slice() else {
                panic!("`{id}` is no partition's offset")
            };
            assert_eq!(*name, topic);
            let own: Vec<&Row> = rows
                .iter()
                .filter(|row| row["_partition"] == **partition)
                .collect();
            let starts: Vec<i64> = own
                .iter()
                .filter(|row| row["_kind"] == "start")
                .map(|row| row["_offset"].parse().expect("a number"))
                .collect();
            let [start] = starts.as_slice() else {
                panic!("partition {partition} begins {} times", starts.len())
            };
            let mut seen = std::collections::BTreeSet::new();
            let mut total = 0;
            for row in own {
                let offset: i64 = row["_offset"].parse().expect("a number");
                match row["_kind"].as_str() {
                    "gap" => total += row["_offset_end"].parse::<i64>().expect("a number") - offset,
                    kind @ ("good" | "bad") => {
                        assert!(
                            seen.insert(offset),
                            "{topic}/{partition}/{offset} is there twice"
                        );
                        assert_eq!(
                            kind == "good",
                            row.contains_key("event_date"),
                            "good rows alone have a day"
                        );
                        good += usize::from(kind == "good");
                        total += 1;
                    }
                    _ => {}
                }
            }
            assert_eq!(next - start, total, "{topic}/{partition} is out of balance");
        }
        good
    }
}

/// Asks a run to stop when the test is done with it, even by a failed assertion: it would be waited for otherwise.
pub(crate) struct StopAtEnd<'s>(pub(crate) &'s Shutdown);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.request();
    }
}

pub(crate) fn drained() -> Until {
    Until::Drained(std::sync::Arc::new(|| true))
}

fn show(array: &ArrayRef, row: usize) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    Some(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        DataType::Binary => hex(array.as_binary::<i32>().value(row)),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).to_string(),
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Date32 => array.as_primitive::<Date32Type>().value(row).to_string(),
        DataType::Timestamp(..) => array
            .as_primitive::<TimestampMicrosecondType>()
            .value(row)
            .to_string(),
        _ => arrow::util::display::array_value_to_string(array, row).expect("shown"),
    })
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// A value behind the framing of the registry.
pub(crate) fn framed(id: u32, payload: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(payload.len() + 5);
    framing::write_header(id, &mut value);
    value.extend_from_slice(payload);
    value
}

/// The schema of the small events that most tests send.
pub(crate) const SMALL: &str = r#"{"type":"record","name":"Small","fields":[
    {"name":"ts","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"number","type":["null","long"]},
    {"name":"text","type":"string"}]}"#;

/// 2024-06-01T00:00:00Z in ms, and its day.
pub(crate) const JUNE: i64 = 1_717_200_000_000;
pub(crate) const JUNE_DAY: i64 = JUNE / 86_400_000;

/// A small event, as bare Avro.
pub(crate) fn small(ts: i64, number: Option<i64>, text: &str) -> Vec<u8> {
    let mut value = Vec::new();
    long(ts, &mut value);
    match number {
        None => value.push(0),
        Some(number) => {
            value.push(2);
            long(number, &mut value);
        }
    }
    long(text.len() as i64, &mut value);
    value.extend_from_slice(text.as_bytes());
    value
}

pub(crate) fn long(value: i64, out: &mut Vec<u8>) {
    let mut zigzag = ((value << 1) ^ (value >> 63)) as u64;
    while zigzag >= 0x80 {
        out.push(zigzag as u8 | 0x80);
        zigzag >>= 7;
    }
    out.push(zigzag as u8);
}
