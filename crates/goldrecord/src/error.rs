//! What an operator's command can run into.

use std::io::ErrorKind;
use std::path::PathBuf;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;

/// Why a command failed. Every variant names the thing, the place and what mends it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration, its credentials or the signal handlers.
    #[error(transparent)]
    Service(#[from] goldrecord_service::Error),
    /// The lake cannot be read or written.
    #[error(transparent)]
    Lake(#[from] goldrecord_lake::Error),
    /// A project does not load or a build failed.
    #[error(transparent)]
    Layers(#[from] goldrecord_layers::Error),
    /// Events could not be made, read or sent.
    #[error(transparent)]
    Eventsim(#[from] goldrecord_eventsim::Error),
    /// Events could not be taken from Kafka to bronze.
    #[error(transparent)]
    Ingestor(Box<goldrecord_ingestor::Error>),
    /// The registry, real or embedded.
    #[error(transparent)]
    Registry(#[from] goldrecord_registry::Error),
    /// Gold could not be loaded into ClickHouse.
    #[error(transparent)]
    Loader(#[from] goldrecord_loader::Error),
    /// A query that does not plan or run.
    #[error("{0}")]
    Query(String),
    /// A data file went while it was being read.
    #[error(
        "data file `{0}` is no longer there: maintenance removes what newer versions have replaced, some time later (`maintenance.keep`); ask again, in the shell after \\r"
    )]
    FileGone(String),
    /// Rows could not be turned into text.
    #[error("the result cannot be written as text: {0}")]
    Render(ArrowError),
    /// Standard output or an output file.
    #[error("the output cannot be written: {0}")]
    Output(std::io::Error),
    /// A file or folder of the demo.
    #[error("{path}: {source}; {mend}", path = .path.display(), mend = mend(.source))]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of the demo that holds something else than it should.
    #[error("{path} cannot be read as {what}: {why}", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The folder holds a demo of other settings.
    #[error(
        "{dir} holds a demo of other settings ({there}); start over with --fresh, or name another folder with --dir",
        dir = .dir.display()
    )]
    OtherDemo {
        /// The demo's folder.
        dir: PathBuf,
        /// The settings there.
        there: String,
    },
    /// Another demo runs in the same folder.
    #[error("another goldrecord demo is running in {dir}: wait for it, or name another folder with --dir", dir = .0.display())]
    DemoRunning(PathBuf),
    /// A broker's answer.
    #[error("Kafka at {servers}: {why}")]
    Kafka {
        /// The bootstrap servers.
        servers: String,
        /// What went wrong and what mends it.
        why: String,
    },
    /// The brokers do not answer.
    #[error(
        "Kafka at {servers}: {why}; is the broker running and [kafka] bootstrap_servers right?"
    )]
    KafkaSilent {
        /// The bootstrap servers.
        servers: String,
        /// What the client said.
        why: String,
    },
    /// The operator asked to stop.
    #[error("stopped on request; {0}")]
    Stopped(&'static str),
    /// Something that must hold does not.
    #[error("{0}")]
    Refused(String),
}

impl From<goldrecord_ingestor::Error> for Error {
    fn from(error: goldrecord_ingestor::Error) -> Self {
        Self::Ingestor(Box::new(error))
    }
}

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        match goldrecord_layers::missing_file(&error) {
            Some(path) => Self::FileGone(path),
            None => Self::Query(reason(&error)),
        }
    }
}

impl Error {
    /// Whether a file of an old version went while it was being read: from the newest one the same can be done.
    pub fn is_of_an_old_version(&self) -> bool {
        matches!(
            self,
            Self::FileGone(_)
                | Self::Lake(goldrecord_lake::Error::FileGone { .. })
                | Self::Layers(goldrecord_layers::Error::FileGone { .. })
        )
    }
}

/// Why a query failed, without the engine's own framing.
fn reason(error: &DataFusionError) -> String {
    match error.find_root() {
        DataFusionError::SQL(error, _) => match &**error {
            ParserError::ParserError(why) | ParserError::TokenizerError(why) => {
                format!("syntax: {why}")
            }
            ParserError::RecursionLimitExceeded => "the query is nested too deeply".into(),
        },
        DataFusionError::Plan(why) => first_part(why).to_owned(),
        // The engine lists every field there is, after the one that was meant.
        DataFusionError::SchemaError(error, _) => first_part(&error.to_string()).to_owned(),
        root => root.strip_backtrace(),
    }
}

fn first_part(text: &str) -> &str {
    let text = text.split("\n\nBacktrace:").next().unwrap_or(text);
    match text.split_once("Did you mean") {
        Some(_) => text.lines().next().unwrap_or(text),
        None => text,
    }
}

/// What helps against a file that cannot be read or written.
fn mend(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => "is the path right?",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "allow this user to use it, or name another one"
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "free some space and run the same command again"
        }
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            "a file is in the way: move it, or name another folder"
        }
        ErrorKind::IsADirectory => "name a file, not a folder",
        _ => "name another one, or see what the system says of it",
    }
}

/// A result with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;
