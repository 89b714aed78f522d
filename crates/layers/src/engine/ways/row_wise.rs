//! Plans whose rows come from single rows of a table: what is added to the table is added to the
//! result.

use datafusion::common::JoinType;
use datafusion::common::tree_node::TreeNode as _;
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::short;
use crate::engine::lineage;

/// A plan whose result for added rows can be added to what is there.
#[derive(Clone, Debug, PartialEq)]
pub struct RowWise {
    /// Tables of which added rows give added rows.
    pub linear: Vec<String>,
    /// Tables that are looked up: unchanged, they are read in full.
    pub looked_up: Vec<String>,
}

/// Whether each row of the result comes from one row of one table (and rows looked up for it).
pub(super) fn row_wise(plan: &LogicalPlan) -> Result<RowWise, String> {
    let mut found = RowWise {
        linear: Vec::new(),
        looked_up: Vec::new(),
    };
    let mut has_union = false;
    let mut has_join = false;
    let mut node = vec![plan];
    while let Some(plan) = node.pop() {
        if plan.expressions().iter().any(has_subquery) {
            return Err("an expression reads a subquery".to_owned());
        }
        match plan {
            LogicalPlan::TableScan(scan) => found.linear.push(scan.table_name.to_string()),
            LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Repartition(_) => node.extend(plan.inputs()),
            LogicalPlan::Sort(sort) if sort.fetch.is_none() => node.push(&sort.input),
            LogicalPlan::Union(union) => {
                has_union = true;
                node.extend(union.inputs.iter().map(AsRef::as_ref));
            }
            LogicalPlan::Join(join) => {
                has_join = true;
                let (kept, looked_up) = match join.join_type {
                    JoinType::Inner | JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti => {
                        (&join.left, &join.right)
                    }
                    JoinType::Right | JoinType::RightSemi | JoinType::RightAnti => {
                        (&join.right, &join.left)
                    }
                    _ => return Err("rows of both sides of a join are kept".to_owned()),
                };
                node.push(kept);
                found.looked_up.extend(lineage::scanned(looked_up));
            }
            LogicalPlan::EmptyRelation(_) | LogicalPlan::Values(_) => {
                return Err("some rows come from no table".to_owned());
            }
            LogicalPlan::Aggregate(_) | LogicalPlan::Distinct(_) => {
                return Err("rows are grouped".to_owned());
            }
            LogicalPlan::Window(_) => return Err("a window looks at other rows".to_owned()),
            _ => return Err("a row depends on other rows".to_owned()),
        }
    }
    if has_union && has_join {
        return Err("a union with joins is not taken apart".to_owned());
    }
    if let Some(table) = found
        .linear
        .iter()
        .find(|table| found.looked_up.contains(table))
    {
        return Err(format!("{} is joined with itself", short(table)));
    }
    Ok(found)
}

/// Whether an expression reads a subquery; one that cannot be looked through counts as one that does.
pub(crate) fn has_subquery(expr: &Expr) -> bool {
    expr.exists(|part| {
        Ok(matches!(
            part,
            Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
                | Expr::SetComparison(_)
        ))
    })
    .unwrap_or(true)
}
