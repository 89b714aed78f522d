//! The relation of every model and seed, as the naming macros say.

use std::collections::BTreeMap;

use minijinja::Value;

use crate::diagnostics::Diagnostic;
use crate::jinja::{Jinja, python_str, serialized};
use crate::manifest::{Node, Relation, ResourceType};
use crate::project::empty_frame;
use crate::project::parse::Draft;
use crate::{Error, Result};

/// Give models and seeds their relations, by the project's or dbt's naming macros; those that are
/// deferred have theirs already.
pub fn place_relations(
    jinja: &Jinja,
    drafts: &mut [Draft],
    deferred: &BTreeMap<String, Relation>,
) -> Result<()> {
    let mut taken: BTreeMap<Relation, String> = BTreeMap::new();
    let mut errors = Vec::new();
    for draft in drafts {
        let node = &mut draft.node;
        if let Some(elsewhere) = deferred.get(&node.unique_id) {
            node.relation = Some(elsewhere.clone());
            continue;
        }
        if !node.is_built() {
            if let Some(relation) = &node.relation {
                taken.insert(relation.clone(), node.original_file_path.clone());
            }
            continue;
        }
        let facts = [("__node", facts(node))];
        let name = |call: &str, custom: Option<&str>| -> Result<String, Diagnostic> {
            let frame = empty_frame(&node.package);
            let custom = ("__custom", custom.map_or(Value::from(()), Value::from));
            let value = jinja.evaluate(
                &node.original_file_path,
                &format!("{call}(__custom, __node)"),
                &frame,
                &[facts[0].clone(), custom],
            )?;
            Ok(python_str(&value).trim().to_owned())
        };
        // Where a snapshot lies may be said as it was before dbt 1.9: exactly.
        let exact = node
            .config
            .extra
            .get("target_schema")
            .and_then(|value| value.as_str());
        let exact = exact.filter(|_| node.resource_type == ResourceType::Snapshot);
        let schema = match exact {
            Some(schema) => Ok(schema.to_owned()),
            None => name("generate_schema_name", node.config.schema.as_deref()),
        };
        let relation = schema.and_then(|schema| {
            Ok(Relation::new(
                schema,
                name("generate_alias_name", node.config.alias.as_deref())?,
            ))
        });
        match relation {
            Ok(relation) => {
                if let Some(other) = taken.insert(relation.clone(), node.original_file_path.clone())
                {
                    let message = format!("two nodes write {relation}");
                    let diagnostic =
                        Diagnostic::new(message).in_file(node.original_file_path.clone());
                    errors.push(Error::from(
                        diagnostic.help(format!("the other one is {other}")),
                    ));
                }
                node.relation = Some(relation);
            }
            Err(diagnostic) => errors.push(diagnostic.into()),
        }
    }
    Error::collected(errors)
}

/// A node as macros see it.
pub fn facts(node: &Node) -> Value {
    let config = Value::from_pairs([
        (
            "materialized",
            Value::from(node.config.materialized.as_str()),
        ),
        (
            "schema",
            node.config
                .schema
                .as_deref()
                .map_or(Value::from(()), Value::from),
        ),
        (
            "alias",
            node.config
                .alias
                .as_deref()
                .map_or(Value::from(()), Value::from),
        ),
        ("tags", Value::from(node.config.tags.clone())),
        ("meta", serialized(&node.config.meta)),
    ]);
    Value::from_pairs([
        ("name", Value::from(node.name.as_str())),
        ("unique_id", Value::from(node.unique_id.as_str())),
        ("resource_type", Value::from(node.resource_type.as_str())),
        ("package_name", Value::from(node.package.as_str())),
        ("path", Value::from(node.path.as_str())),
        (
            "original_file_path",
            Value::from(node.original_file_path.as_str()),
        ),
        ("fqn", Value::from(node.fqn.clone())),
        ("tags", Value::from(node.config.tags.clone())),
        ("config", config),
    ])
}
