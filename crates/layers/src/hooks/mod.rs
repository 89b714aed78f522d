//! Hooks: `pre-hook` and `post-hook` of nodes, `on-run-start` and `on-run-end` of projects.
//!
//! A lake's tables are written by builds alone, so a hook may read, and render Jinja that logs. What would change data is
//! refused before anything is written; what only means something to a database is left out, and said.

mod operation;
mod statement;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use minijinja::Value;
use serde_norway::Mapping;

pub use operation::{Moment, Operation, operations};

use self::statement::{Effect, effect, statements};
use crate::diagnostics::{Diagnostic, place};
use crate::jinja::Jinja;
use crate::jinja::context::{Frame, Graph, Warehouse};
use crate::manifest::{Manifest, Node};
use crate::reporter::NodeResult;
use crate::{Error, Result};

/// The hooks of a project that belong to no node, and what all hooks are rendered with.
#[derive(Clone, Debug, Default)]
pub struct Hooks {
    /// `on-run-start` and `on-run-end` of packages, then of the project.
    pub operations: Vec<Operation>,
    templates: Option<Arc<Templates>>,
}

/// What hooks are rendered with.
struct Templates {
    jinja: Arc<Jinja>,
    graph: Arc<Graph>,
    /// Hooks may `ref` whatever they like: they are no part of the graph.
    all: Vec<String>,
    warehouse: Option<Arc<dyn Warehouse>>,
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.jinja.fmt(f)
    }
}

/// What the hooks of a command will do.
#[derive(Debug, Default)]
pub struct Prepared {
    /// What is left out, for the user.
    pub warnings: Vec<String>,
    /// The queries of nodes' hooks, each with the node's unique id.
    reads: Vec<(String, String)>,
}

impl Hooks {
    pub(crate) fn new(
        operations: Vec<Operation>,
        jinja: Arc<Jinja>,
        graph: Arc<Graph>,
        warehouse: Option<Arc<dyn Warehouse>>,
    ) -> Self {
        let targets = graph.models.values().chain(graph.sources.values());
        let all = targets
            .flat_map(|by_package| by_package.values())
            .map(|target| target.unique_id.clone())
            .collect();
        let templates = Templates {
            jinja,
            graph,
            all,
            warehouse,
        };
        Self {
            operations,
            templates: Some(Arc::new(templates)),
        }
    }

    /// Render the hooks of the selected nodes and judge what they and the operations would do. Nothing is run.
    pub fn prepare(&self, manifest: &Manifest, selected: &BTreeSet<String>) -> Result<Prepared> {
        let mut prepared = Prepared::default();
        let Some(templates) = &self.templates else {
            return Ok(prepared);
        };
        let mut errors = Vec::new();
        let nodes = selected.iter().filter_map(|id| manifest.node(id));
        for node in nodes.filter(|node| node.is_built()) {
            for raw in of_node(node) {
                match templates.of_node(manifest, node, raw) {
                    Ok(judged) => {
                        prepared.warnings.extend(judged.warnings);
                        let reads = judged.reads.into_iter();
                        prepared
                            .reads
                            .extend(reads.map(|sql| (node.unique_id.clone(), sql)));
                    }
                    Err(diagnostic) => errors.push(Error::from(diagnostic)),
                }
            }
        }
        for operation in &self.operations {
            // Without the graph: it is rendered once more when it runs, and logs then.
            match templates.judge(manifest, operation, None, &[]) {
                Ok(judged) => prepared.warnings.extend(judged.warnings),
                Err(diagnostic) => errors.push(Error::from(diagnostic)),
            }
        }
        Error::collected(errors)?;
        Ok(prepared)
    }

    /// Run the queries of nodes' hooks.
    pub fn run_nodes(&self, prepared: &Prepared) -> Result<()> {
        let Some(templates) = &self.templates else {
            return Ok(());
        };
        for (unique_id, sql) in &prepared.reads {
            templates.run(sql).map_err(|diagnostic| Diagnostic {
                message: format!("a hook of {unique_id}: {}", diagnostic.message),
                ..diagnostic
            })?;
        }
        Ok(())
    }

    /// Render an operation and run what it reads. `ended` are the results of the build, at its end.
    pub fn run(
        &self,
        manifest: &Manifest,
        operation: &Operation,
        ended: Option<&[NodeResult]>,
    ) -> Result<()> {
        let Some(templates) = &self.templates else {
            return Ok(());
        };
        let context = ended.map_or_else(Vec::new, |results| operation::context(manifest, results));
        let graph = Some(&templates.graph);
        let judged = templates.judge(manifest, operation, graph, &context)?;
        for sql in judged.reads {
            templates.run(&sql)?;
        }
        Ok(())
    }
}

/// What the statements of a hook come to.
#[derive(Default)]
struct Judged {
    warnings: Vec<String>,
    reads: Vec<String>,
}

impl Templates {
    fn of_node(&self, manifest: &Manifest, node: &Node, raw: &str) -> Result<Judged, Diagnostic> {
        let config = serde_norway::to_value(node.config_json()).unwrap_or_default();
        let frame = self.frame(Frame {
            package: node.package.clone(),
            this: node.relation.clone(),
            graph: Some(self.graph.clone()),
            unique_id: node.unique_id.clone(),
            config: config.as_mapping().cloned().unwrap_or_else(Mapping::new),
            ..Frame::default()
        });
        let files = [
            Some(node.original_file_path.clone()),
            node.patch_path.clone(),
            Some(operation::project_file(&node.package_folder)),
            Some(operation::project_file("")),
        ];
        let files: Vec<String> = files.into_iter().flatten().collect();
        let rendered = self
            .jinja
            .render(&node.original_file_path, raw, &frame)
            .map_err(|diagnostic| placed(manifest, &files, raw, diagnostic))?;
        judge(manifest, &files, raw, &rendered)
    }

    fn judge(
        &self,
        manifest: &Manifest,
        operation: &Operation,
        graph: Option<&Arc<Graph>>,
        context: &[(&str, Value)],
    ) -> Result<Judged, Diagnostic> {
        let frame = self.frame(Frame {
            package: operation.package.clone(),
            graph: graph.cloned(),
            unique_id: operation.unique_id(),
            ..Frame::default()
        });
        let (files, raw) = ([operation.file.clone()], &operation.sql);
        let rendered = self
            .jinja
            .render_with(&operation.file, raw, &frame, context)
            .map_err(|diagnostic| placed(manifest, &files, raw, diagnostic))?;
        judge(manifest, &files, raw, &rendered)
    }

    fn frame(&self, frame: Frame) -> Arc<Frame> {
        Arc::new(Frame {
            warehouse: self.warehouse.clone(),
            depends_on: self.all.clone(),
            ..frame
        })
    }

    fn run(&self, sql: &str) -> Result<(), Diagnostic> {
        match &self.warehouse {
            Some(warehouse) => warehouse.query(sql).map(drop),
            None => Ok(()),
        }
    }
}

/// The texts of a node's hooks, in the order in which they run.
fn of_node(node: &Node) -> impl Iterator<Item = &str> {
    ["pre-hook", "post-hook"]
        .into_iter()
        .filter_map(|key| node.config.extra.get(key)?.as_array())
        .flatten()
        .filter_map(|hook| hook["sql"].as_str())
}

/// What a rendered hook's statements come to; the first that would change data is an error.
fn judge(
    manifest: &Manifest,
    files: &[String],
    raw: &str,
    rendered: &str,
) -> Result<Judged, Diagnostic> {
    let mut judged = Judged::default();
    for statement in statements(rendered) {
        match effect(&statement) {
            Effect::Reads => judged.reads.push(statement),
            Effect::Meaningless => {
                let at = placed(manifest, files, raw, Diagnostic::new(""));
                let line = at
                    .location
                    .map_or_else(String::new, |at| format!(":{}", at.line));
                judged.warnings.push(format!(
                    "{}{line}: the hook's statement `{}` is left out: a lake has nothing like it",
                    at.file.unwrap_or_default(),
                    shortened(&statement)
                ));
            }
            Effect::Changes(instead) => {
                let message = format!("a hook would change data: `{}`", shortened(&statement));
                let diagnostic = Diagnostic::new(message).help(instead);
                return Err(placed(manifest, files, raw, diagnostic));
            }
        }
    }
    Ok(judged)
}

/// A message at the first line of a hook's text, in the first of the files that has it.
fn placed(manifest: &Manifest, files: &[String], raw: &str, diagnostic: Diagnostic) -> Diagnostic {
    let first = raw.lines().map(str::trim).find(|line| !line.is_empty());
    for file in files {
        // A file that went since the project was read has no line to show.
        let Ok(text) = std::fs::read_to_string(manifest.root.join(file)) else {
            continue;
        };
        let lines = text.lines().enumerate();
        let found = first.and_then(|first| {
            lines
                .clone()
                .find_map(|(at, line)| Some((at, line, line.find(first)?)))
        });
        if let Some((index, line, at)) = found {
            let column = line[..at].chars().count() + 1;
            return diagnostic.at(place(file, &text, index + 1, Some(column)));
        }
    }
    let file = files.first().cloned().unwrap_or_default();
    Diagnostic {
        location: None,
        ..diagnostic.in_file(file)
    }
}

/// A statement on one line, cut where it is long.
fn shortened(statement: &str) -> String {
    let line = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(80) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}
