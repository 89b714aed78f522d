//! `build`, `run`, `test` and `seed`: one build with other types of node.

use goldrecord_lake::Lake;
use goldrecord_service::{Config, Shutdown};

use super::arguments::{Cli, Run};
use super::{Exit, configuration, picked};
use crate::engine::{self, BuildOptions};
use crate::manifest::{Manifest, ResourceType};
use crate::output::Printer;
use crate::{Error, Result};

/// Build the selected nodes of these types.
pub(super) async fn build(
    cli: &Cli,
    printer: &Printer,
    manifest: &Manifest,
    run: &Run,
    kinds: &[ResourceType],
) -> Result<Exit> {
    let config = configuration(&cli.common)?;
    let selected = picked(printer, manifest, &run.pick, kinds)?;
    if selected.is_empty() {
        printer.info("Nothing to do. Try checking your model configs and model specification args");
        return Ok(Exit::Done);
    }
    let options = BuildOptions {
        selected,
        threads: threads(cli, manifest, &config),
        memory: config.layers.memory.0 as usize,
        full_refresh: run.full_refresh,
        fail_fast: run.fail_fast,
        publish: manifest.target == config.layers.target,
    };
    let lake = Lake::open(&config.lake.url)?;
    let shutdown = Shutdown::on_signals().map_err(|error| Error::Usage(error.to_string()))?;
    let report = engine::build(manifest, &options, &lake, &shutdown, printer).await?;
    printer.summary(manifest, &report);
    Ok(if report.is_ok() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn threads(cli: &Cli, manifest: &Manifest, config: &Config) -> usize {
    let configured = Some(config.layers.threads).filter(|threads| *threads > 0);
    cli.common
        .threads
        .or(manifest.threads)
        .or(configured)
        .unwrap_or_else(|| BuildOptions::default().threads)
        .max(1)
}
