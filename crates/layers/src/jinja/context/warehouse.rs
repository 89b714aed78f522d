//! What templates ask of tables while they are compiled: their columns, and the answers of queries.

use std::fmt::Debug;
use std::sync::Arc;

use minijinja::value::{Kwargs, Value, from_args};
use minijinja::{Error, State};

use super::answers::{Answer, AnswerTable};
use super::columns::ColumnValue;
use super::{RelationValue, frame};
use crate::diagnostics::Diagnostic;
use crate::jinja::calls::{diagnosed, failure, only};
use crate::manifest::Relation;

/// The tables of a project as they will be, for templates.
pub trait Warehouse: Debug + Send + Sync {
    /// The names and SQL types of a relation's columns; `None` where there is no such relation.
    fn columns(&self, relation: &Relation) -> Result<Option<Vec<(String, String)>>, Diagnostic>;

    /// What a query answers.
    fn query(&self, sql: &str) -> Result<Answer, Diagnostic>;
}

/// The temporary that holds a statement's answer.
fn result_key(name: &str) -> String {
    format!("result:{name}")
}

/// The warehouse of the render, `None` in the parsing pass.
fn warehouse(state: &State<'_, '_>) -> Result<Option<Arc<dyn Warehouse>>, Error> {
    let frame = frame(state)?;
    if frame.graph.is_none() {
        return Ok(None);
    }
    frame.warehouse.clone().map(Some).ok_or_else(|| {
        diagnosed(
            Diagnostic::new("this template asks for the rows or columns of a table, and there is no lake to ask")
                .help("name the lake's goldrecord.toml with --config"),
        )
    })
}

/// `run_query(sql)`: a table; none in the parsing pass.
pub(super) fn run_query(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let Some(warehouse) = warehouse(state)? else {
        return Ok(Value::from(()));
    };
    let sql: Value = only(args)?;
    let answer = warehouse.query(&sql.to_string()).map_err(diagnosed)?;
    Ok(Value::from_object(AnswerTable(Arc::new(answer))))
}

/// `{% call statement('name', fetch_result=true) %} sql {% endcall %}`.
pub(super) fn statement(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let (name, fetch, kwargs): (Option<&str>, Option<bool>, Kwargs) = from_args(args)?;
    let name = name.or(kwargs.get("name")?).map(str::to_owned);
    let fetch = fetch.or(kwargs.get("fetch_result")?).unwrap_or(false);
    let caller: Value = kwargs.get("caller")?;
    // What it refers to is seen in the parsing pass too.
    let sql = caller.call(state, &[])?;
    let Some(warehouse) = warehouse(state)? else {
        return Ok(Value::from(""));
    };
    if let (Some(name), true) = (name, fetch) {
        let answer = Arc::new(warehouse.query(&sql.to_string()).map_err(diagnosed)?);
        let result = Value::from_pairs([
            ("data", answer.data()),
            ("table", Value::from_object(AnswerTable(answer))),
            ("response", Value::from("OK")),
        ]);
        state.set_temp(&result_key(&name), result);
        return Ok(Value::from(""));
    }
    Err(diagnosed(
        Diagnostic::new(
            "a template's `statement` may only read: here it has no name or no `fetch_result=true`",
        )
        .help("put what it does into a model, or fetch its result"),
    ))
}

/// `load_result('name')`: what a `statement` fetched.
pub(super) fn load_result(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let name: &str = only(args)?;
    Ok(state.get_temp(&result_key(name)).unwrap_or(Value::from(())))
}

/// `adapter.get_columns_in_relation(relation)`: none of a relation that is not there.
pub(super) fn columns_in(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let Some(warehouse) = warehouse(state)? else {
        return Ok(Value::from(Vec::<Value>::new()));
    };
    let value: Value = only(args)?;
    let Some(relation) = relation_of(&value) else {
        return Err(failure(
            "get_columns_in_relation() takes a relation, such as ref('…')",
        ));
    };
    let columns = warehouse.columns(&relation).map_err(diagnosed)?;
    Ok(columns
        .unwrap_or_default()
        .into_iter()
        .map(|(name, sql_type)| Value::from_object(ColumnValue { name, sql_type }))
        .collect())
}

/// `adapter.get_relation(database, schema, identifier)`: none if it is not there.
pub(super) fn get_relation(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let (values, kwargs): (&[Value], Kwargs) = from_args(args)?;
    let part = |at: usize, name: &str| -> Result<String, Error> {
        match values.get(at) {
            Some(value) => Ok(value.to_string()),
            None => kwargs.get(name),
        }
    };
    let (schema, identifier) = (part(1, "schema")?, part(2, "identifier")?);
    kwargs.get::<Option<Value>>("database")?;
    found(state, Relation::new(schema, identifier))
}

/// `load_relation(relation)`: the relation, none if it is not there.
pub(super) fn load_relation(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let value: Value = only(args)?;
    match relation_of(&value) {
        Some(relation) => found(state, relation),
        None => Ok(Value::from(())),
    }
}

fn found(state: &State<'_, '_>, relation: Relation) -> Result<Value, Error> {
    let Some(warehouse) = warehouse(state)? else {
        return Ok(Value::from(()));
    };
    let columns = warehouse.columns(&relation).map_err(diagnosed)?;
    Ok(columns.map_or(Value::from(()), |_| {
        Value::from_object(RelationValue::Table(relation))
    }))
}

fn relation_of(value: &Value) -> Option<Relation> {
    let value = value.downcast_object_ref::<RelationValue>()?;
    value.relation().cloned()
}
