//! What can go wrong with a project or a build.

use std::path::PathBuf;

use datafusion::error::DataFusionError;

use crate::diagnostics::Diagnostic;

/// A result with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a project could not be loaded or built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something written in the project is wrong: the place, the line and the mend.
    #[error("{0}")]
    Project(Box<Diagnostic>),
    /// Several things written in the project are wrong.
    #[error("{}", join(.0))]
    Many(Vec<Error>),
    /// A file of the project could not be read or written.
    #[error("{path}: {source}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A command line, option or profile that cannot be used.
    #[error("{0}")]
    Usage(String),
    /// The lake could not be read or written.
    #[error("{0}")]
    Lake(#[from] goldrecord_lake::Error),
    /// The query engine failed at something that is no fault of the project.
    #[error("cannot {action}: {source}")]
    Engine {
        /// What was being done.
        action: String,
        /// What the engine said.
        source: Box<DataFusionError>,
    },
    /// A data file went while it was being read.
    #[error(
        "cannot {action}: data file `{path}` is no longer there: maintenance removes what newer versions have replaced, some time later \
         (`maintenance.keep`); run it again"
    )]
    FileGone {
        /// What was being done.
        action: String,
        /// The file.
        path: String,
    },
    /// A table that is read does not exist.
    #[error("{reader} reads {table}, which does not exist: {mend}")]
    NoTable {
        /// Who reads it.
        reader: String,
        /// Its name, `bronze.listen_events`.
        table: String,
        /// What to do about it.
        mend: String,
    },
    /// A newer build has taken over the lake.
    #[error(
        "build {ours} was superseded by build {found}, which has written {table}: nothing more of it is committed"
    )]
    Superseded {
        /// Our build's number.
        ours: i64,
        /// The newer one's.
        found: i64,
        /// Where it was met.
        table: String,
    },
    /// Another build opened at the same moment.
    #[error(
        "build {number} of target `{target}` has just been opened by {owner}; run this one again when it is done"
    )]
    Busy {
        /// The other build's number.
        number: i64,
        /// The target of both.
        target: String,
        /// Who opened it.
        owner: String,
    },
    /// Another writer changed a table while this build was writing it.
    #[error("{table} was not committed: {why}; run the build again")]
    Refused {
        /// The table.
        table: String,
        /// What the commit found.
        why: String,
    },
    /// A table would lose the rows of days that a source no longer has.
    #[error(
        "{model} has to be built in full ({why}), and retention has removed rows of {source_table} before {day}, which it would lose with them: \
         run with `--full-refresh --select {name}` to accept that, or undo the change"
    )]
    Expired {
        /// The model, with its schema.
        model: String,
        /// The model as `--select` knows it.
        name: String,
        /// Why nothing less will do.
        why: String,
        /// The source, `bronze.listen_events`.
        source_table: String,
        /// The first day of which all rows are there.
        day: String,
    },
    /// A query does not fit in memory, whatever plan it has.
    #[error(
        "{what} needs more memory than `layers.memory` gives it, even alone and with everything spilled that can be ({mebibytes} MiB): \
         raise the key, or let the model group or join less at once (`partition_by` builds it in parts); {source}"
    )]
    Memory {
        /// The model or test.
        what: String,
        /// What it had.
        mebibytes: usize,
        /// What the engine said.
        source: Box<Error>,
    },
    /// A query spilled as much as builds may.
    #[error(
        "{what} does not fit in memory, and what it spills does not fit in `layers.spill_limit`: raise it, or `layers.memory`; {source}"
    )]
    SpillLimit {
        /// The model or test.
        what: String,
        /// What the engine said.
        source: Box<Error>,
    },
    /// There is no place to spill to.
    #[error("queries cannot spill to {dir}: {source}; name another folder in `layers.spill_dir`", dir = .dir.display())]
    Spill {
        /// The folder.
        dir: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A signal ended the build.
    #[error("interrupted; the next build goes on where this one stopped")]
    Interrupted,
}

impl From<Diagnostic> for Error {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Project(Box::new(diagnostic))
    }
}

impl Error {
    /// For `map_err`: the engine could not do `action`.
    pub(crate) fn engine(action: impl Into<String>) -> impl FnOnce(DataFusionError) -> Self {
        let action = action.into();
        move |source| match missing_file(&source) {
            Some(path) => Self::FileGone { action, path },
            None => Self::Engine {
                action,
                source: Box::new(source),
            },
        }
    }

    /// For checks that go on after the first fault: well when none was found.
    pub(crate) fn collected(errors: Vec<Error>) -> Result<()> {
        if errors.is_empty() {
            Ok(())
        } else {
            Err(Self::many(errors))
        }
    }

    /// One error as it is, several as one.
    pub(crate) fn many(mut errors: Vec<Error>) -> Self {
        match errors.pop() {
            Some(last) if errors.is_empty() => last,
            last => {
                errors.extend(last);
                Self::Many(errors)
            }
        }
    }

    pub(crate) fn file(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::File {
            path: path.into(),
            source,
        }
    }
}

/// The data file for whose absence a query failed. `None`: it failed for another reason. The engine hands on what the
/// store said as text alone.
pub fn missing_file(error: &DataFusionError) -> Option<String> {
    let text = error.to_string();
    let (_, rest) = text.split_once("Object at location ")?;
    let (path, _) = rest.split_once(" not found")?;
    Some(path.to_owned())
}

/// Each message once: what many nodes stumble over is told by each of them.
fn join(errors: &[Error]) -> String {
    let mut told: Vec<String> = Vec::new();
    for error in errors {
        let message = error.to_string();
        if !told.contains(&message) {
            told.push(message);
        }
    }
    told.join("\n\n")
}
