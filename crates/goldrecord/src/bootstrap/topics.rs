//! Kafka's topics, made where they are missing.

use std::collections::BTreeMap;
use std::time::Duration;

use goldrecord_service::config::Bootstrap;
use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::RDKafkaErrorCode;

use super::report::{Item, Kind, State};
use crate::Result;
use crate::clients::Brokers;

/// How long the brokers may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// How a topic is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    partitions: i32,
    replication: i32,
    /// The topic's own settings.
    settings: [(&'static str, String); 2],
}

impl Shape {
    /// As `[bootstrap]` says.
    pub fn of(config: &Bootstrap) -> Self {
        let replication = i32::from(config.replication.max(1));
        // One broker may be lost and records still be acknowledged; a second copy is there whenever one was.
        let in_sync = if replication < 3 { 1 } else { replication - 1 };
        Self {
            partitions: i32::from(config.partitions.max(1)),
            replication,
            settings: [
                ("retention.ms", config.retention.0.as_millis().to_string()),
                ("min.insync.replicas", in_sync.to_string()),
            ],
        }
    }

    fn text(&self) -> String {
        format!(
            "{} partitions on {} broker(s) each",
            self.partitions, self.replication
        )
    }
}

/// Make those of `names` that are not there; with `dry_run` only say which.
pub async fn make(
    brokers: &Brokers,
    names: &[&str],
    shape: &Shape,
    dry_run: bool,
) -> Result<Vec<Item>> {
    let there = existing(brokers).await?;
    let missing: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| !there.contains_key(*name))
        .collect();
    if !dry_run && !missing.is_empty() {
        create(brokers, &missing, shape).await?;
    }
    let items = names.iter().map(|name| match there.get(*name) {
        None => Item::new(Kind::Topic, *name, State::missing(dry_run), shape.text()),
        Some(partitions) if *partitions != shape.partitions => Item::new(
            Kind::Topic,
            *name,
            State::There,
            format!(
                "{partitions} partitions where [bootstrap] says {}; left alone, since a key's records would move",
                shape.partitions
            ),
        ),
        Some(_) => Item::new(Kind::Topic, *name, State::There, String::new()),
    });
    Ok(items.collect())
}

async fn create(brokers: &Brokers, names: &[&str], shape: &Shape) -> Result<()> {
    let topics: Vec<NewTopic<'_>> = names
        .iter()
        .map(|name| {
            let replication = TopicReplication::Fixed(shape.replication);
            let topic = NewTopic::new(name, shape.partitions, replication);
            shape
                .settings
                .iter()
                .fold(topic, |topic, (key, value)| topic.set(key, value))
        })
        .collect();
    let patiently = AdminOptions::new()
        .operation_timeout(Some(PATIENCE))
        .request_timeout(Some(PATIENCE));
    let made = brokers.admin()?.create_topics(&topics, &patiently).await;
    for result in made.map_err(|error| brokers.silent(&error))? {
        match result {
            // Somebody else made it in the meantime.
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, RDKafkaErrorCode::InvalidReplicationFactor)) => {
                return Err(brokers.failed(&format!(
                    "topic {topic} cannot lie on {} brokers each: fewer are up; start them, or lower [bootstrap] replication",
                    shape.replication
                )));
            }
            Err((topic, code)) => {
                return Err(brokers.failed(&format!("topic {topic} cannot be made: {code}")));
            }
        }
    }
    Ok(())
}

/// The topics there are, with how many partitions each has.
async fn existing(brokers: &Brokers) -> Result<BTreeMap<String, i32>> {
    let brokers = brokers.clone();
    let asked = tokio::task::spawn_blocking(move || {
        let client: BaseConsumer = brokers
            .client()
            .set("allow.auto.create.topics", "false")
            .create()
            .map_err(|error| brokers.failed(&error))?;
        let metadata = client
            .fetch_metadata(None, PATIENCE)
            .map_err(|error| brokers.silent(&error))?;
        Ok(metadata
            .topics()
            .iter()
            .map(|topic| (topic.name().to_owned(), topic.partitions().len() as i32))
            .collect())
    });
    asked.await.expect("asking neither panics nor is cancelled")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_three_brokers_may_be_lost_and_one_of_one_may_not() {
        let in_sync = |replication| {
            let shape = Shape::of(&Bootstrap {
                replication,
                ..Bootstrap::default()
            });
            shape.settings[1].1.clone()
        };
        assert_eq!(in_sync(1), "1");
        assert_eq!(in_sync(2), "1");
        assert_eq!(in_sync(3), "2");
    }
}
