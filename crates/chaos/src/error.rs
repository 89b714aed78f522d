//! Why a run cannot go on, or failed.

use std::path::PathBuf;

use crate::watch::Place;

/// A result with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a run cannot go on, or failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A server cannot be had, or does not come back.
    #[error(transparent)]
    Server(#[from] goldrecord_testkit::Error),
    /// Kafka does not do what is asked.
    #[error("Kafka: {doing}: {source}")]
    Kafka {
        /// What was being done.
        doing: String,
        /// Why not.
        source: Box<rdkafka::error::KafkaError>,
    },
    /// The registry does not take the schemas.
    #[error("cannot register the schema of {topic}: {source}")]
    Registry {
        /// Whose.
        topic: String,
        /// Why not.
        source: Box<goldrecord_registry::Error>,
    },
    /// The lake's URL cannot be used.
    #[error("cannot open the lake {url}: {source}")]
    Lake {
        /// Which.
        url: String,
        /// Why not.
        source: Box<goldrecord_lake::Error>,
    },
    /// A file or folder cannot be read or written.
    #[error("{doing} {path}: {source}", path = .path.display())]
    Io {
        /// What was being done, such as `cannot write`.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A program of the system failed.
    #[error("`{command}` failed: {output}")]
    Command {
        /// The command line.
        command: String,
        /// How it ended, and what it said.
        output: String,
    },
    /// This machine does not let us make a network and mounts of our own.
    #[error(
        "chaos runs in a network and with mounts of its own, and `{command}` failed: {output}; run it as root, or allow \
         user namespaces (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0)"
    )]
    NoNamespaces {
        /// What was tried.
        command: String,
        /// What came of it.
        output: String,
    },
    /// A program that is to be tested is not there.
    #[error("{path} is not there; `./dev chaos` builds it", path = .path.display())]
    NoProgram {
        /// Where it would be.
        path: PathBuf,
    },
    /// A program ended that nobody had told to.
    #[error("{name} ended by itself ({status}); the end of {log}:\n{tail}", log = .log.display())]
    Ended {
        /// Which.
        name: String,
        /// How.
        status: String,
        /// Its log.
        log: PathBuf,
        /// The last lines.
        tail: String,
    },
    /// A program did not stop when asked to.
    #[error("{name} did not stop within {seconds} s of SIGTERM; the end of {log}:\n{tail}", log = .log.display())]
    WontStop {
        /// Which.
        name: String,
        /// How long it was given.
        seconds: u64,
        /// Its log.
        log: PathBuf,
        /// The last lines.
        tail: String,
    },
    /// Committed offsets do not move any more.
    #[error("{after}: {seconds} s later the tables still lack records that Kafka has:{places}\n{why}", places = list(.behind))]
    Stuck {
        /// What happened before.
        after: String,
        /// How long was waited.
        seconds: u64,
        /// Which partitions, how far.
        behind: Vec<Place>,
        /// What the programs said last.
        why: String,
    },
    /// The producer cannot go on.
    #[error("the producer: {0}")]
    Producer(String),
    /// The check from outside could not run.
    #[error("{script} cannot run: {output}", script = .script.display())]
    Checker {
        /// The program.
        script: PathBuf,
        /// What it said.
        output: String,
    },
    /// A setting cannot be used.
    #[error("{0}")]
    Setting(String),
}

fn list(places: &[Place]) -> String {
    const SHOWN: usize = 6;
    let mut lines: Vec<String> = places.iter().take(SHOWN).map(Place::to_string).collect();
    if places.len() > SHOWN {
        lines.push(format!("and {} more", places.len() - SHOWN));
    }
    format!("\n  {}", lines.join("\n  "))
}

impl Error {
    pub(crate) fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }

    pub(crate) fn kafka(
        doing: impl Into<String>,
    ) -> impl FnOnce(rdkafka::error::KafkaError) -> Self {
        let doing = doing.into();
        move |source| Self::Kafka {
            doing,
            source: Box::new(source),
        }
    }
}
