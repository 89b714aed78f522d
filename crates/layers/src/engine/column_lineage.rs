//! The column lineage of models, by the nodes whose tables they read.

use std::collections::{BTreeMap, BTreeSet};

use goldrecord_lake::Lake;
use serde_json::{Map, Value, json};

use super::lineage::{Nearness, column_lineage};
use super::project::{Project, Why, sql_of};
use super::session::Engine;
use super::{BuildOptions, explain, plan};
use crate::Result;
use crate::manifest::{Manifest, Node, ResourceType};

/// The column lineage of each selected model that is a table or a view, by its unique id.
///
/// `{"columns": {name: [{"unique_id", "column", "kind"}]}, "influence": [{"unique_id", "column"}]}`:
/// `kind` is `direct` or `derived`; `influence` are the columns that decide which rows there are.
/// Views that a model reads are seen through. Of one that cannot be planned it is
/// `{"left_out": why}`. Nothing is written.
pub async fn columns(
    manifest: &Manifest,
    lake: &Lake,
    selected: &BTreeSet<String>,
) -> Result<BTreeMap<String, Value>> {
    let engine = Engine::new(lake, &BuildOptions::default())?;
    let models = || {
        let nodes = selected.iter().filter_map(|id| manifest.node(id));
        nodes.filter(|node| has_lineage(node))
    };
    // What lies above need not be built yet.
    let planned = models()
        .flat_map(|node| explain::with_ancestors(manifest, node))
        .collect();
    let (project, unplanned) =
        Project::plan_possible(manifest, lake, &engine, &planned, false).await?;
    let left_out: BTreeMap<&str, &Why> = unplanned
        .iter()
        .map(|one| (one.unique_id.as_str(), &one.why))
        .collect();
    let mut found = BTreeMap::new();
    for node in models() {
        let told = match left_out.get(node.unique_id.as_str()) {
            Some(why) => json!({"left_out": why.to_string()}),
            None => of(&project, node).await?,
        };
        found.insert(node.unique_id.clone(), told);
    }
    Ok(found)
}

/// Whether a node is a query that is kept under a name.
pub(super) fn has_lineage(node: &Node) -> bool {
    node.resource_type == ResourceType::Model && node.is_built()
}

/// The column lineage of one planned model.
pub(super) async fn of(project: &Project<'_>, node: &Node) -> Result<Value> {
    let session = project.planning_session(node).await?;
    let plan = plan::logical(&session, node, sql_of(node)).await?;
    let lineage = column_lineage(&plan);
    let names = project.upstream_names(node);
    // A table that is no node of the project keeps its full name.
    let id = |table: &String| names.get(table).unwrap_or(table).clone();
    let columns: Map<String, Value> = plan
        .schema()
        .fields()
        .iter()
        .zip(&lineage.columns)
        .map(|(field, origins)| {
            let origins = origins.iter().map(|((table, column), nearness)| {
                let kind = match nearness {
                    Nearness::Direct => "direct",
                    Nearness::Derived => "derived",
                };
                json!({"unique_id": id(table), "column": column, "kind": kind})
            });
            (field.name().clone(), origins.collect())
        })
        .collect();
    let influence = lineage
        .influence
        .iter()
        .map(|(table, column)| json!({"unique_id": id(table), "column": column}));
    Ok(json!({"columns": columns, "influence": influence.collect::<Vec<_>>()}))
}
