//! `on-run-start` and `on-run-end`.

use std::collections::BTreeSet;
use std::fmt;

use minijinja::Value;
use serde_norway::Value as Yaml;

use crate::Result;
use crate::diagnostics::Diagnostic;
use crate::jinja::serialized;
use crate::manifest::{DATABASE, Manifest, Node};
use crate::project::ProjectFile;
use crate::reporter::NodeResult;

/// A hook of a whole command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its package.
    pub package: String,
    /// When it runs.
    pub moment: Moment,
    /// Its place among those of its package and moment, from 0.
    pub index: usize,
    /// Its text, a template.
    pub sql: String,
    /// The file that has it, below the project's root.
    pub file: String,
}

/// When an operation runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before anything else.
    Start,
    /// After everything else, however that went.
    End,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "on-run-start",
            Self::End => "on-run-end",
        })
    }
}

impl Operation {
    /// `<package>-on-run-start-0`.
    pub fn name(&self) -> String {
        format!("{}-{}-{}", self.package, self.moment, self.index)
    }

    /// `operation.<package>.<package>-on-run-start-0`.
    pub fn unique_id(&self) -> String {
        format!("operation.{}.{}", self.package, self.name())
    }

    /// As lines name it: `<package>.on-run-start.0`.
    pub fn title(&self) -> String {
        format!("{}.{}.{}", self.package, self.moment, self.index)
    }
}

/// The `dbt_project.yml` of a package's folder.
pub(super) fn project_file(folder: &str) -> String {
    let slash = if folder.is_empty() { "" } else { "/" };
    format!("{folder}{slash}dbt_project.yml")
}

/// The operations of packages in the order of their names, then those of the project.
pub fn operations(project: &ProjectFile, packages: &[ProjectFile]) -> Result<Vec<Operation>> {
    let mut order: Vec<&ProjectFile> = packages.iter().collect();
    order.sort_by(|a, b| a.name.cmp(&b.name));
    order.push(project);
    let mut found = Vec::new();
    for moment in [Moment::Start, Moment::End] {
        for package in &order {
            let key = moment.to_string();
            let texts: Vec<String> = match package.file.content.get(&key) {
                None | Some(Yaml::Null) => continue,
                Some(Yaml::String(text)) => vec![text.clone()],
                Some(Yaml::Sequence(items)) if items.iter().all(Yaml::is_string) => {
                    let texts = items.iter().filter_map(Yaml::as_str);
                    texts.map(str::to_owned).collect()
                }
                Some(_) => {
                    let message = format!("`{key}` is not a text or a list of texts");
                    let diagnostic = Diagnostic::new(message);
                    return Err(package.file.at_key(diagnostic, &key, None).into());
                }
            };
            let texts = texts.into_iter().enumerate();
            found.extend(texts.map(|(index, sql)| Operation {
                package: package.name.clone(),
                moment,
                index,
                sql,
                file: project_file(&package.folder),
            }));
        }
    }
    Ok(found)
}

/// What `on-run-end` sees besides: the results, and the schemas that were written to.
pub(super) fn context(manifest: &Manifest, results: &[NodeResult]) -> Vec<(&'static str, Value)> {
    let nodes = results
        .iter()
        .filter_map(|result| Some((result, manifest.node(&result.unique_id)?)));
    let schemas: BTreeSet<String> = nodes
        .clone()
        .filter(|(_, node)| node.is_built())
        .filter_map(|(_, node)| Some(node.relation.as_ref()?.schema.clone()))
        .collect();
    let places: Vec<Value> = schemas
        .iter()
        .map(|schema| Value::from(vec![DATABASE.to_owned(), schema.clone()]))
        .collect();
    vec![
        (
            "results",
            nodes
                .map(|(result, node)| of_result(result, node))
                .collect(),
        ),
        ("schemas", Value::from_iter(schemas)),
        ("database_schemas", Value::from(places)),
    ]
}

fn of_result(result: &NodeResult, node: &Node) -> Value {
    let relation = node.relation.as_ref();
    let told = Value::from_pairs([
        ("unique_id", Value::from(node.unique_id.as_str())),
        ("name", Value::from(node.name.as_str())),
        ("resource_type", Value::from(node.resource_type.as_str())),
        ("package_name", Value::from(node.package.as_str())),
        ("fqn", Value::from(node.fqn.clone())),
        (
            "schema",
            serialized(relation.map(|relation| &relation.schema)),
        ),
        (
            "alias",
            serialized(relation.map(|relation| &relation.identifier)),
        ),
        (
            "relation_name",
            serialized(relation.map(ToString::to_string)),
        ),
        ("config", serialized(node.config_json())),
    ]);
    Value::from_pairs([
        ("node", told),
        ("unique_id", Value::from(result.unique_id.as_str())),
        ("status", Value::from(result.status.as_str())),
        ("message", serialized(&result.message)),
        ("failures", serialized(result.failures)),
        ("execution_time", Value::from(result.elapsed.as_secs_f64())),
        ("thread_id", Value::from("main")),
    ])
}
