//! Nodes that cannot be planned, when what can be is wanted all the same.

use std::fmt;

use crate::Error;
use crate::manifest::{Manifest, Node, ResourceType};

/// A node without a plan.
#[derive(Debug)]
pub struct Unplanned {
    /// Its unique id.
    pub unique_id: String,
    /// What is in the way.
    pub why: Why,
}

/// Why there is no plan.
#[derive(Debug)]
pub enum Why {
    /// The node itself is wrong, or a table that it reads is not there.
    Broken(Error),
    /// It reads a node that has no plan, by this name.
    Reads(String),
}

impl Unplanned {
    /// What is wrong with the node itself.
    pub fn error(self) -> Option<Error> {
        match self.why {
            Why::Broken(error) => Some(error),
            Why::Reads(_) => None,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(error) => error.fmt(f),
            Self::Reads(name) => write!(f, "it reads {name}, which cannot be planned"),
        }
    }
}

/// The error that a source has no table yet; where a seed or model of the project makes that table, it says so.
pub fn made_here(manifest: &Manifest, error: Error, source: &Node) -> Error {
    let maker = manifest.nodes.values().find(|node| {
        node.is_built()
            && node.resource_type != ResourceType::Source
            && node.relation == source.relation
    });
    match (error, maker) {
        (Error::NoTable { reader, table, .. }, Some(maker)) if source.source_name.is_some() => {
            let (kind, name) = (maker.resource_type, &maker.name);
            let mend = format!(
                "the {kind} {name} makes it, which nothing tells this build: build that first (--select {name}), or read it with \
                 ref('{name}')"
            );
            Error::NoTable {
                reader,
                table,
                mend,
            }
        }
        (error, _) => error,
    }
}
