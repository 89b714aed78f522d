//! The real Kafka and Schema Registry, and another Delta reader that says what came of records.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use goldrecord_ingestor::{Ingestor, Settings, Silent, TopicSettings, bronze};
use goldrecord_lake::Lake;
use goldrecord_registry::{Client, SchemaType};
use goldrecord_service::config::Start;
use goldrecord_service::{Config, Shutdown};
use goldrecord_testkit::{Kafka, SchemaRegistry, require};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::world::drained;

/// The largest record that the topics of these tests take.
const LARGEST: &str = "20000000";

pub(crate) struct Outside {
    pub(crate) runtime: Runtime,
    kafka: &'static Kafka,
    client: Client,
    folder: TempDir,
    producer: BaseProducer,
    python: PathBuf,
}

impl Outside {
    /// `None`: a server or the reader cannot be had here.
    pub(crate) fn new() -> Option<Self> {
        let (kafka, registry) = (
            require(Kafka::shared())?,
            require(SchemaRegistry::shared())?,
        );
        let python = require(std::env::var("GOLDRECORD_PYTHON").map_err(|_| {
            "GOLDRECORD_PYTHON must name an interpreter with `deltalake`: ./dev test installs one"
        }))?;
        Some(Self {
            runtime: Runtime::new().expect("a runtime"),
            kafka,
            client: Client::new(&registry.url()).expect("a client"),
            folder: TempDir::new().expect("a folder"),
            producer: ClientConfig::new()
                .set("bootstrap.servers", kafka.bootstrap_servers())
                .set("message.max.bytes", LARGEST)
                .create()
                .expect("a producer"),
            python: python.into(),
        })
    }

    /// Makes a topic of one partition that takes large records.
    pub(crate) fn topic(&self, topic: &str) {
        let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
            .set("bootstrap.servers", self.kafka.bootstrap_servers())
            .create()
            .expect("an admin");
        let wanted =
            NewTopic::new(topic, 1, TopicReplication::Fixed(1)).set("max.message.bytes", LARGEST);
        let made = self
            .runtime
            .block_on(admin.create_topics([&wanted], &AdminOptions::new()))
            .expect("asked");
        assert!(made.iter().all(Result::is_ok), "{made:?}");
    }

    /// Registers a schema by the real registry, which checks it.
    pub(crate) fn register(&self, subject: &str, language: SchemaType, text: &str) -> u32 {
        self.runtime
            .block_on(self.client.register(subject, language, text))
            .expect("registered")
    }

    /// Sends values with the key `key` and the header `header`, one after the other.
    pub(crate) fn produce<'a>(
        &self,
        topic: &str,
        values: impl IntoIterator<Item = Option<&'a [u8]>>,
    ) {
        for value in values {
            let record = || {
                let headers = OwnedHeaders::new().insert(Header {
                    key: "header",
                    value: Some(&[0xff_u8, 0][..]),
                });
                let record = BaseRecord::<[u8], [u8]>::to(topic)
                    .partition(0)
                    .key(b"key")
                    .headers(headers);
                match value {
                    Some(value) => record.payload(value),
                    None => record,
                }
            };
            while self.producer.send(record()).is_err() {
                self.producer.poll(Duration::from_millis(10));
            }
        }
        self.producer
            .flush(Duration::from_mins(1))
            .expect("acknowledged");
    }

    /// Reads the topics to their ends.
    pub(crate) fn catch_up(&self, topics: &[(&str, TopicSettings)]) {
        let lake =
            Lake::open(self.folder.path().to_str().expect("a path of text")).expect("a lake");
        let settings = Settings {
            bootstrap_servers: self.kafka.bootstrap_servers(),
            group: topics[0].0.to_owned(),
            topics: topics
                .iter()
                .map(|(name, own)| ((*name).to_owned(), own.clone()))
                .collect(),
            start: Start::Earliest,
            ..Settings::from(&Config::default())
        };
        Ingestor::new(settings, lake, self.client.clone())
            .run(self.runtime.handle(), drained(), &Shutdown::new(), &Silent)
            .expect("runs");
    }

    /// All rows of a topic's table, by offset, as another reader has them. Nulls are left out.
    pub(crate) fn rows(&self, topic: &str) -> Vec<Value> {
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/outside/bronze_rows.py");
        let output = Command::new(&self.python)
            .arg(script)
            .arg(self.folder.path().join(bronze::path(topic)))
            .arg(self.folder.path())
            .output()
            .expect("runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).expect("text");
        text.lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }

    /// The bytes of a value that the other reader has shown.
    pub(crate) fn bytes(shown: &Value) -> Vec<u8> {
        if let Some(file) = shown["file"].as_str() {
            return std::fs::read(file).expect("written by the script");
        }
        let digits = shown.as_str().expect("hexadecimal digits").as_bytes();
        let digit = |index: usize| char::from(digits[index]).to_digit(16).expect("a digit") as u8;
        (0..digits.len())
            .step_by(2)
            .map(|index| digit(index) * 16 + digit(index + 1))
            .collect()
    }
}
