//! The schemas that a topic's records name, and how each fills the table's columns.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use arrow::datatypes::Fields;
use goldrecord_registry::{Client, Schema, SchemaType};
use goldrecord_service::config::{Format, Subject};

use crate::bronze;
use crate::decode::{Code, Fault, Misfit, Plan};
use crate::metrics::Server;
use crate::settings::TopicSettings;
use crate::shared::{Backoff, Shared};

/// A schema id's meaning for one topic.
pub(crate) enum Known {
    /// Records can be decoded.
    Ready(Plan),
    /// Records of this id are bad. Asked again after a while where the registry did not know it.
    Bad(Fault, Option<Instant>),
}

/// The schemas seen by one topic.
pub(crate) struct Schemas {
    format: Format,
    known: Vec<(u32, Known)>,
    index: HashMap<u32, usize>,
}

/// What the registry says of an id.
pub(crate) enum Answer {
    Schema(Schema),
    /// It has none, or none that we could read: the fault of each record.
    Bad(Fault),
    /// The run ends first.
    Stopped,
}

/// An id that the registry does not know is asked for again after this time.
const FORGET: Duration = Duration::from_secs(30);

impl Schemas {
    pub(crate) fn new(format: Format) -> Self {
        Self {
            format,
            known: Vec::new(),
            index: HashMap::new(),
        }
    }

    /// The place of an id that was learnt, and is not to be asked for again.
    #[inline]
    pub(crate) fn find(&self, id: u32) -> Option<usize> {
        let index = *self.index.get(&id)?;
        match &self.known[index].1 {
            Known::Bad(_, Some(until)) if Instant::now() > *until => None,
            _ => Some(index),
        }
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> &Known {
        &self.known[index].1
    }

    pub(crate) fn learn(&mut self, id: u32, known: Known) -> usize {
        let index = *self.index.entry(id).or_insert(self.known.len());
        if index == self.known.len() {
            self.known.push((id, known));
        } else {
            self.known[index].1 = known;
        }
        index
    }

    pub(crate) fn learn_unknown(&mut self, id: u32, fault: Fault) -> usize {
        let again = (fault.code == Code::UnknownSchema).then(|| Instant::now() + FORGET);
        self.learn(id, Known::Bad(fault, again))
    }

    /// The table has other columns now.
    pub(crate) fn bind(&mut self, columns: &Fields) -> Result<(), Misfit> {
        for (_, known) in &mut self.known {
            if let Known::Ready(plan) = known {
                plan.bind(columns)?;
            }
        }
        Ok(())
    }

    /// Reads a schema, if it is of the topic's language and its names are not ours.
    pub(crate) fn read(&self, schema: &Schema) -> Result<Plan, Fault> {
        let wanted = match self.format {
            Format::Avro => SchemaType::Avro,
            Format::Json | Format::JsonUnframed => SchemaType::Json,
        };
        if schema.schema_type != wanted {
            let text = format!(
                "schema {} is {}, the topic's format is {wanted}",
                schema.id, schema.schema_type
            );
            return Err(Fault::new(Code::WrongSchemaType, text));
        }
        let unsupported = |Misfit(why)| Fault::new(Code::UnsupportedSchema, why);
        let plan = Plan::read(schema).map_err(unsupported)?;
        bronze::check_names(&plan.fields()).map_err(unsupported)?;
        Ok(plan)
    }
}

/// Asks the registry for a schema, as long as it takes.
pub(crate) fn ask(shared: &Shared<'_>, registry: &Client, topic: &str, id: u32) -> Answer {
    let mut backoff = Backoff::new();
    loop {
        match shared.runtime.block_on(registry.schema(id)) {
            Ok(schema) => {
                shared.wait_ends(Server::Registry, topic);
                return Answer::Schema(Schema::clone(&schema));
            }
            Err(error) if error.is_unavailable() => {
                shared.wait_begins(Server::Registry, topic, &error.to_string());
                if !backoff.pause(shared) {
                    return Answer::Stopped;
                }
            }
            Err(error) => {
                shared.wait_ends(Server::Registry, topic);
                let code = if error.is_unknown() {
                    Code::UnknownSchema
                } else {
                    Code::UnsupportedSchema
                };
                return Answer::Bad(Fault::new(code, error.to_string()));
            }
        }
    }
}

/// The subject whose latest schema is a topic's, as Confluent's strategies call it. `None`: it is called by a
/// record, and no record is named.
pub(crate) fn subject(topic: &str, settings: &TopicSettings) -> Option<String> {
    match settings.subject {
        Subject::Topic => Some(format!("{topic}-value")),
        Subject::Record => settings.record.clone(),
        Subject::TopicRecord => {
            let record = settings.record.as_ref()?;
            Some(format!("{topic}-{record}"))
        }
    }
}

/// What unframed records lack where their topic has no schema.
pub(crate) fn none_registered(topic: &str, subject: Option<&str>) -> String {
    match subject {
        Some(subject) => {
            format!("no schema is registered as `{subject}`; unframed records need one")
        }
        None => format!(
            "unframed records do not tell their schema; name it with ingestor.topic.{topic}.record"
        ),
    }
}

/// The latest schema of a subject, asked for once. `None`: none is registered.
pub(crate) async fn registered(
    registry: &Client,
    subject: Option<&str>,
) -> Result<Option<Schema>, goldrecord_registry::Error> {
    let Some(subject) = subject else {
        return Ok(None);
    };
    match registry.latest(subject).await {
        Ok(version) => Ok(Some(version.schema)),
        Err(error) if error.is_unknown() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The topic's latest schema, as long as it takes; `Ok(None)`: none is registered. `Err`: the run ends first.
pub(crate) fn latest(
    shared: &Shared<'_>,
    registry: &Client,
    topic: &str,
    subject: Option<&str>,
) -> Result<Option<Schema>, LatestError> {
    let mut backoff = Backoff::new();
    loop {
        match shared.runtime.block_on(registered(registry, subject)) {
            Ok(latest) => {
                shared.wait_ends(Server::Registry, topic);
                return Ok(latest);
            }
            Err(error) if error.is_unavailable() => {
                shared.wait_begins(Server::Registry, topic, &error.to_string());
                if !backoff.pause(shared) {
                    return Err(LatestError::Stopped);
                }
            }
            Err(error) => return Err(LatestError::Registry(error)),
        }
    }
}

/// Why there is no answer about a topic's latest schema.
pub(crate) enum LatestError {
    Stopped,
    Registry(goldrecord_registry::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_called_as_confluent_calls_them() {
        let called = |subject, record: Option<&str>| {
            let settings = TopicSettings {
                subject,
                record: record.map(str::to_owned),
                ..TopicSettings::default()
            };
            super::subject("music.listens", &settings)
        };
        let record = Some("org.music.Listen");
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(called(Subject::Topic, None), name("music.listens-value"));
        assert_eq!(called(Subject::Record, record), name("org.music.Listen"));
        assert_eq!(
            called(Subject::TopicRecord, record),
            name("music.listens-org.music.Listen")
        );
        for by_record in [Subject::Record, Subject::TopicRecord] {
            assert_eq!(called(by_record, None), None);
        }
    }
}
