//! Bad records: looked at, and decoded again once what was wrong is mended.
//!
//! A bad record lies in its topic's table with all its bytes, in a file of rows without a day. [`replay`] decodes
//! it by the schemas and settings of now. What becomes an event goes to the day of its time, in one commit that
//! removes the files it was bad in and adds them again without it:
//!
//! ```text
//!   before:  no day: [bad 5, bad 9, gap 7–8]       2026-10-01: […]
//!   commit:  remove that file, add [bad 9, gap 7–8] and 2026-10-01: [good 5]
//! ```
//!
//! So the balance (next − start = good + bad + gaps + expired) stays as it is, and no offset moves. A file can be
//! removed only once: of two replays, a replay and a compaction, or a replay and a rewind that meet in a file, the
//! second is refused by the table, reads it again and finds what is left. An ingestor beside them removes no file
//! and is not disturbed.

mod bad;
mod decoder;
mod filter;
mod replay;

pub use bad::{Bad, Bytes, Quarantine};
pub use filter::Filter;
pub use replay::{Fixes, Replayed, replay};
