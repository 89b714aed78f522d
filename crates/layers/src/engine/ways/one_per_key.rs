//! Plans that keep one row a key: `row_number() … = 1` over single rows.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator, WindowFunctionDefinition};

use super::row_wise::{has_subquery, row_wise};
use crate::engine::lineage::{self, bare, column_at, substitute};

/// The key columns of `select … from (select …, row_number() over (partition by K order by …) as n
/// from <row-wise>) where n = 1`, when the result holds all of K.
pub(super) fn one_per_key(plan: &LogicalPlan) -> Result<Vec<String>, String> {
    let no = |why: &str| Err(why.to_owned());
    // What the output's columns are at the node in hand.
    let mut columns: Vec<Expr> = (0..plan.schema().fields().len())
        .map(|index| column_at(plan.schema(), index))
        .collect();
    // The filter's row number, once the filter is passed.
    let mut number: Option<Expr> = None;
    let mut node = plan;
    let step = |exprs: Vec<Expr>, node: &LogicalPlan, below: &dyn Fn(usize) -> Option<Expr>| {
        exprs
            .into_iter()
            .map(|expr| substitute(&expr, node.schema(), below))
            .collect::<Option<Vec<Expr>>>()
            .ok_or_else(|| "a column cannot be followed".to_owned())
    };
    loop {
        if node.expressions().iter().any(has_subquery) {
            return no("an expression reads a subquery");
        }
        let below: Box<dyn Fn(usize) -> Option<Expr>> = match node {
            LogicalPlan::Projection(projection) => {
                Box::new(|index| Some(bare(&projection.expr[index])))
            }
            LogicalPlan::SubqueryAlias(alias) => {
                Box::new(|index| Some(column_at(alias.input.schema(), index)))
            }
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => {
                node = &sort.input;
                continue;
            }
            LogicalPlan::Filter(filter) if number.is_none() => {
                number = Some(
                    equals_one(&filter.predicate)
                        .ok_or("the filter is not `row_number = 1` alone")?,
                );
                node = &filter.input;
                continue;
            }
            LogicalPlan::Window(window) => {
                let Some(number) = number else {
                    return no("all rows of a window are kept");
                };
                let width = window.input.schema().fields().len();
                let [expr] = window.window_expr.as_slice() else {
                    return no("there are several window functions");
                };
                let is_number = matches!(&number, Expr::Column(column)
                    if window.schema.maybe_index_of_column(column) == Some(width));
                if !is_number || !is_row_number(expr) {
                    return no("the filter is not on `row_number`");
                }
                let keys = lineage::window_partition(expr).unwrap_or_default();
                if keys.is_empty() {
                    return no("the row number has no `partition by`");
                }
                let inner = row_wise(&window.input)?;
                if !inner.looked_up.is_empty() {
                    return no("a join lies below the row number");
                }
                return keys
                    .iter()
                    .map(|key| {
                        let key = bare(key);
                        columns
                            .iter()
                            .position(|column| *column == key)
                            .map(|index| plan.schema().field(index).name().clone())
                            .ok_or_else(|| {
                                format!("the key `{}` is not in the result", key.human_display())
                            })
                    })
                    .collect();
            }
            _ => return no("it is no `row_number() … = 1` over single rows"),
        };
        let input = node.inputs()[0];
        if let Some(expr) = number.take() {
            number = Some(step(vec![expr], node, &below)?.remove(0));
        }
        columns = step(columns, node, &below)?;
        node = input;
    }
}

/// The expression of `expr = 1`.
fn equals_one(predicate: &Expr) -> Option<Expr> {
    let Expr::BinaryExpr(BinaryExpr {
        left,
        op: Operator::Eq,
        right,
    }) = predicate
    else {
        return None;
    };
    let is_one = |expr: &Expr| match expr {
        Expr::Literal(value, _) => value
            .cast_to(&DataType::Int64)
            .is_ok_and(|value| value == ScalarValue::Int64(Some(1))),
        _ => false,
    };
    match (left.as_ref(), right.as_ref()) {
        (expr, one) if is_one(one) => Some(bare(expr)),
        (one, expr) if is_one(one) => Some(bare(expr)),
        _ => None,
    }
}

fn is_row_number(expr: &Expr) -> bool {
    match expr {
        Expr::Alias(alias) => is_row_number(&alias.expr),
        Expr::WindowFunction(function) => {
            matches!(&function.fun, WindowFunctionDefinition::WindowUDF(udf) if udf.name() == "row_number")
        }
        _ => false,
    }
}
