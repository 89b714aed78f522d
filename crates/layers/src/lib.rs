//! A dbt project to silver and gold, incremental by the Delta logs.
//!
//! [`project::load`] reads a project folder into a [`Manifest`]: every model, seed, source, test
//! and exposure with its compiled SQL. [`select`] picks nodes of it. What runs them tells a
//! [`Reporter`] about each one.

pub mod artifacts;
pub mod cli;
pub mod diagnostics;
pub mod docs;
pub mod engine;
mod error;
pub mod hooks;
mod jinja;
pub mod manifest;
pub mod microbatch;
mod output;
pub mod project;
pub mod published;
pub mod reporter;
pub mod select;
pub mod watch;

pub use error::{Error, Result, missing_file};
pub use manifest::{Manifest, Node, Relation};
pub use reporter::Reporter;
