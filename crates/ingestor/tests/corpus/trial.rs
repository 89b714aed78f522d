//! Decoding as the ingestor does it, and what must hold whatever comes.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Fields, Int64Type};
use goldrecord_ingestor::bronze::{Events, Origin, Others, Raw};
use goldrecord_ingestor::decode::{Code, Fault, Plan, merge};
use goldrecord_ingestor::judge::{TimeColumn, event_time, split};
use goldrecord_registry::{Schema, SchemaType};
use goldrecord_service::config::Format;

use crate::corpus::{JUNE, avro, framed, json};

/// When every row of a trial was decoded.
const NOW: i64 = JUNE * 1000;

/// A topic's decoder and the schemas that it knows.
pub struct Trial {
    format: Format,
    plans: BTreeMap<u32, Result<Plan, Fault>>,
    fields: Fields,
    time: TimeColumn,
    /// A record that is good.
    good: Vec<u8>,
}

impl Trial {
    /// Avro: 1 is the corpus's schema, 2 a later version of it, 9 none of Avro.
    pub fn avro() -> Self {
        let later = avro::SCHEMA
            .replace(
                r#""name":"number","#,
                r#""name":"amount","aliases":["number"],"#,
            )
            .replace(r#"{"name":"flag","type":"boolean"},"#, "")
            .replace(
                r#"{"name":"key","type":"string"},"#,
                r#"{"name":"more","type":"long"},{"name":"key","type":"bytes"},"#,
            );
        let mut trial = Self::new(Format::Avro, framed(1, &avro::good()));
        trial.learn(1, SchemaType::Avro, avro::SCHEMA);
        trial.learn(2, SchemaType::Avro, &later);
        trial.learn(9, SchemaType::Json, json::SCHEMA);
        trial
    }

    /// JSON behind framing: 1 is the corpus's schema, 2 a later version of it, 9 none of JSON.
    pub fn json() -> Self {
        let later = json::SCHEMA
            .replace(r#""number":{"type":["integer","null"]},"#, "")
            .replace(
                r#""key":{"type":"string"},"#,
                r#""more":{"type":"integer"},"key":{"type":"string"},"#,
            );
        let mut trial = Self::new(Format::Json, framed(1, &json::good()));
        trial.learn(1, SchemaType::Json, json::SCHEMA);
        trial.learn(2, SchemaType::Json, &later);
        trial.learn(9, SchemaType::Avro, avro::SCHEMA);
        trial
    }

    /// JSON without framing, all of it of the corpus's schema.
    pub fn json_unframed() -> Self {
        let mut trial = Self::new(Format::JsonUnframed, json::good());
        trial.learn(1, SchemaType::Json, json::SCHEMA);
        trial
    }

    fn new(format: Format, good: Vec<u8>) -> Self {
        Self {
            format,
            plans: BTreeMap::new(),
            fields: Fields::empty(),
            time: TimeColumn::Missing,
            good,
        }
    }

    fn learn(&mut self, id: u32, schema_type: SchemaType, text: &str) {
        let wanted = match self.format {
            Format::Avro => SchemaType::Avro,
            Format::Json | Format::JsonUnframed => SchemaType::Json,
        };
        let plan = if schema_type == wanted {
            let text = text.to_owned();
            let schema = Schema {
                id,
                schema_type,
                text,
            };
            let plan = Plan::read(&schema).expect("the corpus's schemas are read");
            if let Some(fields) = merge(&self.fields, &plan.fields()).expect("they fit") {
                self.fields = fields;
            }
            Ok(plan)
        } else {
            Err(Fault::new(Code::WrongSchemaType, "of the other language"))
        };
        self.plans.insert(id, plan);
        for plan in self.plans.values_mut().flatten() {
            plan.bind(&self.fields).expect("columns are only added");
        }
        self.time = TimeColumn::find(&self.fields, Some("ts")).expect("a time");
    }

    /// Decodes records, which have the offsets from 0 on.
    pub fn decode(&self, records: &[Option<&[u8]>]) -> Decoded {
        let mut events = Events::new(self.fields.clone()).expect("types that we write");
        let mut others = Others::default();
        let mut codes = Vec::new();
        let mut held = 0;
        for (offset, value) in (0..).zip(records) {
            let origin = Origin {
                partition: 0,
                epoch: 0,
                offset,
                timestamp_ms: Some(JUNE),
            };
            let split = split(*value, self.format, Some(1));
            let id = split.as_ref().ok().map(|(id, _)| *id);
            let outcome = split.and_then(|(id, payload)| {
                let unknown = || Fault::new(Code::UnknownSchema, "no such schema");
                let plan = self.plans.get(&id).ok_or_else(unknown)?;
                let plan = plan.as_ref().map_err(Fault::clone)?;
                let before = events.bytes();
                if let Err(fault) = plan.decode(payload, &mut events.columns) {
                    assert_eq!(events.bytes(), before, "a bad record leaves nothing");
                    return Err(fault);
                }
                // 2000 to 2100.
                let accepted = 946_684_800_000_000..=4_102_444_800_000_000;
                event_time(self.time, &events.columns, Some(JUNE), &accepted)
            });
            held = held.max(events.bytes());
            match outcome {
                Ok(time) => {
                    events.close(origin, id.expect("a schema was known"), time);
                    codes.push(None);
                }
                Err(fault) => {
                    events.take_back();
                    let raw = Raw {
                        key: None,
                        value: *value,
                        headers: None,
                    };
                    others.bad(origin, id, &fault, raw);
                    codes.push(Some(fault.code.name()));
                }
            }
        }
        Decoded {
            codes,
            good: events.finish(NOW).expect("columns of one length"),
            bad: others.finish(NOW).expect("columns of one length"),
            held,
        }
    }

    /// Whatever `record` is: it becomes one row, alone as among others, which it leaves as they are; and if
    /// it is bad, its bytes are there.
    pub fn holds(&self, record: &[u8]) {
        let good = Some(self.good.as_slice());
        let half = &record[..record.len() / 2];
        let records = [
            good,
            Some(record),
            good,
            Some(half),
            None,
            Some(record),
            good,
        ];
        let all = self.decode(&records);
        let (mut goods, mut bads) = (0, 0);
        for (offset, record) in (0_i64..).zip(records) {
            let alone = self.decode(&[record]);
            assert_eq!(
                alone.good.num_rows() + alone.bad.num_rows(),
                1,
                "one row a record"
            );
            assert_eq!(all.codes[offset as usize], alone.codes[0]);
            let (rows, own, index) = if alone.codes[0].is_none() {
                goods += 1;
                (&all.good, &alone.good, goods - 1)
            } else {
                bads += 1;
                (&all.bad, &alone.bad, bads - 1)
            };
            same_but_for_the_offset(rows, index, own, offset);
            if let Some(code) = alone.codes[0] {
                assert_eq!(text(own, "_error"), code);
                let raw = own.column_by_name("_raw_value").expect("a column");
                let raw = raw.as_binary::<i32>();
                assert_eq!((!raw.is_null(0)).then(|| raw.value(0)), record, "its bytes");
            }
        }
        assert_eq!((all.good.num_rows(), all.bad.num_rows()), (goods, bads));
        assert_eq!(all.codes[0], None, "the good one is");
    }
}

/// What became of records.
pub struct Decoded {
    /// Of each record the code of its fault, if it has one.
    pub codes: Vec<Option<&'static str>>,
    /// The events.
    pub good: RecordBatch,
    /// The others.
    pub bad: RecordBatch,
    /// Bytes that the columns held at most.
    pub held: usize,
}

fn text<'a>(batch: &'a RecordBatch, column: &str) -> &'a str {
    let column = batch.column_by_name(column).expect("a column");
    column.as_string::<i32>().value(0)
}

fn same_but_for_the_offset(rows: &RecordBatch, index: usize, own: &RecordBatch, offset: i64) {
    let row = rows.slice(index, 1);
    for (field, (column, alone)) in rows
        .schema()
        .fields()
        .iter()
        .zip(row.columns().iter().zip(own.columns()))
    {
        if field.name() == "_offset" {
            assert_eq!(column.as_primitive::<Int64Type>().value(0), offset);
        } else {
            assert_eq!(column.to_data(), alone.to_data(), "column {}", field.name());
        }
    }
}
