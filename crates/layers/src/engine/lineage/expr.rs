//! Expressions over a plan's columns: replaced, compared, judged.

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{Expr, Volatility};

/// Whether the expression's value is decided by the values of `by` alone.
pub fn covered(expr: &Expr, by: &[Expr]) -> bool {
    let by: Vec<Expr> = by.iter().map(bare).collect();
    let mut whole = true;
    let _ = expr.apply(|part| {
        if by.contains(part) || by.iter().any(|known| same_column(known, part)) {
            return Ok(TreeNodeRecursion::Jump);
        }
        if matches!(part, Expr::Column(_)) {
            whole = false;
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    whole && is_function(expr)
}

/// The same column, where one of the two is written without its qualifier.
fn same_column(a: &Expr, b: &Expr) -> bool {
    match (a, b) {
        (Expr::Column(a), Expr::Column(b)) => {
            a.name == b.name
                && (a.relation == b.relation || a.relation.is_none() || b.relation.is_none())
        }
        _ => false,
    }
}

/// Whether equal arguments always give an equal value.
pub fn is_function(expr: &Expr) -> bool {
    !expr
        .exists(|part| {
            Ok(match part {
                Expr::ScalarFunction(function) => {
                    function.func.signature().volatility != Volatility::Immutable
                }
                Expr::AggregateFunction(_)
                | Expr::WindowFunction(_)
                | Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
                | Expr::OuterReferenceColumn(..)
                | Expr::Placeholder(_)
                | Expr::ScalarVariable(..)
                | Expr::Unnest(_) => true,
                _ => false,
            })
        })
        .unwrap_or(true)
}

/// `expr` with every column of `schema` replaced by what `replacement` gives for its place;
/// `None` when one has none.
pub fn substitute(
    expr: &Expr,
    schema: &DFSchema,
    replacement: &dyn Fn(usize) -> Option<Expr>,
) -> Option<Expr> {
    let mut whole = true;
    let replaced = expr
        .clone()
        .transform_down(|part| {
            Ok(match &part {
                Expr::Column(column) => {
                    let new = schema.maybe_index_of_column(column).and_then(replacement);
                    whole &= new.is_some();
                    match new {
                        Some(new) => Transformed::new(new, true, TreeNodeRecursion::Jump),
                        None => Transformed::new(part, false, TreeNodeRecursion::Stop),
                    }
                }
                Expr::OuterReferenceColumn(..) => {
                    whole = false;
                    Transformed::new(part, false, TreeNodeRecursion::Stop)
                }
                _ => Transformed::no(part),
            })
        })
        .ok()?;
    whole.then_some(replaced.data)
}

/// The same expression with every column fully qualified.
pub fn qualify(expr: &Expr, schema: &DFSchema) -> Option<Expr> {
    substitute(expr, schema, &|index| Some(column_at(schema, index)))
}

/// The column at a place of a schema, with its qualifier.
pub fn column_at(schema: &DFSchema, index: usize) -> Expr {
    Expr::Column(Column::from(schema.qualified_field(index)))
}

/// An expression without the names given to it.
pub fn bare(expr: &Expr) -> Expr {
    expr.clone().unalias_nested().data
}
