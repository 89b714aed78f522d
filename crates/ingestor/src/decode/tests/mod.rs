//! Schemas of every kind, one after the other, into one table.

mod evolution;
mod types;

use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use arrow::datatypes::Fields;
use arrow::util::display::array_value_to_string;
use goldrecord_registry::{Schema, SchemaType};

use super::column::Column;
use super::{Fault, Misfit, Plan, Shape, merge};

/// A table's columns, and the schemas that fill them, in the order in which they were learnt.
struct Table {
    fields: Fields,
    plans: Vec<Plan>,
}

impl Table {
    fn new() -> Self {
        Self {
            fields: Fields::empty(),
            plans: Vec::new(),
        }
    }

    /// As the ingestor learns a schema.
    fn learn(&mut self, schema_type: SchemaType, text: &str) -> Result<usize, String> {
        let text = text.to_owned();
        let schema = Schema {
            id: 1,
            schema_type,
            text,
        };
        let why = |Misfit(why)| why;
        let mut plan = Plan::read(&schema).map_err(why)?;
        if let Some(merged) = merge(&self.fields, &plan.fields()).map_err(why)? {
            self.fields = merged;
            for plan in &mut self.plans {
                plan.bind(&self.fields).expect("columns are only added");
            }
        }
        plan.bind(&self.fields).map_err(why)?;
        self.plans.push(plan);
        Ok(self.plans.len() - 1)
    }

    /// Fields of a record, as Avro's schemas list them.
    fn avro(&mut self, fields: &str) -> Result<usize, String> {
        let text = format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
        self.learn(SchemaType::Avro, &text)
    }

    fn json(&mut self, schema: &str) -> Result<usize, String> {
        self.learn(SchemaType::Json, schema)
    }

    /// The row of a record by the schema `plan`, as people see it: `name=value`, nulls left out.
    fn row(&self, plan: usize, record: &[u8]) -> Result<String, Fault> {
        let shapes = self.fields.iter().map(|field| Shape::of(field.data_type()));
        let mut columns: Vec<Column> = shapes
            .map(|shape| Column::new(&shape.expect("a type that we write")))
            .collect();
        self.plans[plan].decode(record, &mut columns)?;
        let cells = self.fields.iter().zip(&mut columns).map(|(field, column)| {
            let array = column.finish(field.data_type()).expect("a column");
            assert_eq!(array.len(), 1);
            let cell = array_value_to_string(&array, 0).expect("shown");
            format!("{}={cell}", field.name())
        });
        let cells: Vec<String> = cells.filter(|cell| !cell.ends_with('=')).collect();
        Ok(cells.join(" "))
    }

    fn names(&self) -> Vec<&str> {
        self.fields
            .iter()
            .map(|field| field.name().as_str())
            .collect()
    }
}

/// A record as another implementation of Avro writes it.
fn written(fields: &str, values: Vec<(&str, Value)>) -> Vec<u8> {
    let text = format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
    let schema = apache_avro::Schema::parse_str(&text).expect("a schema");
    let values = values
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let writer = GenericDatumWriter::builder(&schema)
        .build()
        .expect("a writer");
    writer
        .write_value_to_vec(Value::Record(values))
        .expect("written")
}

fn number(value: i64) -> Value {
    Value::Long(value)
}

fn field(name: &str, type_: &str) -> String {
    format!(r#"{{"name":"{name}","type":{type_}}}"#)
}
