//! Which nodes a command is about: dbt's `--select`, `--exclude`, `--selector` and `--resource-type`.

mod criterion;
mod definition;
mod glob;
mod neighbours;
mod selectors;

use std::collections::BTreeSet;

use crate::Result;
use crate::artifacts::Previous;
use crate::diagnostics::nearest;
use crate::manifest::{Manifest, ResourceType};
pub use definition::Definition;
use neighbours::Neighbours;
pub use selectors::Selectors;

/// What a command line selects.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Criteria of which one must hold; none selects everything. Commas in one join criteria that
    /// must all hold.
    pub select: Vec<String>,
    /// Criteria of which none may hold.
    pub exclude: Vec<String>,
    /// A selector of `selectors.yml`, which stands for the two.
    pub selector: Option<Definition>,
    /// What an earlier command left, for `state:` and `result:`.
    pub previous: Option<Previous>,
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
    let mut picker = Picker {
        manifest,
        graph: Neighbours::of(manifest),
        previous: selection.previous.as_ref(),
        warnings: Vec::new(),
    };
    let mut nodes = match (&selection.selector, selection.select.as_slice()) {
        (Some(selector), _) => picker.nodes(selector, selection.indirect)?,
        (None, []) => manifest.nodes.keys().cloned().collect(),
        (None, select) => {
            let wanted = Definition::of_arguments(select)?;
            picker.nodes(&wanted, selection.indirect)?
        }
    };
    // What is left out takes every test with it that reads it.
    let exclude = Definition::of_arguments(&selection.exclude)?;
    for left_out in picker.nodes(&exclude, Indirect::Eager)? {
        nodes.remove(&left_out);
    }
    nodes.retain(|unique_id| {
        manifest.node(unique_id).is_some_and(|node| {
            let kind = node.resource_type;
            (selection.resource_types.is_empty() || selection.resource_types.contains(&kind))
                && !selection.exclude_resource_types.contains(&kind)
        })
    });
    Ok(Selected {
        nodes,
        warnings: picker.warnings,
    })
}

/// Finds what definitions mean in a manifest.
struct Picker<'a> {
    manifest: &'a Manifest,
    graph: Neighbours<'a>,
    previous: Option<&'a Previous>,
    warnings: Vec<String>,
}

impl Picker<'_> {
    fn nodes(&mut self, definition: &Definition, indirect: Indirect) -> Result<BTreeSet<String>> {
        match definition {
            Definition::One(criterion, own) => {
                let mut direct: BTreeSet<&str> = BTreeSet::new();
                for node in self.manifest.nodes.values() {
                    if criterion.matches(node, self.previous)? {
                        direct.insert(&node.unique_id);
                    }
                }
                if direct.is_empty() {
                    let names = self.manifest.nodes.values().map(|node| node.name.as_str());
                    let near = nearest(&criterion.value, names)
                        .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                    self.warnings.push(format!(
                        "the selection criterion '{}' matches no enabled node{near}",
                        criterion.text
                    ));
                }
                let reached = self.graph.reach(&direct, criterion.reach);
                let indirect = own.unwrap_or(indirect);
                Ok(self.graph.with_tests(self.manifest, &reached, indirect))
            }
            Definition::Union(parts) => {
                let mut all = BTreeSet::new();
                for part in parts {
                    all.extend(self.nodes(part, indirect)?);
                }
                Ok(all)
            }
            Definition::Intersection(parts) => {
                let mut all: Option<BTreeSet<String>> = None;
                for part in parts {
                    let found = self.nodes(part, indirect)?;
                    all = Some(match all {
                        Some(before) => before.intersection(&found).cloned().collect(),
                        None => found,
                    });
                }
                Ok(all.unwrap_or_default())
            }
            Definition::Without(definition, left_out) => {
                let mut found = self.nodes(definition, indirect)?;
                for node in self.nodes(left_out, Indirect::Eager)? {
                    found.remove(&node);
                }
                Ok(found)
            }
        }
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
