//! The loader on the real `ClickHouse`, with real Delta tables in a folder.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::large_futures, reason = "a test has all the stack it needs")]

mod bench;
mod crashes;
mod refusals;
mod releases;
mod together;
