//! Drafts: nodes before their references are followed.

use std::path::Path;
use std::sync::Arc;

use serde_norway::{Mapping, Value as Yaml};

use super::Parser;
use super::files::below;
use crate::diagnostics::Diagnostic;
use crate::jinja::context::{Captured, Frame, Ref};
use crate::manifest::{Node, Relation, ResourceType};
use crate::project::yaml::File;
use crate::project::{ProjectFile, config};

/// A node before its references are followed.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The node, without `depends_on` and compiled SQL.
    pub node: Node,
    /// Its merged configuration, untyped, for `config.get`.
    pub raw_config: Mapping,
    /// What it refers to.
    pub refs: Vec<Ref>,
    /// What it reads of sources.
    pub sources: Vec<(String, String)>,
    /// Whether it takes part.
    pub enabled: bool,
    /// For a generic test: what its template is called with.
    pub generic: Option<Generic>,
    /// For a unit test: what it gives and overrides.
    pub unit: Option<Unit>,
}

/// What a unit test's model is compiled with.
#[derive(Clone, Debug)]
pub struct Unit {
    /// What its inputs stand for, one after the other.
    pub inputs: Vec<Input>,
    /// `macros`, `vars` and `env_vars`.
    pub overrides: Mapping,
}

/// What given rows stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The model's own table.
    This,
    /// A node of the project.
    Ref(Ref),
    /// A source's table.
    Source(String, String),
}

/// What a generic test's template is called with, and where the YAML says so.
#[derive(Clone, Debug)]
pub struct Generic {
    /// The arguments as written.
    pub arguments: Mapping,
    /// `ref('…')` or `source('…', '…')`.
    pub target: String,
    /// The properties file.
    pub file: Arc<File>,
    /// The test's name in it.
    pub key: String,
    /// The name of the table that it stands under.
    pub table: String,
}

impl Generic {
    /// A message where the YAML has the test, unless it is about another file.
    pub fn placed(&self, diagnostic: Diagnostic) -> Diagnostic {
        let column = self.arguments.get("column_name").and_then(Yaml::as_str);
        let column = column.map(|name| name.trim_matches('"'));
        self.file
            .at_test(diagnostic, &self.key, &self.table, column)
    }
}

impl Draft {
    /// The draft of a node whose text asked for `captured`.
    pub(super) fn new(node: Node, raw_config: Mapping, captured: Captured) -> Self {
        Self {
            enabled: node.config.enabled,
            node,
            raw_config,
            refs: captured.refs,
            sources: captured.sources,
            generic: None,
            unit: None,
        }
    }
}

/// What a `dbt_project.yml` gives a node of the sections.
fn configuration(project: &ProjectFile, sections: &[&str], fqn: &[String]) -> Mapping {
    let mut merged = Mapping::new();
    for section in sections {
        let section = project.file.content.get(section);
        if let Some(section) = section.and_then(Yaml::as_mapping) {
            config::merge(&mut merged, &config::of_folders(section, fqn));
        }
    }
    merged
}

impl Parser<'_> {
    /// `<package>`, the folders of `path`, then the names.
    pub(super) fn fqn(&self, path: &str, names: &[&str]) -> Vec<String> {
        let mut fqn = vec![self.project.name.clone()];
        let folders = Path::new(path).parent().unwrap_or(Path::new(""));
        fqn.extend(
            folders
                .components()
                .map(|part| part.as_os_str().to_string_lossy().into_owned()),
        );
        fqn.extend(names.iter().map(|name| (*name).to_owned()));
        fqn
    }

    /// What its package's `dbt_project.yml` gives a node of the sections.
    pub(super) fn folder_config(&self, sections: &[&str], fqn: &[String]) -> Mapping {
        configuration(self.project, sections, fqn)
    }

    /// What the project says of a package's node, over all that the package says; nothing of its own nodes.
    pub(super) fn override_of(&self, node: &Node) -> Mapping {
        if self.project.folder.is_empty() {
            return Mapping::new();
        }
        let sections: &[&str] = match node.resource_type {
            ResourceType::Model => &["models"],
            ResourceType::Seed => &["seeds"],
            ResourceType::Snapshot => &["snapshots"],
            ResourceType::Source => &["sources"],
            ResourceType::Test => &["tests", "data_tests"],
            ResourceType::Exposure => &["exposures"],
            ResourceType::Analysis => &["analyses"],
            ResourceType::UnitTest => &["unit_tests"],
        };
        configuration(self.root, sections, &node.fqn)
    }

    /// A node of the file `path` in the resource folder, without text and configuration.
    pub(super) fn node(
        &self,
        resource_type: ResourceType,
        name: &str,
        folder: &str,
        path: &str,
    ) -> Node {
        let path_below = below(folder, path);
        let unique_id = format!("{resource_type}.{}.{name}", self.project.name);
        Node {
            package_folder: self.project.folder.clone(),
            fqn: self.fqn(&path_below, &[name]),
            path: path_below,
            original_file_path: path.to_owned(),
            ..Node::new(unique_id, resource_type, &self.project.name, name)
        }
    }

    /// What its template sees while the graph is not known.
    pub(super) fn frame(&self, node: &Node, raw_config: &Mapping) -> Arc<Frame> {
        Arc::new(Frame {
            package: node.package.clone(),
            this: Some(Relation::new(
                self.target.schema.as_str(),
                node.name.as_str(),
            )),
            unique_id: node.unique_id.clone(),
            config: raw_config.clone(),
            ..Frame::default()
        })
    }
}
