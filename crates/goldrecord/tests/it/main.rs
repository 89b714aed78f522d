//! The operator's command as an operator runs it: the real binary on temporary folders.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bad_input;
mod demo;
mod interrupted;
mod operator;
mod servers;
mod verify;
mod world;
