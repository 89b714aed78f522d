//! `catalog.json`: the tables that are in the lake, with columns and sizes, in dbt's schema.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde_json::{Map, Value, json};

use super::{Invocation, time};
use crate::engine::{Catalog, Stored, Table};
use crate::manifest::{Manifest, Node, Relation, ResourceType};

/// The file's content.
pub fn catalog_json(manifest: &Manifest, catalog: &Catalog, invocation: &Invocation) -> Value {
    let (mut nodes, mut sources) = (Map::new(), Map::new());
    for (unique_id, table) in &catalog.tables {
        let Some(node) = manifest.node(unique_id) else {
            continue;
        };
        // As in dbt, what was not built is not in the catalog.
        if let Some(relation) = &node.relation
            && (table.is_view || table.stored.is_some())
        {
            let into = match node.resource_type {
                ResourceType::Source => &mut sources,
                _ => &mut nodes,
            };
            into.insert(unique_id.clone(), one(node, relation, table));
        }
    }
    let errors = Some(&catalog.errors).filter(|errors| !errors.is_empty());
    json!({
        "metadata": invocation.metadata("catalog/v1"),
        "nodes": nodes,
        "sources": sources,
        "errors": errors,
    })
}

fn one(node: &Node, relation: &Relation, table: &Table) -> Value {
    let described: BTreeMap<&str, &str> = node
        .columns
        .iter()
        .filter(|column| !column.description.is_empty())
        .map(|column| (column.name.as_str(), column.description.as_str()))
        .collect();
    let columns: Map<String, Value> = table
        .columns
        .iter()
        .zip(1..)
        .map(|((name, sql_type), index)| {
            let comment = described.get(name.as_str());
            let told = json!({"type": sql_type, "index": index, "name": name, "comment": comment});
            (name.clone(), told)
        })
        .collect();
    json!({
        "metadata": {
            "type": if table.is_view { "VIEW" } else { "BASE TABLE" },
            "schema": relation.schema,
            "name": relation.identifier,
            "database": relation.database,
            "comment": Some(&node.description).filter(|text| !text.is_empty()),
            "owner": null,
        },
        "columns": columns,
        "stats": stats(table.stored.as_ref()),
        "unique_id": node.unique_id,
    })
}

fn stats(stored: Option<&Stored>) -> Value {
    let mut found = Map::new();
    let mut put = |id: &str, label: &str, value: Value, description: &str| {
        let item = json!({
            "id": id, "label": label, "value": value, "include": true, "description": description,
        });
        found.insert(id.to_owned(), item);
    };
    if let Some(stored) = stored {
        put(
            "num_rows",
            "# Rows",
            json!(stored.rows),
            "Rows in the table's live files",
        );
        put(
            "num_bytes",
            "Size",
            json!(stored.bytes),
            "Bytes of the table's live files",
        );
        put("num_files", "# Files", json!(stored.files), "Live files");
        put(
            "version",
            "Version",
            json!(stored.version),
            "The Delta table's version",
        );
        let committed = DateTime::from_timestamp_millis(stored.committed_ms).map(time);
        put(
            "last_modified",
            "Last modified",
            json!(committed),
            "When that version was committed",
        );
    }
    let has_stats = json!({
        "id": "has_stats", "label": "Has Stats?", "value": stored.is_some(), "include": false,
        "description": "Whether the sizes of this table are known",
    });
    found.insert("has_stats".to_owned(), has_stats);
    found.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::{manifest, node};

    #[test]
    fn what_is_in_the_lake_is_listed_and_what_was_not_built_is_not() {
        let manifest = manifest([
            node("model.p.built", &[]),
            node("model.p.planned", &[]),
            node("source.p.bronze.events", &[]),
        ]);
        let table = |stored| Table {
            columns: vec![("id".to_owned(), "bigint".to_owned())],
            stored,
            is_view: false,
        };
        let stored = Stored {
            rows: 7,
            bytes: 900,
            files: 2,
            version: 3,
            committed_ms: 0,
        };
        let mut catalog = Catalog::default();
        for (unique_id, stored) in [
            ("model.p.built", Some(stored)),
            ("model.p.planned", None),
            ("source.p.bronze.events", Some(stored)),
        ] {
            catalog.tables.insert(unique_id.to_owned(), table(stored));
        }
        let json = catalog_json(&manifest, &catalog, &Invocation::begin());
        let built = &json["nodes"]["model.p.built"];
        assert_eq!(built["columns"]["id"]["type"], "bigint");
        assert_eq!(built["columns"]["id"]["index"], 1);
        assert_eq!(built["stats"]["num_rows"]["value"], 7);
        assert_eq!(json["nodes"]["model.p.planned"], Value::Null);
        assert!(json["sources"]["source.p.bronze.events"].is_object());
        assert_eq!(json["errors"], Value::Null);
    }
}
