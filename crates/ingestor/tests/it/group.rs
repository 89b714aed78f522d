//! Ingestors that share one group and one topic on a real broker.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use goldrecord_ingestor::{
    Commit, Ingestor, Metrics, Progress, Result, Settings, Summary, TopicSettings, Until,
};
use goldrecord_registry::SchemaType;
use goldrecord_service::Shutdown;
use goldrecord_service::metrics::Registry;
use goldrecord_testkit::Kafka;

use crate::world::{JUNE, SMALL, World, framed, small};

/// How long a member may be silent: as little as a broker allows.
pub(crate) const SESSION: Duration = Duration::from_secs(6);

/// Waits until something is so.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !is_so() {
        assert!(Instant::now() < deadline, "after a minute: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Says something of the member to librdkafka.
pub(crate) fn set(settings: &mut Settings, key: &str, value: &str) {
    settings.kafka.insert(key.to_owned(), value.to_owned());
}

/// The topic, and what its ingestors agree on.
pub(crate) struct Group {
    pub(crate) world: World,
    pub(crate) topic: String,
    pub(crate) settings: Settings,
    schema: u32,
    partitions: i32,
    sent: AtomicI64,
}

impl Group {
    pub(crate) fn new(kafka: &Kafka, topic: &str, partitions: i32) -> Self {
        let world = World::on(kafka, &[(topic, partitions)]);
        let schema = world.register(topic, SchemaType::Avro, SMALL);
        let mut settings = world.settings(&[(topic, TopicSettings::default())]);
        topic.clone_into(&mut settings.group);
        let session = SESSION.as_millis().to_string();
        set(&mut settings, "session.timeout.ms", &session);
        Self {
            world,
            topic: topic.to_owned(),
            settings,
            schema,
            partitions,
            sent: AtomicI64::new(0),
        }
    }

    /// Sends so many more events, to one partition after the other, and waits until they are acknowledged.
    pub(crate) fn send(&self, events: i64) {
        let first = self.sent.fetch_add(events, Ordering::SeqCst);
        for number in first..first + events {
            let value = framed(self.schema, &small(JUNE, Some(number), "x"));
            let partition = (number % i64::from(self.partitions)) as i32;
            self.world.produce(&self.topic, partition, Some(&value));
        }
        self.world.acknowledged();
    }

    pub(crate) fn sent(&self) -> i64 {
        self.sent.load(Ordering::SeqCst)
    }

    /// How many offsets the table has.
    pub(crate) fn stored(&self) -> i64 {
        self.world
            .latest(&self.topic)
            .map_or(0, |snapshot| snapshot.txns.values().sum())
    }

    /// Waits until the table has everything that was sent before.
    pub(crate) fn wait_for_all(&self) {
        let sent = self.sent();
        wait_until("the table has every event", || self.stored() >= sent);
    }

    pub(crate) fn join(&self) -> Member {
        self.join_as(self.settings.clone())
    }

    pub(crate) fn join_as(&self, settings: Settings) -> Member {
        let (registry, told, shutdown) = (
            Registry::new("ingestor"),
            Arc::new(Told::default()),
            Shutdown::new(),
        );
        let world = &self.world;
        let ingestor = Ingestor::new(settings, world.lake.clone(), world.registry.clone())
            .with_metrics(Metrics::register(&registry));
        let runtime = world.runtime.handle().clone();
        let (own, asked) = (Arc::clone(&told), shutdown.clone());
        let run =
            std::thread::spawn(move || ingestor.run(&runtime, Until::Shutdown, &asked, &*own));
        Member {
            told,
            registry,
            shutdown,
            run: Some(run),
        }
    }

    /// Every event is in the table once, by its number and by partition and offset.
    pub(crate) fn assert_all_once(&self) {
        self.world.audit(&self.topic);
        let mut found: Vec<i64> = self
            .world
            .rows_of(&self.topic, "good")
            .iter()
            .map(|row| row["number"].parse().expect("a number"))
            .collect();
        found.sort_unstable();
        assert_eq!(found, (0..self.sent()).collect::<Vec<_>>());
    }
}

/// What an ingestor told.
#[derive(Default)]
struct Told {
    received: AtomicI64,
    committed: Mutex<BTreeMap<i32, i64>>,
}

impl Progress for Told {
    fn received(&self, _topic: &str, records: u64, _bytes: u64) {
        self.received.fetch_add(records as i64, Ordering::SeqCst);
    }

    fn committed(&self, commit: &Commit) {
        let mut committed = self.committed.lock().expect("no panic");
        committed.extend(commit.offsets.iter().copied());
    }
}

/// An ingestor. Dropped, it is asked to stop.
pub(crate) struct Member {
    told: Arc<Told>,
    registry: Registry,
    shutdown: Shutdown,
    run: Option<JoinHandle<Result<Summary>>>,
}

impl Member {
    /// How many records it read.
    pub(crate) fn received(&self) -> i64 {
        self.told.received.load(Ordering::SeqCst)
    }

    /// The next offsets that it committed, by partition.
    pub(crate) fn committed(&self) -> BTreeMap<i32, i64> {
        self.told.committed.lock().expect("no panic").clone()
    }

    /// How often its assignment changed in this way.
    pub(crate) fn rebalances(&self, kind: &str) -> u64 {
        let name = format!("goldrecord_ingestor_group_rebalances_total{{kind=\"{kind}\"}} ");
        let rendered = self.registry.render();
        let line = rendered.lines().find_map(|line| line.strip_prefix(&name));
        line.map_or(0, |count| count.parse().expect("a number"))
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.run.as_ref().is_none_or(JoinHandle::is_finished)
    }

    pub(crate) fn ask_to_stop(&self) {
        self.shutdown.request();
    }

    /// Asks it to stop, and returns how it ended.
    pub(crate) fn leave(mut self) -> Result<Summary> {
        self.ask_to_stop();
        let run = self.run.take().expect("it leaves once");
        run.join().expect("no panic")
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.shutdown.request();
    }
}
