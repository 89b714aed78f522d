//! Integration tests of `goldrecord-layers`.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

mod engine;
mod messages;
mod packages;
mod project;
