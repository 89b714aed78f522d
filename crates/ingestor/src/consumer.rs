//! The one thread that talks to Kafka: polls, seeks, pauses, answers rebalances, writes offsets back.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Headers as _, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;

use crate::chunk::{Chunk, Record};
use crate::error::{Error, Result};
use crate::memory::Budget;
use crate::protocol::{Lease, Position};
use crate::settings::Settings;
use crate::shared::{Shared, lock};

/// The consumer, which its thread alone polls.
pub(crate) type SharedConsumer = Arc<BaseConsumer<Rebalancer>>;

/// What a topic's thread is told. In order: records follow the positioning they were fetched under.
pub(crate) enum Event {
    Assigned(Vec<i32>),
    /// Flush what these hold, then answer.
    Revoked(Vec<i32>, Sender<()>),
    Positioned(i32, Lease),
    Records(Chunk),
    /// Kafka no longer has what was next of some partition.
    OutOfRange,
    /// Flush everything and end.
    Stop,
}

/// What this thread is told.
pub(crate) enum Command {
    Seek {
        topic: String,
        position: Position,
    },
    /// The table has these: for Kafka's tools to show lag.
    Commit {
        topic: String,
        offsets: Vec<(i32, i64)>,
    },
    /// A topic's thread has ended.
    Ended,
}

/// How long a rebalance waits for the flush of what is revoked. What is not flushed by then the next
/// owner reads again.
const REVOKE_PATIENCE: Duration = Duration::from_secs(20);
const CHUNK_BYTES: usize = 512 << 10;
const CHUNK_RECORDS: usize = 4096;
/// A chunk begins with room for so much, and grows.
const FIRST_BYTES: usize = 64 << 10;

/// The assignment, and who is to hear of its changes.
pub(crate) struct Rebalancer {
    events: BTreeMap<String, Sender<Event>>,
    /// By topic and partition: whether it is being fetched.
    assigned: Mutex<BTreeMap<(String, i32), bool>>,
}

impl Rebalancer {
    pub(crate) fn new(events: BTreeMap<String, Sender<Event>>) -> Self {
        Self {
            events,
            assigned: Mutex::new(BTreeMap::new()),
        }
    }

    fn tell(&self, topic: &str, event: Event) {
        if let Some(events) = self.events.get(topic) {
            // A thread that has ended needs to hear nothing.
            let _ = events.send(event);
        }
    }

    fn assign(&self, consumer: &BaseConsumer<Self>, partitions: &TopicPartitionList) {
        let mut by_topic: BTreeMap<String, Vec<i32>> = BTreeMap::new();
        for element in partitions.elements() {
            let (topic, partition) = (element.topic(), element.partition());
            by_topic
                .entry(topic.to_owned())
                .or_default()
                .push(partition);
            lock(&self.assigned).insert((topic.to_owned(), partition), false);
        }
        // Accepted, but nothing of it is fetched: each partition is added with the offset that the table says.
        if let Err(error) = consumer.incremental_assign(&TopicPartitionList::new()) {
            tracing::error!(%error, "the assignment could not be taken");
        }
        tracing::info!(partitions = ?by_topic, "assigned");
        for (topic, partitions) in by_topic {
            self.tell(&topic, Event::Assigned(partitions));
        }
    }

    fn revoke(&self, consumer: &BaseConsumer<Self>, partitions: &TopicPartitionList) {
        let mut by_topic: BTreeMap<String, Vec<i32>> = BTreeMap::new();
        let mut fetched = TopicPartitionList::new();
        for element in partitions.elements() {
            let (topic, partition) = (element.topic(), element.partition());
            by_topic
                .entry(topic.to_owned())
                .or_default()
                .push(partition);
            if lock(&self.assigned).remove(&(topic.to_owned(), partition)) == Some(true) {
                fetched.add_partition(topic, partition);
            }
        }
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
        tracing::warn!(%error, reason, "Kafka");
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

    fn commit_callback(
        &self,
        result: rdkafka::error::KafkaResult<()>,
        _offsets: &TopicPartitionList,
    ) {
        // Kafka's offsets are for show: the next commit brings newer ones.
        if let Err(error) = result {
            tracing::debug!(%error, "offsets were not written to Kafka");
        }
    }
}

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
            self.shared
                .progress
                .received(topic, chunk.len() as u64, chunk.payload() as u64);
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
            self.consumer
                .seek(topic, position.partition, offset, Duration::from_secs(5))
        } else {
            self.consumer.incremental_assign(&one).and_then(|()| {
                if self.paused {
                    self.consumer.pause(&one)
                } else {
                    Ok(())
                }
            })
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

/// Copies a message. True: the chunk is full.
#[inline]
fn append(
    chunk: &mut Option<Chunk>,
    budget: &Arc<Budget>,
    message: &impl MessageWithHeaders,
) -> bool {
    let chunk = chunk.get_or_insert_with(|| {
        let mut chunk = Chunk::new(budget.charge(0), FIRST_BYTES);
        chunk.charge.set(chunk.held());
        chunk
    });
    let headers = message.headers_as_json();
    chunk.push(Record {
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis(),
        key: message.key(),
        value: message.payload(),
        headers: headers.as_deref(),
    });
    if chunk.held() > chunk.charge.bytes() {
        chunk.charge.set(chunk.held());
    }
    chunk.payload() >= CHUNK_BYTES || chunk.len() >= CHUNK_RECORDS
}

/// A message whose headers can be shown.
trait MessageWithHeaders: Message {
    fn headers_as_json(&self) -> Option<String>;
}

impl<M: Message> MessageWithHeaders for M {
    /// Pairs of a name and its value in hexadecimal, which any bytes fit.
    fn headers_as_json(&self) -> Option<String> {
        let headers = self.headers()?;
        let mut out = String::from("[");
        for header in headers.iter() {
            if out.len() > 1 {
                out.push(',');
            }
            let name = serde_json::Value::from(header.key);
            let _ = write!(out, "[{name},");
            match header.value {
                Some(value) => {
                    out.push('"');
                    for byte in value {
                        let _ = write!(out, "{byte:02x}");
                    }
                    out.push('"');
                }
                None => out.push_str("null"),
            }
            out.push(']');
        }
        out.push(']');
        Some(out)
    }
}
