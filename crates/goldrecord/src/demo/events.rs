//! Bronze holds the demo's events: what an earlier run left is kept, taken up or begun anew.

use goldrecord_lake::Lake;
use goldrecord_layers::engine;
use goldrecord_layers::manifest::Manifest;
use goldrecord_loader::LoaderSettings;
use goldrecord_registry::Client;
use goldrecord_service::Shutdown;

use super::place::{IngestFigures, Place, Settings, Stage, State};
use super::progress::Progress;
use super::servers::{self, Servers};
use super::{Options, ingest, interruptible};
use crate::output::thousands;
use crate::{Error, Result};

/// See to it that bronze holds the events, and say whether that took anything.
#[expect(clippy::too_many_arguments, reason = "it decides between all of them")]
pub async fn run(
    options: &Options,
    settings: &Settings,
    manifest: &Manifest,
    place: &Place,
    servers: &Servers,
    lake: &Lake,
    progress: &Progress,
    shutdown: &Shutdown,
) -> Result<IngestFigures> {
    let earlier = if options.fresh { None } else { place.state()? };
    match &earlier {
        Some(state) if state.settings != *settings => {
            return Err(Error::OtherDemo {
                dir: place.dir().to_owned(),
                there: state.settings.to_string(),
            });
        }
        Some(State {
            stage: Stage::Ingested,
            ingest: Some(figures),
            ..
        }) => {
            progress.say(&format!(
                "  ✓ bronze holds these {} events already",
                thousands(figures.events)
            ));
            return Ok(*figures);
        }
        Some(_) if servers.is_embedded() => {
            progress.say(
                "  an earlier run was interrupted on the way to bronze, and its broker went with it: starting again from an empty bronze",
            );
            lake.remove_all("bronze").await?;
        }
        Some(_) => {
            progress.say(
                "  an earlier run was interrupted on the way to bronze: starting again with empty topics and an empty lake",
            );
            interruptible(shutdown, start_over(servers, lake)).await?;
        }
        None if servers.is_embedded() => lake.remove_all("").await?,
        None if options.fresh => interruptible(shutdown, start_over(servers, lake)).await?,
        None => interruptible(shutdown, must_be_empty(servers, lake)).await?,
    }
    interruptible(shutdown, Box::pin(plan(manifest, servers, lake))).await?;
    let state = State {
        settings: settings.clone(),
        stage: Stage::Ingesting,
        ingest: None,
    };
    place.set_state(&state)?;
    let figures = ingest::run(
        servers,
        &settings.source,
        &place.ledger(),
        progress,
        shutdown,
    )
    .await?;
    place.set_state(&State {
        stage: Stage::Ingested,
        ingest: Some(figures),
        ..state
    })?;
    Ok(figures)
}

/// Make the tables that events will go to, and plan every model over them: one that cannot work is told
/// before the first event is made.
async fn plan(manifest: &Manifest, servers: &Servers, lake: &Lake) -> Result<()> {
    let registry = Client::of(&servers.config.registry)?;
    goldrecord_eventsim::register(&registry, ingest::FORMAT).await?;
    let settings = goldrecord_ingestor::Settings::load(&servers.config)?;
    goldrecord_ingestor::make_tables(&settings, lake, &registry).await?;
    engine::plan_all(manifest, lake, &manifest.nodes.keys().cloned().collect()).await?;
    Ok(())
}

/// Real servers may hold what is not the demo's: nothing of it is touched without being told to.
async fn must_be_empty(servers: &Servers, lake: &Lake) -> Result<()> {
    let records = servers::records(&servers.brokers()?).await?;
    if records > 0 {
        return Err(Error::Refused(format!(
            "the topics at {} hold {} records already, and the demo counts on empty ones: name other servers with --config, or let --fresh remove the topics, the lake and the ClickHouse databases",
            servers.config.kafka.bootstrap_servers,
            thousands(records)
        )));
    }
    let tables = lake.tables().await?;
    if let Some(table) = tables.first() {
        return Err(Error::Refused(format!(
            "{} holds {} tables already ({table} …), and the demo counts on an empty lake: name another one with --config, or let --fresh remove the topics, the lake and the ClickHouse databases",
            lake.url(),
            tables.len()
        )));
    }
    Ok(())
}

/// Empty topics, an empty lake and no release on the real servers.
async fn start_over(servers: &Servers, lake: &Lake) -> Result<()> {
    if let Some(settings) = LoaderSettings::of(&servers.config)? {
        goldrecord_loader::forget(&settings).await?;
    }
    servers::empty_topics(&servers.brokers()?).await?;
    lake.remove_all("").await?;
    Ok(())
}
