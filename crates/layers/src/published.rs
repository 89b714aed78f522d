//! The lake as readers see it: every table at the version that the last published build names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::catalog::{
    CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider, TableProvider,
};
use datafusion::prelude::SessionContext;
use futures::StreamExt;
use goldrecord_lake::{Lake, Snapshot, builds};

use crate::engine::BuildOptions;
use crate::engine::failures::FAILURES_OF;
use crate::engine::relations::{self, Rows};
use crate::engine::session::{DEFAULT_SCHEMA, Engine};
use crate::manifest::Relation;
use crate::{Error, Result};

/// The schema of bronze tables with all kinds of rows.
pub const BRONZE_RAW: &str = "bronze_raw";
const BRONZE: &str = "bronze";

/// A session over the published lake of a target.
///
/// Catalog `lake` with a schema for each folder: `bronze.<topic>` (the events),
/// `bronze."<topic>$quarantine"` (bad records), `bronze_raw.<topic>` (rows of every kind), and what
/// the project builds (`silver`, `gold`, …). Built tables are at the versions of the last published
/// build, and none is there before the first; bronze is at the version that the build read, or at
/// its latest where none has. The failing rows that tests keep are at their latest version. A table whose name stands in one schema only can be named without it.
pub async fn session(lake: &Lake, target: &str) -> Result<SessionContext> {
    let engine = Engine::new(lake, &BuildOptions::default())?;
    let published = builds::published(lake, target)
        .await?
        .map(|build| build.tables)
        .unwrap_or_default();
    let mut wanted: BTreeMap<String, Option<i64>> = published
        .into_iter()
        .map(|(path, version)| (path, Some(version)))
        .collect();
    let mut others = Vec::new();
    for path in lake.tables().await? {
        if path
            .split_once('/')
            .is_some_and(|(schema, _)| schema == BRONZE)
        {
            wanted.entry(path).or_insert(None);
        } else if !wanted.contains_key(&path) {
            others.push(path);
        }
    }
    let snapshots: Vec<Result<Option<(String, Snapshot)>>> = futures::stream::iter(wanted)
        .map(|(path, version)| async move {
            let table = lake.table(&path);
            let snapshot = match version {
                Some(version) => Some(table.at(version).await?),
                None => table.latest().await?,
            };
            Ok(snapshot.map(|snapshot| (path, snapshot)))
        })
        .buffer_unordered(16)
        .collect()
        .await;
    // Of what no build publishes, the failing rows of tests are shown, as they are now.
    let failures: Vec<Result<Option<(String, Snapshot)>>> = futures::stream::iter(others)
        .map(|path| async move {
            let found = lake.table(&path).latest().await?;
            let kept = found.filter(|table| table.properties.contains_key(FAILURES_OF));
            Ok(kept.map(|snapshot| (path, snapshot)))
        })
        .buffer_unordered(16)
        .collect()
        .await;
    let mut catalog = Catalog::default();
    for snapshot in snapshots.into_iter().chain(failures) {
        if let Some((path, snapshot)) = snapshot? {
            catalog.add(&path, &snapshot)?;
        }
    }
    catalog.name_the_unique_ones();
    let providers = Arc::new(MemoryCatalogProvider::new());
    for (name, tables) in catalog.schemas {
        let schema = Arc::new(MemorySchemaProvider::new());
        for (name, table) in tables {
            schema
                .register_table(name, table)
                .map_err(Error::engine("open the published lake"))?;
        }
        providers
            .register_schema(&name, schema)
            .map_err(Error::engine("open the published lake"))?;
    }
    Ok(engine.with_catalog(providers))
}

/// Relations by schema and name.
#[derive(Default)]
struct Catalog {
    schemas: BTreeMap<String, BTreeMap<String, Arc<dyn TableProvider>>>,
}

impl Catalog {
    fn add(&mut self, path: &str, snapshot: &Snapshot) -> Result<()> {
        let Some((schema, name)) = path.rsplit_once('/') else {
            return Ok(());
        };
        let mut put = |schema: &str, name: String, rows: Rows| {
            let relation = Relation::new(schema, name.clone());
            let table = relations::table(&relation, path, snapshot, rows, None)?;
            self.schemas
                .entry(schema.to_owned())
                .or_default()
                .insert(name, table);
            Ok::<_, Error>(())
        };
        put(schema, name.to_owned(), Rows::Good)?;
        if schema == BRONZE {
            put(schema, format!("{name}$quarantine"), Rows::Bad)?;
            put(BRONZE_RAW, name.to_owned(), Rows::All)?;
        }
        Ok(())
    }

    /// A table whose name no other schema has stands in the default schema too.
    fn name_the_unique_ones(&mut self) {
        let mut seen = BTreeSet::new();
        let mut twice = BTreeSet::new();
        let schemas = self
            .schemas
            .iter()
            .filter(|(schema, _)| *schema != BRONZE_RAW);
        for name in schemas.flat_map(|(_, tables)| tables.keys()) {
            if !seen.insert(name.clone()) {
                twice.insert(name.clone());
            }
        }
        let unique: BTreeMap<_, _> = self
            .schemas
            .iter()
            .filter(|(schema, _)| *schema != BRONZE_RAW)
            .flat_map(|(_, tables)| tables)
            .filter(|(name, _)| !twice.contains(*name))
            .map(|(name, table)| (name.clone(), Arc::clone(table)))
            .collect();
        self.schemas
            .entry(DEFAULT_SCHEMA.to_owned())
            .or_default()
            .extend(unique);
    }
}
