//! From which columns of which tables does each column of a query come?
//!
//! Three kinds are kept apart: a column handed on as it is, a column that a value is computed
//! from, and a column that decides which rows there are (a filter, a join, a group key), which
//! concerns every column of the query.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::logical_expr::{Aggregate, Distinct, Expr, Join, JoinType, LogicalPlan, Subquery};

use super::expr::bare;

/// A column of a table: the table's full name as the plan has it, and the column's name.
pub type TableColumn = (String, String);

/// How a value comes from a column. The first of two is the closer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nearness {
    /// It is the column's value.
    Direct,
    /// It is computed from it.
    Derived,
}

/// The columns that one column comes from.
pub type Origins = BTreeMap<TableColumn, Nearness>;

/// Where the columns of a query come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnLineage {
    /// For each column of the query, in order.
    pub columns: Vec<Origins>,
    /// The columns that decide which rows there are, or how they are grouped.
    pub influence: BTreeSet<TableColumn>,
}

/// Where the columns of `plan`, which need not be optimized, come from.
pub fn column_lineage(plan: &LogicalPlan) -> ColumnLineage {
    let width = plan.schema().fields().len();
    let mut found = of_node(plan);
    // A node whose columns were counted otherwise must not shift what stands beside it.
    found.columns.resize(width, Origins::new());
    found
}

fn of_node(plan: &LogicalPlan) -> ColumnLineage {
    match plan {
        LogicalPlan::TableScan(scan) => ColumnLineage {
            columns: scan
                .projected_schema
                .fields()
                .iter()
                .map(|field| {
                    let column = (scan.table_name.to_string(), field.name().clone());
                    Origins::from([(column, Nearness::Direct)])
                })
                .collect(),
            influence: BTreeSet::new(),
        },
        LogicalPlan::Projection(projection) => {
            let mut input = Input::new(&projection.input);
            let columns = projection.expr.iter().map(|expr| input.of(expr)).collect();
            input.giving(columns)
        }
        LogicalPlan::Filter(filter) => {
            let mut input = Input::new(&filter.input);
            input.influenced_by([&filter.predicate]);
            input.lineage
        }
        LogicalPlan::Sort(sort) => {
            let mut input = Input::new(&sort.input);
            if sort.fetch.is_some() {
                input.influenced_by(sort.expr.iter().map(|by| &by.expr));
            }
            input.lineage
        }
        LogicalPlan::Limit(limit) => {
            let mut found = column_lineage(&limit.input);
            found.influence.extend(order_of(&limit.input));
            found
        }
        LogicalPlan::Aggregate(aggregate) => of_aggregate(aggregate),
        LogicalPlan::Window(window) => {
            let mut input = Input::new(&window.input);
            let mut columns = input.lineage.columns.clone();
            columns.extend(window.window_expr.iter().map(|expr| input.of(expr)));
            input.giving(columns)
        }
        LogicalPlan::Join(join) => of_join(join),
        LogicalPlan::Distinct(Distinct::On(distinct)) => {
            let mut input = Input::new(&distinct.input);
            input.influenced_by(&distinct.on_expr);
            input.influenced_by(distinct.sort_expr.iter().flatten().map(|by| &by.expr));
            let columns = distinct.select_expr.iter().map(|e| input.of(e)).collect();
            input.giving(columns)
        }
        LogicalPlan::Union(union) => union
            .inputs
            .iter()
            .map(|input| column_lineage(input))
            .reduce(merged)
            .unwrap_or_default(),
        LogicalPlan::RecursiveQuery(query) => {
            let mut both = merged(
                column_lineage(&query.static_term),
                column_lineage(&query.recursive_term),
            );
            // What it reads of itself came from one of its two terms.
            for column in &mut both.columns {
                column.retain(|(table, _), _| *table != query.name);
            }
            both.influence.retain(|(table, _)| *table != query.name);
            both
        }
        LogicalPlan::Unnest(unnest) => {
            let input = column_lineage(&unnest.input);
            let opened = |index: usize| {
                unnest.struct_type_columns.contains(&index)
                    || unnest
                        .list_type_columns
                        .iter()
                        .any(|(list, _)| *list == index)
            };
            let columns = unnest
                .dependency_indices
                .iter()
                .map(|&index| {
                    let origins = input.columns.get(index).cloned().unwrap_or_default();
                    if opened(index) {
                        derived(origins)
                    } else {
                        origins
                    }
                })
                .collect();
            ColumnLineage { columns, ..input }
        }
        LogicalPlan::SubqueryAlias(alias) => column_lineage(&alias.input),
        LogicalPlan::Distinct(Distinct::All(input)) => column_lineage(input),
        LogicalPlan::Repartition(repartition) => column_lineage(&repartition.input),
        other => of_unknown(other),
    }
}

fn of_aggregate(aggregate: &Aggregate) -> ColumnLineage {
    let mut input = Input::new(&aggregate.input);
    let keys = grouping_set_to_exprlist(&aggregate.group_expr).unwrap_or_default();
    let mut columns: Vec<Origins> = keys.iter().map(|key| input.of(key)).collect();
    input.influenced_by(keys);
    // Grouping sets have one more column, their number, before the aggregates.
    let before = aggregate.schema.fields().len() - aggregate.aggr_expr.len();
    columns.resize(before, Origins::new());
    columns.extend(aggregate.aggr_expr.iter().map(|expr| input.of(expr)));
    input.giving(columns)
}

fn of_join(join: &Join) -> ColumnLineage {
    let mut left = Input::new(&join.left);
    let mut right = Input::new(&join.right);
    for (of_left, of_right) in &join.on {
        left.influenced_by([of_left]);
        right.influenced_by([of_right]);
    }
    if let Some(filter) = &join.filter {
        // Each side knows its own columns.
        left.influenced_by([filter]);
        right.influenced_by([filter]);
    }
    let mut influence = left.lineage.influence;
    influence.extend(right.lineage.influence);
    let (left, right) = (left.lineage.columns, right.lineage.columns);
    let columns = match join.join_type {
        JoinType::LeftSemi | JoinType::LeftAnti => left,
        JoinType::RightSemi | JoinType::RightAnti => right,
        JoinType::LeftMark => [left, vec![Origins::new()]].concat(),
        JoinType::RightMark => [right, vec![Origins::new()]].concat(),
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
            [left, right].concat()
        }
    };
    ColumnLineage { columns, influence }
}

/// The columns that the rows of `plan` are sorted by: the first rows of it are a choice by them.
fn order_of(plan: &LogicalPlan) -> BTreeSet<TableColumn> {
    match plan {
        LogicalPlan::Sort(sort) => {
            let mut input = Input::new(&sort.input);
            input.influenced_by(sort.expr.iter().map(|by| &by.expr));
            input.lineage.influence
        }
        LogicalPlan::Projection(projection) => order_of(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => order_of(&alias.input),
        _ => BTreeSet::new(),
    }
}

/// A node whose meaning is not known here: every column may be computed from everything below.
fn of_unknown(plan: &LogicalPlan) -> ColumnLineage {
    let mut all = Origins::new();
    let mut influence = BTreeSet::new();
    for input in plan.inputs() {
        let below = column_lineage(input);
        for origins in below.columns {
            all.extend(derived(origins));
        }
        influence.extend(below.influence);
    }
    ColumnLineage {
        columns: vec![all; plan.schema().fields().len()],
        influence,
    }
}

/// A node's input while the node's expressions are looked up in it.
struct Input<'a> {
    schema: &'a DFSchema,
    lineage: ColumnLineage,
}

impl<'a> Input<'a> {
    fn new(plan: &'a LogicalPlan) -> Self {
        Self {
            schema: plan.schema(),
            lineage: column_lineage(plan),
        }
    }

    fn giving(self, columns: Vec<Origins>) -> ColumnLineage {
        ColumnLineage {
            columns,
            influence: self.lineage.influence,
        }
    }

    fn influenced_by<'e>(&mut self, exprs: impl IntoIterator<Item = &'e Expr>) {
        for expr in exprs {
            let origins = self.of(expr);
            self.lineage.influence.extend(origins.into_keys());
        }
    }

    /// Where the value of an expression comes from.
    fn of(&mut self, expr: &Expr) -> Origins {
        if let Expr::Column(column) = bare(expr) {
            return self.column(&column);
        }
        let mut found = Origins::new();
        let _ = expr.apply(|part| {
            match part {
                Expr::Column(column) => found.extend(derived(self.column(column))),
                Expr::ScalarSubquery(subquery) => self.subquery(subquery, &mut found),
                Expr::InSubquery(part) => self.subquery(&part.subquery, &mut found),
                Expr::Exists(part) => self.subquery(&part.subquery, &mut found),
                Expr::SetComparison(part) => self.subquery(&part.subquery, &mut found),
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        });
        found
    }

    fn subquery(&mut self, subquery: &Subquery, found: &mut Origins) {
        let below = column_lineage(&subquery.subquery);
        found.extend(below.columns.into_iter().flat_map(derived));
        self.lineage.influence.extend(below.influence);
        for outer in &subquery.outer_ref_columns {
            if let Expr::OuterReferenceColumn(_, column) = outer {
                let origins = self.column(column);
                self.lineage.influence.extend(origins.into_keys());
            }
        }
    }

    fn column(&self, column: &Column) -> Origins {
        self.schema
            .maybe_index_of_column(column)
            .and_then(|index| self.lineage.columns.get(index).cloned())
            .unwrap_or_default()
    }
}

fn derived(origins: Origins) -> Origins {
    origins
        .into_keys()
        .map(|column| (column, Nearness::Derived))
        .collect()
}

/// The rows of both, column by column; what is direct in one of them is direct.
fn merged(mut one: ColumnLineage, other: ColumnLineage) -> ColumnLineage {
    for (column, origins) in one.columns.iter_mut().zip(other.columns) {
        for (origin, nearness) in origins {
            column
                .entry(origin)
                .and_modify(|known| *known = (*known).min(nearness))
                .or_insert(nearness);
        }
    }
    one.influence.extend(other.influence);
    one
}

#[cfg(test)]
mod tests;
