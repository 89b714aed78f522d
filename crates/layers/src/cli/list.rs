//! `ls`: the selected nodes, a line each.

use std::collections::BTreeMap;

use goldrecord_lake::Lake;
use serde_json::{Value, json};

use super::arguments::{Cli, List, Output};
use super::{Exit, configuration, picked, print_out};
use crate::manifest::{Manifest, Node, ResourceType};
use crate::output::Printer;
use crate::{Result, engine};

/// The key of what is only printed when asked for: it needs the lake.
const LINEAGE: &str = "column_lineage";

/// List the selected nodes.
pub(super) async fn ls(
    cli: &Cli,
    printer: &Printer,
    manifest: &Manifest,
    list: &List,
) -> Result<Exit> {
    let mut selected = picked(printer, manifest, &list.pick, &[])?;
    if list.pick.resource_type.is_empty() {
        // Analyses are listed when they are asked for.
        selected.retain(|id| {
            manifest
                .node(id)
                .is_some_and(|node| node.resource_type != ResourceType::Analysis)
        });
    }
    if selected.is_empty() {
        printer.warning("No nodes selected!");
        return Ok(Exit::Done);
    }
    let lake = match list.output {
        Output::Way => Some(Lake::open(&configuration(&cli.common)?.lake.url)?),
        _ => None,
    };
    let columns = if list.output == Output::Json && list.output_keys.iter().any(|k| k == LINEAGE) {
        let lake = Lake::open(&configuration(&cli.common)?.lake.url)?;
        engine::column_lineage(manifest, &lake, &selected).await?
    } else {
        BTreeMap::new()
    };
    let mut text = String::new();
    for node in selected.iter().filter_map(|id| manifest.node(id)) {
        let line = match (list.output, &lake) {
            (Output::Path, _) => node.file_in_package().to_owned(),
            (Output::Selector, _) => selector(node),
            (Output::Json, _) => json_line(node, columns.get(&node.unique_id), &list.output_keys),
            (Output::Way, Some(lake)) if node.is_built() => {
                let explanation = engine::explain(manifest, lake, node).await?;
                format!("{}\t{}", name(node), explanation.usually)
            }
            (Output::Name | Output::Way, _) => name(node),
        };
        text.push_str(&line);
        text.push('\n');
    }
    print_out(&text)?;
    Ok(Exit::Done)
}

fn name(node: &Node) -> String {
    match &node.source_name {
        Some(source) => format!("{source}.{}", node.name),
        None => node.name.clone(),
    }
}

fn selector(node: &Node) -> String {
    match (node.resource_type, &node.source_name) {
        (ResourceType::Source, Some(source)) => {
            format!("source:{}.{source}.{}", node.package, node.name)
        }
        (ResourceType::Exposure, _) => format!("exposure:{}.{}", node.package, node.name),
        (ResourceType::UnitTest, _) => format!("unit_test:{}.{}", node.package, node.name),
        _ => node.fqn.join("."),
    }
}

fn json_line(node: &Node, columns: Option<&Value>, keys: &[String]) -> String {
    let mut object = json!({
        "name": node.name,
        "resource_type": node.resource_type,
        "package_name": node.package,
        "original_file_path": node.file_in_package(),
        "unique_id": node.unique_id,
        "source_name": node.source_name,
        "alias": node.relation.as_ref().map_or(&node.name, |relation| &relation.identifier),
        "description": node.description,
        "tags": node.config.tags,
        "depends_on": {"nodes": node.depends_on},
        "config": node.config_json(),
        "relation_name": node.relation.as_ref().map(ToString::to_string),
        "fingerprint": node.fingerprint,
        LINEAGE: columns,
    });
    if let Value::Object(map) = &mut object {
        map.retain(|key, value| {
            if keys.is_empty() {
                !value.is_null()
            } else {
                keys.contains(key)
            }
        });
    }
    object.to_string()
}
