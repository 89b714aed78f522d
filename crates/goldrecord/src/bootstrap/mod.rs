//! `goldrecord bootstrap`: what the services need before they start, made where it is missing.
//!
//! What is there is left as it is, so that it can run before every start.

mod report;
mod topics;

use std::time::{Duration, Instant};

use clap::Args;
use goldrecord_contract::{Topic, avro_schema, json_schema};
use goldrecord_ingestor::{Settings, TopicSettings, bronze, make_tables};
use goldrecord_lake::Lake;
use goldrecord_loader::LoaderSettings;
use goldrecord_registry::{Client, Compatibility, SchemaType};
use goldrecord_service::config::{Format, Span};
use goldrecord_service::{Config, Shutdown, notify};

use crate::clients::Brokers;
use crate::{Error, Result};
use report::{Item, Kind, Report, State};

pub use topics::{Shape, make as make_topics};

/// How soon servers that were away are asked again.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// How to go about it.
#[derive(Debug, Args)]
pub struct Options {
    /// Only say what is missing
    #[arg(long)]
    dry_run: bool,
    /// Write JSON
    #[arg(long)]
    json: bool,
    /// How long servers that do not answer are waited for, such as 5m
    #[arg(long, value_name = "TIME", default_value = "0s")]
    wait: Span,
}

/// Make what is missing, and say so.
pub async fn run(options: &Options, config: &Config, shutdown: &Shutdown) -> Result<()> {
    let begun = Instant::now();
    let mut told = String::new();
    let report = loop {
        let error = match once(config, options.dry_run).await {
            Ok(report) => break report,
            Err(error) => error,
        };
        if !is_passing(&error) || begun.elapsed() + ASK_AGAIN > options.wait.0 {
            return Err(error);
        }
        let why = error.to_string();
        if why != told {
            tracing::warn!("waiting: {why}");
            notify::status(&format!("waiting: {why}"));
            told = why;
        }
        let waited = shutdown
            .unless_requested(tokio::time::sleep(ASK_AGAIN))
            .await;
        if waited.is_none() {
            return Err(Error::Stopped("nothing that was made is undone"));
        }
    };
    crate::print(options.json, &report, || report.text())
}

/// Whether the same may succeed later without anybody mending anything.
fn is_passing(error: &Error) -> bool {
    match error {
        Error::KafkaSilent { .. } => true,
        Error::Registry(error) => error.is_unavailable(),
        Error::Lake(error) => error.is_unavailable(),
        Error::Ingestor(error) => match &**error {
            goldrecord_ingestor::Error::Registry { source, .. } => source.is_unavailable(),
            goldrecord_ingestor::Error::Lake { source, .. } => source.is_unavailable(),
            _ => false,
        },
        Error::Loader(error) => matches!(error, goldrecord_loader::Error::Unreachable { .. }),
        _ => false,
    }
}

async fn once(config: &Config, dry_run: bool) -> Result<Report> {
    let settings = Settings::load(config)?;
    settings.check()?;
    let brokers = Brokers::of(&config.kafka)?;
    let registry = Client::of(&config.registry)?;
    let lake = Lake::open(&config.lake.url)?;

    let names: Vec<&str> = settings.topics.keys().map(String::as_str).collect();
    let shape = Shape::of(&config.bootstrap);
    let mut items = make_topics(&brokers, &names, &shape, dry_run).await?;
    for (name, own) in &settings.topics {
        items.push(schema(&registry, name, own, dry_run).await?);
    }
    items.append(&mut tables(&settings, &lake, &registry, dry_run).await?);
    if let Some(loader) = LoaderSettings::of(config)? {
        let needed = goldrecord_loader::prepare(&loader, dry_run).await?;
        items.extend(needed.into_iter().map(|needed| {
            let state = State::of(needed.was_there, dry_run);
            Item::new(Kind::ClickHouse, needed.name, state, String::new())
        }));
    }
    Ok(Report { items })
}

/// The schema of a topic of ours. What others send is theirs to register.
async fn schema(registry: &Client, name: &str, own: &TopicSettings, dry_run: bool) -> Result<Item> {
    let subject = format!("{name}-value");
    let before = match registry.latest(&subject).await {
        Ok(latest) => Some(latest.schema.id),
        Err(goldrecord_registry::Error::Unknown { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let Some(topic) = Topic::from_name(name) else {
        let note = match before {
            Some(_) => String::new(),
            None => "none is known for this topic: its producer registers it".to_owned(),
        };
        return Ok(Item::new(Kind::Schema, subject, State::There, note));
    };
    if dry_run {
        let state = State::of(before.is_some(), dry_run);
        return Ok(Item::new(Kind::Schema, subject, state, String::new()));
    }
    let (schema_type, text) = match own.format {
        Format::Avro => (SchemaType::Avro, avro_schema(topic)),
        Format::Json | Format::JsonUnframed => (SchemaType::Json, json_schema(topic)),
    };
    let id = registry.register(&subject, schema_type, &text).await?;
    if before.is_none() {
        // What reads a topic takes its latest schema, and must go on reading what was written before.
        registry
            .set_compatibility(&subject, Compatibility::Backward)
            .await?;
    }
    let note = match before {
        Some(before) if before != id => format!("id {id}; the latest is {before}"),
        _ => format!("id {id}"),
    };
    let state = State::of(before.is_some(), dry_run);
    Ok(Item::new(Kind::Schema, subject, state, note))
}

/// The topics' tables, and the lake's folders with them.
async fn tables(
    settings: &Settings,
    lake: &Lake,
    registry: &Client,
    dry_run: bool,
) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for name in settings.topics.keys() {
        let path = bronze::path(name);
        let was_there = lake.table(&path).latest().await?.is_some();
        let state = State::of(was_there, dry_run);
        items.push(Item::new(Kind::Table, path, state, String::new()));
    }
    if !dry_run {
        make_tables(settings, lake, registry).await?;
    }
    Ok(items)
}
