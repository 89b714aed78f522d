//! The data model of a loaded project: nodes, their configuration, and what they depend on.
//!
//! Terms and unique ids are dbt's, so that `ls` of both lists the same names.

mod condition;
mod config;
mod constraint;
mod documented;
mod freshness;
mod node;
mod relation;
mod unit_test;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub use condition::{Comparison, Condition};
pub use config::{Config, Materialized, Severity};
pub use constraint::{Constraint, ConstraintKind};
pub use documented::{Argument, Doc, Macro};
pub use freshness::{Age, Freshness, LoadedAt};
pub use node::{Column, Node, ResourceType, Test, TestKind};
pub use relation::{DATABASE, Relation, quoted};
pub use unit_test::{Fixture, Given, Rows, UnitTest};

pub use crate::diagnostics::SourceLocation;
use crate::hooks::Hooks;
use crate::microbatch::Templates;

/// A project as loaded: every enabled node by its unique id.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The project's `name`.
    pub project: String,
    /// The folder that holds `dbt_project.yml`.
    pub root: PathBuf,
    /// Where compiled SQL goes, below the root.
    pub target_path: String,
    /// The profile's target that is in use.
    pub target: String,
    /// Whether that target is the profile's own default, so that its builds may be published.
    pub is_default_target: bool,
    /// The target's schema, for models that set none.
    pub schema: String,
    /// Threads of the target, when the profile says so.
    pub threads: Option<usize>,
    /// Enabled nodes by unique id; sources and exposures included.
    pub nodes: BTreeMap<String, Node>,
    /// Documentation blocks of the project and of its packages.
    pub docs: Vec<Doc>,
    /// Macros and generic tests of the project and of its packages.
    pub macros: Vec<Macro>,
    /// Hooks of whole commands, and what all hooks are rendered with.
    pub hooks: Hooks,
    /// The SQL of microbatch models, batch by batch.
    pub batches: Templates,
    /// Remarks that do not stop the load, such as configuration paths that match nothing.
    pub warnings: Vec<String>,
}

impl Manifest {
    /// The node with this unique id.
    pub fn node(&self, unique_id: &str) -> Option<&Node> {
        self.nodes.get(unique_id)
    }

    /// The folder of compiled SQL and of what commands leave for other programs.
    pub fn target_folder(&self) -> PathBuf {
        self.root.join(&self.target_path)
    }

    /// Nodes of one type, by unique id.
    pub fn of_type(&self, resource_type: ResourceType) -> impl Iterator<Item = &Node> {
        self.nodes
            .values()
            .filter(move |node| node.resource_type == resource_type)
    }

    /// The model, seed or source table whose rows lie at `relation`.
    pub fn at(&self, relation: &Relation) -> Option<&Node> {
        self.nodes.values().find(|node| {
            node.resource_type != ResourceType::Test && node.relation.as_ref() == Some(relation)
        })
    }

    /// Tests whose query reads the node, by unique id.
    pub fn tests_of(&self, unique_id: &str) -> impl Iterator<Item = &Node> {
        self.of_type(ResourceType::Test)
            .filter(move |test| test.depends_on.iter().any(|upstream| upstream == unique_id))
    }

    /// The nodes that read each node directly.
    pub fn children(&self) -> BTreeMap<&str, Vec<&Node>> {
        let mut children: BTreeMap<&str, Vec<&Node>> = BTreeMap::new();
        for node in self.nodes.values() {
            for upstream in &node.depends_on {
                children.entry(upstream).or_default().push(node);
            }
        }
        children
    }

    /// `unique_ids` in an order in which every node comes after what it reads; equals by name.
    ///
    /// The manifest has no cycles: loading refuses them.
    pub fn in_order(&self, unique_ids: &BTreeSet<String>) -> Vec<&Node> {
        let mut done = BTreeSet::new();
        let mut order = Vec::new();
        for unique_id in unique_ids {
            self.visit(unique_id, &mut done, &mut order);
        }
        order.retain(|node| unique_ids.contains(&node.unique_id));
        order
    }

    fn visit<'a>(
        &'a self,
        unique_id: &str,
        done: &mut BTreeSet<String>,
        order: &mut Vec<&'a Node>,
    ) {
        let Some(node) = self.nodes.get(unique_id) else {
            return;
        };
        if !done.insert(unique_id.to_owned()) {
            return;
        }
        for upstream in &node.depends_on {
            self.visit(upstream, done, order);
        }
        order.push(node);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A node with this unique id that reads those.
    pub(crate) fn node(unique_id: &str, depends_on: &[&str]) -> Node {
        let name = unique_id.rsplit('.').next().unwrap_or(unique_id);
        let resource_type = match unique_id.split('.').next() {
            Some("test") => ResourceType::Test,
            Some("unit_test") => ResourceType::UnitTest,
            Some("source") => ResourceType::Source,
            Some("seed") => ResourceType::Seed,
            _ => ResourceType::Model,
        };
        Node {
            fqn: vec!["p".to_owned(), name.to_owned()],
            path: format!("{name}.sql"),
            original_file_path: format!("models/{name}.sql"),
            depends_on: depends_on.iter().map(|id| (*id).to_owned()).collect(),
            relation: Some(Relation::new("silver", name)),
            ..Node::new(unique_id, resource_type, "p", name)
        }
    }

    /// A manifest of these nodes.
    pub(crate) fn manifest(nodes: impl IntoIterator<Item = Node>) -> Manifest {
        Manifest {
            project: "p".to_owned(),
            root: PathBuf::new(),
            target_path: "target".to_owned(),
            target: "prod".to_owned(),
            is_default_target: true,
            schema: "main".to_owned(),
            threads: None,
            nodes: nodes
                .into_iter()
                .map(|node| (node.unique_id.clone(), node))
                .collect(),
            docs: Vec::new(),
            macros: Vec::new(),
            hooks: Hooks::default(),
            batches: Templates::default(),
            warnings: Vec::new(),
        }
    }
}
