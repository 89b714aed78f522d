//! Columns as templates see them, and what `api` makes.

use std::sync::Arc;

use minijinja::value::{Kwargs, Object, ObjectRepr, Value, from_args};
use minijinja::{Error, State};

use super::RelationValue;
use crate::jinja::calls::{only, unknown_method};
use crate::manifest::{Relation, quoted};

/// A column: its name and its SQL type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnValue {
    /// The name.
    pub name: String,
    /// The SQL type, such as `bigint` or `decimal(28, 6)`.
    pub sql_type: String,
}

impl ColumnValue {
    fn is(&self, types: &[&str]) -> bool {
        let base = self.sql_type.split('(').next().unwrap_or_default();
        types.iter().any(|name| base.eq_ignore_ascii_case(name))
    }
}

const INTEGERS: &[&str] = &["tinyint", "smallint", "int", "integer", "bigint"];
const FLOATS: &[&str] = &["float", "real", "double"];
const NUMERICS: &[&str] = &["decimal", "numeric"];
const STRINGS: &[&str] = &["varchar", "text", "string", "char"];

impl Object for ColumnValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "name" | "column" => Value::from(self.name.as_str()),
            "quoted" => Value::from(quoted(&self.name)),
            "dtype" => Value::from(self.sql_type.split('(').next().unwrap_or_default()),
            "data_type" => Value::from(self.sql_type.as_str()),
            _ => return None,
        })
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        _: &[Value],
    ) -> Result<Value, Error> {
        Ok(Value::from(match method {
            "is_string" => self.is(STRINGS),
            "is_integer" => self.is(INTEGERS),
            "is_float" => self.is(FLOATS),
            "is_numeric" => self.is(NUMERICS),
            "is_number" => [INTEGERS, FLOATS, NUMERICS]
                .iter()
                .any(|types| self.is(types)),
            _ => return Err(unknown_method()),
        }))
    }

    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<Column {} ({})>", self.name, self.sql_type)
    }
}

/// `api`: `api.Column` and `api.Relation`.
#[derive(Debug)]
pub struct Api;

#[derive(Debug)]
struct ColumnApi;

#[derive(Debug)]
struct RelationApi;

impl Object for Api {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "Column" => Some(Value::from_object(ColumnApi)),
            "Relation" => Some(Value::from_object(RelationApi)),
            _ => None,
        }
    }
}

impl Object for ColumnApi {
    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "translate_type" => {
                let name: &str = only(args)?;
                Ok(Value::from(translated(name)))
            }
            "create" => {
                let (name, sql_type): (&str, &str) = from_args(args)?;
                let (name, sql_type) = (name.to_owned(), translated(sql_type));
                Ok(Value::from_object(ColumnValue { name, sql_type }))
            }
            "string_type" => Ok(Value::from("varchar")),
            "numeric_type" => {
                let (_, precision, scale): (&str, Value, Value) = from_args(args)?;
                Ok(Value::from(format!("decimal({precision}, {scale})")))
            }
            _ => Err(unknown_method()),
        }
    }
}

/// The type that a name of dbt's means here.
fn translated(name: &str) -> String {
    match name.to_ascii_lowercase().as_str() {
        "string" | "text" => "varchar".to_owned(),
        "float" => "double".to_owned(),
        "numeric" => "decimal(28, 6)".to_owned(),
        _ => name.to_owned(),
    }
}

impl Object for RelationApi {
    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "create" => {
                let named: Kwargs = only(args)?;
                let text = |name: &str| {
                    named
                        .get::<Option<String>>(name)
                        .map(Option::unwrap_or_default)
                };
                let relation = Relation::new(text("schema")?, text("identifier")?);
                // The lake is the only database, and all its relations are alike.
                for ignored in ["database", "type"] {
                    named.get::<Option<Value>>(ignored)?;
                }
                Ok(Value::from_object(RelationValue::Table(relation)))
            }
            "add_ephemeral_prefix" => {
                let name: &str = only(args)?;
                Ok(Value::from(format!("__dbt__cte__{name}")))
            }
            _ => Err(unknown_method()),
        }
    }
}
