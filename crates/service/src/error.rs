//! What can go wrong while a service starts.

use std::path::PathBuf;

/// Why a service could not be configured or started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file named with `--config` is not there.
    #[error("no configuration file at {path}: create it or name another with --config", path = .0.display())]
    ConfigMissing(PathBuf),
    /// The file, or an override from the environment, does not parse or has a value of another type.
    #[error("configuration: {0}")]
    ConfigInvalid(String),
    /// A key that no section has.
    #[error("configuration: unknown key `{key}` in {place}{}", suggestion(.nearest.as_deref()))]
    UnknownKey {
        /// The key with its section, such as `kafka.bootstrap`.
        key: String,
        /// The file or environment variable that holds it.
        place: String,
        /// The known key that is spelled most alike, if any is.
        nearest: Option<String>,
    },
    /// A credential is there and cannot be read.
    #[error("credential {path} cannot be read: {source}", path = .path.display())]
    Credential {
        /// The credential's file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Keys and credentials that contradict each other, or lack each other.
    #[error("{key}: {why}")]
    Setting {
        /// The key as in the file, with its section.
        key: &'static str,
        /// What is wrong and what would do.
        why: String,
    },
    /// The signal handlers could not be installed.
    #[error("cannot listen for SIGTERM and SIGINT: {0}")]
    Signals(std::io::Error),
    /// Metrics cannot be served where the configuration says.
    #[error(
        "cannot serve metrics at {address}: {source}; end what listens there, or choose another `host:port` with [metrics] listen"
    )]
    Listen {
        /// `host:port` as in the file.
        address: String,
        /// Why.
        source: std::io::Error,
    },
}

/// A result with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |key| format!("; did you mean `{key}`?"))
}
