//! Kafka to bronze, exactly once.
//!
//! A topic becomes a Delta table whose rows are the topic's records and whose numbers are the partitions'
//! offsets: one commit brings both, so nothing is lost or doubled whatever dies. See [`protocol`] for why,
//! [`bronze`] for the table, [`decode`] for how bytes become columns.
//!
//! ```text
//!                 chunks                    batches, flushes
//!   Kafka ──▶ poll ────────▶ topic (decode) ─────────────────▶ table (encode, commit) ──▶ lake
//!               ◀── seek, commit ──┘   ◀── opened, committed, abandoned ──┘
//! ```
//!
//! One thread polls, and two work for each topic from when it is found. What their buffers hold is counted in one budget;
//! past it the source is held back, never a record dropped.

pub mod bronze;
mod chunk;
mod consumer;
pub mod decode;
mod digest;
mod error;
mod ingestor;
pub mod judge;
mod keeper;
mod lag;
mod memory;
pub mod mend;
mod metrics;
pub mod offsets;
mod progress;
pub mod protocol;
mod reading;
mod rewrite;
mod schemas;
mod settings;
mod shared;
mod tables;
mod topics;
mod worker;

pub use error::{Error, Result};
pub use ingestor::Ingestor;
pub use metrics::Metrics;
pub use progress::{Commit, Progress, Silent, Summary, TopicSummary, Until};
pub use settings::{EventTime, FlushPolicy, Settings, TopicSettings};
pub use tables::make_tables;
pub use topics::{Finder, Rules};
