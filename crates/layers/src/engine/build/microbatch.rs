//! Microbatch models of a build: batch by batch, each in one commit, then the tests over the whole table.

use goldrecord_lake::MetadataChange;

use super::incremental::counted;
use super::nodes::expired;
use super::{Ended, Run};
use crate::engine::incremental::{Columns, PlannedIncremental, Step, Strategy};
use crate::engine::project::sql_of;
use crate::engine::state::loses;
use crate::engine::ways::Way;
use crate::manifest::Node;
use crate::microbatch::{Progress, STRATEGY, Settings, Window};
use crate::reporter::{BatchResults, Event, Status};
use crate::{Error, Result};

/// A batch and how far the build is once it is in the table.
#[derive(Clone, Copy)]
struct Batch {
    window: Window,
    is_first: bool,
    after: Progress,
}

impl Run<'_> {
    pub(super) async fn microbatch(
        &self,
        node: &Node,
        planned: &PlannedIncremental,
        settings: &Settings,
    ) -> Result<Ended> {
        let windows = self.windows(node, planned, settings)?;
        let Some(mut progress) = Progress::before(&windows) else {
            return self.unchanged(node, &self.snapshot_of_versions()).await;
        };
        let mut results = BatchResults::default();
        let (mut rows, mut wrong) = (0, Vec::new());
        for (index, window) in windows.iter().enumerate() {
            if self.is_stopped() {
                return Err(Error::Interrupted);
            }
            let mut after = progress;
            if results.failed.is_empty() {
                after.done = window.end;
            }
            let batch = Batch {
                window: *window,
                is_first: index == 0,
                after,
            };
            let name = settings.size.name(window.start);
            let place = format!("Batch {} of {}", index + 1, windows.len());
            match self.batch(node, planned, settings, batch).await {
                Ok(written) => {
                    let text = format!("{place} OK {name} of {} ({written} rows)", node.name);
                    self.reporter.event(&Event::Note { text });
                    results.successful.push(*window);
                    progress = after;
                    rows += written;
                }
                Err(
                    error @ (Error::Interrupted | Error::Superseded { .. } | Error::Refused { .. }),
                ) => return Err(error),
                Err(error) => {
                    let text = format!("{place} ERROR {name} of {}", node.name);
                    self.reporter.event(&Event::Note { text });
                    wrong.push(format!("batch {name}: {error}"));
                    results.failed.push(*window);
                    if index == 0 {
                        // As in dbt: where the first cannot be computed, none is tried.
                        results.failed.extend(&windows[1..]);
                        break;
                    }
                }
            }
        }
        let mut ended = self.ended(node, &results, &wrong).await?;
        if let Some(before) = self.options.retried.get(&node.unique_id) {
            results.successful.extend(&before.successful);
        }
        ended.rows = Some(rows);
        ended.batches = Some(results);
        Ok(ended)
    }

    /// The batches that are to be computed.
    fn windows(
        &self,
        node: &Node,
        planned: &PlannedIncremental,
        settings: &Settings,
    ) -> Result<Vec<Window>> {
        let versions = self.snapshot_of_versions();
        let upstreams = self.project.upstreams(&planned.table, &versions);
        let found = versions.get(&node.unique_id);
        let filled = found.filter(|_| planned.step.is_some());
        let own = settings.windows(self.options.event_time, filled.is_some(), self.now);
        let Some(live) = filled else {
            let way = Way::Full {
                why: "the table is filled anew".to_owned(),
            };
            if !self.options.full_refresh
                && let Some((upstream, before)) = loses(found, &way, &upstreams)
            {
                return Err(expired(node, &way, upstream, before));
            }
            return Ok(own);
        };
        let own = match self.options.retried.get(&node.unique_id) {
            Some(before) => before.failed.clone(),
            None => own,
        };
        let left = live.properties.get(Progress::PROPERTY);
        let left = left.and_then(|text| Progress::parse(text));
        Ok(match left.filter(|_| self.is_unended(live)) {
            Some(left) => {
                let is_same = self.was_done(live, &upstreams, &planned.table.fingerprint);
                left.go_on(own, is_same, settings.size)
            }
            None => own,
        })
    }

    /// Stage a batch and commit it; how many rows it has written.
    async fn batch(
        &self,
        node: &Node,
        planned: &PlannedIncremental,
        settings: &Settings,
        batch: Batch,
    ) -> Result<u64> {
        let versions = self.snapshot_of_versions();
        let upstreams = self.project.upstreams(&planned.table, &versions);
        let fills = batch.is_first && planned.step.is_none();
        let refreshes = node
            .config
            .full_refresh
            .unwrap_or(self.options.full_refresh);
        let templates = &self.manifest().batches;
        let of_batch = templates.model(node, batch.window, !fills && !refreshes)?;
        let mut table = planned.table.clone();
        let step = if fills {
            (table, _) = self
                .project
                .planned_table(&of_batch, sql_of(&of_batch))
                .await?;
            None
        } else {
            Some(self.step(node, planned, settings, batch)?)
        };
        let way = Way::Full {
            why: "the table is filled anew".to_owned(),
        };
        let (table, live, mut staged) = self
            .staged(
                &of_batch,
                &table,
                &versions,
                &upstreams,
                async |stage| match &step {
                    Some(step) => stage.incremental(step).await,
                    None => stage.stage(&way).await,
                },
            )
            .await?;
        let change = staged
            .metadata
            .get_or_insert_with(|| MetadataChange::of(&live));
        change
            .properties
            .insert(Progress::PROPERTY.to_owned(), batch.after.to_string());
        let txns = counted(&live, &upstreams);
        let ended = self
            .commit_untested(node, &table, live, staged, txns)
            .await?;
        Ok(ended.rows.unwrap_or(0))
    }

    /// How the rows of a batch join those that are there.
    fn step(
        &self,
        node: &Node,
        planned: &PlannedIncremental,
        settings: &Settings,
        batch: Batch,
    ) -> Result<Step> {
        let Strategy::Microbatch { predicates, .. } = Strategy::of(node)? else {
            unreachable!("a microbatch model is built by its strategy");
        };
        let columns = if let Some(step) = &planned.step {
            Columns {
                // The first batch has written every row again.
                rewrite: step.columns.rewrite && batch.is_first,
                ..step.columns.clone()
            }
        } else {
            let versions = self.snapshot_of_versions();
            let live = &versions[&node.unique_id];
            Columns::of(node, live, &planned.table.schema)?
        };
        Ok(Step {
            strategy: Strategy::Microbatch {
                event_time: settings.event_time.clone(),
                window: batch.window,
                predicates,
            },
            columns,
        })
    }

    /// How the model ended: by its batches, then by its tests.
    async fn ended(&self, node: &Node, results: &BatchResults, wrong: &[String]) -> Result<Ended> {
        let (well, failed) = (results.successful.len(), results.failed.len());
        let mut ended = Ended {
            status: Status::Success,
            way: Some(STRATEGY.to_owned()),
            rows: None,
            message: None,
            batches: None,
        };
        if failed == 0 {
            let versions = self.snapshot_of_versions();
            let blocked = self.tested(node, &versions, STRATEGY, None).await?;
            return Ok(blocked.unwrap_or(ended));
        }
        let all = well + failed;
        let said = if well == 0 {
            ended.status = Status::Error;
            format!("ERROR ({failed} of {all} batches)")
        } else {
            ended.status = Status::PartialSuccess;
            format!("PARTIAL SUCCESS ({well}/{all})")
        };
        ended.message = Some(format!("{said}\n{}", wrong.join("\n")));
        Ok(ended)
    }
}
