//! Retention: whole days go, and a row in their place says how many rows they held.

mod expire;
mod expired;
mod plan;

pub(crate) use expire::expire;
pub use expired::{Held, Tally};
pub use plan::{Due, due};
