//! Groups that new rows are added to.

use std::sync::Arc;

use datafusion::functions_aggregate::bool_and_or::{bool_and, bool_or};
use datafusion::functions_aggregate::min_max::{max, min};
use datafusion::functions_aggregate::sum::sum;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast};

use super::{Staged, Stager};
use crate::Result;
use crate::engine::lineage::column_at;
use crate::engine::plan;
use crate::engine::touched;
use crate::engine::ways::{Part, Replace};

impl Stager<'_> {
    /// What the added files give, put together with the rows that are there: all of them, or those of the touched
    /// partitions.
    pub(super) async fn merge_groups(
        &self,
        columns: &[(String, Part)],
        within: Option<&Replace>,
    ) -> Result<Staged> {
        let there = match within {
            None => self.live.files.values().cloned().collect(),
            Some(replace) => {
                let output = self.output_field(&replace.column);
                let touched = touched::partitions(
                    &self.project.engine.session([]),
                    replace,
                    0..=0,
                    output,
                    self.upstreams,
                    self.differences,
                )?;
                touched::live_files(self.live, output, &touched)?
            }
        };
        let gone = there.iter().map(|file| file.path.clone()).collect();
        let (_, old) = self.live_rows(there).await?;
        let old = plan::storable(self.node, old)?;
        let session = self.session(&self.added_files()).await?;
        let new = self.output(&session).await?;
        let both = LogicalPlanBuilder::from(old)
            .union(new)
            .and_then(LogicalPlanBuilder::build)
            .map_err(self.failed())?;
        let together = self.put_together(both, columns)?;
        let adds = self.write(&session, together, self.live).await?;
        Ok(self.staged("merge", adds, gone))
    }

    /// Rows of one group made one.
    fn put_together(&self, rows: LogicalPlan, columns: &[(String, Part)]) -> Result<LogicalPlan> {
        let schema = Arc::clone(rows.schema());
        assert_eq!(
            schema.fields().len(),
            columns.len(),
            "a merged table has its plan's columns"
        );
        let mut keys = Vec::new();
        let mut parts = Vec::new();
        // Where a column is found among the keys and, after them, the parts.
        let mut places: Vec<(bool, usize)> = Vec::new();
        for (index, (_, part)) in columns.iter().enumerate() {
            let column = column_at(&schema, index);
            let together: Expr = match part {
                Part::Key => {
                    places.push((true, keys.len()));
                    keys.push(column);
                    continue;
                }
                Part::Sum => sum(column),
                Part::Least => min(column),
                Part::Greatest => max(column),
                Part::Any => bool_or(column),
                Part::All => bool_and(column),
            };
            places.push((false, parts.len()));
            parts.push(together);
        }
        let count = keys.len();
        let grouped = LogicalPlanBuilder::from(rows)
            .aggregate(keys, parts)
            .and_then(LogicalPlanBuilder::build)
            .map_err(self.failed())?;
        let output: Vec<Expr> = places
            .into_iter()
            .zip(schema.fields())
            .map(|((is_key, place), field)| {
                let place = if is_key { place } else { count + place };
                // A sum of decimals is wider than they are.
                cast(
                    column_at(grouped.schema(), place),
                    field.data_type().clone(),
                )
                .alias(field.name())
            })
            .collect();
        LogicalPlanBuilder::from(grouped)
            .project(output)
            .and_then(LogicalPlanBuilder::build)
            .map_err(self.failed())
    }
}
