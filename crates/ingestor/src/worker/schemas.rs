//! The schemas that a topic's records are read by: asked for, learnt, and given columns.
//!
//! ```text
//!             the first partition is ours:         its latest schema has
//!             the latest schema is asked for       columns, or none is needed
//!       New ────────────────────────────────▶ ● ───────────────────────────────▶ Open
//!        ▲                                    │                                    ▲
//!        │ no partition is ours               │ no table fits it, or unframed      │ another schema
//!        │                                    ▼ records have none                  │ is registered
//!        └──────────────────────────────── HeldBack ───────────────────────────────┘
//! ```
//!
//! Partitions of a topic that is held back are begun in the table, so that nothing that comes meanwhile is missed,
//! and not fetched.

use std::time::Instant;

use goldrecord_registry::Schema;
use goldrecord_service::config::Format;

pub(super) use super::latest::Latest;
use super::{Ended, Turn, Worker};
use crate::bronze::{self, Events};
use crate::decode::{Code, Fault, Field, Misfit, merge};
use crate::error::Error;
use crate::judge::TimeColumn;
use crate::keeper::{Job, Reply};
use crate::metrics::Server;
use crate::schemas::{self, Answer, Known, LatestError};
use crate::settings::EventTime;

/// Whether the topic's records can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nobody asked yet.
    New,
    /// Not by the latest schema, which is this one, or none.
    HeldBack(Option<u32>),
    /// They are read.
    Open,
}

impl Worker<'_> {
    /// The topic's first partition is ours: its latest schema makes the columns.
    pub(super) fn open(&mut self) -> Turn {
        // An empty change: the answer is the table's schema.
        if let Err(Misfit(why)) = self.evolve(Vec::new())? {
            let topic = self.name.clone();
            self.refuse(None, Error::Unfit { topic, why });
            return Ok(());
        }
        let subject = self.latest.subject.as_deref();
        match schemas::latest(self.shared, &self.registry, &self.name, subject) {
            Ok(latest) => self.judge(latest),
            Err(LatestError::Stopped) => Err(Ended),
            Err(LatestError::Registry(source)) => {
                self.refuse_answer(source);
                Ok(())
            }
        }
    }

    /// Opens the topic by its latest schema, or holds it back.
    fn judge(&mut self, latest: Option<Schema>) -> Turn {
        let Some(schema) = latest else {
            if self.settings.format != Format::JsonUnframed {
                return self.begin();
            }
            let subject = self.latest.subject.as_deref();
            let why = schemas::none_registered(&self.name, subject);
            self.shared.wait_begins(Server::Schema, &self.name, &why);
            self.hold_back(None);
            return Ok(());
        };
        let id = schema.id;
        let index = self.learn(&schema)?;
        if let Known::Bad(fault, _) = self.schemas.get(index) {
            let refusal = Error::Schema {
                topic: self.name.clone(),
                subject: self.latest.subject.clone().unwrap_or_default(),
                schema: id,
                why: fault.text.to_string(),
            };
            self.refuse(Some(id), refusal);
            return Ok(());
        }
        self.unframed = Some(id);
        self.begin()
    }

    /// The topic is read from now on.
    fn begin(&mut self) -> Turn {
        let held_back = self.is_held_back();
        self.standing = Standing::Open;
        self.latest.seldom();
        if !held_back {
            return Ok(());
        }
        self.shared.accept(&self.name);
        let waiting = self.topic.partitions();
        let waiting = waiting.filter(|(_, state)| state.is_opening());
        let waiting = waiting.map(|(partition, _)| partition).collect();
        self.ask(Job::Open(waiting))
    }

    /// No table fits the topic. The others are read on.
    fn refuse(&mut self, schema: Option<u32>, refusal: Error) {
        self.shared.refuse(&self.name, refusal);
        self.hold_back(schema);
    }

    fn refuse_answer(&mut self, source: goldrecord_registry::Error) {
        let refusal = Error::Registry {
            topic: self.name.clone(),
            source: Box::new(source),
        };
        self.refuse(None, refusal);
    }

    fn hold_back(&mut self, schema: Option<u32>) {
        if !self.is_held_back() {
            self.latest.soon();
        }
        self.standing = Standing::HeldBack(schema);
    }

    /// Whether partitions wait for a schema.
    pub(super) fn is_held_back(&self) -> bool {
        matches!(self.standing, Standing::HeldBack(_))
    }

    /// No partition is ours: what holds the topic back is another's concern.
    pub(super) fn let_go(&mut self) {
        if self.is_held_back() {
            self.standing = Standing::New;
            self.shared.accept(&self.name);
        }
    }

    /// Looks for a new schema where it is not told by the records: of unframed ones, and of a topic held back.
    pub(super) fn look(&mut self) -> Turn {
        let unframed = self.settings.format == Format::JsonUnframed;
        if self.standing == Standing::New || (self.standing == Standing::Open && !unframed) {
            return Ok(());
        }
        let Some(answer) = self.latest.poll(&self.shared.runtime, &self.registry) else {
            return Ok(());
        };
        match (answer, self.standing) {
            (Ok(latest), Standing::HeldBack(id)) => {
                if latest.as_ref().map(|schema| schema.id) == id {
                    return Ok(());
                }
                self.judge(latest)
            }
            (Ok(Some(schema)), _) if self.unframed != Some(schema.id) => {
                // One that does not fit makes records bad, with its id: nothing of them is lost.
                self.learn(&schema)?;
                tracing::info!(
                    topic = self.name,
                    schema = schema.id,
                    "the topic has a new schema"
                );
                self.unframed = Some(schema.id);
                Ok(())
            }
            (Err(error), Standing::HeldBack(_)) if !error.is_unavailable() => {
                self.refuse_answer(error);
                Ok(())
            }
            // What is there is read on.
            (Ok(_) | Err(_), _) => Ok(()),
        }
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
        let columns = self
            .time_among(&fields)
            .and_then(|time| Ok((time, Events::new(fields)?)));
        let (time, events) = match columns {
            Ok(columns) => columns,
            Err(misfit) => return Ok(Err(misfit)),
        };
        self.send_events()?;
        self.schemas
            .bind(events.fields())
            .expect("columns are only added");
        self.time = time;
        self.events = events;
        Ok(Ok(()))
    }

    /// Where the event's time stands among these fields.
    fn time_among(&self, fields: &arrow::datatypes::Fields) -> Result<TimeColumn, Misfit> {
        let name = match &self.settings.event_time {
            EventTime::Kafka => None,
            EventTime::Field(name) => Some(name.as_str()),
        };
        TimeColumn::find(fields, name)
    }

    /// Learns a schema: where its records go, or why they are bad.
    fn learn(&mut self, schema: &Schema) -> Turn<usize> {
        let id = schema.id;
        let mut plan = match self.schemas.read(schema) {
            Ok(plan) => plan,
            Err(fault) => return Ok(self.schemas.learn_unknown(id, fault)),
        };
        // Before the table has them: a column's type is for ever.
        let current = self.events.fields();
        let mut fitted = merge(current, &plan.fields())
            .and_then(|merged| self.time_among(merged.as_ref().unwrap_or(current)))
            .map(|_| ());
        if fitted.is_ok() {
            fitted = self.evolve(plan.fields())?;
        }
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
}
