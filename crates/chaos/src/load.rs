//! The load: a producer that never forgets what the broker acknowledged.
//!
//! It is idempotent, waits for all replicas and tries again for minutes, so that a broker may die at any time. What it
//! cannot know it says: such an event may be in the table, and need not.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use goldrecord_contract::{Event, Topic};
use goldrecord_registry::framing;
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{
    BaseRecord, DeliveryResult, Producer, ProducerContext, PurgeConfig, ThreadedProducer,
};

use crate::error::{Error, Result};
use crate::ledger::{Expected, Ledger};

/// How the values of a topic are encoded; both are framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Avro.
    Avro,
    /// JSON.
    Json,
}

/// A topic under load.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    /// Which.
    pub topic: Topic,
    /// How its values are encoded.
    pub format: Format,
    /// The schema's id in the registry.
    pub schema_id: u32,
}

/// What is to be sent.
#[derive(Clone, Debug)]
pub struct Order {
    /// The brokers.
    pub bootstrap_servers: String,
    /// The topics, served in turn.
    pub streams: Vec<Stream>,
    /// How many partitions each has, served in turn.
    pub partitions: i32,
    /// Records a second, over all topics.
    pub rate: u32,
    /// Makes the events' ids those of this run.
    pub seed: u64,
}

/// Who writes to the ledger.
pub type SharedLedger = Arc<Mutex<Ledger>>;

/// The ledger, also after a thread that held it died: the file is whole lines either way.
pub fn lock(ledger: &SharedLedger) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One record on its way.
struct Sent {
    topic: &'static str,
    expected: Expected,
    id: String,
}

/// Writes each report into the ledger.
struct Reports(SharedLedger);

impl ClientContext for Reports {
    // A broker that is away is what this program is about.
    fn error(&self, _error: KafkaError, _reason: &str) {}
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Sent>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<Sent>) {
        let mut ledger = lock(&self.0);
        match result {
            Ok(message) => ledger.acked(
                sent.topic,
                message.partition(),
                message.offset(),
                sent.expected,
                &sent.id,
            ),
            Err(_) => ledger.maybe(sent.topic, sent.expected, &sent.id),
        }
    }
}

type Sender = ThreadedProducer<Reports>;

/// A producer at work in a thread of its own.
pub struct Load {
    thread: Option<JoinHandle<Result<()>>>,
    stop: Arc<AtomicBool>,
}

/// Every so many records one cannot be decoded.
const BAD_EVERY: u64 = 499;
/// Every so many events one is of the day before.
const LATE_EVERY: u64 = 10;
/// How long the producer tries to deliver a record: longer than any fault.
const PATIENCE: Duration = Duration::from_mins(5);
/// How often it looks whether the next record is due.
const PACE: Duration = Duration::from_millis(10);

impl Load {
    /// Begins.
    pub fn start(order: Order, ledger: SharedLedger, path: PathBuf) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("producer".into())
            .spawn(move || produce(&order, &ledger, &path, &told))
            .expect("the system starts a thread");
        Self {
            thread: Some(thread),
            stop,
        }
    }

    /// An error where it ended and nobody had told it to.
    pub fn check(&mut self) -> Result<()> {
        if self.thread.as_ref().is_some_and(JoinHandle::is_finished) {
            self.join()?;
            return Err(Error::Producer("ended by itself".into()));
        }
        Ok(())
    }

    /// Sends no more, and waits until it is known of every record what became of it, as far as it can be.
    pub fn stop(mut self) -> Result<()> {
        self.join()
    }

    fn join(&mut self) -> Result<()> {
        self.stop.store(true, Ordering::Release);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(ended)) => ended,
            Some(Err(_)) => Err(Error::Producer("its thread panicked".into())),
            None => Ok(()),
        }
    }
}

fn connect(order: &Order, ledger: &SharedLedger) -> Result<Sender> {
    ClientConfig::new()
        .set("bootstrap.servers", &order.bootstrap_servers)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "20")
        .set("compression.type", "zstd")
        .set("message.timeout.ms", PATIENCE.as_millis().to_string())
        .set("reconnect.backoff.max.ms", "1000")
        .create_with_context(Reports(Arc::clone(ledger)))
        .map_err(Error::kafka("cannot make a producer"))
}

fn produce(
    order: &Order,
    ledger: &SharedLedger,
    path: &std::path::Path,
    stop: &AtomicBool,
) -> Result<()> {
    let mut producer = connect(order, ledger)?;
    let begun = Instant::now();
    let mut number = 0;
    let mut flushed = Instant::now();
    while !stop.load(Ordering::Acquire) {
        let due = (begun.elapsed().as_secs_f64() * f64::from(order.rate)) as u64;
        while number < due && send(&producer, order, number)? {
            number += 1;
        }
        if producer.client().fatal_error().is_some() {
            // What is on its way in it comes back as not known; a new one begins with what was never sent.
            producer.purge(PurgeConfig::default().queue().inflight());
            drop(producer);
            producer = connect(order, ledger)?;
        }
        if flushed.elapsed() > Duration::from_secs(1) {
            flushed = Instant::now();
            lock(ledger).flush(path)?;
        }
        std::thread::sleep(PACE);
    }
    if producer.flush(PATIENCE).is_err() {
        producer.purge(PurgeConfig::default().queue().inflight());
        producer
            .flush(PATIENCE)
            .map_err(Error::kafka("cannot learn what became of purged records"))?;
    }
    lock(ledger).flush(path)
}

/// Hands over record `number`. False: there is no room now.
fn send(producer: &Sender, order: &Order, number: u64) -> Result<bool> {
    let streams = order.streams.len() as u64;
    let stream = order.streams[(number % streams) as usize];
    let partition = (number / streams % order.partitions as u64) as i32;
    let (expected, id, value) = record(stream, order.seed, number);
    let topic = stream.topic.name();
    let sent = Box::new(Sent {
        topic,
        expected,
        id,
    });
    let record = BaseRecord::<[u8], [u8], Box<Sent>>::with_opaque_to(topic, sent)
        .partition(partition)
        .payload(value.as_slice());
    match producer.send(record) {
        Ok(()) => Ok(true),
        Err((
            KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull | RDKafkaErrorCode::Fatal),
            _,
        )) => Ok(false),
        Err((source, _)) => Err(Error::kafka(format!("cannot send to {topic}"))(source)),
    }
}

fn record(stream: Stream, seed: u64, number: u64) -> (Expected, String, Vec<u8>) {
    const DAY: u64 = 86_400_000;
    if number % BAD_EVERY == BAD_EVERY - 1 {
        let id = format!("chaos-bad-{seed}-{number}");
        return (Expected::Bad, id.clone(), id.into_bytes());
    }
    let id = format!("{seed}-{number}");
    let late = if number.is_multiple_of(LATE_EVERY) {
        DAY
    } else {
        0
    };
    let event = Event {
        event_id: &id,
        ts: (now() - late) as i64,
        session_id: (number / 100) as i64,
        page: match stream.topic {
            Topic::Listen => "NextSong",
            _ => "Home",
        },
        auth: "Logged In",
        method: "GET",
        status: 200,
        level: "free",
        item_in_session: (number % 100) as i64,
        city: Some("Springfield"),
        ..Event::default()
    };
    let mut value = Vec::new();
    framing::write_header(stream.schema_id, &mut value);
    match stream.format {
        Format::Avro => event.encode_avro(&mut value),
        Format::Json => event.encode_json(&mut value),
    }
    (Expected::Good, id, value)
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("the clock is past 1970").as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_has_an_id_of_its_own_and_some_are_bad() {
        let stream = Stream {
            topic: Topic::Listen,
            format: Format::Avro,
            schema_id: 1,
        };
        let records: Vec<_> = (0..1000).map(|n| record(stream, 7, n)).collect();
        let ids: std::collections::BTreeSet<_> = records.iter().map(|(_, id, _)| id).collect();
        assert_eq!(ids.len(), 1000);
        let bad = records.iter().filter(|(kind, ..)| *kind == Expected::Bad);
        assert_eq!(bad.count(), 2);
        assert_eq!(framing::split(&records[0].2).expect("framed").0, 1);
        assert!(framing::split(&records[498].2).is_err());
    }
}
