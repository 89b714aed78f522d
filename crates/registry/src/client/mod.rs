//! The client: registers schemas and fetches them by id.
//!
//! Here is what it can be asked for.

mod access;
mod answer;
mod ids;
mod request;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use goldrecord_service::config;
use reqwest::Method;
use url::Url;

pub use self::access::Access;
use self::access::Identity;
use self::answer::readable;
use self::ids::Entry;
use self::request::NO_BODY;
use crate::error::ErrorCode;
use crate::wire;
use crate::{Compatibility, Error, Result, Schema, SchemaType, SubjectVersion};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// A client of one registry. Clones are cheap and share connections and cached schemas.
///
/// Every method tries again, with growing pauses, when no answer comes or the registry says "not
/// now", and gives up after a bounded number of attempts with an error for which
/// [`Error::is_unavailable`] holds. Methods must be called inside a tokio runtime.
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    base: Url,
    http: reqwest::Client,
    identity: Option<Identity>,
    ids: Mutex<HashMap<u32, Entry>>,
}

impl Client {
    /// A client without a user of the registry at `url`, such as `http://127.0.0.1:8081`. A path is kept:
    /// the API may lie under one. Nothing is asked yet.
    pub fn new(url: &str) -> Result<Self> {
        Self::with_access(url, &Access::default())
    }

    /// A client of the registry that `[registry]` names, let in by the credentials that it needs.
    pub fn of(config: &config::Registry) -> Result<Self> {
        let password = config.password();
        let access = Access {
            user: config.user.clone(),
            password: password.map_err(|error| Error::Credential(Arc::new(error)))?,
            ca_file: config.ca_file.clone(),
        };
        Self::with_access(&config.url, &access)
    }

    /// The same, let in as `access` says; with `https://` over TLS.
    pub fn with_access(url: &str, access: &Access) -> Result<Self> {
        let refuse = |reason: String| Error::Url {
            url: url.to_owned(),
            reason,
        };
        let base = Url::parse(url).map_err(|e| refuse(e.to_string()))?;
        match base.scheme() {
            "http" | "https" => {}
            other => return Err(refuse(format!("`{other}` is neither http nor https"))),
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(Error::Access {
                key: "registry.url",
                why: "it names a user; write that to registry.user, and give the service the credential \
                      `registry-password`"
                    .into(),
            });
        }
        let identity = access.identity()?;
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .no_proxy();
        let http = access
            .trust(http)?
            .build()
            .map_err(|e| Error::HttpClient(Arc::new(e)))?;
        Ok(Self {
            inner: Arc::new(Inner {
                base,
                http,
                identity,
                ids: Mutex::default(),
            }),
        })
    }

    /// The registry's URL.
    pub fn url(&self) -> &str {
        self.inner.base.as_str()
    }

    /// Registers `text` under `subject` and returns its id. A schema that is there already keeps
    /// the id it has. Refused with [`Error::Incompatible`] where the subject's level forbids it.
    pub async fn register(
        &self,
        subject: &str,
        schema_type: SchemaType,
        text: &str,
    ) -> Result<u32> {
        let what = format!("a {schema_type} schema for subject {subject}");
        let registered: wire::Registered = self
            .inner
            .call(
                Method::POST,
                &["subjects", subject, "versions"],
                Some(&offer(schema_type, text)),
                &what,
            )
            .await?;
        Ok(registered.id)
    }

    /// The schema with `id`. Fetched once and kept; callers who ask for the same id at the same
    /// time share one request and its outcome. Failures are not kept.
    pub async fn schema(&self, id: u32) -> Result<Arc<Schema>> {
        // Registries number with Java's int: some answer a greater one as if they had no such path.
        if i32::try_from(id).is_err() {
            return Err(Error::Unknown {
                what: format!("schema id {id}"),
                url: self.url().to_owned(),
                code: ErrorCode(None),
                message: format!("ids end at {}", i32::MAX),
            });
        }
        let mut answer = match self.inner.look_or_ask(id) {
            Entry::Known(schema) => return Ok(schema),
            Entry::Asked(answer) => answer,
        };
        // Copied out before the guard on the channel's value ends.
        let arrived = answer
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|value| value.clone());
        arrived.unwrap_or_else(|| Err(Error::Dropped(format!("schema id {id}"))))
    }

    /// The latest version of `subject`.
    pub async fn latest(&self, subject: &str) -> Result<SubjectVersion> {
        let path = ["subjects", subject, "versions", "latest"];
        let what = format!("subject {subject}");
        let found: wire::InSubject = self.inner.call(Method::GET, &path, NO_BODY, &what).await?;
        let url = self.inner.url_of(&path);
        let schema = readable(
            found.id,
            found.schema,
            found.schema_type.as_deref(),
            found.references,
            &what,
            url.as_str(),
        )?;
        Ok(SubjectVersion {
            subject: found.subject,
            version: found.version,
            schema,
        })
    }

    /// The names of all subjects.
    pub async fn subjects(&self) -> Result<Vec<String>> {
        self.inner
            .call(Method::GET, &["subjects"], NO_BODY, "the list of subjects")
            .await
    }

    /// The numbers of the versions of `subject`, oldest first.
    pub async fn versions(&self, subject: &str) -> Result<Vec<u32>> {
        let what = format!("subject {subject}");
        self.inner
            .call(
                Method::GET,
                &["subjects", subject, "versions"],
                NO_BODY,
                &what,
            )
            .await
    }

    /// Sets what new versions of `subject` must keep to.
    pub async fn set_compatibility(&self, subject: &str, level: Compatibility) -> Result<()> {
        let body = wire::SetCompatibility {
            compatibility: level.name().to_owned(),
        };
        let what = format!("compatibility {level} for subject {subject}");
        let _: wire::SetCompatibility = self
            .inner
            .call(Method::PUT, &["config", subject], Some(&body), &what)
            .await?;
        Ok(())
    }

    /// What new versions of `subject` must keep to: its own level, or the registry's where the
    /// subject has none.
    pub async fn compatibility(&self, subject: &str) -> Result<Compatibility> {
        let what = format!("compatibility of subject {subject}");
        let own = self
            .inner
            .call(Method::GET, &["config", subject], NO_BODY, &what)
            .await;
        let level: wire::CompatibilityLevel = match own {
            Err(Error::Unknown { .. }) => {
                self.inner
                    .call(Method::GET, &["config"], NO_BODY, "global compatibility")
                    .await?
            }
            own => own?,
        };
        level.compatibility_level.parse()
    }

    /// Whether `text` could follow the latest version of `subject`. A subject without versions
    /// takes anything.
    pub async fn check_compatible(
        &self,
        subject: &str,
        schema_type: SchemaType,
        text: &str,
    ) -> Result<bool> {
        let path = ["compatibility", "subjects", subject, "versions", "latest"];
        let what = format!("a {schema_type} schema for subject {subject}");
        let checked = self
            .inner
            .call(Method::POST, &path, Some(&offer(schema_type, text)), &what)
            .await;
        match checked {
            Ok(wire::Checked { is_compatible, .. }) => Ok(is_compatible),
            Err(Error::Unknown { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }
}

fn offer(schema_type: SchemaType, text: &str) -> wire::Offer {
    wire::Offer {
        schema: text.to_owned(),
        schema_type: Some(schema_type.name().to_owned()),
        references: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_the_url_is_kept_and_subjects_are_escaped() {
        for base in ["http://h:1/apis/ccompat/v7", "http://h:1/apis/ccompat/v7/"] {
            let client = Client::new(base).expect("a URL");
            assert_eq!(
                client
                    .inner
                    .url_of(&["subjects", "a/b c", "versions"])
                    .as_str(),
                "http://h:1/apis/ccompat/v7/subjects/a%2Fb%20c/versions"
            );
        }
    }

    #[test]
    fn urls_that_cannot_work_are_refused_with_the_key_to_mend() {
        for url in [
            "",
            "localhost:8081",
            "hdfs://registry",
            "https://me:secret@registry",
        ] {
            let error = Client::new(url).expect_err(url);
            assert!(error.to_string().contains("registry.url"), "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
