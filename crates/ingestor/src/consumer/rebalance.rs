//! The assignment, and its changes: what is assigned is read once the table has said from where, and
//! what is revoked is flushed first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};
use goldrecord_service::kafka::mend;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;

use super::Event;
use crate::metrics::Metrics;
use crate::shared::lock;

/// How long a rebalance waits for the flush of what is revoked. What is not flushed by then the next
/// owner reads again.
const REVOKE_PATIENCE: Duration = Duration::from_secs(20);

/// What the client does with a partition of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fetching {
    /// It was not given it yet.
    Not,
    /// It has it and does not fetch it: where to read is not known yet.
    Held,
    /// It fetches it, unless memory is short.
    Yes,
}

/// The assignment, and who is to hear of its changes.
pub(crate) struct Rebalancer {
    events: Mutex<BTreeMap<String, Sender<Event>>>,
    metrics: Arc<Metrics>,
    /// By topic and partition.
    pub(super) assigned: Mutex<BTreeMap<(String, i32), Fetching>>,
}

impl Rebalancer {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            events: Mutex::default(),
            metrics,
            assigned: Mutex::new(BTreeMap::new()),
        }
    }

    /// The same for the consumer that takes this one's place.
    pub(super) fn successor(&self) -> Self {
        let successor = Self::new(Arc::clone(&self.metrics));
        lock(&successor.events).clone_from(&lock(&self.events));
        successor
    }

    /// Whom to tell of a topic.
    pub(super) fn listens(&self, topic: &str, events: Sender<Event>) {
        lock(&self.events).insert(topic.to_owned(), events);
    }

    pub(super) fn tell(&self, topic: &str, event: Event) {
        if let Some(events) = lock(&self.events).get(topic) {
            // A thread that has ended needs to hear nothing.
            let _ = events.send(event);
        }
    }

    fn assign(&self, consumer: &BaseConsumer<Self>, partitions: &TopicPartitionList) {
        let by_topic = by_topic(partitions, |topic, partition| {
            // One that is being fetched, and assigned anew without a revocation, is sought, not added.
            lock(&self.assigned)
                .entry((topic.to_owned(), partition))
                .or_insert(Fetching::Not);
        });
        let taken = if is_eager(consumer) {
            self.hold(consumer)
        } else {
            // Accepted, but nothing of it is fetched: each partition is added with the offset that the table says.
            consumer.incremental_assign(&TopicPartitionList::new())
        };
        if let Err(error) = taken {
            tracing::error!(%error, "the assignment could not be taken");
        }
        self.metrics.rebalanced("assigned");
        tracing::info!(partitions = ?by_topic, "assigned");
        for (topic, partitions) in by_topic {
            self.tell(&topic, Event::Assigned(partitions));
        }
    }

    /// An eager assignment is taken whole and cannot be added to: every partition is given to the client and held
    /// until it is sought.
    pub(super) fn hold(&self, consumer: &BaseConsumer<Self>) -> KafkaResult<()> {
        let mut all = TopicPartitionList::new();
        for ((topic, partition), fetching) in lock(&self.assigned).iter_mut() {
            // The end is always there; of an offset the brokers might say that it is not.
            all.add_partition_offset(topic, *partition, Offset::End)?;
            *fetching = Fetching::Held;
        }
        consumer.assign(&all)?;
        consumer.pause(&all)
    }

    fn revoke(&self, consumer: &BaseConsumer<Self>, partitions: &TopicPartitionList) {
        let mut given = TopicPartitionList::new();
        let by_topic = by_topic(partitions, |topic, partition| {
            let fetching = lock(&self.assigned).remove(&(topic.to_owned(), partition));
            if fetching.is_some_and(|fetching| fetching != Fetching::Not) {
                given.add_partition(topic, partition);
            }
        });
        self.flush("revoked", by_topic);
        let given_back = if is_eager(consumer) {
            consumer.unassign()
        } else {
            consumer.incremental_unassign(&given)
        };
        if let Err(error) = given_back {
            tracing::error!(%error, "the partitions could not be given back");
        }
    }

    /// Lets go of everything, with a client that is dead and says no word of it.
    pub(super) fn give_up(&self) {
        let mut all: BTreeMap<String, Vec<i32>> = BTreeMap::new();
        for ((topic, partition), _) in std::mem::take(&mut *lock(&self.assigned)) {
            all.entry(topic).or_default().push(partition);
        }
        self.flush("fenced", all);
    }

    /// Waits until the topics' threads have flushed what these partitions, ours no longer, brought.
    fn flush(&self, why: &'static str, revoked: BTreeMap<String, Vec<i32>>) {
        self.metrics.rebalanced(why);
        tracing::info!(partitions = ?revoked, why, "no longer ours");
        let (done, answers) = bounded(revoked.len().max(1));
        for (topic, partitions) in revoked {
            self.tell(&topic, Event::Revoked(partitions, done.clone()));
        }
        drop(done);
        let deadline = Instant::now() + REVOKE_PATIENCE;
        // Ends when every topic's thread has answered, or has ended and dropped its end of the channel.
        while answers.recv_deadline(deadline).is_ok() {}
    }
}

/// Whether all partitions change hands at once.
pub(super) fn is_eager(consumer: &BaseConsumer<Rebalancer>) -> bool {
    matches!(consumer.rebalance_protocol(), RebalanceProtocol::Eager)
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
