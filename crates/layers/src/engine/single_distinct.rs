//! `count(distinct …)` as a grouping, which is quicker and can spill; not beside a sum of decimals.
//!
//! `DataFusion`'s rule sums the groups' sums. A sum of decimals has more digits than what it adds up, so that the second
//! sum would have a type that the plan does not promise, and the query would fail once it runs.

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable as _, LogicalPlan};
use datafusion::optimizer::single_distinct_to_groupby::SingleDistinctToGroupBy;
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

/// The rule that stands in the place of `DataFusion`'s, under its name.
#[derive(Debug, Default)]
pub struct SingleDistinct(SingleDistinctToGroupBy);

impl OptimizerRule for SingleDistinct {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        match &plan {
            LogicalPlan::Aggregate(aggregate) if sums_decimals(aggregate) => {
                Ok(Transformed::no(plan))
            }
            _ => self.0.rewrite(plan, config),
        }
    }
}

fn sums_decimals(aggregate: &Aggregate) -> bool {
    aggregate.aggr_expr.iter().any(|expr| {
        matches!(expr.clone().unalias(), Expr::AggregateFunction(call) if call.func.name() == "sum")
            && matches!(
                expr.get_type(aggregate.input.schema()),
                Ok(DataType::Decimal128(..) | DataType::Decimal256(..))
            )
    })
}
