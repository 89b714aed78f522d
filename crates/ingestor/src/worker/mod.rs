//! The thread of one topic: decodes records, decides when to flush, keeps the protocol.
//!
//! Here is the loop: what it hears, and when it flushes.

mod flush;
mod latest;
mod records;
mod schemas;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::datatypes::Fields;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use goldrecord_registry::Client;

use self::flush::Flight;
use self::schemas::{Latest, Standing};
use crate::bronze::{Cause, Events, Others};
use crate::consumer::{Command, Event};
use crate::digest::Digest;
use crate::error::Error;
use crate::judge::TimeColumn;
use crate::keeper::{Flushed, Job, Reply};
use crate::memory::{Budget, Charge};
use crate::metrics::Rows;
use crate::protocol::{Opened, Position, Range, Topic};
use crate::reading::Means;
use crate::schemas::{Schemas, subject};
use crate::settings::{FlushPolicy, TopicSettings};
use crate::shared::Shared;

/// How long a thread waits before it looks whether the run has ended.
const LOOK: Duration = Duration::from_millis(100);

/// The thread's ends of its channels.
pub(crate) struct Channels {
    pub(crate) events: Receiver<Event>,
    pub(crate) commands: Sender<Command>,
    pub(crate) jobs: Sender<Job>,
    pub(crate) replies: Receiver<Reply>,
}

/// So long records wait at least for others to be committed with, where memory is short.
const CRAMPED: Duration = Duration::from_secs(1);

pub(crate) struct Worker<'a> {
    shared: &'a Shared<'a>,
    name: String,
    settings: TopicSettings,
    policy: FlushPolicy,
    registry: Client,
    budget: Arc<Budget>,
    channels: Channels,
    topic: Topic,
    schemas: Schemas,
    /// The schema of records without framing.
    unframed: Option<u32>,
    events: Events,
    others: Others,
    /// Bytes that items of lists and maps take among the events.
    items: usize,
    time: TimeColumn,
    /// Gaps to be listed in one row a flush, by partition.
    listed: BTreeMap<i32, Vec<Range>>,
    /// What the columns being filled hold.
    held: Charge,
    filling: Filling,
    flying: Flight,
    digest: Digest,
    /// How long schemas were waited for.
    waited: Duration,
    /// Answers that came while another was waited for.
    answers: VecDeque<Reply>,
    standing: Standing,
    latest: Latest,
    stopping: bool,
}

/// What fills since the last flush.
#[derive(Default)]
struct Filling {
    since: Option<Instant>,
    records: u64,
    bytes: u64,
    rows: Rows,
    /// How many rows went to the table's thread.
    sent: u64,
}

/// The run ends: the error, if any, was told.
struct Ended;

/// A turn of the thread; `Err` ends it.
type Turn<T = ()> = Result<T, Ended>;

impl<'a> Worker<'a> {
    pub(crate) fn new(
        means: &Means<'a>,
        name: &str,
        own: TopicSettings,
        channels: Channels,
    ) -> Self {
        let budget = Arc::clone(&means.budget);
        let events = Events::new(Fields::empty()).expect("no field has a wrong type");
        Self {
            shared: means.shared,
            name: name.to_owned(),
            latest: Latest::new(subject(name, &own), means.settings.refresh),
            schemas: Schemas::new(own.format),
            settings: own,
            policy: means.settings.flush,
            registry: Client::clone(means.registry),
            held: budget.charge(0),
            budget,
            channels,
            topic: Topic::new(&means.cluster, name),
            unframed: None,
            events,
            others: Others::default(),
            items: 0,
            time: TimeColumn::Missing,
            listed: BTreeMap::new(),
            filling: Filling::default(),
            flying: Flight::default(),
            digest: Digest::default(),
            waited: Duration::ZERO,
            answers: VecDeque::new(),
            standing: Standing::New,
            stopping: false,
        }
    }

    pub(crate) fn run(mut self) {
        // Whatever ended it was told by who found it.
        let _ = self.work();
        let _ = self.channels.commands.send(Command::Ended);
    }

    fn fail<T>(&self, error: Error) -> Turn<T> {
        self.shared.fail(error);
        Err(Ended)
    }

    fn work(&mut self) -> Turn {
        loop {
            if self.shared.is_aborted() {
                return Err(Ended);
            }
            while let Some(reply) = self.answers.pop_front() {
                self.heed(reply)?;
            }
            if self.is_due() {
                self.flush()?;
            }
            self.look()?;
            if let Some(line) = self.digest.due(Instant::now()) {
                line.log(&self.name);
            }
            let patience = self.patience();
            crossbeam_channel::select_biased! {
                recv(self.channels.replies) -> reply => match reply {
                    Ok(reply) => self.heed(reply)?,
                    Err(_) => return Err(Ended),
                },
                recv(self.channels.events) -> event => match event {
                    Ok(event) => self.handle(event)?,
                    Err(_) => return Err(Ended),
                },
                default(patience) => {}
            }
            if self.stopping {
                return self.settle();
            }
        }
    }

    /// The next answer of the keeper, whatever it is about.
    fn answer(&mut self) -> Turn<Reply> {
        loop {
            match self.channels.replies.recv_timeout(LOOK) {
                Ok(reply) => return Ok(reply),
                Err(RecvTimeoutError::Disconnected) => return Err(Ended),
                Err(RecvTimeoutError::Timeout) if self.shared.is_aborted() => return Err(Ended),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn ask(&self, job: Job) -> Turn {
        self.channels.jobs.send(job).map_err(|_| Ended)
    }

    fn is_full(&self) -> bool {
        self.filling.records >= self.policy.rows || self.filling.bytes >= self.policy.bytes
    }

    fn is_due(&self) -> bool {
        let Some(since) = self.filling.since else {
            return false;
        };
        !self.topic.is_flying()
            && (self.is_full()
                || since.elapsed() >= self.policy.interval
                // What is read from now on would have no room before.
                || (self.budget.is_over() && since.elapsed() >= CRAMPED)
                || (self.shared.is_draining() && self.channels.events.is_empty()))
    }

    fn patience(&self) -> Duration {
        match self.filling.since {
            Some(since) if !self.topic.is_flying() => self
                .policy
                .interval
                .saturating_sub(since.elapsed())
                .min(LOOK),
            _ => LOOK,
        }
    }

    fn handle(&mut self, event: Event) -> Turn {
        match event {
            Event::Assigned(partitions) => {
                if self.standing == Standing::New {
                    self.open()?;
                }
                if partitions
                    .iter()
                    .any(|partition| self.topic.partition(*partition).is_some())
                {
                    // Assigned anew without a revocation: what was read under the old assignment goes first.
                    self.settle()?;
                }
                for partition in &partitions {
                    self.topic.assign(*partition);
                }
                self.ask(Job::Open(partitions))
            }
            Event::Revoked(partitions, done) => {
                self.settle()?;
                for partition in partitions {
                    self.topic.revoke(partition);
                    self.shared.metrics.revoked(&self.name, partition);
                }
                if self.topic.partitions().next().is_none() {
                    self.let_go();
                }
                // The polling thread may have lost its patience.
                let _ = done.send(());
                Ok(())
            }
            Event::Positioned(partition, lease) => {
                self.topic.positioned(partition, lease);
                Ok(())
            }
            Event::Records(chunk) => self.take(chunk),
            Event::OutOfRange => {
                self.settle()?;
                let partitions = self.topic.reopen();
                if partitions.is_empty() {
                    Ok(())
                } else {
                    self.ask(Job::Open(partitions))
                }
            }
            Event::Stop => {
                self.stopping = true;
                Ok(())
            }
        }
    }

    fn heed(&mut self, reply: Reply) -> Turn {
        match reply {
            Reply::Opened(partitions) => {
                for Opened {
                    partition,
                    epoch,
                    stored,
                    lost,
                } in partitions
                {
                    if self.is_held_back() {
                        // Where it begins is in the table, and its lag is told. It is asked for again when it is read.
                        let ours = self.topic.partition(partition).is_some();
                        if ours {
                            self.opened(partition, stored);
                        }
                    } else if let Some(position) = self.topic.resume(partition, epoch, stored, lost)
                    {
                        if !lost.is_empty() {
                            tracing::error!(
                                topic = self.name,
                                partition,
                                ?lost,
                                "records were deleted before they were read"
                            );
                            self.others.gap(partition, epoch, lost, Cause::OutOfRange);
                            self.filling.since.get_or_insert_with(Instant::now);
                        }
                        self.seek(position)?;
                        self.opened(partition, stored);
                    }
                }
                Ok(())
            }
            Reply::Flushed(Flushed::Committed { version, written }) => {
                self.committed(version, written)
            }
            Reply::Flushed(Flushed::Abandoned { stored }) => self.abandoned(&stored),
            Reply::Evolved(_) => {
                unreachable!("new columns are waited for where they are asked for")
            }
        }
    }

    /// The table has a partition up to here.
    fn opened(&self, partition: i32, stored: i64) {
        self.shared.metrics.opened(&self.name, partition, stored);
        let mut summary = self.shared.summary();
        let own = summary.topics.entry(self.name.clone()).or_default();
        own.offsets.insert(partition, stored);
    }

    fn seek(&self, position: Position) -> Turn {
        let topic = self.name.clone();
        self.channels
            .commands
            .send(Command::Seek { topic, position })
            .map_err(|_| Ended)
    }
}
