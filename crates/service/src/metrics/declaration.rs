//! What is promised of a metric, and the page that says so.

use std::fmt::{self, Write as _};

/// What a metric's numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Seconds since 1970.
    Timestamp,
    /// Bytes.
    Bytes,
    /// Things that are counted: the plural of their name.
    Of(&'static str),
    /// Always 1: the labels say something.
    Info,
}

impl Unit {
    /// As the end of a metric's name.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Timestamp => "timestamp_seconds",
            Self::Bytes => "bytes",
            Self::Of(things) => things,
            Self::Info => "info",
        }
    }
}

/// How a metric's numbers move.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Up, from 0 at the start of the process.
    Counter,
    /// Up and down.
    Gauge,
    /// Counts of values no larger than each of these bounds.
    Histogram(&'static [f64]),
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        })
    }
}

/// What is promised of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Declaration {
    /// The whole name.
    pub name: String,
    /// How its numbers move.
    pub kind: Kind,
    /// What its numbers are.
    pub unit: Unit,
    /// The names of its labels.
    pub labels: Vec<&'static str>,
    /// What it tells, in one sentence.
    pub help: &'static str,
}

/// The declarations as a Markdown table, in their order: what `docs/metrics.md` holds.
pub fn reference(declarations: &[Declaration]) -> String {
    let mut table = String::from("| metric | kind | labels | what it tells |\n|---|---|---|---|\n");
    for Declaration {
        name,
        kind,
        labels,
        help,
        ..
    } in declarations
    {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = labels.join(", ");
        writeln!(table, "| `{name}` | {kind} | {labels} | {help} |").expect("text takes text");
    }
    table
}
