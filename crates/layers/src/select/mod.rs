//! Which nodes a command is about: dbt's `--select`, `--exclude` and `--resource-type`.

mod criterion;
mod glob;

use std::collections::{BTreeMap, BTreeSet};

use crate::Result;
use crate::diagnostics::nearest;
use crate::manifest::{Manifest, ResourceType};
use criterion::{Criterion, Reach};

/// What a command line selects.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Criteria of which one must hold; none selects everything. Commas in one join criteria that
    /// must all hold.
    pub select: Vec<String>,
    /// Criteria of which none may hold.
    pub exclude: Vec<String>,
    /// Types to keep; none keeps all.
    pub resource_types: Vec<ResourceType>,
    /// Types to leave out.
    pub exclude_resource_types: Vec<ResourceType>,
    /// Which tests of selected nodes are selected with them.
    pub indirect: Indirect,
}

/// Which tests come with the nodes that they read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Indirect {
    /// Those that read any selected node.
    #[default]
    Eager,
    /// Those that read selected nodes only.
    Cautious,
    /// Those that read selected nodes and what these read.
    Buildable,
    /// None.
    Empty,
}

/// Selected nodes, and what was asked for in vain.
#[derive(Clone, Debug, Default)]
pub struct Selected {
    /// Unique ids.
    pub nodes: BTreeSet<String>,
    /// A line for every criterion that matches nothing.
    pub warnings: Vec<String>,
}

/// The nodes that a selection picks from a manifest.
pub fn select(manifest: &Manifest, selection: &Selection) -> Result<Selected> {
    let graph = Neighbours::of(manifest);
    let mut warnings = Vec::new();
    let mut nodes = if selection.select.is_empty() {
        manifest.nodes.keys().cloned().collect()
    } else {
        union(
            manifest,
            &graph,
            &selection.select,
            selection.indirect,
            &mut warnings,
        )?
    };
    // What is left out takes every test with it that reads it.
    for left_out in union(
        manifest,
        &graph,
        &selection.exclude,
        Indirect::Eager,
        &mut warnings,
    )? {
        nodes.remove(&left_out);
    }
    nodes.retain(|unique_id| {
        manifest.node(unique_id).is_some_and(|node| {
            let kind = node.resource_type;
            (selection.resource_types.is_empty() || selection.resource_types.contains(&kind))
                && !selection.exclude_resource_types.contains(&kind)
        })
    });
    Ok(Selected { nodes, warnings })
}

fn union(
    manifest: &Manifest,
    graph: &Neighbours<'_>,
    arguments: &[String],
    indirect: Indirect,
    warnings: &mut Vec<String>,
) -> Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for argument in arguments
        .iter()
        .flat_map(|argument| argument.split_whitespace())
    {
        let mut both: Option<BTreeSet<String>> = None;
        for text in argument.split(',') {
            let criterion = Criterion::parse(text)?;
            let mut direct: BTreeSet<&str> = BTreeSet::new();
            for node in manifest.nodes.values() {
                if criterion.matches(node)? {
                    direct.insert(&node.unique_id);
                }
            }
            if direct.is_empty() {
                let names = manifest.nodes.values().map(|node| node.name.as_str());
                let near = nearest(&criterion.value, names)
                    .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                warnings.push(format!(
                    "the selection criterion '{text}' matches no enabled node{near}"
                ));
            }
            let found =
                graph.with_tests(manifest, &graph.reach(&direct, criterion.reach), indirect);
            both = Some(match both {
                Some(before) => before.intersection(&found).cloned().collect(),
                None => found,
            });
        }
        all.extend(both.unwrap_or_default());
    }
    Ok(all)
}

/// Who reads whom.
struct Neighbours<'a> {
    parents: BTreeMap<&'a str, Vec<&'a str>>,
    children: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Neighbours<'a> {
    fn of(manifest: &'a Manifest) -> Self {
        let mut parents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut children: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for node in manifest.nodes.values() {
            for upstream in &node.depends_on {
                parents.entry(&node.unique_id).or_default().push(upstream);
                children.entry(upstream).or_default().push(&node.unique_id);
            }
        }
        Self { parents, children }
    }

    /// The nodes and so many steps of `edges` from them; `None` is all the way.
    fn walk(
        edges: &BTreeMap<&'a str, Vec<&'a str>>,
        from: &BTreeSet<&'a str>,
        steps: Option<usize>,
    ) -> BTreeSet<&'a str> {
        let mut found = from.clone();
        let mut edge: Vec<&str> = from.iter().copied().collect();
        let mut left = steps;
        while !edge.is_empty() && left != Some(0) {
            edge = edge
                .into_iter()
                .flat_map(|node| edges.get(node).into_iter().flatten().copied())
                .filter(|node| found.insert(node))
                .collect();
            left = left.map(|steps| steps - 1);
        }
        found
    }

    fn reach(&self, direct: &BTreeSet<&'a str>, reach: Reach) -> BTreeSet<&'a str> {
        match reach {
            Reach::ChildrensParents => {
                let children = Self::walk(&self.children, direct, None);
                Self::walk(&self.parents, &children, None)
            }
            Reach::Steps { parents, children } => {
                let mut found = direct.clone();
                if let Some(steps) = parents {
                    found.extend(Self::walk(&self.parents, direct, steps.0));
                }
                if let Some(steps) = children {
                    found.extend(Self::walk(&self.children, direct, steps.0));
                }
                found
            }
        }
    }

    fn with_tests(
        &self,
        manifest: &Manifest,
        nodes: &BTreeSet<&'a str>,
        indirect: Indirect,
    ) -> BTreeSet<String> {
        let mut found: BTreeSet<String> = nodes.iter().map(|node| (*node).to_owned()).collect();
        if indirect == Indirect::Empty {
            return found;
        }
        let buildable = match indirect {
            Indirect::Buildable => Self::walk(&self.parents, nodes, Some(1)),
            _ => nodes.clone(),
        };
        for test in manifest.of_type(ResourceType::Test) {
            let mut reads = test.depends_on.iter().map(String::as_str);
            let picked = test
                .depends_on
                .iter()
                .any(|upstream| nodes.contains(upstream.as_str()))
                && (indirect == Indirect::Eager
                    || reads.all(|upstream| buildable.contains(upstream)));
            if picked {
                found.insert(test.unique_id.clone());
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::tests::{manifest, node};

    /// a → b → c, and a test that reads b and c.
    fn chain() -> Manifest {
        manifest([
            node("model.p.a", &[]),
            node("model.p.b", &["model.p.a"]),
            node("model.p.c", &["model.p.b"]),
            node("test.p.t", &["model.p.b", "model.p.c"]),
        ])
    }

    fn names(arguments: &[&str], exclude: &[&str], indirect: Indirect) -> Vec<String> {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        let selection = Selection {
            select: owned(arguments),
            exclude: owned(exclude),
            indirect,
            ..Selection::default()
        };
        let selected = select(&chain(), &selection).expect("valid");
        selected
            .nodes
            .iter()
            .map(|id| id.rsplit('.').next().unwrap_or(id).to_owned())
            .collect()
    }

    #[test]
    fn graph_operators_reach_parents_and_children() {
        assert_eq!(names(&["+b"], &[], Indirect::Empty), ["a", "b"]);
        assert_eq!(names(&["a+1"], &[], Indirect::Empty), ["a", "b"]);
        assert_eq!(names(&["1+c"], &[], Indirect::Empty), ["b", "c"]);
        assert_eq!(names(&["@b"], &[], Indirect::Empty), ["a", "b", "c", "t"]);
    }

    #[test]
    fn tests_come_with_the_nodes_that_they_read() {
        assert_eq!(names(&["b"], &[], Indirect::Eager), ["b", "t"]);
        assert_eq!(names(&["b"], &[], Indirect::Cautious), ["b"]);
        assert_eq!(names(&["b+"], &[], Indirect::Cautious), ["b", "c", "t"]);
    }

    #[test]
    fn unions_intersections_and_exclusions() {
        assert_eq!(names(&["a", "c"], &[], Indirect::Empty), ["a", "c"]);
        assert_eq!(names(&["a+,+b"], &[], Indirect::Empty), ["a", "b"]);
        assert_eq!(names(&[], &["b"], Indirect::Eager), ["a", "c"]);
        assert_eq!(names(&["resource_type:test"], &[], Indirect::Empty), ["t"]);
    }

    #[test]
    fn a_criterion_in_vain_is_told_with_the_nearest_name() {
        let mut chain = chain();
        let long = node("model.p.fct_listens", &[]);
        chain.nodes.insert(long.unique_id.clone(), long);
        let selection = Selection {
            select: vec!["fct_listen".to_owned()],
            ..Selection::default()
        };
        let selected = select(&chain, &selection).expect("valid");
        assert!(selected.nodes.is_empty());
        assert!(
            selected.warnings[0].contains("did you mean `fct_listens`?"),
            "{:?}",
            selected.warnings
        );
    }
}
