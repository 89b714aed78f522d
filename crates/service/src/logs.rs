//! Logs: one line an event on stderr, as text or JSON.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people, coloured on a terminal.
    Text,
    /// One JSON object a line.
    Json,
}

/// Start logging to stderr at `default_level` (such as `info`), or as `GOLDRECORD_LOG` says
/// (`debug`, `goldrecord_ingestor=trace,warn` …). A second call changes nothing.
pub fn init(format: Format, default_level: &str) {
    let filter = std::env::var("GOLDRECORD_LOG")
        .ok()
        .and_then(|directives| EnvFilter::try_new(directives).ok())
        .unwrap_or_else(|| EnvFilter::new(default_level));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // A subscriber that is there already (a test's, an embedding program's) stays.
    let _ = match format {
        Format::Text => subscriber.try_init(),
        Format::Json => subscriber.json().flatten_event(true).try_init(),
    };
}
