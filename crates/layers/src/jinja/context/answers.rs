//! What a query answered, as templates read it: the table that dbt's `run_query` gives.

use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Value};
use minijinja::{Error, State};

use crate::jinja::calls::unknown_method;

/// A query's columns and rows.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The names of the columns.
    pub names: Vec<String>,
    /// A value a column in each row.
    pub rows: Vec<Vec<Value>>,
}

/// The whole: `columns`, `column_names`, `rows`.
#[derive(Debug)]
pub struct AnswerTable(pub Arc<Answer>);

/// The columns, by number or name.
#[derive(Debug)]
struct Columns(Arc<Answer>);

/// One column: its `name` and `values()`.
#[derive(Debug)]
struct Column(Arc<Answer>, usize);

/// One row, by number or name.
#[derive(Debug)]
struct Row(Arc<Answer>, usize);

impl Answer {
    /// The place of a column named or numbered so.
    fn place(&self, key: &Value) -> Option<usize> {
        match key.as_str() {
            Some(name) => self.names.iter().position(|known| known == name),
            None => index(key, self.names.len()),
        }
    }

    /// The rows as lists.
    pub fn data(&self) -> Value {
        self.rows
            .iter()
            .map(|row| Value::from(row.clone()))
            .collect()
    }
}

/// An index that may count from the end.
fn index(key: &Value, len: usize) -> Option<usize> {
    let at = key.as_i64()?;
    let at = if at < 0 { at + len as i64 } else { at };
    usize::try_from(at).ok().filter(|at| *at < len)
}

fn rows(answer: &Arc<Answer>) -> Vec<Value> {
    (0..answer.rows.len())
        .map(|at| Value::from_object(Row(answer.clone(), at)))
        .collect()
}

impl Object for AnswerTable {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "columns" => Value::from_object(Columns(self.0.clone())),
            "column_names" => Value::from(self.0.names.clone()),
            "rows" => Value::from(rows(&self.0)),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(rows(&self.0))
    }

    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    // As in Python, a table is true, with rows and without.
    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        _: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "print_table" => {
                tracing::info!("{:?}", self.0);
                Ok(Value::from(""))
            }
            _ => Err(unknown_method()),
        }
    }
}

impl Object for Columns {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let place = self.0.place(key)?;
        Some(Value::from_object(Column(self.0.clone(), place)))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.names.len())
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        _: &[Value],
    ) -> Result<Value, Error> {
        let columns =
            (0..self.0.names.len()).map(|at| Value::from_object(Column(self.0.clone(), at)));
        let names = self.0.names.iter().map(|name| Value::from(name.as_str()));
        Ok(match method {
            "keys" => names.collect(),
            "values" => columns.collect(),
            "items" => names
                .zip(columns)
                .map(|(name, column)| Value::from(vec![name, column]))
                .collect(),
            _ => return Err(unknown_method()),
        })
    }
}

impl Column {
    fn values(&self) -> Vec<Value> {
        self.0.rows.iter().map(|row| row[self.1].clone()).collect()
    }
}

impl Object for Column {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str() {
            Some("name") => Some(Value::from(self.0.names[self.1].as_str())),
            Some(_) => None,
            None => self.values().get(index(key, self.0.rows.len())?).cloned(),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.rows.len())
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        _: &[Value],
    ) -> Result<Value, Error> {
        let mut values = self.values();
        Ok(match method {
            "values" => Value::from(values),
            "values_distinct" => {
                values.sort();
                values.dedup();
                Value::from(values)
            }
            "values_without_nulls" => {
                values.retain(|value| !value.is_none());
                Value::from(values)
            }
            _ => return Err(unknown_method()),
        })
    }
}

impl Object for Row {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let place = self.0.place(key)?;
        self.0.rows[self.1].get(place).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.names.len())
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        _: &[Value],
    ) -> Result<Value, Error> {
        let row = &self.0.rows[self.1];
        Ok(match method {
            "values" => Value::from(row.clone()),
            "keys" => Value::from(self.0.names.clone()),
            "dict" => self
                .0
                .names
                .iter()
                .cloned()
                .zip(row.iter().cloned())
                .collect(),
            _ => return Err(unknown_method()),
        })
    }
}
