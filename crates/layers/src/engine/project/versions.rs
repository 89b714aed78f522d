//! The versions of tables that a project reads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use futures::StreamExt;
use goldrecord_lake::{AddFile, Lake};

use super::{Versions, is_view, place};
use crate::engine::relations;
use crate::manifest::{Manifest, Materialized, Node, ResourceType};
use crate::{Error, Result};

/// The latest version of every table of the project that exists, read side by side. Those that
/// nothing selected reads or fills are left out.
pub async fn versions(
    manifest: &Manifest,
    lake: &Lake,
    selected: &BTreeSet<String>,
) -> Result<Versions> {
    let mut wanted: BTreeSet<&str> = BTreeSet::new();
    let mut next: Vec<&str> = selected.iter().map(String::as_str).collect();
    // Unit tests read no rows of the lake.
    next.retain(|unique_id| {
        let node = manifest.node(unique_id);
        node.is_some_and(|node| node.resource_type != ResourceType::UnitTest)
    });
    while let Some(unique_id) = next.pop() {
        let Some(node) = manifest.node(unique_id) else {
            continue;
        };
        if wanted.insert(unique_id) {
            // Below a view or a node that is written, what it reads is read too.
            let goes_on = selected.contains(unique_id)
                || is_view(node)
                || node.config.materialized == Materialized::Ephemeral;
            if goes_on {
                next.extend(node.depends_on.iter().map(String::as_str));
            }
        }
    }
    let mut paths: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for unique_id in wanted {
        let node = &manifest.nodes[unique_id];
        if node.relation.is_some()
            && matches!(
                node.resource_type,
                ResourceType::Model
                    | ResourceType::Seed
                    | ResourceType::Snapshot
                    | ResourceType::Source
            )
            && !is_view(node)
        {
            paths
                .entry(place(node).0)
                .or_default()
                .push(unique_id.to_owned());
        }
    }
    // One read of a path, so that all relations over it show the same version.
    let reads = paths.into_iter().map(|(path, unique_ids)| async move {
        Ok::<_, Error>((lake.table(&path).latest().await?, unique_ids))
    });
    let read = futures::stream::iter(reads)
        .buffer_unordered(16)
        .collect::<Vec<_>>()
        .await;
    let mut versions = Versions::new();
    for one in read {
        if let (Some(snapshot), unique_ids) = one? {
            for unique_id in unique_ids {
                versions.insert(unique_id, snapshot.clone());
            }
        }
    }
    Ok(versions)
}

/// The relation of a table at the version given, or of some of its files.
pub fn leaf(
    node: &Node,
    versions: &Versions,
    reader: &Node,
    files: Option<Vec<AddFile>>,
) -> Result<Arc<dyn TableProvider>> {
    let relation = node
        .relation
        .as_ref()
        .expect("sources, models and seeds have a relation");
    let Some(snapshot) = versions.get(&node.unique_id) else {
        let mend = match node.resource_type {
            ResourceType::Source => "start the ingestor, which makes it".to_owned(),
            _ => format!("build it too: --select +{}", reader.name),
        };
        return Err(Error::NoTable {
            reader: reader.name.clone(),
            table: format!("{}.{}", relation.schema, relation.identifier),
            mend,
        });
    };
    let (path, rows) = place(node);
    relations::table(relation, &path, snapshot, rows, files)
}
