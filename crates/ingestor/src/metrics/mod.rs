//! What the ingestor tells Prometheus: every metric is declared here, and `docs/metrics.md` says what each is for.
//!
//! Nothing is counted record by record: [`Rows`] looks at whole batches, and what it found is added to the metrics
//! when their flush is in the table. What was read and given up again was never committed and never shows.

mod partitions;
mod rows;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use goldrecord_service::metrics::{Counter, Gauge, Histogram, Registry, Unit};

use self::partitions::{Partitions, Terms};
pub(crate) use self::rows::Rows;
use crate::bronze::{Cause, Kind};
use crate::decode::Code;
use crate::memory::Budget;
use crate::shared::lock;

/// Seconds of work between microseconds and a minute.
const WORK: &[f64] = &[
    0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];
/// Seconds from a record's timestamp until it is in the table.
const DELAY: &[f64] = &[
    0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 21_600.0,
    86_400.0,
];
/// Bytes of files.
const SIZES: &[f64] = &[
    16_384.0,
    131_072.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    33_554_432.0,
    67_108_864.0,
    134_217_728.0,
    268_435_456.0,
];

/// What may be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Server {
    Kafka,
    /// The brokers answer, but have no such topic, or do not show it to us.
    Topic,
    Registry,
    /// The registry answers, but with no schema that the topic could be read by: none, or one that no table fits.
    Schema,
    Lake,
}

impl Server {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Topic => "topic",
            Self::Registry => "registry",
            Self::Schema => "schema",
            Self::Lake => "lake",
        }
    }
}

/// What the ingestor tells Prometheus.
pub struct Metrics {
    received_records: Counter<1>,
    received_bytes: Counter<1>,
    lag_records: Gauge<2>,
    lag_seconds: Gauge<2>,
    assigned_partitions: Gauge<1>,
    paused_partitions: Gauge<0>,
    rebalances: Counter<1>,
    committed_records: Counter<3>,
    committed_bytes: Counter<1>,
    batches: Counter<1>,
    commits: Counter<1>,
    foreign_commits: Counter<1>,
    abandoned_flushes: Counter<1>,
    written_bytes: Counter<1>,
    file_size: Histogram<1>,
    decode: Histogram<1>,
    encode: Histogram<1>,
    write: Histogram<1>,
    commit: Histogram<1>,
    delay: Histogram<1>,
    lateness: Histogram<1>,
    future_records: Counter<1>,
    newest_event: Gauge<1>,
    balance: Gauge<3>,
    retries: Counter<2>,
    waits: Counter<2>,
    waiting_since: Gauge<2>,
    buffered: Gauge<0>,
    buffer_limit: Gauge<0>,
    partitions: Mutex<Partitions>,
    budget: Mutex<Option<Arc<Budget>>>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Declares the metrics. They are told for as long as the registry is there.
    #[expect(clippy::too_many_lines, reason = "one declaration after the other")]
    pub fn register(registry: &Registry) -> Arc<Self> {
        let records = Unit::Of("records");
        let metrics = Arc::new(Self {
            received_records: registry.counter(
                "received",
                records,
                ["topic"],
                "Records that came from Kafka, those read again included.",
            ),
            received_bytes: registry.counter(
                "received",
                Unit::Bytes,
                ["topic"],
                "Bytes of their keys, values and headers.",
            ),
            lag_records: registry.gauge(
                "lag",
                records,
                ["topic", "partition"],
                "Offsets between the end of a partition of ours in Kafka and the next one of the table. Measured every 5 s.",
            ),
            lag_seconds: registry.gauge(
                "lag",
                Unit::Seconds,
                ["topic", "partition"],
                "0 where the table has everything, else the age of the newest record it has: the next one waits at most so long. Not there until this process has committed a record of the partition.",
            ),
            assigned_partitions: registry.gauge(
                "assigned",
                Unit::Of("partitions"),
                ["topic"],
                "Partitions that are ours now.",
            ),
            paused_partitions: registry.gauge(
                "paused",
                Unit::Of("partitions"),
                [],
                "Partitions that are not fetched because the buffers are full.",
            ),
            rebalances: registry.counter(
                "group",
                Unit::Of("rebalances"),
                ["kind"],
                "Changes of the assignment, by `kind`: assigned, revoked, or fenced (lost with this member's name, which a new consumer then takes again).",
            ),
            committed_records: registry.counter(
                "committed",
                records,
                ["topic", "kind", "reason"],
                "What came into the table, by `kind`: good, bad (`reason`: the code in `_error`), or gap (offsets without a record; `reason`: out_of_range or skipped).",
            ),
            committed_bytes: registry.counter(
                "committed",
                Unit::Bytes,
                ["topic"],
                "Bytes of keys and values, as they came from Kafka, that came into the table.",
            ),
            batches: registry.counter(
                "committed",
                Unit::Of("batches"),
                ["topic"],
                "Batches of rows that came into the table.",
            ),
            commits: registry.counter(
                "table",
                Unit::Of("commits"),
                ["topic"],
                "Commits of rows.",
            ),
            foreign_commits: registry.counter(
                "foreign",
                Unit::Of("commits"),
                ["topic"],
                "Commits of others (ingestors, maintenance) that one of ours was put behind because they came first.",
            ),
            abandoned_flushes: registry.counter(
                "abandoned",
                Unit::Of("flushes"),
                ["topic"],
                "Flushes given up, and their records read again: another owner had committed, or files could not be written.",
            ),
            written_bytes: registry.counter(
                "written",
                Unit::Bytes,
                ["topic"],
                "Bytes of the files committed.",
            ),
            file_size: registry.histogram(
                "file_size",
                Unit::Bytes,
                ["topic"],
                SIZES,
                "Sizes of the files written.",
            ),
            decode: registry.histogram(
                "decode",
                Unit::Seconds,
                ["topic"],
                WORK,
                "Time to decode a chunk of records (up to 4,096, or 512 KiB), without waiting for its schemas.",
            ),
            encode: registry.histogram(
                "encode",
                Unit::Seconds,
                ["topic"],
                WORK,
                "Time to encode and compress a run of rows of one day, or to close its file; on the encoders' threads.",
            ),
            write: registry.histogram(
                "write",
                Unit::Seconds,
                ["topic"],
                WORK,
                "Time from a flush's last row until its files are closed and in the lake.",
            ),
            commit: registry.histogram(
                "commit",
                Unit::Seconds,
                ["topic"],
                WORK,
                "Time of one attempt to commit a flush, all commits that it was put behind included.",
            ),
            delay: registry.histogram(
                "commit_delay",
                Unit::Seconds,
                ["topic"],
                DELAY,
                "Time from a record's timestamp in Kafka until it was in the table. One record of 64 is measured and counts for all.",
            ),
            lateness: registry.histogram(
                "lateness",
                Unit::Seconds,
                ["topic"],
                rows::LATENESS,
                "Time from an event's own time to its record's timestamp in Kafka, of good records; 0 for those of the future.",
            ),
            future_records: registry.counter(
                "future",
                records,
                ["topic"],
                "Good records whose event's own time is more than a second after their timestamp in Kafka.",
            ),
            newest_event: registry.gauge(
                "newest_event",
                Unit::Timestamp,
                ["topic"],
                "The latest event's own time that came into the table from this process.",
            ),
            balance: registry.gauge(
                "balance",
                Unit::Of("offsets"),
                ["topic", "partition", "term"],
                "What became of a partition's offsets since it is ours, by `term`: the table's number (next) less where it was then (start) is good + bad + gap + expired (good until retention removed them).",
            ),
            retries: registry.counter(
                "server",
                Unit::Of("retries"),
                ["server", "topic"],
                "Requests that failed and are made again, by `server`: kafka, registry, lake, or schema (none is registered that the topic could be read by).",
            ),
            waits: registry.counter(
                "server",
                Unit::Of("waits"),
                ["server", "topic"],
                "How often a server began to be waited for.",
            ),
            waiting_since: registry.gauge(
                "waiting_since",
                Unit::Timestamp,
                ["server", "topic"],
                "When the present wait for a server began. Not there when nothing is waited for.",
            ),
            buffered: registry.gauge(
                "buffered",
                Unit::Bytes,
                [],
                "What the buffers hold between Kafka's client and the lake.",
            ),
            buffer_limit: registry.gauge(
                "buffer_limit",
                Unit::Bytes,
                [],
                "What they may hold before partitions are paused.",
            ),
            partitions: Mutex::default(),
            budget: Mutex::default(),
        });
        let told = Arc::downgrade(&metrics);
        registry.before_scrape(move || {
            if let Some(metrics) = told.upgrade() {
                metrics.look();
            }
        });
        metrics
    }

    /// What nobody tells the metrics when it changes.
    fn look(&self) {
        if let Some(budget) = &*lock(&self.budget) {
            self.buffered.set([], budget.used() as f64);
            self.buffer_limit.set([], budget.limit() as f64);
        }
    }

    pub(crate) fn watch(&self, budget: &Arc<Budget>) {
        *lock(&self.budget) = Some(Arc::clone(budget));
    }

    pub(crate) fn received(&self, topic: &str, records: u64, bytes: u64) {
        self.received_records.add([topic], records);
        self.received_bytes.add([topic], bytes);
    }

    pub(crate) fn decoded(&self, topic: &str, took: Duration) {
        self.decode.observe([topic], took.as_secs_f64());
    }

    pub(crate) fn encoded(&self, topic: &str, took: Duration) {
        self.encode.observe([topic], took.as_secs_f64());
    }

    pub(crate) fn wrote(&self, topic: &str, took: Duration, sizes: impl Iterator<Item = u64>) {
        self.write.observe([topic], took.as_secs_f64());
        self.file_size
            .observe_all([topic], sizes.map(|size| (size as f64, 1)));
    }

    /// One attempt to commit ended; commits of others came first.
    pub(crate) fn tried_to_commit(&self, topic: &str, took: Duration, foreign: u64) {
        self.commit.observe([topic], took.as_secs_f64());
        self.foreign_commits.add([topic], foreign);
    }

    /// A partition is ours, or is asked for anew: the table has it up to `stored`.
    pub(crate) fn opened(&self, topic: &str, partition: i32, stored: i64) {
        // Series begin at 0, or an alert on what they rise by would not see the first.
        self.committed_records
            .add([topic, Kind::Good.name(), ""], 0);
        for code in Code::ALL {
            let labels = [topic, Kind::Bad.name(), code.name()];
            self.committed_records.add(labels, 0);
        }
        for cause in [Cause::OutOfRange, Cause::Skipped] {
            let labels = [topic, Kind::Gap.name(), cause.name()];
            self.committed_records.add(labels, 0);
        }
        for counter in [
            &self.commits,
            &self.foreign_commits,
            &self.abandoned_flushes,
            &self.future_records,
        ] {
            counter.add([topic], 0);
        }
        let mut partitions = lock(&self.partitions);
        let terms = partitions.open(topic, partition, stored);
        self.show(topic, [terms]);
        self.count_assigned(topic, &partitions);
    }

    /// A partition is another's now; what is told of it, that one tells.
    pub(crate) fn revoked(&self, topic: &str, partition: i32) {
        let mut partitions = lock(&self.partitions);
        partitions.close(topic, partition);
        let number = partition.to_string();
        self.balance
            .forget(|[name, of, _]| name == topic && of == number);
        for gauge in [&self.lag_records, &self.lag_seconds] {
            gauge.forget(|[name, of]| name == topic && of == number);
        }
        self.count_assigned(topic, &partitions);
    }

    fn count_assigned(&self, topic: &str, partitions: &Partitions) {
        let ours = partitions.next_offsets(topic).count();
        self.assigned_partitions.set([topic], ours as f64);
    }

    /// A flush is in the table; `offsets` are the table's numbers now.
    pub(crate) fn committed(
        &self,
        topic: &str,
        rows: &Rows,
        offsets: &[(i32, i64)],
        bytes: u64,
        written: u64,
        now: i64,
    ) {
        self.commits.add([topic], 1);
        self.committed_bytes.add([topic], bytes);
        self.written_bytes.add([topic], written);
        self.batches.add([topic], rows.batches());
        for (kind, reason, records) in rows.kinds() {
            self.committed_records.add([topic, kind, reason], records);
        }
        let (counts, sum) = rows.lateness();
        self.lateness.add_sorted([topic], counts, sum);
        self.future_records.add([topic], rows.future());
        self.delay.observe_all([topic], rows.delays(now));
        let mut partitions = lock(&self.partitions);
        if let Some(newest) = partitions.newest_event(topic, rows.newest_event()) {
            self.newest_event.set([topic], newest as f64 / 1e6);
        }
        let terms = partitions.committed(topic, rows, offsets);
        self.show(topic, terms);
    }

    /// Retention has left nothing of a topic before this day, in days since 1970-01-01.
    pub(crate) fn expired(&self, topic: &str, before: i64) {
        let mut partitions = lock(&self.partitions);
        let terms = partitions.expired(topic, before);
        self.show(topic, terms);
    }

    /// A flush was given up; reading begins again where the table is now.
    pub(crate) fn abandoned(&self, topic: &str, stored: impl IntoIterator<Item = (i32, i64)>) {
        self.abandoned_flushes.add([topic], 1);
        for (partition, stored) in stored {
            self.opened(topic, partition, stored);
        }
    }

    fn show(&self, topic: &str, terms: impl IntoIterator<Item = (i32, Terms)>) {
        let terms: Vec<(String, Terms)> = terms
            .into_iter()
            .map(|(partition, terms)| (partition.to_string(), terms))
            .collect();
        self.balance
            .set_all(terms.iter().flat_map(|(partition, terms)| {
                terms
                    .named()
                    .map(|(term, value)| ([topic, partition.as_str(), term], value as f64))
            }));
    }

    /// The partitions of ours, by topic and number, and the table's next offset of each.
    pub(crate) fn next_offsets(&self) -> Vec<(String, i32, i64)> {
        lock(&self.partitions).all()
    }

    /// Kafka has a partition up to `end`. Returns how many records the table lacks.
    pub(crate) fn ends_at(&self, topic: &str, partition: i32, end: i64, now: i64) -> u64 {
        // Held throughout, so that a revocation comes before or after.
        let partitions = lock(&self.partitions);
        let Some((next, newest)) = partitions.state(topic, partition) else {
            return 0;
        };
        let lag = (end - next).max(0);
        let labels = [topic, &partition.to_string()];
        self.lag_records.set(labels, lag as f64);
        if lag == 0 {
            self.lag_seconds.set(labels, 0.0);
        } else if let Some(newest) = newest {
            let age = now.saturating_sub(newest).max(0);
            self.lag_seconds.set(labels, age as f64 / 1e6);
        }
        lag as u64
    }

    pub(crate) fn rebalanced(&self, kind: &'static str) {
        self.rebalances.add([kind], 1);
    }

    pub(crate) fn paused(&self, partitions: usize) {
        self.paused_partitions.set([], partitions as f64);
    }

    /// An attempt failed. `since`: µs since 1970, where it is the first one of a wait.
    pub(crate) fn waits(&self, server: Server, topic: &str, since: Option<i64>) {
        let labels = [server.name(), topic];
        self.retries.add(labels, 1);
        if let Some(since) = since {
            self.waits.add(labels, 1);
            self.waiting_since.set(labels, since as f64 / 1e6);
        }
    }

    pub(crate) fn goes_on(&self, server: Server, topic: &str) {
        let server = server.name();
        self.waiting_since
            .forget(|labels| labels == [server, topic]);
    }
}
