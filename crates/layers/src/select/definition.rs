//! What a selection means: criteria, joined.

use super::Indirect;
use super::criterion::Criterion;
use crate::Result;

/// A set of nodes, by criteria.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Definition {
    /// What fits a criterion, with its neighbours, and the tests that come with them: as this says
    /// when it says it, else as the command does.
    One(Criterion, Option<Indirect>),
    /// What is in any.
    Union(Vec<Definition>),
    /// What is in all.
    Intersection(Vec<Definition>),
    /// What is in the first and not in the second.
    Without(Box<Definition>, Box<Definition>),
}

impl Definition {
    /// `--select a,b c`: what is in a and b, or in c.
    pub fn of_arguments(arguments: &[String]) -> Result<Self> {
        let any = arguments
            .iter()
            .flat_map(|argument| argument.split_whitespace())
            .map(|argument| {
                let all: Result<Vec<Self>> = argument.split(',').map(Self::of_text).collect();
                Ok(Self::Intersection(all?))
            })
            .collect::<Result<Vec<Self>>>()?;
        Ok(Self::Union(any))
    }

    /// `+tag:nightly`.
    pub fn of_text(text: &str) -> Result<Self> {
        Ok(Self::One(Criterion::parse(text)?, None))
    }
}
