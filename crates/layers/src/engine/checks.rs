//! Tests: queries for rows that must not exist.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::util::pretty::pretty_format_batches;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use goldrecord_lake::Lake;

use super::failures::{Failures, Kept};
use super::{plan, reads};

use crate::manifest::{Node, Severity};
use crate::reporter::Status;
use crate::{Error, Result};

/// How many failing rows are shown.
const SHOWN: usize = 10;

/// What a test found.
#[derive(Debug)]
pub struct Verdict {
    /// Pass, warn or fail.
    pub status: Status,
    /// The failures, as the test counts them.
    pub failures: u64,
    /// The first failing rows as a printed table.
    pub rows: Option<String>,
    /// Its failing rows for the table that keeps them, where the test has one.
    pub kept: Option<Kept>,
}

/// Run a test's query over the session's relations. Failing rows that are kept are written to `lake`.
pub async fn run(session: &SessionContext, test: &Node, lake: &Lake) -> Result<Verdict> {
    let plan = limited(session, test).await?;
    let schema = Arc::new(plan.schema().as_arrow().clone());
    let mut failures = Failures::open(lake, test, &schema).await?;
    let found = found(session, test, plan, failures.as_mut()).await;
    let verdict = match found {
        Ok((count, rows)) => judged(session, test, count, &rows).await,
        Err(error) => Err(error),
    };
    match (verdict, failures) {
        (Ok(verdict), Some(failures)) => Ok(Verdict {
            kept: Some(failures.finish().await?),
            ..verdict
        }),
        (verdict, None) => verdict,
        (Err(error), Some(failures)) => {
            failures.abort().await?;
            Err(error)
        }
    }
}

/// The test's query with its limit; of columns that a table can hold, where its rows are kept.
async fn limited(session: &SessionContext, test: &Node) -> Result<LogicalPlan> {
    let mut logical = plan::logical(session, test, sql_of(test)).await?;
    if let Some(limit) = test.config.limit {
        logical = LogicalPlanBuilder::from(logical)
            .limit(0, Some(limit as usize))
            .and_then(LogicalPlanBuilder::build)
            .map_err(Error::engine(format!("run test {}", test.name)))?;
    }
    if test.relation.is_none() {
        return Ok(logical);
    }
    plan::storable_with(test, logical, Some(&DataType::Utf8))
}

/// How many rows there are, and the first of them.
async fn found(
    session: &SessionContext,
    test: &Node,
    plan: LogicalPlan,
    mut failures: Option<&mut Failures>,
) -> Result<(u64, Vec<RecordBatch>)> {
    let failed = || Error::engine(format!("run test {}", test.name));
    let schema = Arc::new(plan.schema().as_arrow().clone());
    let frame = session.execute_logical_plan(plan).await.map_err(failed())?;
    let physical = frame.create_physical_plan().await.map_err(failed())?;
    let mut stream = execute_stream(Arc::clone(&physical), session.task_ctx()).map_err(failed())?;
    let mut count: u64 = 0;
    let mut first: Vec<RecordBatch> = Vec::new();
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(failed())?;
        let room = SHOWN.saturating_sub(count as usize);
        if room > 0 && batch.num_rows() > 0 {
            first.push(batch.slice(0, room.min(batch.num_rows())));
        }
        count += batch.num_rows() as u64;
        if let Some(failures) = &mut failures {
            // Columns that are never null in the query may be so in the table.
            let batch = RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec())
                .map_err(|error| failed()(error.into()))?;
            failures.push(batch).await?;
        }
    }
    let (rows, bytes) = reads::of(physical.as_ref());
    tracing::debug!(test = test.name, rows, bytes, "read");
    Ok((count, first))
}

/// What so many rows mean.
async fn judged(
    session: &SessionContext,
    test: &Node,
    count: u64,
    first: &[RecordBatch],
) -> Result<Verdict> {
    let failures = if test.config.fail_calc.trim() == "count(*)" {
        count
    } else {
        calculated(session, test).await?
    };
    let status = judge(test, failures);
    let rows = if status == Status::Pass || first.is_empty() {
        None
    } else {
        let table = pretty_format_batches(first).map_err(|error| {
            Error::engine(format!("print the rows of {}", test.name))(error.into())
        })?;
        Some(table.to_string())
    };
    Ok(Verdict {
        status,
        failures,
        rows,
        kept: None,
    })
}

fn sql_of(test: &Node) -> &str {
    test.compiled_code.as_deref().unwrap_or_default()
}

/// The failures by the test's own `fail_calc`.
async fn calculated(session: &SessionContext, test: &Node) -> Result<u64> {
    let failed = || Error::engine(format!("run test {}", test.name));
    let sql = sql_of(test);
    let limit = test.config.limit;
    let limit = limit.map_or_else(String::new, |limit| format!(" limit {limit}"));
    // The limit stands before the calculation.
    let sql = format!(
        "select {} from (select * from (\n{sql}\n) as found{limit}) as failing",
        test.config.fail_calc
    );
    let batches = session
        .sql(&sql)
        .await
        .map_err(failed())?
        .collect()
        .await
        .map_err(failed())?;
    let Some(batch) = batches
        .iter()
        .find(|batch| batch.num_rows() > 0 && batch.num_columns() > 0)
    else {
        return Ok(0);
    };
    let value = cast(batch.column(0), &DataType::Int64).map_err(|error| failed()(error.into()))?;
    let value = value.as_primitive::<Int64Type>();
    Ok(if arrow::array::Array::is_valid(value, 0) {
        value.value(0).unsigned_abs()
    } else {
        0
    })
}

/// What so many failures mean for a test.
fn judge(test: &Node, failures: u64) -> Status {
    let count = i64::try_from(failures).unwrap_or(i64::MAX);
    if test.config.severity == Severity::Error && test.config.error_if.holds(count) {
        Status::Fail
    } else if test.config.warn_if.holds(count) {
        Status::Warn
    } else {
        Status::Pass
    }
}
