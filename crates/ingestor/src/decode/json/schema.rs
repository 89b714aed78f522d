//! A JSON Schema as the properties that a document has; what no column can hold is refused.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::{Kind, MAX_DEPTH, Object, Property, Want};
use crate::decode::shape::{Field, MAX_FIELDS, Misfit};

impl Object {
    /// Reads a schema, whose top must be an object.
    pub(in crate::decode) fn parse(text: &str) -> Result<Self, Misfit> {
        let schema: Value = serde_json::from_str(text)
            .map_err(|error| Misfit(format!("no JSON Schema: {error}")))?;
        let mut reader = Reader {
            root: &schema,
            within: Vec::new(),
            path: Vec::new(),
            properties: 0,
        };
        match reader.kind(&schema)?.want {
            Want::Object(mut object) => {
                object.sort_as_written(text);
                Ok(object)
            }
            _ => Err(Misfit(
                "the schema's top is no object with properties; wrap the value in one".into(),
            )),
        }
    }

    /// Puts the properties into the order of the schema's text, which becomes the table's.
    fn sort_as_written(&mut self, text: &str) {
        let written: Written = serde_json::from_str(text).unwrap_or_default();
        let rank = |name: &str| written.properties.0.iter().position(|other| other == name);
        self.properties
            .sort_by_key(|property| rank(&property.field.name));
        self.by_name = by_name(&self.properties);
    }
}

fn by_name(properties: &[Property]) -> HashMap<String, usize> {
    let names = properties.iter().map(|property| &property.field.name);
    names.cloned().zip(0..).collect()
}

struct Reader<'a> {
    /// The whole schema, which `$ref` points into.
    root: &'a Value,
    /// The references that we are in.
    within: Vec<&'a str>,
    /// Where we are, for people: names of properties, `[]` for items, `{}` for a map's values.
    path: Vec<&'a str>,
    /// Properties read so far.
    properties: usize,
}

impl<'a> Reader<'a> {
    fn misfit(&self, why: impl fmt::Display) -> Misfit {
        let mut path = String::new();
        for part in &self.path {
            if !path.is_empty() && !matches!(*part, "[]" | "{}") {
                path.push('.');
            }
            path.push_str(part);
        }
        if path.is_empty() {
            Misfit(format!("the schema's top: {why}"))
        } else {
            Misfit(format!("property `{path}`: {why}"))
        }
    }

    /// Reads the schema of a part of the document.
    fn part(&mut self, name: &'a str, schema: &'a Value) -> Result<Kind, Misfit> {
        self.path.push(name);
        let kind = if self.path.len() > MAX_DEPTH {
            Err(self.misfit(format!("nested deeper than {MAX_DEPTH}")))
        } else {
            self.kind(schema)
        };
        self.path.pop();
        kind
    }

    fn kind(&mut self, schema: &'a Value) -> Result<Kind, Misfit> {
        if let Some(Value::String(target)) = schema.get("$ref") {
            return self.referred(target);
        }
        let says_itself = schema.get("type").is_some() || schema.get("properties").is_some();
        for word in ["anyOf", "oneOf", "allOf"] {
            let Some(branches) = schema.get(word).and_then(Value::as_array) else {
                continue;
            };
            // Branches such as `{"required": ["a"]}` restrict, and say nothing of types.
            if !(says_itself && branches.iter().all(is_restriction)) {
                return self.of_branches(word, branches);
            }
        }
        let (name, nullable) = self.type_of(schema)?;
        let format = schema.get("format").and_then(Value::as_str);
        let want = match (name, format) {
            ("boolean", _) => Want::Boolean,
            ("integer", Some("timestamp-millis")) => Want::Timestamp(1_000),
            ("integer", Some("timestamp-micros")) => Want::Timestamp(1),
            ("integer", _) => Want::Long,
            ("number", _) => Want::Double,
            ("string", _) => match values(schema) {
                Some(values) => Want::Enum(
                    values
                        .iter()
                        .filter_map(Value::as_str)
                        .map(str::to_owned)
                        .collect(),
                ),
                None => Want::Text,
            },
            ("array", _) => match schema.get("items") {
                Some(items @ Value::Object(_)) => Want::List(Box::new(self.part("[]", items)?), 0),
                _ => return Err(self.misfit("an array whose `items` are not of one type")),
            },
            ("object", _) => self.object(schema)?,
            (other, _) => return Err(self.misfit(format!("a type `{other}`"))),
        };
        Ok(Kind { want, nullable })
    }

    /// The type that a schema names, or that its enumerated values have, and whether null is another.
    fn type_of(&self, schema: &'a Value) -> Result<(&'a str, bool), Misfit> {
        let names: Vec<&str> = match (schema.get("type"), values(schema)) {
            (Some(Value::String(name)), _) => vec![name],
            (Some(Value::Array(names)), _) => names.iter().filter_map(Value::as_str).collect(),
            _ if schema.get("properties").is_some() => vec!["object"],
            (None, Some(values)) => values.iter().map(type_name).collect(),
            _ => return Err(self.misfit("no `type`; a column needs one")),
        };
        let nullable = names.contains(&"null");
        let mut others: Vec<&str> = Vec::new();
        for name in names {
            if name != "null" && !others.contains(&name) {
                others.push(name);
            }
        }
        match others.as_slice() {
            [one] => Ok((one, nullable)),
            // Every integer is a number.
            ["integer", "number"] | ["number", "integer"] => Ok(("number", nullable)),
            [] => Err(self.misfit("nothing but nulls; give it a type")),
            _ => Err(self.misfit(format!(
                "a type of {}; only one, nullable or not, fits a column",
                others.join(" or ")
            ))),
        }
    }

    /// The schema that a `$ref` points to.
    fn referred(&mut self, target: &'a str) -> Result<Kind, Misfit> {
        let found = target
            .strip_prefix('#')
            .and_then(|pointer| self.root.pointer(pointer));
        let Some(schema) = found else {
            return Err(self.misfit(format!(
                "`$ref` to `{target}`, which is not in this schema; write the type out"
            )));
        };
        if self.within.len() >= MAX_DEPTH {
            return Err(self.misfit(format!("more than {MAX_DEPTH} `$ref`s behind one another")));
        }
        if self.within.contains(&target) || std::ptr::eq(schema, self.root) {
            return Err(self.misfit(format!(
                "`$ref` to `{target}`, which contains itself; a table has no place for recursion"
            )));
        }
        self.within.push(target);
        let kind = self.kind(schema);
        self.within.pop();
        kind
    }

    fn of_branches(&mut self, word: &str, branches: &'a [Value]) -> Result<Kind, Misfit> {
        let is_null = |branch: &&Value| branch.get("type").is_some_and(|name| name == "null");
        let others: Vec<&Value> = branches.iter().filter(|branch| !is_null(branch)).collect();
        match others.as_slice() {
            [one] => {
                let kind = self.kind(one)?;
                Ok(Kind {
                    nullable: kind.nullable || others.len() < branches.len(),
                    ..kind
                })
            }
            _ => Err(self.misfit(format!(
                "`{word}` of {} types; only one type, nullable or not, fits a column",
                others.len()
            ))),
        }
    }

    fn object(&mut self, schema: &'a Value) -> Result<Want, Misfit> {
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let properties = schema.get("properties").and_then(Value::as_object);
        let Some(properties) = properties.filter(|properties| !properties.is_empty()) else {
            return match schema.get("additionalProperties") {
                Some(values @ Value::Object(_)) => {
                    Ok(Want::Map(Box::new(self.part("{}", values)?), 0))
                }
                _ => {
                    Err(self
                        .misfit("an object of unknown properties; list them under `properties`"))
                }
            };
        };
        let properties = self.properties(properties, &required)?;
        Ok(Want::Object(Object {
            by_name: by_name(&properties),
            properties,
            closed: schema.get("additionalProperties") == Some(&Value::Bool(false)),
            absent: Vec::new(),
            first: Cell::new(0),
        }))
    }

    fn properties(
        &mut self,
        properties: &'a Map<String, Value>,
        required: &[&str],
    ) -> Result<Vec<Property>, Misfit> {
        self.properties += properties.len();
        if self.properties > MAX_FIELDS {
            return Err(self.misfit(format!(
                "the schema has more than {MAX_FIELDS} properties, those of objects counted wherever they stand"
            )));
        }
        properties
            .iter()
            .map(|(name, schema)| {
                let kind = self.part(name, schema)?;
                let comment = schema.get("description").and_then(Value::as_str);
                Ok(Property {
                    field: Field {
                        name: name.clone(),
                        aliases: Vec::new(),
                        shape: kind.shape(),
                        comment: comment.map(str::to_owned),
                    },
                    required: required.contains(&name.as_str()),
                    kind,
                    column: 0,
                    written: String::new(),
                    follower: Cell::new(0),
                })
            })
            .collect()
    }
}

/// Whether a branch says nothing of a type.
fn is_restriction(branch: &Value) -> bool {
    [
        "type",
        "properties",
        "$ref",
        "enum",
        "const",
        "anyOf",
        "oneOf",
        "allOf",
    ]
    .iter()
    .all(|word| branch.get(word).is_none())
}

/// The values that a schema enumerates.
fn values(schema: &Value) -> Option<&[Value]> {
    match (schema.get("enum"), schema.get("const")) {
        (Some(Value::Array(values)), _) => Some(values),
        (_, Some(value)) => Some(std::slice::from_ref(value)),
        _ => None,
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The names of an object's properties in the order of the text.
#[derive(Default, serde::Deserialize)]
struct Written {
    #[serde(default)]
    properties: Names,
}

#[derive(Default)]
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Names;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Names, M::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}
