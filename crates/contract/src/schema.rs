//! A topic's fields as Avro, JSON and Arrow schemas.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field as ArrowField, Schema, SchemaRef, TimeUnit};
use serde::{Serialize, Serializer};

use crate::event::fields;
use crate::field::{Field, Kind};
use crate::topic::Topic;

/// The Avro schema of a topic's values: a record called as the topic is.
pub fn avro_schema(topic: Topic) -> String {
    #[derive(Serialize)]
    struct Record {
        r#type: &'static str,
        name: &'static str,
        namespace: &'static str,
        doc: &'static str,
        fields: Vec<RecordField>,
    }
    text(&Record {
        r#type: "record",
        name: topic.name(),
        namespace: "goldrecord",
        doc: topic.doc(),
        fields: fields(topic).iter().map(RecordField::of).collect(),
    })
}

#[derive(Serialize)]
struct RecordField {
    name: &'static str,
    r#type: AvroType,
    // `Some(())` is written as null, `None` is not written.
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<()>,
    doc: &'static str,
}

impl RecordField {
    fn of(field: &Field) -> Self {
        let value = AvroValue::of(field.kind);
        Self {
            name: field.name,
            r#type: if field.nullable {
                AvroType::Union("null", value)
            } else {
                AvroType::Value(value)
            },
            default: field.nullable.then_some(()),
            doc: field.doc,
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum AvroType {
    Value(AvroValue),
    Union(&'static str, AvroValue),
}

#[derive(Serialize)]
#[serde(untagged)]
enum AvroValue {
    Primitive(&'static str),
    Logical {
        r#type: &'static str,
        #[serde(rename = "logicalType")]
        logical: &'static str,
    },
}

impl AvroValue {
    const fn of(kind: Kind) -> Self {
        match kind {
            Kind::Timestamp => Self::Logical {
                r#type: "long",
                logical: "timestamp-millis",
            },
            Kind::Long => Self::Primitive("long"),
            Kind::Double => Self::Primitive("double"),
            Kind::Text => Self::Primitive("string"),
            Kind::Boolean => Self::Primitive("boolean"),
        }
    }
}

/// The JSON Schema (draft 7) of a topic's values.
///
/// It is closed (`additionalProperties` false), because a Schema Registry finds an added property
/// backward compatible only then.
pub fn json_schema(topic: Topic) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Object {
        #[serde(rename = "$schema")]
        schema: &'static str,
        title: &'static str,
        description: &'static str,
        r#type: &'static str,
        properties: Properties,
        required: Vec<&'static str>,
        additional_properties: bool,
    }
    text(&Object {
        schema: "http://json-schema.org/draft-07/schema#",
        title: topic.name(),
        description: topic.doc(),
        r#type: "object",
        properties: Properties(fields(topic)),
        required: fields(topic)
            .iter()
            .filter(|field| !field.nullable)
            .map(|field| field.name)
            .collect(),
        additional_properties: false,
    })
}

/// Serialised as a map in the fields' order.
struct Properties(&'static [Field]);

#[derive(Serialize)]
struct Property {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'static str>,
    description: &'static str,
}

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|field| {
            let (r#type, format) = match field.kind {
                Kind::Timestamp => ("integer", Some("timestamp-millis")),
                Kind::Long => ("integer", None),
                Kind::Double => ("number", None),
                Kind::Text => ("string", None),
                Kind::Boolean => ("boolean", None),
            };
            (
                field.name,
                Property {
                    r#type,
                    format,
                    description: field.doc,
                },
            )
        }))
    }
}

/// The columns that bronze holds of a topic's events, all nullable.
pub fn arrow_schema(topic: Topic) -> SchemaRef {
    let columns: Vec<ArrowField> = fields(topic)
        .iter()
        .map(|field| {
            let data_type = match field.kind {
                Kind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
                Kind::Long => DataType::Int64,
                Kind::Double => DataType::Float64,
                Kind::Text => DataType::Utf8,
                Kind::Boolean => DataType::Boolean,
            };
            ArrowField::new(field.name, data_type, true)
        })
        .collect();
    Arc::new(Schema::new(columns))
}

fn text(schema: &impl Serialize) -> String {
    serde_json::to_string_pretty(schema)
        .expect("a schema has string keys and no failing serializer")
}
