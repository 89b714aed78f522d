//! Cleaning: checkpoints where writers have written none, and the removal of what nobody needs any more.
//!
//! What stays, whatever its age: the last published build's version of a table, every version after it, every version
//! younger than `keep`, and all that these need: the checkpoint that they begin at, the commits since, their data files.
//!
//! The order is what makes it safe beside others:
//! 1. Temporary files that are older than `keep` go first. A writer that was away for so long then finds nothing to
//!    rename, and cannot commit into the hole that the next step makes.
//! 2. Old checkpoints go, then old commits from the oldest on. The *floor*, the checkpoint that becomes the log's
//!    beginning, was itself written before `keep` began: every commit before it was in the log by then.
//! 3. Data files are listed. Those are removed that are older than `keep` and that no version from the floor on names,
//!    nor a commit on its way. The log is read after the listing: a file committed meanwhile is found in it.
//!
//! Who dies in between leaves things that the next run removes.

mod floor;
mod log;
mod needs;
mod vacuum;

pub use floor::{Floor, checkpoint_is_due, floor, goes};
pub(crate) use log::{Clean, clean};
pub use needs::Needs;
