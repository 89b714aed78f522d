//! Everything that a run is made of: servers, ingestors, maintenance, load, and who watches.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use goldrecord_contract::{Topic, avro_schema, json_schema};
use goldrecord_registry::{Client, SchemaType};
use goldrecord_testkit::{Kafka, SchemaRegistry};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio::runtime::Handle;

use crate::disk::Disk;
use crate::error::{Error, Result};
use crate::hdfs::Hdfs;
use crate::ledger::Ledger;
use crate::load::{Format, Load, Order, SharedLedger, Stream, lock};
use crate::network::Network;
use crate::program::Program;
use crate::settings::Settings;
use crate::watch::{Offsets, Watch, behind};

/// What is sent, and how.
pub const STREAMS: [(Topic, Format); 2] = [
    (Topic::Listen, Format::Avro),
    (Topic::PageView, Format::Json),
];

/// How long Kafka may take to answer when nothing is wrong with it.
const ANSWER: Duration = Duration::from_secs(30);
/// How often the tables are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Everything that a run is made of.
// Dropped in this order: programs before the servers that they use, the disk before the folder that it covers.
pub struct Stage {
    /// The ingestors, all in one group.
    pub ingestors: Vec<Program>,
    /// Each ingestor's network.
    pub networks: Vec<Network>,
    /// The maintenance, where it was built.
    pub maintenance: Option<Program>,
    /// What is known for sure.
    pub ledger: SharedLedger,
    /// Its file.
    pub ledger_path: PathBuf,
    /// Asks Kafka to delete records.
    pub admin: AdminClient<DefaultClientContext>,
    /// Drives what is asynchronous.
    pub runtime: Handle,
    /// The DataNode's disk.
    pub disk: Disk,
    /// The broker.
    pub kafka: Kafka,
    /// NameNodes and DataNode.
    pub hdfs: Hdfs,
    /// The Schema Registry.
    pub registry: SchemaRegistry,
    watch: Watch,
    probe: BaseConsumer,
    patience: Duration,
}

impl Stage {
    /// Starts the servers and all that reads; nothing is sent yet.
    pub fn start(settings: &Settings, dir: &Path, runtime: &Handle) -> Result<Self> {
        let (kafka, hdfs, registry) = servers(settings.standby)?;
        // The DataNode begins anew on the disk that can be full; nothing is stored yet.
        hdfs.kill_datanode();
        let disk = Disk::mount(hdfs.data_dir())?;
        hdfs.revive()?;

        let servers = kafka.bootstrap_servers();
        let client = |settings: &[(&str, &str)]| {
            let mut config = ClientConfig::new();
            config.set("bootstrap.servers", &servers);
            for (key, value) in settings {
                config.set(*key, *value);
            }
            config
        };
        let admin: AdminClient<_> = client(&[])
            .create()
            .map_err(Error::kafka("cannot make a client"))?;
        let probe: BaseConsumer = client(&[("group.id", "chaos-probe")])
            .create()
            .map_err(Error::kafka("cannot make a client"))?;
        let lake = format!("{}/goldrecord", hdfs.url());
        let names = STREAMS.map(|(topic, _)| topic.name());
        let watch = Watch::new(runtime.clone(), &lake, &names)?;
        let ledger_path = dir.join("ledger.tsv");
        let ledger = Arc::new(Mutex::new(Ledger::create(&ledger_path)?));
        let mut stage = Self {
            ingestors: Vec::new(),
            networks: Vec::new(),
            maintenance: None,
            ledger,
            ledger_path,
            admin,
            runtime: runtime.clone(),
            disk,
            kafka,
            hdfs,
            registry,
            watch,
            probe,
            patience: settings.patience,
        };
        stage.make_topics(settings.partitions)?;
        stage.enlist(settings, dir, &lake)?;
        Ok(stage)
    }

    fn make_topics(&self, partitions: i32) -> Result<()> {
        let topics = STREAMS
            .map(|(topic, _)| NewTopic::new(topic.name(), partitions, TopicReplication::Fixed(1)));
        let made = self
            .runtime
            .block_on(self.admin.create_topics(&topics, &AdminOptions::new()));
        for result in made.map_err(Error::kafka("cannot make the topics"))? {
            if let Err((topic, code)) = result {
                let source = rdkafka::error::KafkaError::AdminOp(code);
                return Err(Error::kafka(format!("cannot make the topic {topic}"))(
                    source,
                ));
            }
        }
        Ok(())
    }

    /// Starts the ingestors, each in a network of its own, and the maintenance.
    fn enlist(&mut self, settings: &Settings, dir: &Path, lake: &str) -> Result<()> {
        let servers = self.kafka.bootstrap_servers();
        let port = servers
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok());
        let port = port.expect("the testkit names the broker's port");
        for number in 0..settings.ingestors {
            let network = Network::new(number, port)?;
            let config = dir.join(format!("ingestor-{number}.toml"));
            let text = settings.toml(&servers, &self.registry.url(), lake, number);
            fs::write(&config, text).map_err(Error::io("cannot write", &config))?;
            let program = settings.ingestor.display().to_string();
            let enter = network.enter();
            self.networks.push(network);
            let log = dir.join(format!("ingestor-{number}.log"));
            let mut ingestor = Program::new(format!("ingestor-{number}"), log, move || {
                let mut command = enter.command(&program);
                command.arg("--json-logs").arg("--config").arg(&config);
                command
            });
            ingestor.start()?;
            self.ingestors.push(ingestor);
        }
        if let Some(program) = settings.maintenance.clone() {
            let config = dir.join("ingestor-0.toml");
            let log = dir.join("maintenance.log");
            let mut maintenance = Program::new("maintenance", log, move || {
                let mut command = Command::new(&program);
                command.arg("--config").arg(&config);
                command
            });
            maintenance.start()?;
            self.maintenance = Some(maintenance);
        }
        Ok(())
    }

    /// Begins to send.
    pub fn load(&self, settings: &Settings) -> Result<Load> {
        let registry = Client::new(&self.registry.url());
        let registry = registry.map_err(|source| Error::Registry {
            topic: "every topic".into(),
            source: Box::new(source),
        })?;
        let mut streams = Vec::new();
        for (topic, format) in STREAMS {
            let (kind, text) = match format {
                Format::Avro => (SchemaType::Avro, avro_schema(topic)),
                Format::Json => (SchemaType::Json, json_schema(topic)),
            };
            let subject = format!("{topic}-value");
            let registered = self
                .runtime
                .block_on(registry.register(&subject, kind, &text));
            let schema_id = registered.map_err(|source| Error::Registry {
                topic: topic.to_string(),
                source: Box::new(source),
            })?;
            streams.push(Stream {
                topic,
                format,
                schema_id,
            });
        }
        let order = Order {
            bootstrap_servers: self.kafka.bootstrap_servers(),
            streams,
            partitions: settings.partitions,
            rate: settings.rate,
            seed: settings.seed,
        };
        Ok(Load::start(
            order,
            Arc::clone(&self.ledger),
            self.ledger_path.clone(),
        ))
    }

    /// The tables' offsets as of now.
    pub fn stored(&mut self) -> Offsets {
        self.watch.look()
    }

    /// How many commits the tables have.
    pub fn commits(&self) -> i64 {
        self.watch.commits()
    }

    /// An error where a program ended that nobody had told to.
    pub fn check(&mut self) -> Result<()> {
        let mut programs = self.ingestors.iter_mut().chain(&mut self.maintenance);
        programs.try_for_each(Program::check)
    }

    /// Waits until the tables have everything before `wanted`. Says how long that took.
    pub fn reach(
        &mut self,
        wanted: &Offsets,
        after: &str,
        mut check: impl FnMut() -> Result<()>,
    ) -> Result<Duration> {
        let begun = Instant::now();
        loop {
            let behind = behind(&self.stored(), wanted);
            if behind.is_empty() {
                return Ok(begun.elapsed());
            }
            self.check()?;
            check()?;
            if begun.elapsed() > self.patience {
                let programs = self.ingestors.iter().chain(&self.maintenance);
                let said = programs.map(|it| format!("{}:\n{}\n", it.name(), it.tail()));
                return Err(Error::Stuck {
                    after: after.to_owned(),
                    seconds: self.patience.as_secs(),
                    behind,
                    why: said.collect(),
                });
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// What was acknowledged until now, as the offsets that the tables must reach.
    pub fn acknowledged(&self) -> Offsets {
        lock(&self.ledger).ends().clone()
    }

    /// Where the logs end.
    pub fn ends(&self, partitions: i32) -> Result<Offsets> {
        let mut ends = Offsets::new();
        for (topic, _) in STREAMS {
            for partition in 0..partitions {
                let (_, end) = self
                    .probe
                    .fetch_watermarks(topic.name(), partition, ANSWER)
                    .map_err(Error::kafka(format!("where does {topic}/{partition} end?")))?;
                ends.insert((topic.name().to_owned(), partition), end);
            }
        }
        Ok(ends)
    }

    /// Copies the servers' logs into the run's folder, for whoever looks for the reason of a failure.
    pub fn save_logs(&self, dir: &Path) {
        let folders = [self.kafka.dir(), self.hdfs.dir(), self.registry.dir()];
        let files = folders
            .into_iter()
            .filter_map(|folder| fs::read_dir(folder).ok())
            .flat_map(|entries| entries.flatten().map(|entry| entry.path()));
        for file in files.filter(|file| file.extension().is_some_and(|kind| kind == "log")) {
            if let Some(name) = file.file_name() {
                // The failure itself is what must be told; a log that is missing shows.
                let _ = fs::copy(&file, dir.join(name));
            }
        }
    }
}

/// The servers, started side by side.
fn servers(standby: bool) -> Result<(Kafka, Hdfs, SchemaRegistry)> {
    std::thread::scope(|scope| {
        let kafka = scope.spawn(Kafka::start);
        let hdfs = scope.spawn(move || Hdfs::start(standby));
        let registry = SchemaRegistry::start();
        let kafka = kafka.join().expect("starting a server returns its errors");
        let hdfs = hdfs.join().expect("starting a server returns its errors");
        Ok((kafka?, hdfs?, registry?))
    })
}
