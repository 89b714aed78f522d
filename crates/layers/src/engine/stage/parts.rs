//! Rows computed some output partitions at a time, so that fewer of them are in memory at once.

use std::collections::{BTreeMap, HashMap};

use datafusion::common::ScalarValue;
use goldrecord_lake::{AddFile, Snapshot};

use super::Stager;
use crate::Result;
use crate::engine::memory::pieces::groups;
use crate::engine::touched::{self, Values};
use crate::engine::ways::{InParts, Replace};

impl Stager<'_> {
    /// The files of those partitions computed anew, and the live ones that they replace.
    pub(super) async fn replaced(
        &self,
        replace: &Replace,
        values: &Values,
    ) -> Result<(Vec<AddFile>, Vec<String>)> {
        let output = self.output_field(&replace.column);
        let mut weights = self.weights(replace)?;
        weights.retain(|value, _| values.contains(value));
        for value in values {
            weights.entry(value.clone()).or_insert(0);
        }
        let groups = groups(weights.into_iter().collect(), self.share.turn.piece());
        let adds = self.computed(replace, &groups, self.live).await?;
        let gone = touched::live_files(self.live, output, values)?;
        Ok((adds, gone.into_iter().map(|file| file.path).collect()))
    }

    /// All rows, at once.
    pub(super) async fn whole(&self, defined: &Snapshot) -> Result<Vec<AddFile>> {
        let session = self.session(&BTreeMap::new()).await?;
        self.write(&session, self.output(&session).await?, defined)
            .await
    }

    /// All rows; where they are many, some partitions at a time.
    pub(super) async fn in_parts(
        &self,
        parts: &InParts,
        defined: &Snapshot,
    ) -> Result<Vec<AddFile>> {
        let output = self.output_field(&parts.replace.column);
        let weights = self.weights(&parts.replace)?;
        let all: Values = weights.keys().cloned().collect();
        let groups = groups(weights.into_iter().collect(), self.share.turn.piece());
        if groups.len() < 2 {
            return self.whole(defined).await;
        }
        let mut adds = self.computed(&parts.replace, &groups, defined).await?;
        if !parts.covers {
            // Rows that other tables alone give.
            let others = async {
                let session = self.session(&BTreeMap::new()).await?;
                let plan = touched::except(self.output(&session).await?, output, &all)?;
                self.write(&session, plan, defined).await
            };
            match others.await {
                Ok(others) => adds.extend(others),
                Err(error) => {
                    self.table.discard(&adds).await?;
                    return Err(error);
                }
            }
        }
        Ok(adds)
    }

    /// The bytes of data files behind each output partition.
    fn weights(&self, replace: &Replace) -> Result<HashMap<ScalarValue, i64>> {
        let session = self.project.engine.session([]);
        let output = self.output_field(&replace.column);
        touched::weights(&session, replace, output, self.upstreams)
    }

    /// The files of those groups of partitions, computed one group after the other.
    async fn computed(
        &self,
        replace: &Replace,
        groups: &[Values],
        defined: &Snapshot,
    ) -> Result<Vec<AddFile>> {
        let mut adds = Vec::new();
        for group in groups {
            match self.group(replace, group, defined).await {
                Ok(written) => adds.extend(written),
                Err(error) => {
                    self.table.discard(&adds).await?;
                    return Err(error);
                }
            }
        }
        Ok(adds)
    }

    async fn group(
        &self,
        replace: &Replace,
        values: &Values,
        defined: &Snapshot,
    ) -> Result<Vec<AddFile>> {
        let output = self.output_field(&replace.column);
        let inputs = touched::inputs(
            &self.project.engine.session([]),
            replace,
            replace.reach.of_partitions(),
            output,
            self.upstreams,
            values,
        )?;
        let session = self.session(&inputs).await?;
        let plan = touched::only(self.output(&session).await?, output, values)?;
        self.write(&session, plan, defined).await
    }
}
