//! Events made and taken to bronze at the same time: a producer and an ingestor around one broker.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use goldrecord_eventsim::{
    Config as SimulatorConfig, Format, Input, KafkaSink, KafkaSinkOptions, Ledger, Outstanding,
    SimulationOptions, replay, simulate,
};
use goldrecord_ingestor::{Commit, Ingestor, Settings as IngestorSettings, Until};
use goldrecord_lake::Lake;
use goldrecord_registry::Client;
use goldrecord_service::Shutdown;
use goldrecord_service::config::Span;
use goldrecord_service::kafka::Access;
use tokio::runtime::Handle;
use tokio::task::{JoinError, spawn_blocking};

use super::place::{IngestFigures, Source};
use super::progress::{Progress, Stage};
use super::servers::Servers;
use crate::{Error, Result};

/// The embedded broker keeps little and its producer waits for the commits, so a topic is committed
/// long before the producer has to stop (about 5,000 records a partition), and a quiet one soon.
const EMBEDDED_FLUSH_ROWS: u64 = 16_384;
const EMBEDDED_FLUSH_INTERVAL: Duration = Duration::from_millis(400);

/// How the demo's events are encoded.
pub const FORMAT: Format = Format::Avro;

/// Make the events of `source`, and return when every one of them is in bronze and counted in the
/// ledger at `ledger`.
pub async fn run(
    servers: &Servers,
    source: &Source,
    ledger: &Path,
    progress: &Progress,
    shutdown: &Shutdown,
) -> Result<IngestFigures> {
    let started = Instant::now();
    // Either side's failure stops the other; so does the operator.
    let stop = Shutdown::new();
    let relay = tokio::spawn({
        let (shutdown, stop) = (shutdown.clone(), stop.clone());
        async move {
            shutdown.requested().await;
            stop.request();
        }
    });
    let total = match source {
        Source::Simulated { events, .. } => *events,
        Source::Replayed { .. } => 0,
    };
    let (sending, taking) = match source {
        Source::Simulated { .. } => ("simulate", "Kafka → bronze"),
        Source::Replayed { .. } => ("replay", "Kafka → bronze"),
    };
    let sent = Arc::new(Counter::new(progress.stage(sending, "events", total)));
    let taken = Arc::new(Taken::new(progress.stage(taking, "events", total)));
    let done = Arc::new(AtomicBool::new(false));

    let ingestor = spawn_blocking(ingestor(
        servers,
        Arc::clone(&taken),
        Arc::clone(&done),
        stop.clone(),
    )?);
    let producer = producer(servers, source, ledger, Arc::clone(&sent), stop.clone()).await;
    let sent_bytes = match producer {
        Ok(producer) => spawn_blocking(producer).await.map_err(panicked).flatten(),
        Err(error) => Err(error),
    };
    done.store(true, Ordering::Release);
    if sent_bytes.is_err() {
        stop.request();
    }
    let ingested = ingestor.await.map_err(panicked).flatten();
    relay.abort();
    if shutdown.is_requested() {
        return Err(Error::Stopped("run the same command again to go on"));
    }
    // A failed ingestor is why a producer that waits for it stopped, so it is told first.
    ingested?;
    let bytes = sent_bytes?;
    let events = sent.total();
    let (committed, commits) = (taken.events.total(), taken.commits.load(Ordering::Relaxed));
    if committed != events {
        return Err(Error::Refused(format!(
            "{events} events were sent and acknowledged, but {committed} are in bronze: this is a defect, please report it with {}",
            ledger.display()
        )));
    }
    sent.finish();
    taken.events.finish();
    Ok(IngestFigures {
        events,
        bytes,
        commits,
        seconds: started.elapsed().as_secs_f64(),
    })
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "map_err hands the error over"
)]
fn panicked(error: JoinError) -> Error {
    Error::Refused(format!("a thread of the demo ended early: {error}"))
}

/// The ingestor, ready to run on a thread of its own until everything that was sent is in bronze.
fn ingestor(
    servers: &Servers,
    taken: Arc<Taken>,
    done: Arc<AtomicBool>,
    stop: Shutdown,
) -> Result<impl FnOnce() -> Result<()> + use<>> {
    let mut config = servers.config.clone();
    let embedded = servers.is_embedded();
    if embedded {
        config.ingestor.flush_rows = EMBEDDED_FLUSH_ROWS;
        config.ingestor.flush_interval = Span(EMBEDDED_FLUSH_INTERVAL);
    }
    let lake = Lake::open(&config.lake.url)?;
    let registry = Client::of(&config.registry)?;
    let runtime = Handle::current();
    Ok(move || {
        let mut settings = IngestorSettings::load(&config)?;
        if embedded {
            // The embedded broker lets a fetch that found nothing wait to its end, whatever arrives meanwhile.
            settings
                .kafka
                .insert("fetch.wait.max.ms".into(), "5".into());
        }
        let until = Until::Drained(Arc::new(move || done.load(Ordering::Acquire)));
        let run = Ingestor::new(settings, lake, registry).run(&runtime, until, &stop, &*taken);
        if run.is_err() {
            stop.request();
        }
        run?;
        Ok(())
    })
}

/// The producer, ready to run on a thread of its own; returns the bytes that were acknowledged.
async fn producer(
    servers: &Servers,
    source: &Source,
    ledger: &Path,
    sent: Arc<Counter>,
    stop: Shutdown,
) -> Result<impl FnOnce() -> Result<u64> + use<>> {
    let config = &servers.config;
    let options = KafkaSinkOptions {
        bootstrap_servers: config.kafka.bootstrap_servers.clone(),
        access: Access::load(&config.kafka)?,
        format: FORMAT,
        outstanding: servers
            .is_embedded()
            .then(|| Outstanding::for_mock_broker(&config.kafka.group)),
    };
    let registry = Client::of(&config.registry)?;
    let mut sink = KafkaSink::new(&options, &registry, stop.clone()).await?;
    let source = source.clone();
    let path = ledger.to_owned();
    Ok(move || {
        let about = serde_json::to_value(&source).expect("plain data always serialises");
        let mut ledger = Ledger::new(about);
        let visit = |event: &goldrecord_contract::Event<'_>| {
            sink.send(event)?;
            ledger.count(event);
            sent.add(1);
            Ok(())
        };
        match &source {
            Source::Simulated {
                events,
                users,
                days,
                seed,
            } => {
                let options = SimulationOptions {
                    events: Some(*events),
                    users: u32::try_from(*users).unwrap_or(u32::MAX),
                    days: *days,
                    seed: *seed,
                    // The broker and the ingestor want the other cores.
                    threads: 1,
                    ..SimulationOptions::new(SimulatorConfig::default())
                };
                simulate(&options, &stop, visit)?;
            }
            Source::Replayed { file, .. } => {
                replay(&Input::file(file)?, &stop, visit)?;
            }
        }
        let delivered = sink.finish()?;
        assert_eq!(
            delivered.events,
            ledger.events(),
            "every event counted was acknowledged, and no other"
        );
        ledger.write(&path)?;
        Ok(delivered.bytes)
    })
}

/// A stage's bar and its count.
struct Counter {
    count: AtomicU64,
    stage: std::sync::Mutex<Option<Stage>>,
}

impl Counter {
    fn new(stage: Stage) -> Self {
        Self {
            count: AtomicU64::new(0),
            stage: std::sync::Mutex::new(Some(stage)),
        }
    }

    fn add(&self, more: u64) {
        /// The bar moves once in so many events: it is drawn ten times a second at most.
        const STEP: u64 = 2_048;
        let before = self.count.fetch_add(more, Ordering::Relaxed);
        if before / STEP != (before + more) / STEP
            && let Ok(stage) = self.stage.lock()
            && let Some(stage) = &*stage
        {
            stage.set(before + more);
        }
    }

    fn total(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    fn finish(&self) {
        if let Ok(mut stage) = self.stage.lock()
            && let Some(stage) = stage.take()
        {
            stage.finish(self.total());
        }
    }
}

/// What the ingestor committed.
struct Taken {
    events: Counter,
    commits: AtomicU64,
}

impl Taken {
    fn new(stage: Stage) -> Self {
        Self {
            events: Counter::new(stage),
            commits: AtomicU64::new(0),
        }
    }
}

impl goldrecord_ingestor::Progress for Taken {
    fn committed(&self, commit: &Commit) {
        self.events.add(commit.good + commit.bad);
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    fn waiting(&self, topic: &str, why: Option<&str>) {
        if let Ok(stage) = self.events.stage.lock()
            && let Some(stage) = &*stage
        {
            stage.message(&why.map_or_else(String::new, |why| format!("{topic} waits: {why}")));
        }
    }
}
