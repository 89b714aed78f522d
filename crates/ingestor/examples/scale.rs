//! A topic of many partitions whose events come late, from Kafka to HDFS: what that makes of files, and how soon an
//! ingestor that was restarted reads again. `cargo run --profile demo -p goldrecord-ingestor --example scale -- EVENTS
//! PARTITIONS DAYS`; the services must be built beside it.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use goldrecord_contract::{Event, Topic, avro_schema};
use goldrecord_ingestor::bronze;
use goldrecord_lake::{Lake, Snapshot, Table};
use goldrecord_registry::embedded::Embedded;
use goldrecord_registry::{Client, SchemaType, framing};
use goldrecord_testkit::{Hdfs, Kafka, first_sample};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::Runtime;

const TOPIC: &str = "listen_events";
const DAY_MS: i64 = 86_400_000;
const RESTARTS: usize = 3;
/// How long to wait for what should be a matter of seconds.
const PATIENCE: Duration = Duration::from_mins(3);

fn main() -> anyhow::Result<()> {
    let numbers: Vec<i64> = std::env::args()
        .skip(1)
        .map(|number| number.parse())
        .collect::<Result<_, _>>()?;
    let [events, partitions, days] = numbers[..] else {
        bail!("usage: scale EVENTS PARTITIONS DAYS");
    };
    let (kafka, hdfs) = (Kafka::start()?, Hdfs::start()?);
    let runtime = Runtime::new()?;
    let registry = runtime.block_on(Embedded::start(None))?;
    let source = Source::new(&kafka, &runtime, &registry.url(), partitions)?;
    source.send(0..events, days)?;

    let folder = tempfile::tempdir()?;
    let lake = Lake::open(&format!("{}/lake", hdfs.url()))?;
    let table = lake.table(&bronze::path(TOPIC));
    let place = Place {
        runtime: &runtime,
        table: &table,
        config: folder.path().join("goldrecord.toml"),
        metrics: free_address()?,
    };
    // A tenth of the events a flush.
    let text = format!(
        "[kafka]\nbootstrap_servers = \"{}\"\ninstance = \"scale\"\n[registry]\nurl = \"{}\"\n[lake]\nurl = \"{}\"\n\
         [metrics]\nlisten = \"{}\"\n[ingestor]\ntopics = [\"{TOPIC}\"]\nflush_rows = {}\n[maintenance]\ncompact_after = \"0s\"\n",
        kafka.bootstrap_servers(),
        registry.url(),
        lake.url(),
        place.metrics,
        events / 10,
    );
    std::fs::write(&place.config, text)?;

    let mut ingestor = place.start()?;
    place.wait_for(events)?;
    ingestor.stop()?;
    let flushed = place.snapshot()?;
    println!(
        "{events} events of {days} days in {partitions} partitions: {} commits, {} files of {} KiB",
        flushed.version + 1,
        flushed.files.len(),
        flushed.bytes() / 1024 / flushed.files.len().max(1) as i64,
    );
    compact(&place.config)?;
    let compacted = place.snapshot()?;
    println!(
        "after maintenance: {} commits, {} files of {} KiB",
        compacted.version + 1,
        compacted.files.len(),
        compacted.bytes() / 1024 / compacted.files.len().max(1) as i64,
    );

    let mut sent = events;
    for _ in 0..RESTARTS {
        // Waiting when it comes, as after a restart under load.
        source.send(sent..sent + partitions, days)?;
        sent += partitions;
        let begun = Instant::now();
        let mut ingestor = place.start()?;
        wait("the first record", || Ok(place.received() > 0))?;
        let first = begun.elapsed();
        wait("every partition's record", || {
            Ok(place.received() >= partitions)
        })?;
        println!(
            "restarted: first record after {first:.2?}, one of every partition after {:.2?}",
            begun.elapsed()
        );
        ingestor.stop()?;
        place.wait_for(sent)?;
    }
    Ok(())
}

/// The topic, and what fills it.
struct Source {
    producer: BaseProducer,
    schema: u32,
    partitions: i64,
    now: i64,
}

impl Source {
    fn new(
        kafka: &Kafka,
        runtime: &Runtime,
        registry: &str,
        partitions: i64,
    ) -> anyhow::Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", kafka.bootstrap_servers());
        let admin: AdminClient<DefaultClientContext> = config.create()?;
        let wanted = NewTopic::new(
            TOPIC,
            i32::try_from(partitions)?,
            TopicReplication::Fixed(1),
        );
        for made in runtime.block_on(admin.create_topics([&wanted], &AdminOptions::new()))? {
            made.map_err(|(topic, code)| anyhow::anyhow!("topic {topic}: {code}"))?;
        }
        let client = Client::new(registry)?;
        let subject = format!("{TOPIC}-value");
        let schema = avro_schema(Topic::Listen);
        let schema = client.register(&subject, SchemaType::Avro, &schema);
        Ok(Self {
            producer: config.set("linger.ms", "20").create()?,
            schema: runtime.block_on(schema)?,
            partitions,
            now: chrono::Utc::now().timestamp_millis(),
        })
    }

    /// Sends these events to one partition after the other, each of another day than the one before.
    fn send(&self, numbers: std::ops::Range<i64>, days: i64) -> anyhow::Result<()> {
        for number in numbers {
            let event = Event {
                page: "NextSong",
                event_id: &number.to_string(),
                ts: self.now - number * 7_919 % days * DAY_MS,
                session_id: number,
                ..Event::default()
            };
            let mut value = Vec::new();
            framing::write_header(self.schema, &mut value);
            event.encode_avro(&mut value);
            let partition = (number % self.partitions) as i32;
            let record = || {
                BaseRecord::<[u8], [u8]>::to(TOPIC)
                    .partition(partition)
                    .payload(value.as_slice())
            };
            while self.producer.send(record()).is_err() {
                self.producer.poll(Duration::from_millis(10));
            }
        }
        Ok(self.producer.flush(PATIENCE)?)
    }
}

/// Where the ingestor works.
struct Place<'a> {
    runtime: &'a Runtime,
    table: &'a Table,
    config: PathBuf,
    metrics: SocketAddr,
}

impl Place<'_> {
    fn start(&self) -> anyhow::Result<Service> {
        let mut command = service("goldrecord-ingestor")?;
        Ok(Service(command.arg("--config").arg(&self.config).spawn()?))
    }

    fn snapshot(&self) -> anyhow::Result<Snapshot> {
        let latest = self.runtime.block_on(self.table.latest())?;
        latest.context("there is no table")
    }

    /// Waits until the table has so many offsets.
    fn wait_for(&self, offsets: i64) -> anyhow::Result<()> {
        wait("the table has every event", || {
            let latest = self.runtime.block_on(self.table.latest())?;
            Ok(latest.is_some_and(|snapshot| snapshot.txns.values().sum::<i64>() >= offsets))
        })
    }

    /// How many records the running ingestor has read; none while it does not answer.
    fn received(&self) -> i64 {
        let name = "goldrecord_ingestor_received_records_total";
        first_sample(self.metrics.port(), name).unwrap_or_default() as i64
    }
}

/// A running service; it ends with its owner.
struct Service(Child);

impl Service {
    /// Asks it to flush and leave, and waits until it has.
    fn stop(&mut self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("a process has an id")?, Signal::TERM)?;
        let status = self.0.wait()?;
        ensure!(status.success(), "the ingestor ended with {status}");
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // One that was stopped is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn compact(config: &Path) -> anyhow::Result<()> {
    let mut command = service("goldrecord-lake-maintenance")?;
    let status = command.arg("--once").arg("--config").arg(config).status()?;
    ensure!(status.success(), "maintenance ended with {status}");
    Ok(())
}

/// A service built beside this program.
fn service(name: &str) -> anyhow::Result<Command> {
    let own = std::env::current_exe()?;
    let folder = own.parent().and_then(Path::parent);
    Ok(Command::new(
        folder.context("examples have a folder")?.join(name),
    ))
}

fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn wait(what: &str, mut is_so: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is_so()? {
        ensure!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
