//! Why a server cannot be had.

use std::path::PathBuf;

use crate::Kind;

/// A result with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a server cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program that is needed is not installed.
    #[error("{program} is needed {purpose} and is not installed; {mend}")]
    Missing {
        /// The program.
        program: String,
        /// What for.
        purpose: String,
        /// How to get it.
        mend: &'static str,
    },
    /// A program ran and failed.
    #[error("{what} failed ({status}):\n{output}")]
    Failed {
        /// What was being done.
        what: String,
        /// How the program ended.
        status: String,
        /// The end of what it wrote.
        output: String,
    },
    /// A file or folder cannot be read or written.
    #[error("{what} {path}: {source}", path = .path.display())]
    Io {
        /// What was being done, such as `cannot write`.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A server ended or stayed unready.
    #[error("{server} {what}; last check: {last_check}\nthe end of {log}:\n{tail}", log = .log.display())]
    NotReady {
        /// Which.
        server: Kind,
        /// What happened.
        what: String,
        /// What the readiness check said last.
        last_check: String,
        /// The log, which is kept.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },
    /// A server does not do what it was asked to.
    #[error("{server} refuses {what}: {answer}")]
    Refused {
        /// Which server.
        server: Kind,
        /// What it was asked.
        what: String,
        /// What it said.
        answer: String,
    },
    /// A port that a server is to listen on is in use.
    #[error(
        "{server} cannot have port {port}: it is in use by {holder}; stop that, or choose another with --{server}-port"
    )]
    PortTaken {
        /// Which server.
        server: Kind,
        /// The port.
        port: u16,
        /// The process that listens there, as far as it can be seen.
        holder: String,
    },
    /// No port is free.
    #[error(
        "no {wanted} ports are free between {from} and {to}; stop servers that are no longer needed"
    )]
    NoPorts {
        /// How many were wanted at once.
        wanted: usize,
        /// The lowest port that was considered.
        from: u16,
        /// The highest.
        to: u16,
    },
    /// A file of the stack does not read as what it should be.
    #[error("{path} is not what `stack up` writes ({reason}); remove it after making sure that its server is stopped", path = .path.display())]
    BadRecord {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A process does not end.
    #[error(
        "{server} (process {pid}) does not end, not even when killed; look at `ps -o stat,wchan -p {pid}`"
    )]
    WontEnd {
        /// Which server.
        server: Kind,
        /// Its process.
        pid: u32,
    },
    /// The folder has no place.
    #[error(
        "neither XDG_CACHE_HOME nor HOME is set, so there is no place for fetched servers; set one of them"
    )]
    NoHome,
}

impl Error {
    pub(crate) fn io(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}
