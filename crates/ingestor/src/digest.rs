//! What a topic's commits say in the log: one line at the first, then one a minute while there are more.

use std::time::{Duration, Instant};

use crate::progress::Commit;

/// Between two lines.
const EVERY: Duration = Duration::from_mins(1);

/// Commits that no line has told of yet.
#[derive(Debug, Default)]
pub(crate) struct Digest {
    told: Option<Instant>,
    sum: Line,
    /// A gap was told of since the last line.
    gap_told: bool,
}

/// What a line says of the commits since the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) version: i64,
    pub(crate) commits: u64,
    pub(crate) good: u64,
    pub(crate) bad: u64,
    pub(crate) gaps: u64,
    pub(crate) bytes: u64,
    /// The first bad record, with its place and reason.
    pub(crate) first_bad: Option<String>,
}

impl Digest {
    /// A flush is in the table.
    pub(crate) fn add(&mut self, commit: &Commit) {
        self.sum.version = commit.version;
        self.sum.commits += 1;
        self.sum.good += commit.good;
        self.sum.bad += commit.bad;
        self.sum.gaps += commit.gaps;
        self.sum.bytes += commit.bytes;
    }

    /// A record is bad; `what` is asked only for the first of a line.
    pub(crate) fn bad(&mut self, what: impl FnOnce() -> String) {
        self.sum.first_bad.get_or_insert_with(what);
    }

    /// Whether a gap is to be told of by itself: the first of a line. The others are in its number.
    pub(crate) fn gap(&mut self) -> bool {
        !std::mem::replace(&mut self.gap_told, true)
    }

    /// The line, when there is something to tell and it is time.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Line> {
        let recent = self.told.is_some_and(|told| now - told < EVERY);
        if self.sum.commits == 0 || recent {
            return None;
        }
        self.told = Some(now);
        self.gap_told = false;
        Some(std::mem::take(&mut self.sum))
    }
}

impl Line {
    pub(crate) fn log(&self, topic: &str) {
        let Self {
            version,
            commits,
            good,
            bad,
            gaps,
            bytes,
            first_bad,
        } = self;
        match first_bad {
            Some(first_bad) => {
                tracing::warn!(
                    topic,
                    version,
                    commits,
                    good,
                    bad,
                    gaps,
                    bytes,
                    first_bad,
                    "committed"
                );
            }
            None => {
                tracing::info!(topic, version, commits, good, bad, gaps, bytes, "committed");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(version: i64) -> Commit {
        Commit {
            topic: "t".into(),
            version,
            good: 10,
            bad: 1,
            gaps: 2,
            bytes: 300,
            written: 50,
            offsets: Vec::new(),
        }
    }

    #[test]
    fn the_first_commit_is_told_at_once_and_the_next_ones_together() {
        let mut digest = Digest::default();
        let start = Instant::now();
        assert_eq!(digest.due(start), None, "nothing to tell");
        digest.add(&commit(4));
        assert_eq!(
            digest.due(start).map(|line| (line.version, line.commits)),
            Some((4, 1))
        );
        for version in 5..8 {
            digest.add(&commit(version));
            assert_eq!(digest.due(start + EVERY / 2), None);
        }
        let line = digest.due(start + EVERY).expect("a minute has passed");
        assert_eq!(
            line,
            Line {
                version: 7,
                commits: 3,
                good: 30,
                bad: 3,
                gaps: 6,
                bytes: 900,
                first_bad: None
            }
        );
        assert_eq!(digest.due(start + EVERY * 9), None, "nothing is told twice");
    }

    #[test]
    fn one_bad_record_and_one_gap_of_a_line_are_named() {
        let mut digest = Digest::default();
        let start = Instant::now();
        digest.bad(|| "the first".into());
        digest.bad(|| unreachable!("one is enough"));
        assert!(digest.gap());
        assert!(!digest.gap());
        digest.add(&commit(1));
        let line = digest.due(start).expect("the first");
        assert_eq!(line.first_bad.as_deref(), Some("the first"));
        assert!(digest.gap(), "the next line has one of its own");
    }
}
