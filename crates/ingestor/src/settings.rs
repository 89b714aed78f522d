//! What the ingestor must know, and how it comes out of the configuration file.

use std::collections::BTreeMap;
use std::time::Duration;

use goldrecord_service::Config;
use goldrecord_service::config::{self, Format, Gaps, OnOutOfRange, Start};
use goldrecord_service::kafka::{self, Access};

use crate::error::{Error, Result};

/// Everything the ingestor must know.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `host:port`, several separated by commas.
    pub bootstrap_servers: String,
    /// The consumer group that partitions are shared in and lag is shown under.
    pub group: String,
    /// The topics to read, each with its own rules.
    pub topics: BTreeMap<String, TopicSettings>,
    /// Where a partition that the table has never seen begins.
    pub start: Start,
    /// What to do when records were deleted before they were read.
    pub on_out_of_range: OnOutOfRange,
    /// When a topic's records are committed.
    pub flush: FlushPolicy,
    /// What buffers, librdkafka's included, may hold together, in bytes. Past it partitions are paused.
    pub memory: usize,
    /// How the brokers let it in.
    pub access: Access,
    /// Further librdkafka settings, such as those of the group's membership.
    pub kafka: BTreeMap<String, String>,
}

/// The rules of one topic.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicSettings {
    /// How its records are encoded.
    pub format: Format,
    /// Where its events' time stands.
    pub event_time: EventTime,
    /// Whether offsets without a record are worth an alarm.
    pub gaps: Gaps,
    /// The events' times accepted, in µs since 1970.
    pub earliest_event: i64,
    /// How far ahead of this machine's clock an event's time may be.
    pub ahead: Duration,
}

/// Where an event's time stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventTime {
    /// In this field: a timestamp, or a number of milliseconds since 1970.
    Field(String),
    /// It is the record's own timestamp.
    Kafka,
}

/// When a topic's records are committed: at whichever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlushPolicy {
    /// The oldest record has waited so long.
    pub interval: Duration,
    /// There are so many records.
    pub rows: u64,
    /// They were so many bytes in Kafka.
    pub bytes: u64,
}

/// 2000-01-01 in µs since 1970.
const YEAR_2000: i64 = 946_684_800_000_000;

impl Default for TopicSettings {
    fn default() -> Self {
        Self {
            format: Format::Avro,
            event_time: EventTime::Field("ts".into()),
            gaps: Gaps::Alarm,
            earliest_event: YEAR_2000,
            ahead: Duration::from_hours(24),
        }
    }
}

impl From<&Config> for Settings {
    /// What the file says; without [`Settings::access`], which needs the credentials too.
    fn from(config: &Config) -> Self {
        let ingestor: &config::Ingestor = &config.ingestor;
        let topics = ingestor.topics.iter().map(|name| {
            let own = ingestor.topic.get(name);
            let defaults = TopicSettings::default();
            let settings = TopicSettings {
                format: own.and_then(|own| own.format).unwrap_or(ingestor.format),
                event_time: match own.and_then(|own| own.event_time.as_deref()) {
                    Some("kafka") => EventTime::Kafka,
                    Some(field) => EventTime::Field(field.to_owned()),
                    None => defaults.event_time.clone(),
                },
                gaps: own.and_then(|own| own.gaps).unwrap_or(defaults.gaps),
                ..defaults
            };
            (name.clone(), settings)
        });
        Self {
            bootstrap_servers: config.kafka.bootstrap_servers.clone(),
            group: config.kafka.group.clone(),
            topics: topics.collect(),
            start: ingestor.start,
            on_out_of_range: ingestor.on_out_of_range,
            flush: FlushPolicy {
                interval: ingestor.flush_interval.0,
                rows: ingestor.flush_rows,
                bytes: ingestor.flush_bytes.0,
            },
            memory: ingestor.memory.0 as usize,
            access: Access::default(),
            kafka: kafka::membership(&config.kafka),
        }
    }
}

/// The least memory that lets the parts work side by side.
const LEAST_MEMORY: usize = 16 << 20;

impl Settings {
    /// What the file says, and the credentials with it.
    pub fn load(config: &Config) -> goldrecord_service::Result<Self> {
        Ok(Self {
            access: Access::load(&config.kafka)?,
            ..Self::from(config)
        })
    }

    /// Refuses what cannot work.
    pub fn check(&self) -> Result<()> {
        let refuse = |key: &str, value: String, why: &str| {
            Err(Error::Setting {
                key: key.into(),
                value,
                why: why.into(),
            })
        };
        if self.topics.is_empty() {
            return refuse("ingestor.topics", "[]".into(), "name at least one topic");
        }
        let is_name = |topic: &&String| {
            let taken = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            !topic.is_empty() && topic.chars().all(taken)
        };
        if let Some(other) = self.topics.keys().find(|topic| !is_name(topic)) {
            return refuse(
                "ingestor.topics",
                format!("{other:?}"),
                "no topic has such a name: letters, digits, `.`, `_` and `-` make one; patterns are not read yet",
            );
        }
        if self.memory < LEAST_MEMORY {
            return refuse(
                "ingestor.memory",
                self.memory.to_string(),
                "16MiB is the least",
            );
        }
        if self.flush.rows == 0 || self.flush.bytes == 0 {
            return refuse(
                "ingestor.flush_rows, flush_bytes",
                "0".into(),
                "give a number greater than 0",
            );
        }
        Ok(())
    }

    /// librdkafka's share of the memory, in bytes: its queue of fetched records. One fetch may come on top.
    pub(crate) fn queue_bytes(&self) -> usize {
        (self.memory / 8).clamp(2 << 20, 32 << 20)
    }

    /// What one answer of a broker may hold, in bytes.
    pub(crate) fn fetch_bytes(&self) -> usize {
        (self.memory / 16).clamp(1 << 20, 16 << 20)
    }

    /// What is left for our own buffers.
    pub(crate) fn buffer_bytes(&self) -> usize {
        self.memory - self.queue_bytes() - self.fetch_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_takes_the_general_rule_unless_it_has_its_own() {
        let mut config = Config::default();
        config.ingestor.topics = vec!["a".into(), "b".into()];
        config.ingestor.format = Format::Json;
        config.ingestor.topic.insert(
            "b".into(),
            config::TopicOverride {
                format: Some(Format::Avro),
                event_time: Some("kafka".into()),
                gaps: Some(Gaps::Expected),
            },
        );
        let settings = Settings::from(&config);
        assert_eq!(settings.topics["a"].format, Format::Json);
        assert_eq!(
            settings.topics["a"].event_time,
            EventTime::Field("ts".into())
        );
        assert_eq!(settings.topics["b"].format, Format::Avro);
        assert_eq!(settings.topics["b"].event_time, EventTime::Kafka);
        assert_eq!(settings.topics["b"].gaps, Gaps::Expected);
        settings.check().expect("the defaults work");
    }

    #[test]
    fn what_no_topic_can_be_called_is_refused() {
        let mut config = Config::default();
        config.ingestor.topics = vec!["listens".into(), "^music\\..*".into()];
        let refused = Settings::from(&config).check().expect_err("refused");
        let said = refused.to_string();
        assert!(said.contains("ingestor.topics = \"^music"), "{said}");
        assert!(said.contains("patterns are not read yet"), "{said}");
    }
}
