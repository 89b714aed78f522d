//! The ingestor from Kafka to bronze, in process: librdkafka's mock broker, the embedded registry, a local folder.

mod any_order;
mod bad_records;
mod documents;
mod exactly_once;
mod failover;
mod formats;
mod limits;
mod metrics;
mod refusals;
mod replays;
mod rewinds;
mod secured;
mod servers;
mod waits;
mod world;
