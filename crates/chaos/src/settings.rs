//! What a run is told, and what it tells the ingestors.

use std::path::PathBuf;
use std::time::Duration;

use goldrecord_contract::Topic;

use crate::error::{Error, Result};
use crate::plan::Kind;

/// What a run is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long faults go on.
    pub minutes: f64,
    /// Decides the faults, and names the events.
    pub seed: u64,
    /// Records a second.
    pub rate: u32,
    /// How many partitions each topic has.
    pub partitions: i32,
    /// How many ingestors share them.
    pub ingestors: usize,
    /// After how long without a word an ingestor is taken for dead.
    pub session_timeout: Duration,
    /// How long the tables may take to catch up after a fault.
    pub patience: Duration,
    /// Whether HDFS has a standby NameNode.
    pub standby: bool,
    /// The kinds of faults.
    pub kinds: Vec<Kind>,
    /// `goldrecord-ingestor`.
    pub ingestor: PathBuf,
    /// `goldrecord-lake-maintenance`, where it was built.
    pub maintenance: Option<PathBuf>,
    /// The check from outside.
    pub checker: PathBuf,
    /// The Python that runs it.
    pub python: PathBuf,
}

impl Settings {
    /// Refuses what cannot be done.
    pub fn check(&self) -> Result<()> {
        let refuse = |text: &str| Err(Error::Setting(text.to_owned()));
        if !self.ingestor.is_file() {
            return Err(Error::NoProgram {
                path: self.ingestor.clone(),
            });
        }
        if self.kinds.is_empty() {
            return refuse(
                "no kind of fault is left; give --only a kind that can be had (namenode-failover: with --ha)",
            );
        }
        if !(1..=200).contains(&self.ingestors) || self.partitions < 1 || self.rate == 0 {
            return refuse("--ingestors takes 1 to 200, --partitions and --rate at least 1");
        }
        if !self.minutes.is_finite() || self.minutes < 0.0 {
            return refuse("--minutes takes 0 or more");
        }
        Ok(())
    }

    /// The configuration of ingestor `number`. The first is a static member of the group, the others are not.
    pub fn toml(&self, kafka: &str, registry: &str, lake: &str, number: usize) -> String {
        let instance = match number {
            0 => "instance = \"ingestor-0\"\n",
            _ => "",
        };
        format!(
            "[kafka]\nbootstrap_servers = \"{kafka}\"\ngroup = \"chaos\"\nsession_timeout = \"{session}ms\"\n{instance}\n\
             [registry]\nurl = \"{registry}\"\n\n\
             [lake]\nurl = \"{lake}\"\n\n\
             [ingestor]\ntopics = [\"{listen}\", \"{view}\"]\nformat = \"avro\"\nflush_interval = \"1s\"\n\
             on_out_of_range = \"record_gap\"\n\n\
             [ingestor.topic.{view}]\nformat = \"json\"\n\n\
             [maintenance]\ninterval = \"5s\"\ncompact_after = \"5s\"\ntarget_file_size = \"16MiB\"\n",
            session = self.session_timeout.as_millis(),
            listen = Topic::Listen,
            view = Topic::PageView,
        )
    }
}
