//! What can go wrong between a client and a registry.

use std::net::SocketAddr;
use std::sync::Arc;

/// A result with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the registry did not do what was asked.
///
/// Cheap to clone: everyone who waited for one fetch gets the same error.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The registry's URL cannot be used.
    #[error(
        "schema registry URL `{url}`: {reason}; set registry.url to something like http://host:8081"
    )]
    Url {
        /// The URL as it was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A key or credential that lets nobody in.
    #[error("schema registry: {key}: {why}")]
    Access {
        /// The key as in the configuration file.
        key: &'static str,
        /// What is wrong and what would do.
        why: String,
    },
    /// A credential that cannot be read.
    #[error("schema registry: {0}")]
    Credential(Arc<goldrecord_service::Error>),
    /// No HTTP client could be made.
    #[error("no HTTP client for the schema registry: {0}")]
    HttpClient(Arc<reqwest::Error>),
    /// No answer came, at any attempt.
    #[error("schema registry: no answer to {what} from {url} after {attempts} attempts ({}); {}", chain(.source), mend_of_silence(&chain(.source)))]
    Unreachable {
        /// What was asked, such as `schema id 7`.
        what: String,
        /// The request's URL.
        url: String,
        /// How often it was tried.
        attempts: u32,
        /// The last failure.
        source: Arc<reqwest::Error>,
    },
    /// The registry answered that it cannot answer now (5xx, 408 or 429), at every attempt.
    #[error(
        "schema registry: {url} answered {status} to {what} after {attempts} attempts: {code}{message}; look at the registry's own log"
    )]
    Unwell {
        /// What was asked.
        what: String,
        /// The request's URL.
        url: String,
        /// How often it was tried.
        attempts: u32,
        /// The HTTP status.
        status: u16,
        /// The registry's `error_code`, printed with a space behind it, if the body has one.
        code: ErrorCode,
        /// The registry's own words, or the beginning of the body.
        message: String,
    },
    /// The registry does not have the schema, subject or version.
    #[error(
        "schema registry: {url} knows no {what}: {code}{message}; register it, or look whether the record was meant for another registry"
    )]
    Unknown {
        /// What was asked.
        what: String,
        /// The request's URL.
        url: String,
        /// The registry's `error_code`: 40401 subject, 40402 version, 40403 schema.
        code: ErrorCode,
        /// The registry's own words.
        message: String,
    },
    /// The schema breaks the subject's compatibility.
    #[error(
        "schema registry: {url} refuses {what} as incompatible: {message}; give new fields a default, or lower the subject's compatibility if the break is meant"
    )]
    Incompatible {
        /// What was asked.
        what: String,
        /// The request's URL.
        url: String,
        /// The registry's own words.
        message: String,
    },
    /// The registry refuses the request itself.
    #[error("schema registry: {url} refuses {what} with {status}: {code}{message}; {mend}", mend = mend(*.status))]
    Refused {
        /// What was asked.
        what: String,
        /// The request's URL.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The registry's `error_code`, if the body has one.
        code: ErrorCode,
        /// The registry's own words, or the beginning of the body.
        message: String,
    },
    /// What answers at the URL does not speak the registry's protocol.
    #[error(
        "schema registry: the answer of {url} to {what} is not a registry's ({reason}); correct registry.url (the path counts: a Confluent API may lie under /apis/ccompat/v7)"
    )]
    NotARegistry {
        /// What was asked.
        what: String,
        /// The request's URL.
        url: String,
        /// What was read instead.
        reason: String,
    },
    /// The schema is in a language that is not read here.
    #[error("schema registry: {what} at {url} is of type {schema_type}; AVRO and JSON are read")]
    UnsupportedType {
        /// What was asked.
        what: String,
        /// The request's URL.
        url: String,
        /// The registry's name of the type.
        schema_type: String,
    },
    /// The schema builds on other schemas.
    #[error(
        "schema registry: {what} at {url} refers to other schemas ({names}), which is not supported; register it with the referred types written in"
    )]
    ReferencesUnsupported {
        /// What was asked.
        what: String,
        /// The request's URL.
        url: String,
        /// The referred names, separated by commas.
        names: String,
    },
    /// A compatibility level that the API does not have.
    #[error(
        "`{0}` is no compatibility level; there are NONE, BACKWARD, FORWARD, FULL and their _TRANSITIVE kin"
    )]
    UnknownCompatibility(String),
    /// The embedded registry cannot listen.
    #[error(
        "the embedded schema registry cannot listen on {address}: {source}; choose another port or stop what uses it"
    )]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// Why.
        source: Arc<std::io::Error>,
    },
    /// The runtime that carried the request is gone.
    #[error("the request for {0} was dropped: its runtime is shutting down")]
    Dropped(String),
}

impl Error {
    /// Whether the error says nothing about the schema that was asked for: no registry answered,
    /// or what answered was in no state to know, or not a registry at all.
    ///
    /// A caller with a record in hand waits and tries again; it never calls the record bad.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Unwell { .. }
            | Self::NotARegistry { .. }
            | Self::HttpClient(_)
            | Self::Dropped(_) => true,
            // Wrong or missing credentials say nothing about the schema either.
            Self::Refused { status, .. } => matches!(status, 401 | 403 | 407),
            Self::Url { .. }
            | Self::Credential(_)
            | Self::Access { .. }
            | Self::Unknown { .. }
            | Self::Incompatible { .. }
            | Self::UnsupportedType { .. }
            | Self::ReferencesUnsupported { .. }
            | Self::UnknownCompatibility(_)
            | Self::Listen { .. } => false,
        }
    }

    /// Whether the registry said that it does not have what was asked for.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }
}

/// A registry's `error_code`, where its answer had one. Prints as `40403 ` or as nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode(pub Option<u32>);

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(code) => write!(f, "{code} "),
            None => Ok(()),
        }
    }
}

fn mend(status: u16) -> &'static str {
    match status {
        401 => "correct registry.user and the credential `registry-password`",
        403 => "let the user of registry.user do it",
        407 => "a proxy before the registry wants credentials, which are not supported",
        422 => "correct the schema",
        _ => "the registry's log says more",
    }
}

/// `reason` is an HTTP client's, for getting no answer.
fn mend_of_silence(reason: &str) -> &'static str {
    if reason.contains("certificate") || reason.contains("ssl") || reason.contains("SSL") {
        "correct registry.ca_file, or the https of registry.url"
    } else {
        "start the registry or correct registry.url"
    }
}

/// An error with its causes: the outermost text of an HTTP client seldom says why.
fn chain(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause = std::error::Error::source(error);
    if cause.is_none() {
        return error.to_string();
    }
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16) -> Error {
        Error::Refused {
            what: "schema id 7".into(),
            url: "http://registry/schemas/ids/7".into(),
            status,
            code: ErrorCode(None),
            message: "no".into(),
        }
    }

    #[test]
    fn only_a_definite_answer_makes_a_record_bad() {
        let unknown = Error::Unknown {
            what: "schema id 7".into(),
            url: "http://registry/schemas/ids/7".into(),
            code: ErrorCode(Some(40403)),
            message: "Schema 7 not found".into(),
        };
        assert!(unknown.is_unknown() && !unknown.is_unavailable());
        assert!(refused(401).is_unavailable());
        assert!(!refused(422).is_unavailable());
    }

    #[test]
    fn an_error_names_thing_place_and_mend() {
        let unknown = Error::Unknown {
            what: "schema id 7".into(),
            url: "http://registry/schemas/ids/7".into(),
            code: ErrorCode(Some(40403)),
            message: "Schema 7 not found".into(),
        };
        assert_eq!(
            unknown.to_string(),
            "schema registry: http://registry/schemas/ids/7 knows no schema id 7: 40403 Schema 7 not found; \
             register it, or look whether the record was meant for another registry"
        );
    }
}
