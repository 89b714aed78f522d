//! Real servers as child processes: Kafka, HDFS, a Schema Registry, ClickHouse and Prometheus,
//! for tests and for `./dev stack`.
//!
//! ```no_run
//! use goldrecord_testkit::{Kafka, require};
//!
//! let Some(kafka) = require(Kafka::shared()) else { return };
//! println!("produce to {}", kafka.bootstrap_servers());
//! ```
//!
//! A server listens on free ports of 127.0.0.1 and keeps its data in a temporary folder. It is
//! ready when `start` returns, is stopped when dropped, and never outlives the process that
//! started it, even one that is killed. The programs are fetched once (see [`fetch`]).

mod cache;
mod certificates;
mod debian;
mod dice;
mod error;
pub mod fetch;
mod http;
mod identity;
mod ports;
mod process;
mod program;
mod require;
mod server;
mod servers;
pub mod stack;
mod template;

pub use dice::Dice;
pub use error::{Error, Result};
pub use http::first_sample;
pub use require::require;
pub use servers::{
    ClickHouse, Hdfs, HdfsHa, Kafka, Kind, NameNode, Prometheus, Sample, SchemaRegistry,
    SecuredKafka, SecuredRegistry,
};
