//! New columns in a topic's table.

use std::sync::Arc;

use arrow::datatypes::{Fields, SchemaRef};
use goldrecord_lake::{Error as LakeError, MetadataChange, Outcome, Proposal, Refusal, Snapshot};

use super::Keeper;
use crate::bronze;
use crate::decode::{Field, Misfit, merge};
use crate::error::Result;
use crate::metrics::Server;
use crate::shared::Backoff;

impl Keeper<'_> {
    /// Adds columns. The answer is the schema now there, or what does not fit it.
    pub(super) fn evolve(
        &self,
        snapshot: &mut Snapshot,
        fields: &[Field],
    ) -> Result<Option<Result<SchemaRef, Misfit>>> {
        fail::fail_point!("ingestor::before-evolve", |_| Err(crate::Error::Failpoint(
            "ingestor::before-evolve"
        )));
        loop {
            if self.refresh(snapshot)?.is_none() {
                return Ok(None);
            }
            let current: Fields = bronze::event_fields(&snapshot.schema);
            let merged = match merge(&current, fields) {
                Ok(Some(merged)) => merged,
                Ok(None) => return Ok(Some(Ok(Arc::clone(&snapshot.schema)))),
                Err(misfit) => return Ok(Some(Err(misfit))),
            };
            let metadata = MetadataChange {
                schema: bronze::with_event_fields(&snapshot.schema, &merged),
                ..MetadataChange::of(snapshot)
            };
            let proposal = Proposal {
                operation: "ADD COLUMNS".into(),
                metadata: Some(metadata),
                ..Proposal::default()
            };
            match self
                .shared
                .runtime
                .block_on(self.table.commit(snapshot, &proposal))
            {
                Ok(Outcome::Committed { version }) => {
                    tracing::info!(
                        topic = self.topic,
                        version,
                        columns = merged.len(),
                        "the table has new columns"
                    );
                }
                // Somebody else's columns: merge with those.
                Ok(Outcome::Refused(Refusal::SchemaMoved)) => {}
                Ok(Outcome::Refused(refusal)) => return Err(self.refused(&refusal)),
                Err(LakeError::TypeChange {
                    column,
                    current,
                    wanted,
                }) => {
                    return Ok(Some(Err(Misfit(format!(
                        "field `{column}`: the table's column is {current}, not {wanted}"
                    )))));
                }
                Err(LakeError::UnsupportedType { column, why }) => {
                    return Ok(Some(Err(Misfit(format!("field `{column}`: {why}")))));
                }
                Err(error) if error.is_unavailable() => {
                    self.shared
                        .wait_begins(Server::Lake, &self.topic, &error.to_string());
                    if !Backoff::new().pause(self.shared) {
                        return Ok(None);
                    }
                }
                Err(source) => return Err(self.lake_error(source)),
            }
        }
    }
}
