//! The graph of a manifest, walked both ways.

use std::collections::{BTreeMap, BTreeSet};

use super::Indirect;
use super::criterion::Reach;
use crate::manifest::{Manifest, ResourceType};

/// Who reads whom.
pub struct Neighbours<'a> {
    parents: BTreeMap<&'a str, Vec<&'a str>>,
    children: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Neighbours<'a> {
    /// The edges of a manifest, both ways.
    pub fn of(manifest: &'a Manifest) -> Self {
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

    /// The nodes and those of their neighbours that come along.
    pub fn reach(&self, direct: &BTreeSet<&'a str>, reach: Reach) -> BTreeSet<&'a str> {
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

    /// The nodes and the tests that are selected with them.
    pub fn with_tests(
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
        let units = manifest.of_type(ResourceType::UnitTest);
        for test in manifest.of_type(ResourceType::Test).chain(units) {
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
