//! What can go wrong in maintenance, each with the thing, the place and the mend.

/// Shorthand of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in maintenance.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The lake refused or failed.
    #[error("cannot {action}: {source}")]
    Lake {
        /// What was being done, to which table.
        action: String,
        /// What the lake said.
        source: Box<goldrecord_lake::Error>,
    },
    /// What is kept so shortly may be taken from under a writer.
    #[error(
        "[maintenance] keep = {keep:?} is too short: a file that was written and not yet committed would be taken for one that nobody wants; give at least {least:?}, or --allow-short-keep where every writer commits within it"
    )]
    KeepTooShort {
        /// The value given.
        keep: std::time::Duration,
        /// The least.
        least: std::time::Duration,
    },
    /// Only whole days are removed.
    #[error(
        "[maintenance] retention of `{table}` is {retention:?}: only whole days are removed; give at least 1d"
    )]
    RetentionTooShort {
        /// The table's path.
        table: String,
        /// The value given.
        retention: std::time::Duration,
    },
    /// Retention is for tables of events by day.
    #[error(
        "[maintenance] retention cannot be kept for `{table}`: {why}; take it out of the configuration"
    )]
    NotRetainable {
        /// The table's path.
        table: String,
        /// Which column it lacks.
        why: String,
    },
    /// What was rewritten or counted is not what the log says. Nothing was committed.
    #[error(
        "files of table `{table}` hold other rows than its log says: {why}; nothing was changed. Find out with `goldrecord verify` what became of them"
    )]
    RowsDiffer {
        /// The table's path.
        table: String,
        /// Which partition, and how many rows.
        why: String,
    },
    /// A batch of our own could not be made.
    #[error("cannot make the row that says what was removed from `{table}`: {source}")]
    Row {
        /// The table's path.
        table: String,
        /// What Arrow said.
        source: arrow::error::ArrowError,
    },
    /// A test stopped us here.
    #[error("stopped at the failpoint `{name}`")]
    Failpoint {
        /// The place.
        name: &'static str,
    },
}

impl Error {
    /// True where the lake is away and may come back.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Lake { source, .. } if source.is_unavailable())
    }

    /// Wraps an error of the lake with what was being done.
    pub(crate) fn lake(action: impl Into<String>) -> impl FnOnce(goldrecord_lake::Error) -> Self {
        let action = action.into();
        move |source| Self::Lake {
            action,
            source: Box::new(source),
        }
    }
}
