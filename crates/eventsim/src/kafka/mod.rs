//! Events to Kafka: idempotent, framed with the schema's id, every one acknowledged or an error.

mod outstanding;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use goldrecord_contract::{Event, Topic, avro_schema, json_schema};
use goldrecord_registry::{Client, SchemaType, framing};
use goldrecord_service::Shutdown;
use goldrecord_service::kafka::{Access, mend};
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::error::{Error, Result};
use outstanding::{Limits, Window};

/// How long the brokers may take to answer a question.
const ANSWER: Duration = Duration::from_secs(15);
/// How often the group's offsets are asked for while the producer is held back.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// How values are encoded; both carry the Confluent framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A bare Avro datum.
    Avro,
    /// A JSON object.
    Json,
}

/// How far the producer may be ahead of a consumer group.
///
/// librdkafka's mock broker drops the oldest records of a partition that holds too much, so its
/// producer must wait for its reader.
#[derive(Clone, Debug)]
pub struct Outstanding {
    /// The consumer group whose committed offsets say what was read.
    pub group: String,
    /// At most so many bytes (keys, values and their overhead) per partition.
    pub max_bytes: u64,
    /// At most so many records per partition.
    pub max_records: u64,
}

impl Outstanding {
    /// What the mock broker holds without loss, with room to spare.
    pub fn for_mock_broker(group: &str) -> Self {
        Self {
            group: group.into(),
            max_bytes: 2 << 20,
            max_records: 50_000,
        }
    }
}

/// Where to and how.
#[derive(Clone, Debug)]
pub struct KafkaSinkOptions {
    /// `host:port`, several separated by commas.
    pub bootstrap_servers: String,
    /// How the brokers let the producer in.
    pub access: Access,
    /// How values are encoded.
    pub format: Format,
    /// How far the producer may be ahead; None for as far as the brokers take it.
    pub outstanding: Option<Outstanding>,
}

/// What Kafka acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Events.
    pub events: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
}

/// Sends events to Kafka.
pub struct KafkaSink {
    servers: String,
    format: Format,
    producer: ThreadedProducer<Reports>,
    /// What delivery reports change.
    state: Arc<Shared>,
    /// Asks for the group's offsets, if the producer is to be held back.
    group: Option<BaseConsumer>,
    schema_ids: [u32; 4],
    shutdown: Shutdown,
    value: Vec<u8>,
    sent: Delivered,
}

/// Register the topics' schemas, subject `<topic>-value`; their ids in the order of [`Topic::index`].
/// Schemas that are there already keep their ids.
pub async fn register(registry: &Client, format: Format) -> Result<[u32; 4]> {
    let mut schema_ids = [0; 4];
    for topic in Topic::ALL {
        let subject = format!("{topic}-value");
        let (schema_type, text) = match format {
            Format::Avro => (SchemaType::Avro, avro_schema(topic)),
            Format::Json => (SchemaType::Json, json_schema(topic)),
        };
        let registered = registry.register(&subject, schema_type, &text).await;
        schema_ids[topic.index()] = registered.map_err(|source| Error::Registry {
            subject,
            source: Box::new(source),
        })?;
    }
    Ok(schema_ids)
}

impl KafkaSink {
    /// Register the schemas (subject `<topic>-value`) and connect. The topics must exist.
    pub async fn new(
        options: &KafkaSinkOptions,
        registry: &Client,
        shutdown: Shutdown,
    ) -> Result<Self> {
        let schema_ids = register(registry, options.format).await?;
        let options = options.clone();
        let connected =
            tokio::task::spawn_blocking(move || Self::connect(options, schema_ids, shutdown));
        connected
            .await
            .expect("connecting neither panics nor is cancelled")
    }

    fn connect(
        options: KafkaSinkOptions,
        schema_ids: [u32; 4],
        shutdown: Shutdown,
    ) -> Result<Self> {
        let servers = options.bootstrap_servers;
        let failed = |action: &'static str| {
            let servers = servers.clone();
            move |source: KafkaError| Error::Kafka {
                servers,
                action: action.into(),
                source: Box::new(source),
            }
        };
        let limits = options.outstanding.as_ref().map(|limits| Limits {
            bytes: limits.max_bytes,
            records: limits.max_records,
        });
        let state = Arc::new(Shared {
            state: Mutex::new(State::new(limits)),
            changed: Condvar::new(),
        });
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &servers);
        client.extend(options.access.settings());
        let producer: ThreadedProducer<Reports> = client
            .clone()
            .set("client.id", "goldrecord-eventsim")
            .set("enable.idempotence", "true")
            // As the Java client partitions: by the key's hash, keyless records anywhere.
            .set("partitioner", "murmur2_random")
            .set("compression.type", "lz4")
            .set("linger.ms", "20")
            .set("batch.size", "1000000")
            .set("queue.buffering.max.messages", "500000")
            .set("queue.buffering.max.kbytes", "131072")
            .create_with_context(Reports(state.clone()))
            .map_err(failed("making the producer"))?;
        // All topics are listed: asking for one by name would create it on a broker that does so.
        let metadata = producer
            .client()
            .fetch_metadata(None, ANSWER)
            .map_err(failed("reading the list of topics"))?;
        let partitions = Topic::ALL.map(|topic| {
            metadata
                .topics()
                .iter()
                .find(|found| found.name() == topic.name())
                .map_or(0, |found| found.partitions().len())
        });
        let missing: Vec<&str> = Topic::ALL
            .iter()
            .filter(|topic| partitions[topic.index()] == 0)
            .map(|topic| topic.name())
            .collect();
        if !missing.is_empty() {
            return Err(Error::TopicMissing {
                servers,
                topics: missing.join(", "),
            });
        }
        state.lock().window.set_partitions(partitions);
        let group = match &options.outstanding {
            None => None,
            Some(outstanding) => {
                let consumer: BaseConsumer = client
                    .set("client.id", "goldrecord-eventsim-offsets")
                    .set("group.id", &outstanding.group)
                    .create()
                    .map_err(failed("making the client that reads the group's offsets"))?;
                Some(consumer)
            }
        };
        Ok(Self {
            servers,
            format: options.format,
            producer,
            state,
            group,
            schema_ids,
            shutdown,
            value: Vec::with_capacity(1_024),
            sent: Delivered {
                events: 0,
                bytes: 0,
            },
        })
    }

    /// Send an event; waits while too much is outstanding. An earlier event's failure is told here.
    pub fn send(&mut self, event: &Event<'_>) -> Result<()> {
        let topic = event.topic();
        self.value.clear();
        framing::write_header(self.schema_ids[topic.index()], &mut self.value);
        match self.format {
            Format::Avro => event.encode_avro(&mut self.value),
            Format::Json => event.encode_json(&mut self.value),
        }
        let mut number = itoa::Buffer::new();
        let key = event.user_id.map(|user| number.format(user));
        let bytes = self.value.len() + key.map_or(0, str::len);
        self.reserve(topic, bytes as u64)?;
        let mut record =
            BaseRecord::with_opaque_to(topic.name(), topic.index()).payload(&self.value);
        record.key = key;
        loop {
            match self.producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                    // The librdkafka queue is full: delivery reports make room.
                    let state = self.state.lock();
                    drop(
                        self.state
                            .changed
                            .wait_timeout(state, ASK_EVERY)
                            .unwrap_or_else(PoisonError::into_inner),
                    );
                    if self.shutdown.is_requested() {
                        return Err(Error::Stopped {
                            events: self.sent.events,
                        });
                    }
                    record = refused;
                }
                Err((source, _)) => {
                    let action = format!("sending to {topic}");
                    return Err(Error::Kafka {
                        servers: self.servers.clone(),
                        action,
                        source: Box::new(source),
                    });
                }
            }
        }
        self.sent.events += 1;
        self.sent.bytes += bytes as u64;
        Ok(())
    }

    /// Wait until every event is acknowledged.
    pub fn finish(self) -> Result<Delivered> {
        loop {
            match self.producer.flush(Duration::from_millis(200)) {
                Ok(()) => break,
                Err(KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut)) => {
                    self.check(&self.state.lock())?;
                    if self.shutdown.is_requested() {
                        return Err(Error::Stopped {
                            events: self.sent.events,
                        });
                    }
                }
                Err(source) => {
                    let action = "waiting for the last acknowledgements".into();
                    return Err(Error::Kafka {
                        servers: self.servers.clone(),
                        action,
                        source: Box::new(source),
                    });
                }
            }
        }
        // The queue is empty; the last reports may still be on their way through the other thread.
        let mut state = self.state.lock();
        while state.failed + state.acknowledged < self.sent.events {
            state = self
                .state
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        self.check(&state)?;
        assert_eq!(
            state.acknowledged, self.sent.events,
            "every event is acknowledged or failed"
        );
        Ok(self.sent)
    }

    /// Count a record as outstanding, once there is room for it.
    fn reserve(&self, topic: Topic, bytes: u64) -> Result<()> {
        let mut state = self.state.lock();
        loop {
            self.check(&state)?;
            if state.window.try_reserve(topic, bytes) {
                return Ok(());
            }
            if self.shutdown.is_requested() {
                return Err(Error::Stopped {
                    events: self.sent.events,
                });
            }
            drop(state);
            self.read_group_offsets()?;
            state = self.state.lock();
            if !state.window.has_room(topic, bytes) {
                state = self
                    .state
                    .changed
                    .wait_timeout(state, ASK_EVERY)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            }
        }
    }

    /// Ask how far the group has read, and let go of what it has.
    fn read_group_offsets(&self) -> Result<()> {
        let Some(group) = &self.group else {
            return Ok(());
        };
        let mut partitions = TopicPartitionList::new();
        for topic in Topic::ALL {
            let count = self.state.lock().window.partitions(topic);
            partitions.add_partition_range(topic.name(), 0, count as i32 - 1);
        }
        let committed = match group.committed_offsets(partitions, ANSWER) {
            Ok(committed) => committed,
            Err(source) if is_passing(&source) => {
                tracing::warn!(%source, "the group's offsets could not be read; asking again");
                return Ok(());
            }
            Err(source) => {
                let action = "reading the group's committed offsets".into();
                return Err(Error::Kafka {
                    servers: self.servers.clone(),
                    action,
                    source: Box::new(source),
                });
            }
        };
        let mut state = self.state.lock();
        for element in committed.elements() {
            if let (Some(topic), Offset::Offset(offset)) =
                (Topic::from_name(element.topic()), element.offset())
            {
                state
                    .window
                    .committed(topic, element.partition() as usize, offset);
            }
        }
        Ok(())
    }

    fn check(&self, state: &State) -> Result<()> {
        match &state.reason {
            None => Ok(()),
            Some(reason) => Err(Error::Undelivered {
                servers: self.servers.clone(),
                sent: self.sent.events,
                failed: state.failed,
                reason: reason.clone(),
            }),
        }
    }
}

/// Whether the brokers may answer when asked again.
fn is_passing(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::OperationTimedOut
                | Code::RequestTimedOut
                | Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::WaitingForCoordinator
                | Code::CoordinatorLoadInProgress
                | Code::CoordinatorNotAvailable
                | Code::NotCoordinator
        )
    )
}

/// What the sender and librdkafka's reports share.
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct State {
    window: Window,
    acknowledged: u64,
    failed: u64,
    /// Why the first failed record did.
    reason: Option<String>,
}

impl State {
    fn new(limits: Option<Limits>) -> Self {
        Self {
            window: Window::new(limits),
            acknowledged: 0,
            failed: 0,
            reason: None,
        }
    }
}

/// Takes librdkafka's delivery reports, on its own thread.
struct Reports(Arc<Shared>);

impl ClientContext for Reports {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, mend = mend(reason), "Kafka");
    }
}

impl ProducerContext for Reports {
    /// The topic's index.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, topic: usize) {
        let mut state = self.0.lock();
        match result {
            Ok(message) => {
                let bytes = message.key_len() + message.payload_len();
                state.acknowledged += 1;
                state.window.delivered(
                    Topic::ALL[topic],
                    message.partition() as usize,
                    message.offset(),
                    bytes as u64,
                );
            }
            Err((error, _)) => {
                state.failed += 1;
                state
                    .reason
                    .get_or_insert_with(|| format!("{}: {error}", Topic::ALL[topic]));
            }
        }
        drop(state);
        self.0.changed.notify_all();
    }
}
