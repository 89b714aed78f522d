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

/// Where references lead.
#[derive(Debug, Default)]
pub struct Graph {
    /// Models and seeds by name, then by package.
    pub models: BTreeMap<String, BTreeMap<String, Target>>,
    /// Source tables by source and table.
    pub sources: BTreeMap<(String, String), Target>,
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
}

impl Graph {
    /// The model or seed that a `ref` means: of its package, or of the caller's, or the only one.
    pub fn resolve(&self, reference: &Ref, package: &str) -> Result<&Target, Diagnostic> {
        let found =
            self.models
                .get(&reference.name)
                .and_then(|by_package| match &reference.package {
                    Some(named) => by_package.get(named),
                    None => by_package
                        .get(package)
                        .or_else(|| by_package.values().next()),
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

    /// The source's table that a `source` means.
    pub fn resolve_source(&self, source: &str, table: &str) -> Result<&Target, Diagnostic> {
        self.sources
            .get(&(source.to_owned(), table.to_owned()))
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
