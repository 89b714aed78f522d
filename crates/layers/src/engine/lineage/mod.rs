//! From which partitions of each table do the rows of one output partition come?
//!
//! Walks a logical plan from the top with one expression in hand, the *key*: at the top an output
//! partition column, further down the same value in terms of the node's own columns. Where the key
//! arrives at a table scan as a function of the table's partition columns, the rows of an output
//! partition depend on no other partitions of that table. Every step below is right by the node's
//! meaning; what is not understood loses the key, with the reason in words.

mod columns;
mod expr;
mod join;

use std::collections::BTreeMap;

use arrow::datatypes::FieldRef;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{
    Aggregate, Distinct, DistinctOn, Expr, LogicalPlan, TableScan, Volatility, Window,
};

pub use columns::{Nearness, column_lineage};
pub use expr::{bare, column_at, substitute};
use expr::{covered, is_function};
use join::through_join;

/// The partition columns of each table, by the table's full name.
pub type PartitionColumns = BTreeMap<String, Vec<FieldRef>>;

/// How the rows of one output partition depend on one scan of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Dependence {
    /// The table's full name as the plan has it.
    pub table: String,
    /// On which of its rows.
    pub on: On,
}

/// On which rows of a table an output partition depends.
#[derive(Clone, Debug, PartialEq)]
pub enum On {
    /// On those partitions for which this expression over partition columns (without qualifiers)
    /// equals the output's partition value.
    Partitions(Expr),
    /// On all of them, and why no less can be shown.
    Everything(String),
}

/// The key on its way down, or why it was lost.
type Key = Result<Expr, String>;

/// How the rows with one value of output column `column` depend on every scan below `plan`.
///
/// # Panics
/// When the plan has no such column.
pub fn trace(plan: &LogicalPlan, column: usize, tables: &PartitionColumns) -> Vec<Dependence> {
    assert!(
        column < plan.schema().fields().len(),
        "the plan has the column"
    );
    let mut walk = Walk {
        tables,
        found: Vec::new(),
    };
    walk.down(plan, Ok(column_at(plan.schema(), column)));
    walk.found
}

/// The full names of all tables that a plan scans, subqueries included, each once.
pub fn scanned(plan: &LogicalPlan) -> Vec<String> {
    let mut names = Vec::new();
    let _ = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let name = scan.table_name.to_string();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    });
    names
}

/// Whether all rows of a plan come from tables: no branch of it makes rows of its own.
pub fn from_tables(plan: &LogicalPlan) -> bool {
    let mut all = true;
    let _ = plan.apply_with_subqueries(|node| {
        all &= !node.inputs().is_empty() || matches!(node, LogicalPlan::TableScan(_));
        Ok(TreeNodeRecursion::Continue)
    });
    all
}

/// A function in the plan whose value is not decided by its arguments, such as `now`.
pub fn undetermined_function(plan: &LogicalPlan) -> Option<String> {
    let mut found = None;
    let _ = plan.apply_with_subqueries(|node| {
        for expr in node.expressions() {
            let _ = expr.apply(|part| {
                if let Expr::ScalarFunction(function) = part
                    && function.func.signature().volatility != Volatility::Immutable
                {
                    found = Some(function.func.name().to_owned());
                    return Ok(TreeNodeRecursion::Stop);
                }
                Ok(TreeNodeRecursion::Continue)
            });
        }
        Ok(if found.is_some() {
            TreeNodeRecursion::Stop
        } else {
            TreeNodeRecursion::Continue
        })
    });
    found
}

struct Walk<'a> {
    tables: &'a PartitionColumns,
    found: Vec<Dependence>,
}

impl Walk<'_> {
    fn down(&mut self, plan: &LogicalPlan, key: Key) {
        self.subqueries(plan);
        if let LogicalPlan::TableScan(scan) = plan {
            self.scan(scan, key);
            return;
        }
        for (input, key) in steps(plan, &key) {
            self.down(input, key);
        }
    }

    /// What a node's expressions read by subqueries may be anything.
    fn subqueries(&mut self, plan: &LogicalPlan) {
        for expr in plan.expressions() {
            let mut below = Vec::new();
            let _ = expr.apply(|part| {
                match part {
                    Expr::ScalarSubquery(subquery) => below.push(subquery.subquery.clone()),
                    Expr::InSubquery(part) => below.push(part.subquery.subquery.clone()),
                    Expr::Exists(part) => below.push(part.subquery.subquery.clone()),
                    Expr::SetComparison(part) => below.push(part.subquery.subquery.clone()),
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            });
            for subquery in below {
                self.down(
                    &subquery,
                    Err("it is read in a subquery of an expression".to_owned()),
                );
            }
        }
    }

    fn scan(&mut self, scan: &TableScan, key: Key) {
        let table = scan.table_name.to_string();
        let on = match key {
            Err(why) => On::Everything(why),
            Ok(key) => self.at_scan(&table, scan, &key),
        };
        self.found.push(Dependence { table, on });
    }

    fn at_scan(&self, table: &str, scan: &TableScan, key: &Expr) -> On {
        let partitions = self.tables.get(table).map_or(&[][..], Vec::as_slice);
        let columns = key.column_refs();
        if columns.is_empty() {
            return On::Everything("the partition value is a constant".to_owned());
        }
        if let Some(column) = columns.iter().find(|column| {
            !partitions
                .iter()
                .any(|partition| *partition.name() == column.name)
        }) {
            return On::Everything(if partitions.is_empty() {
                "it has no partitions".to_owned()
            } else {
                format!("`{}` is not a partition column of it", column.name)
            });
        }
        if !is_function(key) {
            return On::Everything(format!("`{}` is not a pure function", key.human_display()));
        }
        let unqualified = substitute(key, &scan.projected_schema, &|index| {
            Some(Expr::Column(Column::new_unqualified(
                scan.projected_schema.field(index).name(),
            )))
        });
        match unqualified {
            Some(expr) => On::Partitions(expr),
            None => On::Everything(lost(key, "the scan")),
        }
    }
}

/// A node's inputs, each with the key in its terms.
fn steps<'a>(plan: &'a LogicalPlan, key: &Key) -> Vec<(&'a LogicalPlan, Key)> {
    let through = |step: &dyn Fn(&Expr) -> Key| key.as_ref().map_err(Clone::clone).and_then(step);
    // Columns stand at the same places in the input.
    let by_place = |schema: &DFSchema, input: &LogicalPlan, at: &str| {
        through(&|key| {
            substitute(key, schema, &|index| Some(column_at(input.schema(), index)))
                .ok_or_else(|| lost(key, at))
        })
    };
    let first_of_all = || through(&|_| Err("the first rows of all are taken (`limit`)".to_owned()));
    match plan {
        LogicalPlan::Projection(projection) => {
            let key = through(&|key| {
                substitute(key, &projection.schema, &|index| {
                    Some(bare(&projection.expr[index]))
                })
                .ok_or_else(|| lost(key, "a projection"))
            });
            vec![(&projection.input, key)]
        }
        LogicalPlan::SubqueryAlias(alias) => {
            vec![(
                &alias.input,
                by_place(&alias.schema, &alias.input, "an alias"),
            )]
        }
        LogicalPlan::Filter(filter) => vec![(&filter.input, key.clone())],
        LogicalPlan::Repartition(repartition) => vec![(&repartition.input, key.clone())],
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => vec![(&sort.input, key.clone())],
        LogicalPlan::Sort(sort) => vec![(&sort.input, first_of_all())],
        LogicalPlan::Limit(limit) => vec![(&limit.input, first_of_all())],
        LogicalPlan::Aggregate(aggregate) => {
            vec![(
                &aggregate.input,
                through(&|key| through_aggregate(aggregate, key)),
            )]
        }
        LogicalPlan::Window(window) => {
            vec![(&window.input, through(&|key| through_window(window, key)))]
        }
        LogicalPlan::Join(join) => {
            let (left, right) = match key {
                Ok(key) => through_join(join, key),
                Err(why) => (Err(why.clone()), Err(why.clone())),
            };
            vec![(&join.left, left), (&join.right, right)]
        }
        LogicalPlan::Union(union) => union
            .inputs
            .iter()
            .map(|input| (input.as_ref(), by_place(&union.schema, input, "a union")))
            .collect(),
        LogicalPlan::Distinct(Distinct::All(input)) => {
            vec![(input, by_place(input.schema(), input, "a distinct"))]
        }
        LogicalPlan::Distinct(Distinct::On(distinct)) => {
            vec![(
                &distinct.input,
                through(&|key| through_distinct_on(distinct, key)),
            )]
        }
        other => {
            let why = format!("it lies below {}, which is not traced", name_of(other));
            other
                .inputs()
                .into_iter()
                .map(|input| (input, through(&|_| Err(why.clone()))))
                .collect()
        }
    }
}

/// The key in terms of the aggregate's input, when it is made of group keys alone.
fn through_aggregate(aggregate: &Aggregate, key: &Expr) -> Key {
    if aggregate
        .group_expr
        .iter()
        .any(|expr| matches!(expr, Expr::GroupingSet(_)))
    {
        return Err("grouping sets are not traced".to_owned());
    }
    substitute(key, &aggregate.schema, &|index| {
        aggregate.group_expr.get(index).map(bare)
    })
    .ok_or_else(|| format!("`{}` is not a group key", key.human_display()))
}

/// The key in terms of the window's input, when every window function looks at rows of one key alone.
fn through_window(window: &Window, key: &Expr) -> Key {
    let input = window.input.schema();
    let width = input.fields().len();
    let key = substitute(key, &window.schema, &|index| {
        (index < width).then(|| column_at(input, index))
    })
    .ok_or_else(|| format!("`{}` is computed by a window function", key.human_display()))?;
    for expr in &window.window_expr {
        let Some(partition_by) = window_partition(expr) else {
            return Err(lost(&key, "a window function"));
        };
        if !covered(&key, partition_by) {
            return Err(format!(
                "the window of `{}` is not partitioned by `{}`",
                window_name(expr),
                key.human_display()
            ));
        }
    }
    Ok(key)
}

/// The key in terms of the input of `distinct on`, when it is made of what the rows are distinct on.
fn through_distinct_on(distinct: &DistinctOn, key: &Expr) -> Key {
    let inner = substitute(key, &distinct.schema, &|index| {
        Some(bare(&distinct.select_expr[index]))
    })
    .ok_or_else(|| lost(key, "a distinct"))?;
    if covered(&inner, &distinct.on_expr) {
        Ok(inner)
    } else {
        Err(format!(
            "`distinct on` is not over `{}`",
            key.human_display()
        ))
    }
}

/// The `partition by` of a window expression.
pub fn window_partition(expr: &Expr) -> Option<&[Expr]> {
    match expr {
        Expr::Alias(alias) => window_partition(&alias.expr),
        Expr::WindowFunction(function) => Some(&function.params.partition_by),
        _ => None,
    }
}

fn window_name(expr: &Expr) -> String {
    match expr {
        Expr::Alias(alias) => window_name(&alias.expr),
        Expr::WindowFunction(function) => function.fun.name().to_owned(),
        other => other.human_display().to_string(),
    }
}

fn lost(key: &Expr, at: &str) -> String {
    format!("`{}` cannot be followed through {at}", key.human_display())
}

fn name_of(plan: &LogicalPlan) -> &'static str {
    match plan {
        LogicalPlan::Unnest(_) => "an unnest",
        LogicalPlan::RecursiveQuery(_) => "a recursive query",
        LogicalPlan::Extension(_) => "an extension",
        LogicalPlan::Subquery(_) => "a subquery",
        _ => "a statement",
    }
}
