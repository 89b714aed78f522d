//! What the loader needs in `ClickHouse` before the first release, made ahead of it.

use serde::Deserialize;

use crate::clickhouse::ClickHouse;
use crate::error::Result;
use crate::names::{Names, text};
use crate::settings::LoaderSettings;
use crate::store::Store;

/// Something that the loader needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// `database gold` or `table gold._releases`.
    pub name: String,
    /// Whether it was there already.
    pub was_there: bool,
}

/// Makes the databases and the list of releases where they are missing; with `dry_run` only says which are.
pub async fn prepare(settings: &LoaderSettings, dry_run: bool) -> Result<Vec<Needed>> {
    let server = ClickHouse::connect(settings).await?;
    let names = Names::of(&settings.database);
    let there = existing(&server, &names).await?;
    if !dry_run && there.contains(&false) {
        Store::connect(settings).await?.prepare().await?;
    }
    let needed = [
        format!("database {}", names.readers),
        format!("database {}", names.data),
        format!("table {}._releases", names.readers),
    ];
    Ok(needed
        .into_iter()
        .zip(there)
        .map(|(name, was_there)| Needed { name, was_there })
        .collect())
}

/// Whether the readers' database, the rows' and the list of releases are there.
async fn existing(server: &ClickHouse, names: &Names) -> Result<[bool; 3]> {
    #[derive(Deserialize)]
    struct Counts {
        readers: u8,
        data: u8,
        releases: u8,
    }
    let sql = format!(
        "SELECT toUInt8((SELECT count() FROM system.databases WHERE name = {readers})) AS readers, \
         toUInt8((SELECT count() FROM system.databases WHERE name = {data})) AS data, \
         toUInt8((SELECT count() FROM system.tables WHERE database = {readers} AND name = '_releases')) AS releases",
        readers = text(&names.readers),
        data = text(&names.data),
    );
    let found: Vec<Counts> = server.rows("look for the loader's databases", &sql).await?;
    Ok(found.first().map_or([false; 3], |found| {
        [found.readers, found.data, found.releases].map(|count| count > 0)
    }))
}
