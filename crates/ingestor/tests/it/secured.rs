//! What brokers and registries ask before they let anybody in, on the real ones.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use goldrecord_ingestor::bronze;
use goldrecord_lake::Lake;
use goldrecord_registry::{Access, Client, SchemaType};
use goldrecord_testkit::{SecuredKafka, SecuredRegistry, require};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::world::{JUNE, SMALL, framed, small};

const EVENTS: i64 = 500;
const PATIENCE: Duration = Duration::from_mins(1);

/// The service in a process of its own, as systemd starts it: configuration, credentials, log.
struct Service {
    runtime: Runtime,
    kafka: &'static SecuredKafka,
    registry: &'static SecuredRegistry,
    topic: String,
    folder: TempDir,
}

impl Service {
    /// A topic with events, and nothing said to the service yet.
    fn new(topic: &str) -> Option<Self> {
        let kafka = require(SecuredKafka::shared())?;
        let registry = require(SecuredRegistry::shared())?;
        let service = Self {
            runtime: Runtime::new().expect("a runtime"),
            kafka,
            registry,
            topic: topic.to_owned(),
            folder: TempDir::new().expect("a folder"),
        };
        std::fs::create_dir(service.credentials()).expect("a folder");
        service.credential("registry-password", SecuredRegistry::PASSWORD);
        service.produce();
        Some(service)
    }

    fn produce(&self) {
        let access = Access {
            user: Some(SecuredRegistry::USER.into()),
            password: Some(SecuredRegistry::PASSWORD.into()),
            ca_file: Some(self.registry.ca_file()),
        };
        let client = Client::with_access(&self.registry.url(), &access).expect("a client");
        let subject = format!("{}-value", self.topic);
        let id = self
            .runtime
            .block_on(client.register(&subject, SchemaType::Avro, SMALL))
            .expect("registered");
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.kafka.open_servers());
        let admin: AdminClient<DefaultClientContext> = config.create().expect("an admin");
        let wanted = NewTopic::new(&self.topic, 1, TopicReplication::Fixed(1));
        self.runtime
            .block_on(admin.create_topics([&wanted], &AdminOptions::new()))
            .expect("made");
        let producer: BaseProducer = config.create().expect("a producer");
        for number in 0..EVENTS {
            let value = framed(id, &small(JUNE + number, Some(number), "x"));
            let record = BaseRecord::<[u8], [u8]>::to(&self.topic).payload(&value);
            producer.send(record).map_err(|(e, _)| e).expect("queued");
        }
        producer.flush(PATIENCE).expect("acknowledged");
    }

    fn credentials(&self) -> PathBuf {
        self.folder.path().join("credentials")
    }

    fn credential(&self, name: &str, text: &str) {
        std::fs::write(self.credentials().join(name), text).expect("written");
    }

    fn credential_from(&self, name: &str, file: &Path) {
        std::fs::copy(file, self.credentials().join(name)).expect("copied");
    }

    /// Starts the service with these keys of `[kafka]` besides the general ones.
    fn start(&self, servers: &str, kafka: &str) -> Running {
        let config = self.folder.path().join("goldrecord.toml");
        let text = format!(
            "[kafka]\nbootstrap_servers = {servers:?}\ngroup = {:?}\n{kafka}\n\
             [registry]\nurl = {:?}\nuser = {:?}\nca_file = \"{}\"\n\
             [lake]\nurl = \"file://{}\"\n\
             [ingestor]\ntopics = [{:?}]\nflush_interval = \"200ms\"\n",
            self.topic,
            self.registry.url(),
            SecuredRegistry::USER,
            self.registry.ca_file().display(),
            self.lake_folder().display(),
            self.topic,
        );
        std::fs::write(&config, text).expect("written");
        let mut child = Command::new(env!("CARGO_BIN_EXE_goldrecord-ingestor"))
            .arg("--config")
            .arg(&config)
            .env("CREDENTIALS_DIRECTORY", self.credentials())
            // Everything that could be said.
            .env("GOLDRECORD_LOG", "trace")
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&log);
        // Read all the time: who writes to a full pipe stands still.
        let reader = std::thread::spawn(move || {
            for line in lines {
                let line = line.expect("text");
                kept.lock().expect("whole").push_str(&(line + "\n"));
            }
        });
        Running {
            child,
            log,
            reader: Some(reader),
        }
    }

    /// The keys of a user of the SASL mechanism.
    fn user(&self, sasl: &str) -> String {
        let (ca_file, user) = (self.kafka.ca_file(), SecuredKafka::USER);
        format!(
            "tls = true\nca_file = \"{}\"\nsasl = {sasl:?}\nuser = {user:?}",
            ca_file.display()
        )
    }

    fn lake_folder(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    /// Waits until the table has the events, each once.
    fn arrives(&self) {
        let lake = Lake::open(&self.lake_folder().display().to_string()).expect("a lake");
        let table = lake.table(&bronze::path(&self.topic));
        let begun = Instant::now();
        loop {
            let snapshot = self.runtime.block_on(table.latest()).expect("read");
            if let Some(snapshot) = snapshot
                && snapshot.txns.values().sum::<i64>() == EVENTS
            {
                assert_eq!(snapshot.rows(), EVENTS + 1, "every event, and the start");
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "the events did not arrive");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The service while it runs.
struct Running {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Running {
    /// Waits until one line of the log has all these words.
    #[track_caller]
    fn says(&self, words: &[&str]) {
        let begun = Instant::now();
        loop {
            let log = self.log.lock().expect("whole").clone();
            if log
                .lines()
                .any(|line| words.iter().all(|word| line.contains(word)))
            {
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "it never said {words:?}, but:\n{log}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Asks it to end, and checks that all it said gives no secret away.
    fn stop(mut self, secrets: &[&str]) {
        let asked = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        assert!(asked.expect("kill runs").success());
        assert!(self.child.wait().expect("it ended").success());
        self.reader.take().expect("once").join().expect("read");
        let log = self.log.lock().expect("whole");
        assert!(
            log.contains("librdkafka") || log.contains("rdkafka"),
            "nothing was logged"
        );
        for secret in secrets {
            assert!(!log.contains(secret), "the log shows {secret}:\n{log}");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already, unless a test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The secrets of the servers; HTTP sends user and password in base64.
const SECRETS: [&str; 3] = [
    SecuredKafka::PASSWORD,
    SecuredRegistry::PASSWORD,
    "Z29sZHJlY29yZDpjb3JyZWN0IGhvcnNl",
];

#[test]
fn users_with_a_password_are_let_in_by_scram_and_by_plain() {
    for (topic, sasl) in [("scram", "scram-sha-512"), ("plain", "plain")] {
        let Some(service) = Service::new(topic) else {
            return;
        };
        service.credential("kafka-password", SecuredKafka::PASSWORD);
        let running = service.start(&service.kafka.sasl_servers(), &service.user(sasl));
        service.arrives();
        running.stop(&SECRETS);
    }
}

#[test]
fn a_client_is_let_in_by_its_certificate() {
    let Some(service) = Service::new("certificate") else {
        return;
    };
    let key = service.kafka.client_key();
    service.credential_from("kafka-certificate", &service.kafka.client_certificate());
    service.credential_from("kafka-key", &key);
    let tls = format!("tls = true\nca_file = {:?}", service.kafka.ca_file());
    let running = service.start(&service.kafka.tls_servers(), &tls);
    service.arrives();
    let key = std::fs::read_to_string(key).expect("a key");
    let secret = key.lines().nth(1).expect("base64 between two lines");
    running.stop(&[secret]);
}

#[test]
fn a_wrong_password_is_told_by_its_name_and_the_right_one_finds_every_event() {
    const WRONG: &str = "not-the-needle";
    let Some(service) = Service::new("wrong") else {
        return;
    };
    let (servers, user) = (service.kafka.sasl_servers(), service.user("scram-sha-256"));
    service.credential("kafka-password", WRONG);
    let refused = service.start(&servers, &user);
    refused.says(&["waiting", "kafka.user", "`kafka-password`"]);
    refused.stop(&[WRONG]);

    service.credential("kafka-password", SecuredKafka::PASSWORD);
    service.credential("registry-password", WRONG);
    let refused = service.start(&servers, &user);
    refused.says(&["waiting", "registry.user", "`registry-password`"]);
    refused.stop(&[WRONG]);

    service.credential("registry-password", SecuredRegistry::PASSWORD);
    let running = service.start(&servers, &user);
    service.arrives();
    running.stop(&SECRETS);
}

#[test]
fn brokers_that_nobody_vouches_for_are_told_by_the_key_of_the_authority() {
    let Some(service) = Service::new("stranger") else {
        return;
    };
    service.credential("kafka-password", SecuredKafka::PASSWORD);
    let strangers = service.user("plain").replace(
        &format!("{:?}", service.kafka.ca_file()),
        &format!("{:?}", service.registry.ca_file()),
    );
    let refused = service.start(&service.kafka.sasl_servers(), &strangers);
    refused.says(&["waiting", "kafka.ca_file"]);
    refused.stop(&SECRETS);
}
