//! `ClickHouse` over HTTP: statements, rows as JSON, inserts.

use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::error::{Error, Result, Unreachable};
use crate::settings::LoaderSettings;

/// The oldest server whose views share a query's scalar subqueries and take `SQL SECURITY`.
const OLDEST: (u32, u32) = (24, 1);

/// A server and a user on it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ClickHouse {
    http: reqwest::Client,
    url: Url,
    user: String,
    password: Option<String>,
}

impl ClickHouse {
    /// Checks the address, that the server answers, lets us in and is new enough.
    pub async fn connect(settings: &LoaderSettings) -> Result<Self> {
        let url = address(&settings.url)?;
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            // The server closes idle connections after 30 seconds; ours go first, or a request would meet a closed one.
            .pool_idle_timeout(Duration::from_secs(5))
            .build()
            .map_err(|e| Error::Unreachable {
                url: settings.url.clone(),
                source: Unreachable::of(&e),
            })?;
        let server = Self {
            http,
            url,
            user: settings.user.clone(),
            password: settings.password.clone(),
        };
        let versions: Vec<Version> = server
            .rows("read its version", "SELECT version() AS version")
            .await?;
        let version = versions
            .into_iter()
            .next()
            .map(|v| v.version)
            .unwrap_or_default();
        if parse_version(&version).is_none_or(|v| v < OLDEST) {
            return Err(Error::TooOld {
                url: server.url.to_string(),
                version,
            });
        }
        Ok(server)
    }

    /// Runs a statement; `what` completes "could not …".
    pub async fn execute(&self, what: &str, sql: &str) -> Result<()> {
        self.post(what, sql.as_bytes().to_vec()).await.map(drop)
    }

    /// Runs a query and reads its rows.
    pub async fn rows<T: DeserializeOwned>(&self, what: &str, sql: &str) -> Result<Vec<T>> {
        let answer = self
            .post(what, format!("{sql} FORMAT JSONEachRow").into_bytes())
            .await?;
        answer
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| {
                serde_json::from_slice(line).map_err(|e| Error::BadAnswer {
                    what: what.to_owned(),
                    why: e.to_string(),
                })
            })
            .collect()
    }

    /// Runs an `INSERT … FORMAT …` whose data follow the statement.
    pub async fn insert(&self, what: &str, sql: &str, data: &[u8]) -> Result<()> {
        let mut body = Vec::with_capacity(sql.len() + 1 + data.len());
        body.extend_from_slice(sql.as_bytes());
        body.push(b'\n');
        body.extend_from_slice(data);
        self.post(what, body).await.map(drop)
    }

    async fn post(&self, what: &str, body: Vec<u8>) -> Result<Vec<u8>> {
        let mut url = self.url.clone();
        // The whole answer is waited for, so that its status is the statement's; an insert is one insert, not queued with others,
        // and `_releases` needs its rows in one block.
        url.set_query(Some(
            "wait_end_of_query=1&async_insert=0&input_format_parallel_parsing=0&output_format_json_quote_64bit_integers=0&mutations_sync=1",
        ));
        let mut request = self
            .http
            .post(url)
            .header("X-ClickHouse-User", &self.user)
            .body(body);
        if let Some(password) = &self.password {
            request = request.header("X-ClickHouse-Key", password);
        }
        let unreachable = |e: reqwest::Error| Error::Unreachable {
            url: self.url.to_string(),
            source: Unreachable::of(&e),
        };
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let header = |name: &str| {
            answer
                .headers()
                .get(name)
                .and_then(|v| v.to_str().ok())
                .map(str::to_owned)
        };
        let code: Option<u32> =
            header("x-clickhouse-exception-code").and_then(|code| code.parse().ok());
        let ours = code.is_some()
            || header("x-clickhouse-query-id").is_some()
            || header("x-clickhouse-summary").is_some();
        let bytes = answer.bytes().await.map_err(unreachable)?;
        if status == StatusCode::OK && code.is_none() && ours {
            return Ok(bytes.to_vec());
        }
        // Unknown user, authentication failed, password required.
        if matches!(code, Some(192 | 194 | 516)) || matches!(status.as_u16(), 401 | 403) {
            return Err(Error::Denied {
                url: self.url.to_string(),
                user: self.user.clone(),
            });
        }
        if !ours {
            return Err(Error::NotClickHouse {
                url: self.url.to_string(),
                status: status.as_u16(),
            });
        }
        Err(Error::Refused {
            what: what.to_owned(),
            code: code.unwrap_or(0),
            message: message(&String::from_utf8_lossy(&bytes)),
        })
    }
}

#[derive(Deserialize)]
struct Version {
    version: String,
}

/// The HTTP interface's root, or why the address is none.
fn address(given: &str) -> Result<Url> {
    let bad = |why: &str| Error::BadUrl {
        url: given.to_owned(),
        why: why.to_owned(),
    };
    let mut url = Url::parse(given).map_err(|e| bad(&e.to_string()))?;
    match url.scheme() {
        "http" => {}
        "https" => return Err(bad("TLS to ClickHouse is not supported yet")),
        "clickhouse" | "tcp" => return Err(bad("the native protocol is not spoken here")),
        other => return Err(bad(&format!("`{other}` is not http"))),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad(
            "user and password do not belong in the address (see [clickhouse] user, and the credential clickhouse-password)",
        ));
    }
    if url.port() == Some(9000) {
        return Err(bad("9000 is the port of the native protocol"));
    }
    url.set_query(None);
    Ok(url)
}

fn parse_version(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The server's words without its own prefix and suffix, on one line, not endless.
fn message(answer: &str) -> String {
    let text = answer.split("DB::Exception: ").nth(1).unwrap_or(answer);
    let text = text.split(" (version ").next().unwrap_or(text);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(600) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_cannot_work_are_refused_by_name() {
        let why = |url: &str| address(url).expect_err("refused").to_string();
        assert!(why("https://ch:8443").contains("TLS to ClickHouse is not supported yet"));
        assert!(why("http://ch:9000").contains("native protocol"));
        assert!(why("clickhouse://ch:9000").contains("native protocol"));
        assert!(why("http://me:secret@ch:8123").contains("do not belong in the address"));
        assert!(why("ch:8123").contains("is not http"));
        assert!(why("").contains("is no address of ClickHouse"));
        assert_eq!(
            address("http://ch:8123/?x=1").expect("good").as_str(),
            "http://ch:8123/"
        );
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert!(parse_version("24.1.8").is_some_and(|v| v >= OLDEST));
        assert!(parse_version("26.7.2.1").is_some_and(|v| v >= OLDEST));
        assert!(parse_version("23.12.1").is_some_and(|v| v < OLDEST));
        assert_eq!(parse_version("x"), None);
    }

    #[test]
    fn the_servers_words_come_without_its_ornaments() {
        let answer = "Code: 62. DB::Exception: Syntax error: failed\nat 1. (SYNTAX_ERROR) (version 26.7.2.1)\n";
        assert_eq!(message(answer), "Syntax error: failed at 1. (SYNTAX_ERROR)");
    }
}
