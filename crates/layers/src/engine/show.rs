//! `show`: the rows that a node's SQL gives now, and nothing written.

use std::collections::BTreeSet;

use arrow::array::RecordBatch;
use datafusion::logical_expr::LogicalPlanBuilder;
use goldrecord_lake::Lake;

use super::BuildOptions;
use super::plan;
use super::project::{Planned, Project, leaf, sql_of};
use super::session::Engine;
use crate::manifest::{Manifest, Node};
use crate::{Error, Result};

/// The first `limit` rows of a node's SQL over the tables of the lake as they are, or of a seed's
/// file. At least one batch, so that columns are told where there is no row.
pub async fn show(
    manifest: &Manifest,
    lake: &Lake,
    node: &Node,
    limit: Option<usize>,
) -> Result<Vec<RecordBatch>> {
    let options = BuildOptions::default();
    let engine = Engine::new(lake, &options)?;
    let selected = BTreeSet::from([node.unique_id.clone()]);
    let project = Project::plan(manifest, lake, &engine, &selected).await?;
    if let Some(Planned::Seed(seed)) = project.planned.get(&node.unique_id) {
        let rows = limit.map_or(seed.rows.num_rows(), |limit| {
            limit.min(seed.rows.num_rows())
        });
        return Ok(vec![seed.rows.slice(0, rows)]);
    }
    let session = project
        .session(node, &|upstream| {
            leaf(upstream, &project.tables, node, None)
        })
        .await?;
    let failed = || Error::engine(format!("run {}", node.name));
    let plan = plan::checked(&session, node, sql_of(node)).await?;
    let plan = LogicalPlanBuilder::from(plan)
        .limit(0, limit)
        .and_then(LogicalPlanBuilder::build)
        .map_err(failed())?;
    let frame = session.execute_logical_plan(plan).await.map_err(failed())?;
    let schema = frame.schema().inner().clone();
    let mut rows = frame.collect().await.map_err(failed())?;
    if rows.is_empty() {
        rows.push(RecordBatch::new_empty(schema));
    }
    Ok(rows)
}
