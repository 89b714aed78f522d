//! The broker and the registry that a demo's events go through: embedded, or the configuration's.

use std::time::{Duration, Instant};

use goldrecord_contract::Topic;
use goldrecord_registry::embedded::Embedded;
use goldrecord_service::Config;
use goldrecord_service::config::Bootstrap;
use rdkafka::admin::AdminOptions;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::metadata::MetadataTopic;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::RDKafkaErrorCode;

use super::place::Place;
use crate::bootstrap::{self, Shape};
use crate::clients::Brokers;
use crate::{Error, Result};

/// Partitions of each topic.
const PARTITIONS: i32 = 8;
const PATIENCE: Duration = Duration::from_secs(15);

/// What a demo runs against. The embedded servers live as long as this does.
pub struct Servers {
    /// Where everything is.
    pub config: Config,
    embedded: Option<(MockCluster<'static, DefaultProducerContext>, Embedded)>,
}

impl Servers {
    /// librdkafka's mock broker and a registry in this process, and a folder as the lake. The broker
    /// forgets everything with the process.
    pub async fn embedded(place: &Place) -> Result<Self> {
        let broker = MockCluster::new(1).map_err(|error| Error::Kafka {
            servers: "the embedded broker".into(),
            why: error.to_string(),
        })?;
        for topic in Topic::ALL {
            broker
                .create_topic(topic.name(), PARTITIONS, 1)
                .map_err(|error| Error::Kafka {
                    servers: "the embedded broker".into(),
                    why: format!("topic {} cannot be made: {error}", topic.name()),
                })?;
        }
        let registry = Embedded::start(None).await?;
        let mut config = Config::default();
        config.kafka.bootstrap_servers = broker.bootstrap_servers();
        config.registry.url = registry.url();
        config.lake.url = place.lake_url();
        Ok(Self {
            config,
            embedded: Some((broker, registry)),
        })
    }

    /// The servers that the configuration names. Topics that are missing are made.
    pub async fn real(config: Config) -> Result<Self> {
        make_topics(&Brokers::of(&config.kafka)?).await?;
        Ok(Self {
            config,
            embedded: None,
        })
    }

    /// The brokers, for a client of one's own.
    pub fn brokers(&self) -> Result<Brokers> {
        Brokers::of(&self.config.kafka)
    }

    /// Whether the broker forgets its records when the process ends.
    pub fn is_embedded(&self) -> bool {
        self.embedded.is_some()
    }

    /// Stop what is embedded; real servers stay as they are.
    pub async fn stop(self) {
        if let Some((broker, registry)) = self.embedded {
            registry.stop().await;
            drop(broker);
        }
    }
}

/// Make the topics that are not there yet.
async fn make_topics(brokers: &Brokers) -> Result<()> {
    let names = Topic::ALL.map(Topic::name);
    let shape = Shape::of(&Bootstrap::default());
    bootstrap::make_topics(brokers, &names, &shape, false).await?;
    Ok(())
}

/// Remove the topics and make them anew, so that they are empty.
pub async fn empty_topics(brokers: &Brokers) -> Result<()> {
    let names: Vec<&str> = Topic::ALL.iter().map(|topic| topic.name()).collect();
    let patiently = AdminOptions::new()
        .operation_timeout(Some(PATIENCE))
        .request_timeout(Some(PATIENCE));
    let removed = brokers.admin()?.delete_topics(&names, &patiently).await;
    for result in removed.map_err(|error| brokers.silent(&error))? {
        if let Err((topic, code)) = result
            && code != RDKafkaErrorCode::UnknownTopicOrPartition
        {
            return Err(brokers.failed(&format!("topic {topic} cannot be removed: {code}")));
        }
    }
    wait_until_gone(brokers).await?;
    make_topics(brokers).await
}

/// Until the brokers no longer know the topics: they answer a removal before it is done.
async fn wait_until_gone(brokers: &Brokers) -> Result<()> {
    let brokers = brokers.clone();
    let waited = tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = brokers
            .client()
            .set("allow.auto.create.topics", "false")
            .create()
            .map_err(|error| brokers.failed(&error))?;
        let patience = Instant::now() + PATIENCE;
        loop {
            // Every question is a round trip to the broker, which paces the loop.
            let metadata = consumer
                .fetch_metadata(None, PATIENCE)
                .map_err(|error| brokers.failed(&error))?;
            let known = metadata.topics().iter().map(MetadataTopic::name);
            let mut left = known.filter(|name| Topic::from_name(name).is_some());
            match left.next() {
                None => return Ok(()),
                Some(topic) if Instant::now() > patience => {
                    return Err(brokers.failed(&format!(
                        "topic {topic} is still there {} s after it was removed",
                        PATIENCE.as_secs()
                    )));
                }
                Some(_) => {}
            }
        }
    });
    waited
        .await
        .map_err(|error| Error::Refused(error.to_string()))?
}

/// How many records the topics hold, by the brokers' own account. Topics that were made just now
/// have no leader yet, and are waited for.
pub async fn records(brokers: &Brokers) -> Result<u64> {
    let brokers = brokers.clone();
    let counted = tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = brokers
            .client()
            .create()
            .map_err(|error| brokers.failed(&error))?;
        let patience = Instant::now() + PATIENCE;
        loop {
            match Topic::ALL
                .iter()
                .map(|topic| held(&consumer, topic.name()))
                .sum()
            {
                Ok(records) => return Ok(records),
                Err(error) if Instant::now() > patience || !is_settling(&error) => {
                    return Err(brokers.failed(&error));
                }
                // A turn of librdkafka's own loop, in which it learns the leaders.
                Err(_) => drop(consumer.poll(Duration::from_millis(100))),
            }
        }
    });
    counted
        .await
        .map_err(|error| Error::Refused(error.to_string()))?
}

fn held(consumer: &BaseConsumer, topic: &str) -> KafkaResult<u64> {
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
    let mut records = 0;
    for partition in metadata.topics().iter().flat_map(MetadataTopic::partitions) {
        let (low, high) = consumer.fetch_watermarks(topic, partition.id(), PATIENCE)?;
        records += (high - low).max(0) as u64;
    }
    Ok(records)
}

/// Whether a question failed only because the topic was made a moment ago.
fn is_settling(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::UnknownTopic
        )
    )
}
