//! `DataFusion` as the engine uses it: one cap on memory, one session a query.

use std::sync::Arc;

use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList,
    MemorySchemaProvider, TableProvider,
};
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionState;
use datafusion::optimizer::{Optimizer, OptimizerRule};
use datafusion::prelude::{SessionConfig, SessionContext};
use goldrecord_lake::Lake;

use super::BuildOptions;
use super::memory::{Budget, CountsAsSums, Effort, Turn};
use super::single_distinct::SingleDistinct;
use crate::manifest::{DATABASE, Relation};
use crate::{Error, Result};

/// The schema of names without a schema.
pub const DEFAULT_SCHEMA: &str = "main";
/// The address under which `DataFusion` finds the lake's object store.
const STORE: &str = "goldrecord://lake";

/// What every query of a process shares: functions, optimizer, memory, the lake's store.
#[derive(Clone)]
pub struct Engine {
    base: SessionState,
    budget: Arc<Budget>,
}

/// An engine for one query, with its share of the memory.
pub struct Share {
    /// The engine.
    pub engine: Engine,
    /// What the query may hold.
    pub turn: Turn,
}

impl Engine {
    /// An engine over a lake, with the options' threads, memory and disk. Its own sessions have all
    /// of the memory: they plan, or run one query for somebody who looks on; builds run each query
    /// in a [`Share`].
    pub fn new(lake: &Lake, options: &BuildOptions) -> Result<Self> {
        // More models than cores hide the waits for the lake; more partitions of a query than cores hide nothing.
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let partitions = options.threads.clamp(1, cores);
        let mut config = SessionConfig::new()
            .with_target_partitions(partitions)
            .with_default_catalog_and_schema(DATABASE, DEFAULT_SCHEMA)
            .with_create_default_catalog_and_schema(false)
            .with_information_schema(true)
            .with_extension(Arc::clone(&options.kept));
        config.options_mut().sql_parser.collect_spans = true;
        let pool = TrackConsumersPool::new(
            FairSpillPool::new(options.memory),
            std::num::NonZeroUsize::new(5).expect("five is not zero"),
        );
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(pool))
            .build_arc()
            .map_err(Error::engine("start the query engine"))?;
        runtime.register_object_store(store_url().as_ref(), lake.object_store());
        let base = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(runtime)
            .with_default_features()
            .with_optimizer_rules(rules())
            .build();
        let budget = Budget::new(
            options.threads,
            options.memory,
            options.spill_dir.clone(),
            options.spill_limit,
        );
        Ok(Self {
            base,
            budget: Arc::new(budget),
        })
    }

    /// Wait until there is memory for one more query.
    pub async fn share(&self, effort: Effort) -> Result<Share> {
        let turn = self.budget.turn(effort).await;
        let mut runtime = self.base.runtime_env().as_ref().clone();
        runtime.memory_pool = Arc::new(turn.pool());
        runtime.disk_manager = self.budget.disk()?;
        let base = SessionStateBuilder::new_from_existing(self.base.clone())
            .with_config(turn.configure(self.base.config().clone()))
            .with_runtime_env(Arc::new(runtime))
            .build();
        let engine = Self {
            base,
            budget: Arc::clone(&self.budget),
        };
        Ok(Share { engine, turn })
    }

    /// The memory of all queries together, in bytes.
    pub fn memory(&self) -> usize {
        self.budget.memory()
    }

    /// A session that sees these relations and no others.
    pub fn session<'a>(
        &self,
        relations: impl IntoIterator<Item = (&'a Relation, Arc<dyn TableProvider>)>,
    ) -> SessionContext {
        let catalog = Arc::new(MemoryCatalogProvider::new());
        for (relation, provider) in relations {
            let schema = catalog.schema(&relation.schema).unwrap_or_else(|| {
                let schema = Arc::new(MemorySchemaProvider::new());
                // A memory catalog takes every schema.
                let _ = catalog.register_schema(&relation.schema, Arc::clone(&schema) as _);
                schema
            });
            if !schema.table_exist(&relation.identifier) {
                // A memory schema takes every table that it does not hold.
                let _ = schema.register_table(relation.identifier.clone(), provider);
            }
        }
        self.with_catalog(catalog)
    }

    /// A session over a catalog that stands under the name `lake`.
    pub fn with_catalog(&self, catalog: Arc<dyn CatalogProvider>) -> SessionContext {
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(DATABASE.to_owned(), catalog);
        let state = SessionStateBuilder::new_from_existing(self.base.clone())
            .with_catalog_list(Arc::new(catalogs))
            .build();
        SessionContext::new_with_state(state)
    }
}

/// The optimizer's rules, one of them in the engine's own form, and before it the one that serves it.
fn rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let own: Arc<dyn OptimizerRule + Send + Sync> = Arc::new(SingleDistinct::default());
    let mut rules = Optimizer::new().rules;
    let at = rules.iter().position(|rule| rule.name() == own.name());
    let at = at.expect("the optimizer has a rule of this name");
    rules[at] = own;
    rules.insert(at, Arc::new(CountsAsSums));
    rules
}

/// The lake's store, as scans name it.
pub fn store_url() -> ObjectStoreUrl {
    ObjectStoreUrl::parse(STORE).expect("the address is well-formed")
}
