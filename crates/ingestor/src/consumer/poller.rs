//! The polling thread: gathers what is there into chunks, and does what the topics' threads ask for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::groups::{GroupInfo, GroupList};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::fence::{self, Remedy};
use super::message::{CHUNK_RECORDS, append};
use super::rebalance::{Fetching, is_eager};
use super::{Command, Event, Member, connect};
use crate::chunk::{Chunk, Supply};
use crate::error::Error;
use crate::memory::Budget;
use crate::protocol::Position;
use crate::settings::Settings;
use crate::shared::{Shared, lock};

/// The polling thread's own state.
pub(crate) struct Poller<'a> {
    shared: &'a Shared<'a>,
    settings: &'a Settings,
    consumer: Member,
    /// When the consumer was made.
    since: Instant,
    commands: Receiver<Command>,
    budget: Arc<Budget>,
    supply: Supply,
    chunks: Vec<(String, Option<Chunk>)>,
    /// Topics that are not there now.
    gone: BTreeSet<String>,
    seeks: Vec<(Instant, String, Position)>,
    paused: bool,
    /// Kafka does not have the next offset of some partition, which the topics' threads do not know yet.
    out_of_range: bool,
    told_out_of_range: Option<Instant>,
    running: usize,
}

/// How long to stop polling, before partitions are paused (which throws away what was fetched).
const HOLD: Duration = Duration::from_millis(500);
const IDLE: Duration = Duration::from_millis(10);
/// How often the topics' threads are told at most that offsets are not there: each time all are asked for anew.
const OUT_OF_RANGE_EVERY: Duration = Duration::from_secs(1);
/// How long the brokers may take to tell who has a member's name.
const PATIENCE: Duration = Duration::from_secs(5);

impl<'a> Poller<'a> {
    pub(crate) fn new(
        shared: &'a Shared<'a>,
        settings: &'a Settings,
        consumer: Member,
        commands: Receiver<Command>,
        budget: Arc<Budget>,
    ) -> Self {
        Self {
            shared,
            settings,
            consumer,
            since: Instant::now(),
            commands,
            supply: Supply::new(Arc::clone(&budget)),
            budget,
            running: 0,
            chunks: Vec::new(),
            gone: BTreeSet::new(),
            seeks: Vec::new(),
            paused: false,
            out_of_range: false,
            told_out_of_range: None,
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
                        if self.chunks.get(last).is_none_or(|(name, _)| name != topic) {
                            match self.chunks.iter().position(|(name, _)| name == topic) {
                                Some(index) => last = index,
                                None => continue,
                            }
                        }
                        // Records of a partition not yet positioned are told from others by its lease.
                        let supply = &self.supply;
                        let chunk = self.chunks[last].1.get_or_insert_with(|| supply.chunk());
                        if append(chunk, &message) {
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
            ) => self.out_of_range = true,
            KafkaError::MessageConsumptionFatal(_) => self.mend(error),
            // Brokers that are away come back; librdkafka tries again by itself.
            _ => tracing::warn!(%error, "Kafka"),
        }
    }

    /// The client is dead: goes on with another, or ends the run.
    fn mend(&mut self, error: &KafkaError) {
        let (code, reason) = self
            .consumer
            .client()
            .fatal_error()
            .expect("a client that tells a fatal error has one");
        let age = self.since.elapsed();
        match fence::remedy(code, &reason, age, self.settings.session()) {
            Remedy::BeginAnew => {
                tracing::warn!(
                    reason,
                    "this member was fenced; a new consumer takes its place"
                );
                self.send_chunks();
                self.consumer.context().give_up();
                let successor = self.consumer.context().successor();
                match connect(self.settings, successor) {
                    Ok(consumer) => {
                        self.consumer = consumer;
                        self.since = Instant::now();
                        self.subscribe();
                    }
                    Err(error) => self.shared.fail(error),
                }
            }
            Remedy::Taken => self.shared.fail(self.taken()),
            Remedy::End => self.shared.fail(Error::Kafka {
                servers: self.settings.bootstrap_servers.clone(),
                action: "consume",
                source: Box::new(error.clone()),
            }),
        }
    }

    /// Another process is the member that this one is.
    fn taken(&self) -> Error {
        let group = &self.settings.group;
        let instance = self.settings.instance().unwrap_or_default();
        let listed = self.consumer.fetch_group_list(Some(group), PATIENCE);
        let members = listed.iter().flat_map(GroupList::groups);
        // The brokers call a named member by its name and a number of their own.
        let other = members.flat_map(GroupInfo::members).find(|member| {
            let number = member.id().strip_prefix(instance);
            number.is_some_and(|number| number.starts_with('-'))
        });
        Error::InstanceTaken {
            group: group.clone(),
            instance: instance.to_owned(),
            host: other.map_or_else(
                || "a host that the brokers do not tell".to_owned(),
                |other| other.client_host().trim_start_matches('/').to_owned(),
            ),
        }
    }

    /// What the brokers did not have must be asked for anew, from where the table now says.
    fn tell_out_of_range(&mut self) {
        let told = self.told_out_of_range.map(|told| told.elapsed());
        if !self.out_of_range || told.is_some_and(|before| before < OUT_OF_RANGE_EVERY) {
            return;
        }
        self.out_of_range = false;
        self.told_out_of_range = Some(Instant::now());
        tracing::warn!("Kafka does not have a partition's next offset");
        if is_eager(&self.consumer)
            && let Err(error) = self.consumer.context().hold(&self.consumer)
        {
            tracing::error!(%error, "the partitions could not be held");
        }
        for (topic, _) in &self.chunks {
            self.consumer.context().tell(topic, Event::OutOfRange);
        }
    }

    /// Reads these topics too.
    fn read(&mut self, topics: Vec<(String, Sender<Event>)>) {
        for (topic, events) in topics {
            self.consumer.context().listens(&topic, events);
            self.chunks.push((topic, None));
            self.running += 1;
        }
        self.subscribe();
    }

    /// Tells the group what is read: the members share out the partitions anew.
    fn subscribe(&self) {
        let topics: Vec<&str> = self
            .chunks
            .iter()
            .map(|(topic, _)| topic.as_str())
            .filter(|topic| !self.gone.contains(*topic))
            .collect();
        if topics.is_empty() {
            self.consumer.unsubscribe();
            return;
        }
        if let Err(source) = self.consumer.subscribe(&topics) {
            self.shared.fail(Error::Kafka {
                servers: self.settings.bootstrap_servers.clone(),
                action: "subscribe",
                source: Box::new(source),
            });
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
            if *fetching == Fetching::Yes {
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
                Command::Read(topics) => self.read(topics),
                Command::Leave(gone) => {
                    tracing::info!(?gone, "topics are gone or are there again");
                    self.gone = gone;
                    self.subscribe();
                }
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
        self.tell_out_of_range();
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
        let seek = || {
            let (partition, patience) = (position.partition, Duration::from_secs(5));
            self.consumer.seek(topic, partition, offset, patience)
        };
        let moved = match fetching {
            Fetching::Not => self.begin(&one),
            Fetching::Held if self.paused => seek(),
            Fetching::Held => seek().and_then(|()| self.consumer.resume(&one)),
            // Where all is held when an offset is not there, only patience is needed.
            Fetching::Yes if is_eager(&self.consumer) => seek(),
            // A partition whose offset the broker did not have is fetched no more: it cannot be moved, only begun anew.
            Fetching::Yes => seek().or_else(|_| {
                self.consumer.incremental_unassign(&one)?;
                lock(&self.consumer.context().assigned).insert(key.clone(), Fetching::Not);
                self.begin(&one)
            }),
        };
        if let Err(error) = moved {
            tracing::debug!(topic, partition = position.partition, %error, "not positioned yet");
            return false;
        }
        lock(&self.consumer.context().assigned).insert(key, Fetching::Yes);
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
        // A client that was taken for dead is about to join again under its name, which fences what it says before.
        if self.consumer.assignment_lost() {
            return;
        }
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
                // Threads of topics found this late end with their end of the channel.
                Ok(Command::Read(_) | Command::Leave(_) | Command::Seek { .. }) | Err(_) => {}
            }
        }
    }
}
