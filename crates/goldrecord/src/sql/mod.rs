//! `goldrecord sql`: bronze, silver and gold at the versions of the last published build.

mod complete;
mod names;
mod shell;

use arrow::record_batch::RecordBatch;
use datafusion::execution::context::SQLOptions;
use datafusion::prelude::SessionContext;
use goldrecord_lake::Lake;
use goldrecord_layers::published;

use crate::output::{self, Format};
use crate::{Error, Result};

/// The schema in which tables stand once more that can be named without one.
const UNQUALIFIED: &str = "main";

/// Answer `query` on standard output, or, without one, open the shell.
pub async fn run(lake: &Lake, target: &str, query: Option<&str>, format: Format) -> Result<()> {
    let context = published::session(lake, target).await?;
    match query {
        Some(query) => {
            let batches = match answer(&context, query).await {
                Err(error) if error.is_of_an_old_version() => {
                    answer(&published::session(lake, target).await?, query).await?
                }
                answered => answered?,
            };
            let mut text = Vec::new();
            output::write_rows(&mut text, format, &batches)?;
            output::print_bytes(&text)
        }
        None => shell::run(lake, target, context, format).await,
    }
}

/// The rows of a query that only reads; anything that would write is refused.
pub async fn answer(context: &SessionContext, query: &str) -> Result<Vec<RecordBatch>> {
    let reading = SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false);
    let plan = context.state().create_logical_plan(query).await;
    let plan = plan.map_err(|error| names::explain(context, error.into()))?;
    reading.verify_plan(&plan).map_err(|_| {
        Error::Refused(format!(
            "`{}` is not a query, and this command only reads: tables are made by the models of the dbt project",
            query.split_whitespace().next().unwrap_or_default()
        ))
    })?;
    let frame = context.execute_logical_plan(plan).await?;
    // An empty result still has columns to show.
    let schema = frame.schema().inner().clone();
    let mut batches = frame.collect().await?;
    if batches.is_empty() {
        batches.push(RecordBatch::new_empty(schema));
    }
    Ok(batches)
}
