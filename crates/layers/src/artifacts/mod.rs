//! What a command leaves in the target folder for other programs: `manifest.json`,
//! `run_results.json`, `sources.json` and `catalog.json`, in dbt's schemas; and what an earlier command left there.

mod catalog_json;
mod documented;
mod manifest_json;
mod operations;
mod previous;
mod recorder;
mod run_results;
mod sources_json;

use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

pub use catalog_json::catalog_json;
pub use manifest_json::manifest_json;
pub use previous::Previous;
pub use recorder::Recorder;
pub use run_results::run_results_json;
pub use sources_json::{Loaded, SourceResult, sources_json};

use crate::{Error, Result};

/// The dbt whose schemas the files follow.
const DBT_VERSION: &str = "1.12.0";
/// The name of the manifest's file.
pub const MANIFEST: &str = "manifest.json";
/// The name of the results' file.
pub const RUN_RESULTS: &str = "run_results.json";
/// The name of the file of what is in the lake.
pub const CATALOG: &str = "catalog.json";
/// The name of the file of how fresh sources are.
pub const SOURCES: &str = "sources.json";
/// The name of the file of where columns come from.
pub const COLUMN_LINEAGE: &str = "column_lineage.json";

/// One run of a command, as its files name it.
#[derive(Clone, Debug)]
pub struct Invocation {
    id: String,
    started_at: DateTime<Utc>,
}

impl Invocation {
    /// The one that begins now.
    pub fn begin() -> Self {
        let started_at = Utc::now();
        // Two commands of one process id do not begin in one nanosecond.
        let seed = format!(
            "{}/{}",
            started_at.timestamp_nanos_opt().unwrap_or_default(),
            std::process::id()
        );
        let hash = crate::project::md5(&seed);
        let id = format!(
            "{}-{}-4{}-8{}-{}",
            &hash[..8],
            &hash[8..12],
            &hash[13..16],
            &hash[17..20],
            &hash[20..32]
        );
        Self { id, started_at }
    }

    /// Its id, a UUID.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The `metadata` that every file begins with.
    pub(crate) fn metadata(&self, schema: &str) -> Value {
        json!({
            "dbt_schema_version": format!("https://schemas.getdbt.com/dbt/{schema}.json"),
            "dbt_version": DBT_VERSION,
            "generated_at": time(Utc::now()),
            "invocation_id": self.id,
            "invocation_started_at": time(self.started_at),
            "env": {},
        })
    }
}

/// A moment as dbt's files have it.
pub(crate) fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Write a file of the target folder, whole or not at all.
pub fn write(folder: &Path, name: &str, content: &Value) -> Result<()> {
    write_text(folder, name, &content.to_string())
}

/// Write a file of text, whole or not at all.
pub fn write_text(folder: &Path, name: &str, text: &str) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|error| Error::file(folder, error))?;
    let path = folder.join(name);
    let partial = folder.join(format!(".{name}.{}", std::process::id()));
    std::fs::write(&partial, text)
        .and_then(|()| std::fs::rename(&partial, &path))
        .map_err(|error| {
            // The error that matters is the first.
            let _ = std::fs::remove_file(&partial);
            Error::file(path, error)
        })
}

/// A JSON file's content; `None` where there is no such file.
pub fn read(path: &Path) -> Result<Option<Value>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::file(path, error)),
    };
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|error| Error::file(path, error.into()))
}
