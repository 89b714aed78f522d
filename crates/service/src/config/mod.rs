//! `goldrecord.toml`: one file for every binary, one struct for the file.
//!
//! A key comes from, in rising order: its default here, the file, and the environment
//! (`GOLDRECORD_KAFKA__BOOTSTRAP_SERVERS` is `[kafka] bootstrap_servers`). A key that no section
//! has is refused with the nearest known one. Secrets never stand in the file: they are read from
//! files under `$CREDENTIALS_DIRECTORY` by [`credential`].

mod units;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::Figment;
use figment::error::Kind;
use figment::providers::{Env, Format as _, Toml};
use serde::{Deserialize, Serialize};

pub use units::{Bytes, Span};

use crate::{Error, Result};

/// Where the file lies when `--config` does not say.
pub const DEFAULT_PATH: &str = "/etc/goldrecord/goldrecord.toml";

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
}

/// `[kafka]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kafka {
    /// `host:port`, several separated by commas.
    pub bootstrap_servers: String,
    /// The consumer group that shares the partitions and that lag is shown under.
    pub group: String,
}

/// `[registry]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Registry {
    /// The base of the Confluent API, with the path before `/subjects` if it has one.
    pub url: String,
}

/// `[lake]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lake {
    /// `hdfs://host:port/folder` or `file:///folder`.
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
    /// At the next record to arrive.
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

/// `[ingestor]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ingestor {
    /// The topics to read.
    pub topics: Vec<String>,
    /// How records are encoded where a topic does not say otherwise.
    pub format: Format,
    /// Where a partition that the lake has never seen begins.
    pub start: Start,
    /// What to do when records were deleted before they were read.
    pub on_out_of_range: OnOutOfRange,
    /// A record waits at most this long before it is committed.
    pub flush_interval: Span,
    /// A topic is flushed when it holds this many records.
    pub flush_rows: u64,
    /// A topic is flushed when it holds this many bytes as they came from Kafka.
    pub flush_bytes: Bytes,
    /// What all buffers together may hold; past it partitions are paused.
    pub memory: Bytes,
    /// What differs for single topics, as `[ingestor.topic.NAME]`.
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
    /// What a build may hold in memory before it spills to disk.
    pub memory: Bytes,
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

impl Default for Kafka {
    fn default() -> Self {
        Self {
            bootstrap_servers: "localhost:9092".into(),
            group: "goldrecord".into(),
        }
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            url: "http://localhost:8081".into(),
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

impl Config {
    /// Read the file named, or [`DEFAULT_PATH`] if it is there, then the environment.
    pub fn load(path: Option<&Path>) -> Result<Self> {
        let file = match path {
            Some(path) if path.is_file() => Some(path.to_owned()),
            Some(path) => return Err(Error::ConfigMissing(path.to_owned())),
            None => Some(PathBuf::from(DEFAULT_PATH)).filter(|path| path.is_file()),
        };
        let mut figment = Figment::new();
        if let Some(file) = file {
            figment = figment.merge(Toml::file_exact(file));
        }
        // GOLDRECORD_LOG sets the log level (`crate::logs`), every other name has a section.
        let environment = Env::prefixed("GOLDRECORD_").filter(|key| key.as_str().contains("__"));
        Self::extract(&figment.merge(environment.split("__")))
    }

    fn extract(figment: &Figment) -> Result<Self> {
        figment.extract().map_err(|error| {
            let place = error.metadata.as_ref().map_or_else(
                || "the configuration".to_owned(),
                |metadata| match &metadata.source {
                    Some(source) => source.to_string(),
                    None => metadata.name.to_string(),
                },
            );
            match &error.kind {
                Kind::UnknownField(field, known) => {
                    // The path of the error leads to the section, and some sources add the key.
                    let section: Vec<&str> = error
                        .path
                        .iter()
                        .map(String::as_str)
                        .filter(|part| part != field)
                        .collect();
                    let qualified = |key: &str| {
                        section
                            .iter()
                            .copied()
                            .chain([key])
                            .collect::<Vec<_>>()
                            .join(".")
                    };
                    Error::UnknownKey {
                        key: qualified(field),
                        place,
                        nearest: nearest(field, known).map(qualified),
                    }
                }
                _ => Error::ConfigInvalid(format!("{error} (in {place})")),
            }
        })
    }
}

/// The secret that systemd passed as `name`: the text of `$CREDENTIALS_DIRECTORY/name` without its
/// last line break, or nothing when there is no such credential.
pub fn credential(name: &str) -> Result<Option<String>> {
    let Some(directory) = std::env::var_os("CREDENTIALS_DIRECTORY") else {
        return Ok(None);
    };
    let path = Path::new(&directory).join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::Credential {
            path,
            source: error,
        }),
    }
}

/// The known name that is spelled most like `name`, if any is near enough to be meant.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), *candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(toml: &str) -> Result<Config> {
        Config::extract(&Figment::new().merge(Toml::string(toml)))
    }

    #[test]
    fn an_empty_file_is_the_defaults() {
        assert_eq!(parse("").expect("valid"), Config::default());
    }

    #[test]
    fn every_section_is_read() {
        let config = parse(
            r#"
            [kafka]
            bootstrap_servers = "a:1,b:2"
            [ingestor]
            flush_interval = "250ms"
            flush_bytes = "8MiB"
            on_out_of_range = "record_gap"
            [ingestor.topic.listen_events]
            format = "json-unframed"
            event_time = "kafka"
            [clickhouse]
            url = "http://c:8123"
            "#,
        )
        .expect("valid");
        assert_eq!(config.kafka.bootstrap_servers, "a:1,b:2");
        assert_eq!(config.ingestor.flush_interval.0, Duration::from_millis(250));
        assert_eq!(config.ingestor.flush_bytes, Bytes(8 << 20));
        assert_eq!(config.ingestor.on_out_of_range, OnOutOfRange::RecordGap);
        let listen = &config.ingestor.topic["listen_events"];
        assert_eq!(listen.format, Some(Format::JsonUnframed));
        assert_eq!(config.clickhouse.url.as_deref(), Some("http://c:8123"));
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_one() {
        let message = parse("[kafka]\nbootstrap_server = \"a:1\"")
            .expect_err("refused")
            .to_string();
        assert!(
            message.contains("unknown key `kafka.bootstrap_server`"),
            "{message}"
        );
        assert!(
            message.contains("did you mean `kafka.bootstrap_servers`?"),
            "{message}"
        );
        let message = parse("[kafak]\ngroup = \"g\"")
            .expect_err("refused")
            .to_string();
        assert!(message.contains("did you mean `kafka`?"), "{message}");
    }

    #[test]
    fn a_value_of_another_type_is_refused_with_what_is_expected() {
        let message = parse("[ingestor]\nflush_interval = 10")
            .expect_err("refused")
            .to_string();
        assert!(message.contains("flush_interval"), "{message}");
        assert!(message.contains("a duration such as"), "{message}");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let missing = Path::new("/nonexistent/goldrecord.toml");
        let message = Config::load(Some(missing))
            .expect_err("refused")
            .to_string();
        assert!(
            message.contains("/nonexistent/goldrecord.toml"),
            "{message}"
        );
    }
}
