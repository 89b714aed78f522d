//! The engine over lakes in a temporary folder.

mod builds;
mod incremental;
mod introspection;
mod support;
