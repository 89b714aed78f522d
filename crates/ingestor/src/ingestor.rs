//! A run: its threads, and when it ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, unbounded};
use goldrecord_lake::{Lake, WriteOptions};
use goldrecord_registry::Client;
use goldrecord_service::metrics::Registry;
use goldrecord_service::{Shutdown, notify};
use rdkafka::consumer::Consumer;
use rdkafka::metadata::MetadataTopic;
use tokio::runtime::Handle;

use crate::bronze;
use crate::consumer::{self, Command, Event, Poller, Probe, Rebalancer, SharedConsumer};
use crate::error::{Error, Result};
use crate::keeper::{Job, Keeper};
use crate::lag;
use crate::memory::Budget;
use crate::metrics::{Metrics, Server};
use crate::progress::{Progress, Summary, Until};
use crate::protocol::Choice;
use crate::settings::Settings;
use crate::shared::{Backoff, Shared};
use crate::worker::{Channels, Worker};

/// Kafka to bronze.
#[derive(Debug)]
pub struct Ingestor {
    settings: Settings,
    lake: Lake,
    registry: Client,
    metrics: Arc<Metrics>,
}

const TURN: Duration = Duration::from_millis(20);
const STATUS_EVERY: Duration = Duration::from_secs(5);
/// How long each question for the cluster's id waits for a broker.
const CLUSTER_PATIENCE: Duration = Duration::from_secs(1);

impl Ingestor {
    /// An ingestor that reads nothing yet.
    pub fn new(settings: Settings, lake: Lake, registry: Client) -> Self {
        Self {
            settings,
            lake,
            registry,
            metrics: Metrics::register(&Registry::new("ingestor")),
        }
    }

    /// Tells these metrics what it does; without them nobody hears of it.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Arc<Metrics>) -> Self {
        self.metrics = metrics;
        self
    }

    /// Reads until it is done or asked to stop, flushes, commits and leaves.
    ///
    /// Blocks: call it from a thread of its own, not from a task. `runtime` drives the lake and the registry.
    pub fn run(
        self,
        runtime: &Handle,
        until: Until,
        shutdown: &Shutdown,
        progress: &dyn Progress,
    ) -> Result<Summary> {
        self.settings.check()?;
        let metrics = Arc::clone(&self.metrics);
        let shared = Shared::new(runtime.clone(), progress, metrics, shutdown.clone());
        let budget = Budget::new(self.settings.buffer_bytes());
        self.metrics.watch(&budget);
        let mut senders = BTreeMap::new();
        let mut receivers: Vec<(String, Receiver<Event>)> = Vec::new();
        for topic in self.settings.topics.keys() {
            // Not bounded by number: every record in it is counted in the budget, which pauses the source.
            let (send, receive) = unbounded();
            senders.insert(topic.clone(), send);
            receivers.push((topic.clone(), receive));
        }
        let probe = Arc::new(consumer::probe(&self.settings)?);
        let Some(cluster) = self.cluster_id(&shared, &probe) else {
            return Ok(Summary::default());
        };
        // Not before: what it complains of is heard only by the thread that polls it.
        let rebalancer = Rebalancer::new(senders, Arc::clone(&self.metrics));
        let consumer: SharedConsumer = Arc::new(consumer::connect(&self.settings, rebalancer)?);
        tracing::info!(cluster, lake = self.lake.url(), topics = ?self.settings.topics.keys(), "reading");
        let (commands, obey) = unbounded::<Command>();
        thread::scope(|scope| {
            let mut threads = Vec::new();
            for (topic, events) in receivers {
                let (jobs, todo) = unbounded::<Job>();
                let (answers, replies) = unbounded();
                let keeper = Keeper {
                    shared: &shared,
                    topic: topic.clone(),
                    cluster: cluster.clone(),
                    servers: self.settings.bootstrap_servers.clone(),
                    table: self.lake.table(&bronze::path(&topic)),
                    choice: Choice {
                        start: self.settings.start,
                        on_out_of_range: self.settings.on_out_of_range,
                    },
                    probe: Arc::clone(&probe),
                    options: self.write_options(),
                    jobs: todo,
                    replies: answers,
                };
                let worker = Worker::new(
                    &shared,
                    &topic,
                    &cluster,
                    &self.settings,
                    self.registry.clone(),
                    Arc::clone(&budget),
                    Channels {
                        events,
                        commands: commands.clone(),
                        jobs,
                        replies,
                    },
                );
                threads.push(spawn(scope, &shared, format!("table {topic}"), move || {
                    keeper.run();
                }));
                threads.push(spawn(scope, &shared, format!("topic {topic}"), move || {
                    worker.run();
                }));
            }
            let poller = Poller::new(
                &shared,
                Arc::clone(&consumer),
                obey,
                Arc::clone(&budget),
                self.settings.topics.keys().cloned(),
            );
            threads.push(spawn(scope, &shared, "kafka".into(), move || poller.run()));
            self.supervise(&shared, &probe, until, || {
                threads.iter().all(thread::ScopedJoinHandle::is_finished)
            });
        });
        // Leaves the group; the topics' threads have ended and need no word of it.
        drop(consumer);
        let mut summary = std::mem::take(&mut *shared.summary());
        summary.peak_memory = budget.peak();
        match shared.take_error() {
            Some(error) => Err(error),
            None => Ok(summary),
        }
    }

    /// Rows wait in a topic's writer for long runs of one day, within the topic's share of the memory.
    fn write_options(&self) -> WriteOptions {
        let share = self.settings.buffer_bytes() / self.settings.topics.len() / 4;
        WriteOptions {
            total_buffer_bytes: share,
            folder_buffer_bytes: share / 2,
            ..WriteOptions::default()
        }
    }

    /// Kafka's id of the cluster, part of every offset's name. `None`: asked to stop first.
    fn cluster_id(&self, shared: &Shared<'_>, probe: &Probe) -> Option<String> {
        let mut backoff = Backoff::new();
        let servers = &self.settings.bootstrap_servers;
        loop {
            if let Some(cluster) = probe.client().fetch_cluster_id(CLUSTER_PATIENCE) {
                shared.wait_ends(Server::Kafka, "every topic");
                return Some(cluster);
            }
            let mut why = format!("no broker of {servers} answers");
            if let Some(complaint) = consumer::complaint(probe) {
                why = format!("{why}: {complaint}");
            }
            shared.wait_begins(Server::Kafka, "every topic", &why);
            // Nothing was read yet that a stopping run could still commit.
            if !backoff.pause(shared) || shared.is_stopping() {
                return None;
            }
        }
    }

    /// Watches over the threads until they have ended.
    fn supervise(
        &self,
        shared: &Shared<'_>,
        probe: &Probe,
        until: Until,
        ended: impl Fn() -> bool,
    ) {
        let (mut targets, done) = match until {
            Until::Shutdown => (None, None),
            Until::Offsets(targets) => (Some(targets), None),
            Until::Drained(done) => (None, Some(done)),
        };
        let mut ready = false;
        let mut told = Instant::now();
        while !ended() {
            if targets.is_none() && done.as_ref().is_some_and(|done| done()) {
                targets = self.ends(probe);
                shared.drain();
            }
            if let Some(targets) = &targets {
                shared.drain();
                if is_reached(&shared.summary(), targets) {
                    shared.stop.request();
                }
            }
            if !ready && !shared.summary().topics.is_empty() {
                ready = true;
                notify::ready();
            }
            if told.elapsed() > STATUS_EVERY {
                told = Instant::now();
                let lag = lag::measure(&self.metrics, probe);
                let lag = match (lag, consumer::complaint(probe)) {
                    (Some(lag), _) => format!("lag {lag} records"),
                    (None, Some(complaint)) => format!("Kafka is not reached: {complaint}"),
                    (None, None) => "lag unknown".to_owned(),
                };
                notify::status(&Self::status(shared, &lag));
            }
            thread::sleep(TURN);
        }
    }

    /// The next offsets of all partitions of our topics. `None`: no broker answers now.
    fn ends(&self, probe: &Probe) -> Option<BTreeMap<(String, i32), i64>> {
        let patience = Duration::from_secs(5);
        let mut ends = BTreeMap::new();
        for topic in self.settings.topics.keys() {
            let metadata = probe.fetch_metadata(Some(topic), patience).ok()?;
            for partition in metadata.topics().iter().flat_map(MetadataTopic::partitions) {
                let (_, end) = probe
                    .fetch_watermarks(topic, partition.id(), patience)
                    .ok()?;
                ends.insert((topic.clone(), partition.id()), end);
            }
        }
        Some(ends)
    }

    /// One line: lag, and what was committed or is waited for.
    fn status(shared: &Shared<'_>, lag: &str) -> String {
        let waits = shared.waits();
        if !waits.is_empty() {
            return format!("waiting: {}", waits.join("; "));
        }
        let summary = shared.summary().clone();
        let good: u64 = summary.topics.values().map(|own| own.good).sum();
        let bad: u64 = summary.topics.values().map(|own| own.bad).sum();
        let commits: u64 = summary.topics.values().map(|own| own.commits).sum();
        format!("{lag}; {good} events and {bad} bad records in {commits} commits since the start")
    }
}

fn is_reached(summary: &Summary, targets: &BTreeMap<(String, i32), i64>) -> bool {
    targets.iter().all(|((topic, partition), target)| {
        let next = summary
            .topics
            .get(topic)
            .and_then(|own| own.offsets.get(partition));
        // A partition without a record needs no row, only to be opened.
        next.is_some_and(|next| next >= target)
    })
}

/// A thread whose panic ends the run with an error instead of leaving the others waiting.
fn spawn<'scope, 'env>(
    scope: &'scope thread::Scope<'scope, 'env>,
    shared: &'scope Shared<'_>,
    name: String,
    work: impl FnOnce() + Send + 'scope,
) -> thread::ScopedJoinHandle<'scope, ()> {
    thread::Builder::new()
        .name(name.clone())
        .spawn_scoped(scope, move || {
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err() {
                shared.fail(Error::Thread(name));
            }
        })
        .expect("the system starts a thread")
}
