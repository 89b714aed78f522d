//! The sections of the file, with their defaults.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::units::{Bytes, Span};

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The brokers.
    pub kafka: Kafka,
    /// The Schema Registry.
    pub registry: Registry,
    /// Where the Delta tables lie.
    pub lake: Lake,
    /// Kafka to bronze.
    pub ingestor: Ingestor,
    /// Bronze to silver and gold.
    pub layers: Layers,
    /// Gold to ClickHouse.
    pub clickhouse: ClickHouse,
    /// What keeps the lake in shape.
    pub maintenance: Maintenance,
    /// What `goldrecord bootstrap` makes.
    pub bootstrap: Bootstrap,
    /// What Prometheus scrapes.
    pub metrics: Metrics,
}

/// `[kafka]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kafka {
    /// `host:port`, several separated by commas.
    pub bootstrap_servers: String,
    /// The consumer group that shares the partitions and that lag is shown under.
    pub group: String,
    /// The name of this member of the group (`group.instance.id`), unique in it: a restart within the session
    /// timeout then moves no partition. Without it each start is a new member.
    pub instance: Option<String>,
    /// How long a member may be silent before its partitions go to others.
    pub session_timeout: Span,
    /// How the group shares out the partitions. All members must say the same: stop them all to change it.
    pub assignor: Assignor,
    /// Whether connections are encrypted. A client certificate is the credentials `kafka-certificate` and
    /// `kafka-key`, PEM both.
    pub tls: bool,
    /// The authorities that the brokers' certificates are checked against, PEM; without it the system's.
    pub ca_file: Option<PathBuf>,
    /// How the client says who it is.
    pub sasl: Sasl,
    /// The user of SASL. The password is the credential `kafka-password`.
    pub user: Option<String>,
}

/// How a group shares out partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Assignor {
    /// Evenly, and when members come or go only what must move is moved; the rest is read on.
    CooperativeSticky,
    /// Neighbouring partitions of each topic to one member; at every change all stop and start again.
    Range,
    /// One after the other round the members; at every change all stop and start again.
    #[serde(rename = "roundrobin")]
    RoundRobin,
}

/// How a Kafka client says who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sasl {
    /// It does not, or by its TLS certificate.
    #[serde(rename = "none")]
    None,
    /// User and password as they are: only sensible with TLS.
    #[serde(rename = "plain")]
    Plain,
    /// Salted challenge and response over SHA-256.
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    /// Salted challenge and response over SHA-512.
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
    /// Tickets of Kerberos: not supported yet, and refused by name.
    #[serde(rename = "kerberos", alias = "gssapi")]
    Kerberos,
}

/// `[registry]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Registry {
    /// The base of the Confluent API, with the path before `/subjects` if it has one; `https://` is over TLS.
    pub url: String,
    /// The user of HTTP basic authentication. The password is the credential `registry-password`.
    pub user: Option<String>,
    /// The authorities that the registry's certificate is checked against, PEM; without it the system's.
    pub ca_file: Option<PathBuf>,
}

impl Registry {
    /// The password of `user`: the credential `registry-password`, where there is a user.
    pub fn password(&self) -> crate::Result<Option<String>> {
        match self.user {
            Some(_) => super::credential("registry-password"),
            None => Ok(None),
        }
    }
}

/// `[lake]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lake {
    /// `hdfs://host:port/folder`, with a standby `hdfs://host:port,host:port/folder`, or `file:///folder`.
    pub url: String,
}

/// How a topic's records are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Avro with the Confluent framing (magic 0, schema id).
    Avro,
    /// JSON with the Confluent framing.
    Json,
    /// JSON without framing, read by the topic's latest registered schema.
    JsonUnframed,
}

/// Where a partition that the lake has never seen begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// At the oldest record that the broker still has.
    Earliest,
    /// After what is there when it is first seen.
    Latest,
}

/// What to do when the broker has deleted records before they were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnOutOfRange {
    /// Stop the partition and say so.
    Fail,
    /// Write the loss down as a gap in the table and go on.
    RecordGap,
}

/// Whether offsets without a record are worth an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gaps {
    /// Every gap is a row and an alarm.
    Alarm,
    /// Transaction markers and compaction are expected: one row lists a flush's ranges.
    Expected,
}

/// How the subjects of a topic's schemas are called: Confluent's strategies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// `<topic>-value`: one record type in a topic (`TopicNameStrategy`).
    Topic,
    /// `<record>`, its full name: any types, the same wherever they are sent (`RecordNameStrategy`).
    Record,
    /// `<topic>-<record>`: any types, each topic's of its own (`TopicRecordNameStrategy`).
    TopicRecord,
}

/// `[ingestor]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ingestor {
    /// The topics to read: names, and patterns. A pattern begins with `^` and is a regular expression, open at its
    /// end unless that is `$`; it finds the topics that are there and those that come. Kafka's own (`__…`) and
    /// `_schemas` are never found by one.
    pub topics: Vec<String>,
    /// How often the brokers are asked for new topics and partitions, and the registry for a new schema of a topic
    /// that is read by its latest one, or that is refused for it.
    pub refresh_interval: Span,
    /// How records are encoded where a topic does not say otherwise.
    pub format: Format,
    /// Where a topic that the lake has never seen begins. What is added later, a partition or a topic that was not
    /// there when the ingestor started, begins at its first record either way.
    pub start: Start,
    /// What to do when records were deleted before they were read.
    pub on_out_of_range: OnOutOfRange,
    /// A record waits at most this long before it is committed.
    pub flush_interval: Span,
    /// A topic is flushed when it holds this many records.
    pub flush_rows: u64,
    /// A topic is flushed when it holds this many bytes as they came from Kafka.
    pub flush_bytes: Bytes,
    /// What all buffers together may hold; past it partitions are paused. The process holds up to twice as much.
    pub memory: Bytes,
    /// What differs for single topics, as `[ingestor.topic.NAME]`, and for those that a pattern finds, as
    /// `[ingestor.topic.'^PATTERN']`. A key of the name goes before one of the pattern.
    pub topic: BTreeMap<String, TopicOverride>,
}

/// `[ingestor.topic.NAME]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TopicOverride {
    /// How its records are encoded.
    pub format: Option<Format>,
    /// The field that holds the event's time, or `kafka` for the record's own timestamp.
    pub event_time: Option<String>,
    /// Whether gaps are worth an alarm.
    pub gaps: Option<Gaps>,
    /// How its schemas' subjects are called.
    pub subject: Option<Subject>,
    /// The full name of a record, where subjects are called by it: its latest schema makes the first columns, and
    /// is the one that unframed records are read by.
    pub record: Option<String>,
}

/// `[layers]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Layers {
    /// The folder of the dbt project.
    pub project: PathBuf,
    /// The dbt target whose builds readers see; builds of other targets are never published.
    pub target: String,
    /// How many models are built side by side; 0 is one for each core.
    pub threads: usize,
    /// What a build may hold in memory: its queries share it, and what does not fit is spilled to disk.
    pub memory: Bytes,
    /// Where queries spill; without it `$TMPDIR`, else `/var/tmp`. It should be a disk, and no file system in memory.
    pub spill_dir: Option<PathBuf>,
    /// How much of that disk a build may take.
    pub spill_limit: Bytes,
    /// `watch` asks the sources for new commits this often.
    pub watch_poll: Span,
    /// `watch` waits this long after a commit for others, so that one build takes them all.
    pub watch_settle: Span,
    /// `watch` begins builds at least this far apart.
    pub watch_interval: Span,
    /// After a build that failed, `watch` begins the next one no sooner than this, and twice as late each further time,
    /// up to half an hour.
    pub watch_retry: Span,
}

/// `[clickhouse]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClickHouse {
    /// `http://host:port`; without it nothing is loaded.
    pub url: Option<String>,
    /// The database that readers see.
    pub database: String,
    /// The user that loads. The password is the credential `clickhouse-password`.
    pub user: String,
    /// How many releases are kept for a rollback.
    pub keep_releases: u32,
}

/// `[maintenance]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Maintenance {
    /// Time between two rounds over the tables.
    pub interval: Span,
    /// Files smaller than half of this are compacted towards it.
    pub target_file_size: Bytes,
    /// Younger files are left alone: their neighbours may still come.
    pub compact_after: Span,
    /// How long removed files and old versions stay readable.
    pub keep: Span,
    /// After how long the events of a table's days are removed, by table, such as `bronze/listen_events`.
    /// Without an entry they stay for ever.
    pub retention: BTreeMap<String, Span>,
}

/// `[bootstrap]`: how `goldrecord bootstrap` makes a topic that is missing. One that is there is left as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bootstrap {
    /// Partitions of a topic: at most so many ingestors work side by side on it.
    pub partitions: u16,
    /// On how many brokers each partition lies. With three or more a record is acknowledged once all but one have it.
    pub replication: u16,
    /// How long Kafka keeps records; it must outlast the longest time that no ingestor runs.
    pub retention: Span,
}

/// `[metrics]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// `host:port` where `/metrics` is served; without it nothing is.
    pub listen: Option<String>,
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            bootstrap_servers: "localhost:9092".into(),
            group: "goldrecord".into(),
            instance: None,
            session_timeout: Span(Duration::from_secs(45)),
            assignor: Assignor::CooperativeSticky,
            tls: false,
            ca_file: None,
            sasl: Sasl::None,
            user: None,
        }
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            url: "http://localhost:8081".into(),
            user: None,
            ca_file: None,
        }
    }
}

impl Default for Lake {
    fn default() -> Self {
        Self {
            url: "file:///var/lib/goldrecord/lake".into(),
        }
    }
}

impl Default for Ingestor {
    fn default() -> Self {
        Self {
            topics: [
                "listen_events",
                "page_view_events",
                "auth_events",
                "status_change_events",
            ]
            .map(String::from)
            .to_vec(),
            refresh_interval: Span(Duration::from_secs(30)),
            format: Format::Avro,
            start: Start::Earliest,
            on_out_of_range: OnOutOfRange::Fail,
            flush_interval: Span(Duration::from_secs(10)),
            flush_rows: 1_000_000,
            flush_bytes: Bytes(64 << 20),
            memory: Bytes(256 << 20),
            topic: BTreeMap::new(),
        }
    }
}

impl Default for Layers {
    fn default() -> Self {
        Self {
            project: "warehouse".into(),
            target: "prod".into(),
            threads: 0,
            memory: Bytes(2 << 30),
            spill_dir: None,
            spill_limit: Bytes(100 << 30),
            watch_poll: Span(Duration::from_secs(1)),
            watch_settle: Span(Duration::from_secs(1)),
            watch_interval: Span(Duration::from_secs(10)),
            watch_retry: Span(Duration::from_secs(30)),
        }
    }
}

impl Default for Maintenance {
    fn default() -> Self {
        Self {
            interval: Span(Duration::from_mins(10)),
            target_file_size: Bytes(128 << 20),
            compact_after: Span(Duration::from_mins(10)),
            keep: Span(Duration::from_hours(7 * 24)),
            retention: BTreeMap::new(),
        }
    }
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            partitions: 8,
            replication: 1,
            retention: Span(Duration::from_hours(7 * 24)),
        }
    }
}

impl Default for ClickHouse {
    fn default() -> Self {
        Self {
            url: None,
            database: "gold".into(),
            user: "default".into(),
            keep_releases: 3,
        }
    }
}
