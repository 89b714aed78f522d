//! `goldrecord sql`: bronze, silver and gold at the versions of the last published build.

mod complete;
mod shell;

use std::io::{self, BufWriter, Write};

use arrow::record_batch::RecordBatch;
use datafusion::execution::context::SQLOptions;
use datafusion::prelude::SessionContext;
use goldrecord_lake::Lake;
use goldrecord_layers::published;

use crate::output::{self, Format};
use crate::{Error, Result};

/// Answer `query` on standard output, or, without one, open the shell.
pub async fn run(lake: &Lake, target: &str, query: Option<&str>, format: Format) -> Result<()> {
    let context = published::session(lake, target).await?;
    match query {
        Some(query) => {
            let batches = answer(&context, query).await?;
            let mut out = BufWriter::new(io::stdout().lock());
            output::write_rows(&mut out, format, &batches)?;
            out.flush().map_err(Error::Output)
        }
        None => shell::run(lake, target, context, format).await,
    }
}

/// The rows of a query that only reads; anything that would write is refused.
pub async fn answer(context: &SessionContext, query: &str) -> Result<Vec<RecordBatch>> {
    let reading = SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false);
    let frame = context.sql_with_options(query, reading).await?;
    // An empty result still has columns to show.
    let schema = frame.schema().inner().clone();
    let mut batches = frame.collect().await?;
    if batches.is_empty() {
        batches.push(RecordBatch::new_empty(schema));
    }
    Ok(batches)
}
