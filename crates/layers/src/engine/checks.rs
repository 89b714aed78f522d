//! Tests: queries for rows that must not exist.

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::util::pretty::pretty_format_batches;
use datafusion::prelude::SessionContext;
use futures::StreamExt;

use crate::manifest::{Node, Severity};
use crate::reporter::Status;
use crate::{Error, Result};

/// How many failing rows are shown.
const SHOWN: usize = 10;

/// What a test found.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Pass, warn or fail.
    pub status: Status,
    /// The failures, as the test counts them.
    pub failures: u64,
    /// The first failing rows as a printed table.
    pub rows: Option<String>,
}

/// Run a test's query over the session's relations.
pub async fn run(session: &SessionContext, test: &Node) -> Result<Verdict> {
    let failed = || Error::engine(format!("run test {}", test.name));
    let sql = test.compiled_code.as_deref().unwrap_or_default();
    let mut plan = super::plan::logical(session, test, sql).await?;
    if let Some(limit) = test.config.limit {
        plan = datafusion::logical_expr::LogicalPlanBuilder::from(plan)
            .limit(0, Some(limit as usize))
            .and_then(datafusion::logical_expr::LogicalPlanBuilder::build)
            .map_err(failed())?;
    }
    let frame = session
        .execute_logical_plan(plan.clone())
        .await
        .map_err(failed())?;
    let mut stream = frame.execute_stream().await.map_err(failed())?;
    let mut count: u64 = 0;
    let mut first: Vec<RecordBatch> = Vec::new();
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(failed())?;
        let room = SHOWN.saturating_sub(count as usize);
        if room > 0 && batch.num_rows() > 0 {
            first.push(batch.slice(0, room.min(batch.num_rows())));
        }
        count += batch.num_rows() as u64;
    }
    let failures = if count > 0 && test.config.fail_calc.trim() != "count(*)" {
        calculated(session, test, sql).await?
    } else {
        count
    };
    let status = judge(test, failures);
    let rows = if status == Status::Pass || first.is_empty() {
        None
    } else {
        Some(
            pretty_format_batches(&first)
                .map_err(|error| failed()(error.into()))?
                .to_string(),
        )
    };
    Ok(Verdict {
        status,
        failures,
        rows,
    })
}

/// The failures by the test's own `fail_calc`.
async fn calculated(session: &SessionContext, test: &Node, sql: &str) -> Result<u64> {
    let failed = || Error::engine(format!("run test {}", test.name));
    let sql = format!(
        "select {} from (\n{sql}\n) as failing",
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
