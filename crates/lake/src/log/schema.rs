//! Delta's schema string and Arrow's schema, each from the other.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};

/// The time zone of every timestamp in a table.
const UTC: &str = "UTC";

/// The schema as a table holds and gives it back: views, dictionaries and large types become plain ones,
/// unsigned integers the next larger signed one, timestamps microseconds in UTC.
pub fn table_schema(schema: &Schema) -> Result<SchemaRef> {
    from_delta(&to_delta(schema)?)
        .map(Arc::new)
        .map_err(|why| Error::UnsupportedType {
            column: String::new(),
            why,
        })
}

/// The schema string of the log.
pub(crate) fn to_delta(schema: &Schema) -> Result<String> {
    Ok(struct_to_json(schema.fields(), "")?.to_string())
}

/// The type of a column in Delta's words, for comparisons and for people.
pub(crate) fn type_name(field: &Field) -> Result<String> {
    let value = type_to_json(field.data_type(), field.name())?;
    Ok(value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned))
}

fn struct_to_json(fields: &Fields, parent: &str) -> Result<Value> {
    let fields = fields
        .iter()
        .map(|field| {
            let name = if parent.is_empty() {
                field.name().clone()
            } else {
                format!("{parent}.{}", field.name())
            };
            let mut metadata: Vec<_> = field.metadata().iter().collect();
            metadata.sort();
            let metadata: Map<String, Value> = metadata
                .into_iter()
                // Arrow and Parquet keep their own notes in a field; they are of no meaning to a table.
                .filter(|(key, _)| !key.starts_with("ARROW:") && !key.starts_with("PARQUET:"))
                .map(|(key, value)| (key.clone(), Value::String(value.clone())))
                .collect();
            Ok(json!({
                "name": field.name(),
                "type": type_to_json(field.data_type(), &name)?,
                "nullable": field.is_nullable(),
                "metadata": metadata,
            }))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(json!({"type": "struct", "fields": fields}))
}

fn type_to_json(data_type: &DataType, column: &str) -> Result<Value> {
    let name = match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string",
        DataType::Int64 | DataType::UInt64 | DataType::UInt32 => "long",
        DataType::Int32 | DataType::UInt16 => "integer",
        DataType::Int16 | DataType::UInt8 => "short",
        DataType::Int8 => "byte",
        DataType::Float32 => "float",
        DataType::Float64 => "double",
        DataType::Boolean => "boolean",
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => "binary",
        DataType::Date32 => "date",
        DataType::Timestamp(_, _) => "timestamp",
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
            if *scale >= 0 =>
        {
            return Ok(json!(format!("decimal({precision},{scale})")));
        }
        DataType::Dictionary(_, values) => return type_to_json(values, column),
        DataType::List(item) | DataType::LargeList(item) | DataType::ListView(item) => {
            return Ok(json!({
                "type": "array",
                "elementType": type_to_json(item.data_type(), &format!("{column}.element"))?,
                "containsNull": item.is_nullable(),
            }));
        }
        DataType::Struct(fields) => return struct_to_json(fields, column),
        DataType::Map(entries, _) => {
            if let DataType::Struct(pair) = entries.data_type()
                && let [key, value] = pair.as_ref()
            {
                return Ok(json!({
                    "type": "map",
                    "keyType": type_to_json(key.data_type(), &format!("{column}.key"))?,
                    "valueType": type_to_json(value.data_type(), &format!("{column}.value"))?,
                    "valueContainsNull": value.is_nullable(),
                }));
            }
            return Err(unsupported(column, data_type));
        }
        _ => return Err(unsupported(column, data_type)),
    };
    Ok(json!(name))
}

fn unsupported(column: &str, data_type: &DataType) -> Error {
    Error::UnsupportedType {
        column: column.to_owned(),
        why: format!("type {data_type} cannot be kept in a table; cast it to another"),
    }
}

/// Reads a schema string; the error says what it does not understand.
pub(crate) fn from_delta(schema: &str) -> Result<Schema, String> {
    let value: Value = serde_json::from_str(schema).map_err(|error| error.to_string())?;
    Ok(Schema::new(fields_from_json(&value)?))
}

fn fields_from_json(value: &Value) -> Result<Vec<Field>, String> {
    value["fields"]
        .as_array()
        .ok_or("a struct has no fields")?
        .iter()
        .map(|field| {
            let name = text(field, "name")?;
            let data_type =
                type_from_json(&field["type"]).map_err(|why| format!("column `{name}`: {why}"))?;
            let metadata: HashMap<String, String> = field["metadata"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(key, value)| {
                    let value = value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned);
                    (key.clone(), value)
                })
                .collect();
            let nullable = field["nullable"].as_bool().unwrap_or(true);
            Ok(Field::new(name, data_type, nullable).with_metadata(metadata))
        })
        .collect()
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str, String> {
    value[key]
        .as_str()
        .ok_or_else(|| format!("`{key}` is missing"))
}

fn type_from_json(value: &Value) -> Result<DataType, String> {
    let Some(name) = value.as_str() else {
        return nested_from_json(value);
    };
    Ok(match name {
        "string" => DataType::Utf8,
        "long" => DataType::Int64,
        "integer" => DataType::Int32,
        "short" => DataType::Int16,
        "byte" => DataType::Int8,
        "float" => DataType::Float32,
        "double" => DataType::Float64,
        "boolean" => DataType::Boolean,
        "binary" => DataType::Binary,
        "date" => DataType::Date32,
        "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
        other => {
            let unknown = || format!("type `{other}` is not known");
            let (precision, scale) = other
                .strip_prefix("decimal(")
                .and_then(|rest| rest.strip_suffix(')'))
                .and_then(|rest| rest.split_once(','))
                .ok_or_else(unknown)?;
            DataType::Decimal128(
                precision.trim().parse().map_err(|_| unknown())?,
                scale.trim().parse().map_err(|_| unknown())?,
            )
        }
    })
}

fn nested_from_json(value: &Value) -> Result<DataType, String> {
    match text(value, "type")? {
        "struct" => Ok(DataType::Struct(fields_from_json(value)?.into())),
        "array" => {
            let nullable = value["containsNull"].as_bool().unwrap_or(true);
            let item = type_from_json(&value["elementType"])?;
            Ok(DataType::List(Arc::new(Field::new(
                "element", item, nullable,
            ))))
        }
        "map" => {
            let nullable = value["valueContainsNull"].as_bool().unwrap_or(true);
            let pair = vec![
                Field::new("key", type_from_json(&value["keyType"])?, false),
                Field::new("value", type_from_json(&value["valueType"])?, nullable),
            ];
            let entries = Field::new("key_value", DataType::Struct(pair.into()), false);
            Ok(DataType::Map(Arc::new(entries), false))
        }
        other => Err(format!("type `{other}` is not known")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_type() -> impl Strategy<Value = DataType> {
        let leaf = prop_oneof![
            Just(DataType::Utf8),
            Just(DataType::Int64),
            Just(DataType::Int32),
            Just(DataType::Int16),
            Just(DataType::Int8),
            Just(DataType::Float32),
            Just(DataType::Float64),
            Just(DataType::Boolean),
            Just(DataType::Binary),
            Just(DataType::Date32),
            Just(DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()))),
            (1u8..=38, 0i8..10).prop_map(|(p, s)| DataType::Decimal128(p, s)),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                (inner.clone(), any::<bool>())
                    .prop_map(|(t, n)| DataType::List(Arc::new(Field::new("element", t, n)))),
                prop::collection::vec((inner.clone(), any::<bool>()), 1..3).prop_map(|types| {
                    let fields = types.into_iter().enumerate();
                    DataType::Struct(
                        fields
                            .map(|(i, (t, n))| Field::new(format!("f{i}"), t, n))
                            .collect(),
                    )
                }),
                (inner, any::<bool>()).prop_map(|(t, n)| {
                    let pair = vec![
                        Field::new("key", DataType::Utf8, false),
                        Field::new("value", t, n),
                    ];
                    DataType::Map(
                        Arc::new(Field::new(
                            "key_value",
                            DataType::Struct(pair.into()),
                            false,
                        )),
                        false,
                    )
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_schema_is_read_back(types in prop::collection::vec((any_type(), any::<bool>()), 0..5)) {
            let fields: Vec<Field> = types.into_iter().enumerate()
                .map(|(i, (t, n))| Field::new(format!("c{i}"), t, n).with_metadata(HashMap::from([("comment".to_owned(), format!("no {i}"))])))
                .collect();
            let schema = Schema::new(fields);
            let read = from_delta(&to_delta(&schema).expect("writable")).expect("readable");
            prop_assert_eq!(read, schema);
        }
    }

    #[test]
    fn types_of_query_engines_become_plain_ones() {
        let schema = Schema::new(vec![
            Field::new("a", DataType::Utf8View, true),
            Field::new("b", DataType::UInt64, true),
            Field::new("c", DataType::Timestamp(TimeUnit::Nanosecond, None), true),
        ]);
        let kept = table_schema(&schema).expect("fits");
        let types: Vec<_> = kept
            .fields()
            .iter()
            .map(|f| f.data_type().clone())
            .collect();
        let timestamp = DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()));
        assert_eq!(types, [DataType::Utf8, DataType::Int64, timestamp]);
    }

    #[test]
    fn a_type_without_counterpart_is_refused_by_the_columns_name() {
        let inner = Field::new("wait", DataType::Duration(TimeUnit::Second), true);
        let schema = Schema::new(vec![Field::new(
            "s",
            DataType::Struct(vec![inner].into()),
            true,
        )]);
        let error = to_delta(&schema).expect_err("refused").to_string();
        assert!(error.contains("`s.wait`"), "{error}");
        let error = from_delta(r#"{"type":"struct","fields":[{"name":"v","type":"variant"}]}"#)
            .expect_err("refused");
        assert!(
            error.contains("`v`") && error.contains("variant"),
            "{error}"
        );
    }
}
