//! Constraints of a contract that is enforced: every row that comes is held against them, or nothing is committed.

use std::fmt::Write as _;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;

use super::plan::said;
use crate::diagnostics::Diagnostic;
use crate::manifest::{Constraint, ConstraintKind, Node, quoted};
use crate::{Error, Result};

/// What must not be true of a row.
#[derive(Debug)]
struct Fault<'a> {
    constraint: &'a Constraint,
    /// As SQL.
    sql: String,
    /// In words, before the number of rows.
    told: String,
}

/// The faults that the node's constraints forbid.
fn faults(node: &Node) -> Vec<Fault<'_>> {
    let mut found = Vec::new();
    for constraint in node.enforced_constraints() {
        if constraint.kind == ConstraintKind::NotNull {
            found.extend(constraint.columns().map(|column| Fault {
                constraint,
                sql: format!("{} is null", quoted(column)),
                told: format!("`{column}` is null (not_null) in"),
            }));
        } else if let Some(expression) = &constraint.expression {
            let name = constraint.name.as_ref();
            let condition = format!("`{expression}`");
            let name = match name {
                Some(name) => format!("`{name}` ({condition})"),
                None => condition,
            };
            found.push(Fault {
                constraint,
                // What cannot be told holds, as in every database.
                sql: format!("not (\n{expression}\n)"),
                told: format!("the check {name} does not hold in"),
            });
        }
    }
    found
}

/// How many rows the node's relation has, and how many with each fault.
fn sql(node: &Node, faults: &[Fault<'_>]) -> String {
    let relation = node.relation.as_ref().expect("a model has a relation");
    let mut counts = String::new();
    for fault in faults {
        let _ = write!(counts, ", count(*) filter (where {})", fault.sql);
    }
    format!("select count(*){counts} from {relation}")
}

/// Whether the constraints can be checked over the node's relation in this session, said before anything is written.
pub async fn check(session: &SessionContext, node: &Node) -> Result<()> {
    for fault in faults(node) {
        let wrong = |message: String| {
            let message = format!("{}: {message}", node.name);
            Diagnostic::new(message).at(fault.constraint.place.clone())
        };
        let one = sql(node, std::slice::from_ref(&fault));
        if let Err(error) = planned(session, &one).await {
            let (message, help) = said(session, &error);
            let condition = fault.constraint.expression.as_deref().unwrap_or(&fault.sql);
            let mut diagnostic = wrong(format!("the constraint `{condition}`: {message}"));
            diagnostic.help = help;
            return Err(diagnostic.into());
        }
    }
    Ok(())
}

async fn planned(
    session: &SessionContext,
    sql: &str,
) -> Result<LogicalPlan, datafusion::error::DataFusionError> {
    let plan = session.state().create_logical_plan(sql).await?;
    session.state().optimize(&plan)
}

/// Whether no row of the node's relation in this session has a fault.
pub async fn hold(session: &SessionContext, node: &Node) -> Result<()> {
    let faults = faults(node);
    let failed = || Error::engine(format!("check the constraints of {}", node.name));
    let frame = session.sql(&sql(node, &faults)).await.map_err(failed())?;
    let counted = frame.collect().await.map_err(failed())?;
    let counts: Vec<i64> = counted
        .iter()
        .filter(|batch| batch.num_rows() > 0)
        .flat_map(RecordBatch::columns)
        .map(|column| column.as_primitive::<Int64Type>().value(0))
        .collect();
    let rows = counts.first().copied().unwrap_or_default();
    let broken = faults.iter().zip(counts.iter().skip(1));
    let broken = broken.filter(|(_, count)| **count > 0);
    Error::collected(
        broken
            .map(|(fault, count)| told(node, fault, *count, rows).into())
            .collect(),
    )
}

fn told(node: &Node, fault: &Fault<'_>, count: i64, rows: i64) -> Diagnostic {
    let message = format!(
        "{} breaks its contract: {} {count} of the {rows} rows that come; nothing is committed",
        node.name, fault.told
    );
    Diagnostic::new(message)
        .at(fault.constraint.place.clone())
        .help(
            "leave such rows out in the `select`, mend what it reads, or take the constraint away",
        )
}

/// Whether the node has constraints that are checked.
pub fn any(node: &Node) -> bool {
    node.enforced_constraints().next().is_some()
}
