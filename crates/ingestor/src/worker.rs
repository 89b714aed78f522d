//! The thread of one topic: decodes records, decides when to flush, keeps the protocol.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::datatypes::Fields;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use goldrecord_registry::{Client, Schema, framing};
use goldrecord_service::config::{Format, Gaps};

use crate::bronze::{self, Cause, Events, Origin, Others, Raw};
use crate::chunk::{Chunk, Record};
use crate::consumer::{Command, Event};
use crate::decode::column::Column;
use crate::decode::{Code, Fault, Misfit};
use crate::error::{Error, Result};
use crate::keeper::{Flushed, Job, Opened, Reply, now};
use crate::memory::{Budget, Charge};
use crate::progress::{Commit, TopicSummary};
use crate::protocol::{Offered, Position, Range, Step, Topic};
use crate::schemas::{self, Answer, Known, LatestError, Schemas, TimeColumn};
use crate::settings::{EventTime, FlushPolicy, Settings, TopicSettings};
use crate::shared::{Backoff, Shared};

/// A batch goes to the encoder when it has this many rows or bytes.
const BATCH_ROWS: usize = 16 << 10;
const BATCH_BYTES: usize = 16 << 20;

/// How long a thread waits before it looks whether the run has ended.
const LOOK: Duration = Duration::from_millis(100);

/// The thread's ends of its channels.
pub(crate) struct Channels {
    pub(crate) events: Receiver<Event>,
    pub(crate) commands: Sender<Command>,
    pub(crate) jobs: Sender<Job>,
    pub(crate) replies: Receiver<Reply>,
}

pub(crate) struct Worker<'a> {
    shared: &'a Shared<'a>,
    name: String,
    settings: &'a TopicSettings,
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
    time: TimeColumn,
    /// Gaps to be listed in one row a flush, by partition.
    listed: BTreeMap<i32, Vec<Range>>,
    /// What the columns being filled hold.
    held: Charge,
    filling: Filling,
    flying: Flight,
    generation: u64,
    /// Answers that came while another was waited for.
    answers: VecDeque<Reply>,
    opened: bool,
    stopping: bool,
}

/// What fills since the last flush.
#[derive(Default)]
struct Filling {
    since: Option<Instant>,
    records: u64,
    bytes: u64,
}

/// The flush that flies.
#[derive(Default)]
struct Flight {
    steps: Vec<Step>,
    bytes: u64,
}

/// The run ends: the error, if any, was told.
struct Ended;

/// A turn of the thread; `Err` ends it.
type Turn<T = ()> = std::result::Result<T, Ended>;

impl<'a> Worker<'a> {
    pub(crate) fn new(
        shared: &'a Shared<'a>,
        name: &str,
        cluster: &str,
        settings: &'a Settings,
        registry: Client,
        budget: Arc<Budget>,
        channels: Channels,
    ) -> Self {
        let policy = settings.flush;
        let settings = &settings.topics[name];
        let events = Events::new(Fields::empty()).expect("no field has a wrong type");
        Self {
            shared,
            name: name.to_owned(),
            settings,
            policy,
            registry,
            held: budget.charge(0),
            budget,
            channels,
            topic: Topic::new(cluster, name),
            schemas: Schemas::new(settings.format),
            unframed: None,
            events,
            others: Others::default(),
            time: TimeColumn::Missing,
            listed: BTreeMap::new(),
            filling: Filling::default(),
            flying: Flight::default(),
            generation: 0,
            answers: VecDeque::new(),
            opened: false,
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
            // With one flush flying and the next one full, records wait: in our channel first, then in Kafka.
            if self.topic.is_flying() && self.is_full() {
                let reply = self.answer()?;
                self.heed(reply)?;
                continue;
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
                if !self.opened {
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
                    if let Some(position) = self.topic.resume(partition, epoch, stored, lost) {
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
                        self.shared
                            .summary()
                            .topics
                            .entry(self.name.clone())
                            .or_default()
                            .offsets
                            .insert(partition, stored);
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

    fn seek(&self, position: Position) -> Turn {
        let topic = self.name.clone();
        self.channels
            .commands
            .send(Command::Seek { topic, position })
            .map_err(|_| Ended)
    }

    /// Flushes all that is there and waits until it is in the table, or given up.
    fn settle(&mut self) -> Turn {
        loop {
            while self.topic.is_flying() {
                let reply = self.answer()?;
                self.heed(reply)?;
            }
            if self.filling.since.is_none() {
                return Ok(());
            }
            self.flush()?;
        }
    }

    fn flush(&mut self) -> Turn {
        let steps = self.topic.take();
        let listed = std::mem::take(&mut self.listed);
        for (partition, ranges) in listed {
            if let Some(epoch) = self
                .topic
                .partition(partition)
                .and_then(|state| state.epoch())
            {
                self.others.gaps(partition, epoch, &ranges, Cause::Skipped);
            }
        }
        self.send_events()?;
        self.send_others()?;
        let filling = std::mem::take(&mut self.filling);
        if steps.is_empty() {
            return Ok(());
        }
        self.flying = Flight {
            steps: steps.clone(),
            bytes: filling.bytes,
        };
        self.ask(Job::Flush {
            generation: self.generation,
            steps,
        })
    }

    fn send_events(&mut self) -> Turn {
        if self.events.is_empty() {
            return Ok(());
        }
        match self.events.finish(now()) {
            Ok(batch) => {
                self.held.set(0);
                let charge = self.budget.charge(batch.get_array_memory_size());
                self.ask(Job::Push {
                    generation: self.generation,
                    batch,
                    charge,
                })
            }
            Err(error) => self.fail(self.unfit(&error.to_string())),
        }
    }

    fn send_others(&mut self) -> Turn {
        if self.others.is_empty() {
            return Ok(());
        }
        match self.others.finish(now()) {
            Ok(batch) => {
                let charge = self.budget.charge(batch.get_array_memory_size());
                self.ask(Job::Push {
                    generation: self.generation,
                    batch,
                    charge,
                })
            }
            Err(error) => self.fail(self.unfit(&error.to_string())),
        }
    }

    fn unfit(&self, why: &str) -> Error {
        Error::Commit {
            table: bronze::path(&self.name),
            why: why.to_owned(),
        }
    }

    fn committed(&mut self, version: i64, written: u64) -> Turn {
        let offsets = self.topic.committed();
        let flight = std::mem::take(&mut self.flying);
        let mut commit = Commit {
            topic: self.name.clone(),
            version,
            good: 0,
            bad: 0,
            gaps: 0,
            bytes: flight.bytes,
            written,
            offsets,
        };
        for step in &flight.steps {
            commit.good += step.tally.good;
            commit.bad += step.tally.bad;
            commit.gaps += step.tally.gaps;
        }
        {
            let mut summary = self.shared.summary();
            let own: &mut TopicSummary = summary.topics.entry(self.name.clone()).or_default();
            own.good += commit.good;
            own.bad += commit.bad;
            own.gaps += commit.gaps;
            own.bytes += commit.bytes;
            own.commits += 1;
            own.offsets.extend(commit.offsets.iter().copied());
        }
        tracing::debug!(
            topic = self.name,
            version,
            good = commit.good,
            bad = commit.bad,
            gaps = commit.gaps,
            "committed"
        );
        fail::fail_point!("ingestor::before-kafka-commit", |_| {
            self.shared
                .fail(Error::Failpoint("ingestor::before-kafka-commit"));
            Err(Ended)
        });
        let (topic, offsets) = (self.name.clone(), commit.offsets.clone());
        self.shared.progress.committed(&commit);
        self.channels
            .commands
            .send(Command::Commit { topic, offsets })
            .map_err(|_| Ended)
    }

    fn abandoned(&mut self, stored: &BTreeMap<i32, (i32, i64)>) -> Turn {
        let positions = self.topic.abandoned(stored);
        self.events.take_back_all();
        self.others = Others::default();
        self.listed.clear();
        self.held.set(0);
        self.filling = Filling::default();
        self.flying = Flight::default();
        self.generation += 1;
        self.shared
            .summary()
            .topics
            .entry(self.name.clone())
            .or_default()
            .abandoned += 1;
        for position in positions {
            self.seek(position)?;
        }
        Ok(())
    }

    /// The topic's first partition is ours: its latest schema makes the columns.
    fn open(&mut self) -> Turn {
        let latest = match schemas::latest(self.shared, &self.registry, &self.name) {
            Ok(latest) => latest,
            Err(LatestError::Stopped) => return Err(Ended),
            Err(LatestError::Registry(source)) => {
                return self.fail(Error::Registry {
                    topic: self.name.clone(),
                    source: Box::new(source),
                });
            }
        };
        // An empty change: the answer is the table's schema.
        if let Err(Misfit(why)) = self.evolve(Vec::new())? {
            return self.fail(self.unfit(&why));
        }
        if let Some(schema) = latest {
            let id = schema.id;
            self.unframed = Some(id);
            let index = self.learn(&schema)?;
            if let Known::Bad(fault, _) = self.schemas.get(index) {
                let why = fault.text.to_string();
                return self.fail(Error::Schema {
                    topic: self.name.clone(),
                    schema: id,
                    why,
                });
            }
        }
        self.opened = true;
        Ok(())
    }

    /// Makes room for a schema's fields in the table and in the columns being filled.
    fn evolve(&mut self, fields: Vec<crate::decode::Field>) -> Turn<Result<(), Misfit>> {
        self.ask(Job::Evolve(fields))?;
        let schema = loop {
            match self.answer()? {
                Reply::Evolved(Ok(schema)) => break schema,
                Reply::Evolved(Err(misfit)) => return Ok(Err(misfit)),
                other => self.answers.push_back(other),
            }
        };
        let fields = bronze::event_fields(&schema);
        if fields == *self.events.fields() {
            return Ok(Ok(()));
        }
        self.send_events()?;
        let time = match &self.settings.event_time {
            EventTime::Kafka => None,
            EventTime::Field(name) => Some(name.as_str()),
        };
        let columns =
            TimeColumn::find(&fields, time).and_then(|time| Ok((time, Events::new(fields)?)));
        match columns {
            Ok((time, events)) => {
                self.schemas
                    .bind(events.fields())
                    .expect("columns are only added");
                self.time = time;
                self.events = events;
                Ok(Ok(()))
            }
            Err(Misfit(why)) => self.fail(self.unfit(&why)),
        }
    }

    /// Learns a schema: where its records go, or why they are bad.
    fn learn(&mut self, schema: &Schema) -> Turn<usize> {
        let id = schema.id;
        let mut plan = match self.schemas.read(schema) {
            Ok(plan) => plan,
            Err(fault) => return Ok(self.schemas.learn_unknown(id, fault)),
        };
        let mut fitted = self.evolve(plan.fields())?;
        if fitted.is_ok() {
            fitted = plan.bind(self.events.fields());
        }
        Ok(match fitted {
            Ok(()) => self.schemas.learn(id, Known::Ready(plan)),
            Err(Misfit(why)) => self
                .schemas
                .learn_unknown(id, Fault::new(Code::UnsupportedSchema, why)),
        })
    }

    fn schema(&mut self, id: u32) -> Turn<usize> {
        if let Some(index) = self.schemas.find(id) {
            return Ok(index);
        }
        match schemas::ask(self.shared, &self.registry, &self.name, id) {
            Answer::Schema(schema) => self.learn(&schema),
            Answer::Bad(fault) => Ok(self.schemas.learn_unknown(id, fault)),
            Answer::Stopped => Err(Ended),
        }
    }

    /// Waits until somebody registers the schema by which unframed records are read.
    fn need_unframed(&mut self) -> Turn {
        let mut backoff = Backoff::new();
        while self.unframed.is_none() {
            self.open()?;
            if self.unframed.is_none() {
                let why = format!(
                    "no schema is registered as `{}-value`; unframed records need one",
                    self.name
                );
                self.shared.wait_begins(&self.name, &why);
                if !backoff.pause(self.shared) {
                    return Err(Ended);
                }
            }
        }
        self.shared.wait_ends(&self.name);
        Ok(())
    }

    fn take(&mut self, chunk: Chunk) -> Turn {
        if self.settings.format == Format::JsonUnframed && self.unframed.is_none() {
            self.need_unframed()?;
        }
        let now = now();
        let ahead = i64::try_from(self.settings.ahead.as_micros()).unwrap_or(i64::MAX);
        let accepted = self.settings.earliest_event..=now.saturating_add(ahead);
        // Records come in runs of one schema.
        let mut last: Option<(u32, usize)> = None;
        for index in 0..chunk.len() {
            let record = chunk.get(index);
            let Some(partition) = self.topic.partition(record.partition) else {
                continue;
            };
            let Offered::Next { gap } = partition.offer(record.offset) else {
                continue;
            };
            let epoch = partition
                .epoch()
                .expect("a partition being read is of an epoch");
            let origin = Origin {
                partition: record.partition,
                epoch,
                offset: record.offset,
                timestamp_ms: record.timestamp_ms,
            };
            if !gap.is_empty() {
                self.note_gap(origin, gap);
            }
            let (id, outcome) = match self.split(&record) {
                Err(fault) => (None, Err(fault)),
                Ok((id, payload)) => {
                    let place = match last {
                        Some((same, place)) if same == id => place,
                        _ => {
                            let place = self.schema(id)?;
                            last = Some((id, place));
                            place
                        }
                    };
                    let outcome = match self.schemas.get(place) {
                        Known::Bad(fault, _) => Err(fault.clone()),
                        Known::Ready(plan) => plan
                            .decode(payload, &mut self.events.columns)
                            .and_then(|()| {
                                event_time(self.time, &self.events.columns, &record, &accepted)
                            }),
                    };
                    (Some(id), outcome)
                }
            };
            let good = outcome.is_ok();
            match outcome {
                Ok(time) => {
                    self.events
                        .close(origin, id.expect("a decoded record has a schema"), time);
                }
                Err(fault) => {
                    self.events.take_back();
                    let raw = Raw {
                        key: record.key,
                        value: record.value,
                        headers: record.headers,
                    };
                    self.others.bad(origin, id, &fault, raw);
                }
            }
            let partition = self
                .topic
                .partition(record.partition)
                .expect("it was there when the record was offered");
            partition.count(good);
            self.filling.records += 1;
            self.filling.bytes +=
                (record.value.map_or(0, <[u8]>::len) + record.key.map_or(0, <[u8]>::len)) as u64;
            if self.events.len() >= BATCH_ROWS {
                self.send_events()?;
            }
        }
        drop(chunk);
        if self.filling.records > 0 {
            self.filling.since.get_or_insert_with(Instant::now);
        }
        if self.events.bytes() >= BATCH_BYTES {
            self.send_events()?;
        }
        if self.others.bytes() >= BATCH_BYTES {
            self.send_others()?;
        }
        self.held.set(self.events.bytes() + self.others.bytes());
        Ok(())
    }

    fn note_gap(&mut self, origin: Origin, gap: Range) {
        match self.settings.gaps {
            Gaps::Alarm => {
                tracing::error!(
                    topic = self.name,
                    partition = origin.partition,
                    ?gap,
                    "offsets hold no record"
                );
                self.others
                    .gap(origin.partition, origin.epoch, gap, Cause::Skipped);
            }
            Gaps::Expected => self.listed.entry(origin.partition).or_default().push(gap),
        }
    }

    /// A record's schema and payload.
    #[inline]
    fn split<'r>(&self, record: &Record<'r>) -> std::result::Result<(u32, &'r [u8]), Fault> {
        let value = match record.value {
            None => return Err(Fault::new(Code::NullValue, "the record has no value")),
            Some([]) => return Err(Fault::new(Code::EmptyValue, "the value has no bytes")),
            Some(value) => value,
        };
        match (self.settings.format, self.unframed) {
            (Format::Avro | Format::Json, _) => framing::split(value)
                .map_err(|error| Fault::new(Code::NotFramed, error.to_string())),
            (Format::JsonUnframed, Some(id)) => Ok((id, value)),
            (Format::JsonUnframed, None) => unreachable!("waited for before a record is looked at"),
        }
    }
}

/// The event's time in µs since 1970, if it is acceptable.
#[inline]
fn event_time(
    time: TimeColumn,
    columns: &[Column],
    record: &Record<'_>,
    accepted: &std::ops::RangeInclusive<i64>,
) -> std::result::Result<i64, Fault> {
    let row = |index: usize| columns[index].len() - 1;
    let found = match time {
        TimeColumn::Micros(index) => columns[index].long(row(index)),
        TimeColumn::Millis(index) => columns[index]
            .long(row(index))
            .map(|millis| millis.saturating_mul(1000)),
        // A cast of NaN is 0, which is before any accepted time; infinity saturates.
        TimeColumn::MillisAsDouble(index) => columns[index]
            .double(row(index))
            .map(|millis| (millis * 1000.0) as i64),
        TimeColumn::Kafka => record
            .timestamp_ms
            .map(|millis| millis.saturating_mul(1000)),
        TimeColumn::Missing => None,
    };
    match found {
        Some(time) if accepted.contains(&time) => Ok(time),
        Some(time) => Err(Fault::new(
            Code::EventTimeOutOfRange,
            match chrono::DateTime::from_timestamp_micros(time) {
                Some(moment) => format!("the event's time is {}", moment.to_rfc3339()),
                None => format!("the event's time is {time} µs since 1970"),
            },
        )),
        None => Err(Fault::new(Code::NoEventTime, "the event has no time")),
    }
}
