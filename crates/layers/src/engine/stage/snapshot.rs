//! The states that the rows of a snapshot's query enter, and those that end.

use std::collections::BTreeMap;
use std::sync::Arc;

use goldrecord_lake::{AddFile, MetadataChange, Snapshot};

use super::{Staged, Stager};
use crate::Result;
use crate::engine::incremental::{Columns, conform};
use crate::engine::plan;
use crate::engine::project::sql_of;
use crate::engine::snapshots::PlannedSnapshot;
use crate::engine::state::FINGERPRINT;
use crate::manifest::Relation;

/// So many files are asked at once whether a row of theirs ends.
const ASKED_AT_ONCE: usize = 64;

impl Stager<'_> {
    /// Write the states that are new, and anew the files with states that end: one commit's worth.
    pub async fn snapshot(&self, planned: &PlannedSnapshot) -> Result<Staged> {
        let mut change = MetadataChange::of(self.live);
        change
            .properties
            .insert(FINGERPRINT.to_owned(), planned.table.fingerprint.clone());
        if change.schema != planned.table.schema {
            change.schema = Arc::clone(&planned.table.schema);
        }
        let session = self.session(&BTreeMap::new()).await?;
        let Some(columns) = &planned.columns else {
            change
                .partition_columns
                .clone_from(&self.node.config.partition_by);
            change.description =
                Some(self.node.description.clone()).filter(|text| !text.is_empty());
            let defined = self.live.planned(&change);
            let first = plan::logical(
                &session,
                self.node,
                &planned.queries.first(sql_of(self.node)),
            )
            .await?;
            let adds = self
                .write(&session, plan::storable(self.node, first)?, &defined)
                .await?;
            let removes = self.live.files.keys().cloned().collect();
            let metadata = (change != MetadataChange::of(self.live)).then_some(change);
            return Ok(Staged {
                way: "snapshot",
                adds,
                removes,
                metadata,
                defined,
            });
        };
        let defined = self.live.planned(&change);
        // The query's rows are met twice: they are written once, beside the table.
        let rows = MetadataChange {
            schema: Arc::new(planned.source.clone()),
            partition_columns: Vec::new(),
            ..change.clone()
        };
        let rows = self.live.planned(&rows);
        let query = plan::logical(&session, self.node, sql_of(self.node)).await?;
        let query = conform(
            self.node,
            plan::storable(self.node, query)?,
            &planned.source,
        )?;
        let new = self
            .write_as(&session, query, &rows, Arc::clone(&rows.schema))
            .await?;
        let exchanged = self.states(planned, columns, &new, &rows, &defined).await;
        self.table.discard(&new).await?;
        let (adds, removes) = exchanged?;
        Ok(Staged {
            way: "snapshot",
            adds,
            removes: removes.into_iter().map(|file| file.path).collect(),
            metadata: (change != MetadataChange::of(self.live)).then_some(change),
            defined,
        })
    }

    async fn states(
        &self,
        planned: &PlannedSnapshot,
        columns: &Columns,
        new: &[AddFile],
        rows: &Snapshot,
        defined: &Snapshot,
    ) -> Result<(Vec<AddFile>, Vec<AddFile>)> {
        let there: Vec<AddFile> = self.live.files.values().cloned().collect();
        let meeting = || {
            vec![
                (Relation::new("new", "rows"), rows, new.to_vec()),
                (Relation::new("there", "rows"), self.live, there.clone()),
            ]
        };
        let removal = planned.queries.removal();
        let mut touched = Vec::new();
        for files in there.chunks(ASKED_AT_ONCE) {
            touched.extend(self.holding(&removal, files, meeting()).await?);
        }
        let session = self.over(meeting())?;
        let mut adds = self
            .answered(&session, &planned.queries.inserts(), columns, defined)
            .await?;
        if !touched.is_empty() {
            let mut tables = meeting();
            tables.push((Relation::new("touched", "rows"), self.live, touched.clone()));
            let session = self.over(tables)?;
            let ended = planned.queries.ended(&self.live.schema);
            adds.extend(self.answered(&session, &ended, columns, defined).await?);
        }
        Ok((adds, touched))
    }
}
