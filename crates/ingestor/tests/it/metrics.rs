//! A real Prometheus scrapes an ingestor between a real Kafka and HDFS, proves its balance and judges its alerts.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use goldrecord_ingestor::{FlushPolicy, Ingestor, Metrics, Settings, Silent, TopicSettings, Until};
use goldrecord_lake::Lake;
use goldrecord_registry::embedded::Embedded;
use goldrecord_registry::{Client, SchemaType};
use goldrecord_service::config::Gaps;
use goldrecord_service::metrics::{Registry, serve};
use goldrecord_service::{Config, Shutdown};
use goldrecord_testkit::{Hdfs, Kafka, Prometheus, fetch, require};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tokio::runtime::Runtime;

use crate::documents::alerts;
use crate::world::{SMALL, StopAtEnd, framed, small, without_failpoints};

const PARTITIONS: i32 = 2;
/// The balance, as docs/metrics.md writes it.
const UNBALANCED: &str = r#"
      sum without (term) (goldrecord_ingestor_balance_offsets{term="next"})
    - sum without (term) (goldrecord_ingestor_balance_offsets{term!="next"})"#;

/// A topic on a real Kafka, written in transactions: each leaves a marker in the log, an offset without a record.
struct Source {
    topic: String,
    producer: BaseProducer,
    schema: u32,
}

impl Source {
    fn new(kafka: &Kafka, runtime: &Runtime, registry: &Client) -> Self {
        let topic = format!("metrics_{}", std::process::id());
        let subject = format!("{topic}-value");
        let schema = registry.register(&subject, SchemaType::Avro, SMALL);
        let schema = runtime.block_on(schema).expect("registered");
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", kafka.bootstrap_servers());
        let admin: AdminClient<DefaultClientContext> = config.create().expect("an admin");
        let wanted = NewTopic::new(&topic, PARTITIONS, TopicReplication::Fixed(1));
        runtime
            .block_on(admin.create_topics([&wanted], &AdminOptions::new()))
            .expect("made");
        let producer: BaseProducer = config
            .set("transactional.id", &topic)
            .create()
            .expect("a producer");
        producer
            .init_transactions(Duration::from_secs(30))
            .expect("a coordinator");
        Self {
            topic,
            producer,
            schema,
        }
    }

    /// One transaction of good and bad records.
    fn send(&self, good: i64, bad: i64) {
        let now = chrono::Utc::now().timestamp_millis();
        self.producer.begin_transaction().expect("begun");
        for number in 0..good + bad {
            let mut value = framed(self.schema, &small(now, Some(number), "text"));
            if number >= good {
                value.truncate(7);
            }
            let record = BaseRecord::<[u8], [u8]>::to(&self.topic)
                .partition(number as i32 % PARTITIONS)
                .payload(value.as_slice());
            self.producer.send(record).expect("there is room");
        }
        self.producer
            .commit_transaction(Duration::from_secs(30))
            .expect("committed");
    }
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one story from the first record to the alert"
)]
fn prometheus_proves_the_balance_of_a_running_ingestor() {
    let (Some(kafka), Some(hdfs), Some(prometheus), Some(promtool)) = (
        require(Kafka::shared()),
        require(Hdfs::shared()),
        require(Prometheus::start()),
        require(fetch::promtool()),
    ) else {
        return;
    };
    let _guard = without_failpoints();
    let runtime = Runtime::new().expect("a runtime");
    let embedded = runtime.block_on(Embedded::start(None)).expect("a registry");
    let client = Client::new(&embedded.url()).expect("a client");
    let source = Source::new(kafka, &runtime, &client);
    source.send(1_000, 0);

    let scraped = Arc::new(Registry::new("ingestor"));
    let metrics = Metrics::register(&scraped);
    let address = runtime
        .block_on(serve("127.0.0.1:0", Arc::clone(&scraped)))
        .expect("served");
    prometheus
        .scrape("goldrecord-ingestor", &[&address.to_string()])
        .expect("a job");
    prometheus
        .load_rules("goldrecord", &alerts())
        .expect("rules");
    let value = |query: &str| {
        prometheus
            .query(query)
            .expect("an answer")
            .first()
            .map(|sample| sample.value)
    };
    let eventually = |query: &str, wanted: f64| {
        let begun = Instant::now();
        while value(query) != Some(wanted) {
            let now = value(query);
            assert!(
                begun.elapsed() < Duration::from_mins(1),
                "{query} is {now:?}, not {wanted}, in\n{}",
                scraped.render()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    };

    let shutdown = Shutdown::new();
    let own = TopicSettings {
        gaps: Gaps::Expected,
        ..TopicSettings::default()
    };
    let settings = Settings {
        bootstrap_servers: kafka.bootstrap_servers(),
        group: source.topic.clone(),
        topics: [(source.topic.clone(), own)].into(),
        flush: FlushPolicy {
            interval: Duration::from_millis(300),
            rows: 1_000_000,
            bytes: 64 << 20,
        },
        ..Settings::from(&Config::default())
    };
    let lake = Lake::open(&format!("{}/{}", hdfs.url(), source.topic)).expect("a lake");
    std::thread::scope(|scope| {
        let ingestor = Ingestor::new(settings, lake, client.clone()).with_metrics(metrics);
        let running =
            scope.spawn(|| ingestor.run(runtime.handle(), Until::Shutdown, &shutdown, &Silent));
        let stop = StopAtEnd(&shutdown);
        let committed = |kind: &str| {
            format!("sum(goldrecord_ingestor_committed_records_total{{kind=\"{kind}\"}})")
        };
        eventually(&committed("good"), 1_000.0);
        eventually(&committed("bad"), 0.0);
        source.send(500, 6);
        source.send(2, 0);
        eventually(&committed("good"), 1_502.0);
        eventually(&committed("bad"), 6.0);
        // Two markers lie between the three transactions in each partition; the last one is at the end.
        eventually(&committed("gap"), 4.0);

        let balance = prometheus.query(UNBALANCED).expect("an answer");
        assert_eq!(balance.len(), PARTITIONS as usize, "{balance:?}");
        for partition in &balance {
            assert_eq!(partition.value.to_bits(), 0_f64.to_bits(), "{partition:?}");
        }
        eventually(
            "sum(goldrecord_ingestor_balance_offsets{term=\"next\"})",
            1_512.0,
        );
        // The markers at the end are no record, but Kafka counts them.
        eventually("sum(goldrecord_ingestor_lag_records)", 2.0);
        eventually(
            "goldrecord_ingestor_assigned_partitions",
            f64::from(PARTITIONS),
        );
        eventually(
            "count(ALERTS{alertname=\"IngestorBadRecords\", alertstate=\"firing\", reason=\"truncated\"})",
            1.0,
        );
        assert_eq!(value("ALERTS{alertname!=\"IngestorBadRecords\"}"), None);
        for query in [
            "sum(goldrecord_ingestor_commit_delay_seconds_count)",
            "sum(goldrecord_ingestor_lateness_seconds_count)",
            "goldrecord_ingestor_received_records_total - 6",
        ] {
            eventually(query, 1_502.0);
        }
        let age = value("time() - goldrecord_ingestor_newest_event_timestamp_seconds");
        assert!(
            age.is_some_and(|age| (-1.0..60.0).contains(&age)),
            "{age:?}"
        );
        for histogram in ["decode", "encode", "write", "commit", "file_size"] {
            let unit = if histogram == "file_size" {
                "bytes"
            } else {
                "seconds"
            };
            let count = value(&format!("goldrecord_ingestor_{histogram}_{unit}_count"));
            assert!(
                count.is_some_and(|count| count > 0.0),
                "{histogram}: {count:?}"
            );
        }
        check(&promtool, &["check", "metrics"], &scraped.render());
        check(&promtool, &["check", "rules"], &alerts());

        drop(stop);
        running.join().expect("no panic").expect("runs");
    });
}

/// Has promtool check a text, and find nothing.
fn check(promtool: &std::path::Path, arguments: &[&str], text: &str) {
    let mut child = Command::new(promtool)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(text.as_bytes())
        .expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(
        output.status.success(),
        "promtool {arguments:?}: {output:?}\n{text}"
    );
}

#[test]
fn a_port_that_is_taken_ends_the_ingestor_at_its_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let listen = taken.local_addr().expect("bound").to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("goldrecord.toml");
    let lake = folder.path().join("lake");
    std::fs::write(
        &file,
        format!(
            "[metrics]\nlisten = \"{listen}\"\n[lake]\nurl = \"file://{}\"\n",
            lake.display()
        ),
    )
    .expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_goldrecord-ingestor"))
        .arg("--config")
        .arg(&file)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains(&listen) && said.contains("[metrics] listen"),
        "{said}"
    );
}
