//! A model's rows written as files that no commit names yet.

mod incremental;
mod snapshot;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use goldrecord_lake::{AddFile, MetadataChange, Proposal, Snapshot, Table, WriteOptions};
use goldrecord_service::Shutdown;

use super::project::{self, PlannedTable, Project, Versions, sql_of};
use super::relations::{self, Rows};
use super::state::{Difference, FINGERPRINT, Upstream};
use super::touched::{self, Values};
use super::ways::{Replace, Way};
use super::{copies, plan};
use crate::manifest::{Node, Relation};
use crate::{Error, Result};

/// Rows of added files that are held in memory to look for keys that are there already; past
/// this many bytes of files the touched partitions are computed anew instead.
const MOST_NEW_BYTES: i64 = 64 << 20;

/// What one commit will do to a table.
#[derive(Clone, Debug)]
pub struct Staged {
    /// The way it was computed, in short.
    pub way: &'static str,
    /// The files written.
    pub adds: Vec<AddFile>,
    /// The live files that go.
    pub removes: Vec<String>,
    /// The table's definition, where the commit changes it.
    pub metadata: Option<MetadataChange>,
    /// The table as it will be defined.
    pub defined: Snapshot,
}

impl Staged {
    /// Rows written.
    pub fn rows(&self) -> u64 {
        self.adds
            .iter()
            .map(|file| file.stats.num_records.unsigned_abs())
            .sum()
    }

    /// The files that will be live: live − replaced + staged.
    pub fn files(&self) -> Vec<AddFile> {
        let stays = |file: &&AddFile| !self.removes.contains(&file.path);
        self.defined
            .files
            .values()
            .filter(stays)
            .chain(&self.adds)
            .cloned()
            .collect()
    }

    /// The commit, without its transaction steps.
    pub fn proposal(&self) -> Proposal {
        Proposal {
            operation: self.way.to_uppercase(),
            adds: self.adds.clone(),
            removes: self.removes.clone(),
            metadata: self.metadata.clone(),
            data_change: true,
            ..Proposal::default()
        }
    }
}

/// One model being staged.
pub struct Stager<'a> {
    /// The project.
    pub project: &'a Project<'a>,
    /// The model.
    pub node: &'a Node,
    /// Its plan.
    pub planned: &'a PlannedTable,
    /// The versions of what it reads.
    pub versions: &'a Versions,
    /// The same, with the rows read.
    pub upstreams: &'a [Upstream],
    /// What changed in each since.
    pub differences: &'a [Difference],
    /// The table as it is.
    pub live: &'a Snapshot,
    /// The table.
    pub table: &'a Table,
    /// When to stop.
    pub shutdown: &'a Shutdown,
}

impl Stager<'_> {
    /// Write the rows that this way asks for.
    ///
    /// # Panics
    /// When there is nothing to do (`Way::Unchanged`).
    pub async fn stage(&self, way: &Way) -> Result<Staged> {
        match way {
            Way::Unchanged => unreachable!("nothing is staged for a table that is up to date"),
            Way::Full { .. } => self.full().await,
            Way::Append => {
                let session = self.session(&self.added_files()).await?;
                let adds = self
                    .write(&session, self.output(&session).await?, self.live)
                    .await?;
                Ok(self.staged("append", adds, Vec::new()))
            }
            Way::AppendNewKeys { keys, otherwise } => {
                let added = self.added_files();
                let bytes: i64 = added.values().flatten().map(|file| file.size).sum();
                if bytes > MOST_NEW_BYTES {
                    return self.replace(otherwise).await;
                }
                self.new_keys(keys, otherwise, &added).await
            }
            Way::Replace(replace) => self.replace(replace).await,
        }
    }

    async fn full(&self) -> Result<Staged> {
        let session = self.session(&BTreeMap::new()).await?;
        let mut change = MetadataChange::of(self.live);
        change.schema = Arc::clone(&self.planned.schema);
        change
            .partition_columns
            .clone_from(&self.node.config.partition_by);
        change
            .properties
            .insert(FINGERPRINT.to_owned(), self.planned.fingerprint.clone());
        change.description = Some(self.node.description.clone()).filter(|text| !text.is_empty());
        let defined = self.live.planned(&change);
        let adds = self
            .write(&session, self.output(&session).await?, &defined)
            .await?;
        Ok(Staged {
            way: "full",
            adds,
            removes: self.live.files.keys().cloned().collect(),
            metadata: (change != MetadataChange::of(self.live)).then_some(change),
            defined,
        })
    }

    async fn replace(&self, replace: &Replace) -> Result<Staged> {
        let session = self.project.engine.session([]);
        let output = self.output_field(&replace.column);
        let values =
            touched::partitions(&session, replace, output, self.upstreams, self.differences)?;
        let (adds, removes) = self.replaced(replace, &values).await?;
        Ok(self.staged("replace", adds, removes))
    }

    /// The files of those partitions computed anew, and the live ones that they replace.
    async fn replaced(
        &self,
        replace: &Replace,
        values: &Values,
    ) -> Result<(Vec<AddFile>, Vec<String>)> {
        let output = self.output_field(&replace.column);
        let inputs = touched::inputs(
            &self.project.engine.session([]),
            replace,
            output,
            self.upstreams,
            values,
        )?;
        let session = self.session(&inputs).await?;
        let plan = touched::only(self.output(&session).await?, output, values)?;
        let adds = self.write(&session, plan, self.live).await?;
        let gone = touched::live_files(self.live, output, values)?;
        Ok((adds, gone.into_iter().map(|file| file.path).collect()))
    }

    /// Rows of the added files whose key is not there yet. Where a new row has a key that is there
    /// with other values, a full build might keep either: that partition is computed anew.
    async fn new_keys(
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
        let session = self.project.engine.session([
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
            let session = self.project.engine.session([(
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

    fn staged(&self, way: &'static str, adds: Vec<AddFile>, removes: Vec<String>) -> Staged {
        Staged {
            way,
            adds,
            removes,
            metadata: None,
            defined: self.live.clone(),
        }
    }

    /// For each changed table, the files that came; for the unchanged ones that rows come from, none.
    fn added_files(&self) -> BTreeMap<String, Vec<AddFile>> {
        let linear = self.planned.shape.row_wise_tables();
        self.differences
            .iter()
            .filter(|difference| linear.contains(&difference.change.table))
            .map(|difference| (difference.change.table.clone(), difference.added.clone()))
            .collect()
    }

    /// A session over what the model reads, some tables by some of their files.
    async fn session(&self, files: &BTreeMap<String, Vec<AddFile>>) -> Result<SessionContext> {
        let leaf = |upstream: &Node| {
            let name = upstream
                .relation
                .as_ref()
                .map(|relation| relations::reference(relation).to_string());
            let some = name.and_then(|name| files.get(&name).cloned());
            project::leaf(upstream, self.versions, self.node, some)
        };
        self.project.session(self.node, &leaf).await
    }

    /// The model's plan with storable types.
    async fn output(&self, session: &SessionContext) -> Result<LogicalPlan> {
        let mut plan = plan::logical(session, self.node, sql_of(self.node)).await?;
        if self.planned.shape.one_per_key.is_ok() {
            plan = copies::set_apart(session, plan)
                .await
                .map_err(self.failed())?;
        }
        plan::storable(self.node, plan)
    }

    fn output_field(&self, column: &str) -> &arrow::datatypes::Field {
        self.planned
            .schema
            .field_with_name(column)
            .expect("the output has its partition column")
    }

    /// Run a plan and write its rows.
    async fn write(
        &self,
        session: &SessionContext,
        plan: LogicalPlan,
        defined: &Snapshot,
    ) -> Result<Vec<AddFile>> {
        self.write_as(session, plan, defined, Arc::clone(&self.planned.schema))
            .await
    }

    /// The same under other columns than the table's.
    async fn write_as(
        &self,
        session: &SessionContext,
        plan: LogicalPlan,
        defined: &Snapshot,
        schema: SchemaRef,
    ) -> Result<Vec<AddFile>> {
        let physical = self.physical(session, plan).await?;
        let context = session.task_ctx();
        let writer = self.table.writer(defined, WriteOptions::default());
        let shutdown = self.shutdown.clone();
        let name = self.node.name.clone();
        // On a task of its own, so that models are computed side by side.
        let task = tokio::spawn(async move {
            let mut writer = writer;
            let failed = || Error::engine(format!("run {name}"));
            let written: Result<()> = async {
                let mut stream = execute_stream(physical, context).map_err(failed())?;
                loop {
                    let batch = tokio::select! {
                        batch = stream.next() => batch,
                        () = shutdown.requested() => return Err(Error::Interrupted),
                    };
                    let Some(batch) = batch else { return Ok(()) };
                    let batch = batch.map_err(failed())?;
                    if batch.num_rows() > 0 {
                        let batch =
                            RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec())
                                .map_err(|error| failed()(error.into()))?;
                        writer.push(batch).await?;
                    }
                }
            }
            .await;
            match written {
                Ok(()) => Ok(writer.finish().await?),
                Err(error) => {
                    writer.abort().await?;
                    Err(error)
                }
            }
        });
        match task.await {
            Ok(written) => written,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    async fn write_batches(&self, batches: Vec<RecordBatch>) -> Result<Vec<AddFile>> {
        let mut writer = self.table.writer(self.live, WriteOptions::default());
        for batch in batches.into_iter().filter(|batch| batch.num_rows() > 0) {
            let batch =
                RecordBatch::try_new(Arc::clone(&self.planned.schema), batch.columns().to_vec())
                    .map_err(|error| self.failed()(error.into()))?;
            writer.push(batch).await?;
        }
        Ok(writer.finish().await?)
    }

    /// The physical plan, partitions of the output one after the other so that few files are open.
    async fn physical(
        &self,
        session: &SessionContext,
        plan: LogicalPlan,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let state = session.state();
        let plan = state.optimize(&plan).map_err(self.failed())?;
        state
            .query_planner()
            .create_physical_plan(&plan, &state)
            .await
            .map_err(self.failed())
    }

    async fn collect(
        &self,
        session: &SessionContext,
        plan: LogicalPlan,
    ) -> Result<Vec<RecordBatch>> {
        let physical = self.physical(session, plan).await?;
        datafusion::physical_plan::collect(physical, session.task_ctx())
            .await
            .map_err(self.failed())
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

    fn failed(&self) -> impl FnOnce(datafusion::error::DataFusionError) -> Error {
        Error::engine(format!("run {}", self.node.name))
    }
}

/// Rows in memory as a relation.
pub fn memory(
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
fn values_of(
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

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
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
