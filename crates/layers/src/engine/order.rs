//! In which order nodes run: what a node waits for, and after which node a test runs.

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::{Manifest, Materialized, Node, ResourceType};

/// The order of a build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Models, seeds and tests of nothing that is built, each with what it waits for.
    pub waits: BTreeMap<String, BTreeSet<String>>,
    /// The tests that run on a node's staged rows and block its commit.
    pub tests: BTreeMap<String, Vec<String>>,
    /// The nodes of `waits`, upstream first.
    pub sequence: Vec<String>,
}

impl Order {
    /// The order for these nodes. A test runs with the last of the nodes it reads, which for this
    /// waits for the others.
    pub fn of(manifest: &Manifest, selected: &BTreeSet<String>) -> Self {
        let runnable: BTreeSet<String> = selected
            .iter()
            .filter(|unique_id| manifest.node(unique_id).is_some_and(Node::is_built))
            .cloned()
            .collect();
        let mut order = Self {
            sequence: manifest
                .in_order(&runnable)
                .iter()
                .map(|node| node.unique_id.clone())
                .collect(),
            ..Self::default()
        };
        let rank: BTreeMap<&str, usize> = order
            .sequence
            .iter()
            .enumerate()
            .map(|(rank, unique_id)| (unique_id.as_str(), rank))
            .collect();
        for unique_id in &order.sequence {
            order.waits.insert(
                unique_id.clone(),
                built_above(manifest, unique_id, &runnable),
            );
        }
        let mut alone = Vec::new();
        for test in manifest
            .of_type(ResourceType::Test)
            .filter(|test| selected.contains(&test.unique_id))
        {
            let above = built_above(manifest, &test.unique_id, &runnable);
            match above
                .iter()
                .max_by_key(|unique_id| rank[unique_id.as_str()])
                .cloned()
            {
                None => alone.push(test.unique_id.clone()),
                Some(last) => {
                    let waits = order
                        .waits
                        .get_mut(&last)
                        .expect("every node to be built is in the order");
                    waits.extend(above.into_iter().filter(|unique_id| *unique_id != last));
                    order
                        .tests
                        .entry(last)
                        .or_default()
                        .push(test.unique_id.clone());
                }
            }
        }
        order.add_unit_tests(manifest, selected, &runnable);
        for unique_id in alone {
            order.waits.insert(unique_id.clone(), BTreeSet::new());
            order.sequence.push(unique_id);
        }
        order
    }

    /// A unit test waits for what its model waits for, and the model, or what reads it where that is not built itself,
    /// waits for the test.
    fn add_unit_tests(
        &mut self,
        manifest: &Manifest,
        selected: &BTreeSet<String>,
        runnable: &BTreeSet<String>,
    ) {
        let tests = manifest.of_type(ResourceType::UnitTest);
        for test in tests.filter(|test| selected.contains(&test.unique_id)) {
            let model = &test.depends_on[0];
            let readers: Vec<String> = if runnable.contains(model) {
                vec![model.clone()]
            } else if selected.contains(model) {
                readers(manifest, model, runnable)
            } else {
                Vec::new()
            };
            let waits = if readers.is_empty() {
                BTreeSet::new()
            } else {
                built_above(manifest, model, runnable)
            };
            let at = self.sequence.iter().position(|id| readers.contains(id));
            let at = at.unwrap_or(self.sequence.len());
            self.sequence.insert(at, test.unique_id.clone());
            self.waits.insert(test.unique_id.clone(), waits);
            for reader in readers {
                let waits = self.waits.entry(reader).or_default();
                waits.insert(test.unique_id.clone());
            }
        }
    }

    /// How many nodes run, tests included.
    pub fn count(&self) -> usize {
        self.sequence.len() + self.tests.values().map(Vec::len).sum::<usize>()
    }
}

/// The nearest nodes below an ephemeral one that are built.
fn readers(manifest: &Manifest, model: &str, runnable: &BTreeSet<String>) -> Vec<String> {
    let children = manifest.children();
    let mut found = Vec::new();
    let mut next = vec![model];
    while let Some(above) = next.pop() {
        for node in children.get(above).into_iter().flatten() {
            if runnable.contains(&node.unique_id) {
                found.push(node.unique_id.clone());
            } else if node.config.materialized == Materialized::Ephemeral {
                next.push(&node.unique_id);
            }
        }
    }
    found
}

/// The nearest nodes above a node that are built: those not selected and ephemeral ones are seen through.
fn built_above(
    manifest: &Manifest,
    unique_id: &str,
    runnable: &BTreeSet<String>,
) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut next: Vec<&str> = match manifest.node(unique_id) {
        Some(node) => node.depends_on.iter().map(String::as_str).collect(),
        None => Vec::new(),
    };
    while let Some(above) = next.pop() {
        if !seen.insert(above) {
            continue;
        }
        if runnable.contains(above) {
            found.insert(above.to_owned());
        }
        // A table that is not selected stands as it is; a query is read through.
        else if let Some(node) = manifest.node(above)
            && matches!(
                node.config.materialized,
                Materialized::View | Materialized::Ephemeral
            )
        {
            next.extend(node.depends_on.iter().map(String::as_str));
        }
    }
    found
}
