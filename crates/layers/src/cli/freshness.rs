//! `source freshness`: how old the newest row of each source's table is.

use std::path::Path;
use std::time::Instant;

use chrono::Utc;
use goldrecord_lake::Lake;

use super::arguments::{Cli, FreshnessOf};
use super::{Exit, configuration, picked};
use crate::artifacts::{self, Invocation, Loaded, SOURCES, SourceResult, sources_json};
use crate::manifest::{Age, Freshness, Manifest, Node};
use crate::output::Printer;
use crate::{Error, Result, engine};

/// Look at the selected sources' tables of which something is expected, and leave `sources.json`.
pub(super) async fn freshness(
    cli: &Cli,
    printer: &Printer,
    manifest: &Manifest,
    invocation: &Invocation,
    of: &FreshnessOf,
) -> Result<Exit> {
    let started = Instant::now();
    let lake = Lake::open(&configuration(&cli.common)?.lake.url)?;
    let selected = picked(printer, manifest, &of.pick, &[])?;
    let expected: Vec<(&Node, &Freshness)> = selected
        .iter()
        .filter_map(|unique_id| manifest.node(unique_id))
        .filter_map(|node| Some((node, node.freshness.as_ref()?)))
        .collect();
    if expected.is_empty() {
        printer.info("Nothing to do. Try checking your model configs and model specification args");
    }
    let mut results = Vec::new();
    for (at, (node, freshness)) in expected.iter().enumerate() {
        printer.freshness_started(at + 1, expected.len(), node);
        let result = look(&lake, node, freshness).await;
        printer.freshness_finished(at + 1, expected.len(), node, &result);
        results.push(result);
    }
    let content = sources_json(&results, started.elapsed(), invocation);
    match &of.output {
        Some(file) => {
            let folder = file.parent().filter(|folder| *folder != Path::new(""));
            let name = file.file_name().ok_or_else(|| {
                Error::Usage(format!("--output {} is no file's name", file.display()))
            })?;
            let folder = folder.unwrap_or(Path::new("."));
            artifacts::write(folder, &name.to_string_lossy(), &content)?;
        }
        None => super::leave(printer, manifest, SOURCES, &content),
    }
    printer.freshness_done(manifest, &results);
    let is_stale = results.iter().any(|result| {
        result
            .found
            .as_ref()
            .map_or(true, |loaded| loaded.age == Age::Error)
    });
    Ok(if is_stale { Exit::Failed } else { Exit::Done })
}

async fn look(lake: &Lake, node: &Node, freshness: &Freshness) -> SourceResult {
    let (started, clock) = (Utc::now(), Instant::now());
    let newest = engine::newest(lake, node, freshness).await;
    let found = newest.map(|max_loaded_at| {
        let snapshotted_at = Utc::now();
        let age = snapshotted_at - max_loaded_at;
        Loaded {
            max_loaded_at,
            snapshotted_at,
            age: freshness.of(age.as_seconds_f64()),
            criteria: freshness.clone(),
        }
    });
    SourceResult {
        unique_id: node.unique_id.clone(),
        found: found.map_err(|error| error.to_string()),
        started,
        elapsed: clock.elapsed(),
    }
}
