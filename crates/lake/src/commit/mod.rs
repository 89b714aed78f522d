//! The commit loop: how a proposal becomes the next version of a table, exactly once, whatever fails.
//!
//! The [machine] decides and does no I/O; [drive] carries out its steps. A simulated file system drives the same
//! machine through crashes, lost answers and rivals in the tests.

//!
//! What is public here serves such simulations: programs commit through [`crate::Table::commit`].

mod check;
mod drive;
mod machine;
#[cfg(test)]
mod simulation;

pub use check::{creation, validate};
pub(crate) use drive::{Committer, commit, create, now_ms};
pub use machine::{Event, Machine, Step, Verdict};

pub use crate::log::actions::Actions;
