//! The rows of those keys computed anew that the added files have rows of.

use std::collections::BTreeMap;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};
use goldrecord_lake::AddFile;

use super::new_keys::{MOST_BYTES, values_of};
use super::{Staged, Stager};
use crate::engine::lineage::column_at;
use crate::engine::touched::{self, Values};
use crate::engine::ways::Replace;
use crate::{Error, Result};

/// With more keys than this the touched partitions are computed anew: a list of keys is compared
/// with every row read.
const MOST_KEYS: usize = 4096;

impl Stager<'_> {
    /// Compute anew the rows of the keys that the added files have rows of. Which days such a row
    /// draws on is known from where it stands in the table: a neighbouring day is read only if
    /// some of these rows reach into it.
    pub(super) async fn by_key(&self, key: &str, otherwise: &Replace) -> Result<Staged> {
        let added = self.added_files();
        let bytes: i64 = added.values().flatten().map(|file| file.size).sum();
        if bytes > MOST_BYTES.min(self.share.turn.collected()) {
            return self.replace(otherwise).await;
        }
        let session = self.session(&added).await?;
        let plan = distinct(self.output(&session).await?, key)?;
        let rows = self.collect(&session, plan).await?;
        let keys = values_of(&rows, key, self.output_field(key))?;
        // An empty text counts as null in a partition's value, so it is left to the other way too.
        if keys.len() > MOST_KEYS || keys.iter().any(ScalarValue::is_null) {
            return self.replace(otherwise).await;
        }
        let (stood, there) = self.standing(key, otherwise, &keys).await?;
        let session = self
            .session(&self.inputs_of_keys(otherwise, &stood)?)
            .await?;
        let plan = self.output(&session).await?;
        let plan = filtered(plan, |plan| among(plan, key, &keys))?;
        let mut adds = self.write(&session, plan, self.live).await?;
        if !there.is_empty() {
            match self.without(key, &keys, there.clone()).await {
                Ok(stays) => adds.extend(stays),
                Err(error) => {
                    self.table.discard(&adds).await?;
                    return Err(error);
                }
            }
        }
        let gone = there.into_iter().map(|file| file.path).collect();
        Ok(self.staged("replace keys", adds, gone))
    }

    /// The partitions in which rows of these keys stand, and their files.
    async fn standing(
        &self,
        key: &str,
        replace: &Replace,
        keys: &Values,
    ) -> Result<(Values, Vec<AddFile>)> {
        let output = self.output_field(&replace.column);
        let possible = touched::partitions(
            &self.project.engine.session([]),
            replace,
            replace.reach.of_rows_before(),
            output,
            self.upstreams,
            self.differences,
        )?;
        let files = touched::live_files(self.live, output, &possible)?;
        if files.is_empty() {
            return Ok((Values::new(), Vec::new()));
        }
        let (session, rows) = self.live_rows(files).await?;
        let rows = filtered(rows, |plan| among(plan, key, keys))?;
        let plan = distinct(rows, &replace.column)?;
        let rows = self.collect(&session, plan).await?;
        let stood = values_of(&rows, &replace.column, output)?;
        let files = touched::live_files(self.live, output, &stood)?;
        Ok((stood, files))
    }

    /// The input files with rows of keys that stand in these partitions, or nowhere yet.
    fn inputs_of_keys(
        &self,
        replace: &Replace,
        stood: &Values,
    ) -> Result<BTreeMap<String, Vec<AddFile>>> {
        let session = self.project.engine.session([]);
        let output = self.output_field(&replace.column);
        let of = |days, wanted: &Values| {
            touched::inputs(&session, replace, days, output, self.upstreams, wanted)
        };
        // What stands nowhere yet has only rows that were added.
        let came = touched::partitions(
            &session,
            replace,
            0..=0,
            output,
            self.upstreams,
            self.differences,
        )?;
        let mut inputs = of(replace.reach.of_rows(), stood)?;
        for (table, files) in of(0..=0, &came)? {
            let all = inputs.entry(table).or_default();
            for file in files {
                if !all.iter().any(|known| known.path == file.path) {
                    all.push(file);
                }
            }
        }
        Ok(inputs)
    }

    /// The rows of live files that have none of the keys, written anew.
    async fn without(&self, key: &str, keys: &Values, files: Vec<AddFile>) -> Result<Vec<AddFile>> {
        let (session, rows) = self.live_rows(files).await?;
        let rows = filtered(rows, |plan| among(plan, key, keys).is_not_true())?;
        self.write(
            &session,
            crate::engine::plan::storable(self.node, rows)?,
            self.live,
        )
        .await
    }
}

fn column_of(plan: &LogicalPlan, name: &str) -> Expr {
    let index = plan
        .schema()
        .fields()
        .iter()
        .position(|field| field.name() == name)
        .expect("key and partition column are columns of the table");
    column_at(plan.schema(), index)
}

/// That a row has one of the keys.
fn among(plan: &LogicalPlan, key: &str, keys: &Values) -> Expr {
    let keys = keys.iter().map(|key| lit(key.clone())).collect();
    column_of(plan, key).in_list(keys, false)
}

fn filtered(plan: LogicalPlan, condition: impl Fn(&LogicalPlan) -> Expr) -> Result<LogicalPlan> {
    let condition = condition(&plan);
    LogicalPlanBuilder::from(plan)
        .filter(condition)
        .and_then(LogicalPlanBuilder::build)
        .map_err(Error::engine("take the rows of some keys"))
}

/// The values of a column, each once.
fn distinct(plan: LogicalPlan, column: &str) -> Result<LogicalPlan> {
    let column = column_of(&plan, column);
    LogicalPlanBuilder::from(plan)
        .project([column])
        .and_then(LogicalPlanBuilder::distinct)
        .and_then(LogicalPlanBuilder::build)
        .map_err(Error::engine("list the values of a column"))
}
