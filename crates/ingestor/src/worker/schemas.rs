//! The schemas that a topic's records are read by: asked for, learnt, and given columns.

use std::time::Instant;

use goldrecord_registry::Schema;

use super::{Ended, Turn, Worker};
use crate::bronze::{self, Events};
use crate::decode::{Code, Fault, Field, Misfit};
use crate::error::Error;
use crate::judge::TimeColumn;
use crate::keeper::{Job, Reply};
use crate::metrics::Server;
use crate::schemas::{self, Answer, Known, LatestError};
use crate::settings::EventTime;
use crate::shared::Backoff;

impl Worker<'_> {
    /// The topic's first partition is ours: its latest schema makes the columns.
    pub(super) fn open(&mut self) -> Turn {
        let latest = match schemas::latest(self.shared, &self.registry, &self.name) {
            Ok(latest) => latest,
            Err(LatestError::Stopped) => return Err(Ended),
            Err(LatestError::Registry(source)) => {
                return self.fail(Error::Registry {
                    topic: self.name.clone(),
                    source: Box::new(source),
                });
            }
        };
        // An empty change: the answer is the table's schema.
        if let Err(Misfit(why)) = self.evolve(Vec::new())? {
            return self.fail(self.unfit(&why));
        }
        if let Some(schema) = latest {
            let id = schema.id;
            self.unframed = Some(id);
            let index = self.learn(&schema)?;
            if let Known::Bad(fault, _) = self.schemas.get(index) {
                let why = fault.text.to_string();
                return self.fail(Error::Schema {
                    topic: self.name.clone(),
                    schema: id,
                    why,
                });
            }
        }
        self.opened = true;
        Ok(())
    }

    /// Makes room for a schema's fields in the table and in the columns being filled.
    fn evolve(&mut self, fields: Vec<Field>) -> Turn<Result<(), Misfit>> {
        self.ask(Job::Evolve(fields))?;
        let schema = loop {
            match self.answer()? {
                Reply::Evolved(Ok(schema)) => break schema,
                Reply::Evolved(Err(misfit)) => return Ok(Err(misfit)),
                other => self.answers.push_back(other),
            }
        };
        let fields = bronze::event_fields(&schema);
        if fields == *self.events.fields() {
            return Ok(Ok(()));
        }
        self.send_events()?;
        let time = match &self.settings.event_time {
            EventTime::Kafka => None,
            EventTime::Field(name) => Some(name.as_str()),
        };
        let columns =
            TimeColumn::find(&fields, time).and_then(|time| Ok((time, Events::new(fields)?)));
        match columns {
            Ok((time, events)) => {
                self.schemas
                    .bind(events.fields())
                    .expect("columns are only added");
                self.time = time;
                self.events = events;
                Ok(Ok(()))
            }
            Err(Misfit(why)) => self.fail(self.unfit(&why)),
        }
    }

    /// Learns a schema: where its records go, or why they are bad.
    fn learn(&mut self, schema: &Schema) -> Turn<usize> {
        let id = schema.id;
        let mut plan = match self.schemas.read(schema) {
            Ok(plan) => plan,
            Err(fault) => return Ok(self.schemas.learn_unknown(id, fault)),
        };
        let mut fitted = self.evolve(plan.fields())?;
        if fitted.is_ok() {
            fitted = plan.bind(self.events.fields());
        }
        Ok(match fitted {
            Ok(()) => self.schemas.learn(id, Known::Ready(plan)),
            Err(Misfit(why)) => self
                .schemas
                .learn_unknown(id, Fault::new(Code::UnsupportedSchema, why)),
        })
    }

    pub(super) fn schema(&mut self, id: u32) -> Turn<usize> {
        if let Some(index) = self.schemas.find(id) {
            return Ok(index);
        }
        let asked = Instant::now();
        let place = match schemas::ask(self.shared, &self.registry, &self.name, id) {
            Answer::Schema(schema) => self.learn(&schema)?,
            Answer::Bad(fault) => self.schemas.learn_unknown(id, fault),
            Answer::Stopped => return Err(Ended),
        };
        self.waited += asked.elapsed();
        Ok(place)
    }

    /// Waits until somebody registers the schema by which unframed records are read.
    pub(super) fn need_unframed(&mut self) -> Turn {
        let mut backoff = Backoff::new();
        while self.unframed.is_none() {
            self.open()?;
            if self.unframed.is_none() {
                let why = schemas::none_registered(&self.name);
                self.shared.wait_begins(Server::Schema, &self.name, &why);
                if !backoff.pause(self.shared) {
                    return Err(Ended);
                }
            }
        }
        self.shared.wait_ends(Server::Schema, &self.name);
        Ok(())
    }
}
