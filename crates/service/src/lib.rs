//! What every daemon shares: configuration, logs, metrics, readiness, shutdown.
//!
//! [`Config`] is the one truth for `goldrecord.toml`: every binary reads the same file, and every
//! section and key of it is a field here.

pub mod config;
mod error;
pub mod kafka;
pub mod logs;
pub mod metrics;
pub mod notify;
mod shutdown;

pub use config::Config;
pub use error::{Error, Result};
pub use shutdown::Shutdown;
