//! `incremental` models as dbt has them: the model's own SQL says which rows are new, its strategy how they join those
//! that are there.

mod columns;
mod files;
mod sql;
mod strategy;

pub use columns::{Columns, conform};
pub use files::{may_hold, may_match};
pub use sql::{Removal, ambiguous_sql, inserted_sql, merged_sql};
pub use strategy::{Strategy, Update};

use datafusion::logical_expr::LogicalPlan;

use super::plan;
use super::project::{PlannedTable, Project, sql_of};
use super::state::FINGERPRINT;
use crate::Result;
use crate::manifest::Node;
use crate::microbatch::Settings;

/// An incremental model that is to be built.
#[derive(Clone, Debug)]
pub struct PlannedIncremental {
    /// The table as it will be defined, and what it reads.
    pub table: PlannedTable,
    /// How new rows join those that are there; `None`: the table is filled anew.
    pub step: Option<Step>,
    /// Of a microbatch model: how its time is cut.
    pub batches: Option<Settings>,
}

/// How new rows join those of the table.
#[derive(Clone, Debug)]
pub struct Step {
    /// The strategy.
    pub strategy: Strategy,
    /// How the query's columns meet the table's.
    pub columns: Columns,
}

/// The SQL that a model runs where its table is there.
pub fn sql_of_step(node: &Node) -> &str {
    node.compiled_incremental
        .as_deref()
        .unwrap_or_else(|| sql_of(node))
}

/// Plan an incremental model: over its table where there is one that was filled, and no full refresh is asked for.
pub async fn plan(project: &Project<'_>, node: &Node) -> Result<PlannedIncremental> {
    let strategy = Strategy::of(node)?;
    let live = project.tables.get(&node.unique_id);
    let filled = live.filter(|live| live.properties.contains_key(FINGERPRINT));
    let refresh = node.config.full_refresh.unwrap_or(project.full_refresh);
    let filled = filled.filter(|_| !refresh);
    let batches = Settings::of(node)?;
    // The first batch stands for all.
    let of_batch = match &batches {
        Some(settings) => {
            let templates = &project.manifest.batches;
            Some(templates.model(node, settings.first(), filled.is_some())?)
        }
        None => None,
    };
    let node = of_batch.as_ref().unwrap_or(node);
    let Some(live) = filled else {
        let (table, _) = project.planned_table(node, sql_of(node)).await?;
        strategy.check(node, &table.schema)?;
        return Ok(PlannedIncremental {
            table,
            step: None,
            batches,
        });
    };
    let (mut table, query) = project.planned_table(node, sql_of_step(node)).await?;
    let columns = Columns::of(node, live, &table.schema)?;
    strategy.check(node, &columns.schema)?;
    strategy.check_partitions(node, live)?;
    checked(node, query, &columns)?;
    table.schema = columns.schema.clone();
    Ok(PlannedIncremental {
        table,
        step: Some(Step { strategy, columns }),
        batches,
    })
}

/// The new rows under the table's columns can be planned.
fn checked(node: &Node, query: LogicalPlan, columns: &Columns) -> Result<()> {
    conform(node, plan::storable(node, query)?, &columns.schema)?;
    Ok(())
}
