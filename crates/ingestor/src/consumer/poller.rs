//! The polling thread: gathers what is there into chunks, and does what the topics' threads ask for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::message::{CHUNK_RECORDS, append};
use super::{Command, Event, SharedConsumer};
use crate::chunk::Chunk;
use crate::error::Error;
use crate::memory::Budget;
use crate::protocol::Position;
use crate::shared::{Shared, lock};

/// The polling thread's own state.
pub(crate) struct Poller<'a> {
    shared: &'a Shared<'a>,
    consumer: SharedConsumer,
    commands: Receiver<Command>,
    budget: Arc<Budget>,
    chunks: Vec<(String, Option<Chunk>)>,
    seeks: Vec<(Instant, String, Position)>,
    paused: bool,
    last_out_of_range: Option<Instant>,
    running: usize,
}

/// How long to stop polling, before partitions are paused (which throws away what was fetched).
const HOLD: Duration = Duration::from_millis(500);
const IDLE: Duration = Duration::from_millis(10);

impl<'a> Poller<'a> {
    pub(crate) fn new(
        shared: &'a Shared<'a>,
        consumer: SharedConsumer,
        commands: Receiver<Command>,
        budget: Arc<Budget>,
        topics: impl Iterator<Item = String>,
    ) -> Self {
        let chunks: Vec<_> = topics.map(|topic| (topic, None)).collect();
        Self {
            shared,
            consumer,
            commands,
            budget,
            running: chunks.len(),
            chunks,
            seeks: Vec::new(),
            paused: false,
            last_out_of_range: None,
        }
    }

    pub(crate) fn run(mut self) {
        let mut last: usize = 0;
        let mut held_since: Option<Instant> = None;
        while !self.shared.is_aborted() && !self.shared.is_stopping() {
            goldrecord_service::notify::turned();
            self.obey();
            if self.paused {
                if self.budget.has_room() {
                    self.set_paused(false);
                    held_since = None;
                }
            } else if self.budget.is_over() {
                self.send_chunks();
                if held_since.get_or_insert_with(Instant::now).elapsed() < HOLD {
                    self.budget.wait_for_room(Duration::from_millis(50));
                    continue;
                }
                self.set_paused(true);
            } else {
                held_since = None;
            }
            // One turn takes what is there, up to a chunk's worth.
            for turn in 0..CHUNK_RECORDS {
                let wait = if turn == 0 { IDLE } else { Duration::ZERO };
                match self.consumer.poll(wait) {
                    Some(Ok(message)) => {
                        let topic = message.topic();
                        if self.chunks[last].0 != topic {
                            match self.chunks.iter().position(|(name, _)| name == topic) {
                                Some(index) => last = index,
                                None => continue,
                            }
                        }
                        // Records of a partition not yet positioned are told from others by its lease.
                        if append(&mut self.chunks[last].1, &self.budget, &message) {
                            drop(message);
                            self.send_chunk(last);
                        }
                    }
                    Some(Err(error)) => {
                        self.note(&error);
                        break;
                    }
                    None => {
                        self.send_chunks();
                        break;
                    }
                }
            }
        }
        self.finish();
    }

    fn note(&mut self, error: &KafkaError) {
        match error {
            KafkaError::MessageConsumption(
                RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange,
            ) => {
                let now = Instant::now();
                if self
                    .last_out_of_range
                    .is_none_or(|last| now - last > Duration::from_secs(1))
                {
                    self.last_out_of_range = Some(now);
                    tracing::warn!(%error, "Kafka does not have a partition's next offset");
                    for (topic, _) in &self.chunks {
                        self.consumer.context().tell(topic, Event::OutOfRange);
                    }
                }
            }
            KafkaError::MessageConsumptionFatal(_) => self.shared.fail(Error::Kafka {
                servers: "the brokers".into(),
                action: "consume",
                source: Box::new(error.clone()),
            }),
            // Brokers that are away come back; librdkafka tries again by itself.
            _ => tracing::warn!(%error, "Kafka"),
        }
    }

    fn send_chunk(&mut self, index: usize) {
        let (topic, chunk) = &mut self.chunks[index];
        if let Some(chunk) = chunk.take() {
            let (records, bytes) = (chunk.len() as u64, chunk.payload() as u64);
            self.shared.progress.received(topic, records, bytes);
            self.shared.metrics.received(topic, records, bytes);
            self.consumer.context().tell(topic, Event::Records(chunk));
        }
    }

    fn send_chunks(&mut self) {
        for index in 0..self.chunks.len() {
            self.send_chunk(index);
        }
    }

    fn set_paused(&mut self, paused: bool) {
        let mut partitions = TopicPartitionList::new();
        for ((topic, partition), fetching) in lock(&self.consumer.context().assigned).iter() {
            if *fetching {
                partitions.add_partition(topic, *partition);
            }
        }
        let done = match partitions.count() {
            0 => Ok(()),
            _ if paused => self.consumer.pause(&partitions),
            _ => self.consumer.resume(&partitions),
        };
        if let Err(error) = done {
            tracing::error!(%error, paused, "partitions could not be paused or resumed");
        }
        let held = if paused { partitions.count() } else { 0 };
        self.shared.metrics.paused(held);
        tracing::debug!(paused, "memory");
        self.paused = paused;
    }

    fn obey(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Seek { topic, position } => {
                    // The last word counts.
                    self.seeks.retain(|(_, name, other)| {
                        *name != topic || other.partition != position.partition
                    });
                    self.seeks.push((Instant::now(), topic, position));
                }
                Command::Commit { topic, offsets } => {
                    self.commit(&topic, &offsets, CommitMode::Async);
                }
                Command::Ended => self.running -= 1,
            }
        }
        let now = Instant::now();
        let mut later = Vec::new();
        for (due, topic, position) in std::mem::take(&mut self.seeks) {
            if due > now {
                later.push((due, topic, position));
            } else if !self.seek(&topic, position) {
                later.push((now + Duration::from_millis(50), topic, position));
            }
        }
        self.seeks = later;
    }

    /// False: not possible yet.
    fn seek(&mut self, topic: &str, position: Position) -> bool {
        let key = (topic.to_owned(), position.partition);
        let Some(fetching) = lock(&self.consumer.context().assigned).get(&key).copied() else {
            return true;
        };
        // What was fetched before the seek goes before the word of it.
        if let Some(index) = self.chunks.iter().position(|(name, _)| name == topic) {
            self.send_chunk(index);
        }
        let offset = Offset::Offset(position.at);
        let mut one = TopicPartitionList::new();
        one.add_partition_offset(topic, position.partition, offset)
            .expect("an offset of the table");
        let moved = if fetching {
            let moved =
                self.consumer
                    .seek(topic, position.partition, offset, Duration::from_secs(5));
            // A partition whose offset the broker did not have is fetched no more: it cannot be moved, only begun anew.
            moved.or_else(|_| {
                self.consumer.incremental_unassign(&one)?;
                lock(&self.consumer.context().assigned).insert(key.clone(), false);
                self.begin(&one)
            })
        } else {
            self.begin(&one)
        };
        if let Err(error) = moved {
            tracing::debug!(topic, partition = position.partition, %error, "not positioned yet");
            return false;
        }
        lock(&self.consumer.context().assigned).insert(key, true);
        self.consumer
            .context()
            .tell(topic, Event::Positioned(position.partition, position.lease));
        true
    }

    /// Fetches from the offset named, unless memory is short now.
    fn begin(&self, partition: &TopicPartitionList) -> KafkaResult<()> {
        self.consumer.incremental_assign(partition)?;
        if self.paused {
            self.consumer.pause(partition)?;
        }
        Ok(())
    }

    fn commit(&self, topic: &str, offsets: &[(i32, i64)], mode: CommitMode) {
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        let assigned = lock(&self.consumer.context().assigned);
        for (partition, next) in offsets {
            if assigned.contains_key(&(topic.to_owned(), *partition)) {
                list.add_partition_offset(topic, *partition, Offset::Offset(*next))
                    .expect("an offset of the table");
            }
        }
        drop(assigned);
        if list.count() > 0
            && let Err(error) = self.consumer.commit(&list, mode)
        {
            tracing::debug!(topic, %error, "offsets were not written to Kafka");
        }
    }

    /// Lets the topics' threads flush, then writes the last offsets back.
    fn finish(&mut self) {
        goldrecord_service::notify::stopping();
        if !self.shared.is_aborted() {
            self.send_chunks();
            for (topic, _) in &self.chunks {
                self.consumer.context().tell(topic, Event::Stop);
            }
        }
        while self.running > 0 && !self.shared.is_aborted() {
            goldrecord_service::notify::turned();
            match self.commands.recv_timeout(Duration::from_millis(50)) {
                Ok(Command::Commit { topic, offsets }) => {
                    self.commit(&topic, &offsets, CommitMode::Sync);
                }
                Ok(Command::Ended) => self.running -= 1,
                Ok(Command::Seek { .. }) | Err(_) => {}
            }
        }
    }
}
