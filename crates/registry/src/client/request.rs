//! A request: asked again until there is an answer, or the attempts are spent.

use std::sync::Arc;

use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::Inner;
use super::answer::{failure, read};
use crate::{Error, Result, retry};

const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";

pub(super) const NO_BODY: Option<&()> = None;

impl Inner {
    pub(super) fn url_of(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .expect("an http URL has a path")
            .pop_if_empty()
            .extend(path);
        url
    }

    /// Asks until there is an answer, or the attempts are spent.
    pub(super) async fn call<B, T>(
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
        if let Some(identity) = &self.identity {
            request = request.basic_auth(&identity.user, Some(&identity.password));
        }
        if let Some(body) = body {
            request = request.json(body).header("Content-Type", CONTENT_TYPE);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        Ok((status, response.text().await?))
    }
}
