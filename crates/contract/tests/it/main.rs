//! The contract as its readers see it.

mod encoders;
mod golden;
mod routing;
