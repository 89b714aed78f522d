//! `goldrecord offsets`: where each partition is read, and the only ways to move it but reading.

mod show;

use std::fmt::Write as _;
use std::str::FromStr;

use clap::{ArgGroup, Subcommand};
use goldrecord_ingestor::Settings;
use goldrecord_ingestor::offsets::{Accepted, Broker, Rewind, Rewound, accept, rewind};
use goldrecord_lake::Lake;
use goldrecord_service::Config;

use crate::moment::{self, Moment};
use crate::output::{size, thousands};
use crate::{Error, Result};

/// What is done with offsets.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show where each partition is read: its epoch, where that began, the next offset, what Kafka has, the lag
    Show {
        /// Only of this topic; may be given several times
        #[arg(long, value_name = "TOPIC")]
        topic: Vec<String>,
        /// Write JSON
        #[arg(long)]
        json: bool,
    },
    /// Set a partition back: its next offset, and every row at or after it, in one commit. The ingestor need not
    /// be stopped: it reads on from there when it next flushes, or when it starts
    #[command(group = ArgGroup::new("target").required(true).args(["to", "to_time"]))]
    Rewind {
        /// The partition
        #[arg(value_name = "TOPIC/PARTITION")]
        partition: Partition,
        /// The offset to be read next
        #[arg(long, value_name = "OFFSET")]
        to: Option<i64>,
        /// The day or moment of which the first record is to be read next
        #[arg(long, value_name = "TIME")]
        to_time: Option<Moment>,
        /// Go back even where Kafka has deleted the records: they are lost to the table
        #[arg(long)]
        accept_loss: bool,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
        /// Write JSON
        #[arg(long)]
        json: bool,
    },
    /// Begin the next epoch of a partition whose topic was made anew, where Kafka's log begins
    Accept {
        /// The partition
        #[arg(value_name = "TOPIC/PARTITION")]
        partition: Partition,
        /// The topic was made anew, although its log reaches as far as the table
        #[arg(long)]
        made_anew: bool,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
        /// Write JSON
        #[arg(long)]
        json: bool,
    },
}

/// A topic's partition, written `listen_events/3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    topic: String,
    number: i32,
}

impl FromStr for Partition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.rsplit_once('/').and_then(|(topic, number)| {
            let number = number.parse().ok().filter(|number| *number >= 0)?;
            let topic = topic.to_owned();
            (!topic.is_empty()).then_some(Self { topic, number })
        });
        parsed.ok_or_else(|| "write topic and partition, listen_events/3".to_owned())
    }
}

/// Do it.
pub async fn run(command: Command, lake: &Lake, config: &Config) -> Result<()> {
    let broker = Broker::new(&Settings::load(config)?)?;
    match command {
        Command::Show { topic, json } => {
            let offsets = show::ask(lake, &broker, &topic).await?;
            crate::print(json, &offsets, || offsets.text())
        }
        Command::Rewind {
            partition: Partition { topic, number },
            to,
            to_time,
            accept_loss,
            dry_run,
            json,
        } => {
            let to = match (to, to_time) {
                (Some(to), _) => to,
                (None, Some(moment)) => first_at(&broker, &topic, number, moment).await?,
                (None, None) => unreachable!("one of both is required"),
            };
            let wanted = Rewind {
                topic,
                partition: number,
                to,
                accept_loss,
                dry_run,
            };
            let done = rewind(lake, &broker, &wanted).await?;
            crate::print(json, &done, || rewound(&wanted, &done))
        }
        Command::Accept {
            partition: Partition { topic, number },
            made_anew,
            dry_run,
            json,
        } => {
            let done = accept(lake, &broker, &topic, number, made_anew, dry_run).await?;
            crate::print(json, &done, || accepted(&topic, number, &done))
        }
    }
}

/// The offset of the first record produced at or after a moment.
async fn first_at(broker: &Broker, topic: &str, partition: i32, at: Moment) -> Result<i64> {
    let found = broker.at_time(topic, partition, at.millis()).await?;
    found.ok_or_else(|| {
        Error::Refused(format!(
            "no record of {topic}/{partition} was produced at or after {}: there is nothing to read again",
            moment::text(at.0)
        ))
    })
}

fn rewound(wanted: &Rewind, done: &Rewound) -> String {
    let number = |count: i64| thousands(count.max(0).unsigned_abs());
    let name = format!("{}/{}", wanted.topic, wanted.partition);
    if done.from == done.to {
        return format!("{name} is at {} already", done.to);
    }
    let mut text = match done.version {
        Some(version) => format!(
            "{name} went back from {} to {} in version {version}",
            done.from, done.to
        ),
        None => format!("{name} would go back from {} to {}", done.from, done.to),
    };
    let _ = write!(
        text,
        "\n  removed: {} events, {} bad records, {} offsets without a record",
        number(done.good),
        number(done.bad),
        number(done.gaps)
    );
    if done.expired > 0 {
        let _ = write!(
            text,
            ", {} that retention had removed",
            number(done.expired)
        );
    }
    let _ = write!(
        text,
        "\n  {} files ({}), written anew with {} other rows",
        thousands(done.files_removed),
        size(done.bytes_removed),
        number(done.rows_rewritten)
    );
    if done.version.is_some() {
        let (files, bytes) = (thousands(done.files_added), size(done.bytes_added));
        let _ = write!(text, " as {files} files ({bytes})");
    }
    if done.lost > 0 {
        let _ = write!(
            text,
            "\n  {} records are deleted in Kafka and cannot be read again",
            number(done.lost)
        );
    }
    if done.unaccounted != 0 {
        let _ = write!(
            text,
            "\n  {} of these offsets were out of balance: `goldrecord verify` says what else is",
            done.unaccounted
        );
    }
    text
}

fn accepted(topic: &str, partition: i32, done: &Accepted) -> String {
    let what = match done.version {
        Some(version) => format!("begins in version {version}"),
        None => "would begin".to_owned(),
    };
    format!(
        "{topic}/{partition}: epoch {} {what}, at offset {} of {} that Kafka has; epoch {} ended at {}",
        done.epoch, done.start, done.end, done.ended, done.ended_at
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_a_topic_and_a_number() {
        let partition: Partition = "listen_events/3".parse().expect("a partition");
        assert_eq!(
            (partition.topic.as_str(), partition.number),
            ("listen_events", 3)
        );
        for text in ["listen_events", "listen_events/", "/3", "a/-1", "a/b"] {
            assert!(text.parse::<Partition>().is_err(), "{text}");
        }
    }
}
