//! A project planned over a lake: every relation's version, every model's plan, before any write.

mod unplanned;
mod versions;

use unplanned::made_here;
pub use unplanned::{Unplanned, Why};
pub use versions::{leaf, versions};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use futures::FutureExt;
use futures::future::BoxFuture;
use goldrecord_lake::{Lake, Snapshot};
use sha2::{Digest, Sha256};

use super::incremental::{self, PlannedIncremental};
use super::lineage::PartitionColumns;
use super::plan;
use super::relations::{self, Rows};
use super::seeds::Seed;
use super::session::Engine;
use super::snapshots::{self, PlannedSnapshot};
use super::state::Upstream;
use super::unit_tests::PlannedUnitTest;
use super::ways::{Reach, Shape};
use super::{constraints, contract};
use crate::manifest::{Manifest, Materialized, Node, ResourceType};
use crate::{Error, Result};

/// A project's relations in a lake.
pub struct Project<'a> {
    /// What is in the project.
    pub manifest: &'a Manifest,
    /// The lake it is built in.
    pub lake: &'a Lake,
    /// What runs queries.
    pub engine: &'a Engine,
    /// The tables of all sources, models and seeds that exist, at the versions read.
    pub tables: Versions,
    /// The models and seeds to be built, planned.
    pub planned: BTreeMap<String, Planned>,
    /// The unit tests to be run, planned.
    pub unit_tests: BTreeMap<String, PlannedUnitTest>,
    /// Whether tables are filled anew.
    pub full_refresh: bool,
}

/// The versions of tables, by the node's unique id.
pub type Versions = BTreeMap<String, Snapshot>;

/// A model or seed that is to be built.
#[derive(Clone, Debug)]
pub enum Planned {
    /// A query under a name.
    View,
    /// A table filled by a query.
    Table(Box<PlannedTable>),
    /// A table that a query adds to.
    Incremental(Box<PlannedIncremental>),
    /// A table of the states that a query's rows were in.
    Snapshot(Box<PlannedSnapshot>),
    /// A table filled by a file.
    Seed(Seed),
}

/// A table that a query fills.
#[derive(Clone, Debug)]
pub struct PlannedTable {
    /// Its columns as stored.
    pub schema: SchemaRef,
    /// What its plan allows.
    pub shape: Shape,
    /// The fingerprint of its SQL and configuration, and of the views it reads.
    pub fingerprint: String,
    /// The nodes whose tables it reads, views seen through; by their full name in plans.
    pub upstreams: BTreeMap<String, String>,
}

impl<'a> Project<'a> {
    /// Read the versions of every table that `selected` nodes read or fill, and plan those nodes.
    /// Everything wrong with any of them is reported at once.
    pub async fn plan(
        manifest: &'a Manifest,
        lake: &'a Lake,
        engine: &'a Engine,
        selected: &BTreeSet<String>,
    ) -> Result<Self> {
        Self::plan_for(manifest, lake, engine, selected, false).await
    }

    /// The same, perhaps for tables that are filled anew.
    pub async fn plan_for(
        manifest: &'a Manifest,
        lake: &'a Lake,
        engine: &'a Engine,
        selected: &BTreeSet<String>,
        full_refresh: bool,
    ) -> Result<Self> {
        let (project, unplanned) =
            Self::plan_possible(manifest, lake, engine, selected, full_refresh).await?;
        Error::collected(unplanned.into_iter().filter_map(Unplanned::error).collect())?;
        Ok(project)
    }

    /// The same for the nodes that can be planned, and why the others cannot.
    pub async fn plan_possible(
        manifest: &'a Manifest,
        lake: &'a Lake,
        engine: &'a Engine,
        selected: &BTreeSet<String>,
        full_refresh: bool,
    ) -> Result<(Self, Vec<Unplanned>)> {
        let tables = versions(manifest, lake, selected).await?;
        let mut project = Self {
            manifest,
            lake,
            engine,
            tables,
            planned: BTreeMap::new(),
            unit_tests: BTreeMap::new(),
            full_refresh,
        };
        let mut unplanned: Vec<Unplanned> = Vec::new();
        let mut failed: BTreeSet<&str> = BTreeSet::new();
        for node in manifest.in_order(selected) {
            let reads = project.reads(node);
            let broken = reads
                .iter()
                .find(|upstream| failed.contains(upstream.unique_id.as_str()));
            let why = match (broken, &node.unit_test) {
                // What reads a broken model would only fail again.
                (Some(upstream), _) => Why::Reads(upstream.name.clone()),
                (None, Some(unit)) => match project.plan_unit_test(node, unit).await {
                    Ok(planned) => {
                        project.unit_tests.insert(node.unique_id.clone(), planned);
                        continue;
                    }
                    Err(error) => Why::Broken(error),
                },
                (None, None) => match project.plan_node(node).await {
                    Ok(planned) => {
                        let named = planned.map(|planned| (node.unique_id.clone(), planned));
                        project.planned.extend(named);
                        continue;
                    }
                    Err(error) => Why::Broken(error),
                },
            };
            failed.insert(&node.unique_id);
            unplanned.push(Unplanned {
                unique_id: node.unique_id.clone(),
                why,
            });
        }
        Ok((project, unplanned))
    }

    async fn plan_node(&self, node: &Node) -> Result<Option<Planned>> {
        match (node.resource_type, node.config.materialized) {
            (ResourceType::Seed, _) => {
                let session = self.engine.session([]);
                let seed = Seed::read(&self.manifest.root, node, &session).await?;
                plan::check_partitions(node, &seed.schema())?;
                Ok(Some(Planned::Seed(seed)))
            }
            (ResourceType::Test, _) => {
                let session = self.planning_session(node).await?;
                plan::checked(&session, node, sql_of(node)).await?;
                Ok(None)
            }
            (ResourceType::Model, Materialized::View) => {
                let session = self.planning_session(node).await?;
                let logical = plan::checked(&session, node, sql_of(node)).await?;
                contract::check(&session, node, &logical).await?;
                Ok(Some(Planned::View))
            }
            (ResourceType::Model, Materialized::Table) => {
                let (table, _) = self.planned_table(node, sql_of(node)).await?;
                Ok(Some(Planned::Table(Box::new(table))))
            }
            (ResourceType::Model, Materialized::Incremental) => {
                let planned = incremental::plan(self, node).await?;
                Ok(Some(Planned::Incremental(Box::new(planned))))
            }
            (ResourceType::Snapshot, _) => {
                let now = chrono::Utc::now().timestamp_micros();
                let planned = snapshots::plan(self, node, now).await?;
                Ok(Some(Planned::Snapshot(Box::new(planned))))
            }
            _ => Ok(None),
        }
    }

    /// The table that this SQL of a node fills, and the SQL's plan.
    pub async fn planned_table(
        &self,
        node: &Node,
        sql: &str,
    ) -> Result<(PlannedTable, LogicalPlan)> {
        let session = self.planning_session(node).await?;
        let logical = plan::checked(&session, node, sql).await?;
        contract::check(&session, node, &logical).await?;
        let stored = plan::storable(node, logical.clone())?;
        let schema = plan::table_schema(node, &stored);
        plan::check_partitions(node, &schema)?;
        self.check_constraints(node, &schema).await?;
        let upstreams = self.upstream_names(node);
        let partitions = self.partition_columns(&upstreams);
        let shape = Shape::of(
            &logical,
            &node.config.partition_by,
            &partitions,
            reach(node)?,
        );
        let fingerprint = self.fingerprint(node);
        let table = PlannedTable {
            schema,
            shape,
            fingerprint,
            upstreams,
        };
        Ok((table, logical))
    }

    /// The constraints of a node can be checked over a table with these columns.
    async fn check_constraints(&self, node: &Node, schema: &SchemaRef) -> Result<()> {
        match &node.relation {
            Some(relation) if constraints::any(node) => {
                let session = self
                    .engine
                    .session([(relation, relations::planned(schema))]);
                constraints::check(&session, node).await
            }
            _ => Ok(()),
        }
    }

    /// A session over what a node reads, as far as it is known before anything is written.
    pub async fn planning_session(&self, node: &Node) -> Result<SessionContext> {
        self.session(
            node,
            &|upstream| match self.planned.get(&upstream.unique_id) {
                Some(Planned::Table(table)) => Ok(relations::planned(&table.schema)),
                Some(Planned::Incremental(planned)) => {
                    Ok(relations::planned(&planned.table.schema))
                }
                Some(Planned::Snapshot(planned)) => Ok(relations::planned(&planned.table.schema)),
                Some(Planned::Seed(seed)) => Ok(relations::planned(&seed.schema())),
                _ => leaf(upstream, &self.tables, node, None)
                    .map_err(|error| made_here(self.manifest, error, upstream)),
            },
        )
        .await
    }

    /// A session over what a node reads; `leaf` gives the relation of a table, views are planned
    /// over theirs.
    pub async fn session(&self, node: &Node, leaf: Leaf<'_>) -> Result<SessionContext> {
        self.session_in(self.engine, node, leaf).await
    }

    /// The same in an engine with a share of the memory.
    pub async fn session_in(
        &self,
        engine: &Engine,
        node: &Node,
        leaf: Leaf<'_>,
    ) -> Result<SessionContext> {
        let mut relations = Vec::new();
        for upstream in self.reads(node) {
            let Some(relation) = &upstream.relation else {
                continue;
            };
            relations.push((relation, self.provider(upstream, leaf).await?));
        }
        // `this`: the table as the last build left it.
        if let Some(own) = &node.relation
            && matches!(
                node.config.materialized,
                Materialized::Incremental | Materialized::Snapshot
            )
        {
            match leaf(node) {
                Ok(table) => relations.push((own, table)),
                // The first batch of a build makes the table for those after it.
                Err(_) if !self.tables.contains_key(&node.unique_id) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(engine.session(relations))
    }

    fn provider<'b>(
        &'b self,
        node: &'b Node,
        leaf: Leaf<'b>,
    ) -> BoxFuture<'b, Result<Arc<dyn TableProvider>>> {
        async move {
            if is_view(node) {
                let session = self.session(node, leaf).await?;
                let plan = plan::logical(&session, node, sql_of(node)).await?;
                Ok(relations::view(plan, sql_of(node)))
            } else {
                leaf(node)
            }
        }
        .boxed()
    }

    /// The nodes that a node's SQL names, ephemeral ones seen through.
    pub fn reads(&self, node: &Node) -> Vec<&'a Node> {
        let mut found: Vec<&'a Node> = Vec::new();
        let mut next: Vec<&str> = node.depends_on.iter().map(String::as_str).collect();
        while let Some(unique_id) = next.pop() {
            let Some(upstream) = self.manifest.node(unique_id) else {
                continue;
            };
            if upstream.config.materialized == Materialized::Ephemeral {
                next.extend(upstream.depends_on.iter().map(String::as_str));
            } else if !found
                .iter()
                .any(|known| known.unique_id == upstream.unique_id)
            {
                found.push(upstream);
            }
        }
        found
    }

    /// The tables that a node reads, views seen through.
    pub fn tables_of(&self, node: &Node) -> Vec<&'a Node> {
        let mut found: Vec<&'a Node> = Vec::new();
        for upstream in self.reads(node) {
            let below = if is_view(upstream) {
                self.tables_of(upstream)
            } else {
                vec![upstream]
            };
            for table in below {
                if !found.iter().any(|known| known.unique_id == table.unique_id) {
                    found.push(table);
                }
            }
        }
        found
    }

    /// Full names in plans, and unique ids.
    pub fn upstream_names(&self, node: &Node) -> BTreeMap<String, String> {
        self.tables_of(node)
            .into_iter()
            .filter_map(|table| {
                let relation = table.relation.as_ref()?;
                Some((
                    relations::reference(relation).to_string(),
                    table.unique_id.clone(),
                ))
            })
            .collect()
    }

    fn partition_columns(&self, upstreams: &BTreeMap<String, String>) -> PartitionColumns {
        upstreams
            .iter()
            .map(|(name, unique_id)| {
                let (schema, columns) = match self.planned.get(unique_id) {
                    Some(Planned::Table(table)) => (
                        Some(&table.schema),
                        self.manifest.nodes[unique_id]
                            .config
                            .partition_by
                            .as_slice(),
                    ),
                    Some(Planned::View | Planned::Seed(_)) => (None, &[][..]),
                    // Rows that are there keep the partitions that they have.
                    Some(Planned::Incremental(_) | Planned::Snapshot(_)) | None => {
                        match self.tables.get(unique_id) {
                            Some(snapshot) => (
                                Some(&snapshot.schema),
                                snapshot.partition_columns.as_slice(),
                            ),
                            None => (None, &[][..]),
                        }
                    }
                };
                let fields = columns
                    .iter()
                    .filter_map(|column| schema?.field_with_name(column).ok())
                    .map(|field| Arc::new(field.clone()))
                    .collect();
                (name.clone(), fields)
            })
            .collect()
    }

    /// A node's own fingerprint, with those of the views that are planned into it.
    fn fingerprint(&self, node: &Node) -> String {
        let mut hash = Sha256::new().chain_update(&node.fingerprint);
        let mut views: Vec<&Node> = self
            .reads(node)
            .into_iter()
            .filter(|upstream| is_view(upstream))
            .collect();
        views.sort_by(|a, b| a.unique_id.cmp(&b.unique_id));
        for view in views {
            hash.update(self.fingerprint(view));
        }
        format!("{:x}", hash.finalize())
    }

    /// What a planned table reads, at these versions.
    pub fn upstreams(&self, table: &PlannedTable, versions: &Versions) -> Vec<Upstream> {
        table
            .shape
            .tables
            .iter()
            .filter_map(|name| {
                let node = self.manifest.node(table.upstreams.get(name)?)?;
                let snapshot = versions.get(&node.unique_id)?.clone();
                let (path, rows) = place(node);
                Some(Upstream {
                    name: name.clone(),
                    path,
                    rows,
                    snapshot,
                })
            })
            .collect()
    }
}

/// Gives the relation of a table.
pub type Leaf<'b> = &'b (dyn Fn(&Node) -> Result<Arc<dyn TableProvider>> + Send + Sync);

/// A node's SQL.
pub fn sql_of(node: &Node) -> &str {
    node.compiled_code.as_deref().unwrap_or_default()
}

/// Whether a node is a query under a name.
pub fn is_view(node: &Node) -> bool {
    node.resource_type == ResourceType::Model && node.config.materialized == Materialized::View
}

/// Where a node's rows lie.
pub fn place(node: &Node) -> (String, Rows) {
    let relation = node
        .relation
        .as_ref()
        .expect("sources, models and seeds have a relation");
    match node.resource_type {
        ResourceType::Source => relations::of_source(relation),
        _ => (relation.table_path(), Rows::All),
    }
}

/// `meta.reach`.
fn reach(node: &Node) -> Result<Reach> {
    let Some(value) = node.meta("reach") else {
        return Ok(Reach::default());
    };
    Reach::read(value).ok_or_else(|| {
            crate::diagnostics::Diagnostic::new(format!(
                "{}: `meta.reach` is {value}, and should be a number of days from 0 to 366, or {{before: days, after: days}}",
                node.name
            ))
            .in_file(&node.original_file_path)
            .into()
        })
}
