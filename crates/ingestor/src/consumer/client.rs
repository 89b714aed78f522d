//! The clients of Kafka: the consumer in the group, and one outside of it that asks.

use std::sync::Mutex;
use std::time::Duration;

use goldrecord_service::kafka::mend;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::Rebalancer;
use crate::error::{Error, Result};
use crate::settings::Settings;
use crate::shared::lock;

/// The consumer in the group.
pub(crate) type Member = BaseConsumer<Rebalancer>;

/// A client that asks for offsets and metadata. Not the consumer itself: a request for metadata that
/// crosses the one with which it joins the group would leave it waiting for the next, minutes later.
pub(crate) type Probe = BaseConsumer<Complaints>;

/// Remembers why the brokers could not be reached last.
#[derive(Default)]
pub(crate) struct Complaints(Mutex<Option<String>>);

impl ClientContext for Complaints {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        // The consumer beside it meets the same and tells it.
        tracing::debug!(facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let mut last = lock(&self.0);
        // "All brokers are down" follows the words that say why.
        if last.is_none() || error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            *last = Some(reason.to_owned());
        }
    }
}

impl ConsumerContext for Complaints {}

/// So many are heard at once; a broker that is down makes some twenty a second.
const COMPLAINTS: usize = 1_000;

/// Why the brokers could not be reached when they last could not, and what to mend, if they let that be known.
pub(crate) fn complaint(probe: &Probe) -> Option<String> {
    // It is in no group and fetches nothing: what comes are errors, told to the context on the way.
    for _ in 0..COMPLAINTS {
        if probe.poll(Duration::from_millis(1)).is_none() {
            break;
        }
    }
    let reason = lock(&probe.context().0).clone()?;
    Some(match mend(&reason) {
        Some(mend) => format!("{mend} ({reason})"),
        None => reason,
    })
}

/// What both clients need.
fn common(settings: &Settings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.bootstrap_servers)
        .set("client.id", "goldrecord-ingestor")
        .set("isolation.level", "read_committed")
        .set("statistics.interval.ms", "0")
        .set("fetch.wait.max.ms", "100");
    config.extend(settings.access.settings());
    for (key, value) in &settings.kafka {
        config.set(key, value);
    }
    config
}

/// A client outside of the group.
pub(crate) fn probe(settings: &Settings) -> Result<Probe> {
    common(settings)
        .create_with_context(Complaints::default())
        .map_err(|source| Error::Kafka {
            servers: settings.bootstrap_servers.clone(),
            action: "make a client",
            source: Box::new(source),
        })
}

/// A consumer that joins the group once it is subscribed and polled.
pub(crate) fn connect(settings: &Settings, rebalancer: Rebalancer) -> Result<Member> {
    let mut config = common(settings);
    config
        .set("group.id", &settings.group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // The table says where to read; an offset that Kafka does not have is our decision, not the client's.
        .set("auto.offset.reset", "error")
        // New partitions of what it is subscribed to are seen by then.
        .set(
            "topic.metadata.refresh.interval.ms",
            settings.refresh.as_millis().to_string(),
        )
        // Each costs the client some 500 bytes besides its own.
        .set("queued.min.messages", "50000")
        // Without it a full queue is looked at again after a second.
        .set("fetch.queue.backoff.ms", "10")
        .set(
            "queued.max.messages.kbytes",
            (settings.queue_bytes() >> 10).to_string(),
        )
        .set("fetch.max.bytes", settings.fetch_bytes().to_string())
        .set("message.max.bytes", settings.fetch_bytes().to_string())
        .set(
            "max.partition.fetch.bytes",
            settings.partition_fetch_bytes().to_string(),
        )
        .set("fetch.error.backoff.ms", "100")
        .set("check.crcs", "true");
    config
        .create_with_context(rebalancer)
        .map_err(|source| Error::Kafka {
            servers: settings.bootstrap_servers.clone(),
            action: "make a consumer",
            source: Box::new(source),
        })
}
