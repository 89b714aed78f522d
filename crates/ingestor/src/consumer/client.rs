//! The clients of Kafka: the consumer in the group, and one outside of it that asks.

use std::sync::Arc;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::Rebalancer;
use crate::error::{Error, Result};
use crate::settings::Settings;

/// The consumer, which its thread alone polls.
pub(crate) type SharedConsumer = Arc<BaseConsumer<Rebalancer>>;

/// A client that asks for offsets and metadata. Not the consumer itself: a request for metadata that
/// crosses the one with which it joins the group would leave it waiting for the next, minutes later.
pub(crate) type Probe = BaseConsumer;

/// What both clients need.
fn common(settings: &Settings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.bootstrap_servers)
        .set("client.id", "goldrecord-ingestor")
        .set("isolation.level", "read_committed")
        .set("statistics.interval.ms", "0")
        .set("fetch.wait.max.ms", "100");
    for (key, value) in &settings.kafka {
        config.set(key, value);
    }
    config
}

/// A client outside of the group.
pub(crate) fn probe(settings: &Settings) -> Result<Probe> {
    common(settings).create().map_err(|source| Error::Kafka {
        servers: settings.bootstrap_servers.clone(),
        action: "make a client",
        source: Box::new(source),
    })
}

/// A consumer that joins the group once it is polled.
pub(crate) fn connect(
    settings: &Settings,
    rebalancer: Rebalancer,
) -> Result<BaseConsumer<Rebalancer>> {
    let failed = |action| {
        let servers = settings.bootstrap_servers.clone();
        move |source| Error::Kafka {
            servers,
            action,
            source: Box::new(source),
        }
    };
    let topics: Vec<&str> = settings.topics.keys().map(String::as_str).collect();
    let mut config = common(settings);
    config
        .set("group.id", &settings.group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // The table says where to read; an offset that Kafka does not have is our decision, not the client's.
        .set("auto.offset.reset", "error")
        // The rebalance callback speaks this protocol alone.
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("topic.metadata.refresh.interval.ms", "30000")
        .set("queued.min.messages", "1000000")
        .set(
            "queued.max.messages.kbytes",
            (settings.queue_bytes() >> 10).to_string(),
        )
        .set("fetch.max.bytes", settings.fetch_bytes().to_string())
        .set("message.max.bytes", settings.fetch_bytes().to_string())
        .set("fetch.error.backoff.ms", "100")
        .set("check.crcs", "true");
    let consumer: BaseConsumer<Rebalancer> = config
        .create_with_context(rebalancer)
        .map_err(failed("make a consumer"))?;
    consumer.subscribe(&topics).map_err(failed("subscribe"))?;
    Ok(consumer)
}
