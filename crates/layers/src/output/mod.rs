//! What the command line prints: dbt's lines, or one JSON object a line.

mod freshness;
mod hooks;
mod json;

use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use chrono::Utc;
use serde_json::{Value, json};

use crate::manifest::{Manifest, Node, ResourceType, Severity};
use crate::reporter::{BuildReport, Event, NodeResult, Reporter, Status};

/// How wide a line is before its status.
const WIDTH: usize = 80;

/// How lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Prints lines, and the events of a build.
pub struct Printer {
    format: Format,
    quiet: bool,
    invocation: String,
    out: Mutex<Box<dyn Write + Send>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Info,
    Warn,
    Error,
}

impl Printer {
    /// Print to `out`; when quiet, errors alone.
    pub fn new(format: Format, quiet: bool, out: Box<dyn Write + Send>) -> Self {
        Self {
            format,
            quiet,
            invocation: String::new(),
            out: Mutex::new(out),
        }
    }

    /// JSON lines name the command that they belong to.
    #[must_use]
    pub fn of_invocation(mut self, id: &str) -> Self {
        id.clone_into(&mut self.invocation);
        self
    }

    /// The first line: what runs.
    pub fn version(&self) {
        let version = env!("CARGO_PKG_VERSION");
        self.line(
            Level::Info,
            "MainReportVersion",
            &format!("Running with goldrecord-layers={version}"),
            &json!({"version": version, "log_version": 3}),
        );
    }

    /// A line of information.
    pub fn info(&self, text: &str) {
        let name = if text.is_empty() {
            "Formatting"
        } else {
            "Note"
        };
        self.line(Level::Info, name, text, &json!({"msg": text}));
    }

    /// A warning.
    pub fn warning(&self, text: &str) {
        self.line(
            Level::Warn,
            "Warning",
            &format!("[WARNING]: {text}"),
            &json!({"msg": text}),
        );
    }

    /// An error: a message of several lines.
    pub fn error(&self, text: &str) {
        self.line(
            Level::Error,
            "MainEncounteredError",
            text,
            &json!({"exc": text}),
        );
    }

    fn line(&self, level: Level, name: &str, text: &str, data: &Value) {
        if self.quiet && level != Level::Error {
            return;
        }
        let line = match self.format {
            Format::Text => format!("{}  {text}\n", clock()),
            Format::Json => {
                let level = match level {
                    Level::Info => "info",
                    Level::Warn => "warn",
                    Level::Error => "error",
                };
                format!(
                    "{}\n",
                    json::line(level, name, text, data, &self.invocation)
                )
            }
        };
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // A reader that went away (`| head`) is no reason to stop a build.
        let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    }

    /// `Found 13 models, 4 sources, …`
    pub fn found(&self, manifest: &Manifest) {
        let mut counts: Vec<String> = [
            (ResourceType::Model, "model"),
            (ResourceType::Seed, "seed"),
            (ResourceType::Snapshot, "snapshot"),
            (ResourceType::Analysis, "analysis"),
            (ResourceType::Test, "data test"),
            (ResourceType::UnitTest, "unit test"),
            (ResourceType::Source, "source"),
            (ResourceType::Exposure, "exposure"),
        ]
        .into_iter()
        .map(|(resource_type, name)| counted(manifest.of_type(resource_type).count(), name))
        .filter(|text| !text.starts_with("0 "))
        .collect();
        let operations = manifest.hooks.operations.len();
        if operations > 0 {
            counts.push(counted(operations, "operation"));
        }
        let stats = counts.join(", ");
        self.line(
            Level::Info,
            "FoundStats",
            &format!("Found {stats}"),
            &json!({"stat_line": stats}),
        );
        for warning in &manifest.warnings {
            self.warning(warning);
        }
    }

    /// What a build came to: counts, failures with their rows, the last line.
    pub fn summary(&self, manifest: &Manifest, report: &BuildReport) {
        let mut kinds: Vec<(String, usize)> = Vec::new();
        for result in report
            .results
            .iter()
            .filter(|result| result.status != Status::Skipped)
        {
            let Some(node) = manifest.node(&result.unique_id) else {
                continue;
            };
            let kind = match node.resource_type {
                ResourceType::Model => format!("{} model", node.config.materialized),
                ResourceType::Test => "data test".to_owned(),
                ResourceType::UnitTest => "unit test".to_owned(),
                other => other.to_string(),
            };
            match kinds.iter_mut().find(|(name, _)| *name == kind) {
                Some((_, count)) => *count += 1,
                None => kinds.push((kind, 1)),
            }
        }
        kinds.sort();
        let kinds: Vec<String> = kinds
            .into_iter()
            .map(|(kind, count)| counted(count, &kind))
            .collect();
        let seconds = report.elapsed.as_secs_f64();
        let whole = report.elapsed.as_secs();
        self.info("");
        let stats = if kinds.is_empty() {
            "nothing".to_owned()
        } else {
            kinds.join(", ")
        };
        let execution = format!(
            " in {} hours {} minutes and {:.2} seconds",
            whole / 3600,
            whole / 60 % 60,
            seconds % 60.0,
        );
        self.line(
            Level::Info,
            "FinishedRunningStats",
            &format!("Finished running {stats}{execution} ({seconds:.2}s)."),
            &json!({"stat_line": stats, "execution": execution, "execution_time": seconds}),
        );
        let (errors, warnings) = (report.failed(), report.count(Status::Warn));
        self.info("");
        let ended =
            json!({"num_errors": errors, "num_warnings": warnings, "keyboard_interrupt": false});
        if errors + warnings == 0 {
            self.line(
                Level::Info,
                "EndOfRunSummary",
                "Completed successfully",
                &ended,
            );
        } else {
            let text = format!(
                "Completed with {} and {}:",
                counted(errors, "error"),
                counted(warnings, "warning")
            );
            self.line(
                if errors > 0 {
                    Level::Error
                } else {
                    Level::Warn
                },
                "EndOfRunSummary",
                &text,
                &ended,
            );
        }
        for result in &report.results {
            if let Some(node) = manifest.node(&result.unique_id) {
                self.failure(node, result);
            }
        }
        self.info("");
        if let Some(build) = report.build {
            let readers = if report.published {
                "readers see it"
            } else {
                "not published: readers see the one before"
            };
            self.info(&format!("Build {build}: {readers}"));
        }
        let passed = report.count(Status::Success) + report.count(Status::Pass);
        let skipped = report.count(Status::Skipped);
        let total = report.results.len();
        self.line(
            Level::Info,
            "StatsLine",
            &format!("Done. PASS={passed} WARN={warnings} ERROR={errors} SKIP={skipped} NO-OP=0 REUSED=0 TOTAL={total}"),
            &json!({"stats": {"pass": passed, "warn": warnings, "error": errors, "skip": skipped, "noop": 0, "reused": 0, "total": total}}),
        );
    }

    fn failure(&self, node: &Node, result: &NodeResult) {
        let level = match result.status {
            Status::Fail | Status::Error | Status::PartialSuccess => Level::Error,
            Status::Warn => Level::Warn,
            _ => return,
        };
        let word = match result.status {
            Status::Fail => "Failure",
            Status::Warn => "Warning",
            _ => "Error",
        };
        let kind = node.resource_type;
        let mut text = format!(
            "\n{word} in {kind} {} ({})",
            node.name, node.original_file_path
        );
        if let (ResourceType::Test, Some(failures)) = (kind, result.failures) {
            let (verb, condition) = match (result.status, node.config.severity) {
                (Status::Warn, _) | (_, Severity::Warn) => ("warn", node.config.warn_if),
                _ => ("fail", node.config.error_if),
            };
            let count = counted(usize::try_from(failures).unwrap_or(usize::MAX), "result");
            text = format!(
                "{text}
  Got {count}, configured to {verb} if {condition}"
            );
        }
        for more in [&result.message, &result.failing_rows]
            .into_iter()
            .flatten()
        {
            text.push('\n');
            text.push_str(more.trim_end());
        }
        if let (ResourceType::Test, Some(relation)) = (kind, &node.relation) {
            let query = format!("select * from {relation}");
            let border = "-".repeat(query.len());
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "\n  See test failures:\n  {border}\n  {query}\n  {border}"
            );
        }
        let data = json!({"unique_id": node.unique_id, "failures": result.failures, "message": result.message});
        let name = match result.status {
            Status::Fail => "RunResultFailure",
            Status::Warn => "RunResultWarning",
            _ => "RunResultError",
        };
        self.line(level, name, &text, &data);
    }

    fn node_started(&self, index: usize, total: usize, node: &Node) {
        let text = fancy(index, total, &format!("START {}", describe(node)), "RUN");
        self.line(
            Level::Info,
            "LogStartLine",
            &text,
            &json!({
                "description": describe(node),
                "index": index,
                "total": total,
                "node_info": json::node_info(node, "started"),
            }),
        );
    }

    fn node_finished(&self, index: usize, total: usize, node: &Node, result: &NodeResult) {
        let what = describe(node);
        let took = format!("in {:.2}s", result.elapsed.as_secs_f64());
        let failures = result.failures.unwrap_or(0);
        let (level, message, status) = match result.status {
            Status::Success => {
                let verb = match node.resource_type {
                    ResourceType::Seed => "loaded",
                    ResourceType::Snapshot => "snapshotted",
                    _ => "created",
                };
                let way = result.way.as_deref().unwrap_or("ok").to_uppercase();
                let rows = result
                    .rows
                    .map_or_else(String::new, |rows| format!(" {rows}"));
                (
                    Level::Info,
                    format!("OK {verb} {what}"),
                    format!("{way}{rows} {took}"),
                )
            }
            Status::Pass => (
                Level::Info,
                format!("PASS {}", node.display_name()),
                format!("PASS {took}"),
            ),
            Status::Warn => (
                Level::Warn,
                format!("WARN {failures} {}", node.display_name()),
                format!("WARN {failures} {took}"),
            ),
            Status::Fail => (
                Level::Error,
                format!("FAIL {failures} {}", node.display_name()),
                format!("FAIL {failures} {took}"),
            ),
            Status::PartialSuccess => (
                Level::Error,
                format!("PARTIAL SUCCESS {what}"),
                format!("PARTIAL SUCCESS {took}"),
            ),
            Status::Error => {
                let verb = match node.resource_type {
                    ResourceType::Test | ResourceType::UnitTest => "",
                    ResourceType::Seed => "loading ",
                    ResourceType::Snapshot => "snapshotting ",
                    _ => "creating ",
                };
                (
                    Level::Error,
                    format!("ERROR {verb}{what}"),
                    format!("ERROR {took}"),
                )
            }
            Status::Skipped => {
                let relation = match node.resource_type {
                    ResourceType::Test => "test",
                    ResourceType::UnitTest => "unit_test",
                    _ => "relation",
                };
                (
                    Level::Warn,
                    format!("SKIP {relation} {}", node.display_name()),
                    "SKIP".to_owned(),
                )
            }
        };
        let data = json!({
            "description": what,
            "index": index,
            "total": total,
            "node_info": json::node_info(node, result.status.as_str()),
            "status": result.status.as_str(),
            "way": result.way,
            "rows": result.rows,
            "num_failures": result.failures,
            "execution_time": result.elapsed.as_secs_f64(),
        });
        let name = match (result.status, node.resource_type) {
            (Status::Skipped, _) => "SkippingDetails",
            (_, ResourceType::Test | ResourceType::UnitTest) => "LogTestResult",
            (_, ResourceType::Seed) => "LogSeedResult",
            (_, ResourceType::Snapshot) => "LogSnapshotResult",
            _ => "LogModelResult",
        };
        self.line(level, name, &fancy(index, total, &message, &status), &data);
    }
}

impl Reporter for Printer {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Started {
                build,
                nodes,
                threads,
            } => {
                let build = build.map_or_else(String::new, |build| format!(", build {build}"));
                let text = format!(
                    "Concurrency: {} ({}{build})",
                    counted(*threads, "thread"),
                    counted(*nodes, "node")
                );
                self.info("");
                self.line(
                    Level::Info,
                    "ConcurrencyLine",
                    &text,
                    &json!({"num_threads": threads, "node_count": nodes}),
                );
                self.info("");
            }
            Event::NodeStarted { index, total, node } => self.node_started(*index, *total, node),
            Event::NodeFinished {
                index,
                total,
                node,
                result,
            } => self.node_finished(*index, *total, node, result),
            Event::Note { text } => self.info(text),
        }
    }
}

/// `sql table model silver.fct_listens`, `seed file seeds.levels`, `test not_null_…`
fn describe(node: &Node) -> String {
    match node.resource_type {
        ResourceType::Model => format!(
            "sql {} model {}",
            node.config.materialized,
            node.display_name()
        ),
        ResourceType::Seed => format!("seed file {}", node.display_name()),
        ResourceType::Snapshot => format!("snapshot {}", node.display_name()),
        other => format!("{other} {}", node.display_name()),
    }
}

fn fancy(index: usize, total: usize, message: &str, status: &str) -> String {
    format!(
        "{:.<WIDTH$} [{status}]",
        format!("{index} of {total} {message} ")
    )
}

/// `1 model`, `2 models`, `2 analyses`.
fn counted(count: usize, name: &str) -> String {
    match (count, name) {
        (1, name) => format!("1 {name}"),
        (count, "analysis") => format!("{count} analyses"),
        (count, name) => format!("{count} {name}s"),
    }
}

/// The time of day, UTC.
fn clock() -> String {
    Utc::now().format("%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests;
