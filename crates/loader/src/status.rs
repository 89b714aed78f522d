//! What is in `ClickHouse`.

use serde::Serialize;

use crate::error::Result;
use crate::release::{Published, Release};
use crate::settings::LoaderSettings;
use crate::store::Store;

/// What is in `ClickHouse`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The database that readers see.
    pub database: String,
    /// Every release that is kept, the current one first; none where nothing was ever loaded.
    pub releases: Vec<ReleaseStatus>,
}

/// One release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReleaseStatus {
    /// Its number.
    pub release: Release,
    /// The release whose rows it shows; another one after a rollback.
    pub shows: Release,
    /// When it was published, in milliseconds since 1970.
    pub published_at_ms: i64,
    /// Its tables.
    pub tables: Vec<TableStatus>,
}

/// One table of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableStatus {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: u64,
    /// The version of the lake's table.
    pub lake_version: i64,
    /// How many slices it has.
    pub slices: usize,
}

/// Reads what is in `ClickHouse`; nothing is made where nothing is.
pub async fn status(settings: &LoaderSettings) -> Result<Status> {
    let store = Store::connect(settings).await?;
    let release = |published: Published| ReleaseStatus {
        release: published.release,
        shows: published.shows,
        published_at_ms: published.at_ms,
        tables: published
            .tables
            .iter()
            .map(|t| TableStatus {
                name: t.name.clone(),
                rows: t.rows(),
                lake_version: t.lake_version,
                slices: t.slices.len(),
            })
            .collect(),
    };
    Ok(Status {
        database: settings.database.clone(),
        releases: store.releases().await?.into_iter().map(release).collect(),
    })
}
