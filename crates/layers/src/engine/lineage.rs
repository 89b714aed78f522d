//! From which partitions of each table do the rows of one output partition come?
//!
//! Walks a logical plan from the top with one expression in hand, the *key*: at the top an output
//! partition column, further down the same value in terms of the node's own columns. Where the key
//! arrives at a table scan as a function of the table's partition columns, the rows of an output
//! partition depend on no other partitions of that table. Every step below is right by the node's
//! meaning; what is not understood loses the key, with the reason in words.

use std::collections::BTreeMap;

use arrow::datatypes::FieldRef;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, JoinType};
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Distinct, Expr, ExprSchemable, Join, LogicalPlan, Operator, TableScan,
    Volatility,
};

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
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan, key),
            LogicalPlan::Projection(projection) => {
                let key = key.and_then(|key| {
                    substitute(&key, &projection.schema, &|index| {
                        Some(bare(&projection.expr[index]))
                    })
                    .ok_or_else(|| lost(&key, "a projection"))
                });
                self.down(&projection.input, key);
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let input = &alias.input;
                let key = key.and_then(|key| {
                    substitute(&key, &alias.schema, &|index| {
                        Some(column_at(input.schema(), index))
                    })
                    .ok_or_else(|| lost(&key, "an alias"))
                });
                self.down(input, key);
            }
            LogicalPlan::Filter(filter) => self.down(&filter.input, key),
            LogicalPlan::Repartition(repartition) => self.down(&repartition.input, key),
            LogicalPlan::Sort(sort) => {
                let key = match sort.fetch {
                    None => key,
                    Some(_) => key.and(Err("the first rows of all are taken (`limit`)".to_owned())),
                };
                self.down(&sort.input, key);
            }
            LogicalPlan::Limit(limit) => {
                self.down(
                    &limit.input,
                    key.and(Err("the first rows of all are taken (`limit`)".to_owned())),
                );
            }
            LogicalPlan::Aggregate(aggregate) => {
                let key = key.and_then(|key| through_aggregate(aggregate, &key));
                self.down(&aggregate.input, key);
            }
            LogicalPlan::Window(window) => {
                let width = window.input.schema().fields().len();
                let key = key.and_then(|key| {
                    let key = substitute(&key, &window.schema, &|index| {
                        (index < width).then(|| column_at(window.input.schema(), index))
                    })
                    .ok_or_else(|| {
                        format!("`{}` is computed by a window function", key.human_display())
                    })?;
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
                });
                self.down(&window.input, key);
            }
            LogicalPlan::Join(join) => {
                let (left, right) = match key {
                    Ok(key) => through_join(join, &key),
                    Err(why) => (Err(why.clone()), Err(why)),
                };
                self.down(&join.left, left);
                self.down(&join.right, right);
            }
            LogicalPlan::Union(union) => {
                for input in &union.inputs {
                    let key = key.clone().and_then(|key| {
                        substitute(&key, &union.schema, &|index| {
                            Some(column_at(input.schema(), index))
                        })
                        .ok_or_else(|| lost(&key, "a union"))
                    });
                    self.down(input, key);
                }
            }
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let key = key.and_then(|key| {
                    substitute(&key, input.schema(), &|index| {
                        Some(column_at(input.schema(), index))
                    })
                    .ok_or_else(|| lost(&key, "a distinct"))
                });
                self.down(input, key);
            }
            LogicalPlan::Distinct(Distinct::On(distinct)) => {
                let key = key.and_then(|key| {
                    let inner = substitute(&key, &distinct.schema, &|index| {
                        Some(bare(&distinct.select_expr[index]))
                    })
                    .ok_or_else(|| lost(&key, "a distinct"))?;
                    if covered(&inner, &distinct.on_expr) {
                        Ok(inner)
                    } else {
                        Err(format!(
                            "`distinct on` is not over `{}`",
                            key.human_display()
                        ))
                    }
                });
                self.down(&distinct.input, key);
            }
            other => {
                let why = format!("it lies below {}, which is not traced", name_of(other));
                for input in other.inputs() {
                    self.down(input, key.clone().and(Err(why.clone())));
                }
            }
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

/// The key in terms of each side of a join.
///
/// A row of the join is one row of each side (or of one, and the absence of matches in the other).
/// The side that the key names is traced as it is; the other side by the join's equalities: its
/// rows that can match have the same key.
fn through_join(join: &Join, key: &Expr) -> (Key, Key) {
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

/// Whether the expression's value is decided by the values of `by` alone.
fn covered(expr: &Expr, by: &[Expr]) -> bool {
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
fn is_function(expr: &Expr) -> bool {
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
                    match schema.maybe_index_of_column(column).and_then(replacement) {
                        Some(new) => Transformed::new(new, true, TreeNodeRecursion::Jump),
                        None => {
                            whole = false;
                            Transformed::new(part, false, TreeNodeRecursion::Stop)
                        }
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
fn qualify(expr: &Expr, schema: &DFSchema) -> Option<Expr> {
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
