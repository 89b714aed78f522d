//! Keeps the lake in shape beside whoever writes and reads it.
//!
//! A round goes over all tables and does four things to each:
//! - [`compact`]: many small files of a partition become one. Takes files, not partitions, and gives up when refused.
//! - [`retain`]: whole days that are older than the table's retention go; a row in their place keeps the balance.
//! - [`clean`]: checkpoints where writers have written none; old log entries, temporary files, and data files that no
//!   version names which somebody may still read.
//!
//! Everything that changes a table goes through the lake's commit loop, which refuses what no longer fits. Compaction
//! and retention say `dataChange = false`, so that "what changed" skips them.

pub mod clean;
pub mod compact;
mod daemon;
mod error;
mod failpoint;
mod report;
pub mod retain;
mod round;
mod settings;

pub use daemon::run;
pub use error::{Error, Result};
pub use report::{Cleaning, Compaction, Report, Retention, TableReport};
pub use round::Upkeep;
pub use settings::{SHORTEST_KEEP, Settings};
