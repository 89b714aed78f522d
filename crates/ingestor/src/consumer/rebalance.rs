//! The assignment, and its changes: what is assigned is read once the table has said from where, and
//! what is revoked is flushed first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};
use goldrecord_service::kafka::mend;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;

use super::Event;
use crate::metrics::Metrics;
use crate::shared::lock;

/// How long a rebalance waits for the flush of what is revoked. What is not flushed by then the next
/// owner reads again.
const REVOKE_PATIENCE: Duration = Duration::from_secs(20);

/// The assignment, and who is to hear of its changes.
pub(crate) struct Rebalancer {
    events: BTreeMap<String, Sender<Event>>,
    metrics: Arc<Metrics>,
    /// By topic and partition: whether it is being fetched.
    pub(super) assigned: Mutex<BTreeMap<(String, i32), bool>>,
}

impl Rebalancer {
    pub(crate) fn new(events: BTreeMap<String, Sender<Event>>, metrics: Arc<Metrics>) -> Self {
        Self {
            events,
            metrics,
            assigned: Mutex::new(BTreeMap::new()),
        }
    }

    pub(super) fn tell(&self, topic: &str, event: Event) {
        if let Some(events) = self.events.get(topic) {
            // A thread that has ended needs to hear nothing.
            let _ = events.send(event);
        }
    }

    fn assign(&self, consumer: &BaseConsumer<Self>, partitions: &TopicPartitionList) {
        let by_topic = by_topic(partitions, |topic, partition| {
            // One that is being fetched, and assigned anew without a revocation, is sought, not added.
            lock(&self.assigned)
                .entry((topic.to_owned(), partition))
                .or_insert(false);
        });
        // Accepted, but nothing of it is fetched: each partition is added with the offset that the table says.
        if let Err(error) = consumer.incremental_assign(&TopicPartitionList::new()) {
            tracing::error!(%error, "the assignment could not be taken");
        }
        self.metrics.rebalanced("assigned");
        tracing::info!(partitions = ?by_topic, "assigned");
        for (topic, partitions) in by_topic {
            self.tell(&topic, Event::Assigned(partitions));
        }
    }

    fn revoke(&self, consumer: &BaseConsumer<Self>, partitions: &TopicPartitionList) {
        let mut fetched = TopicPartitionList::new();
        let by_topic = by_topic(partitions, |topic, partition| {
            if lock(&self.assigned).remove(&(topic.to_owned(), partition)) == Some(true) {
                fetched.add_partition(topic, partition);
            }
        });
        self.metrics.rebalanced("revoked");
        tracing::info!(partitions = ?by_topic, "revoked");
        let (done, answers) = bounded(by_topic.len().max(1));
        for (topic, partitions) in by_topic {
            self.tell(&topic, Event::Revoked(partitions, done.clone()));
        }
        drop(done);
        let deadline = Instant::now() + REVOKE_PATIENCE;
        // Ends when every topic's thread has answered, or has ended and dropped its end of the channel.
        while answers.recv_deadline(deadline).is_ok() {}
        if let Err(error) = consumer.incremental_unassign(&fetched) {
            tracing::error!(%error, "the partitions could not be given back");
        }
    }
}

impl ClientContext for Rebalancer {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Debug | RDKafkaLogLevel::Info | RDKafkaLogLevel::Notice => {
                tracing::debug!(facility, message, "librdkafka");
            }
            _ => tracing::warn!(facility, message, "librdkafka"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, mend = mend(reason), "Kafka");
    }
}

impl ConsumerContext for Rebalancer {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        error: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                self.assign(consumer, partitions);
            }
            _ => self.revoke(consumer, partitions),
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        // Kafka's offsets are for show: the next commit brings newer ones.
        if let Err(error) = result {
            tracing::debug!(%error, "offsets were not written to Kafka");
        }
    }
}

/// The partitions of a list by topic, each shown to `visit` on the way.
fn by_topic(
    partitions: &TopicPartitionList,
    mut visit: impl FnMut(&str, i32),
) -> BTreeMap<String, Vec<i32>> {
    let mut by_topic: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for element in partitions.elements() {
        let (topic, partition) = (element.topic(), element.partition());
        by_topic
            .entry(topic.to_owned())
            .or_default()
            .push(partition);
        visit(topic, partition);
    }
    by_topic
}
