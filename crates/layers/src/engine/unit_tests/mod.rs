//! Unit tests: a model's SQL over given rows, and whether it makes the rows that are expected. Nothing of the lake is
//! read but the columns of tables that no plan gives, and nothing is written.

mod difference;
mod fixture;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::Column;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::prelude::SessionContext;
use futures::FutureExt;
use futures::future::BoxFuture;
use sha2::{Digest, Sha256};

use self::difference::{Cells, difference};
use super::plan;
use super::project::{Planned, Project, is_view, leaf, place, sql_of};
use super::relations;
use super::seeds::Seed;
use super::session::DEFAULT_SCHEMA;
use super::snapshots;
use crate::diagnostics::Diagnostic;
use crate::manifest::{Fixture, Materialized, Node, Relation, ResourceType, Rows, UnitTest};
use crate::{Error, Result};

/// A model that makes more rows of what it is given is not tested row by row.
const MOST_ROWS: usize = 100_000;

/// A unit test that is ready to run.
pub struct PlannedUnitTest {
    session: SessionContext,
    /// The model over the given rows: the columns that are compared.
    actual: LogicalPlan,
    columns: Vec<String>,
    expected: Vec<Cells>,
    name: String,
    /// A hash of all that decides how it ends.
    pub read: String,
}

impl PlannedUnitTest {
    /// How the rows that the model makes differ from those expected, as a table; `None` where they do not.
    pub async fn run(&self) -> Result<Option<String>> {
        let failed = || Error::engine(format!("run unit test {}", self.name));
        let plan = LogicalPlanBuilder::from(self.actual.clone())
            .limit(0, Some(MOST_ROWS + 1))
            .and_then(LogicalPlanBuilder::build)
            .map_err(failed())?;
        let frame = self.session.execute_logical_plan(plan).await;
        let batches = frame.map_err(failed())?.collect().await.map_err(failed())?;
        let mut actual = Vec::new();
        for batch in &batches {
            actual.extend(fixture::cells(batch).map_err(|error| failed()(error.into()))?);
        }
        if actual.len() > MOST_ROWS {
            let message = format!("{}: the model makes more than {MOST_ROWS} rows", self.name);
            return Err(Diagnostic::new(message).help("give it fewer").into());
        }
        Ok(difference(&self.columns, &self.expected, actual))
    }
}

impl Project<'_> {
    /// Plan a unit test: its model over the rows given, each column with the type that it has in its table.
    pub async fn plan_unit_test(&self, node: &Node, unit: &UnitTest) -> Result<PlannedUnitTest> {
        let name = node.display_name();
        let model = &self.manifest.nodes[&node.depends_on[0]];
        let mut tables: Vec<(Relation, Arc<dyn TableProvider>)> = Vec::new();
        let mut hash = Sha256::new().chain_update(&node.fingerprint);
        for given in &unit.given {
            let input = &self.manifest.nodes[&given.node];
            let what = format!("{name}: {}", given.input);
            let batch = match &given.fixture.rows {
                Rows::Sql(sql) => self.queried(&what, &given.fixture, sql).await?,
                Rows::Seed => self.seed_rows(input, &what, &given.fixture).await?,
                Rows::Cells(rows) => {
                    let schema = self.columns_of(input).await?;
                    fixture::batch(&what, &given.fixture, rows, &schema)?
                }
            };
            hash.update(format!("{:?}", batch.schema()));
            let batch = fixture::scanned(&batch).map_err(|error| engine(&name)(error.into()))?;
            let relation = match &input.relation {
                Some(relation) => relation.clone(),
                // As the model's SQL names an ephemeral model.
                None => Relation::new(DEFAULT_SCHEMA, format!("__dbt__cte__{}", input.name)),
            };
            let table = MemTable::try_new(batch.schema(), vec![vec![batch]]);
            tables.push((relation, Arc::new(table.map_err(engine(&name))?)));
        }
        let session = self.engine.session(
            tables
                .iter()
                .map(|(relation, table)| (relation, Arc::clone(table))),
        );
        let tested = Node {
            name: name.clone(),
            compiled_code: node.compiled_code.clone(),
            ..model.clone()
        };
        let logical = plan::checked(&session, &tested, sql_of(&tested)).await?;
        let logical = plan::storable_with(&tested, logical, Some(&DataType::Utf8))?;
        let schema = logical.schema().inner().clone();
        let what = format!("{name}: `expect`");
        let (columns, rows) = match &unit.expect.rows {
            Rows::Cells(rows) => {
                let columns = fixture::columns(&what, &unit.expect, rows, &schema)?;
                let schema = projected(&schema, &columns);
                let batch = fixture::batch(&what, &unit.expect, rows, &schema)?;
                (columns, batch)
            }
            Rows::Sql(sql) => {
                let batch = self.queried(&what, &unit.expect, sql).await?;
                let names: Vec<&str> = batch
                    .schema_ref()
                    .fields()
                    .iter()
                    .map(|f| f.name().as_str())
                    .collect();
                let columns = fixture::known(&what, &unit.expect, &names, &schema)?;
                let schema = projected(&schema, &columns);
                let batch = fixture::conformed(&what, &unit.expect, &batch, &schema)?;
                (columns, batch)
            }
            Rows::Seed => unreachable!("only a given table is a seed"),
        };
        let expected = fixture::cells(&rows).map_err(|error| engine(&name)(error.into()))?;
        let chosen = columns.iter().map(|index| {
            let column = logical.schema().qualified_field(*index);
            Expr::Column(Column::from(column))
        });
        let actual = LogicalPlanBuilder::from(logical.clone())
            .project(chosen)
            .and_then(LogicalPlanBuilder::build)
            .map_err(engine(&name))?;
        Ok(PlannedUnitTest {
            session,
            actual,
            columns: columns
                .iter()
                .map(|index| schema.field(*index).name().clone())
                .collect(),
            expected,
            name,
            read: format!("{:x}", hash.finalize()),
        })
    }

    /// The rows of a query over no tables.
    async fn queried(&self, what: &str, fixture: &Fixture, sql: &str) -> Result<RecordBatch> {
        let wrong = |error: datafusion::error::DataFusionError| {
            let message = format!("{what}: {}", error.strip_backtrace());
            Error::from(Diagnostic::new(message).at(fixture.at.clone()))
        };
        let session = self.engine.session([]);
        let frame = session.sql(sql).await.map_err(wrong)?;
        let schema = frame.schema().inner().clone();
        let batches = frame.collect().await.map_err(wrong)?;
        arrow::compute::concat_batches(&schema, &batches).map_err(|error| wrong(error.into()))
    }

    /// All rows of a seed, for an input without rows.
    async fn seed_rows(&self, input: &Node, what: &str, fixture: &Fixture) -> Result<RecordBatch> {
        if input.resource_type != ResourceType::Seed {
            let wrong = Diagnostic::new(format!("{what} has no `rows`")).at(fixture.at.clone());
            return Err(wrong.help("only a seed has rows of its own").into());
        }
        let session = self.engine.session([]);
        Ok(Seed::read(&self.manifest.root, input, &session).await?.rows)
    }

    /// The columns of a table: as it is planned, else as it is in the lake, else as its SQL makes them.
    fn columns_of<'b>(&'b self, node: &'b Node) -> BoxFuture<'b, Result<SchemaRef>> {
        async move {
            match self.planned.get(&node.unique_id) {
                Some(Planned::Table(table)) => return Ok(table.schema.clone()),
                Some(Planned::Incremental(planned)) => return Ok(planned.table.schema.clone()),
                Some(Planned::Snapshot(planned)) => return Ok(planned.table.schema.clone()),
                Some(Planned::Seed(seed)) => return Ok(seed.schema()),
                Some(Planned::View) | None => {}
            }
            if node.resource_type == ResourceType::Seed {
                let session = self.engine.session([]);
                return Ok(Seed::read(&self.manifest.root, node, &session)
                    .await?
                    .schema());
            }
            let is_query = is_view(node) || node.config.materialized == Materialized::Ephemeral;
            let mut versions = self.tables.clone();
            if !is_query
                && !versions.contains_key(&node.unique_id)
                && let Some(found) = self.lake.table(&place(node).0).latest().await?
            {
                versions.insert(node.unique_id.clone(), found);
            }
            if is_query || (!versions.contains_key(&node.unique_id) && node.compiled_code.is_some())
            {
                return self.columns_by_plan(node).await;
            }
            Ok(leaf(node, &versions, node, None)?.schema())
        }
        .boxed()
    }

    async fn columns_by_plan(&self, node: &Node) -> Result<SchemaRef> {
        if node.resource_type == ResourceType::Snapshot {
            return Ok(snapshots::plan(self, node, 0).await?.table.schema);
        }
        let mut tables = Vec::new();
        for upstream in self.reads(node) {
            if let Some(relation) = &upstream.relation {
                let schema = self.columns_of(upstream).await?;
                tables.push((relation, relations::planned(&schema)));
            }
        }
        let session = self.engine.session(tables);
        let logical = plan::logical(&session, node, sql_of(node)).await?;
        let stored = plan::storable_with(node, logical, Some(&DataType::Utf8))?;
        Ok(stored.schema().inner().clone())
    }
}

fn engine(name: &str) -> impl FnOnce(datafusion::error::DataFusionError) -> Error {
    Error::engine(format!("plan unit test {name}"))
}

fn projected(schema: &Schema, columns: &[usize]) -> SchemaRef {
    let fields = columns.iter().map(|index| schema.fields()[*index].clone());
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
