//! `watch`: builds as commits arrive.

use std::sync::Arc;

use goldrecord_lake::Lake;
use goldrecord_service::metrics::{Registry, serve};
use goldrecord_service::{Config, Shutdown};

use super::arguments::{Cli, Pick};
use super::build::options;
use super::{Exit, configuration, hooks, picked};
use crate::manifest::{Manifest, ResourceType};
use crate::output::Printer;
use crate::watch::{self, Metrics, Settings, schedule};
use crate::{Error, Result};

/// Build what reads a source whenever that has new rows, until a signal comes.
pub(super) async fn watch(
    cli: &Cli,
    printer: &Printer,
    manifest: &Manifest,
    pick: &Pick,
) -> Result<Exit> {
    let config = configuration(&cli.common)?;
    let kinds = [ResourceType::Model, ResourceType::Seed, ResourceType::Test];
    let selected = picked(printer, manifest, pick, &kinds)?;
    hooks::prepare(printer, manifest, &selected)?;
    let options = options(cli, manifest, &config, selected);
    let lake = Lake::open(&config.lake.url)?;
    let registry = Arc::new(Registry::new("layers"));
    let metrics = Metrics::new(&registry);
    if let Some(listen) = &config.metrics.listen {
        serve(listen, registry)
            .await
            .map_err(|error| Error::Usage(error.to_string()))?;
    }
    let shutdown = Shutdown::on_signals().map_err(|error| Error::Usage(error.to_string()))?;
    watch::watch(
        manifest,
        &options,
        &lake,
        settings(&config),
        &metrics,
        &shutdown,
        |_| {},
    )
    .await?;
    Ok(Exit::Done)
}

fn settings(config: &Config) -> Settings {
    let layers = &config.layers;
    Settings {
        poll: layers.watch_poll.0,
        schedule: schedule::Settings {
            settle: layers.watch_settle.0,
            interval: layers.watch_interval.0,
            retry: layers.watch_retry.0,
        },
    }
}
