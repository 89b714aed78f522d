//! What makes it exactly once, without I/O: offsets, buffers and commits.
//!
//! A partition's position is a number in the table, moved by the commit that brings the rows. Everything
//! here decides; the threads of [`crate::Ingestor`] read, write and commit as they are told.
//!
//! ```text
//!   Opener ──▶ Topic of Partitions ── take ──▶ Flush ──▶ the lake's commit machine
//!     ▲          ▲   the topic's thread          the table's thread
//!     │ open     │                                   │
//!     └──────────┴───── committed · abandoned ◀──────┘
//! ```
//!
//! The [`Opener`] asks the table where a partition is read on, a [`Partition`] takes what comes next and counts it,
//! a [`Topic`] lets the ranges of all its partitions fly in one [`Flush`], which ends in the table or is given up;
//! the [`Gate`] keeps out the rows of what was given up. Each draws its states.
//!
//! | what happens | what is done |
//! |---|---|
//! | a process dies, at any point | the next owner reads on from the table; files that no version names are maintenance's |
//! | a commit's outcome is not learnt | the numbers tell, now or when the late one is refused |
//! | another owner was faster; a zombie wakes | the whole flush is given up, and all is read again from the table |
//! | a partition is revoked | everything read is flushed first; if that takes too long, the last line holds |
//! | Kafka deleted what was next | all is flushed, and the table asked again: the loss is a gap |
//! | the topic is made anew and accepted | flushes of the former epoch are refused; reading goes on in the new one |
//! | another adds columns | they do not concern the files: the commit is tried again on top |
//! | a file cannot be written | what was read for it is given up, and read again |
//!
//! # Invariants
//!
//! They are asserted in production: a process that finds one broken ends before it commits.
//!
//! - The length of a range that flies is its good and bad records and its gaps ([`Partition`]).
//! - The files of a flush hold as many rows as were read for it, and are whole before it is committed ([`Flush`]).
//! - One flush of a topic flies at a time, and moves its partitions forward.
//! - A partition is taken away, or begins anew, only once nothing of it is buffered: its rows share files with others'.
//! - Only a partition that is being opened is resumed, and what is lost follows what is stored.
//! - Rows of a generation given up come into no file, and no flush of one is asked for ([`Gate`]).
//! - A flush moves each number from where its range begins, and only while the next epoch has not begun; the
//!   lake's commit machine asserts once more that what it commits fits the version before, and leaves no version
//!   whose content it does not know.

mod flush;
mod generation;
mod offsets;
mod open;
mod opener;
mod partition;
#[cfg(test)]
mod simulation;
mod topic;

pub use flush::{Ending, Flush, Next, Settled, settle};
pub use generation::{Gate, Generation};
pub use offsets::{AppId, Range};
pub use open::{Choice, Found, Opening, open};
pub use opener::{Beginning, Look, Opened, Opener, Whose};
pub use partition::{Lease, Offered, Partition, State, Tally};
pub use topic::{Back, Position, Step, Topic};
