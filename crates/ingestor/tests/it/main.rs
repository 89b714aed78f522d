//! The ingestor from Kafka to bronze, in process: librdkafka's mock broker, the embedded registry, a local folder.

mod any_order;
mod bad_records;
#[path = "../corpus/mod.rs"]
mod corpus;
mod decoders;
mod documents;
mod exactly_once;
mod failover;
mod formats;
mod group;
mod limits;
mod members;
mod memory;
mod metrics;
mod nested;
mod on_hdfs;
mod outside;
mod rebalances;
mod refusals;
mod replays;
mod rewinds;
mod secured;
mod servers;
mod sources;
#[path = "../corpus/trial.rs"]
mod trial;
mod types;
mod waits;
mod world;
mod zombies;
