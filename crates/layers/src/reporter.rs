//! What a build tells whoever watches it, and what it hands back at the end.

use std::time::Duration;

use crate::manifest::Node;
use crate::microbatch::Window;

/// Hears about a build as it goes. Called from many threads.
pub trait Reporter: Send + Sync {
    /// Something happened.
    fn event(&self, event: &Event<'_>);
}

/// A reporter that says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn event(&self, _: &Event<'_>) {}
}

/// What happened in a build.
#[derive(Debug)]
pub enum Event<'a> {
    /// The build begins.
    Started {
        /// The build's number in `_builds`, when it commits.
        build: Option<u64>,
        /// Nodes to run.
        nodes: usize,
        /// How many at once.
        threads: usize,
    },
    /// A node begins.
    NodeStarted {
        /// Its place in the order of starts, from 1.
        index: usize,
        /// Nodes to run.
        total: usize,
        /// The node.
        node: &'a Node,
    },
    /// A node ended, or was skipped without a start.
    NodeFinished {
        /// Its place in the order of starts, from 1.
        index: usize,
        /// Nodes to run.
        total: usize,
        /// The node.
        node: &'a Node,
        /// How it ended.
        result: &'a NodeResult,
    },
    /// Something to know that is about no single node, such as waiting for another build.
    Note {
        /// One line.
        text: String,
    },
}

/// How a node ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// A model or seed is as it should be: written, or found unchanged.
    Success,
    /// Some batches of a microbatch model are as they should be.
    #[serde(rename = "partial success")]
    PartialSuccess,
    /// A test found nothing.
    Pass,
    /// A test found something that only warns.
    Warn,
    /// A test found something that fails.
    Fail,
    /// It could not be run.
    Error,
    /// Not run, since something that it reads failed or the build was stopped.
    Skipped,
}

impl Status {
    /// Whether something is wrong.
    pub const fn is_bad(self) -> bool {
        matches!(self, Self::Error | Self::Fail | Self::PartialSuccess)
    }

    /// dbt's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::PartialSuccess => "partial success",
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Error => "error",
            Self::Skipped => "skipped",
        }
    }
}

/// How a node ended, and with what.
#[derive(Clone, Debug)]
pub struct NodeResult {
    /// The node.
    pub unique_id: String,
    /// How it ended.
    pub status: Status,
    /// How its rows were brought up to date: `append`, `append new keys`, `replace`, `full`,
    /// `unchanged`; for a view `create`, for a seed `insert`. `None` for tests.
    pub way: Option<String>,
    /// Rows written.
    pub rows: Option<u64>,
    /// Tests: failures counted.
    pub failures: Option<u64>,
    /// Tests: the first failing rows, as a printed table.
    pub failing_rows: Option<String>,
    /// An error's text as the user should read it (already a rendered diagnostic when the place
    /// is known), or the reason for a skip.
    pub message: Option<String>,
    /// Of a microbatch model: how its batches ended.
    pub batches: Option<BatchResults>,
    /// From start to end.
    pub elapsed: Duration,
}

/// How the batches of a model ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchResults {
    /// Those that are in the table.
    pub successful: Vec<Window>,
    /// Those that are not, or as they were before.
    pub failed: Vec<Window>,
}

/// A finished build.
#[derive(Clone, Debug)]
pub struct BuildReport {
    /// Its number in `_builds`, when it committed.
    pub build: Option<u64>,
    /// Whether readers see it now.
    pub published: bool,
    /// A result per node, in the order they ended.
    pub results: Vec<NodeResult>,
    /// From start to end.
    pub elapsed: Duration,
}

impl BuildReport {
    /// Nodes that ended so.
    pub fn count(&self, status: Status) -> usize {
        self.results
            .iter()
            .filter(|result| result.status == status)
            .count()
    }

    /// How many nodes went wrong.
    pub fn failed(&self) -> usize {
        let all = self.results.iter();
        all.filter(|result| result.status.is_bad()).count()
    }

    /// Whether nothing failed.
    pub fn is_ok(&self) -> bool {
        self.results.iter().all(|result| !result.status.is_bad())
    }
}
