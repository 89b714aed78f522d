//! The graph, and the compile pass: names to relations, templates to SQL.

mod batches;
mod ephemeral;
mod fingerprint;
mod graph;
mod relations;
mod unit_tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::ephemeral::{Compiled, cte_name, with_ephemeral};
use self::fingerprint::fingerprint;
use self::graph::{event_time, follow_references, graph, order};
use self::relations::{facts, place_relations};
use super::parse::{Draft, Drafts, render_generic};
use super::{Options, ProjectFile, Target};
use crate::diagnostics::Diagnostic;
use crate::engine::introspect::Introspection;
use crate::hooks::{Hooks, Operation};
use crate::jinja::Jinja;
use crate::jinja::context::{Frame, Graph, Warehouse};
use crate::manifest::{Manifest, Materialized, Node, ResourceType};
use crate::microbatch;
use crate::{Error, Result};

/// Follow references, compile every template, and hand out the manifest.
pub fn compile(
    project: &ProjectFile,
    target: &Target,
    drafts: Drafts,
    operations: Vec<Operation>,
    options: &Options,
) -> Result<Manifest> {
    let Drafts {
        jinja,
        nodes: mut drafts,
        docs,
        macros,
        mut warnings,
    } = drafts;
    let jinja = Arc::new(jinja);
    let disabled: Vec<String> = drafts
        .iter()
        .filter(|draft| !draft.enabled)
        .map(|draft| draft.node.name.clone())
        .collect();
    drafts.retain(|draft| draft.enabled);
    place_relations(&project.name, &jinja, &mut drafts, options)?;
    // Unit tests read rows though nothing else does.
    let whole = Arc::new(graph(project.search(), &drafts, disabled.clone(), false));
    let graph = if options.empty {
        Arc::new(graph(project.search(), &drafts, disabled, true))
    } else {
        whole.clone()
    };
    follow_references(&graph, &mut drafts)?;
    let mut drafts: BTreeMap<String, Draft> = drafts
        .into_iter()
        .map(|draft| (draft.node.unique_id.clone(), draft))
        .collect();
    let order = order(&drafts)?;
    let introspection = options
        .lake
        .as_ref()
        .map(|lake| Arc::new(Introspection::new(project.root.clone(), lake.clone())));
    if let Some(introspection) = &introspection {
        // A source may name what a seed makes: no edge says that the seed comes first.
        let without_sql = drafts.values().filter(|draft| has_no_sql(&draft.node));
        without_sql.for_each(|draft| introspection.know(&draft.node));
    }
    let mut batches = microbatch::Templates::default();
    let templates = Compiler {
        jinja: &jinja,
        graph: &graph,
        introspection: introspection.as_ref(),
    };
    let with_time: BTreeSet<String> = drafts
        .values()
        .filter(|draft| event_time(&draft.node).is_some())
        .map(|draft| draft.node.unique_id.clone())
        .collect();
    let mut compiled: BTreeMap<String, Compiled> = BTreeMap::new();
    let mut errors = Vec::new();
    for unique_id in order {
        let Some(draft) = drafts.get_mut(&unique_id) else {
            continue;
        };
        match templates.compile(draft, &compiled) {
            Ok(Some(result)) => drop(compiled.insert(unique_id, result)),
            Ok(None) => {}
            Err(diagnostic) => errors.push(Error::from(diagnostic)),
        }
        match templates.batches(draft, &compiled, &with_time) {
            Ok(Some(kept)) => {
                batches.keep(&draft.node.unique_id, kept.template);
                warnings.extend(kept.warning);
            }
            Ok(None) => {}
            Err(diagnostic) => errors.push(Error::from(diagnostic)),
        }
        if let Some(introspection) = &introspection
            && !has_no_sql(&draft.node)
        {
            introspection.know(&draft.node);
        }
    }
    let units = Compiler {
        graph: &whole,
        ..templates
    };
    errors.extend(units.unit_tests(&mut drafts));
    Error::collected(errors)?;
    Ok(Manifest {
        project: project.name.clone(),
        root: project.root.clone(),
        target_path: project.target_path.clone(),
        target: target.name.clone(),
        is_default_target: target.is_default,
        schema: target.schema.clone(),
        threads: target.threads,
        nodes: nodes_of(project, drafts)?,
        docs,
        macros,
        batches,
        hooks: Hooks::new(
            operations,
            jinja,
            graph,
            introspection.map(|lake| lake as _),
        ),
        warnings,
    })
}

/// The nodes, with their fingerprints.
fn nodes_of(
    project: &ProjectFile,
    drafts: BTreeMap<String, Draft>,
) -> Result<BTreeMap<String, Node>> {
    drafts
        .into_iter()
        .map(|(unique_id, mut draft)| {
            draft.node.fingerprint = fingerprint(project, &draft.node)?;
            Ok((unique_id, draft.node))
        })
        .collect()
}

fn has_no_sql(node: &Node) -> bool {
    matches!(
        node.resource_type,
        ResourceType::Seed | ResourceType::Source | ResourceType::Exposure | ResourceType::UnitTest
    )
}

/// What the templates of all nodes are compiled with.
struct Compiler<'a> {
    jinja: &'a Arc<Jinja>,
    graph: &'a Arc<Graph>,
    introspection: Option<&'a Arc<Introspection>>,
}

impl Compiler<'_> {
    /// Give a node its SQL. An ephemeral one's is handed out too, for its readers.
    fn compile(
        &self,
        draft: &mut Draft,
        compiled: &BTreeMap<String, Compiled>,
    ) -> Result<Option<Compiled>, Diagnostic> {
        if has_no_sql(&draft.node) {
            return Ok(None);
        }
        let (sql, ephemeral) = self.render(draft, false)?;
        if draft.node.config.materialized == Materialized::Ephemeral {
            draft.node.compiled_code = Some(with_ephemeral(&sql, &ephemeral, compiled));
            return Ok(Some(Compiled {
                name: cte_name(&draft.node.name),
                sql,
                ephemeral,
            }));
        }
        if draft.node.config.materialized == Materialized::Incremental
            && self.is_there(&draft.node)?
        {
            let (sql, ephemeral) = self.render(draft, true)?;
            draft.node.compiled_incremental = Some(with_ephemeral(&sql, &ephemeral, compiled));
        }
        draft.node.compiled_code = Some(with_ephemeral(&sql, &ephemeral, compiled));
        Ok(None)
    }

    /// Whether a node's table is in the lake, as far as there is a lake to ask: what a template asks of a table that is
    /// not there must not be asked.
    fn is_there(&self, node: &Node) -> Result<bool, Diagnostic> {
        match (self.introspection, &node.relation) {
            (Some(lake), Some(relation)) => Ok(lake.columns(relation)?.is_some()),
            _ => Ok(true),
        }
    }

    fn render(
        &self,
        draft: &Draft,
        incremental: bool,
    ) -> Result<(String, Vec<String>), Diagnostic> {
        let node = &draft.node;
        let warehouse = self.introspection.cloned();
        let frame = Arc::new(Frame {
            package: node.package.clone(),
            this: node.relation.clone(),
            graph: Some(self.graph.clone()),
            warehouse: warehouse.map(|introspection| introspection as Arc<dyn Warehouse>),
            unique_id: node.unique_id.clone(),
            depends_on: node.depends_on.clone(),
            incremental,
            config: draft.raw_config.clone(),
            ..Frame::default()
        });
        let sql = match &draft.generic {
            Some(generic) => render_generic(
                self.jinja,
                node,
                generic.arguments.clone(),
                &generic.target,
                &frame,
            )
            .map_err(|diagnostic| generic.placed(diagnostic))?,
            None => self.jinja.render_with(
                &node.original_file_path,
                &node.raw_code,
                &frame,
                &[("model", facts(node))],
            )?,
        };
        let ephemeral = std::mem::take(&mut frame.captured().ephemeral);
        Ok((sql, ephemeral))
    }
}
