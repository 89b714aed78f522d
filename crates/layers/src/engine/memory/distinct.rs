//! `count(*)` beside `count(distinct x)`, so that it can be computed by groups.
//!
//! `DataFusion` turns distinct aggregates over one argument into a grouping by it, which spills, when
//! the others are `sum`, `min` and `max` ([`SingleDistinctToGroupBy`]); else each group holds all of
//! its distinct values in memory. A count is a sum of ones, so it need not stand in the way.
//!
//! [`SingleDistinctToGroupBy`]: datafusion::optimizer::single_distinct_to_groupby::SingleDistinctToGroupBy

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result};
use datafusion::functions::expr_fn::coalesce;
use datafusion::functions_aggregate::expr_fn::sum;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{
    Aggregate, Expr, ExprSchemable as _, LogicalPlan, LogicalPlanBuilder, lit, when,
};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// Counts beside distinct aggregates over one argument become sums.
#[derive(Debug)]
pub struct CountsAsSums;

impl OptimizerRule for CountsAsSums {
    fn name(&self) -> &'static str {
        "counts_as_sums"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        match plan {
            LogicalPlan::Aggregate(aggregate) if applies(&aggregate)? => {
                Ok(Transformed::yes(summed(&aggregate)?))
            }
            other => Ok(Transformed::no(other)),
        }
    }
}

/// Whether there are counts to be turned, and nothing else that keeps the distinct values in memory.
fn applies(aggregate: &Aggregate) -> Result<bool> {
    if matches!(aggregate.group_expr.first(), Some(Expr::GroupingSet(_))) {
        return Ok(false);
    }
    let mut distinct = HashSet::new();
    let mut counts = 0;
    for expr in &aggregate.aggr_expr {
        let Expr::AggregateFunction(AggregateFunction { func, params }) = expr else {
            return Ok(false);
        };
        let [argument] = params.args.as_slice() else {
            return Ok(false);
        };
        if !params.order_by.is_empty() {
            return Ok(false);
        }
        match func.name() {
            _ if params.distinct && params.filter.is_some() => return Ok(false),
            _ if params.distinct => {
                distinct.insert(argument);
            }
            "count" => counts += 1,
            _ if params.filter.is_some() => return Ok(false),
            "min" | "max" => {}
            // Floating-point sums depend on the order of their rows.
            "sum" if !argument.get_type(aggregate.input.schema())?.is_floating() => {}
            _ => return Ok(false),
        }
    }
    Ok(counts > 0 && distinct.len() == 1)
}

fn summed(aggregate: &Aggregate) -> Result<LogicalPlan> {
    let mut inner = Vec::with_capacity(aggregate.aggr_expr.len());
    let mut outer: Vec<Expr> = Vec::with_capacity(aggregate.schema.fields().len());
    let groups = aggregate.schema.fields().len() - aggregate.aggr_expr.len();
    for index in 0..groups {
        outer.push(Expr::Column(Column::from(
            aggregate.schema.qualified_field(index),
        )));
    }
    for (index, expr) in aggregate.aggr_expr.iter().enumerate() {
        let name = aggregate.schema.field(groups + index).name();
        if let Some(counted) = count_of(expr) {
            let ones = sum(counted?);
            let column = Expr::Column(Column::new_unqualified(ones.schema_name().to_string()));
            if !inner.contains(&ones) {
                inner.push(ones);
            }
            outer.push(coalesce(vec![column, lit(0_i64)]).alias(name));
        } else {
            inner.push(expr.clone());
            outer.push(Expr::Column(Column::new_unqualified(name)));
        }
    }
    let plan = Aggregate::try_new(
        Arc::clone(&aggregate.input),
        aggregate.group_expr.clone(),
        inner,
    )?;
    LogicalPlanBuilder::from(LogicalPlan::Aggregate(plan))
        .project(outer)?
        .build()
}

/// One for each row that a plain count counts, else null.
fn count_of(expr: &Expr) -> Option<Result<Expr>> {
    let Expr::AggregateFunction(AggregateFunction { func, params }) = expr else {
        return None;
    };
    if func.name() != "count" || params.distinct {
        return None;
    }
    let argument = &params.args[0];
    let there = match argument {
        Expr::Literal(value, _) if !value.is_null() => None,
        other => Some(other.clone().is_not_null()),
    };
    let condition = match (there, params.filter.as_deref()) {
        (None, None) => return Some(Ok(lit(1_i64))),
        (Some(one), None) => one,
        (None, Some(filter)) => filter.clone(),
        (Some(one), Some(filter)) => one.and(filter.clone()),
    };
    Some(when(condition, lit(1_i64)).end())
}
