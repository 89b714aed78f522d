//! Where to load to, and what to keep there.

use std::time::Duration;

use goldrecord_service::config::{self, Config};

/// Where to load to, and what to keep there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoaderSettings {
    /// The HTTP interface, `http://host:8123`.
    pub url: String,
    /// The database that readers see; rows lie in `<database>_data`. Made where missing.
    pub database: String,
    /// The user that loads; it makes databases, tables and views.
    pub user: String,
    /// Its password; none is sent where there is none.
    pub password: Option<String>,
    /// The dbt target whose published builds are loaded.
    pub target: String,
    /// How many releases to keep; at least two are, for queries that began in the one before.
    pub keep_releases: u32,
    /// How old rows that no release lists must be before they are dropped.
    pub orphan_age: Duration,
    /// Tables that may become empty, which is refused otherwise.
    pub allow_empty: Vec<String>,
}

impl Default for LoaderSettings {
    fn default() -> Self {
        Self {
            url: "http://localhost:8123".to_owned(),
            database: "gold".to_owned(),
            user: "default".to_owned(),
            password: None,
            target: Config::default().layers.target,
            keep_releases: 3,
            orphan_age: Duration::from_hours(24),
            allow_empty: Vec::new(),
        }
    }
}

impl LoaderSettings {
    /// What `goldrecord.toml` says, with the password from `$CREDENTIALS_DIRECTORY/clickhouse-password`.
    /// `None` where `[clickhouse] url` is not set: then nothing is loaded.
    pub fn of(config: &Config) -> Result<Option<Self>, goldrecord_service::Error> {
        let Some(url) = config.clickhouse.url.clone() else {
            return Ok(None);
        };
        Ok(Some(Self {
            url,
            database: config.clickhouse.database.clone(),
            user: config.clickhouse.user.clone(),
            password: config::credential("clickhouse-password")?,
            target: config.layers.target.clone(),
            keep_releases: config.clickhouse.keep_releases,
            ..Self::default()
        }))
    }
}
