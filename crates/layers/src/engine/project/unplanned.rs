//! Nodes that cannot be planned, when what can be is wanted all the same.

use std::fmt;

use crate::Error;

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
