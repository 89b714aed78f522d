//! A run: its threads, and when it ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::unbounded;
use goldrecord_lake::Lake;
use goldrecord_registry::Client;
use goldrecord_service::metrics::Registry;
use goldrecord_service::{Shutdown, notify};
use rdkafka::consumer::Consumer;
use rdkafka::metadata::MetadataTopic;
use tokio::runtime::Handle;

use crate::consumer::{self, Command, Poller, Probe, Rebalancer};
use crate::error::Result;
use crate::lag;
use crate::memory::Budget;
use crate::metrics::{Metrics, Server};
use crate::progress::{Progress, Summary, Until};
use crate::reading::{Means, Reading};
use crate::settings::Settings;
use crate::shared::{Backoff, Shared};
use crate::topics::Finder;

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
        let finder = Finder::new(&self.settings)?;
        let ends_by_itself = !matches!(until, Until::Shutdown);
        let metrics = Arc::clone(&self.metrics);
        let shared = Shared::new(runtime.clone(), progress, metrics, shutdown.clone());
        let budget = Budget::new(self.settings.buffer_bytes());
        self.metrics.watch(&budget);
        let probe = Arc::new(consumer::probe(&self.settings)?);
        let Some(cluster) = self.cluster_id(&shared, &probe) else {
            return Ok(Summary::default());
        };
        // Not before: what it complains of is heard only by the thread that polls it.
        let rebalancer = Rebalancer::new(Arc::clone(&self.metrics));
        let consumer = consumer::connect(&self.settings, rebalancer)?;
        let (commands, obey) = unbounded::<Command>();
        thread::scope(|scope| {
            let means = Means {
                shared: &shared,
                settings: &self.settings,
                lake: &self.lake,
                registry: &self.registry,
                cluster,
                probe: Arc::clone(&probe),
                budget: Arc::clone(&budget),
                commands,
            };
            let mut reading = Reading::new(scope, means, finder);
            let poller = Poller::new(&shared, &self.settings, consumer, obey, Arc::clone(&budget));
            reading.spawn("kafka".into(), move || poller.run());
            if !reading.begin() {
                shared.stop.request();
            }
            self.supervise(&shared, &probe, until, &mut reading);
        });
        let mut summary = std::mem::take(&mut *shared.summary());
        summary.peak_memory = budget.peak();
        // A run that is to end when everything is read has not done it while a topic is refused.
        let refused = || ends_by_itself.then(|| shared.take_refusal()).flatten();
        match shared.take_error().or_else(refused) {
            Some(error) => Err(error),
            None => Ok(summary),
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
        reading: &mut Reading<'_, '_>,
    ) {
        let (mut targets, done) = match until {
            Until::Shutdown => (None, None),
            Until::Offsets(targets) => (Some(targets), None),
            Until::Drained(done) => (None, Some(done)),
        };
        let mut ready = false;
        let mut told = Instant::now();
        while !reading.has_ended() {
            reading.look();
            if reading.is_refused()
                && let Some(refusal) = shared.take_refusal()
            {
                shared.fail(refusal);
            }
            if targets.is_none() && done.as_ref().is_some_and(|done| done()) {
                targets = Self::ends(probe, reading.topics());
                shared.drain();
            }
            if let Some(targets) = &targets {
                shared.drain();
                let refused = shared.refused();
                if is_reached(&shared.summary(), targets, &refused) {
                    shared.stop.request();
                }
            }
            // Where a pattern finds nothing yet, there is nothing to wait for.
            if !ready && (reading.topics().is_empty() || !shared.summary().topics.is_empty()) {
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

    /// The next offsets of all partitions of these topics. `None`: no broker answers now.
    fn ends(probe: &Probe, topics: &[String]) -> Option<BTreeMap<(String, i32), i64>> {
        let patience = Duration::from_secs(5);
        let mut ends = BTreeMap::new();
        for topic in topics {
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
        let waits = match waits.as_slice() {
            [] => String::new(),
            waits => format!("waiting: {}; ", waits.join("; ")),
        };
        let summary = shared.summary().clone();
        let good: u64 = summary.topics.values().map(|own| own.good).sum();
        let bad: u64 = summary.topics.values().map(|own| own.bad).sum();
        let commits: u64 = summary.topics.values().map(|own| own.commits).sum();
        format!(
            "{waits}{lag}; {good} events and {bad} bad records in {commits} commits since the start"
        )
    }
}

/// Whether the table has what it should, of the topics that are not refused.
fn is_reached(
    summary: &Summary,
    targets: &BTreeMap<(String, i32), i64>,
    refused: &[String],
) -> bool {
    let mut targets = targets
        .iter()
        .filter(|((topic, _), _)| !refused.contains(topic));
    targets.all(|((topic, partition), target)| {
        let next = summary
            .topics
            .get(topic)
            .and_then(|own| own.offsets.get(partition));
        // A partition without a record needs no row, only to be opened.
        next.is_some_and(|next| next >= target)
    })
}
