//! A key through a join.

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, JoinType};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Join, Operator};

use super::Key;
use super::expr::{bare, column_at, qualify, substitute};

/// The key in terms of each side of a join.
///
/// A row of the join is one row of each side (or of one, and the absence of matches in the other).
/// The side that the key names is traced as it is; the other side by the join's equalities: its
/// rows that can match have the same key.
pub(super) fn through_join(join: &Join, key: &Expr) -> (Key, Key) {
    let pairs = equalities(join);
    let sides = (join.left.schema(), join.right.schema());
    let width = sides.0.fields().len();
    let not_key = |side: &str| {
        format!(
            "`{}` is not among the join's keys on the {side} side",
            key.human_display()
        )
    };
    // What the join's columns are on its own sides.
    let own = |schema: &DFSchema, left: bool| {
        let offset = if left { 0 } else { width };
        let count = if left { width } else { sides.1.fields().len() };
        substitute(key, schema, &|index| {
            (index >= offset && index - offset < count)
                .then(|| column_at(if left { sides.0 } else { sides.1 }, index - offset))
        })
    };
    let by_equality = |expr: &Expr, to_left: bool| {
        let (from, to) = if to_left {
            (sides.1, sides.0)
        } else {
            (sides.0, sides.1)
        };
        let replaced = substitute(expr, from, &|index| {
            let column = column_at(from, index);
            pairs.iter().find_map(|(left, right)| {
                let (ours, theirs) = if to_left {
                    (right, left)
                } else {
                    (left, right)
                };
                let same_type = ours.get_type(from).ok()? == theirs.get_type(to).ok()?;
                (*ours == column && same_type).then(|| theirs.clone())
            })
        });
        replaced.ok_or_else(|| not_key(if to_left { "left" } else { "right" }))
    };
    match join.join_type {
        JoinType::Inner => {
            if let Some(left) = own(&join.schema, true) {
                let right = by_equality(&left, false);
                return (Ok(left), right);
            }
            if let Some(right) = own(&join.schema, false) {
                return (by_equality(&right, true), Ok(right));
            }
        }
        JoinType::Left => {
            if let Some(left) = own(&join.schema, true) {
                let right = by_equality(&left, false);
                return (Ok(left), right);
            }
        }
        JoinType::Right => {
            if let Some(right) = own(&join.schema, false) {
                return (by_equality(&right, true), Ok(right));
            }
        }
        JoinType::LeftSemi | JoinType::LeftAnti if !join.null_aware => {
            let left = key.clone();
            let right = by_equality(&left, false);
            return (Ok(left), right);
        }
        JoinType::RightSemi | JoinType::RightAnti if !join.null_aware => {
            let right = key.clone();
            return (by_equality(&right, true), Ok(right));
        }
        JoinType::Full => {
            if let Some((left, right)) = coalesced(join, key, &pairs) {
                return (Ok(left), Ok(right));
            }
            let why = format!(
                "`{}` is not the coalesced key of the full join",
                key.human_display()
            );
            return (Err(why.clone()), Err(why));
        }
        _ => {}
    }
    let why = format!(
        "`{}` is not a column of the side of the join that is kept",
        key.human_display()
    );
    (Err(why.clone()), Err(why))
}

/// A full join's `coalesce(left.k, right.k)` with `left.k = right.k` is `k` of whichever side is there.
fn coalesced(join: &Join, key: &Expr, pairs: &[(Expr, Expr)]) -> Option<(Expr, Expr)> {
    let width = join.left.schema().fields().len();
    let side = |take_left: bool| {
        // A coalesce of a pair becomes one side's column; a bare column that is left loses the key.
        let replaced = key.clone().transform_down(|part| {
            if let Expr::ScalarFunction(function) = &part
                && function.func.name() == "coalesce"
                && let [Expr::Column(a), Expr::Column(b)] = function.args.as_slice()
                && let (Some(a), Some(b)) = (
                    join.schema.maybe_index_of_column(a),
                    join.schema.maybe_index_of_column(b),
                )
            {
                let (left, right) = if a < b { (a, b) } else { (b, a) };
                if left < width && right >= width {
                    let left = column_at(join.left.schema(), left);
                    let right = column_at(join.right.schema(), right - width);
                    if pairs.contains(&(left.clone(), right.clone())) {
                        let taken = if take_left { left } else { right };
                        return Ok(Transformed::new(taken, true, TreeNodeRecursion::Jump));
                    }
                }
            }
            Ok(match part {
                Expr::Column(_) => Transformed::new(part, false, TreeNodeRecursion::Stop),
                other => Transformed::no(other),
            })
        });
        let expr = replaced.ok()?.data;
        let schema = if take_left {
            join.left.schema()
        } else {
            join.right.schema()
        };
        let resolved = expr
            .column_refs()
            .iter()
            .all(|column| schema.maybe_index_of_column(column).is_some());
        (resolved && no_coalesce(&expr)).then_some(expr)
    };
    Some((side(true)?, side(false)?))
}

fn no_coalesce(expr: &Expr) -> bool {
    !expr
        .exists(|part| {
            Ok(matches!(part, Expr::ScalarFunction(function) if function.func.name() == "coalesce"))
        })
        .unwrap_or(true)
}

/// The pairs of expressions (of the left, of the right side) that a join holds equal.
fn equalities(join: &Join) -> Vec<(Expr, Expr)> {
    let mut pairs: Vec<(Expr, Expr)> = join
        .on
        .iter()
        .map(|(left, right)| (bare(left), bare(right)))
        .collect();
    let mut stack: Vec<&Expr> = join.filter.iter().collect();
    let within = |expr: &Expr, schema: &DFSchema| {
        let columns = expr.column_refs();
        !columns.is_empty()
            && columns
                .iter()
                .all(|column| schema.maybe_index_of_column(column).is_some())
    };
    while let Some(expr) = stack.pop() {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else {
            continue;
        };
        match op {
            Operator::And => stack.extend([left.as_ref(), right.as_ref()]),
            Operator::Eq => {
                let (a, b) = (bare(left), bare(right));
                if within(&a, join.left.schema()) && within(&b, join.right.schema()) {
                    pairs.push((a, b));
                } else if within(&b, join.left.schema()) && within(&a, join.right.schema()) {
                    pairs.push((b, a));
                }
            }
            _ => {}
        }
    }
    // Columns are compared with those made from the schema, which are fully qualified.
    pairs
        .into_iter()
        .filter_map(|(left, right)| {
            Some((
                qualify(&left, join.left.schema())?,
                qualify(&right, join.right.schema())?,
            ))
        })
        .collect()
}
