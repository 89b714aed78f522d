//! Compaction: which files become one, and making it so.

mod plan;
mod rewrite;

pub use plan::{Job, Rule, plan};
pub(crate) use rewrite::{Guard, compact};
