//! The topics that a run reads: those named, those found when it begins, and those found later. Each has two
//! threads of its own from then on, and its table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use goldrecord_lake::Lake;
use goldrecord_registry::Client;
use goldrecord_service::config::Start;
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
use crate::topics::{Absent, Finder};
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
    /// What was there when the run began.
    first: BTreeSet<String>,
    absent: Absent,
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
            first: BTreeSet::new(),
            absent: Absent::default(),
            threads: Vec::new(),
            looked: Instant::now(),
        }
    }

    /// Begins to read what is named and what is found now. False: asked to stop first.
    pub(crate) fn begin(&mut self) -> bool {
        let shared = self.means.shared;
        let mut backoff = Backoff::new();
        loop {
            match self.there() {
                Ok(there) => {
                    shared.wait_ends(Server::Kafka, "every topic");
                    self.first.clone_from(&there);
                    self.read(self.finder.among(&there));
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

    /// Looks for topics that are new or gone, if it is time. Brokers that do not answer now are asked again next time.
    pub(crate) fn look(&mut self) {
        if self.looked.elapsed() < self.means.settings.refresh || self.means.shared.is_stopping() {
            return;
        }
        self.looked = Instant::now();
        match self.there() {
            Ok(there) => {
                self.read(self.finder.among(&there));
                self.leave(&there);
            }
            Err(error) => tracing::debug!(%error, "the brokers do not tell what topics there are"),
        }
    }

    /// The topics that the brokers have now.
    fn there(&self) -> KafkaResult<BTreeSet<String>> {
        let metadata = self.means.probe.fetch_metadata(None, PATIENCE)?;
        Ok(existing(metadata.topics()).map(str::to_owned).collect())
    }

    /// Leaves topics that are gone, and comes back to them once they are there again: named ones are waited for.
    fn leave(&mut self, there: &BTreeSet<String>) {
        let Means {
            shared,
            settings,
            commands,
            ..
        } = &self.means;
        let Some(gone) = self.absent.look(&self.topics, there) else {
            return;
        };
        for topic in &self.topics {
            if gone.contains(topic) {
                let servers = &settings.bootstrap_servers;
                let why = format!(
                    "Kafka at {servers} has no topic {topic}, or does not show it to this user: make it, or let \
                     `goldrecord-bootstrap` make it; it is read once it is there"
                );
                shared.wait_begins(Server::Topic, topic, &why);
            } else {
                shared.wait_ends(Server::Topic, topic);
            }
        }
        let _ = commands.send(Command::Leave(gone.clone()));
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
                start: self.start_of(topic),
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

    /// Of a topic that came while the run went on, everything is read.
    fn start_of(&self, topic: &str) -> Start {
        if self.first.contains(topic) {
            self.means.settings.start
        } else {
            Start::Earliest
        }
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
