//! Bytes of a record into columns.
//!
//! Avro and JSON are decoded straight into column builders that can be cut back to the row before, so a
//! bad record costs nothing but itself: its neighbours are neither decoded again nor delayed, and the
//! fault found is its own.

pub mod avro;
pub mod column;
mod cursor;
mod evolve;
mod fault;
pub mod json;
mod plan;
mod room;
mod shape;

pub use evolve::{NAMES, merge};
pub use fault::{Code, Fault};
pub use plan::Plan;
pub use shape::{Field, Misfit, Shape};

#[cfg(test)]
mod tests;
