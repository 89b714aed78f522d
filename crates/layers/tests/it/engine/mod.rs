//! The engine over lakes in a temporary folder.

mod builds;
mod catalog;
mod freshness;
mod hooks;
mod incremental;
mod introspection;
mod memory;
mod microbatch;
mod snapshots;
mod strategies;
mod support;
mod watch;
