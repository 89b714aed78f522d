//! Rows of added files whose key is not in the table yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use goldrecord_lake::AddFile;

use super::{Staged, Stager};
use crate::engine::plan;
use crate::engine::relations::{self, Rows};
use crate::engine::touched::{self, Values};
use crate::engine::ways::Replace;
use crate::manifest::{Relation, quoted};
use crate::{Error, Result};

/// Rows of added files that are held in memory to look for keys that are there already; past
/// this many bytes of files the touched partitions are computed anew instead.
pub(super) const MOST_BYTES: i64 = 64 << 20;

impl Stager<'_> {
    /// Rows of the added files whose key is not there yet. Where a new row has a key that is there
    /// with other values, a full build might keep either: that partition is computed anew.
    pub(super) async fn new_keys(
        &self,
        keys: &[String],
        otherwise: &Replace,
        added: &BTreeMap<String, Vec<AddFile>>,
    ) -> Result<Staged> {
        let session = self.session(added).await?;
        let plan = self.output(&session).await?;
        let rows = self.collect(&session, plan).await?;
        let output = self.output_field(&otherwise.column);
        let values = values_of(&rows, &otherwise.column, output)?;
        let there = touched::live_files(self.live, output, &values)?;
        if there.is_empty() {
            let adds = self.write_batches(rows).await?;
            return Ok(self.staged("append new keys", adds, Vec::new()));
        }
        let session = self.share.engine.session([
            (
                &Relation::new("new", "rows"),
                memory(&self.planned.schema, rows)?,
            ),
            (
                &Relation::new("there", "rows"),
                relations::table(
                    &Relation::new("there", "rows"),
                    self.table.path(),
                    self.live,
                    Rows::All,
                    Some(there),
                )?,
            ),
        ]);
        let all: Vec<&str> = self
            .planned
            .schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let contradicted = self
            .query(
                &session,
                &contradictions_sql(&keys, &all, &otherwise.column),
            )
            .await?;
        let contradicted = values_of(&contradicted, &otherwise.column, output)?;
        let fresh = self.query(&session, &new_keys_sql(&keys)).await?;
        if contradicted.is_empty() {
            let adds = self.write_batches(fresh).await?;
            return Ok(self.staged("append new keys", adds, Vec::new()));
        }
        let (mut adds, removes) = self.replaced(otherwise, &contradicted).await?;
        let elsewhere: Values = values.difference(&contradicted).cloned().collect();
        if !elsewhere.is_empty() {
            let session = self.share.engine.session([(
                &Relation::new("new", "rows"),
                memory(&self.planned.schema, fresh)?,
            )]);
            let plan = session
                .state()
                .create_logical_plan("select * from lake.new.rows")
                .await
                .map_err(self.failed())?;
            let plan = plan::storable(self.node, touched::only(plan, output, &elsewhere)?)?;
            adds.extend(self.write(&session, plan, self.live).await?);
        }
        Ok(self.staged("append new keys, replace", adds, removes))
    }

    async fn write_batches(&self, batches: Vec<RecordBatch>) -> Result<Vec<AddFile>> {
        let mut writer = self.table.writer(self.live, self.share.turn.writing());
        for batch in batches.into_iter().filter(|batch| batch.num_rows() > 0) {
            let batch =
                RecordBatch::try_new(Arc::clone(&self.planned.schema), batch.columns().to_vec())
                    .map_err(|error| self.failed()(error.into()))?;
            writer.push(batch).await?;
        }
        Ok(writer.finish().await?)
    }

    pub(super) async fn collect(
        &self,
        session: &SessionContext,
        plan: LogicalPlan,
    ) -> Result<Vec<RecordBatch>> {
        let physical = self.physical(session, plan).await?;
        let rows = datafusion::physical_plan::collect(Arc::clone(&physical), session.task_ctx())
            .await
            .map_err(self.failed())?;
        self.tell(physical.as_ref());
        Ok(rows)
    }

    async fn query(&self, session: &SessionContext, sql: &str) -> Result<Vec<RecordBatch>> {
        let plan = session
            .state()
            .create_logical_plan(sql)
            .await
            .map_err(self.failed())?;
        self.collect(session, plan::storable(self.node, plan)?)
            .await
    }
}

/// Rows in memory as a relation.
fn memory(
    schema: &arrow::datatypes::SchemaRef,
    rows: Vec<RecordBatch>,
) -> Result<Arc<dyn TableProvider>> {
    let wrong = || Error::engine("hold rows in memory");
    let rows = rows
        .into_iter()
        .map(|batch| RecordBatch::try_new(Arc::clone(schema), batch.columns().to_vec()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong()(error.into()))?;
    Ok(Arc::new(
        MemTable::try_new(Arc::clone(schema), vec![rows]).map_err(wrong())?,
    ))
}

/// The distinct values of a column.
pub(super) fn values_of(
    rows: &[RecordBatch],
    column: &str,
    output: &arrow::datatypes::Field,
) -> Result<Values> {
    let wrong = || Error::engine(format!("read the partitions of `{column}`"));
    let mut values = Values::new();
    for batch in rows {
        let Some(array) = batch.column_by_name(column) else {
            continue;
        };
        let array = arrow::compute::cast(array, output.data_type())
            .map_err(|error| wrong()(error.into()))?;
        for row in 0..array.len() {
            values.insert(touched::value_at(&array, row).map_err(wrong())?);
        }
    }
    Ok(values)
}

fn same_key(keys: &[&str]) -> String {
    keys.iter()
        .map(|key| format!("(n.{0} is not distinct from t.{0})", quoted(key)))
        .collect::<Vec<_>>()
        .join(" and ")
}

fn new_keys_sql(keys: &[&str]) -> String {
    format!(
        "select n.* from lake.new.rows n left anti join lake.there.rows t on {}",
        same_key(keys)
    )
}

fn contradictions_sql(keys: &[&str], all: &[&str], partition: &str) -> String {
    let differs: Vec<String> = all
        .iter()
        .map(|name| format!("(n.{0} is distinct from t.{0})", quoted(name)))
        .collect();
    format!(
        "select distinct n.{} from lake.new.rows n join lake.there.rows t on {} where {}",
        quoted(partition),
        same_key(keys),
        differs.join(" or ")
    )
}
