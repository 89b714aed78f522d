//! `manifest.json`: every node of the project and its edges, in dbt's schema.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::operations::operations;
use super::{Invocation, documented};
use crate::jinja::context::ADAPTER;
use crate::manifest::{Constraint, DATABASE, Freshness, Manifest, Node, ResourceType, TestKind};
use crate::project::{hex, md5};

/// The file's content.
pub fn manifest_json(manifest: &Manifest, invocation: &Invocation) -> Value {
    let mut nodes = Map::new();
    let mut sources = Map::new();
    let mut exposures = Map::new();
    let mut unit_tests = Map::new();
    for (unique_id, node) in &manifest.nodes {
        match node.resource_type {
            ResourceType::Source => sources.insert(unique_id.clone(), source(node)),
            ResourceType::UnitTest => {
                unit_tests.insert(unique_id.clone(), unit_test(manifest, node))
            }
            ResourceType::Exposure => exposures.insert(unique_id.clone(), exposure(node)),
            _ => nodes.insert(unique_id.clone(), executable(manifest, node)),
        };
    }
    nodes.extend(operations(manifest));
    let parents: BTreeMap<&str, &[String]> = manifest
        .nodes
        .values()
        .map(|node| (node.unique_id.as_str(), node.depends_on.as_slice()))
        .collect();
    let mut children: BTreeMap<&str, Vec<&str>> = manifest
        .nodes
        .keys()
        .map(|unique_id| (unique_id.as_str(), Vec::new()))
        .collect();
    for node in manifest.nodes.values() {
        for upstream in &node.depends_on {
            children.entry(upstream).or_default().push(&node.unique_id);
        }
    }
    let mut metadata = invocation.metadata("manifest/v12");
    metadata["project_name"] = json!(manifest.project);
    metadata["project_id"] = json!(md5(&manifest.project));
    metadata["adapter_type"] = json!(ADAPTER);
    metadata["send_anonymous_usage_stats"] = json!(false);
    json!({
        "metadata": metadata,
        "nodes": nodes,
        "sources": sources,
        "macros": documented::macros(&manifest.macros),
        "docs": documented::docs(&manifest.docs),
        "exposures": exposures,
        "metrics": {},
        "groups": {},
        "selectors": {},
        "disabled": {},
        "parent_map": parents,
        "child_map": children,
        "group_map": {},
        "saved_queries": {},
        "semantic_models": {},
        "unit_tests": unit_tests,
    })
}

/// What all nodes have.
fn common(node: &Node) -> Map<String, Value> {
    let mut found = Map::new();
    let mut put = |key: &str, value: Value| found.insert(key.to_owned(), value);
    put("name", json!(node.name));
    put("resource_type", json!(node.resource_type));
    put("package_name", json!(node.package));
    put("path", json!(node.in_package(&node.path)));
    put("original_file_path", json!(node.file_in_package()));
    put("unique_id", json!(node.unique_id));
    put("fqn", json!(node.fqn));
    put("description", json!(node.description));
    put("meta", json!(node.config.meta));
    put("tags", json!(node.config.tags));
    put(
        "relation_name",
        json!(node.relation.as_ref().map(ToString::to_string)),
    );
    put("config", node.config_json());
    // What `state:modified` compares: the compiled SQL, macros and variables included.
    put("fingerprint", json!(node.fingerprint));
    found
}

/// A model, seed, test or analysis.
fn executable(manifest: &Manifest, node: &Node) -> Value {
    let mut found = common(node);
    let mut put = |key: &str, value: Value| found.insert(key.to_owned(), value);
    let (schema, alias) = match &node.relation {
        Some(relation) => (relation.schema.as_str(), relation.identifier.as_str()),
        None => (manifest.schema.as_str(), node.name.as_str()),
    };
    put("database", json!(DATABASE));
    put("schema", json!(schema));
    put("alias", json!(alias));
    put("checksum", checksum(node));
    put("columns", columns(node));
    put("raw_code", json!(node.raw_code));
    put("language", json!("sql"));
    put("docs", json!({"show": true, "node_color": null}));
    put("unrendered_config", json!({}));
    let patch = node.patch_path.as_ref();
    put(
        "patch_path",
        json!(patch.map(|path| format!("{}://{}", node.package, node.in_package(path)))),
    );
    let reads = || {
        node.depends_on
            .iter()
            .filter_map(|unique_id| manifest.node(unique_id))
    };
    let is_source = |upstream: &&Node| upstream.resource_type == ResourceType::Source;
    put(
        "depends_on",
        json!({"macros": [], "nodes": node.depends_on}),
    );
    if node.resource_type == ResourceType::Seed {
        put("depends_on", json!({"macros": []}));
        put("root_path", json!(manifest.root.display().to_string()));
        return found.into();
    }
    let refs: Vec<Value> = reads()
        .filter(|upstream| !is_source(upstream))
        .map(|upstream| json!({"name": upstream.name, "package": null, "version": null}))
        .collect();
    let sources: Vec<Value> = reads()
        .filter(is_source)
        .map(|upstream| json!([upstream.source_name, upstream.name]))
        .collect();
    put("refs", json!(refs));
    put("sources", json!(sources));
    put("metrics", json!([]));
    put("compiled", json!(node.compiled_code.is_some()));
    put("compiled_code", json!(node.compiled_code));
    put("extra_ctes_injected", json!(true));
    put("extra_ctes", json!([]));
    if node.resource_type == ResourceType::Model {
        put("constraints", constraints(node, None));
    }
    if let Some(test) = &node.test {
        put("attached_node", json!(test.attached));
        if let TestKind::Generic {
            name,
            namespace,
            column,
            arguments,
        } = &test.kind
        {
            put("column_name", json!(column));
            let metadata = json!({"name": name, "kwargs": arguments, "namespace": namespace});
            put("test_metadata", metadata);
        }
    }
    found.into()
}

fn source(node: &Node) -> Value {
    let mut found = common(node);
    let mut put = |key: &str, value: Value| found.insert(key.to_owned(), value);
    let relation = node
        .relation
        .as_ref()
        .expect("a source's table has a relation");
    put("database", json!(DATABASE));
    put("schema", json!(relation.schema));
    put("identifier", json!(relation.identifier));
    put("source_name", json!(node.source_name));
    put("source_description", json!(""));
    put("loader", json!(""));
    let extra = |key: &str| node.config.extra.get(key);
    put(
        "freshness",
        json!(node.freshness.as_ref().map(Freshness::to_json)),
    );
    put("loaded_at_field", json!(extra("loaded_at_field")));
    put("loaded_at_query", json!(extra("loaded_at_query")));
    put("columns", columns(node));
    found.into()
}

fn unit_test(manifest: &Manifest, node: &Node) -> Value {
    let mut found = common(node);
    let mut put = |key: &str, value: Value| found.insert(key.to_owned(), value);
    if let Some(unit) = &node.unit_test {
        let given = unit.given.iter().map(|given| {
            let mut told = given.fixture.to_json();
            told.insert("input".to_owned(), json!(given.input));
            told
        });
        put("model", json!(unit.model));
        put("given", given.collect());
        put("expect", unit.expect.to_json().into());
        put("overrides", unit.overrides.clone());
    }
    let model = node.depends_on.first().and_then(|id| manifest.node(id));
    let relation = model.and_then(|model| model.relation.as_ref());
    put("schema", json!(relation.map(|relation| &relation.schema)));
    put("checksum", json!(node.fingerprint));
    let depends_on = json!({"macros": [], "nodes": node.depends_on});
    put("depends_on", depends_on);
    put("versions", Value::Null);
    put("version", Value::Null);
    found.into()
}

fn exposure(node: &Node) -> Value {
    let mut found = common(node);
    let extra = |key: &str| node.config.extra.get(key).cloned();
    let owner = extra("owner").unwrap_or_else(|| json!({"email": null, "name": null}));
    found.insert("owner".to_owned(), owner);
    found.insert(
        "type".to_owned(),
        extra("type").unwrap_or_else(|| json!("analysis")),
    );
    let depends_on = json!({"macros": [], "nodes": node.depends_on});
    found.insert("depends_on".to_owned(), depends_on);
    found.into()
}

/// The hash of a node's text as written; a generic test has none of its own.
fn checksum(node: &Node) -> Value {
    let generic = matches!(
        node.test.as_ref().map(|test| &test.kind),
        Some(TestKind::Generic { .. })
    );
    match (generic, node.resource_type) {
        (true, _) => json!({"name": "none", "checksum": ""}),
        // A seed's fingerprint is that of its file and of how it is read.
        (_, ResourceType::Seed) => json!({"name": "sha256", "checksum": node.fingerprint}),
        _ => {
            let text = Sha256::digest(node.raw_code.trim().as_bytes());
            json!({"name": "sha256", "checksum": hex(&text)})
        }
    }
}

fn columns(node: &Node) -> Value {
    let found: Map<String, Value> = node
        .columns
        .iter()
        .map(|column| {
            let told = json!({
                "name": column.name,
                "description": column.description,
                "meta": column.meta,
                "data_type": column.data_type,
                "tags": column.tags,
                "constraints": constraints(node, Some(&column.name)),
                "quote": null,
            });
            (column.name.clone(), told)
        })
        .collect();
    found.into()
}

/// The constraints of a column, or those of the node itself.
fn constraints(node: &Node, column: Option<&str>) -> Value {
    let all = node.constraints.iter();
    all.filter(|one| one.column.as_deref() == column)
        .map(Constraint::to_json)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::{manifest, node};

    #[test]
    fn nodes_and_edges_stand_where_dbt_has_them() {
        let manifest = manifest([
            node("model.p.a", &["source.p.bronze.events"]),
            node("test.p.t", &["model.p.a"]),
            Node {
                source_name: Some("bronze".to_owned()),
                ..node("source.p.bronze.events", &[])
            },
        ]);
        let json = manifest_json(&manifest, &Invocation::begin());
        let model = &json["nodes"]["model.p.a"];
        assert_eq!(model["depends_on"]["nodes"][0], "source.p.bronze.events");
        assert_eq!(model["sources"][0], json!(["bronze", "events"]));
        assert_eq!(json["nodes"]["test.p.t"]["refs"][0]["name"], "a");
        assert_eq!(
            json["sources"]["source.p.bronze.events"]["identifier"],
            "events"
        );
        assert_eq!(json["child_map"]["model.p.a"], json!(["test.p.t"]));
        assert_eq!(json["parent_map"]["test.p.t"], json!(["model.p.a"]));
    }
}
