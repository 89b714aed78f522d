//! Hooks of whole commands as nodes of `manifest.json`.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::hooks::Operation;
use crate::manifest::{DATABASE, Manifest};
use crate::project::hex;

/// Operations by unique id.
pub fn operations(manifest: &Manifest) -> Map<String, Value> {
    let operations = manifest.hooks.operations.iter();
    operations
        .map(|operation| (operation.unique_id(), one(manifest, operation)))
        .collect()
}

fn one(manifest: &Manifest, operation: &Operation) -> Value {
    let (name, moment) = (operation.name(), operation.moment.to_string());
    let checksum = hex(&Sha256::digest(operation.sql.trim().as_bytes()));
    json!({
        "database": DATABASE,
        "schema": manifest.schema,
        "name": name,
        "resource_type": "operation",
        "package_name": operation.package,
        "path": format!("hooks/{name}.sql"),
        "original_file_path": "./dbt_project.yml",
        "unique_id": operation.unique_id(),
        "fqn": [operation.package, "hooks", name],
        "alias": name,
        "checksum": {"name": "sha256", "checksum": checksum},
        "config": {"enabled": true, "materialized": "table", "tags": [], "meta": {}},
        "tags": [moment],
        "description": "",
        "columns": {},
        "meta": {},
        "docs": {"show": true, "node_color": null},
        "patch_path": null,
        "unrendered_config": {},
        "relation_name": null,
        "raw_code": operation.sql,
        "language": "sql",
        "refs": [],
        "sources": [],
        "metrics": [],
        "depends_on": {"macros": [], "nodes": []},
        "index": operation.index,
    })
}
