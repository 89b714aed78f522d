//! One row per key, without ordering all rows: few keys have copies, so those are found first.
//!
//! `row_number() over (partition by K order by …) = 1` sorts every row by K. Counting K needs K
//! alone; the rows of keys that occur once pass as they are, and the window runs over the others.

use std::sync::Arc;

use datafusion::catalog::default_table_source::provider_as_source;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinType, NullEquality};
use datafusion::datasource::MemTable;
use datafusion::error::Result;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Window, lit};
use datafusion::prelude::SessionContext;
use futures::StreamExt;

use super::lineage::{bare, column_at, window_partition};

/// The same rows as `plan`, which keeps the first row of each key of its one window.
///
/// Where more than `most` rows have a key that is not theirs alone, the plan stays as it is: the list of such keys is held in memory.
pub async fn set_apart(
    session: &SessionContext,
    plan: LogicalPlan,
    most: usize,
) -> Result<LogicalPlan> {
    let Some((window, keys)) = window_of(&plan) else {
        return Ok(plan);
    };
    let counted = LogicalPlanBuilder::from(window.input.as_ref().clone())
        .aggregate(keys.clone(), [count(lit(1)).alias("copies")])?
        .filter(Expr::Column(Column::new_unqualified("copies")).gt(lit(1)))?;
    let several = counted
        .project(
            keys.iter()
                .enumerate()
                .map(|(index, key)| key.clone().alias(copied(index))),
        )?
        .build()?;
    let schema = Arc::clone(several.schema().inner());
    let mut found = session
        .execute_logical_plan(several)
        .await?
        .execute_stream()
        .await?;
    let mut several = Vec::new();
    let mut rows = 0;
    while let Some(batch) = found.next().await {
        let batch = batch?;
        rows += batch.num_rows();
        if rows > most {
            return Ok(plan);
        }
        several.push(batch);
    }
    if rows == 0 {
        return first_of_one(plan, &window.input);
    }
    let several = MemTable::try_new(schema, vec![several])?;
    let several =
        LogicalPlanBuilder::scan("copied", provider_as_source(Arc::new(several)), None)?.build()?;
    // The keys stand on the left, which is the side that a join holds in memory.
    let with = |kind: JoinType| {
        let theirs = (0..keys.len())
            .map(|index| Column::new(Some("copied"), copied(index)))
            .collect::<Vec<Column>>();
        let ours = keys
            .iter()
            .filter_map(|key| key.try_as_col().cloned())
            .collect::<Vec<Column>>();
        LogicalPlanBuilder::from(several.clone())
            .join_detailed(
                window.input.as_ref().clone(),
                kind,
                (theirs, ours),
                None,
                NullEquality::NullEqualsNull,
            )?
            .build()
    };
    let once = first_of_one(plan.clone(), &with(JoinType::RightAnti)?)?;
    let several = with(JoinType::RightSemi)?;
    let chosen = replace_window(plan, &|window| {
        Ok(LogicalPlan::Window(Window::try_new(
            window.window_expr.clone(),
            Arc::new(several.clone()),
        )?))
    })?;
    LogicalPlanBuilder::from(once).union(chosen)?.build()
}

/// The plan over rows of which each is the only one of its key: its number is 1.
fn first_of_one(plan: LogicalPlan, rows: &LogicalPlan) -> Result<LogicalPlan> {
    replace_window(plan, &|window| {
        let width = window.input.schema().fields().len();
        let number = window.schema.field(width);
        let one =
            datafusion::logical_expr::cast(lit(1), number.data_type().clone()).alias(number.name());
        let columns = (0..width).map(|index| column_at(window.input.schema(), index));
        LogicalPlanBuilder::from(rows.clone())
            .project(columns.chain([one]))?
            .build()
    })
}

/// The one window of a plan, and its keys when all of them are columns.
fn window_of(plan: &LogicalPlan) -> Option<(Window, Vec<Expr>)> {
    let mut found = Vec::new();
    let _ = plan.apply(|node| {
        if let LogicalPlan::Window(window) = node {
            found.push(window.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    });
    let [window] = found.as_slice() else {
        return None;
    };
    let keys: Vec<Expr> = window_partition(window.window_expr.first()?)?
        .iter()
        .map(bare)
        .collect();
    keys.iter()
        .all(|key| matches!(key, Expr::Column(_)))
        .then(|| (window.clone(), keys))
}

fn replace_window(
    plan: LogicalPlan,
    by: &dyn Fn(&Window) -> Result<LogicalPlan>,
) -> Result<LogicalPlan> {
    let replaced = plan.transform_down(|node| match &node {
        LogicalPlan::Window(window) => {
            Ok(Transformed::new(by(window)?, true, TreeNodeRecursion::Jump))
        }
        _ => Ok(Transformed::no(node)),
    })?;
    Ok(replaced.data)
}

/// The name of a key in the list of keys that occur several times.
fn copied(index: usize) -> String {
    format!("key_{index}")
}
