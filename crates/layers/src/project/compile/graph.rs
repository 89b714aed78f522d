//! What references lead to, and an order in which nothing comes before what it reads.

use std::collections::{BTreeMap, BTreeSet};

use super::ephemeral::cte_name;
use crate::diagnostics::{Diagnostic, place};
use crate::jinja::context::{Graph, RelationValue, Search, Target};
use crate::manifest::{Node, ResourceType};
use crate::project::parse::Draft;
use crate::{Error, Result};

/// The graph of the drafts; `disabled` are the names of nodes that are switched off. `empty`: all
/// relations are without rows.
pub fn graph(search: Search, drafts: &[Draft], disabled: Vec<String>, empty: bool) -> Graph {
    let mut graph = Graph {
        search,
        disabled,
        ..Graph::default()
    };
    for Draft { node, .. } in drafts {
        let relation = match &node.relation {
            Some(relation) if empty => RelationValue::Empty(relation.clone()),
            Some(relation) => RelationValue::Table(relation.clone()),
            None => RelationValue::Cte(cte_name(&node.name)),
        };
        let target = Target {
            unique_id: node.unique_id.clone(),
            relation,
            event_time: event_time(node).map(str::to_owned),
        };
        match (node.resource_type, &node.source_name) {
            (ResourceType::Model | ResourceType::Seed | ResourceType::Snapshot, _) => {
                graph
                    .models
                    .entry(node.name.clone())
                    .or_default()
                    .insert(node.package.clone(), target);
            }
            (ResourceType::Source, Some(source)) => {
                graph
                    .sources
                    .entry((source.clone(), node.name.clone()))
                    .or_default()
                    .insert(node.package.clone(), target);
            }
            _ => {}
        }
    }
    graph
}

/// The column that tells a row's time.
pub fn event_time(node: &Node) -> Option<&str> {
    let column = node.config.extra.get("event_time")?.as_str()?;
    Some(column).filter(|column| !column.is_empty())
}

/// Give every draft the unique ids of what it reads.
pub fn follow_references(graph: &Graph, drafts: &mut [Draft]) -> Result<()> {
    let mut errors = Vec::new();
    for draft in drafts {
        let mut upstream: Vec<String> = Vec::new();
        let refs = draft.refs.iter().map(|reference| {
            (
                reference.name.as_str(),
                graph
                    .resolve(reference, &draft.node.package)
                    .map(|target| &target.unique_id),
            )
        });
        let sources = draft.sources.iter().map(|(source, table)| {
            (
                table.as_str(),
                graph
                    .resolve_source(source, table, &draft.node.package)
                    .map(|target| &target.unique_id),
            )
        });
        for (name, found) in refs.chain(sources) {
            match found {
                Ok(unique_id) if upstream.contains(unique_id) => {}
                Ok(unique_id) => upstream.push(unique_id.clone()),
                Err(diagnostic) => errors.push(Error::from(at_mention(diagnostic, draft, name))),
            }
        }
        draft.node.depends_on = upstream;
    }
    Error::collected(errors)
}

/// A message at the place where the draft's text (or its YAML) has the name in quotes.
fn at_mention(diagnostic: Diagnostic, draft: &Draft, name: &str) -> Diagnostic {
    let file = &draft.node.original_file_path;
    if let Some(generic) = &draft.generic {
        return generic.placed(diagnostic);
    }
    let quoted = [format!("'{name}'"), format!("\"{name}\"")];
    for (index, line) in draft.node.raw_code.lines().enumerate() {
        if let Some(at) = quoted.iter().find_map(|quoted| line.find(quoted)) {
            let column = line[..at].chars().count() + 2;
            return diagnostic.at(place(file, &draft.node.raw_code, index + 1, Some(column)));
        }
    }
    diagnostic.in_file(file.clone())
}

/// Unique ids in an order in which every node comes after what it reads. A cycle is an error that
/// names its path.
pub fn order(drafts: &BTreeMap<String, Draft>) -> Result<Vec<String>> {
    let mut order = Vec::new();
    let mut done = BTreeSet::new();
    for unique_id in drafts.keys() {
        visit(unique_id, drafts, &mut Vec::new(), &mut done, &mut order)?;
    }
    Ok(order)
}

fn visit<'a>(
    unique_id: &'a str,
    drafts: &'a BTreeMap<String, Draft>,
    path: &mut Vec<&'a str>,
    done: &mut BTreeSet<&'a str>,
    order: &mut Vec<String>,
) -> Result<()> {
    if done.contains(unique_id) {
        return Ok(());
    }
    let Some(draft) = drafts.get(unique_id) else {
        return Ok(());
    };
    if let Some(start) = path.iter().position(|seen| *seen == unique_id) {
        let mut names: Vec<&str> = path[start..]
            .iter()
            .filter_map(|id| drafts.get(*id))
            .map(|draft| draft.node.name.as_str())
            .collect();
        names.push(&draft.node.name);
        // Each node reads the next one.
        let diagnostic = Diagnostic::new(format!(
            "models read each other in a circle: {}",
            names.join(" → ")
        ))
        .help("let one of them read what the next one reads, instead of it");
        let next = names.get(1).copied().unwrap_or_default();
        return Err(at_mention(diagnostic, draft, next).into());
    }
    path.push(unique_id);
    for upstream in &draft.node.depends_on {
        visit(upstream, drafts, path, done, order)?;
    }
    path.pop();
    done.insert(unique_id);
    order.push(unique_id.to_owned());
    Ok(())
}
