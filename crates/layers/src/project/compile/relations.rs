//! The relation of every model and seed, as the naming macros say.

use std::collections::BTreeMap;

use minijinja::Value;

use crate::diagnostics::Diagnostic;
use crate::jinja::{Jinja, python_str, serialized};
use crate::manifest::{Node, Relation, ResourceType, TestKind};
use crate::project::parse::Draft;
use crate::project::{Options, empty_frame};
use crate::{Error, Result};

/// The schema of tests' failing rows, before `generate_schema_name`.
const AUDIT: &str = "dbt_test__audit";

/// Give models, seeds, and tests whose failing rows are kept, their relations, by the project's or
/// dbt's naming macros; those that are deferred have theirs already. Packages' naming macros are for them alone when
/// they are the project.
pub fn place_relations(
    project: &str,
    jinja: &Jinja,
    drafts: &mut [Draft],
    options: &Options,
) -> Result<()> {
    let mut taken: BTreeMap<Relation, Place> = BTreeMap::new();
    let mut errors = Vec::new();
    for draft in drafts {
        let node = &mut draft.node;
        if let Some(elsewhere) = options.deferred.get(&node.unique_id) {
            node.relation = Some(elsewhere.clone());
            continue;
        }
        let audits = node.resource_type == ResourceType::Test
            && node.config.store_failures.unwrap_or(options.store_failures);
        if !node.is_built() && !audits {
            if let Some(relation) = &node.relation {
                taken.insert(relation.clone(), Place::of(node));
            }
            continue;
        }
        let facts = [("__node", facts(node))];
        let name = |call: &str, custom: Option<&str>| -> Result<String, Diagnostic> {
            let frame = empty_frame(project);
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
        let schema = if let Some(schema) = exact {
            Ok(schema.to_owned())
        } else {
            let custom = node.config.schema.as_deref();
            let custom = custom.or(audits.then_some(AUDIT));
            name("generate_schema_name", custom)
        };
        let relation = schema.and_then(|schema| {
            Ok(Relation::new(
                schema,
                name(
                    "generate_alias_name",
                    node.config.alias.as_deref().or(short_name(node)),
                )?,
            ))
        });
        match relation {
            Ok(relation) => {
                if let Some(other) = taken.insert(relation.clone(), Place::of(node)) {
                    errors.push(Error::from(other.also_written(&relation, node)));
                }
                node.relation = Some(relation);
            }
            Err(diagnostic) => errors.push(diagnostic.into()),
        }
    }
    Error::collected(errors)
}

/// The name of a generic test that is short enough for a table, where its own is not.
fn short_name(node: &Node) -> Option<&str> {
    let short = node.path.strip_suffix(".sql")?;
    let is_generic = matches!(node.test.as_ref()?.kind, TestKind::Generic { .. });
    (is_generic && short != node.name).then_some(short)
}

/// Whose a relation is.
struct Place {
    package: String,
    file: String,
}

impl Place {
    fn of(node: &Node) -> Self {
        Self {
            package: node.package.clone(),
            file: node.original_file_path.clone(),
        }
    }

    /// That `node` has the same relation.
    fn also_written(&self, relation: &Relation, node: &Node) -> Diagnostic {
        let diagnostic = Diagnostic::new(format!("two nodes write {relation}"))
            .in_file(node.original_file_path.clone());
        let other = &self.file;
        if self.package == node.package {
            return diagnostic.help(format!("the other one is {other}"));
        }
        let mend = "give one of the packages another schema in dbt_project.yml";
        diagnostic.help(format!(
            "the other one is {other} of the package {}: {mend} (`models: {{{}: {{+schema: …}}}}`), or one of the nodes an alias",
            self.package, self.package
        ))
    }
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
        ("original_file_path", Value::from(node.file_in_package())),
        ("fqn", Value::from(node.fqn.clone())),
        ("tags", Value::from(node.config.tags.clone())),
        ("config", config),
    ])
}
