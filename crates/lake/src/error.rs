//! What can go wrong in a lake, each with the thing, the place and the mend.

use std::io::ErrorKind;

use hdfs_native::HdfsError;
use parquet::errors::ParquetError;

/// Shorthand of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in a lake.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The lake's address is none that we can open.
    #[error(
        "`{url}` is no address of a lake: {why}; give file:///absolute/folder, hdfs://host:port/folder or, with a standby, hdfs://host:port,host:port/folder"
    )]
    BadUrl {
        /// The address given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A table's path is not a relative path of plain names.
    #[error(
        "`{path}` is no path of a table: {why}; give names of letters, digits, `_`, `-`, `.` and `$`, joined by `/`"
    )]
    BadTablePath {
        /// The path given.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The file system below refused or failed.
    #[error("cannot {action} `{path}`: {source}")]
    Store {
        /// The verb: read, write, list, rename, delete.
        action: &'static str,
        /// The object, from the lake's root.
        path: String,
        /// What the store said.
        source: object_store::Error,
    },
    /// The table does not exist.
    #[error("there is no table `{table}` in the lake {lake}")]
    NoTable {
        /// The table's path.
        table: String,
        /// The lake's address.
        lake: String,
    },
    /// The version asked for is not in the log.
    #[error("table `{table}` cannot be read at version {version}: {why}")]
    NoVersion {
        /// The table's path.
        table: String,
        /// The version asked for.
        version: i64,
        /// Not yet written, or removed after its time.
        why: String,
    },
    /// The table needs a reader or writer newer than this program.
    #[error(
        "table `{table}` is of a lake written by a newer version: {what}; use a goldrecord at least as new as the one that wrote it"
    )]
    NewerVersion {
        /// The table's path.
        table: String,
        /// Which requirement is not met.
        what: String,
    },
    /// The log holds something that the Delta protocol does not allow.
    #[error("the log of table `{table}` is broken at version {version}: {why}")]
    BrokenLog {
        /// The table's path.
        table: String,
        /// The version whose commit or checkpoint is broken.
        version: i64,
        /// What is wrong.
        why: String,
    },
    /// A data file is not what its table's log says.
    #[error("data file `{path}` cannot be read: {why}")]
    BrokenFile {
        /// The file, from the lake's root.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// A data file that the log names is not there any more.
    #[error(
        "data file `{path}` is no longer there: maintenance removes what newer versions have replaced, some time later (`maintenance.keep`); read the table's newest version"
    )]
    FileGone {
        /// The file, from the lake's root.
        path: String,
    },
    /// A column's type has no counterpart in Delta, or none in Arrow.
    #[error("column `{column}`: {why}")]
    UnsupportedType {
        /// The column's name, with dots for nested fields.
        column: String,
        /// Which type, and what to use instead.
        why: String,
    },
    /// Columns may only be added; this one would change.
    #[error(
        "column `{column}` is {current} in the table and cannot become {wanted}; give the new column another name, or rebuild the table"
    )]
    TypeChange {
        /// The column's name.
        column: String,
        /// Its type in the table.
        current: String,
        /// The type wanted.
        wanted: String,
    },
    /// A batch does not have the table's columns.
    #[error("rows for table `{table}` do not fit: {why}")]
    Unfit {
        /// The table's path.
        table: String,
        /// Which column, and why.
        why: String,
    },
    /// A proposal that no version of the table could take.
    #[error("the proposal `{operation}` for table `{table}` contradicts itself: {why}")]
    BadProposal {
        /// The table's path.
        table: String,
        /// The proposal's operation.
        operation: String,
        /// What is wrong.
        why: String,
    },
    /// A commit's rename was sent and it could not be learnt whether it took place.
    #[error(
        "it is not known whether version {version} of table `{table}` is ours ({why}); read the table again before anything else is committed"
    )]
    OutcomeUnknown {
        /// The table's path.
        table: String,
        /// The version aimed at.
        version: i64,
        /// The last error.
        why: String,
    },
    /// A snapshot cannot be written down as a checkpoint.
    #[error("version {version} of table `{table}` cannot be written as a checkpoint: {why}")]
    BadCheckpoint {
        /// The table's path.
        table: String,
        /// The version.
        version: i64,
        /// What the encoder said.
        why: String,
    },
    /// A newer build has taken over.
    #[error("build {ours} of target `{target}` was superseded by build {found}")]
    Superseded {
        /// The build's target.
        target: String,
        /// Our number.
        ours: i64,
        /// The number the table holds now.
        found: i64,
    },
    /// Arrow or Parquet refused to encode or decode.
    #[error("cannot {action} `{path}`: {source}")]
    Parquet {
        /// The verb.
        action: &'static str,
        /// The file, from the lake's root.
        path: String,
        /// What the library said.
        source: ParquetError,
    },
    /// A thread that encodes was lost.
    #[error("an encoding thread of table `{table}` ended early: {why}")]
    Thread {
        /// The table's path.
        table: String,
        /// What the runtime said.
        why: String,
    },
}

impl Error {
    /// True where the store is away and may come back: waiting and trying again is right.
    /// False where the same call would fail again until somebody mends something.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Store { source, .. } => store_is_unavailable(source),
            Self::OutcomeUnknown { .. } => true,
            Self::Parquet {
                source: ParquetError::External(inner),
                ..
            } => inner
                .downcast_ref::<object_store::Error>()
                .is_some_and(store_is_unavailable),
            _ => false,
        }
    }
}

/// Whether an error of the store says "not now" rather than "never".
fn store_is_unavailable(error: &object_store::Error) -> bool {
    hdfs_cause(error).is_some_and(hdfs_is_unavailable)
}

/// Whether a connection of HDFS broke, or none could be made: nothing that a server has answered.
pub(crate) fn is_broken_connection(error: &object_store::Error) -> bool {
    match hdfs_cause(error) {
        Some(HdfsError::IOError(io)) => !is_own_fault(io),
        Some(HdfsError::DataTransferError(_) | HdfsError::ChecksumError) => true,
        _ => false,
    }
}

/// What HDFS's client said.
fn hdfs_cause(error: &object_store::Error) -> Option<&HdfsError> {
    let object_store::Error::Generic { source, .. } = error else {
        return None;
    };
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(source.as_ref());
    while let Some(error) = cause {
        if let Some(hdfs) = error.downcast_ref::<HdfsError>() {
            return Some(hdfs);
        }
        cause = error.source();
    }
    None
}

/// An I/O error that trying again does not mend.
fn is_own_fault(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::PermissionDenied | ErrorKind::InvalidInput
    )
}

/// HDFS speaks of connections by I/O errors and of its own state by names of Java exceptions.
fn hdfs_is_unavailable(error: &HdfsError) -> bool {
    const PERMANENT: [&str; 4] = [
        "AccessControlException",
        "QuotaExceededException",
        "InvalidPathException",
        "ParentNotDirectoryException",
    ];
    match error {
        HdfsError::IOError(io) => !is_own_fault(io),
        HdfsError::RPCError(class, _) | HdfsError::FatalRPCError(class, _) => {
            !PERMANENT.iter().any(|name| class.contains(name))
        }
        HdfsError::DataTransferError(_)
        | HdfsError::ChecksumError
        | HdfsError::OperationFailed(_)
        | HdfsError::BlocksNotFound(_)
        | HdfsError::InvalidRPCResponse(_) => true,
        _ => false,
    }
}
