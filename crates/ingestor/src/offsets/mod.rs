//! Offsets moved by the operator: back, or into the next epoch. Otherwise they move by reading alone.
//!
//! [`rewind`] sets a partition's number back and removes every row at or after it, in one commit: the ingestor reads
//! those records again. [`accept`] begins the next epoch of a partition whose topic was made anew. Both are refused by
//! the table, and begin anew from what it holds by then, where an ingestor, a replay or maintenance came first.
//!
//! An ingestor that is reading need not be stopped. Its next flush expects the number from before; the table refuses
//! it, the flush is given up as if another owner had come, and reading goes on where the table is. It learns of it no
//! earlier: where no new record comes, a restart makes it look.

mod accept;
mod broker;
mod cut;
mod found;
mod rewind;
mod show;

pub use accept::{Accepted, accept};
pub use broker::Broker;
pub use rewind::{Rewind, Rewound, rewind};
pub use show::{Position, next_offsets, positions};
