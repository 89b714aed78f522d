//! `goldrecord quarantine`: bad records looked at, taken out, and replayed once what was wrong is mended.

mod bytes;
mod export;
mod line;
mod list;
mod replay;
mod show;
mod which;

use std::path::PathBuf;

use clap::Subcommand;
use goldrecord_lake::Lake;
use goldrecord_service::Config;

use crate::Result;
use replay::{EventTimeFrom, Times};
use which::{Place, Which};

pub use which::topics_of;

/// What is done with bad records.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Count bad records by topic, reason and schema, and list the newest
    List {
        #[command(flatten)]
        which: Which,
        /// How many records are listed
        #[arg(long, default_value_t = 20)]
        limit: usize,
        /// Write JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a bad record: why it is bad, and its bytes
    Show {
        /// The topic
        topic: String,
        /// Where the record is
        #[arg(value_name = "PARTITION/OFFSET")]
        place: Place,
        /// How many bytes of its key and of its value are shown
        #[arg(long, value_name = "BYTES", default_value_t = 4096)]
        limit: usize,
        /// Write JSON: a list, with all its bytes, as `export` writes them
        #[arg(long, conflicts_with = "limit")]
        json: bool,
    },
    /// Write bad records as lines of JSON, with everything that it takes to send them again
    Export {
        #[command(flatten)]
        which: Which,
        /// The file to write, or - for standard output
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
    },
    /// Decode bad records again by the schemas and settings of now; those that are events by then become so in
    /// one commit a table
    Replay {
        #[command(flatten)]
        which: Which,
        /// Where a record without an acceptable time of its own takes it from
        #[arg(long, value_enum, value_name = "SOURCE")]
        event_time_from: Option<EventTimeFrom>,
        /// Accept events of these times, instead of the years from 2000 to a day ahead
        #[arg(long, value_name = "FROM..TO")]
        accept_times: Option<Times>,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
        /// Write JSON
        #[arg(long)]
        json: bool,
    },
}

/// Do it.
pub async fn run(command: Command, lake: &Lake, config: &Config) -> Result<()> {
    match command {
        Command::List { which, limit, json } => {
            let list = list::ask(lake, &which, limit).await?;
            crate::print(json, &list, || list.text())
        }
        Command::Show {
            topic,
            place,
            limit,
            json,
        } => show::run(lake, &topic, place, limit, json).await,
        Command::Export { which, output } => export::run(lake, &which, &output).await,
        Command::Replay {
            which,
            event_time_from,
            accept_times,
            dry_run,
            json,
        } => {
            let fixes = replay::fixes(event_time_from, accept_times);
            let done = replay::run(lake, config, &which, &fixes, dry_run).await?;
            crate::print(json, &done, || replay::text(&done, dry_run))
        }
    }
}
