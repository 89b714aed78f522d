//! Plans that make one row of all rows with one key: `group by` over single rows.

use arrow::datatypes::DataType;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan};

use super::row_wise::{RowWise, has_subquery, row_wise};
use crate::engine::lineage::{bare, column_at, substitute};

/// The `group by` over single rows that a plan ends in.
pub(super) struct Groups<'a> {
    /// The grouping.
    pub aggregate: &'a Aggregate,
    /// What the output's columns are, in terms of the grouping's.
    pub columns: Vec<Expr>,
    /// Where its rows come from.
    pub rows: RowWise,
}

impl<'a> Groups<'a> {
    /// Follow a plan's columns down to its groups.
    pub fn of(plan: &'a LogicalPlan) -> Result<Self, String> {
        let no = |why: &str| Err(why.to_owned());
        // What the output's columns are at the node in hand.
        let mut columns: Vec<Expr> = (0..plan.schema().fields().len())
            .map(|index| column_at(plan.schema(), index))
            .collect();
        let mut node = plan;
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
                LogicalPlan::Aggregate(aggregate) => {
                    let keys = &aggregate.group_expr;
                    if keys.iter().any(|key| matches!(key, Expr::GroupingSet(_))) {
                        return no("there are several groupings");
                    }
                    return Ok(Self {
                        aggregate,
                        columns,
                        rows: row_wise(&aggregate.input)?,
                    });
                }
                _ => return no("it is no `group by` over single rows"),
            };
            let input = node.inputs()[0];
            columns = columns
                .into_iter()
                .map(|expr| substitute(&expr, node.schema(), &below))
                .collect::<Option<Vec<Expr>>>()
                .ok_or_else(|| "a column cannot be followed".to_owned())?;
            node = input;
        }
    }

    /// The place among the grouping's columns of an expression that is one of them: first the keys, then what is
    /// made of each group's rows.
    pub fn place(&self, expr: &Expr) -> Option<usize> {
        match expr {
            Expr::Column(column) => self.aggregate.schema.maybe_index_of_column(column),
            _ => None,
        }
    }

    /// How many of the grouping's columns are keys.
    pub fn keys(&self) -> usize {
        self.aggregate.group_expr.len()
    }
}

/// The output column that holds a key of `select …, key from <row-wise> group by key, …`: a row of
/// the result changes only where a row with its key does.
pub(super) fn grouped(plan: &LogicalPlan) -> Result<String, String> {
    let groups = Groups::of(plan)?;
    if !groups.rows.looked_up.is_empty() {
        return Err("a join lies below the groups".to_owned());
    }
    groups
        .columns
        .iter()
        .zip(plan.schema().fields())
        .find(|(column, field)| {
            let place = groups.place(column);
            place.is_some_and(|place| place < groups.keys()) && is_compared(field.data_type())
        })
        .map(|(_, field)| field.name().clone())
        .ok_or_else(|| "no key of the groups is in the result".to_owned())
}

/// Whether values of a type are equal exactly where they fall into one group.
pub(super) fn is_compared(data_type: &DataType) -> bool {
    data_type.is_integer()
        || matches!(
            data_type,
            DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8
        )
}
