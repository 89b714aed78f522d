//! What `bench/ingest` needs of Kafka: an empty topic, and a bare consumer that only counts.
//!
//!     peer topic BROKERS TOPIC PARTITIONS
//!     peer count BROKERS TOPIC
//!     peer schema TOPIC

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use goldrecord_contract::Topic;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::{ClientConfig, metadata::MetadataTopic};

const PATIENCE: Duration = Duration::from_secs(15);

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["topic", brokers, topic, partitions] => make(brokers, topic, partitions.parse()?),
        ["count", brokers, topic] => count(brokers, topic),
        ["schema", topic] => schema(topic),
        _ => bail!("peer topic | count | schema: see the first lines of its source"),
    }
}

fn make(brokers: &str, topic: &str, partitions: i32) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .create()?;
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    let wanted = [NewTopic::new(topic, partitions, TopicReplication::Fixed(1))];
    for made in runtime.block_on(admin.create_topics(&wanted, &options))? {
        made.map_err(|(topic, code)| anyhow::anyhow!("topic {topic}: {code}"))?;
    }
    Ok(())
}

/// The Avro schema of one of our topics.
fn schema(topic: &str) -> anyhow::Result<()> {
    let topic = Topic::from_name(topic).context("no topic of ours")?;
    println!("{}", goldrecord_contract::avro_schema(topic));
    Ok(())
}

/// Reads every partition from its first record to the one that is its last now, and prints the rate as JSON.
fn count(brokers: &str, topic: &str) -> anyhow::Result<()> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "bench-count")
        .set("enable.auto.commit", "false")
        .set("queued.min.messages", "1000000")
        // Without it a full queue would be looked at once a second.
        .set("fetch.queue.backoff.ms", "10")
        .create()?;
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
    let mut left = BTreeMap::new();
    let mut assignment = TopicPartitionList::new();
    for partition in metadata.topics().iter().flat_map(MetadataTopic::partitions) {
        let (low, end) = consumer.fetch_watermarks(topic, partition.id(), PATIENCE)?;
        if low < end {
            left.insert(partition.id(), end);
            assignment.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
        }
    }
    consumer.assign(&assignment)?;
    let (mut records, mut bytes) = (0_u64, 0_u64);
    let started = Instant::now();
    while !left.is_empty() {
        let message = consumer.poll(PATIENCE).context("no record in 15 s")??;
        records += 1;
        bytes += message.payload_len() as u64;
        if left
            .get(&message.partition())
            .is_some_and(|end| message.offset() + 1 >= *end)
        {
            left.remove(&message.partition());
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{}",
        serde_json::json!({"records": records, "bytes": bytes, "seconds": seconds})
    );
    Ok(())
}
