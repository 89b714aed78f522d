//! How the registry lets the client in: whom it trusts, and who it says it is.

use std::fmt;
use std::path::PathBuf;

use reqwest::{Certificate, ClientBuilder};

use crate::{Error, Result};

/// How the registry lets the client in. The default is without a user, and over TLS with the system's authorities.
#[derive(Clone, Default)]
pub struct Access {
    /// The user of HTTP basic authentication: the key `registry.user`.
    pub user: Option<String>,
    /// The user's password: the credential `registry-password`.
    pub password: Option<String>,
    /// The authorities that the registry's certificate is checked against, PEM: the key `registry.ca_file`.
    pub ca_file: Option<PathBuf>,
}

/// A user and a password, which is never shown.
pub(super) struct Identity {
    pub user: String,
    pub password: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("user", &self.user)
            .field("ca_file", &self.ca_file)
            .finish_non_exhaustive()
    }
}

impl Access {
    /// Who the client says it is; a user without a password is refused.
    pub(super) fn identity(&self) -> Result<Option<Identity>> {
        let Some(user) = self.user.clone() else {
            return Ok(None);
        };
        let password = self.password.clone().ok_or_else(|| Error::Access {
            key: "registry.user",
            why: format!(
                "the user `{user}` has no password; give the service the credential `registry-password`"
            ),
        })?;
        Ok(Some(Identity { user, password }))
    }

    /// Lets only the authorities of the file vouch for the registry, where there is one.
    pub(super) fn trust(&self, client: ClientBuilder) -> Result<ClientBuilder> {
        let Some(file) = &self.ca_file else {
            return Ok(client);
        };
        let refuse = |why: String| Error::Access {
            key: "registry.ca_file",
            why: format!("{} cannot be used ({why})", file.display()),
        };
        let pem = std::fs::read(file).map_err(|error| refuse(error.to_string()))?;
        let authorities =
            Certificate::from_pem_bundle(&pem).map_err(|error| refuse(error.to_string()))?;
        if authorities.is_empty() {
            return Err(refuse("it holds no certificate in PEM".into()));
        }
        Ok(client.tls_certs_only(authorities))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(password: Option<&str>) -> Access {
        Access {
            user: Some("reader".into()),
            password: password.map(Into::into),
            ca_file: None,
        }
    }

    #[test]
    fn a_user_needs_a_password_and_a_password_is_never_shown() {
        let error = reader(None).identity().expect_err("no password");
        assert!(error.to_string().contains("registry-password"), "{error}");
        let access = reader(Some("hunter2"));
        let identity = access.identity().expect("both are there");
        assert!(!format!("{access:?} {identity:?}").contains("hunter2"));
    }

    #[test]
    fn a_file_without_authorities_is_refused_by_its_key() {
        let access = Access {
            ca_file: Some("/nonexistent/ca.pem".into()),
            ..Access::default()
        };
        let error = access.trust(ClientBuilder::new()).expect_err("no file");
        assert!(error.to_string().contains("registry.ca_file"), "{error}");
        assert!(error.to_string().contains("/nonexistent/ca.pem"), "{error}");
    }
}
