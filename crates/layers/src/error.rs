//! What can go wrong with a project or a build.

use std::path::PathBuf;

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
}

impl From<Diagnostic> for Error {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Project(Box::new(diagnostic))
    }
}

impl Error {
    pub(crate) fn file(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::File {
            path: path.into(),
            source,
        }
    }
}

fn join(errors: &[Error]) -> String {
    errors
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n\n")
}
