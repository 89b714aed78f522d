//! The topics that a run reads: those named, those found when it begins, and those found later. Each has two
//! threads of its own from then on, and its table.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use goldrecord_lake::Lake;
use goldrecord_registry::Client;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::metadata::MetadataTopic;

use crate::bronze;
use crate::consumer::{self, Command, Event, Probe};
use crate::error::Error;
use crate::keeper::{Job, Keeper};
use crate::memory::Budget;
use crate::metrics::Server;
use crate::protocol::Choice;
use crate::settings::{Settings, TopicSettings};
use crate::shared::{Backoff, Shared};
use crate::topics::Finder;
use crate::worker::{Channels, Worker};

/// How long the brokers may take to tell what topics there are, while others are being read.
const PATIENCE: Duration = Duration::from_secs(2);

/// What every topic's threads are given.
pub(crate) struct Means<'a> {
    pub(crate) shared: &'a Shared<'a>,
    pub(crate) settings: &'a Settings,
    pub(crate) lake: &'a Lake,
    pub(crate) registry: &'a Client,
    pub(crate) cluster: String,
    pub(crate) probe: Arc<Probe>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) commands: Sender<Command>,
}

/// The topics that are read, and their threads.
pub(crate) struct Reading<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    means: Means<'scope>,
    finder: Finder<'scope>,
    topics: Vec<String>,
    threads: Vec<ScopedJoinHandle<'scope, ()>>,
    looked: Instant,
}

impl<'scope, 'env> Reading<'scope, 'env> {
    pub(crate) fn new(
        scope: &'scope Scope<'scope, 'env>,
        means: Means<'scope>,
        finder: Finder<'scope>,
    ) -> Self {
        Self {
            scope,
            means,
            finder,
            topics: Vec::new(),
            threads: Vec::new(),
            looked: Instant::now(),
        }
    }

    /// Begins to read what is named and what is found now. False: asked to stop first.
    pub(crate) fn begin(&mut self) -> bool {
        if !self.finder.has_patterns() {
            self.read(self.finder.among([]));
            return true;
        }
        let shared = self.means.shared;
        let mut backoff = Backoff::new();
        loop {
            match self.find() {
                Ok(found) => {
                    shared.wait_ends(Server::Kafka, "every topic");
                    self.read(found);
                    return true;
                }
                Err(error) => {
                    let servers = &self.means.settings.bootstrap_servers;
                    let why = match consumer::complaint(&self.means.probe) {
                        Some(complaint) => format!("Kafka at {servers}: {error}: {complaint}"),
                        None => format!("Kafka at {servers}: {error}"),
                    };
                    shared.wait_begins(Server::Kafka, "every topic", &why);
                    if !backoff.pause(shared) || shared.is_stopping() {
                        return false;
                    }
                }
            }
        }
    }

    /// Looks for new topics, if it is time. Brokers that do not answer now are asked again next time.
    pub(crate) fn look(&mut self) {
        if !self.finder.has_patterns()
            || self.looked.elapsed() < self.means.settings.refresh
            || self.means.shared.is_stopping()
        {
            return;
        }
        self.looked = Instant::now();
        match self.find() {
            Ok(found) => self.read(found),
            Err(error) => tracing::debug!(%error, "the brokers do not tell what topics there are"),
        }
    }

    /// The topics to read of those there are now.
    fn find(&self) -> KafkaResult<BTreeMap<String, TopicSettings>> {
        let metadata = self.means.probe.fetch_metadata(None, PATIENCE)?;
        Ok(self.finder.among(existing(metadata.topics())))
    }

    /// Gives threads to those that have none yet.
    fn read(&mut self, mut found: BTreeMap<String, TopicSettings>) {
        found.retain(|topic, _| !self.topics.contains(topic));
        if found.is_empty() {
            return;
        }
        let topics: Vec<&String> = found.keys().collect();
        let (cluster, lake) = (&self.means.cluster, self.means.lake.url());
        tracing::info!(cluster, lake, ?topics, "reading");
        self.means.shared.reads(self.topics.len() + found.len());
        // Not bounded by number: every record in it is counted in the budget, which pauses the source.
        let channels = found.into_iter().map(|found| (found, unbounded::<Event>()));
        let (told, begun): (Vec<_>, Vec<_>) = channels
            .map(|((topic, own), (tell, events))| ((topic.clone(), tell), (topic, own, events)))
            .unzip();
        // Before the threads begin, which are counted when it hears of them. Where a run ends nobody hears, and
        // the threads end with the channels.
        let _ = self.means.commands.send(Command::Read(told));
        for (topic, own, events) in begun {
            self.start(&topic, own, events);
            self.topics.push(topic);
        }
    }

    fn start(&mut self, topic: &str, own: TopicSettings, events: Receiver<Event>) {
        let Means {
            shared,
            settings,
            lake,
            cluster,
            probe,
            budget,
            commands,
            ..
        } = &self.means;
        let (jobs, todo) = unbounded::<Job>();
        let (answers, replies) = unbounded();
        let keeper = Keeper {
            shared,
            topic: topic.to_owned(),
            cluster: cluster.clone(),
            servers: settings.bootstrap_servers.clone(),
            table: lake.table(&bronze::path(topic)),
            choice: Choice {
                start: settings.start,
                on_out_of_range: settings.on_out_of_range,
            },
            probe: Arc::clone(probe),
            budget: Arc::clone(budget),
            jobs: todo,
            replies: answers,
        };
        let channels = Channels {
            events,
            commands: commands.clone(),
            jobs,
            replies,
        };
        let worker = Worker::new(&self.means, topic, own, channels);
        self.spawn(format!("table {topic}"), move || keeper.run());
        self.spawn(format!("topic {topic}"), move || worker.run());
    }

    /// A thread whose panic ends the run with an error instead of leaving the others waiting.
    pub(crate) fn spawn(&mut self, name: String, work: impl FnOnce() + Send + 'scope) {
        let shared = self.means.shared;
        let thread = thread::Builder::new()
            .name(name.clone())
            .spawn_scoped(self.scope, move || {
                if std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err() {
                    shared.fail(Error::Thread(name));
                }
            })
            .expect("the system starts a thread");
        self.threads.push(thread);
    }

    /// The topics that have threads.
    pub(crate) fn topics(&self) -> &[String] {
        &self.topics
    }

    /// Whether every topic that there will be was refused, so that nothing can ever be read.
    pub(crate) fn is_refused(&self) -> bool {
        !self.finder.has_patterns() && self.means.shared.refused().len() == self.topics.len()
    }

    /// Whether all threads have ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.threads.iter().all(ScopedJoinHandle::is_finished)
    }
}

/// The names of topics, without those that the brokers only have been asked about.
pub(crate) fn existing(topics: &[MetadataTopic]) -> impl Iterator<Item = &str> {
    topics
        .iter()
        .filter(|topic| topic.error().is_none())
        .map(MetadataTopic::name)
}
