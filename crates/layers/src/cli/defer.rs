//! `--defer`: what is not selected is read where another target has it.

use std::collections::BTreeMap;

use goldrecord_lake::Lake;

use super::arguments::{Cli, Deferral, Pick};
use super::{configuration, picked};
use crate::artifacts::Previous;
use crate::manifest::{Manifest, Materialized, Node, Relation, ResourceType};
use crate::output::Printer;
use crate::{Error, Result};

/// The nodes to be read elsewhere, and where.
pub(super) async fn deferred(
    cli: &Cli,
    printer: &Printer,
    manifest: &Manifest,
    pick: &Pick,
    deferral: &Deferral,
) -> Result<BTreeMap<String, Relation>> {
    if !deferral.defer {
        return Ok(BTreeMap::new());
    }
    let Some(folder) = deferral.defer_state.as_ref().or(pick.state.as_ref()) else {
        return Err(Error::Usage(
            "--defer needs the manifest of the other target: name its folder with --state"
                .to_owned(),
        ));
    };
    let previous = Previous::read(folder)?;
    let selected = picked(
        printer,
        manifest,
        pick,
        &[
            ResourceType::Model,
            ResourceType::Seed,
            ResourceType::Snapshot,
        ],
    )?;
    let lake = Lake::open(&configuration(&cli.common)?.lake.url)?;
    let mut found = BTreeMap::new();
    for node in manifest.nodes.values() {
        let Some(elsewhere) = previous.place(&node.unique_id) else {
            continue;
        };
        let wanted = node.is_built() && !selected.contains(&node.unique_id);
        if wanted && (deferral.favor_state || !is_there(&lake, node).await?) {
            found.insert(node.unique_id.clone(), elsewhere.clone());
        }
    }
    Ok(found)
}

/// Whether a node's rows are in the lake. Views keep none: what they read decides.
async fn is_there(lake: &Lake, node: &Node) -> Result<bool> {
    let Some(relation) = &node.relation else {
        return Ok(false);
    };
    if node.config.materialized == Materialized::View {
        return Ok(true);
    }
    Ok(lake.table(&relation.table_path()).latest().await?.is_some())
}
