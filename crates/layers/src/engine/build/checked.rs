//! The tests of a build: which run, over which rows, and which are known to pass.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::catalog::TableProvider;
use futures::StreamExt;
use goldrecord_lake::{AddFile, Snapshot};
use sha2::{Digest, Sha256};

use super::read::{Read, Rows};
use super::{Ended, Run, lock};
use crate::engine::memory::Effort;
use crate::engine::project::{self, Versions, is_view};
use crate::engine::stage::Staged;
use crate::engine::{checks, new_rows};
use crate::manifest::Node;
use crate::reporter::{NodeResult, Status};
use crate::{Error, Result};

impl Run<'_> {
    /// Run the node's tests. What the node ended with when one of them blocks it.
    pub(super) async fn tested(
        &self,
        node: &Node,
        versions: &Versions,
        way: &str,
        staged: Option<&Staged>,
    ) -> Result<Option<Ended>> {
        let Some(tests) = self.order.tests.get(&node.unique_id) else {
            return Ok(None);
        };
        let results: Vec<Result<(&Node, bool)>> = futures::stream::iter(tests)
            .map(|unique_id| async move {
                let test = self.get(unique_id);
                let staged = staged.map(|staged| (node, staged));
                Ok((test, self.test(test, versions, staged).await?))
            })
            .buffer_unordered(self.options.threads.max(1))
            .collect()
            .await;
        let mut blocking = Vec::new();
        for result in results {
            let (test, well) = result?;
            if !well {
                blocking.push(test.name.as_str());
            }
        }
        if blocking.is_empty() {
            return Ok(None);
        }
        let what = if staged.is_some() {
            "not committed: "
        } else {
            ""
        };
        Ok(Some(Ended {
            status: Status::Error,
            way: Some(way.to_owned()),
            rows: None,
            message: Some(format!("{what}{} failed", blocking.join(", "))),
            batches: None,
        }))
    }

    /// Run one test over these versions, one table perhaps as staged; whether it does not block.
    pub(super) async fn test(
        &self,
        test: &Node,
        versions: &Versions,
        staged: Option<(&Node, &Staged)>,
    ) -> Result<bool> {
        let index = self.start(test);
        let started = Instant::now();
        let read = self.read_by(test, versions);
        let is_known = staged.is_none_or(|(_, staged)| staged.keeps_rows())
            && self.found_nothing(test).is_some_and(|then| {
                read.changed_since(&then)
                    .is_some_and(|changed| changed.is_empty())
            });
        let outcome = if is_known {
            Ok(None)
        } else {
            self.kept_verdict(test, versions, staged).await.map(Some)
        };
        let mut result = NodeResult {
            unique_id: test.unique_id.clone(),
            status: Status::Pass,
            way: None,
            rows: None,
            failures: Some(0),
            failing_rows: None,
            message: None,
            batches: None,
            elapsed: Duration::ZERO,
        };
        match outcome {
            Ok(None) => result.message = Some("unchanged since it passed".to_owned()),
            Ok(Some(verdict)) => {
                result.status = verdict.status;
                result.failures = Some(verdict.failures);
                result.failing_rows = verdict.rows;
            }
            Err(Error::Interrupted) => {
                result.status = Status::Skipped;
                result.failures = None;
                result.message = Some(Error::Interrupted.to_string());
                self.record(index, test, result);
                return Err(Error::Interrupted);
            }
            Err(error) => {
                result.status = Status::Error;
                result.failures = None;
                result.message = Some(error.to_string());
                if matches!(error, Error::Superseded { .. }) {
                    self.record(index, test, result);
                    return Err(error);
                }
            }
        }
        result.elapsed = started.elapsed();
        let well = matches!(result.status, Status::Pass | Status::Warn);
        if result.status == Status::Pass {
            // With a staged table, what it read has its version only once that is committed.
            lock(&self.passed).insert(test.unique_id.clone(), read.to_string());
        } else {
            lock(&self.passed).remove(&test.unique_id);
        }
        self.record(index, test, result);
        Ok(well)
    }

    /// Run a test and keep its failing rows, where they are kept: that what they are of is not committed is no
    /// reason not to.
    async fn kept_verdict(
        &self,
        test: &Node,
        versions: &Versions,
        staged: Option<(&Node, &Staged)>,
    ) -> Result<checks::Verdict> {
        let mut verdict = self.verdict(test, versions, staged).await?;
        if let Some(kept) = verdict.kept.take() {
            kept.commit(self.build.map(|build| build.number)).await?;
        }
        Ok(verdict)
    }

    async fn verdict(
        &self,
        test: &Node,
        versions: &Versions,
        staged: Option<(&Node, &Staged)>,
    ) -> Result<checks::Verdict> {
        let deciding = self.deciding(test, versions, staged).await?;
        tracing::debug!(
            test = test.name,
            only = deciding.as_ref().map(|(table, _)| table),
            files = deciding.as_ref().map(|(_, files)| files.len()),
            "testing"
        );
        let over = |upstream: &Node| {
            let files = deciding
                .as_ref()
                .filter(|(table, _)| *table == upstream.unique_id)
                .map(|(_, files)| files.clone());
            leaf(upstream, versions, test, staged, files)
        };
        let mut effort = Effort::Usual;
        loop {
            let share = self.project.engine.share(effort).await?;
            let session = self.project.session_in(&share.engine, test, &over).await?;
            let verdict = tokio::select! {
                verdict = checks::run(&session, test, self.project.lake) => verdict,
                () = self.shutdown.requested() => Err(Error::Interrupted),
            };
            match verdict {
                Ok(verdict) => return Ok(verdict),
                Err(error) => effort = self.try_again(test, effort, error)?,
            }
        }
    }

    /// A test's SQL and the rows of the tables that it reads, in short.
    pub(super) fn read_by(&self, test: &Node, versions: &Versions) -> Read {
        let mut query = Sha256::new().chain_update(&test.fingerprint);
        for view in self.views_of(test) {
            query.update(&view.fingerprint);
        }
        let tables = self.tables_of(test).into_iter().filter_map(|table| {
            let snapshot = versions.get(&table.unique_id)?;
            Some(Rows {
                version: snapshot.version,
                files: self.rows_of(snapshot),
            })
        });
        Read {
            query: in_short(query),
            tables: tables.collect(),
        }
    }

    /// The tables that a test reads, by views too.
    pub(super) fn tables_of(&self, test: &Node) -> Vec<&Node> {
        let mut tables: Vec<&Node> = self.project.tables_of(test);
        tables.sort_by(|a, b| a.unique_id.cmp(&b.unique_id));
        tables
    }

    /// A table's columns and files, in short: a version that changes neither has the same rows.
    fn rows_of(&self, snapshot: &Snapshot) -> String {
        let version = (snapshot.table_id.clone(), snapshot.version);
        let rows = || {
            let mut hash = Sha256::new().chain_update(&snapshot.table_id);
            for field in snapshot.schema.fields() {
                hash.update(format!("\0{}\0{}", field.name(), field.data_type()));
            }
            for path in snapshot.files.keys() {
                hash.update(format!("\0{path}"));
            }
            in_short(hash)
        };
        lock(&self.rows).entry(version).or_insert_with(rows).clone()
    }

    /// The views that a test reads, over others too.
    fn views_of(&self, test: &Node) -> Vec<&Node> {
        let of = |node: &Node| -> Vec<&Node> {
            self.project
                .reads(node)
                .into_iter()
                .filter(|node| is_view(node))
                .collect()
        };
        let mut found = Vec::new();
        let mut next = of(test);
        while let Some(view) = next.pop() {
            found.push(view);
            next.extend(of(view));
        }
        found
    }

    /// Whether a test may find something in rows in which it found nothing a moment ago.
    pub(super) fn tells_time(&self, test: &Node) -> bool {
        self.views_of(test)
            .into_iter()
            .chain([test])
            .any(|node| new_rows::tells_time(node.compiled_code.as_deref().unwrap_or_default()))
    }

    /// What the node's tests read was never committed.
    pub(super) fn forget_tests(&self, node: &Node) {
        for unique_id in self.order.tests.get(&node.unique_id).into_iter().flatten() {
            lock(&self.passed).remove(unique_id);
        }
    }
}

/// A table that a test reads: as it will be, or those files of it.
pub(super) fn leaf(
    upstream: &Node,
    versions: &Versions,
    test: &Node,
    staged: Option<(&Node, &Staged)>,
    files: Option<Vec<AddFile>>,
) -> Result<Arc<dyn TableProvider>> {
    match staged {
        Some((node, staged)) if node.unique_id == upstream.unique_id => {
            let mut versions = versions.clone();
            versions.insert(node.unique_id.clone(), staged.defined.clone());
            let files = files.unwrap_or_else(|| staged.files());
            project::leaf(upstream, &versions, test, Some(files))
        }
        _ => project::leaf(upstream, versions, test, files),
    }
}

fn in_short(hash: Sha256) -> String {
    let mut text = format!("{:x}", hash.finalize());
    text.truncate(32);
    text
}
