//! What the command line prints: dbt's lines, or one JSON object a line.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
            out: Mutex::new(out),
        }
    }

    /// A line of information.
    pub fn info(&self, text: &str) {
        self.line(Level::Info, "Note", text, &Value::Null);
    }

    /// A warning.
    pub fn warning(&self, text: &str) {
        self.line(
            Level::Warn,
            "Warning",
            &format!("[WARNING]: {text}"),
            &Value::Null,
        );
    }

    /// An error: a message of several lines.
    pub fn error(&self, text: &str) {
        self.line(Level::Error, "MainEncounteredError", text, &Value::Null);
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
                let info = json!({"name": name, "level": level, "msg": text, "ts": timestamp()});
                format!("{}\n", json!({"info": info, "data": data}))
            }
        };
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // A reader that went away (`| head`) is no reason to stop a build.
        let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    }

    /// `Found 13 models, 4 sources, …`
    pub fn found(&self, manifest: &Manifest) {
        let counts: Vec<String> = [
            (ResourceType::Model, "model"),
            (ResourceType::Seed, "seed"),
            (ResourceType::Analysis, "analysis"),
            (ResourceType::Test, "data test"),
            (ResourceType::Source, "source"),
            (ResourceType::Exposure, "exposure"),
        ]
        .into_iter()
        .map(|(resource_type, name)| counted(manifest.of_type(resource_type).count(), name))
        .filter(|text| !text.starts_with("0 "))
        .collect();
        self.info(&format!("Found {}", counts.join(", ")));
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
        self.info(&format!(
            "Finished running {} in {} hours {} minutes and {:.2} seconds ({seconds:.2}s).",
            if kinds.is_empty() {
                "nothing".to_owned()
            } else {
                kinds.join(", ")
            },
            whole / 3600,
            whole / 60 % 60,
            seconds % 60.0,
        ));
        let (errors, warnings) = (
            report.count(Status::Error) + report.count(Status::Fail),
            report.count(Status::Warn),
        );
        self.info("");
        if errors + warnings == 0 {
            self.info("Completed successfully");
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
                &Value::Null,
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
            &format!("Done. PASS={passed} WARN={warnings} ERROR={errors} SKIP={skipped} NO-OP=0 TOTAL={total}"),
            &json!({"stats": {"pass": passed, "warn": warnings, "error": errors, "skip": skipped, "total": total}}),
        );
    }

    fn failure(&self, node: &Node, result: &NodeResult) {
        let level = match result.status {
            Status::Fail | Status::Error => Level::Error,
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
        if let Some(failures) = result.failures {
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
        let data = json!({"unique_id": node.unique_id, "failures": result.failures, "message": result.message});
        self.line(level, "RunResultError", &text, &data);
    }

    fn node_started(&self, index: usize, total: usize, node: &Node) {
        let text = fancy(index, total, &format!("START {}", describe(node)), "RUN");
        self.line(
            Level::Info,
            "LogStartLine",
            &text,
            &json!({"unique_id": node.unique_id}),
        );
    }

    fn node_finished(&self, index: usize, total: usize, node: &Node, result: &NodeResult) {
        let what = describe(node);
        let took = format!("in {:.2}s", result.elapsed.as_secs_f64());
        let failures = result.failures.unwrap_or(0);
        let (level, message, status) = match result.status {
            Status::Success => {
                let verb = if node.resource_type == ResourceType::Seed {
                    "loaded"
                } else {
                    "created"
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
                format!("PASS {}", node.name),
                format!("PASS {took}"),
            ),
            Status::Warn => (
                Level::Warn,
                format!("WARN {failures} {}", node.name),
                format!("WARN {failures} {took}"),
            ),
            Status::Fail => (
                Level::Error,
                format!("FAIL {failures} {}", node.name),
                format!("FAIL {failures} {took}"),
            ),
            Status::Error => {
                let verb = match node.resource_type {
                    ResourceType::Test => "",
                    ResourceType::Seed => "loading ",
                    _ => "creating ",
                };
                (
                    Level::Error,
                    format!("ERROR {verb}{what}"),
                    format!("ERROR {took}"),
                )
            }
            Status::Skipped => {
                let relation = if node.resource_type == ResourceType::Test {
                    "test"
                } else {
                    "relation"
                };
                (
                    Level::Warn,
                    format!("SKIP {relation} {}", node.display_name()),
                    "SKIP".to_owned(),
                )
            }
        };
        let data = json!({
            "unique_id": node.unique_id,
            "status": result.status,
            "way": result.way,
            "rows": result.rows,
            "failures": result.failures,
            "execution_time": result.elapsed.as_secs_f64(),
        });
        self.line(
            level,
            "LogNodeResult",
            &fancy(index, total, &message, &status),
            &data,
        );
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
                self.info("");
                self.info(&format!(
                    "Concurrency: {} ({}{build})",
                    counted(*threads, "thread"),
                    counted(*nodes, "node")
                ));
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
        other => format!("{other} {}", node.name),
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

fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// The time of day, UTC.
fn clock() -> String {
    let seconds = now().as_secs();
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// Seconds since 1970 with milliseconds.
fn timestamp() -> f64 {
    (now().as_secs_f64() * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::manifest::tests::{manifest, node};

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("whole").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn printed(format: Format, act: impl Fn(&Printer)) -> String {
        let page = Page::default();
        act(&Printer::new(format, false, Box::new(page.clone())));
        let bytes = page.0.lock().expect("whole").clone();
        String::from_utf8(bytes).expect("text")
    }

    fn result(unique_id: &str, status: Status) -> NodeResult {
        NodeResult {
            unique_id: unique_id.to_owned(),
            status,
            way: Some("append".to_owned()),
            rows: Some(7),
            failures: None,
            failing_rows: None,
            message: None,
            elapsed: Duration::from_millis(50),
        }
    }

    #[test]
    fn a_finished_model_is_a_line_as_dbt_writes_it() {
        let model = node("model.p.a", &[]);
        let text = printed(Format::Text, |printer| {
            let result = result("model.p.a", Status::Success);
            printer.event(&Event::NodeFinished {
                index: 1,
                total: 2,
                node: &model,
                result: &result,
            });
        });
        assert!(
            text.contains("1 of 2 OK created sql view model silver.a ....."),
            "{text}"
        );
        assert!(text.ends_with("[APPEND 7 in 0.05s]\n"), "{text}");
    }

    #[test]
    fn the_summary_counts_and_shows_failing_rows() {
        let manifest = manifest([node("test.p.t", &[])]);
        let failed = NodeResult {
            failures: Some(2),
            failing_rows: Some("| id |\n| 1  |".to_owned()),
            ..result("test.p.t", Status::Fail)
        };
        let report = BuildReport {
            build: None,
            published: false,
            results: vec![failed],
            elapsed: Duration::from_secs(61),
        };
        let text = printed(Format::Text, |printer| printer.summary(&manifest, &report));
        for part in [
            "0 hours 1 minutes and 1.00 seconds (61.00s).",
            "Completed with 1 error and 0 warnings:",
            "Failure in test t (models/t.sql)\n  Got 2 results, configured to fail if != 0\n| id |",
            "Done. PASS=0 WARN=0 ERROR=1 SKIP=0 NO-OP=0 TOTAL=1",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn json_lines_parse() {
        let text = printed(Format::Json, |printer| printer.warning("look"));
        let line: Value = serde_json::from_str(text.trim()).expect("JSON");
        assert_eq!(line["info"]["level"], "warn");
    }
}
