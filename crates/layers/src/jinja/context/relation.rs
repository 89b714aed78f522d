//! A relation as templates see it.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Value};
use minijinja::{Error, State};

use crate::jinja::calls::unknown_method;
use crate::manifest::Relation;

/// A relation in a template: prints as quoted SQL, with dbt's attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelationValue {
    /// A table or view of the lake.
    Table(Relation),
    /// The common table expression of an ephemeral model.
    Cte(String),
}

impl fmt::Display for RelationValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(relation) => relation.fmt(f),
            Self::Cte(name) => f.write_str(name),
        }
    }
}

impl Object for RelationValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let Self::Table(relation) = self.as_ref() else {
            return (matches!(key.as_str()?, "identifier" | "name" | "table"))
                .then(|| self.to_string().into());
        };
        Some(match key.as_str()? {
            "database" => Value::from(relation.database.as_str()),
            "schema" => Value::from(relation.schema.as_str()),
            "identifier" | "name" | "table" => Value::from(relation.identifier.as_str()),
            "type" => Value::from("table"),
            "is_table" => Value::from(true),
            "is_view" | "is_cte" => Value::from(false),
            _ => return None,
        })
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        _: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "render" => Ok(Value::from(self.to_string())),
            // Every part is always shown and quoted: the engine's names are exact.
            "include" | "quote" | "without_identifier" => Ok(Value::from_dyn_object(self.clone())),
            _ => Err(unknown_method()),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_ref(), f)
    }
}
