//! What a project has in its lake, for those who read about it: columns, sizes, where columns come
//! from, and how models are brought up to date.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::Schema;
use goldrecord_lake::{Lake, Snapshot};
use serde_json::Value;

use super::introspect::sql_name;
use super::project::{Planned, Project, Why, is_view, place, sql_of};
use super::session::Engine;
use super::{BuildOptions, column_lineage, plan};
use crate::Result;
use crate::manifest::{Manifest, Node, ResourceType};

/// What is known of a project's tables.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Sources, models and seeds by unique id; those that are neither planned nor in the lake are left out.
    pub tables: BTreeMap<String, Table>,
    /// Where the columns of models come from, by unique id, as `ls --output json` prints it.
    pub lineage: BTreeMap<String, Value>,
    /// How models are brought up to date when what they read gets new rows, by unique id.
    pub ways: BTreeMap<String, String>,
    /// What cannot be planned over the lake, and so is without lineage, by unique id, with the reason.
    pub left_out: BTreeMap<String, String>,
    /// What is wrong with those of them that are wrong themselves.
    pub errors: Vec<String>,
}

/// A table or a view.
#[derive(Clone, Debug)]
pub struct Table {
    /// Names and SQL types, in order.
    pub columns: Vec<(String, String)>,
    /// What lies in the lake: of views and of what was never built, nothing.
    pub stored: Option<Stored>,
    /// Whether it is a query under a name.
    pub is_view: bool,
}

/// The files of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// How many rows.
    pub rows: i64,
    /// Their size.
    pub bytes: i64,
    /// In how many files.
    pub files: usize,
    /// The table's version.
    pub version: i64,
    /// When the version was committed, in milliseconds since 1970.
    pub committed_ms: i64,
}

/// Look at all sources, models and seeds of a project; nothing is written.
///
/// A node that cannot be planned over the lake is no error: then the columns of its table are known
/// if that is there, and no lineage, and [`Catalog::left_out`] says why.
pub async fn catalog(manifest: &Manifest, lake: &Lake) -> Result<Catalog> {
    let engine = Engine::new(lake, &BuildOptions::default())?;
    let nodes: BTreeSet<String> = manifest
        .nodes
        .values()
        .filter(|node| node.is_built() || node.resource_type == ResourceType::Source)
        .map(|node| node.unique_id.clone())
        .collect();
    let mut catalog = Catalog::default();
    let (project, unplanned) =
        Project::plan_possible(manifest, lake, &engine, &nodes, false).await?;
    for node in nodes.iter().filter_map(|id| manifest.node(id)) {
        catalog.add_planned(&project, node).await?;
    }
    for one in unplanned {
        let why = one.why.to_string();
        if matches!(one.why, Why::Broken(_)) {
            catalog.errors.push(why.clone());
        }
        catalog.left_out.insert(one.unique_id, why);
    }
    for (unique_id, snapshot) in &project.tables {
        let Some(node) = manifest.node(unique_id) else {
            continue;
        };
        // What is in the lake stands before what the next build would make of it.
        let table = Table {
            columns: columns(&snapshot.schema),
            stored: Some(stored(node, snapshot)),
            is_view: false,
        };
        catalog.tables.insert(unique_id.clone(), table);
    }
    Ok(catalog)
}

impl Catalog {
    async fn add_planned(&mut self, project: &Project<'_>, node: &Node) -> Result<()> {
        let found = match project.planned.get(&node.unique_id) {
            Some(Planned::Table(table)) => {
                let way = table.shape.describe();
                self.ways.insert(node.unique_id.clone(), way);
                columns(&table.schema)
            }
            Some(Planned::Incremental(planned)) => columns(&planned.table.schema),
            Some(Planned::Snapshot(planned)) => columns(&planned.table.schema),
            Some(Planned::Seed(seed)) => columns(&seed.schema()),
            Some(Planned::View) => {
                let session = project.planning_session(node).await?;
                let plan = plan::logical(&session, node, sql_of(node)).await?;
                columns(plan.schema().as_arrow())
            }
            None => return Ok(()),
        };
        let table = Table {
            columns: found,
            stored: None,
            is_view: is_view(node),
        };
        self.tables.insert(node.unique_id.clone(), table);
        if column_lineage::has_lineage(node) {
            let lineage = column_lineage::of(project, node).await?;
            self.lineage.insert(node.unique_id.clone(), lineage);
        }
        Ok(())
    }
}

fn columns(schema: &Schema) -> Vec<(String, String)> {
    let fields = schema.fields().iter();
    fields
        .map(|field| (field.name().clone(), sql_name(field.data_type())))
        .collect()
}

fn stored(node: &Node, snapshot: &Snapshot) -> Stored {
    let rows = place(node).1.in_table(snapshot);
    let files = || snapshot.files.values().filter(|file| rows.are_in(file));
    Stored {
        rows: files().map(|file| file.stats.num_records).sum(),
        bytes: files().map(|file| file.size).sum(),
        files: files().count(),
        version: snapshot.version,
        committed_ms: snapshot.timestamp_ms,
    }
}
