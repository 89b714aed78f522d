//! Which way is safe to bring a table up to date: decided from its plan and from what changed.
//!
//! [`Shape::of`] reads the plan once; [`Shape::choose`] then decides, for the changes at hand. Both
//! are pure. Whatever cannot be shown safe is built in full, with the reason in words.

use arrow::datatypes::DataType;
use datafusion::common::{Column, JoinType, ScalarValue};
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator, WindowFunctionDefinition};

use super::lineage::{self, Dependence, On, PartitionColumns, bare, column_at, substitute};

/// What a model's plan allows.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Every table that the plan reads, each once.
    pub tables: Vec<String>,
    /// For each output partition column: how its values depend on each scan.
    pub partitions: Vec<(String, Vec<Dependence>)>,
    /// Days that an output partition may draw on before and after its own (`meta.reach`).
    pub reach: i32,
    /// The tables that may be read by their new files alone (the others being unchanged), or why
    /// none may.
    pub row_wise: Result<RowWise, String>,
    /// For "one row per key": the output columns that hold the key, or why it is none.
    pub one_per_key: Result<Vec<String>, String>,
    /// A function that gives another value at another time.
    pub clock: Option<String>,
}

/// A plan whose result for added rows can be added to what is there.
#[derive(Clone, Debug, PartialEq)]
pub struct RowWise {
    /// Tables of which added rows give added rows.
    pub linear: Vec<String>,
    /// Tables that are looked up: unchanged, they are read in full.
    pub looked_up: Vec<String>,
}

/// What changed in one upstream table since it was last read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The table's full name.
    pub table: String,
    /// What.
    pub kind: ChangeKind,
}

/// What changed in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// Nothing.
    None,
    /// Files came; none went.
    Added,
    /// Files went, and others may have come.
    Removed,
    /// It cannot be told.
    Unknown(String),
}

/// How a table is brought up to date.
#[derive(Clone, Debug, PartialEq)]
pub enum Way {
    /// It is as it should be.
    Unchanged,
    /// The query over the added files; its rows are added.
    Append,
    /// The query over the added files; rows whose key is not there yet are added.
    AppendNewKeys {
        /// The output columns that make the key.
        keys: Vec<String>,
        /// The way for partitions where a new row contradicts one that is there.
        otherwise: Replace,
    },
    /// The touched output partitions are computed anew.
    Replace(Replace),
    /// Everything is computed anew.
    Full {
        /// Why nothing less will do.
        why: String,
    },
}

/// What it takes to compute some output partitions.
#[derive(Clone, Debug, PartialEq)]
pub struct Replace {
    /// The output partition column.
    pub column: String,
    /// For each table that can be read in part: the output's value as an expression over the
    /// table's partition columns. Several when the plan scans the table several times.
    pub restricted: Vec<(String, Vec<Expr>)>,
    /// Days to both sides that partitions draw on.
    pub reach: i32,
}

impl Shape {
    /// Read a model's plan. `output_partitions` are the output's partition columns.
    ///
    /// # Panics
    /// When the plan has no column of that name.
    pub fn of(
        plan: &LogicalPlan,
        output_partitions: &[String],
        tables: &PartitionColumns,
        reach: i32,
    ) -> Self {
        let partitions = output_partitions
            .iter()
            .map(|name| {
                let index = plan
                    .schema()
                    .fields()
                    .iter()
                    .position(|field| field.name() == name)
                    .expect("the partition columns were checked when the model was planned");
                let mut found = lineage::trace(plan, index, tables);
                if reach > 0 {
                    declare_reach(&mut found, tables);
                }
                (name.clone(), found)
            })
            .collect();
        Self {
            tables: lineage::scanned(plan),
            partitions,
            reach,
            row_wise: row_wise(plan),
            one_per_key: one_per_key(plan),
            clock: lineage::undetermined_function(plan),
        }
    }

    /// The tables that rows come from one by one, when the plan is of that kind (below the row
    /// number, for one row per key).
    pub fn row_wise_tables(&self) -> &[String] {
        match &self.row_wise {
            Ok(row_wise) => &row_wise.linear,
            Err(_) if self.one_per_key.is_ok() => &self.tables,
            Err(_) => &[],
        }
    }

    /// The way for these changes: one entry for every table of [`Shape::tables`].
    pub fn choose(&self, changes: &[Change]) -> Way {
        if let Some(function) = &self.clock {
            return Way::Full {
                why: format!(
                    "`{function}()` gives another value at another time, so all rows may differ"
                ),
            };
        }
        let moved: Vec<&Change> = changes
            .iter()
            .filter(|change| change.kind != ChangeKind::None)
            .collect();
        if moved.is_empty() {
            return Way::Unchanged;
        }
        for change in &moved {
            if let ChangeKind::Unknown(why) = &change.kind {
                return Way::Full {
                    why: format!(
                        "what changed in {} cannot be told: {why}",
                        short(&change.table)
                    ),
                };
            }
        }
        let only_added = moved.iter().all(|change| change.kind == ChangeKind::Added);
        if only_added
            && let Ok(row_wise) = &self.row_wise
            && moved
                .iter()
                .all(|change| row_wise.linear.contains(&change.table))
        {
            return Way::Append;
        }
        match self.replace(&moved) {
            Ok(replace) => match &self.one_per_key {
                Ok(keys) if only_added => Way::AppendNewKeys {
                    keys: keys.clone(),
                    otherwise: replace,
                },
                _ => Way::Replace(replace),
            },
            Err(why) => Way::Full { why },
        }
    }

    /// The first output partition column by which every changed table can be read in part.
    fn replace(&self, changed: &[&Change]) -> Result<Replace, String> {
        let mut first_reason = None;
        for (column, dependences) in &self.partitions {
            let everything = dependences
                .iter()
                .find_map(|dependence| match &dependence.on {
                    On::Everything(why)
                        if changed
                            .iter()
                            .any(|change| change.table == dependence.table) =>
                    {
                        Some(format!(
                            "a partition of the table may draw on all of {}: {why}",
                            short(&dependence.table)
                        ))
                    }
                    _ => None,
                });
            match everything {
                Some(why) => first_reason = first_reason.or(Some(why)),
                None => {
                    return Ok(Replace {
                        column: column.clone(),
                        restricted: restricted(dependences),
                        reach: self.reach,
                    });
                }
            }
        }
        Err(first_reason
            .unwrap_or_else(|| "the table has no partitions (`partition_by`)".to_owned()))
    }

    /// The way in words, without regard to what changed: what `state explain` says of a model.
    pub fn describe(&self) -> String {
        if let Some(function) = &self.clock {
            return format!("full, since `{function}()` gives another value at another time");
        }
        let all: Vec<Change> = self
            .tables
            .iter()
            .map(|table| Change {
                table: table.clone(),
                kind: ChangeKind::Added,
            })
            .collect();
        match self.choose(&all) {
            Way::Unchanged => "it reads no table, so it never changes".to_owned(),
            Way::Append => "append: every row comes from one new row".to_owned(),
            Way::AppendNewKeys { keys, .. } => {
                format!("append new keys: one row per ({})", keys.join(", "))
            }
            Way::Replace(replace) if replace.reach > 0 => format!(
                "replace the touched partitions by `{}`, and {} day(s) to both sides (`meta.reach`)",
                replace.column, replace.reach
            ),
            Way::Replace(replace) => {
                format!("replace the touched partitions by `{}`", replace.column)
            }
            Way::Full { why } => format!("full, since {why}"),
        }
    }
}

/// The tables all of whose scans can be read in part.
fn restricted(dependences: &[Dependence]) -> Vec<(String, Vec<Expr>)> {
    let mut found: Vec<(String, Option<Vec<Expr>>)> = Vec::new();
    for dependence in dependences {
        let at = found
            .iter()
            .position(|(table, _)| *table == dependence.table)
            .unwrap_or_else(|| {
                found.push((dependence.table.clone(), Some(Vec::new())));
                found.len() - 1
            });
        match (&dependence.on, &mut found[at].1) {
            (On::Partitions(expr), Some(exprs)) => {
                if !exprs.contains(expr) {
                    exprs.push(expr.clone());
                }
            }
            (On::Everything(_), slot) => *slot = None,
            (On::Partitions(_), None) => {}
        }
    }
    found
        .into_iter()
        .filter_map(|(table, exprs)| Some((table, exprs?)))
        .collect()
}

/// `meta.reach` declares that an output day draws on input days at most so far away: where the
/// plan alone does not show which input partition a row comes from, it is the same day's.
fn declare_reach(dependences: &mut [Dependence], tables: &PartitionColumns) {
    for dependence in dependences {
        if let On::Everything(_) = dependence.on
            && let Some([column]) = tables.get(&dependence.table).map(Vec::as_slice)
            && *column.data_type() == DataType::Date32
        {
            dependence.on = On::Partitions(Expr::Column(Column::new_unqualified(column.name())));
        }
    }
}

/// Whether each row of the result comes from one row of one table (and rows looked up for it).
fn row_wise(plan: &LogicalPlan) -> Result<RowWise, String> {
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

/// The key columns of `select … from (select …, row_number() over (partition by K order by …) as n
/// from <row-wise>) where n = 1`, when the result holds all of K.
fn one_per_key(plan: &LogicalPlan) -> Result<Vec<String>, String> {
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

fn has_subquery(expr: &Expr) -> bool {
    expr_exists(expr, |part| {
        matches!(
            part,
            Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
                | Expr::SetComparison(_)
        )
    })
}

fn expr_exists(expr: &Expr, test: impl Fn(&Expr) -> bool) -> bool {
    use datafusion::common::tree_node::TreeNode;
    expr.exists(|part| Ok(test(part))).unwrap_or(true)
}

/// `silver.fct_listens` of `lake.silver.fct_listens`.
pub fn short(table: &str) -> String {
    let mut parts: Vec<&str> = table.rsplitn(3, '.').take(2).collect();
    parts.reverse();
    parts.join(".")
}

#[cfg(test)]
mod tests;
