//! The servers there are.

mod clickhouse;
mod hdfs;
mod hdfs_ha;
mod kafka;
mod prometheus;
mod registry;
mod secured_kafka;
mod secured_registry;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::Serialize;

pub use clickhouse::ClickHouse;
pub use hdfs::Hdfs;
pub use hdfs_ha::{HdfsHa, NameNode};
pub use kafka::Kafka;
pub use prometheus::{Prometheus, Sample};
pub use registry::SchemaRegistry;
pub use secured_kafka::SecuredKafka;
pub use secured_registry::SecuredRegistry;

use crate::server::Recipe;
use crate::{Result, fetch};

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    Kafka,
    Hdfs,
    Registry,
    ClickHouse,
    Prometheus,
}

impl Kind {
    /// Every server, in the order in which they are started.
    pub const ALL: [Self; 5] = [
        Self::Kafka,
        Self::Hdfs,
        Self::Registry,
        Self::ClickHouse,
        Self::Prometheus,
    ];
    /// Those that events pass through.
    pub const PIPELINE: [Self; 4] = [Self::Kafka, Self::Hdfs, Self::Registry, Self::ClickHouse];

    /// The name on the command line and in folders.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Hdfs => "hdfs",
            Self::Registry => "registry",
            Self::ClickHouse => "clickhouse",
            Self::Prometheus => "prometheus",
        }
    }

    /// How many ports it listens on; the first is the one that clients use.
    pub(crate) fn port_count(self) -> u16 {
        match self {
            Self::Kafka => kafka::PORTS as u16,
            Self::Hdfs => hdfs::PORTS as u16,
            Self::Registry => registry::PORTS as u16,
            Self::ClickHouse => clickhouse::PORTS as u16,
            Self::Prometheus => prometheus::PORTS as u16,
        }
    }

    /// What clients are told to connect to.
    pub(crate) fn address(self, port: u16) -> String {
        match self {
            Self::Kafka => kafka::bootstrap_servers(port),
            Self::Hdfs => hdfs::url(port),
            Self::Registry => registry::url(port),
            Self::ClickHouse => clickhouse::url(port),
            Self::Prometheus => prometheus::url(port),
        }
    }

    /// How to run it in `dir` on consecutive ports from `port`. Fetches it if need be.
    pub(crate) fn recipe_from(self, dir: &Path, port: u16) -> Result<Recipe> {
        let installation = fetch::installation(self)?;
        match self {
            Self::Kafka => kafka::recipe(&installation, dir, consecutive(port)),
            Self::Hdfs => hdfs::recipe(&installation, dir, consecutive(port)),
            Self::Registry => registry::recipe(&installation, consecutive(port)),
            Self::ClickHouse => Ok(clickhouse::recipe(&installation, dir, consecutive(port))),
            Self::Prometheus => Ok(prometheus::recipe(&installation, consecutive(port))),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| {
            format!(
                "no server `{name}`; there are {}",
                Self::ALL.map(Self::name).join(", ")
            )
        })
    }
}

fn consecutive<const N: usize>(port: u16) -> [u16; N] {
    std::array::from_fn(|step| port + step as u16)
}

/// Flags for a Java server that shall start soon and stay small.
fn java_flags(heap_megabytes: u32) -> Vec<String> {
    vec![
        "-XX:+UseSerialGC".to_owned(),
        "-XX:TieredStopAtLevel=1".to_owned(),
        "-Xshare:auto".to_owned(),
        format!("-Xmx{heap_megabytes}m"),
    ]
}

fn strings<const N: usize>(words: [&str; N]) -> impl Iterator<Item = String> {
    words.into_iter().map(str::to_owned)
}

/// What every server of a test has: the methods that make it fail on purpose, and its start.
macro_rules! server_of_a_test {
    ($server:ident, $kind:expr) => {
        impl $server {
            /// Starts one on free ports, with data of its own, and waits until it is ready.
            pub fn start() -> $crate::Result<Self> {
                let installation = $crate::fetch::installation($kind)?;
                let (server, ports) = $crate::server::Server::start($kind, |dir| {
                    let ports = $crate::ports::free::<PORTS>()?;
                    Ok((Self::recipe_in(&installation, dir, ports)?, ports))
                })?;
                Ok(Self { server, ports })
            }

            /// The one that all tests of this process share: started at the first call, stopped
            /// when the process ends. Use names of your own in it.
            pub fn shared() -> Result<&'static Self, &'static $crate::Error> {
                static SHARED: std::sync::OnceLock<$crate::Result<$server>> =
                    std::sync::OnceLock::new();
                SHARED.get_or_init(Self::start).as_ref()
            }

            /// Ends it at once, as a power cut would. [`Self::restart`] brings it back.
            pub fn kill(&self) {
                self.server.kill();
            }

            /// Stops it, unless it is down already, and starts it again on the same ports, ready
            /// when this returns.
            pub fn restart(&self) -> $crate::Result<()> {
                self.server.restart()
            }

            /// Freezes it: connections stay open and nothing answers.
            pub fn pause(&self) {
                self.server.pause();
            }

            /// Ends a pause.
            pub fn resume(&self) {
                self.server.resume();
            }

            /// The folder with its configuration, data and logs; removed with the server.
            pub fn dir(&self) -> &std::path::Path {
                self.server.dir()
            }
        }
    };
}
use server_of_a_test;
