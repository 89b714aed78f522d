//! What can go wrong while events are made and sent.

use std::path::PathBuf;

/// Why events could not be made or sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be opened, read or written.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    File {
        /// `open`, `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The simulation's configuration cannot be used.
    #[error("{file}: {key}: {problem}; {mend}")]
    Config {
        /// The file, or the name of the built-in configuration.
        file: String,
        /// The key's path, such as `transitions[3].dest.page`.
        key: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        mend: String,
    },
    /// The simulation's configuration is not JSON.
    #[error("{file} is not valid JSON: {source}")]
    ConfigSyntax {
        /// The file.
        file: String,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A date or time on the command line or in the configuration does not read as one.
    #[error("`{text}` is no date: write YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS (UTC)")]
    Date {
        /// What was given.
        text: String,
    },
    /// An option of the simulation is out of its range.
    #[error("{option}: {problem}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// What is wrong and what to do.
        problem: String,
    },
    /// The users cannot make so many events in the time given.
    #[error(
        "{users} users make at most about {most} events in {days} days, not {events}: \
         give more users, more days or fewer events"
    )]
    TooFewUsers {
        /// Users simulated.
        users: u32,
        /// Days simulated.
        days: u32,
        /// Events asked for.
        events: u64,
        /// What they make at the highest rate.
        most: u64,
    },
    /// Every user cancelled before the last event.
    #[error(
        "every user had left after {made} of {events} events: give more users or make cancellations rarer"
    )]
    UsersRanOut {
        /// Events made.
        made: u64,
        /// Events asked for.
        events: u64,
    },
    /// A line of a replayed file is no event.
    #[error("{file}, line {line}: {problem}")]
    Line {
        /// The file, or `standard input`.
        file: String,
        /// From 1.
        line: u64,
        /// What is wrong.
        problem: String,
    },
    /// A replayed file is neither NDJSON nor packed in a known way.
    #[error(
        "{file} is packed in a way that is not known ({found}): give .gz, .xz, .zst or plain NDJSON"
    )]
    Compression {
        /// The file, or `standard input`.
        file: String,
        /// What its first bytes look like.
        found: String,
    },
    /// A packed file ends early or is damaged.
    #[error("{file} is cut off or damaged after {bytes} unpacked bytes: {source}; fetch it again")]
    Damaged {
        /// The file, or `standard input`.
        file: String,
        /// How much could be read.
        bytes: u64,
        /// What the decoder said.
        source: std::io::Error,
    },
    /// A replayed file holds nothing.
    #[error("{file} holds no events: it is empty")]
    Empty {
        /// The file, or `standard input`.
        file: String,
    },
    /// Kafka refused something, or could not be reached.
    #[error("Kafka at {servers}: {action}: {source}")]
    Kafka {
        /// The bootstrap servers.
        servers: String,
        /// What was tried.
        action: String,
        /// What librdkafka said.
        source: Box<rdkafka::error::KafkaError>,
    },
    /// A topic that events go to is not there.
    #[error("Kafka at {servers} has no topic {topics}: create it, then start again")]
    TopicMissing {
        /// The bootstrap servers.
        servers: String,
        /// The topics, separated by commas.
        topics: String,
    },
    /// Kafka gave events back undelivered.
    #[error("Kafka at {servers} did not take {failed} of {sent} events; the first: {reason}")]
    Undelivered {
        /// The bootstrap servers.
        servers: String,
        /// Events sent so far.
        sent: u64,
        /// Events that came back.
        failed: u64,
        /// Why the first one did.
        reason: String,
    },
    /// The Schema Registry refused a schema, or could not be reached.
    #[error("registering the schema of {subject}: {source}")]
    Registry {
        /// The subject.
        subject: String,
        /// What the client said.
        source: Box<goldrecord_registry::Error>,
    },
    /// The ledger does not read as one.
    #[error("{path} is no ledger of this version: {source}", path = path.display())]
    Ledger {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A shutdown was requested.
    #[error("stopped on request after {events} events")]
    Stopped {
        /// Events handed on before.
        events: u64,
    },
}

/// A result with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;
