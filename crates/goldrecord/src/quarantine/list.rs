//! How many records are bad and why, and the newest of them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use comfy_table::{CellAlignment, Table, presets};
use goldrecord_ingestor::mend::{Bad, Bytes, Quarantine};
use goldrecord_lake::Lake;
use serde::Serialize;

use super::which::Which;
use crate::Result;
use crate::moment;
use crate::output::thousands;

/// Bad records; the shape of `--json`.
#[derive(Debug, Serialize)]
pub struct List {
    /// By topic, reason and schema.
    counts: Vec<Count>,
    /// The newest first.
    records: Vec<Record>,
}

/// Bad records of one topic, reason and schema.
#[derive(Debug, Serialize)]
struct Count {
    topic: String,
    reason: String,
    schema_id: Option<i32>,
    records: u64,
    /// When the first was produced.
    first: Option<String>,
    /// When the last was produced.
    last: Option<String>,
}

/// A bad record.
#[derive(Debug, Serialize)]
struct Record {
    topic: String,
    partition: i32,
    epoch: i32,
    offset: i64,
    produced: Option<String>,
    schema_id: Option<i32>,
    reason: String,
    why: String,
}

/// How many, from when to when.
#[derive(Default)]
struct Span {
    records: u64,
    first: Option<i64>,
    last: Option<i64>,
}

/// Look through the tables.
pub async fn ask(lake: &Lake, which: &Which, limit: usize) -> Result<List> {
    let mut counts: BTreeMap<(String, String, Option<i32>), Span> = BTreeMap::new();
    let mut newest: BTreeMap<_, Record> = BTreeMap::new();
    for topic in which.topics(lake).await? {
        let quarantine = Quarantine::open(lake, &topic).await?;
        let visit = |bad: &Bad<'_>| {
            let key = (topic.clone(), bad.error.to_owned(), bad.schema_id);
            counts.entry(key).or_default().add(bad.time());
            let place = (
                bad.time(),
                topic.clone(),
                bad.partition,
                bad.epoch,
                bad.offset,
            );
            newest.insert(place, Record::of(&topic, bad));
            if newest.len() > limit {
                newest.pop_first();
            }
            ControlFlow::Continue(())
        };
        quarantine.each(&which.filter(), Bytes::Left, visit).await?;
    }
    let counts = counts.into_iter();
    Ok(List {
        counts: counts
            .map(|((topic, reason, schema_id), span)| Count {
                topic,
                reason,
                schema_id,
                records: span.records,
                first: span.first.map(moment::text),
                last: span.last.map(moment::text),
            })
            .collect(),
        records: newest.into_values().rev().collect(),
    })
}

impl Span {
    fn add(&mut self, time: Option<i64>) {
        self.records += 1;
        self.first = [self.first, time].into_iter().flatten().min();
        self.last = self.last.max(time);
    }
}

impl Record {
    fn of(topic: &str, bad: &Bad<'_>) -> Self {
        Self {
            topic: topic.to_owned(),
            partition: bad.partition,
            epoch: bad.epoch,
            offset: bad.offset,
            produced: bad.time().map(moment::text),
            schema_id: bad.schema_id,
            reason: bad.error.to_owned(),
            why: bad.error_text.to_owned(),
        }
    }
}

impl List {
    /// For a terminal.
    pub fn text(&self) -> String {
        if self.counts.is_empty() {
            return "no record is bad".to_owned();
        }
        let or_dash = |text: Option<&String>| text.map_or("–", String::as_str).to_owned();
        let id = |id: Option<i32>| id.map_or("–".to_owned(), |id| id.to_string());
        let mut counts = table(["topic", "reason", "schema", "records", "first", "last"]);
        for count in &self.counts {
            counts.add_row([
                count.topic.clone(),
                count.reason.clone(),
                id(count.schema_id),
                thousands(count.records),
                or_dash(count.first.as_ref()),
                or_dash(count.last.as_ref()),
            ]);
        }
        for index in [2, 3] {
            if let Some(column) = counts.column_mut(index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        if self.records.is_empty() {
            return counts.to_string();
        }
        let mut records = table(["topic", "partition/offset", "produced", "schema", "why"]);
        for record in &self.records {
            records.add_row([
                record.topic.clone(),
                format!("{}/{}", record.partition, record.offset),
                or_dash(record.produced.as_ref()),
                id(record.schema_id),
                format!("{}: {}", record.reason, record.why),
            ]);
        }
        format!("{counts}\n\nthe newest:\n{records}")
    }
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .set_header(header);
    table
}
