//! `goldrecord.toml`: one file for every binary, one struct for the file.
//!
//! A key comes from, in rising order: its default here, the file, and the environment
//! (`GOLDRECORD_KAFKA__BOOTSTRAP_SERVERS` is `[kafka] bootstrap_servers`). A key that no section
//! has is refused with the nearest known one. Secrets never stand in the file: they are read from
//! files under `$CREDENTIALS_DIRECTORY` by [`credential`].

#[cfg(test)]
mod options;
mod sections;
mod units;

use std::path::{Path, PathBuf};

use figment::Figment;
use figment::error::Kind;
use figment::providers::{Env, Format as _, Toml};

pub use sections::{
    Assignor, Bootstrap, ClickHouse, Config, Format, Gaps, Ingestor, Kafka, Lake, Layers,
    Maintenance, Metrics, OnOutOfRange, Registry, Sasl, Start, Subject, TopicOverride,
};
pub use units::{Bytes, Span};

use crate::{Error, Result};

/// Where the file lies when `--config` does not say.
pub const DEFAULT_PATH: &str = "/etc/goldrecord/goldrecord.toml";

impl Config {
    /// Read the file named, or [`DEFAULT_PATH`] if it is there, then the environment.
    pub fn load(path: Option<&Path>) -> Result<Self> {
        let file = match path {
            Some(path) if path.is_file() => Some(path.to_owned()),
            Some(path) => return Err(Error::ConfigMissing(path.to_owned())),
            None => Some(PathBuf::from(DEFAULT_PATH)).filter(|path| path.is_file()),
        };
        let mut figment = Figment::new();
        if let Some(file) = file {
            figment = figment.merge(Toml::file_exact(file));
        }
        // GOLDRECORD_LOG sets the log level (`crate::logs`), every other name has a section.
        let environment = Env::prefixed("GOLDRECORD_").filter(|key| key.as_str().contains("__"));
        Self::extract(&figment.merge(environment.split("__")))
    }

    fn extract(figment: &Figment) -> Result<Self> {
        figment.extract().map_err(|error| {
            let place = error.metadata.as_ref().map_or_else(
                || "the configuration".to_owned(),
                |metadata| match &metadata.source {
                    Some(source) => source.to_string(),
                    None => metadata.name.to_string(),
                },
            );
            match &error.kind {
                Kind::UnknownField(field, known) => {
                    // The path of the error leads to the section, and some sources add the key.
                    let section: Vec<&str> = error
                        .path
                        .iter()
                        .map(String::as_str)
                        .filter(|part| part != field)
                        .collect();
                    let qualified = |key: &str| {
                        section
                            .iter()
                            .copied()
                            .chain([key])
                            .collect::<Vec<_>>()
                            .join(".")
                    };
                    Error::UnknownKey {
                        key: qualified(field),
                        place,
                        nearest: nearest(field, known).map(qualified),
                    }
                }
                _ => Error::ConfigInvalid(format!("{error} (in {place})")),
            }
        })
    }
}

/// The secret that systemd passed as `name`: the text of `$CREDENTIALS_DIRECTORY/name` without its
/// last line break, or nothing when there is no such credential.
pub fn credential(name: &str) -> Result<Option<String>> {
    let Some(directory) = std::env::var_os("CREDENTIALS_DIRECTORY") else {
        return Ok(None);
    };
    let path = Path::new(&directory).join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::Credential {
            path,
            source: error,
        }),
    }
}

/// The known name that is spelled most like `name`, if any is near enough to be meant.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), *candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn parse(toml: &str) -> Result<Config> {
        Config::extract(&Figment::new().merge(Toml::string(toml)))
    }

    #[test]
    fn an_empty_file_is_the_defaults() {
        assert_eq!(parse("").expect("valid"), Config::default());
    }

    #[test]
    fn every_section_is_read() {
        let config = parse(
            r#"
            [kafka]
            bootstrap_servers = "a:1,b:2"
            [ingestor]
            flush_interval = "250ms"
            flush_bytes = "8MiB"
            on_out_of_range = "record_gap"
            [ingestor.topic.listen_events]
            format = "json-unframed"
            event_time = "kafka"
            [ingestor.topic.'^music\.']
            subject = "topic-record"
            [clickhouse]
            url = "http://c:8123"
            "#,
        )
        .expect("valid");
        assert_eq!(config.kafka.bootstrap_servers, "a:1,b:2");
        assert_eq!(config.ingestor.flush_interval.0, Duration::from_millis(250));
        assert_eq!(config.ingestor.flush_bytes, Bytes(8 << 20));
        assert_eq!(config.ingestor.on_out_of_range, OnOutOfRange::RecordGap);
        let listen = &config.ingestor.topic["listen_events"];
        assert_eq!(listen.format, Some(Format::JsonUnframed));
        let music = &config.ingestor.topic["^music\\."];
        assert_eq!(music.subject, Some(Subject::TopicRecord));
        assert_eq!(config.clickhouse.url.as_deref(), Some("http://c:8123"));
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_one() {
        let message = parse("[kafka]\nbootstrap_server = \"a:1\"")
            .expect_err("refused")
            .to_string();
        assert!(
            message.contains("unknown key `kafka.bootstrap_server`"),
            "{message}"
        );
        assert!(
            message.contains("did you mean `kafka.bootstrap_servers`?"),
            "{message}"
        );
        let message = parse("[kafak]\ngroup = \"g\"")
            .expect_err("refused")
            .to_string();
        assert!(message.contains("did you mean `kafka`?"), "{message}");
    }

    #[test]
    fn a_value_of_another_type_is_refused_with_what_is_expected() {
        let message = parse("[ingestor]\nflush_interval = 10")
            .expect_err("refused")
            .to_string();
        assert!(message.contains("flush_interval"), "{message}");
        assert!(message.contains("a duration such as"), "{message}");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let missing = Path::new("/nonexistent/goldrecord.toml");
        let message = Config::load(Some(missing))
            .expect_err("refused")
            .to_string();
        assert!(
            message.contains("/nonexistent/goldrecord.toml"),
            "{message}"
        );
    }
}
