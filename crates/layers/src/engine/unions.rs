//! Unions: a column has one type, whichever branch a row comes from.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, DataFusionError};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Union, cast};
use datafusion::optimizer::AnalyzerRule;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;
use datafusion::prelude::SessionContext;

/// The plan with one type for each column of a union. The planner leaves that to the analyzer, and until then says that
/// the types are those of the first branch: a table would be made of these.
pub fn one_type(
    session: &SessionContext,
    plan: LogicalPlan,
) -> Result<LogicalPlan, DataFusionError> {
    if !plan.exists(|plan| Ok(differs(plan)))? {
        return Ok(plan);
    }
    let state = session.state();
    let options = state.config_options();
    let plan = plan.transform_up(|node| floating(node, options))?.data;
    TypeCoercion::new().analyze(plan, options)
}

/// Whether a plan is a union whose branches have not the same types.
fn differs(plan: &LogicalPlan) -> bool {
    let LogicalPlan::Union(union) = plan else {
        return false;
    };
    let types = |schema: &DFSchema| -> Vec<DataType> {
        let fields = schema.fields().iter();
        fields.map(|field| field.data_type().clone()).collect()
    };
    let first = types(&union.schema);
    let mut inputs = union.inputs.iter();
    inputs.any(|input| types(input.schema()) != first)
}

/// A union in which a decimal beside a floating-point number is one too, as in `DuckDB` and `PostgreSQL`. The analyzer
/// would make both decimals, which hold neither large numbers nor small ones.
fn floating(
    plan: LogicalPlan,
    options: &ConfigOptions,
) -> Result<Transformed<LogicalPlan>, DataFusionError> {
    let LogicalPlan::Union(union) = plan else {
        return Ok(Transformed::no(plan));
    };
    // A branch may hold unions of its own: its types are known once those have theirs.
    let branches = union
        .inputs
        .into_iter()
        .map(|input| TypeCoercion::new().analyze(Arc::unwrap_or_clone(input), options))
        .collect::<Result<Vec<_>, _>>()?;
    let floats: Vec<Option<DataType>> = (0..union.schema.fields().len())
        .map(|column| {
            let fields = branches.iter().map(|branch| branch.schema().field(column));
            float_of(fields.map(|field| field.data_type()))
        })
        .collect();
    let branches = branches
        .into_iter()
        .map(|branch| without_decimals(branch, &floats).map(Arc::new))
        .collect::<Result<Vec<_>, _>>()?;
    let union = Union::try_new_with_loose_types(branches)?;
    Ok(Transformed::yes(LogicalPlan::Union(union)))
}

/// The widest floating-point type among these.
fn float_of<'a>(mut types: impl Iterator<Item = &'a DataType> + Clone) -> Option<DataType> {
    let narrow = types
        .clone()
        .find(|kind| matches!(kind, DataType::Float16 | DataType::Float32));
    types
        .find(|kind| **kind == DataType::Float64)
        .or(narrow)
        .cloned()
}

/// A branch whose decimals are floating-point numbers, in the columns that have such a type.
fn without_decimals(
    branch: LogicalPlan,
    floats: &[Option<DataType>],
) -> Result<LogicalPlan, DataFusionError> {
    let schema = Arc::clone(branch.schema());
    let mut changed = false;
    let columns: Vec<Expr> = schema
        .iter()
        .zip(floats)
        .map(|((qualifier, field), float)| {
            let column = Expr::Column(Column::from((qualifier, field)));
            match float {
                Some(float) if field.data_type().is_decimal() => {
                    changed = true;
                    cast(column, float.clone()).alias_qualified(qualifier.cloned(), field.name())
                }
                _ => column,
            }
        })
        .collect();
    if !changed {
        return Ok(branch);
    }
    LogicalPlanBuilder::from(branch).project(columns)?.build()
}
