//! Where a log is to begin, and what of it goes.

use goldrecord_lake::{CHECKPOINT_INTERVAL, LogFile, LogFileKind};

/// Where a log begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Floor {
    /// At this checkpoint; what is older may go.
    Checkpoint(i64),
    /// Where it begins now: there is no checkpoint that is old enough.
    AsItIs {
        /// The oldest version that can be read.
        oldest: i64,
    },
}

impl Floor {
    /// The oldest version that stays readable.
    pub fn version(self) -> i64 {
        match self {
            Self::Checkpoint(version) | Self::AsItIs { oldest: version } => version,
        }
    }
}

/// The newest checkpoint that was written at `cutoff_ms` or before and that no version `named` is older than.
///
/// A commit has the time at which its file was written, which may be long before it was renamed into the log. The
/// checkpoint's own time is what tells that everything before it was in the log by then.
pub fn floor(log: &[LogFile], cutoff_ms: i64, named: Option<i64>) -> Floor {
    let checkpoints = || {
        log.iter().filter_map(|file| match file.kind {
            LogFileKind::Checkpoint(version) => Some((version, file.modified_ms)),
            _ => None,
        })
    };
    let old_enough = checkpoints().filter(|(version, written)| {
        *written <= cutoff_ms && named.is_none_or(|named| *version <= named)
    });
    if let Some((version, _)) = old_enough.max() {
        return Floor::Checkpoint(version);
    }
    let begins = log.iter().any(|file| file.kind == LogFileKind::Commit(0));
    let oldest = checkpoints().map(|(version, _)| version).min();
    Floor::AsItIs {
        oldest: if begins { 0 } else { oldest.unwrap_or(0) },
    }
}

/// What goes of the log below a floor, in the order in which it goes: checkpoints, so that no version between is taken
/// for readable, then commits from the oldest on. The floor's own commit stays: it tells when the version was made.
pub fn goes(log: &[LogFile], floor: Floor) -> Vec<&LogFile> {
    let Floor::Checkpoint(floor) = floor else {
        return Vec::new();
    };
    let mut goes: Vec<&LogFile> = log
        .iter()
        .filter(|file| match file.kind {
            LogFileKind::Checkpoint(version) | LogFileKind::Commit(version) => version < floor,
            LogFileKind::Temporary | LogFileKind::Other => false,
        })
        .collect();
    goes.sort_by_key(|file| match file.kind {
        LogFileKind::Checkpoint(version) => (0, version),
        LogFileKind::Commit(version) => (1, version),
        LogFileKind::Temporary | LogFileKind::Other => {
            unreachable!("only checkpoints and commits go")
        }
    });
    goes
}

/// Whether the newest version needs a checkpoint: because a writer has missed its own, or because a table with few
/// commits would otherwise keep what is old until the hundredth. Then one is written each time that something changed
/// since the last and the last is older than `patience_ms`.
pub fn checkpoint_is_due(log: &[LogFile], newest: i64, now_ms: i64, patience_ms: i64) -> bool {
    if newest == 0 {
        return false;
    }
    let checkpoints = log.iter().filter_map(|file| match file.kind {
        LogFileKind::Checkpoint(version) => Some((version, file.modified_ms)),
        _ => None,
    });
    if let Some((version, written)) = checkpoints.max() {
        newest - version > CHECKPOINT_INTERVAL
            || (newest > version && now_ms - written >= patience_ms)
    } else {
        let begun = log.iter().find(|file| file.kind == LogFileKind::Commit(0));
        newest > CHECKPOINT_INTERVAL
            || begun.is_none_or(|begun| now_ms - begun.modified_ms >= patience_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use LogFileKind::{Checkpoint, Commit, Other, Temporary};

    fn log(files: &[(LogFileKind, i64)]) -> Vec<LogFile> {
        let file = |(kind, modified_ms): &(LogFileKind, i64)| LogFile {
            name: format!("{kind:?}"),
            kind: *kind,
            modified_ms: *modified_ms,
        };
        files.iter().map(file).collect()
    }

    fn three_checkpoints() -> Vec<LogFile> {
        let mut files: Vec<_> = (0..=350).map(|n| (Commit(n), n * 10)).collect();
        files.extend([
            (Checkpoint(300), 3005),
            (Checkpoint(100), 1005),
            (Checkpoint(200), 2005),
            (Temporary, 0),
            (Other, 0),
        ]);
        log(&files)
    }

    #[test]
    fn a_log_begins_at_the_newest_checkpoint_that_is_old_enough() {
        let log = three_checkpoints();
        assert_eq!(floor(&log, 2999, None), Floor::Checkpoint(200));
        assert_eq!(floor(&log, 3005, None), Floor::Checkpoint(300));
        assert_eq!(floor(&log, 1000, None), Floor::AsItIs { oldest: 0 });
    }

    #[test]
    fn a_version_that_a_published_build_names_stays() {
        let log = three_checkpoints();
        assert_eq!(floor(&log, 9999, Some(299)), Floor::Checkpoint(200));
        assert_eq!(floor(&log, 9999, Some(300)), Floor::Checkpoint(300));
        assert_eq!(floor(&log, 9999, Some(99)), Floor::AsItIs { oldest: 0 });
    }

    #[test]
    fn a_commit_that_looks_old_does_not_make_its_checkpoint_old() {
        // Written long ago, renamed just now: the checkpoint knows.
        let log = log(&[(Commit(0), 1), (Commit(1), 2), (Checkpoint(1), 5000)]);
        assert_eq!(floor(&log, 4000, None), Floor::AsItIs { oldest: 0 });
    }

    #[test]
    fn checkpoints_go_before_commits_and_commits_from_the_oldest_on() {
        let log = three_checkpoints();
        let goes: Vec<_> = goes(&log, Floor::Checkpoint(200))
            .into_iter()
            .map(|file| file.kind)
            .collect();
        assert_eq!(goes[0], Checkpoint(100));
        let commits: Vec<_> = (0..200).map(Commit).collect();
        assert_eq!(goes[1..], commits);
        assert!(super::goes(&log, Floor::AsItIs { oldest: 0 }).is_empty());
    }

    #[test]
    fn a_log_that_was_cut_begins_at_its_oldest_checkpoint() {
        let log = log(&[
            (Checkpoint(300), 3005),
            (Checkpoint(200), 2005),
            (Commit(200), 1),
        ]);
        assert_eq!(floor(&log, 0, None), Floor::AsItIs { oldest: 200 });
    }

    #[test]
    fn a_checkpoint_is_due_where_writers_have_missed_theirs() {
        let missed = log(&[(Commit(0), 0), (Checkpoint(100), 1000)]);
        assert!(!checkpoint_is_due(&missed, 200, 1001, 500));
        assert!(checkpoint_is_due(&missed, 201, 1001, 500));
        assert!(
            checkpoint_is_due(&missed, 101, 1500, 500),
            "the table is slow"
        );
        assert!(
            !checkpoint_is_due(&missed, 100, 9999, 500),
            "nothing changed"
        );
        let none = log(&[(Commit(0), 0)]);
        assert!(!checkpoint_is_due(&none, 0, 9999, 500), "an empty table");
        assert!(!checkpoint_is_due(&none, 5, 499, 500));
        assert!(checkpoint_is_due(&none, 5, 500, 500));
    }
}
