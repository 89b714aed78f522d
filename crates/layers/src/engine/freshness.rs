//! When the newest row of a source's table came.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, NaiveDate, Utc};
use goldrecord_lake::{AddFile, Lake, Snapshot};
use serde_json::Value;

use super::relations::{self, Rows};
use super::session::{DEFAULT_SCHEMA, Engine};
use super::{BuildOptions, introspect};
use crate::diagnostics::Diagnostic;
use crate::manifest::{Freshness, LoadedAt, Node, Relation};
use crate::{Error, Result};

/// When the newest row of a source's table came, as its freshness says how to tell. A table without rows is as old as can be.
pub async fn newest(lake: &Lake, node: &Node, freshness: &Freshness) -> Result<DateTime<Utc>> {
    let relation = node
        .relation
        .as_ref()
        .expect("a source's table has a relation");
    let (path, rows) = relations::of_source(relation);
    let snapshot = lake
        .table(&path)
        .latest()
        .await?
        .ok_or_else(|| Error::NoTable {
            reader: "source freshness".to_owned(),
            table: format!("{}.{}", relation.schema, relation.identifier),
            mend: "check the source's schema and identifier, or write the table first".to_owned(),
        })?;
    match &freshness.loaded_at {
        LoadedAt::Commit => {
            let at = DateTime::from_timestamp_millis(snapshot.timestamp_ms);
            Ok(at.unwrap_or_else(long_ago))
        }
        LoadedAt::Field(field) => {
            let filter = freshness.filter.as_deref();
            let files = (filter.is_none() && rows != Rows::Bad)
                .then(|| with_the_greatest(&snapshot, rows, field));
            let engine = Engine::new(lake, &BuildOptions::default())?;
            let table = relations::table(relation, &path, &snapshot, rows, files)?;
            let session = engine.session([(relation, table)]);
            let filter = filter.map_or_else(String::new, |filter| format!(" where {filter}"));
            let sql = format!("select max({field}) as max_loaded_at from {relation}{filter}");
            let batches = answered(&session, node, &sql).await?;
            time(node, &format!("`loaded_at_field: {field}`"), &batches)
        }
        LoadedAt::Query(query) => {
            let engine = Engine::new(lake, &BuildOptions::default())?;
            let session = over_named_tables(lake, &engine, node, query).await?;
            let batches = answered(&session, node, query).await?;
            time(node, "`loaded_at_query`", &batches)
        }
    }
}

async fn answered(
    session: &datafusion::prelude::SessionContext,
    node: &Node,
    sql: &str,
) -> Result<Vec<RecordBatch>> {
    let failed = || {
        Error::engine(format!(
            "ask how fresh {} is with `{}`",
            named(node),
            sql.trim()
        ))
    };
    let plan = session.state().create_logical_plan(sql).await;
    let frame = session
        .execute_logical_plan(plan.map_err(failed())?)
        .await
        .map_err(failed())?;
    frame.collect().await.map_err(failed())
}

/// The tables that a query names, at their latest versions.
async fn over_named_tables(
    lake: &Lake,
    engine: &Engine,
    node: &Node,
    sql: &str,
) -> Result<datafusion::prelude::SessionContext> {
    let failed = || Error::engine(format!("read the `loaded_at_query` of {}", named(node)));
    let state = engine.session([]).state();
    let dialect = state.config_options().sql_parser.dialect;
    let statement = state.sql_to_statement(sql, &dialect).map_err(failed())?;
    let references = state
        .resolve_table_references(&statement)
        .map_err(failed())?;
    let mut tables = Vec::new();
    for reference in references {
        let schema = reference.schema().unwrap_or(DEFAULT_SCHEMA);
        let relation = Relation::new(schema, reference.table());
        let (path, rows) = relations::of_source(&relation);
        if let Some(snapshot) = lake.table(&path).latest().await? {
            let table = relations::table(&relation, &path, &snapshot, rows, None)?;
            tables.push((relation, table));
        }
    }
    let tables = tables
        .iter()
        .map(|(relation, table)| (relation, Arc::clone(table)));
    Ok(engine.session(tables))
}

/// The files that can hold a column's greatest value, by their statistics; all where these do not tell.
fn with_the_greatest(snapshot: &Snapshot, rows: Rows, field: &str) -> Vec<AddFile> {
    let rows = rows.in_table(snapshot);
    let files: Vec<&AddFile> = snapshot
        .files
        .values()
        .filter(|file| rows.are_in(file))
        .collect();
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    // Some row of each file is not less than the file's least value, so the greatest row is not less than the
    // greatest of these. Times of one form compare as texts.
    let floor = files
        .iter()
        .filter_map(|file| text(file.stats.min_values.get(field)))
        .max();
    files
        .into_iter()
        .filter(
            |file| match (&floor, text(file.stats.max_values.get(field))) {
                (Some(floor), Some(greatest)) if greatest.len() == floor.len() => {
                    greatest >= *floor
                }
                _ => true,
            },
        )
        .cloned()
        .collect()
}

/// The one value of an answer as a time.
fn time(node: &Node, what: &str, batches: &[RecordBatch]) -> Result<DateTime<Utc>> {
    let answer = batches.iter().find(|batch| batch.num_rows() > 0);
    let Some(column) = answer.map(|batch| batch.column(0)) else {
        return Ok(long_ago());
    };
    if column.is_null(0) {
        return Ok(long_ago());
    }
    let kind = column.data_type();
    if !matches!(
        kind,
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64
    ) {
        let message = format!(
            "{what} of {} is a {}, and should be a timestamp or a date",
            named(node),
            introspect::sql_name(kind)
        );
        let help = "turn it into one, such as to_timestamp_millis(ms) or cast(text as timestamp)";
        return Err(Diagnostic::new(message)
            .in_file(node.original_file_path.clone())
            .help(help)
            .into());
    }
    // A time without a zone is UTC, as everywhere in the lake.
    let micros = cast(column, &DataType::Timestamp(TimeUnit::Microsecond, None))
        .map_err(|error| Error::engine(format!("read {what} of {}", named(node)))(error.into()))?;
    let micros = micros.as_primitive::<TimestampMicrosecondType>().value(0);
    Ok(DateTime::from_timestamp_micros(micros).unwrap_or_else(long_ago))
}

/// Where no row came, dbt says the first day there is.
fn long_ago() -> DateTime<Utc> {
    let day = NaiveDate::from_ymd_opt(1, 1, 1).unwrap_or_default();
    day.and_time(chrono::NaiveTime::MIN).and_utc()
}

fn named(node: &Node) -> String {
    let source = node.source_name.as_deref().unwrap_or_default();
    format!("{source}.{}", node.name)
}
