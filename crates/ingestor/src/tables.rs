//! The topics' tables, made before anything is read, so that what reads them can be checked first.

use arrow::datatypes::Fields;
use goldrecord_lake::{Lake, TableSpec};
use goldrecord_registry::{Client, Schema};

use crate::bronze;
use crate::decode::{Misfit, merge};
use crate::error::{Error, Result};
use crate::offsets::Broker;
use crate::rewrite::failed;
use crate::schemas::{self, Schemas};
use crate::settings::Settings;
use crate::topics::Finder;

/// Make the table of every topic, with the columns of the topic's latest schema if one is registered.
/// A table that is there stays as it is: the ingestor adds what it lacks once it reads. Where there are patterns, the
/// brokers are asked which topics they find.
pub async fn make_tables(settings: &Settings, lake: &Lake, registry: &Client) -> Result<()> {
    let finder = Finder::new(settings)?;
    let there = if finder.has_patterns() {
        Broker::new(settings)?.topics().await?
    } else {
        Vec::new()
    };
    for (topic, own) in &finder.among(&there) {
        let subject = schemas::subject(topic, own);
        let latest = schemas::registered(registry, subject.as_deref()).await;
        let latest = latest.map_err(|source| Error::Registry {
            topic: topic.clone(),
            source: Box::new(source),
        })?;
        let schemas = Schemas::new(own.format);
        let spec = match &latest {
            None => bronze::spec(topic),
            Some(schema) => {
                with_columns_of(&schemas, schema, topic).map_err(|why| Error::Schema {
                    topic: topic.clone(),
                    subject: subject.clone().unwrap_or_default(),
                    schema: schema.id,
                    why,
                })?
            }
        };
        let table = lake.table(&bronze::path(topic));
        table.create(&spec).await.map_err(failed(&table))?;
    }
    Ok(())
}

/// The table of a topic whose events have this schema, or why it cannot be.
fn with_columns_of(schemas: &Schemas, schema: &Schema, topic: &str) -> Result<TableSpec, String> {
    let plan = schemas
        .read(schema)
        .map_err(|fault| fault.text.to_string())?;
    let fields = merge(&Fields::empty(), &plan.fields())
        .map_err(|Misfit(why)| why)?
        .unwrap_or_default();
    let bare = bronze::spec(topic);
    Ok(TableSpec {
        schema: bronze::with_event_fields(&bare.schema, &fields),
        ..bare
    })
}
