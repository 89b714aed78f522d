//! What the ingestor must know, and how it comes out of the configuration file.

use std::collections::BTreeMap;
use std::time::Duration;

use goldrecord_service::Config;
use goldrecord_service::config::{self, Format, Gaps, OnOutOfRange, Start, Subject};
use goldrecord_service::kafka::{self, Access};

use crate::error::{Error, Result};
use crate::topics::{Finder, Rules, is_pattern};

/// Everything the ingestor must know.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `host:port`, several separated by commas.
    pub bootstrap_servers: String,
    /// The consumer group that partitions are shared in and lag is shown under.
    pub group: String,
    /// The topics to read that are named, each with its own rules.
    pub topics: BTreeMap<String, TopicSettings>,
    /// Regular expressions that find further ones.
    pub patterns: Vec<String>,
    /// The rules of what they find.
    pub rules: Rules,
    /// How often new topics, partitions and latest schemas are looked for.
    pub refresh: Duration,
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
    /// How its schemas' subjects are called.
    pub subject: Subject,
    /// The record whose latest schema counts, where subjects are called by records.
    pub record: Option<String>,
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
            subject: Subject::Topic,
            record: None,
        }
    }
}

impl From<&Config> for Settings {
    /// What the file says; without [`Settings::access`], which needs the credentials too.
    fn from(config: &Config) -> Self {
        let ingestor: &config::Ingestor = &config.ingestor;
        let rules = Rules::from(ingestor);
        let (patterns, names): (Vec<_>, Vec<_>) =
            (ingestor.topics.iter().cloned()).partition(|entry| is_pattern(entry));
        let topics = names.into_iter().map(|name| {
            let own = rules.of(&name, None);
            (name, own)
        });
        Self {
            bootstrap_servers: config.kafka.bootstrap_servers.clone(),
            group: config.kafka.group.clone(),
            topics: topics.collect(),
            patterns,
            rules,
            refresh: ingestor.refresh_interval.0,
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

/// librdkafka's own limit is the upper one.
const LEAST_REFRESH: Duration = Duration::from_millis(100);
const MOST_REFRESH: Duration = Duration::from_hours(1);

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
        Finder::new(self)?;
        if !(LEAST_REFRESH..=MOST_REFRESH).contains(&self.refresh) {
            return refuse(
                "ingestor.refresh_interval",
                format!("{:?}", self.refresh),
                "write a time between 100ms and 1h",
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

    /// The name of this member of the group, if it has one.
    pub(crate) fn instance(&self) -> Option<&str> {
        self.kafka.get("group.instance.id").map(String::as_str)
    }

    /// How long a member of the group may be silent.
    pub(crate) fn session(&self) -> Duration {
        /// librdkafka's own, in ms.
        const DEFAULT: u64 = 45_000;
        let said = self.kafka.get("session.timeout.ms");
        let said = said.and_then(|said| said.parse().ok());
        Duration::from_millis(said.unwrap_or(DEFAULT))
    }

    /// librdkafka's share of the memory, in bytes: its queue of fetched records. One fetch may come on top.
    pub(crate) fn queue_bytes(&self) -> usize {
        (self.memory / 8).clamp(2 << 20, 32 << 20)
    }

    /// What one answer of a broker may hold, in bytes.
    pub(crate) fn fetch_bytes(&self) -> usize {
        (self.memory / 32).clamp(1 << 20, 8 << 20)
    }

    /// What one partition may have of that: many find room, so that partitions go on side by side, and with them the days
    /// that their events are of.
    pub(crate) fn partition_fetch_bytes(&self) -> usize {
        self.fetch_bytes() / 16
    }

    /// What is left for our own buffers. A quarter is for what is not counted: what the allocator keeps for a while, pages
    /// on their way through zstd.
    pub(crate) fn buffer_bytes(&self) -> usize {
        self.memory - self.memory / 4 - self.queue_bytes() - self.fetch_bytes()
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
                ..config::TopicOverride::default()
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
    fn brokers_are_not_asked_all_the_time_nor_never() {
        for refresh in [Duration::ZERO, Duration::from_hours(2)] {
            let settings = Settings {
                refresh,
                ..Settings::from(&Config::default())
            };
            let refused = settings.check().expect_err("refused").to_string();
            assert!(refused.contains("ingestor.refresh_interval"), "{refused}");
        }
    }
}
