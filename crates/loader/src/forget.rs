//! Starting over: everything that a loader made, gone.

use crate::clickhouse::ClickHouse;
use crate::error::Result;
use crate::names::{Names, quoted};
use crate::settings::LoaderSettings;

/// Drops the readers' database and the one that holds the rows, releases included. For a lake that is made
/// anew: its builds count from one again, and a loader never goes back to a smaller number.
pub async fn forget(settings: &LoaderSettings) -> Result<()> {
    let server = ClickHouse::connect(settings).await?;
    let names = Names::of(&settings.database);
    for database in [&names.readers, &names.data] {
        let sql = format!("DROP DATABASE IF EXISTS {}", quoted(database));
        server
            .execute(&format!("drop the database {database}"), &sql)
            .await?;
    }
    Ok(())
}
