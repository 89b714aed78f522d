//! What the site knows of a project: its nodes, what is in the lake, and how the last run went.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde_json::{Map, Value, json};

use crate::engine::Catalog;
use crate::manifest::{Manifest, Node, ResourceType, TestKind};

/// What earlier commands left in the target folder.
#[derive(Clone, Debug, Default)]
pub struct LastRun {
    /// `run_results.json`.
    pub results: Option<Value>,
    /// `sources.json`.
    pub sources: Option<Value>,
}

/// The content of the site: `nodes` and `lineage` by unique id, and what stands on the first page.
pub fn site_data(
    manifest: &Manifest,
    catalog: &Catalog,
    last: &LastRun,
    metadata: &Value,
) -> Value {
    let results = by_id(last.results.as_ref());
    let sources = by_id(last.sources.as_ref());
    let nodes: Map<String, Value> = manifest
        .nodes
        .iter()
        .map(|(unique_id, node)| {
            let mut told = of_node(node, catalog);
            told["result"] = results
                .get(unique_id.as_str())
                .map_or(Value::Null, |one| result(one));
            told["freshness"] = sources.get(unique_id.as_str()).map_or(
                Value::Null,
                |one| json!({"status": one["status"], "max_loaded_at": one["max_loaded_at"]}),
            );
            (unique_id.clone(), told)
        })
        .collect();
    let results_at = last
        .results
        .as_ref()
        .map(|file| &file["metadata"]["generated_at"]);
    json!({
        "project": manifest.project,
        "target": manifest.target,
        "version": env!("CARGO_PKG_VERSION"),
        "generated_at": metadata["generated_at"],
        "results_at": results_at,
        "overview": overview(manifest),
        "left_out": catalog.left_out,
        "nodes": nodes,
        "lineage": catalog.lineage,
    })
}

/// The project's block `__overview__`, else a package's; none is empty.
fn overview(manifest: &Manifest) -> &str {
    let mut blocks = manifest
        .docs
        .iter()
        .filter(|doc| doc.name == "__overview__");
    let any = blocks.clone().next();
    let own = blocks.find(|doc| doc.package == manifest.project);
    own.or(any).map_or("", |doc| &doc.contents)
}

/// The results of a file of dbt's, by unique id.
fn by_id(file: Option<&Value>) -> BTreeMap<&str, &Value> {
    let results = file.and_then(|file| file["results"].as_array());
    let results = results.into_iter().flatten();
    results
        .filter_map(|result| Some((result["unique_id"].as_str()?, result)))
        .collect()
}

fn result(one: &Value) -> Value {
    json!({
        "status": one["status"],
        "message": one["message"],
        "failures": one["failures"],
        "seconds": one["execution_time"],
        "at": one["timing"][0]["started_at"],
    })
}

fn of_node(node: &Node, catalog: &Catalog) -> Value {
    let stored = catalog
        .tables
        .get(&node.unique_id)
        .and_then(|table| table.stored);
    let extra = |key: &str| node.config.extra.get(key);
    let committed = stored.and_then(|stored| DateTime::from_timestamp_millis(stored.committed_ms));
    // The site shows unit tests among the tests.
    let shown_as = match node.resource_type {
        ResourceType::UnitTest => ResourceType::Test,
        other => other,
    };
    json!({
        "type": shown_as,
        "name": node.name,
        "label": node.display_name(),
        "source": node.source_name,
        "package": node.package,
        "path": node.original_file_path,
        "description": node.description,
        "tags": node.config.tags,
        "meta": node.config.meta,
        "materialized": node.config.materialized,
        "schema": node.relation.as_ref().map(|relation| &relation.schema),
        "relation": node.relation.as_ref().map(ToString::to_string),
        "columns": columns(node, catalog),
        "depends_on": node.depends_on,
        "raw": node.raw_code,
        "compiled": node.compiled_code,
        "test": test(node),
        "owner": extra("owner"),
        "url": extra("url"),
        "way": catalog.ways.get(&node.unique_id),
        "rows": stored.map(|stored| stored.rows),
        "bytes": stored.map(|stored| stored.bytes),
        "files": stored.map(|stored| stored.files),
        "version": stored.map(|stored| stored.version),
        "committed_at": committed.map(|at| at.to_rfc3339()),
    })
}

fn test(node: &Node) -> Value {
    let Some(test) = &node.test else {
        return Value::Null;
    };
    let (kind, column) = match &test.kind {
        TestKind::Generic { name, column, .. } => (name.as_str(), column.as_deref()),
        TestKind::Singular => ("singular", None),
    };
    json!({"kind": kind, "column": column, "attached": test.attached, "severity": node.config.severity})
}

/// The columns that are there, then those that are only described.
fn columns(node: &Node, catalog: &Catalog) -> Vec<Value> {
    let table = catalog.tables.get(&node.unique_id);
    let known = table
        .map(|table| table.columns.as_slice())
        .unwrap_or_default();
    let described = |name: &str| node.columns.iter().find(|column| column.name == name);
    let there = known.iter().map(|(name, sql_type)| {
        let column = described(name);
        json!({
            "name": name,
            "type": sql_type,
            "description": column.map(|column| column.description.as_str()).unwrap_or_default(),
            "tags": column.map(|column| column.tags.as_slice()).unwrap_or_default(),
        })
    });
    let only_described = node
        .columns
        .iter()
        .filter(|column| !known.iter().any(|(name, _)| *name == column.name))
        .map(|column| {
            json!({
                "name": column.name,
                "type": column.data_type,
                "description": column.description,
                "tags": column.tags,
            })
        });
    there.chain(only_described).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifacts::Invocation;
    use crate::engine::Table;
    use crate::manifest::Column;
    use crate::manifest::tests::{manifest, node};

    #[test]
    fn every_node_is_there_with_its_columns_and_its_last_result() {
        let mut model = node("model.p.a", &["source.p.bronze.events"]);
        model.columns = vec![Column {
            name: "gone".to_owned(),
            ..Column::default()
        }];
        let manifest = manifest([
            model,
            node("test.p.t", &["model.p.a"]),
            node("source.p.bronze.events", &[]),
        ]);
        let mut catalog = Catalog::default();
        let table = Table {
            columns: vec![("id".to_owned(), "bigint".to_owned())],
            stored: None,
            is_view: true,
        };
        catalog.tables.insert("model.p.a".to_owned(), table);
        let last = LastRun {
            results: Some(
                json!({"results": [{"unique_id": "test.p.t", "status": "fail", "failures": 3}]}),
            ),
            sources: Some(
                json!({"results": [{"unique_id": "source.p.bronze.events", "status": "warn"}]}),
            ),
        };
        let metadata = Invocation::begin().metadata("catalog/v1");
        let data = site_data(&manifest, &catalog, &last, &metadata);
        let nodes = data["nodes"].as_object().map(Map::len);
        assert_eq!(nodes, Some(3));
        assert_eq!(data["nodes"]["model.p.a"]["columns"][0]["type"], "bigint");
        assert_eq!(data["nodes"]["model.p.a"]["columns"][1]["name"], "gone");
        assert_eq!(data["nodes"]["test.p.t"]["result"]["failures"], 3);
        let source = &data["nodes"]["source.p.bronze.events"];
        assert_eq!(source["freshness"]["status"], "warn");
    }
}
