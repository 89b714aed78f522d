//! Bad records decoded again, by the schemas and settings of now.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use arrow::datatypes::Fields;
use goldrecord_registry::Client;
use goldrecord_service::config::Format;

use super::{Bad, Fixes};
use crate::bronze::{Events, Origin};
use crate::decode::{Code, Fault, Misfit, Plan, merge};
use crate::error::{Error, Result};
use crate::judge::{self, TimeColumn, event_time, split};
use crate::schemas::{self, Schemas};
use crate::settings::{EventTime, TopicSettings};

/// Decodes a topic's records outside of a run.
#[derive(Debug)]
pub(super) struct Decoder {
    format: Format,
    /// The schema of records without framing.
    unframed: Option<u32>,
    /// What each schema makes of a record.
    plans: BTreeMap<u32, Result<Plan, Fault>>,
    fields: Fields,
    time: TimeColumn,
    accepted: RangeInclusive<i64>,
    from_kafka: bool,
}

impl Decoder {
    /// A decoder of the records of these settings that knows no schema yet. `fields` are the event's in the table.
    pub(super) async fn new(
        topic: &str,
        settings: &TopicSettings,
        fixes: &Fixes,
        registry: &Client,
        fields: Fields,
        now: i64,
    ) -> Result<Self> {
        let unframed = match settings.format {
            Format::Avro | Format::Json => None,
            Format::JsonUnframed => Some(unframed(topic, settings, registry).await?),
        };
        Ok(Self {
            format: settings.format,
            unframed,
            plans: BTreeMap::new(),
            fields,
            time: TimeColumn::Missing,
            accepted: (fixes.accept_times.clone())
                .unwrap_or_else(|| judge::accepted(settings, now)),
            from_kafka: fixes.event_time_from_kafka,
        })
    }

    /// The schema that a record names.
    pub(super) fn schema_of(&self, bad: &Bad<'_>) -> Option<u32> {
        let split = split(bad.value, self.format, self.unframed);
        split.ok().map(|(id, _)| id)
    }

    /// Asks the registry for these schemas. A registry that is away is an error, never a record's fault.
    pub(super) async fn learn(
        &mut self,
        topic: &str,
        settings: &TopicSettings,
        registry: &Client,
        ids: &BTreeSet<u32>,
    ) -> Result<()> {
        let schemas = Schemas::new(settings.format);
        for id in ids {
            let plan = match registry.schema(*id).await {
                Ok(schema) => schemas.read(&schema).and_then(|plan| {
                    match merge(&self.fields, &plan.fields()) {
                        Ok(merged) => {
                            self.fields = merged.unwrap_or_else(|| self.fields.clone());
                            Ok(plan)
                        }
                        Err(Misfit(why)) => Err(Fault::new(Code::UnsupportedSchema, why)),
                    }
                }),
                Err(error) if error.is_unavailable() => {
                    return Err(Error::Registry {
                        topic: topic.to_owned(),
                        source: Box::new(error),
                    });
                }
                Err(error) if error.is_unknown() => {
                    Err(Fault::new(Code::UnknownSchema, error.to_string()))
                }
                Err(error) => Err(Fault::new(Code::UnsupportedSchema, error.to_string())),
            };
            self.plans.insert(*id, plan);
        }
        for plan in self.plans.values_mut() {
            let bound = plan.as_mut().map(|plan| plan.bind(&self.fields));
            if let Ok(Err(Misfit(why))) = bound {
                *plan = Err(Fault::new(Code::UnsupportedSchema, why));
            }
        }
        let name = match &settings.event_time {
            EventTime::Kafka => None,
            EventTime::Field(name) => Some(name.as_str()),
        };
        self.time = TimeColumn::find(&self.fields, name).map_err(|Misfit(why)| Error::Setting {
            key: format!("ingestor.topic.{topic}.event_time"),
            value: name.unwrap_or("kafka").to_owned(),
            why,
        })?;
        Ok(())
    }

    /// The event's fields, those of the schemas learnt included.
    pub(super) fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Decodes a record into the next row of `events`, or says why it stays bad.
    pub(super) fn decode(&self, bad: &Bad<'_>, events: &mut Events) -> Result<(), Fault> {
        let (id, payload) = split(bad.value, self.format, self.unframed)?;
        let plan = self.plans.get(&id).expect("every schema was learnt before");
        let plan = plan.as_ref().map_err(Fault::clone)?;
        plan.decode(payload, &mut events.columns)?;
        let timestamp_ms = bad.timestamp.map(|micros| micros.div_euclid(1000));
        let own = event_time(self.time, &events.columns, timestamp_ms, &self.accepted);
        let time = match own {
            Err(_) if self.from_kafka => event_time(
                TimeColumn::Kafka,
                &events.columns,
                timestamp_ms,
                &self.accepted,
            ),
            own => own,
        };
        match time {
            Ok(time) => {
                let origin = Origin {
                    partition: bad.partition,
                    epoch: bad.epoch,
                    offset: bad.offset,
                    timestamp_ms,
                };
                events.close(origin, id, time);
                Ok(())
            }
            Err(fault) => {
                events.take_back();
                Err(fault)
            }
        }
    }
}

/// The id of the schema by which a topic's unframed records are read.
async fn unframed(topic: &str, settings: &TopicSettings, registry: &Client) -> Result<u32> {
    let subject = schemas::subject(topic, settings);
    match schemas::registered(registry, subject.as_deref()).await {
        Ok(Some(schema)) => Ok(schema.id),
        Ok(None) => Err(Error::Setting {
            key: "ingestor.format".to_owned(),
            value: "json-unframed".to_owned(),
            why: schemas::none_registered(topic, subject.as_deref()),
        }),
        Err(source) => Err(Error::Registry {
            topic: topic.to_owned(),
            source: Box::new(source),
        }),
    }
}
