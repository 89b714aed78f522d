//! A model's rows written as files that no commit names yet.

mod by_key;
mod groups;
mod incremental;
mod new_keys;
mod parts;
mod same;
mod snapshot;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use goldrecord_lake::{AddFile, MetadataChange, Proposal, Snapshot, Table};
use goldrecord_service::Shutdown;

use super::memory::Effort;
use super::project::{self, PlannedTable, Project, Versions, sql_of};
use super::relations::{self, Rows};
use super::session::Share;
use super::state::{Difference, FINGERPRINT, Upstream};
use super::touched;
use super::ways::{Replace, Way};
use super::{copies, plan, reads};
use crate::manifest::{Node, Relation};
use crate::{Error, Result};

/// One key with copies to so many bytes of the share: the list of such keys stays a small part of it.
const BYTES_OF_A_COPY: usize = 2048;

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
    /// The memory it is computed in.
    pub share: &'a Share,
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
                if bytes > new_keys::MOST_BYTES.min(self.share.turn.collected()) {
                    return self.replace(otherwise).await;
                }
                self.new_keys(keys, otherwise, &added).await
            }
            Way::Merge { columns, within } => self.merge_groups(columns, within.as_ref()).await,
            Way::ReplaceKeys { key, otherwise } => self.by_key(key, otherwise).await,
            Way::Replace(replace) => self.replace(replace).await,
        }
    }

    async fn full(&self) -> Result<Staged> {
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
        let adds = match self.planned.shape.in_parts() {
            Some(parts) => self.in_parts(&parts, &defined).await?,
            None => self.whole(&defined).await?,
        };
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
        let values = touched::partitions(
            &session,
            replace,
            replace.reach.of_partitions(),
            output,
            self.upstreams,
            self.differences,
        )?;
        let (adds, removes) = self.replaced(replace, &values).await?;
        Ok(self.staged("replace", adds, removes))
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
        self.project
            .session_in(&self.share.engine, self.node, &leaf)
            .await
    }

    /// The model's plan with storable types.
    async fn output(&self, session: &SessionContext) -> Result<LogicalPlan> {
        let mut plan = plan::logical(session, self.node, sql_of(self.node)).await?;
        if self.planned.shape.one_per_key.is_ok() && self.share.turn.effort() == Effort::Usual {
            plan = copies::set_apart(session, plan, self.share.turn.bytes() / BYTES_OF_A_COPY)
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

    /// The rows of some of the table's files as they are live.
    async fn live_rows(&self, files: Vec<AddFile>) -> Result<(SessionContext, LogicalPlan)> {
        self.rows_of(self.live, files).await
    }

    /// The rows of some of the table's files.
    async fn rows_of(
        &self,
        of: &Snapshot,
        files: Vec<AddFile>,
    ) -> Result<(SessionContext, LogicalPlan)> {
        let name = Relation::new("there", "rows");
        let table = relations::table(&name, self.table.path(), of, Rows::All, Some(files))?;
        let session = self.share.engine.session([(&name, table)]);
        let plan = session
            .state()
            .create_logical_plan("select * from lake.there.rows")
            .await
            .map_err(self.failed())?;
        Ok((session, plan))
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
        let plan = Arc::clone(&physical);
        let context = session.task_ctx();
        let writer = self.table.writer(defined, self.share.turn.writing());
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
            Ok(written) => {
                self.tell(plan.as_ref());
                written
            }
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    /// What a plan that ran has read, for whoever measures.
    fn tell(&self, plan: &dyn ExecutionPlan) {
        let (rows, bytes) = reads::of(plan);
        tracing::debug!(model = self.node.name, rows, bytes, "read");
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

    fn failed(&self) -> impl FnOnce(datafusion::error::DataFusionError) -> Error {
        Error::engine(format!("run {}", self.node.name))
    }
}
