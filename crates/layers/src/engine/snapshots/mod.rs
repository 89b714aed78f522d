//! Snapshots as dbt has them: a table of every state that the rows of a query were in, and from when to when.

mod settings;
mod sql;

use arrow::datatypes::{Field, Schema};

pub use settings::{Changed, HardDeletes, Settings};
pub use sql::Queries;

use super::incremental::Columns;
use super::plan::{self, in_node};
use super::project::{PlannedTable, Project, sql_of};
use super::state::FINGERPRINT;
use crate::Result;
use crate::diagnostics::Diagnostic;
use crate::manifest::Node;

/// A snapshot that is to be taken.
#[derive(Clone, Debug)]
pub struct PlannedSnapshot {
    /// The table as it will be defined, and what it reads.
    pub table: PlannedTable,
    /// The columns of the query.
    pub source: Schema,
    /// Its table's columns afterwards; `None`: there is no table that was filled.
    pub columns: Option<Columns>,
    /// The queries.
    pub queries: Queries,
}

/// Plan a snapshot at the time `now`, in microseconds since 1970.
pub async fn plan(project: &Project<'_>, node: &Node, now: i64) -> Result<PlannedSnapshot> {
    let now = format!("to_timestamp_micros({now})");
    let settings = Settings::of(node, &now)?;
    // The query alone, so that what is wrong with it is told at its place.
    let (own, _) = project.planned_table(node, sql_of(node)).await?;
    let source = own.schema.as_ref().clone();
    let live = project.tables.get(&node.unique_id);
    let live = live.filter(|live| live.properties.contains_key(FINGERPRINT));
    let queries = Queries::new(
        &settings,
        &source,
        live.map(|live| live.schema.as_ref()),
        &now,
    );
    let session = project.planning_session(node).await?;
    let first = plan::checked(&session, node, &queries.first(sql_of(node))).await?;
    let first = plan::table_schema(node, &plan::storable(node, first)?);
    let columns = match live {
        Some(live) => {
            let columns = Columns::appended(node, live, &first)?;
            check_there(node, &settings, &live.schema)?;
            Some(columns)
        }
        None => None,
    };
    let schema = columns
        .as_ref()
        .map_or(first, |columns| columns.schema.clone());
    Ok(PlannedSnapshot {
        table: PlannedTable { schema, ..own },
        source,
        columns,
        queries,
    })
}

/// A table that was not made by a snapshot of this kind cannot be gone on with.
fn check_there(node: &Node, settings: &Settings, live: &Schema) -> Result<(), Diagnostic> {
    let names = &settings.names;
    let mut wanted = vec![
        &names.scd_id,
        &names.updated_at,
        &names.valid_from,
        &names.valid_to,
    ];
    if settings.hard_deletes == HardDeletes::NewRecord {
        wanted.push(&names.is_deleted);
    }
    let has = |name: &String| {
        live.fields()
            .iter()
            .map(AsRef::as_ref)
            .map(Field::name)
            .any(|known| known == name)
    };
    match wanted.into_iter().find(|name| !has(name)) {
        None => Ok(()),
        Some(name) => Err(in_node(
            node,
            format!("the table of the snapshot {} has no column `{name}`", node.name),
        )
        .help("it was made by something else or with other settings: let the snapshot write another table, or add the column")),
    }
}
