//! The brokers that the configuration names.

use std::fmt::Display;

use goldrecord_service::config::Kafka;
use goldrecord_service::kafka::Access;
use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;

use crate::{Error, Result};

/// The brokers, and how they let us in.
#[derive(Clone)]
pub struct Brokers {
    servers: String,
    access: Access,
}

impl Brokers {
    /// Those of `[kafka]`, with the credentials that it needs.
    pub fn of(kafka: &Kafka) -> Result<Self> {
        Ok(Self {
            servers: kafka.bootstrap_servers.clone(),
            access: Access::load(kafka)?,
        })
    }

    /// What every client of them begins with.
    pub fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.servers);
        client.extend(self.access.settings());
        client
    }

    /// A client that makes and removes topics.
    pub fn admin(&self) -> Result<AdminClient<DefaultClientContext>> {
        self.client().create().map_err(|error| self.failed(&error))
    }

    /// They do not answer.
    pub fn silent(&self, why: &dyn Display) -> Error {
        Error::KafkaSilent {
            servers: self.servers.clone(),
            why: format!("{why}"),
        }
    }

    /// They failed us.
    pub fn failed(&self, why: &dyn Display) -> Error {
        Error::Kafka {
            servers: self.servers.clone(),
            why: format!("{why}"),
        }
    }
}
