//! Bad records and offsets in an operator's hands, on the real Kafka.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use goldrecord_ingestor::{Ingestor, Settings, Silent, Until};
use goldrecord_lake::Lake;
use goldrecord_registry::embedded::Embedded;
use goldrecord_registry::{Client, SchemaType, framing};
use goldrecord_service::{Config, Shutdown};
use goldrecord_testkit::{Kafka, require};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::world::{Ran, goldrecord, text};

const SCHEMA: &str = r#"{"type":"record","name":"Event","fields":[
    {"name":"ts","type":{"type":"long","logicalType":"timestamp-millis"}}]}"#;
const LATER: &str = r#"{"type":"record","name":"Event","fields":[
    {"name":"ts","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"more","type":"boolean","default":false}]}"#;
const TOPIC: &str = "operator";

/// A topic of one partition, a registry, a lake, and the configuration that names them.
struct Place {
    runtime: Runtime,
    servers: String,
    _registry: Embedded,
    client: Client,
    dir: TempDir,
    file: PathBuf,
    admin: AdminClient<DefaultClientContext>,
    /// When the first record is produced, in ms since 1970.
    began: i64,
}

impl Place {
    fn new(kafka: &Kafka) -> Self {
        let runtime = Runtime::new().unwrap();
        let registry = runtime.block_on(Embedded::start(None)).unwrap();
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("goldrecord.toml");
        let servers = kafka.bootstrap_servers();
        let lines = format!(
            "[kafka]\nbootstrap_servers = {servers:?}\ngroup = {TOPIC:?}\n[registry]\nurl = {:?}\n\
             [lake]\nurl = {:?}\n[ingestor]\ntopics = [{TOPIC:?}]\nflush_interval = \"100ms\"\n",
            registry.url(),
            text(&dir.path().join("lake"))
        );
        fs::write(&file, lines).unwrap();
        let admin = ClientConfig::new()
            .set("bootstrap.servers", &servers)
            .create()
            .unwrap();
        let place = Self {
            client: Client::new(&registry.url()).unwrap(),
            runtime,
            servers,
            _registry: registry,
            dir,
            file,
            admin,
            began: chrono::Utc::now().timestamp_millis() - 3_600_000,
        };
        place.make_topic();
        place
    }

    fn make_topic(&self) {
        let topic = NewTopic::new(TOPIC, 1, TopicReplication::Fixed(1));
        let made = || {
            let topics = self.admin.create_topics([&topic], &AdminOptions::new());
            self.runtime.block_on(topics).unwrap()[0].is_ok()
        };
        // A topic that is being deleted still has its name.
        let deadline = std::time::Instant::now() + Duration::from_mins(1);
        while !made() {
            assert!(std::time::Instant::now() < deadline, "the topic is made");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn register(&self, schema: &str) -> u32 {
        let subject = format!("{TOPIC}-value");
        let registered = self.client.register(&subject, SchemaType::Avro, schema);
        self.runtime.block_on(registered).unwrap()
    }

    /// Sends values, a second of their timestamps apart.
    fn send(&self, values: &[Vec<u8>]) {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &self.servers)
            .create()
            .unwrap();
        for (value, second) in values.iter().zip(0..) {
            let header = Header {
                key: "trace",
                value: Some(&b"\x01\x02"[..]),
            };
            let record = BaseRecord::<[u8], [u8]>::to(TOPIC)
                .partition(0)
                .key(b"somebody")
                .payload(value)
                .timestamp(self.began + second * 1000)
                .headers(OwnedHeaders::new().insert(header));
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(Duration::from_secs(30)).unwrap();
    }

    fn ingest(&self) {
        let config = Config::load(Some(&self.file)).unwrap();
        let lake = Lake::open(&config.lake.url).unwrap();
        let settings = Settings::load(&config).unwrap();
        let drained = Until::Drained(std::sync::Arc::new(|| true));
        Ingestor::new(settings, lake, self.client.clone())
            .run(self.runtime.handle(), drained, &Shutdown::new(), &Silent)
            .unwrap();
    }

    fn goldrecord(&self, args: &[&str]) -> Ran {
        goldrecord(&[&["--config", text(&self.file)], args].concat())
    }

    fn json(&self, args: &[&str]) -> Value {
        let out = self.goldrecord(&[args, &["--json"]].concat()).ok();
        serde_json::from_str(&out).unwrap()
    }

    /// Epoch, next offset and lag of every line of `offsets show`.
    fn offsets(&self) -> Vec<(i64, i64, Option<i64>)> {
        let shown = self.json(&["offsets", "show"]);
        let number = |line: &Value, name: &str| line[name].as_i64();
        let lines = shown["partitions"].as_array().unwrap().iter();
        lines
            .map(|line| {
                let epoch = number(line, "epoch").unwrap();
                (epoch, number(line, "next").unwrap(), number(line, "lag"))
            })
            .collect()
    }

    /// The balance of bronze, by the command that proves it.
    fn verified(&self) {
        let ran = self.goldrecord(&["verify", "--json"]);
        let verdict: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
        let checks = verdict["checks"].as_array().unwrap();
        let balances: Vec<&Value> = checks
            .iter()
            .filter(|check| check["name"].as_str().unwrap().starts_with("balance of"))
            .collect();
        assert!(!balances.is_empty(), "{verdict}");
        assert!(
            balances.iter().all(|check| check["holds"] == true),
            "{verdict}"
        );
    }
}

fn framed(id: u32, payload: &[u8]) -> Vec<u8> {
    let mut value = Vec::new();
    framing::write_header(id, &mut value);
    value.extend_from_slice(payload);
    value
}

/// 1,000,000,000,000 ms since 1970, in Avro.
const TS: [u8; 6] = [0x80, 0xc0, 0xa8, 0xca, 0x9a, 0x3a];

#[test]
fn bad_records_are_listed_shown_exported_and_replayed_and_offsets_moved() {
    let Some(kafka) = require(Kafka::shared()) else {
        return;
    };
    let place = Place::new(kafka);
    let id = place.register(SCHEMA);
    let (good, cut) = (framed(id, &TS), framed(id, &TS[..2]));
    let unknown = framed(id + 1, &[&TS[..], &[1]].concat());
    let values = [&good, &unknown, &good, &cut, &good, &unknown, &good, &good].map(Clone::clone);
    place.send(&values);
    place.ingest();
    assert_eq!(place.offsets(), [(0, 8, Some(0))]);
    place.verified();

    let list = place.json(&["quarantine", "list"]);
    let counts: Vec<_> = list["counts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|count| {
            (
                count["reason"].as_str().unwrap(),
                count["records"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(counts, [("truncated", 1), ("unknown_schema", 2)]);
    assert_eq!(list["records"][0]["offset"], 5, "the newest first");
    let list = place
        .goldrecord(&["quarantine", "list", "--reason", "truncated"])
        .ok();
    assert!(
        list.contains("0/3") && !list.contains("unknown_schema"),
        "{list}"
    );
    let misused = place.goldrecord(&["quarantine", "list", "--reason", "broken"]);
    assert_eq!(misused.code, Some(2));
    assert!(
        misused.err.contains("the reasons are null_value"),
        "{misused:?}"
    );
    place
        .goldrecord(&["quarantine", "list", "--topic", "other"])
        .refused(&["no table of a topic `other`", TOPIC]);
    let shown = place.goldrecord(&["quarantine", "show", TOPIC, "0/3"]).ok();
    for part in [
        "truncated",
        "header    trace: 2 bytes",
        "|somebody|",
        "80 c0",
    ] {
        assert!(shown.contains(part), "no `{part}` in:\n{shown}");
    }
    place
        .goldrecord(&["quarantine", "show", TOPIC, "0/4"])
        .refused(&["is not bad"]);
    let file = place.dir.path().join("bad.ndjson");
    place
        .goldrecord(&["quarantine", "export", "--output", text(&file)])
        .ok();
    let lines = fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3);
    let line = lines.iter().find(|line| line["offset"] == 3).unwrap();
    let shown = place.json(&["quarantine", "show", TOPIC, "0/3"]);
    assert_eq!(shown, Value::from(vec![line.clone()]), "the same record");
    assert_eq!(line["key"], "c29tZWJvZHk=");
    assert_eq!(line["headers"], serde_json::json!([["trace", "AQI="]]));
    assert_eq!(line["timestamp"], place.began + 3000);

    let dry = place
        .goldrecord(&["quarantine", "replay", "--dry-run"])
        .ok();
    assert!(
        dry.contains("0 of 3 bad records would become events"),
        "{dry}"
    );
    assert_eq!(place.register(LATER), id + 1);
    let done = place.json(&["quarantine", "replay"]);
    assert_eq!(done[TOPIC]["mended"], 2);
    assert_eq!(done[TOPIC]["still_bad"]["truncated"], 1);
    let again = place.goldrecord(&["quarantine", "replay"]).ok();
    assert!(
        again.contains("0 of 1 bad records are events now"),
        "{again}"
    );
    place.verified();

    offsets_go_back(&place);
    a_topic_made_anew_is_accepted(&place, &good);
}

fn offsets_go_back(place: &Place) {
    let partition = format!("{TOPIC}/0");
    let at = chrono::DateTime::from_timestamp_millis(place.began + 3000)
        .unwrap()
        .to_rfc3339();
    let by_time = ["offsets", "rewind", &partition, "--to-time", &at];
    let dry = place
        .goldrecord(&[&by_time[..], &["--dry-run"]].concat())
        .ok();
    assert!(dry.contains("would go back from 8 to 3"), "{dry}");
    assert_eq!(place.offsets(), [(0, 8, Some(0))]);
    let done = place.json(&by_time);
    assert_eq!(
        (&done["to"], &done["good"], &done["bad"]),
        (&3.into(), &4.into(), &1.into())
    );
    assert_eq!(place.offsets(), [(0, 3, Some(5))]);
    place.verified();
    place.ingest();
    assert_eq!(place.offsets(), [(0, 8, Some(0))]);
    place.verified();

    let mut deleted = TopicPartitionList::new();
    deleted
        .add_partition_offset(TOPIC, 0, Offset::Offset(2))
        .unwrap();
    let deleting = place.admin.delete_records(&deleted, &AdminOptions::new());
    place.runtime.block_on(deleting).unwrap();
    let to_1 = ["offsets", "rewind", &partition, "--to", "1"];
    place
        .goldrecord(&to_1)
        .refused(&["Kafka has deleted 1 of the records", "--accept-loss"]);
    let lossy = [&to_1[..], &["--accept-loss", "--dry-run"]].concat();
    let dry = place.goldrecord(&lossy).ok();
    assert!(dry.contains("1 records are deleted in Kafka"), "{dry}");
    let misused = place.goldrecord(&["offsets", "rewind", &partition]);
    assert_eq!(misused.code, Some(2), "{misused:?}");
}

fn a_topic_made_anew_is_accepted(place: &Place, good: &[u8]) {
    let partition = format!("{TOPIC}/0");
    let accept = ["offsets", "accept", &partition];
    place
        .goldrecord(&accept)
        .refused(&["nothing says that it is another log"]);
    let deleting = place.admin.delete_topics(&[TOPIC], &AdminOptions::new());
    place.runtime.block_on(deleting).unwrap();
    place.make_topic();
    place.send(&[good.to_vec(), good.to_vec()]);
    let dry = place
        .goldrecord(&[&accept[..], &["--dry-run"]].concat())
        .ok();
    assert!(
        dry.contains("epoch 1 would begin, at offset 0 of 2"),
        "{dry}"
    );
    let done = place.json(&accept);
    assert_eq!(
        (&done["ended"], &done["ended_at"], &done["epoch"]),
        (&0.into(), &8.into(), &1.into())
    );
    place
        .goldrecord(&accept)
        .refused(&["nothing says that it is another log"]);
    place.ingest();
    assert_eq!(place.offsets(), [(0, 8, None), (1, 2, Some(0))]);
    place.verified();
}
