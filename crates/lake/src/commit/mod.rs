//! The commit loop: how a proposal becomes the next version of a table, exactly once, whatever fails.
//!
//! The [machine] decides and does no I/O; [drive] carries out its steps. A simulated file system drives the same
//! machine through crashes, lost answers and rivals in the tests.

mod check;
mod drive;
mod machine;
#[cfg(test)]
mod simulation;

pub(crate) use drive::{Committer, commit, create, now_ms};
