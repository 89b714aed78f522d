//! What stops the ingestor. What only delays it (a server that is away) is waited out and never an error.

/// Shorthand of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the ingestor cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting that cannot work.
    #[error("{key} = {value}: {why}")]
    Setting {
        /// The key as in the configuration file.
        key: String,
        /// Its value.
        value: String,
        /// Why not, and what would do.
        why: String,
    },
    /// The Kafka client could not be made or failed for good.
    #[error("Kafka at {servers}: cannot {action}: {source}")]
    Kafka {
        /// The bootstrap servers.
        servers: String,
        /// The verb.
        action: &'static str,
        /// What the client said.
        source: Box<rdkafka::error::KafkaError>,
    },
    /// Another process is in the group under the name of this one.
    #[error(
        "another process, at {host}, is the member `{instance}` of the group `{group}` too: give each ingestor \
         a name of its own (kafka.instance) and start it again, or end the one that should not run"
    )]
    InstanceTaken {
        /// The consumer group.
        group: String,
        /// The member's name in it.
        instance: String,
        /// Where the other one is, as the brokers see it.
        host: String,
    },
    /// The table refused for a reason that waiting does not mend.
    #[error("table `{table}`: {source}")]
    Lake {
        /// The table's path.
        table: String,
        /// What the lake said.
        source: Box<goldrecord_lake::Error>,
    },
    /// A commit was refused for a reason that no other ingestor explains.
    #[error("table `{table}` refused a commit: {why}")]
    Commit {
        /// The table's path.
        table: String,
        /// The refusal.
        why: String,
    },
    /// The topic's latest schema cannot become a table.
    #[error(
        "topic `{topic}` is not read: schema {schema}, the latest of subject `{subject}`: {why}. Register a version \
         that fits, and it is read from then on"
    )]
    Schema {
        /// The topic.
        topic: String,
        /// The registry's subject.
        subject: String,
        /// The schema's id.
        schema: u32,
        /// What is not supported and what to do instead.
        why: String,
    },
    /// The topic's table, as it is, cannot hold its events.
    #[error("topic `{topic}` is not read: {why}")]
    Unfit {
        /// The topic.
        topic: String,
        /// Which column, and what would do.
        why: String,
    },
    /// The schema registry answers, but not with a schema that we read.
    #[error("topic `{topic}`: {source}")]
    Registry {
        /// The topic.
        topic: String,
        /// What the registry said.
        source: Box<goldrecord_registry::Error>,
    },
    /// The log ends before the offset that the table has.
    #[error(
        "topic `{topic}` partition {partition} ends at offset {end}, but the table has it up to {stored}: \
         the topic was made anew, or lost its tail. If it was made anew, begin the next epoch with \
         `goldrecord offsets accept {topic}/{partition}`; if not, find the lost records first"
    )]
    LogShorter {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The offset after the last record that Kafka has.
        end: i64,
        /// The next offset according to the table.
        stored: i64,
    },
    /// Kafka deleted records before they were read.
    #[error(
        "topic `{topic}` partition {partition}: offsets {from} to {low} were deleted before they were read. \
         Set ingestor.on_out_of_range = \"record_gap\" to write the loss down and go on, and give the topic a longer retention"
    )]
    OutOfRange {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The first offset lost.
        from: i64,
        /// The first offset that Kafka still has.
        low: i64,
    },
    /// A partition cannot be moved as the operator wants it.
    #[error("{topic}/{partition} stays where it is: {why}")]
    CannotMove {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// Why, and what would do.
        why: String,
    },
    /// Others changed the table each time before a command could.
    #[error(
        "cannot {action}: table `{table}` was changed by others before, {attempts} times in a row; run the command again"
    )]
    Contended {
        /// The table's path.
        table: String,
        /// What was being done.
        action: &'static str,
        /// How often.
        attempts: u32,
    },
    /// A file's rows are not what the log, or every bronze table, says. Nothing was committed.
    #[error(
        "table `{table}` holds other rows than it should: {why}; nothing was changed. See `goldrecord verify`"
    )]
    RowsDiffer {
        /// The table's path.
        table: String,
        /// Which file, and what is wrong.
        why: String,
    },
    /// The brokers were asked by a command and did not answer.
    #[error(
        "Kafka at {servers}: cannot {action}: {why}; are the brokers running and [kafka] bootstrap_servers right?"
    )]
    NoAnswer {
        /// The bootstrap servers.
        servers: String,
        /// What was being done.
        action: &'static str,
        /// What the client said.
        why: String,
    },
    /// A thread of the ingestor panicked: a bug, and the reason is in the log above.
    #[error("the {0} thread ended early; its last words are in the log")]
    Thread(String),
    /// A failpoint of a test fired.
    #[error("failpoint {0}")]
    Failpoint(&'static str),
}
