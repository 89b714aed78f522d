//! The client: registers schemas and fetches them by id.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use url::Url;

use crate::error::ErrorCode;
use crate::wire;
use crate::{Compatibility, Error, Result, Schema, SchemaType, SubjectVersion, retry};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";

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
    ids: Mutex<HashMap<u32, Entry>>,
}

/// An id's place in the cache. A failure leaves none, so that the next caller asks again.
#[derive(Debug)]
enum Entry {
    Known(Arc<Schema>),
    /// Somebody is asking; the answer will come here.
    Asked(watch::Receiver<Option<Result<Arc<Schema>>>>),
}

impl Client {
    /// A client of the registry at `url`, such as `http://127.0.0.1:8081`. A path is kept:
    /// the API may lie under one. Nothing is asked yet.
    pub fn new(url: &str) -> Result<Self> {
        let refuse = |reason: String| Error::Url {
            url: url.to_owned(),
            reason,
        };
        let base = Url::parse(url).map_err(|e| refuse(e.to_string()))?;
        match base.scheme() {
            "http" => {}
            "https" => return Err(refuse("https is not supported yet".into())),
            other => return Err(refuse(format!("`{other}` is not http"))),
        }
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .no_proxy()
            .build()
            .map_err(|e| Error::HttpClient(Arc::new(e)))?;
        Ok(Self {
            inner: Arc::new(Inner {
                base,
                http,
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

const NO_BODY: Option<&()> = None;

fn offer(schema_type: SchemaType, text: &str) -> wire::Offer {
    wire::Offer {
        schema: text.to_owned(),
        schema_type: Some(schema_type.name().to_owned()),
        references: Vec::new(),
    }
}

impl Inner {
    /// The cached schema, or the channel on which it will come; the first to ask starts the fetch.
    fn look_or_ask(self: &Arc<Self>, id: u32) -> Entry {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        match ids.get(&id) {
            Some(Entry::Known(schema)) => return Entry::Known(Arc::clone(schema)),
            // A fetch whose runtime went away leaves a channel that nobody will ever answer.
            Some(Entry::Asked(answer)) if answer.has_changed().is_ok() => {
                return Entry::Asked(answer.clone());
            }
            _ => {}
        }
        let (sender, answer) = watch::channel(None);
        ids.insert(id, Entry::Asked(answer.clone()));
        drop(ids);
        let inner = Arc::clone(self);
        // A task of its own: a caller that gives up must not take the answer from the others.
        tokio::spawn(async move {
            let outcome = inner.fetch(id).await;
            {
                let mut ids = inner.ids.lock().unwrap_or_else(PoisonError::into_inner);
                match &outcome {
                    Ok(schema) => ids.insert(id, Entry::Known(Arc::clone(schema))),
                    Err(_) => ids.remove(&id),
                };
            }
            sender.send_replace(Some(outcome));
        });
        Entry::Asked(answer)
    }

    async fn fetch(&self, id: u32) -> Result<Arc<Schema>> {
        let number = id.to_string();
        let path = ["schemas", "ids", number.as_str()];
        let what = format!("schema id {id}");
        let found: wire::SchemaById = self.call(Method::GET, &path, NO_BODY, &what).await?;
        let url = self.url_of(&path);
        readable(
            id,
            found.schema,
            found.schema_type.as_deref(),
            found.references,
            &what,
            url.as_str(),
        )
        .map(Arc::new)
    }

    fn url_of(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .expect("an http URL has a path")
            .pop_if_empty()
            .extend(path);
        url
    }

    /// Asks until there is an answer, or the attempts are spent.
    async fn call<B, T>(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&B>,
        what: &str,
    ) -> Result<T>
    where
        B: Serialize + Sync,
        T: DeserializeOwned,
    {
        let url = self.url_of(path);
        let mut attempt = 1;
        loop {
            let error = match self.send(&method, &url, body).await {
                Ok((status, text)) if !retry::is_transient(status) => {
                    return read(status, &text, what, url.as_str());
                }
                Ok((status, text)) => {
                    let (code, message) = failure(&text);
                    Error::Unwell {
                        what: what.to_owned(),
                        url: url.to_string(),
                        attempts: attempt,
                        status,
                        code,
                        message,
                    }
                }
                Err(source) => Error::Unreachable {
                    what: what.to_owned(),
                    url: url.to_string(),
                    attempts: attempt,
                    source: Arc::new(source.without_url()),
                },
            };
            if attempt == retry::ATTEMPTS {
                return Err(error);
            }
            let pause = retry::pause(attempt, retry::jitter());
            tracing::debug!(%error, ?pause, "asking the schema registry again");
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn send<B: Serialize + Sync>(
        &self,
        method: &Method,
        url: &Url,
        body: Option<&B>,
    ) -> reqwest::Result<(u16, String)> {
        let mut request = self
            .http
            .request(method.clone(), url.clone())
            .header("Accept", CONTENT_TYPE);
        if let Some(body) = body {
            request = request.json(body).header("Content-Type", CONTENT_TYPE);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        Ok((status, response.text().await?))
    }
}

/// Reads an answer that is not to be asked for again.
fn read<T: DeserializeOwned>(status: u16, text: &str, what: &str, url: &str) -> Result<T> {
    let (what, url) = (what.to_owned(), url.to_owned());
    if (200..300).contains(&status) {
        return serde_json::from_str(text).map_err(|e| Error::NotARegistry {
            what,
            url,
            reason: format!("{e} in `{}`", beginning(text)),
        });
    }
    let (code, message) = failure(text);
    Err(match (status, code.0) {
        (404, Some(40400..=40499)) => Error::Unknown {
            what,
            url,
            code,
            message,
        },
        // A registry numbers what it does not have. Another 404 means that the path is wrong.
        (404, _) => Error::NotARegistry {
            what,
            url,
            reason: format!("404: {message}"),
        },
        (409, _) => Error::Incompatible { what, url, message },
        _ => Error::Refused {
            what,
            url,
            status,
            code,
            message,
        },
    })
}

/// The registry's own code and words, or the beginning of what came instead.
fn failure(text: &str) -> (ErrorCode, String) {
    match serde_json::from_str::<wire::Failure>(text) {
        Ok(failure) => (ErrorCode(Some(failure.error_code)), failure.message),
        Err(_) => (ErrorCode(None), beginning(text).to_owned()),
    }
}

fn beginning(text: &str) -> &str {
    const SHOWN: usize = 200;
    text.char_indices()
        .nth(SHOWN)
        .map_or(text, |(end, _)| &text[..end])
}

fn readable(
    id: u32,
    text: String,
    schema_type: Option<&str>,
    references: Option<Vec<wire::Reference>>,
    what: &str,
    url: &str,
) -> Result<Schema> {
    let references = references.unwrap_or_default();
    if !references.is_empty() {
        let names: Vec<String> = references.into_iter().map(|r| r.name).collect();
        return Err(Error::ReferencesUnsupported {
            what: what.to_owned(),
            url: url.to_owned(),
            names: names.join(", "),
        });
    }
    let schema_type = match schema_type {
        None | Some("AVRO") => SchemaType::Avro,
        Some("JSON") => SchemaType::Json,
        Some(other) => {
            return Err(Error::UnsupportedType {
                what: what.to_owned(),
                url: url.to_owned(),
                schema_type: other.to_owned(),
            });
        }
    };
    Ok(Schema {
        id,
        schema_type,
        text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, text: &str) -> Error {
        read::<wire::SchemaById>(status, text, "schema id 7", "http://registry/schemas/ids/7")
            .expect_err("no schema")
    }

    #[test]
    fn a_registry_that_does_not_have_the_id_is_told_from_a_wrong_path() {
        let unknown = answer(
            404,
            r#"{"error_code":40403,"message":"Schema 7 not found"}"#,
        );
        assert!(unknown.is_unknown() && !unknown.is_unavailable());
        for wrong_path in [
            "<html>nginx</html>",
            r#"{"error_code":0,"message":"no resource"}"#,
        ] {
            let error = answer(404, wrong_path);
            assert!(error.is_unavailable(), "{error}");
        }
    }

    #[test]
    fn an_answer_of_another_kind_of_server_is_quoted() {
        let error = answer(200, "<html>hello</html>");
        assert!(error.is_unavailable());
        assert!(error.to_string().contains("<html>hello"), "{error}");
    }

    #[test]
    fn references_and_foreign_types_are_refused_by_name() {
        let reference = wire::Reference {
            name: "com.example.Song".into(),
            subject: "song".into(),
        };
        let error = readable(
            7,
            "{}".into(),
            None,
            Some(vec![reference]),
            "schema id 7",
            "http://r",
        )
        .expect_err("refused");
        assert!(error.to_string().contains("com.example.Song") && !error.is_unavailable());
        let error = readable(
            7,
            "{}".into(),
            Some("PROTOBUF"),
            None,
            "schema id 7",
            "http://r",
        )
        .expect_err("refused");
        assert!(error.to_string().contains("PROTOBUF") && !error.is_unavailable());
    }

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
        for url in ["", "localhost:8081", "https://registry", "hdfs://registry"] {
            let error = Client::new(url).expect_err(url);
            assert!(error.to_string().contains("registry.url"), "{error}");
        }
    }
}
