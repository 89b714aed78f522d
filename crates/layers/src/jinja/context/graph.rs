//! Where `ref` and `source` lead.

use std::collections::BTreeMap;

use super::RelationValue;
use crate::diagnostics::{Diagnostic, nearest};

/// The arguments of a `ref`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ref {
    /// The package, when two arguments were given.
    pub package: Option<String>,
    /// The model's or seed's name.
    pub name: String,
}

/// Which package is meant where a name has none before it.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// The project's name.
    pub project: String,
    /// Whether the caller's package comes before the project: dbt's flag `require_ref_searches_node_package_before_root`.
    pub own_first: bool,
}

impl Search {
    /// Of what has one name in several packages, what the package `caller` means: the project's, else its own, else any.
    pub fn among<'a, T>(&self, by_package: &'a BTreeMap<String, T>, caller: &str) -> Option<&'a T> {
        let mut order = [self.project.as_str(), caller];
        if self.own_first {
            order.reverse();
        }
        let mut found = order.iter().filter_map(|package| by_package.get(*package));
        found.next().or_else(|| by_package.values().next())
    }
}

/// Where references lead.
#[derive(Debug, Default)]
pub struct Graph {
    /// Whose a name is.
    pub search: Search,
    /// Models and seeds by name, then by package.
    pub models: BTreeMap<String, BTreeMap<String, Target>>,
    /// Source tables by source and table, then by package.
    pub sources: BTreeMap<(String, String), BTreeMap<String, Target>>,
    /// Names of models and seeds that are switched off.
    pub disabled: Vec<String>,
}

/// Where one reference leads.
#[derive(Clone, Debug)]
pub struct Target {
    /// The node.
    pub unique_id: String,
    /// Its relation; an ephemeral model's is the name of its common table expression.
    pub relation: RelationValue,
    /// The column that tells a row's time, for batches.
    pub event_time: Option<String>,
}

impl Graph {
    /// The model or seed that a `ref` in the package means.
    pub fn resolve(&self, reference: &Ref, package: &str) -> Result<&Target, Diagnostic> {
        let found =
            self.models
                .get(&reference.name)
                .and_then(|by_package| match &reference.package {
                    Some(named) => by_package.get(named),
                    None => self.search.among(by_package, package),
                });
        found.ok_or_else(|| {
            let name = &reference.name;
            if self.disabled.contains(name) {
                return Diagnostic::new(format!("ref('{name}') names a node that is disabled"))
                    .help("enable it, or do not read it");
            }
            let message = match &reference.package {
                Some(package) => format!("ref('{package}', '{name}') names no model or seed"),
                None => format!("ref('{name}') names no model or seed"),
            };
            Diagnostic::new(message).nearest(name, self.models.keys().map(String::as_str))
        })
    }

    /// The source's table that a `source` in the package means.
    pub fn resolve_source(
        &self,
        source: &str,
        table: &str,
        package: &str,
    ) -> Result<&Target, Diagnostic> {
        self.sources
            .get(&(source.to_owned(), table.to_owned()))
            .and_then(|by_package| self.search.among(by_package, package))
            .ok_or_else(|| {
                let diagnostic =
                    Diagnostic::new(format!("source('{source}', '{table}') is not declared"));
                let tables = self.sources.keys().filter(|(known, _)| known == source);
                match nearest(table, tables.map(|(_, table)| table.as_str())) {
                    Some(near) => {
                        diagnostic.help(format!("did you mean source('{source}', '{near}')?"))
                    }
                    None => diagnostic
                        .nearest(source, self.sources.keys().map(|(known, _)| known.as_str())),
                }
            })
    }
}
