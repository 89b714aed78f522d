//! What makes it exactly once, without I/O: offsets, buffers and commits.
//!
//! A partition's position is a number in the table, moved by the commit that brings the rows. Everything
//! here decides; the threads of [`crate::Ingestor`] read, write and commit as they are told.

mod offsets;
mod open;
mod partition;
mod topic;

pub use offsets::{AppId, Range};
pub use open::{Choice, Found, Opening, open};
pub use partition::{Lease, Offered, Partition, State, Tally};
pub use topic::{Position, Settled, Step, Topic, settle};
