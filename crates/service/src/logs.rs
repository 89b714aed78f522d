//! Logs: one line an event on stderr, as text or JSON.
//!
//! Where systemd's journal reads stderr, each line begins with its level as the journal knows it (`journalctl -p
//! warning` then finds it) and leaves the time to the journal.

use std::io::{self, IsTerminal as _, Write};
use std::os::unix::fs::MetadataExt as _;

use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

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
    let wanted = std::env::var("GOLDRECORD_LOG").ok();
    let read = wanted.as_deref().map(EnvFilter::try_new);
    let misread = match &read {
        Some(Err(error)) => Some(error.to_string()),
        Some(Ok(_)) | None => None,
    };
    let filter = read
        .and_then(Result::ok)
        .unwrap_or_else(|| EnvFilter::new(default_level));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter);
    let journal = std::env::var("JOURNAL_STREAM").is_ok_and(|stream| {
        std::fs::metadata("/proc/self/fd/2")
            .is_ok_and(|stderr| is_stream(&stream, stderr.dev(), stderr.ino()))
    });
    let coloured = io::stderr().is_terminal();
    // A subscriber that is there already (a test's, an embedding program's) stays.
    let _ = match (format, journal) {
        (Format::Text, true) => subscriber
            .with_writer(Journal)
            .with_ansi(false)
            .without_time()
            .try_init(),
        (Format::Text, false) => subscriber
            .with_writer(io::stderr)
            .with_ansi(coloured)
            .try_init(),
        (Format::Json, true) => subscriber
            .with_writer(Journal)
            .json()
            .flatten_event(true)
            .try_init(),
        (Format::Json, false) => subscriber
            .with_writer(io::stderr)
            .json()
            .flatten_event(true)
            .try_init(),
    };
    if let (Some(wanted), Some(why)) = (wanted, misread) {
        tracing::warn!(
            wanted,
            why,
            "GOLDRECORD_LOG is not understood; logging at {default_level}"
        );
    }
}

/// Whether a file is the one that `JOURNAL_STREAM` (`device:inode`) names. A child whose stderr goes elsewhere
/// inherits the variable.
fn is_stream(stream: &str, device: u64, inode: u64) -> bool {
    stream
        .split_once(':')
        .is_some_and(|(named, number)| named.parse() == Ok(device) && number.parse() == Ok(inode))
}

/// Lines for the journal.
struct Journal;

/// A line of one level.
struct Line<W> {
    level: Level,
    to: W,
}

impl<'w> MakeWriter<'w> for Journal {
    type Writer = Line<io::Stderr>;

    fn make_writer(&'w self) -> Self::Writer {
        Line {
            level: Level::INFO,
            to: io::stderr(),
        }
    }

    fn make_writer_for(&'w self, event: &Metadata<'_>) -> Self::Writer {
        Line {
            level: *event.level(),
            to: io::stderr(),
        }
    }
}

impl<W: Write> Write for Line<W> {
    /// A whole line comes in one piece, and goes on in one: threads do not mix theirs.
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let level: &[u8] = match self.level {
            Level::ERROR => b"<3>",
            Level::WARN => b"<4>",
            Level::INFO => b"<6>",
            Level::DEBUG | Level::TRACE => b"<7>",
        };
        self.to.write_all(&[level, text].concat())?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_the_journal_begins_with_its_level() {
        let mut to = Vec::new();
        for (level, text) in [(Level::WARN, "waiting\n"), (Level::INFO, "going on\n")] {
            let mut line = Line { level, to: &mut to };
            line.write_all(text.as_bytes()).expect("memory takes it");
        }
        assert_eq!(to, b"<4>waiting\n<6>going on\n");
    }

    #[test]
    fn the_journal_is_known_by_device_and_inode() {
        assert!(is_stream("9:4711", 9, 4711));
        for other in ["9:4712", "8:4711", "4711", "", "x:y"] {
            assert!(!is_stream(other, 9, 4711), "{other}");
        }
    }
}
