//! The tests of a build: which run, over which rows, and which are known to pass.

use std::time::{Duration, Instant};

use futures::StreamExt;
use sha2::{Digest, Sha256};

use super::{Ended, Run, lock};
use crate::engine::checks;
use crate::engine::memory::Effort;
use crate::engine::project::{self, Versions, is_view};
use crate::engine::stage::Staged;
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
        let known = staged.is_none() && self.passed_before.get(&test.unique_id) == Some(&read);
        let only_tests = self.build.is_none();
        let outcome = if known && !only_tests && !self.options.full_refresh {
            Ok(None)
        } else {
            self.verdict(test, versions, staged).await.map(Some)
        };
        let mut result = NodeResult {
            unique_id: test.unique_id.clone(),
            status: Status::Pass,
            way: None,
            rows: None,
            failures: Some(0),
            failing_rows: None,
            message: None,
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
            }
        }
        result.elapsed = started.elapsed();
        let well = matches!(result.status, Status::Pass | Status::Warn);
        if result.status == Status::Pass {
            // With a staged table, what it read has its version only once that is committed.
            lock(&self.passed).insert(test.unique_id.clone(), read);
        } else {
            lock(&self.passed).remove(&test.unique_id);
        }
        self.record(index, test, result);
        Ok(well)
    }

    async fn verdict(
        &self,
        test: &Node,
        versions: &Versions,
        staged: Option<(&Node, &Staged)>,
    ) -> Result<checks::Verdict> {
        let leaf = |upstream: &Node| match staged {
            Some((node, staged)) if node.unique_id == upstream.unique_id => {
                let mut versions = versions.clone();
                versions.insert(node.unique_id.clone(), staged.defined.clone());
                project::leaf(upstream, &versions, test, Some(staged.files()))
            }
            _ => project::leaf(upstream, versions, test, None),
        };
        let mut effort = Effort::Usual;
        loop {
            let share = self.project.engine.share(effort).await?;
            let session = self.project.session_in(&share.engine, test, &leaf).await?;
            let verdict = tokio::select! {
                verdict = checks::run(&session, test) => verdict,
                () = self.shutdown.requested() => Err(Error::Interrupted),
            };
            match verdict {
                Ok(verdict) => return Ok(verdict),
                Err(error) => effort = self.try_again(test, effort, error)?,
            }
        }
    }

    /// A test's SQL and the versions of the tables that it reads, in short.
    pub(super) fn read_by(&self, test: &Node, versions: &Versions) -> String {
        let mut tables: Vec<&Node> = self.project.tables_of(test);
        tables.sort_by(|a, b| a.unique_id.cmp(&b.unique_id));
        let mut hash = Sha256::new().chain_update(&test.fingerprint);
        let mut views: Vec<&Node> = self
            .project
            .reads(test)
            .into_iter()
            .filter(|node| is_view(node))
            .collect();
        while let Some(view) = views.pop() {
            hash.update(&view.fingerprint);
            views.extend(
                self.project
                    .reads(view)
                    .into_iter()
                    .filter(|node| is_view(node)),
            );
        }
        for table in tables {
            if let Some(snapshot) = versions.get(&table.unique_id) {
                hash.update(format!("\0{}\0{}", snapshot.table_id, snapshot.version));
            }
        }
        format!("{:x}", hash.finalize())
    }
    /// What the node's tests read was never committed.
    pub(super) fn forget_tests(&self, node: &Node) {
        for unique_id in self.order.tests.get(&node.unique_id).into_iter().flatten() {
            lock(&self.passed).remove(unique_id);
        }
    }
}
