//! Tables as a build will make them, for templates that ask while they are compiled: seeds from
//! their files, models from their SQL, everything else from the lake as it is.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arrow::array::{Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::prelude::SessionContext;
use futures::FutureExt;
use futures::future::BoxFuture;
use goldrecord_lake::Lake;
use minijinja::Value;
use tokio::runtime::Runtime;

use super::BuildOptions;
use super::plan;
use super::project::{place, sql_of};
use super::relations;
use super::seeds::Seed;
use super::session::Engine;
use super::unions;
use crate::diagnostics::Diagnostic;
use crate::jinja::context::{Answer, Warehouse};
use crate::manifest::{Node, Relation, ResourceType};
use crate::{Error, Result};

/// Templates hold an answer in memory whole: more rows than this are refused.
const MOST_ROWS: usize = 100_000;

/// The tables of a project that is being compiled.
pub struct Introspection {
    root: PathBuf,
    lake: String,
    known: Mutex<BTreeMap<Relation, Arc<Node>>>,
    /// Tables of known nodes, so that each is read or planned once.
    tables: Mutex<BTreeMap<Relation, Arc<dyn TableProvider>>>,
    /// What is wrong with known nodes that have no plan, so that each is tried once.
    broken: Mutex<BTreeMap<Relation, Diagnostic>>,
    /// Made when the first template asks: few projects do.
    opened: OnceLock<Opened>,
}

/// What answers: a lake of its own, whose connections live in a runtime of its own, since templates
/// are rendered without one.
struct Opened {
    lake: Lake,
    engine: Engine,
    runtime: Option<Runtime>,
}

/// A query's plan, or why it has none.
type Planned = Result<LogicalPlan, DataFusionError>;

impl Introspection {
    /// Over a project's folder and the lake at this address.
    pub fn new(root: PathBuf, lake: String) -> Self {
        Self {
            root,
            lake,
            known: Mutex::default(),
            tables: Mutex::default(),
            broken: Mutex::default(),
            opened: OnceLock::new(),
        }
    }

    /// A node whose SQL is compiled, or that has none, may be asked about from now on.
    pub fn know(&self, node: &Node) {
        let Some(relation) = &node.relation else {
            return;
        };
        // Where a test's failing rows are kept is a table of the lake as any other.
        if node.resource_type == ResourceType::Test {
            return;
        }
        let is_source = node.resource_type == ResourceType::Source;
        let mut known = self.known();
        // A source may name a table that the project itself makes: then that one is asked.
        if !(is_source && known.contains_key(relation)) {
            known.insert(relation.clone(), Arc::new(node.clone()));
        }
    }

    fn broken(&self) -> MutexGuard<'_, BTreeMap<Relation, Diagnostic>> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tables(&self) -> MutexGuard<'_, BTreeMap<Relation, Arc<dyn TableProvider>>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A panic elsewhere leaves whole entries behind.
    fn known(&self) -> MutexGuard<'_, BTreeMap<Relation, Arc<Node>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn opened(&self) -> Result<&Opened> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let lake = Lake::open(&self.lake)?;
        let options = BuildOptions::default();
        let engine = Engine::new(&lake, &options)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| Error::file("a thread for templates' queries", error))?;
        Ok(self.opened.get_or_init(|| Opened {
            lake,
            engine,
            runtime: Some(runtime),
        }))
    }

    /// Wait for a question's answer. The caller may be inside another runtime, which must not be waited in.
    fn wait<'a, T: Send, F>(
        &'a self,
        question: impl FnOnce(&'a Opened) -> F,
    ) -> Result<T, Diagnostic>
    where
        F: Future<Output = Result<T>> + Send,
    {
        let opened = self.opened().map_err(said)?;
        let question = question(opened);
        let runtime = opened
            .runtime
            .as_ref()
            .expect("it is taken at the end alone");
        let answer = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| runtime.block_on(question));
            waiting
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        answer.map_err(said)
    }

    /// The plan of a query over the tables that it names.
    async fn plan(&self, opened: &Opened, sql: &str) -> Result<(SessionContext, Planned)> {
        let empty = opened.engine.session([]);
        let state = empty.state();
        let dialect = state.config_options().sql_parser.dialect;
        let references = state
            .sql_to_statement(sql, &dialect)
            .and_then(|statement| state.resolve_table_references(&statement));
        let references = match references {
            Ok(references) => references,
            Err(error) => return Ok((empty, Err(error))),
        };
        let mut relations = Vec::new();
        for reference in references {
            let schema = reference.schema().unwrap_or(super::session::DEFAULT_SCHEMA);
            if schema == "information_schema" {
                let all: Vec<Relation> = self.known().keys().cloned().collect();
                for relation in all {
                    if let Some(table) = self.table(opened, relation.clone()).await? {
                        relations.push((relation, table));
                    }
                }
                continue;
            }
            let relation = Relation::new(schema, reference.table());
            if let Some(table) = self.table(opened, relation.clone()).await? {
                relations.push((relation, table));
            }
        }
        let tables = relations
            .iter()
            .map(|(relation, table)| (relation, table.clone()));
        let session = opened.engine.session(tables);
        let plan = session.state().create_logical_plan(sql).await;
        match plan.and_then(|plan| unions::one_type(&session, plan)) {
            Ok(
                LogicalPlan::Ddl(_)
                | LogicalPlan::Dml(_)
                | LogicalPlan::Copy(_)
                | LogicalPlan::Statement(_),
            ) => Err(Diagnostic::new(format!(
                "a template may only read, and this writes: `{}`",
                sql.trim()
            ))
            .into()),
            plan => Ok((session, plan)),
        }
    }

    /// A relation; `None` where there is no such table.
    fn table<'a>(
        &'a self,
        opened: &'a Opened,
        relation: Relation,
    ) -> BoxFuture<'a, Result<Option<Arc<dyn TableProvider>>>> {
        async move {
            if let Some(table) = self.tables().get(&relation) {
                return Ok(Some(table.clone()));
            }
            let known = self.known().get(&relation).cloned();
            let (path, rows) = match known {
                Some(node)
                    if node.resource_type == ResourceType::Seed || node.compiled_code.is_some() =>
                {
                    let broken = self.broken().get(&relation).cloned();
                    if let Some(diagnostic) = broken {
                        return Err(diagnostic.into());
                    }
                    return match self.own(opened, &node).await {
                        Ok(table) => {
                            self.tables().insert(relation, table.clone());
                            Ok(Some(table))
                        }
                        Err(error) => {
                            // A place in this file stands; one in the template that asked would mislead.
                            let mut diagnostic = said(error);
                            if diagnostic.file.is_none() {
                                diagnostic = diagnostic.in_file(&node.original_file_path);
                            }
                            self.broken().insert(relation, diagnostic.clone());
                            Err(diagnostic.into())
                        }
                    };
                }
                Some(node) => place(&node),
                None => (relation.table_path(), relations::Rows::All),
            };
            let Some(snapshot) = opened.lake.table(&path).latest().await? else {
                return Ok(None);
            };
            Ok(Some(relations::table(
                &relation, &path, &snapshot, rows, None,
            )?))
        }
        .boxed()
    }

    /// The table that a node of the project will be.
    async fn own(&self, opened: &Opened, node: &Node) -> Result<Arc<dyn TableProvider>> {
        if node.resource_type == ResourceType::Seed {
            let seed = Seed::read(&self.root, node, &opened.engine.session([])).await?;
            let table = MemTable::try_new(seed.schema(), vec![vec![seed.rows]]);
            let table = table.map_err(Error::engine(format!("read seed {}", node.name)))?;
            return Ok(Arc::new(table));
        }
        let sql = sql_of(node);
        let (session, logical) = self.plan(opened, sql).await?;
        let logical = match logical {
            Ok(logical) => logical,
            Err(error) => return Err(plan::explain(&session, node, sql, &error)),
        };
        Ok(relations::view(plan::storable(node, logical)?, sql))
    }
}

impl Warehouse for Introspection {
    fn columns(&self, relation: &Relation) -> Result<Option<Vec<(String, String)>>, Diagnostic> {
        self.wait(|opened| async move {
            let table = self.table(opened, relation.clone()).await?;
            Ok(table.map(|table| {
                let schema = table.schema();
                let fields = schema.fields().iter();
                fields
                    .map(|field| (field.name().clone(), sql_name(field.data_type())))
                    .collect()
            }))
        })
    }

    fn query(&self, sql: &str) -> Result<Answer, Diagnostic> {
        self.wait(|opened| async move {
            let failed = || Error::engine(format!("run a template's query `{}`", sql.trim()));
            let (session, plan) = self.plan(opened, sql).await?;
            let unplanned = || Error::engine(format!("plan a template's query `{}`", sql.trim()));
            let plan = plan.map_err(unplanned())?;
            let plan = LogicalPlanBuilder::from(plan)
                .limit(0, Some(MOST_ROWS + 1))
                .and_then(LogicalPlanBuilder::build)
                .map_err(failed())?;
            let frame = session.execute_logical_plan(plan).await.map_err(failed())?;
            let names = frame
                .schema()
                .fields()
                .iter()
                .map(|field| field.name().clone());
            let names = names.collect();
            let mut rows = Vec::new();
            for batch in frame.collect().await.map_err(failed())? {
                rows.extend(values(&batch).map_err(|error| failed()(error.into()))?);
            }
            if rows.len() > MOST_ROWS {
                let message = format!(
                    "a template's query answers more than {MOST_ROWS} rows: `{}`",
                    sql.trim()
                );
                return Err(Diagnostic::new(message)
                    .help("aggregate, or add a `limit`")
                    .into());
            }
            Ok(Answer { names, rows })
        })
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        // A runtime must not be waited for inside another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection")
            .field("lake", &self.lake)
            .finish_non_exhaustive()
    }
}

fn said(error: Error) -> Diagnostic {
    match error {
        Error::Project(diagnostic) => *diagnostic,
        other => Diagnostic::new(other.to_string()),
    }
}

/// A batch's rows as templates' values: numbers and truths as such, everything else as text.
fn values(batch: &RecordBatch) -> Result<Vec<Vec<Value>>, arrow::error::ArrowError> {
    let options = FormatOptions::default()
        .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"))
        .with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.f"));
    let mut rows = vec![Vec::with_capacity(batch.num_columns()); batch.num_rows()];
    for column in batch.columns() {
        let numbers = match column.data_type() {
            kind if kind.is_integer() => Some(cast(column, &DataType::Int64)?),
            DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..) => Some(cast(column, &DataType::Float64)?),
            kind if kind.is_floating() => Some(cast(column, &DataType::Float64)?),
            DataType::Boolean => Some(column.clone()),
            _ => None,
        };
        let texts = ArrayFormatter::try_new(column, &options)?;
        for (at, row) in rows.iter_mut().enumerate() {
            row.push(if column.is_null(at) {
                Value::from(())
            } else {
                let number = numbers.as_ref().and_then(|numbers| plain(numbers, at));
                number.unwrap_or_else(|| Value::from(texts.value(at).to_string()))
            });
        }
    }
    Ok(rows)
}

fn plain(column: &dyn Array, at: usize) -> Option<Value> {
    use arrow::array::AsArray;
    use arrow::datatypes::{Float64Type, Int64Type};
    Some(match column.data_type() {
        DataType::Int64 => Value::from(column.as_primitive::<Int64Type>().value(at)),
        DataType::Float64 => Value::from(column.as_primitive::<Float64Type>().value(at)),
        DataType::Boolean => Value::from(column.as_boolean().value(at)),
        _ => return None,
    })
}

/// A type as SQL names it.
pub(super) fn sql_name(kind: &DataType) -> String {
    match kind {
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 | DataType::UInt8 => "tinyint".to_owned(),
        DataType::Int16 | DataType::UInt16 => "smallint".to_owned(),
        DataType::Int32 | DataType::UInt32 => "integer".to_owned(),
        DataType::Int64 | DataType::UInt64 => "bigint".to_owned(),
        DataType::Float16 | DataType::Float32 => "real".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            format!("decimal({precision}, {scale})")
        }
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Timestamp(..) => "timestamp".to_owned(),
        _ if kind.is_string() => "varchar".to_owned(),
        other => other.to_string(),
    }
}
