//! A relation as templates see it.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr, Value};
use minijinja::{Error, State};

use crate::jinja::calls::{unknown_method, with_default};
use crate::manifest::Relation;

/// A relation in a template: prints as quoted SQL, with dbt's attributes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RelationValue {
    /// A table or view of the lake.
    Table(Relation),
    /// The same without its rows: `--empty`.
    Empty(Relation),
    /// The common table expression of an ephemeral model.
    Cte(String),
    /// The rows of another for which a condition holds: those of a batch.
    Windowed(Box<RelationValue>, String),
}

impl RelationValue {
    /// Where the rows lie; a common table expression has no such place.
    pub fn relation(&self) -> Option<&Relation> {
        match self {
            Self::Table(relation) | Self::Empty(relation) => Some(relation),
            Self::Cte(_) => None,
            Self::Windowed(of, _) => of.relation(),
        }
    }
}

impl fmt::Display for RelationValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(relation) => relation.fmt(f),
            // Without a name, so that a template may give it one.
            Self::Empty(relation) => write!(f, "(select * from {relation} where false)"),
            Self::Cte(name) => f.write_str(name),
            Self::Windowed(of, condition) => write!(f, "(select * from {of} where {condition})"),
        }
    }
}

impl Object for RelationValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        // Packages tell a relation from a text by this.
        ObjectRepr::Map
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let Some(relation) = self.relation() else {
            return Some(match key.as_str()? {
                "identifier" | "name" | "table" => self.to_string().into(),
                "is_cte" => Value::from(true),
                "is_table" | "is_view" => Value::from(false),
                "metadata" => Value::from_pairs([("type", "GoldrecordRelation")]),
                _ => return None,
            });
        };
        Some(match key.as_str()? {
            "database" => Value::from(relation.database.as_str()),
            "schema" => Value::from(relation.schema.as_str()),
            "identifier" | "name" | "table" => Value::from(relation.identifier.as_str()),
            "type" => Value::from("table"),
            "metadata" => Value::from_pairs([("type", "GoldrecordRelation")]),
            "is_table" => Value::from(true),
            "is_view" | "is_cte" => Value::from(false),
            _ => return None,
        })
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "get" => {
                let (key, default) = with_default(args)?;
                Ok(self.get_value(&key).or(default).unwrap_or(Value::from(())))
            }
            // All rows, whatever the batch.
            "render" => Ok(Value::from(match self.as_ref() {
                Self::Windowed(of, _) => of.to_string(),
                relation => relation.to_string(),
            })),
            // Every part is always shown and quoted: the engine's names are exact.
            "include" | "quote" | "without_identifier" | "incorporate" => {
                Ok(Value::from_dyn_object(self.clone()))
            }
            _ => Err(unknown_method()),
        }
    }

    /// Relations are the keys of maps in packages: each is equal to itself alone.
    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        let other = other.downcast_ref::<Self>()?;
        Some(self.as_ref().cmp(other))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_ref(), f)
    }
}
