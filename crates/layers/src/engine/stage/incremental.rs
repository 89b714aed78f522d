//! The new rows of an incremental model beside those that are there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::util::display::array_value_to_string;
use chrono::{DateTime, Utc};
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast as cast_to, lit};
use datafusion::prelude::SessionContext;
use goldrecord_lake::{AddFile, MetadataChange, Snapshot};

use super::{Staged, Stager};
use crate::engine::incremental::{
    Columns, Removal, Step, Strategy, ambiguous_sql, conform, inserted_sql, may_hold, may_match,
    merged_sql, sql_of_step,
};
use crate::engine::plan::{self, in_node};
use crate::engine::relations::{self, Rows};
use crate::engine::state::FINGERPRINT;
use crate::manifest::Relation;
use crate::{Error, Result};

/// So many files are asked at once whether they hold rows that go.
const ASKED_AT_ONCE: usize = 64;

/// Files that come, and live ones that go.
struct Exchange {
    adds: Vec<AddFile>,
    removes: Vec<AddFile>,
}

impl Stager<'_> {
    /// Write the new rows, and anew the files with rows that go or change: one commit's worth.
    pub async fn incremental(&self, step: &Step) -> Result<Staged> {
        let mut change = MetadataChange::of(self.live);
        if change.schema != step.columns.schema {
            change.schema = Arc::clone(&step.columns.schema);
        }
        change
            .properties
            .insert(FINGERPRINT.to_owned(), self.planned.fingerprint.clone());
        let defined = self.live.planned(&change);
        let session = self.session(&BTreeMap::new()).await?;
        let query = plan::logical(&session, self.node, sql_of_step(self.node)).await?;
        let query = plan::storable(self.node, query)?;
        let query = self.of_batch(query, &step.strategy)?;
        let new = self
            .write(&session, self.conformed(query, &step.columns)?, &defined)
            .await?;
        let exchanged = match self.exchanged(step, &new, &defined).await {
            Ok(exchanged) => exchanged,
            Err(error) => {
                self.table.discard(&new).await?;
                return Err(error);
            }
        };
        Ok(Staged {
            way: step.strategy.name(),
            adds: exchanged.adds,
            removes: exchanged
                .removes
                .into_iter()
                .map(|file| file.path)
                .collect(),
            metadata: (change != MetadataChange::of(self.live)).then_some(change),
            defined,
        })
    }

    /// Of a batch's query the rows in its window; all rows of any other.
    fn of_batch(&self, query: LogicalPlan, strategy: &Strategy) -> Result<LogicalPlan> {
        let Strategy::Microbatch {
            event_time, window, ..
        } = strategy
        else {
            return Ok(query);
        };
        let schema = Arc::clone(query.schema());
        let index = (0..schema.fields().len())
            .find(|index| schema.field(*index).name() == event_time)
            .expect("the plan was checked to have the column");
        let kind = schema.field(index).data_type();
        // The zone of a time is only how it is shown.
        let zone = match kind {
            DataType::Timestamp(_, zone) => zone.clone(),
            _ => None,
        };
        let column = Expr::Column(Column::from(schema.qualified_field(index)));
        let moment = |at: DateTime<Utc>| {
            let micros = Some(at.timestamp_micros());
            let moment = ScalarValue::TimestampMicrosecond(micros, zone.clone());
            cast_to(lit(moment), kind.clone())
        };
        let inside = column
            .clone()
            .gt_eq(moment(window.start))
            .and(column.lt(moment(window.end)));
        LogicalPlanBuilder::from(query)
            .filter(inside)
            .and_then(LogicalPlanBuilder::build)
            .map_err(self.failed())
    }

    async fn exchanged(
        &self,
        step: &Step,
        new: &[AddFile],
        defined: &Snapshot,
    ) -> Result<Exchange> {
        let all = || self.live.files.values().cloned().collect::<Vec<_>>();
        let (removal, candidates) = match &step.strategy {
            Strategy::Append => (None, Vec::new()),
            Strategy::InsertOverwrite => {
                let come: BTreeSet<_> = new.iter().map(|file| &file.partition_values).collect();
                let mut removes = all();
                removes.retain(|file| come.contains(&file.partition_values));
                return self.beside(step, new, defined, removes, None).await;
            }
            Strategy::Microbatch {
                event_time,
                window,
                predicates,
            } => {
                let live = self.live.files.values();
                let hold = live.filter(|file| may_hold(file, event_time, *window));
                let removal = Removal::of_window(event_time, *window, predicates);
                (Some(removal), hold.cloned().collect())
            }
            Strategy::DeleteInsert { key, predicates } => (
                Some(Removal::by_key(key, predicates)),
                self.candidates(new, key),
            ),
            Strategy::Merge {
                key, predicates, ..
            } => (
                Some(Removal::by_match(key, predicates)),
                self.candidates(new, key),
            ),
        };
        let mut touched = Vec::new();
        if let Some(removal) = &removal {
            for files in candidates.chunks(ASKED_AT_ONCE) {
                touched.extend(self.touched(removal, files, new, defined).await?);
            }
        }
        if let Strategy::Merge { .. } = step.strategy
            && !touched.is_empty()
        {
            return self.merged(step, new, defined, touched).await;
        }
        self.beside(step, new, defined, touched, removal.as_ref())
            .await
    }

    /// The new files, and what stays of the rows of `gone` (nothing, without a condition).
    async fn beside(
        &self,
        step: &Step,
        new: &[AddFile],
        defined: &Snapshot,
        gone: Vec<AddFile>,
        removal: Option<&Removal>,
    ) -> Result<Exchange> {
        let mut adds = new.to_vec();
        if let Some(removal) = removal.filter(|_| !gone.is_empty()) {
            let session = self.meeting(new, defined, gone.clone())?;
            adds.extend(
                self.answered(&session, &removal.stays_sql(), &step.columns, defined)
                    .await?,
            );
        }
        self.rewritten(
            step,
            defined,
            Exchange {
                adds,
                removes: gone,
            },
        )
        .await
    }

    async fn merged(
        &self,
        step: &Step,
        new: &[AddFile],
        defined: &Snapshot,
        touched: Vec<AddFile>,
    ) -> Result<Exchange> {
        let Strategy::Merge {
            key,
            predicates,
            update,
        } = &step.strategy
        else {
            unreachable!("only a merge changes rows");
        };
        let session = self.meeting(new, defined, touched.clone())?;
        self.unambiguous(&session, key, &ambiguous_sql(key, predicates))
            .await?;
        let there: Vec<String> = self
            .live
            .schema
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        let merged = merged_sql(key, predicates, update, &step.columns, &there);
        let mut adds = self
            .answered(&session, &merged, &step.columns, defined)
            .await?;
        adds.extend(
            self.answered(
                &session,
                &inserted_sql(key, predicates),
                &step.columns,
                defined,
            )
            .await?,
        );
        self.table.discard(new).await?;
        self.rewritten(
            step,
            defined,
            Exchange {
                adds,
                removes: touched,
            },
        )
        .await
    }

    /// Where a column goes or changes its type, the rows of all other files are written again too.
    async fn rewritten(
        &self,
        step: &Step,
        defined: &Snapshot,
        mut exchange: Exchange,
    ) -> Result<Exchange> {
        if !step.columns.rewrite {
            return Ok(exchange);
        }
        let gone: BTreeSet<&str> = exchange
            .removes
            .iter()
            .map(|file| file.path.as_str())
            .collect();
        let others = self
            .live
            .files
            .values()
            .filter(|file| !gone.contains(file.path.as_str()));
        let others: Vec<AddFile> = others.cloned().collect();
        if !others.is_empty() {
            let session = self.meeting(&[], defined, others.clone())?;
            let sql = "select * from lake.there.rows";
            exchange
                .adds
                .extend(self.answered(&session, sql, &step.columns, defined).await?);
        }
        exchange.removes.extend(others);
        Ok(exchange)
    }

    /// Live files that can hold a row with the key of a new one.
    fn candidates(&self, new: &[AddFile], key: &[String]) -> Vec<AddFile> {
        let live = self.live.files.values();
        live.filter(|file| may_match(file, new, key))
            .cloned()
            .collect()
    }

    /// Those of the files that hold rows that go.
    async fn touched(
        &self,
        removal: &Removal,
        files: &[AddFile],
        new: &[AddFile],
        defined: &Snapshot,
    ) -> Result<Vec<AddFile>> {
        let new = (Relation::new("new", "rows"), defined, new.to_vec());
        self.holding(removal, files, vec![new]).await
    }

    /// The same, where the condition reads these tables.
    pub(super) async fn holding<'t>(
        &'t self,
        removal: &Removal,
        files: &[AddFile],
        mut tables: Vec<(Relation, &'t Snapshot, Vec<AddFile>)>,
    ) -> Result<Vec<AddFile>> {
        for (index, file) in files.iter().enumerate() {
            tables.push((
                Relation::new("there", format!("f{index}")),
                self.live,
                vec![file.clone()],
            ));
        }
        let session = self.over(tables)?;
        let mut found = Vec::new();
        for batch in self.rows(&session, &removal.files_sql(files.len())).await? {
            let indexes = cast(batch.column(0), &DataType::Int64)
                .map_err(|error| self.failed()(error.into()))?;
            let indexes = indexes.as_primitive::<Int64Type>().values().iter();
            found.extend(
                indexes.filter_map(|index| files.get(usize::try_from(*index).ok()?).cloned()),
            );
        }
        Ok(found)
    }

    /// A merge may change a row once.
    async fn unambiguous(&self, session: &SessionContext, key: &[String], sql: &str) -> Result<()> {
        for batch in self.rows(session, sql).await? {
            if batch.num_rows() == 0 {
                continue;
            }
            let values: Result<Vec<String>, _> = batch
                .columns()
                .iter()
                .map(|column| array_value_to_string(column, 0))
                .collect();
            let values = values.map_err(|error| self.failed()(error.into()))?;
            return Err(in_node(
                self.node,
                format!(
                    "{}: several new rows have the key ({}) = ({}), and a merge changes a row of the table once",
                    self.node.name,
                    key.join(", "),
                    values.join(", ")
                ),
            )
            .help("let the query give one row a key, or use `incremental_strategy='delete+insert'`, which keeps all of them")
            .into());
        }
        Ok(())
    }

    /// The new rows and those of some live files under their names.
    fn meeting(
        &self,
        new: &[AddFile],
        defined: &Snapshot,
        there: Vec<AddFile>,
    ) -> Result<SessionContext> {
        self.over(vec![
            (Relation::new("new", "rows"), defined, new.to_vec()),
            (Relation::new("there", "rows"), self.live, there),
        ])
    }

    pub(super) fn over(
        &self,
        tables: Vec<(Relation, &Snapshot, Vec<AddFile>)>,
    ) -> Result<SessionContext> {
        let mut providers = Vec::with_capacity(tables.len());
        for (name, snapshot, files) in tables {
            let table =
                relations::table(&name, self.table.path(), snapshot, Rows::All, Some(files))?;
            providers.push((name, table));
        }
        let relations = providers
            .iter()
            .map(|(name, table)| (name, Arc::clone(table)));
        Ok(self.share.engine.session(relations))
    }

    async fn planned(&self, session: &SessionContext, sql: &str) -> Result<LogicalPlan> {
        let planned = session.state().create_logical_plan(sql).await;
        planned.map_err(Error::engine(format!(
            "put the new rows of {} into its table (see `incremental_predicates`)",
            self.node.name
        )))
    }

    async fn rows(
        &self,
        session: &SessionContext,
        sql: &str,
    ) -> Result<Vec<arrow::array::RecordBatch>> {
        let physical = self
            .physical(session, self.planned(session, sql).await?)
            .await?;
        let rows = datafusion::physical_plan::collect(physical, session.task_ctx()).await;
        rows.map_err(self.failed())
    }

    /// A query's rows, written.
    pub(super) async fn answered(
        &self,
        session: &SessionContext,
        sql: &str,
        columns: &Columns,
        defined: &Snapshot,
    ) -> Result<Vec<AddFile>> {
        let plan = self.planned(session, sql).await?;
        self.write(session, self.conformed(plan, columns)?, defined)
            .await
    }

    fn conformed(&self, plan: LogicalPlan, columns: &Columns) -> Result<LogicalPlan> {
        conform(self.node, plan, &columns.schema)
    }
}
