//! Simulated listeners to Kafka or files.
//!
//! Events come from [`simulate`] (a state machine read from an `EventSim` configuration) or from
//! [`replay`] (a file that the original `EventSim` wrote). Both hand them one by one, in order of
//! time, to a visitor, which sends them to a sink ([`KafkaSink`], [`NdjsonSink`]) and counts them in
//! the [`Ledger`] of the truth.

mod calendar;
mod catalogue;
mod config;
mod error;
mod kafka;
mod ledger;
mod live;
mod ndjson;
mod people;
mod random;
mod replay;
mod simulate;

pub use calendar::parse_moment;
pub use config::Config;
pub use error::{Error, Result};
pub use kafka::{Delivered, Format, KafkaSink, KafkaSinkOptions, Outstanding, register};
pub use ledger::{Ledger, TopicTruth, Truth};
pub use live::{Live, live_start};
pub use ndjson::NdjsonSink;
pub use replay::{Input, Replayed, replay};
pub use simulate::{SimulationOptions, simulate};
